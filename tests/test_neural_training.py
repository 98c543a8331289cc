"""What networks begin with and are trained towards: losses against scipy, and where they are least."""

import numpy as np
import pytest
from neural_cases import CRYSTALS, TINY, cosine_bands, torch
from numpy.testing import assert_allclose
from scipy.special import kl_div

from ldosml.kresolved import energy_bins
from ldosml.neural import OccupancyConfig, OccupancyNetwork, standardized
from ldosml.neural.decoder import Outputs
from ldosml.neural.examples import Batch, make_batch, make_example, mean_labels
from ldosml.neural.tight_binding import TightBindingParameters
from ldosml.neural.training import WINDOWS, count_loss, cross_entropy, occupancy_loss

GRID = energy_bins(32, 10.0)
UNIVERSAL = TightBindingParameters.universal()
RANDOM = np.random.default_rng(5)
COUNTS = RANDOM.poisson(0.3, (2, 3, 32)).astype(np.float32)
EXPECTED = RANDOM.uniform(0.05, 1.0, (2, 3, 32)).astype(np.float32)


def tensors(*arrays):
    return [torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32)) for array in arrays]


class TestCountLoss:
    @pytest.mark.parametrize("window", [1, 4, 16])
    def test_it_is_the_divergence_of_poisson_numbers(self, window):
        starts = range(0, 32 - window + 1, max(1, window // 2))
        m, n = (np.stack([x[..., s : s + window].sum(axis=-1) for s in starts]) for x in (EXPECTED, COUNTS))
        expected = kl_div(n, m).mean()
        assert_allclose(float(count_loss(*tensors(EXPECTED, COUNTS), window)), expected, rtol=0.02)

    @pytest.mark.parametrize("n_bins", [17, 31, 32, 255])
    def test_no_bin_is_left_out(self, n_bins):
        counts = np.ones((1, 1, n_bins))
        for place in (0, n_bins // 2, n_bins - 1):
            other = counts.copy()
            other[..., place] = 3
            for window in WINDOWS:
                assert float(count_loss(*tensors(other, counts), window)) > 1e-4

    def test_it_vanishes_where_counts_are_right_and_only_there(self):
        for window in WINDOWS:
            assert abs(float(count_loss(*tensors(COUNTS, COUNTS), window))) < 2e-3
            assert float(count_loss(*tensors(COUNTS + 0.5, COUNTS), window)) > 0.02

    def test_wide_windows_tell_how_far_a_band_is_off(self):
        band = np.zeros((1, 1, 256))
        band[..., 100] = 1
        near, far = (np.roll(band, shift, axis=-1) + 0.01 for shift in (6, 60))
        loss = {w: [float(count_loss(*tensors(guess, band), w)) for guess in (near, far)] for w in (1, 16)}
        assert loss[1][0] == pytest.approx(loss[1][1], rel=1e-4)
        assert loss[16][0] < 0.8 * loss[16][1]


class TestOccupancyLoss:
    def batch(self, known):
        presence = np.minimum(COUNTS, 1)
        return Batch(None, None, None, *tensors(presence, COUNTS, presence.max(axis=1), known))

    def test_only_known_bins_count(self):
        known = np.ones((2, 1, 32))
        known[:, :, 20:] = 0
        logits = RANDOM.normal(size=(2, 3, 32))
        changed = [np.where(known > 0, values, 7.0) for values in (logits, EXPECTED)]
        here, there = (
            float(occupancy_loss(Outputs(*tensors(*pair, pair[0].max(axis=1))), self.batch(known), 0.1))
            for pair in ((logits, EXPECTED), changed)
        )
        assert here == pytest.approx(there, rel=1e-5)

    def test_presence_alone_is_cross_entropy(self):
        from sklearn.metrics import log_loss

        logits = RANDOM.normal(size=(2, 3, 32))
        probabilities = 1 / (1 + np.exp(-logits))
        expected = log_loss(np.minimum(COUNTS, 1).ravel(), probabilities.ravel())
        batch = self.batch(np.ones((2, 1, 32)))
        assert float(occupancy_loss(Outputs(*tensors(logits), None, None), batch, 0.1)) == pytest.approx(
            expected, rel=1e-5
        )


def test_it_begins_with_the_mean_of_the_labels():
    config = OccupancyConfig(**TINY)
    examples = [
        make_example(
            standardized(CRYSTALS["bcc"]), cosine_bands(level=level, seed=seed), config, GRID, "soft", 0.1, UNIVERSAL
        )
        for seed, level in enumerate((-1.0, 0.0, 1.5))
    ]
    means = mean_labels(examples)
    assert_allclose(means.anywhere, np.mean([e.anywhere.astype(float) for e in examples], axis=0), atol=1e-6)
    assert_allclose(means.presence, np.mean([e.presence.astype(float) for e in examples], axis=(0, 1)), atol=1e-6)
    network = OccupancyNetwork(config)
    network.decoder.start_at(means)
    with torch.no_grad():
        batch = make_batch(examples, [np.arange(8)] * 3, "cpu")
        outputs = network(batch.graph, batch.images, batch.guess)
        at_start = float(cross_entropy(outputs.logits, batch.presence, batch.known))
    prior = means.presence.clamp(0.01, 0.99)
    entropy = float(torch.nn.functional.binary_cross_entropy(prior.expand_as(batch.presence), batch.presence))
    assert at_start == pytest.approx(entropy, rel=0.15)
