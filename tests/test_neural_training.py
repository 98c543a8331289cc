"""What networks begin with and are trained towards: losses against scipy, and where they are least."""

from dataclasses import replace

import numpy as np
import pytest
from neural_cases import CRYSTALS, TINY, cosine_bands, torch
from numpy.testing import assert_allclose
from scipy.special import kl_div

from ldosml.kresolved import energy_bins
from ldosml.neural import OccupancyConfig, standardized
from ldosml.neural.decoder import Outputs
from ldosml.neural.examples import Batch, make_batch, make_example, mean_labels
from ldosml.neural.losses import WINDOWS, count_loss, cross_entropy, occupancy_loss
from ldosml.neural.network import OccupancyNetwork
from ldosml.tightbinding import TightBindingParameters

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

    def test_every_part_counts(self):
        """Presence, states anywhere by a tenth, and counts by their weight."""
        batch = self.batch(np.ones((2, 1, 32)))
        logits, counts, anywhere = tensors(RANDOM.normal(size=(2, 3, 32)), EXPECTED, RANDOM.normal(size=(2, 32)))
        alone = float(occupancy_loss(Outputs(logits, None, None), batch, 0.1))
        asked = float(occupancy_loss(Outputs(logits, None, anywhere), batch, 0.1))
        of_anywhere = cross_entropy(anywhere, batch.anywhere, batch.known[:, 0])
        assert asked - alone == pytest.approx(0.1 * float(of_anywhere), rel=1e-4)
        of_counts = sum(float(count_loss(counts, batch.counts, window)) for window in WINDOWS)
        for weight in (0.1, 0.5):
            counted = float(occupancy_loss(Outputs(logits, counts, None), batch, weight))
            assert counted - alone == pytest.approx(weight * of_counts, rel=1e-4)


class TestBatch:
    def examples(self, kind="soft", width=0.1):
        bands = [replace(cosine_bands(level=level), energy_max=6.0) for level in (-1.0, 0.5)]
        config = OccupancyConfig(**TINY)
        crystals = [standardized(CRYSTALS[name]) for name in ("bcc", "rocksalt")]
        return [make_example(*pair, config, GRID, kind, width, UNIVERSAL) for pair in zip(crystals, bands, strict=True)]

    def test_the_last_guess_is_that_of_the_zone_and_blind_crystals_have_none(self):
        examples = self.examples()
        batch = make_batch(examples, [np.arange(3)] * 2, "cpu", np.array([True, False]))
        assert batch.guess.shape[1] == 4
        assert not batch.guess[0].any()
        assert_allclose(batch.guess[1, 3], examples[1].zone_guess)
        assert_allclose(batch.guess[1, :3], examples[1].guess[:3])
        assert examples[1].zone_guess.max() > 0

    def test_soft_labels_end_where_states_that_are_not_known_could_reach(self):
        soft, hard = (self.examples(kind)[0].known for kind in ("soft", "presence"))
        edges = GRID.edges[1:]
        assert edges[hard].max() == edges[edges <= 6.0].max()
        assert edges[soft].max() == edges[edges + 0.3 <= 6.0].max()


def test_tokens_see_the_guess_beside_their_bins():
    """A state in a bin changes the token of the bin and those beside, not the next ones."""
    network = OccupancyNetwork(OccupancyConfig(**TINY, patch=4))
    guess = torch.zeros(1, 1, 2, 32)
    guess[..., 13] = 1.0
    seen = network.decoder._by_token(guess)
    assert seen.shape == (1, 1, 8, 2 * 12)
    assert seen[0, 0].any(dim=-1).tolist() == [False, False, True, True, True, False, False, False]


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
