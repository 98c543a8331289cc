"""Bands from crystals, end to end: it learns, one crystal has one result, a fit goes on after a stop, errors help."""

import json
import struct
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from neural_cases import CRYSTALS, conventional, cosine_bands, disguised, torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from ldosml.datasets import load_crystals
from ldosml.kresolved import CrystalBands, KPath, gamma_mesh
from ldosml.neural import BandTransformer, BandTransformerConfig, PathBands, path_bands, standardized
from ldosml.neural.band_transformer_network import BandNetwork, BandScale, EncoderLayer, softmax_by
from ldosml.neural.band_transformer_objective import (
    PathDraws,
    band_scale,
    drawn_kpoints,
    make_path_example,
    path_batch,
    path_graph,
    path_loss,
)
from ldosml.neural.band_transformer_targets import around_fermi_level, guessed_bands, smoothed
from ldosml.neural.graph import batched, crystal_graph
from ldosml.neural.inputs import place_bands
from ldosml.tightbinding import TightBindingParameters

pytest.importorskip("pymatgen", reason="pymatgen is not installed")

TABLES = [Atoms(symbol, cell=[a] * 3, pbc=True) for symbol, a in (("Ag", 3.3), ("Na", 3.4), ("Cu", 3.5), ("Al", 3.6))]
BANDS = [cosine_bands(n_kpoints=80, level=level, seed=i) for i, level in enumerate((-3.0, -1.0, 1.0, 2.5))]
TINY = {"n_bands": 2, "n_kpoints": 24, "d": 16, "n_layers": 1, "n_blocks": 1, "n_heads": 2, "n_radial": 8, "n_bloch": 2}
TINY |= {"tight_binding": "none"}
RANDOM = np.random.default_rng(2).uniform(-0.5, 0.5, (9, 3))
UNIVERSAL = TightBindingParameters.universal()


def tiny(config=None, **changes):
    options = {"n_epochs": 3, "batch_size": 2, "validation_fraction": 0.25}
    return BandTransformer(BandTransformerConfig(**TINY | (config or {})), **options | changes)


@pytest.fixture(scope="module")
def fitted():
    return tiny(validation_fraction=0).fit(TABLES, BANDS)


@pytest.fixture(scope="module")
def untrained():
    """A network for every crystal, with random weights."""
    model = tiny({"d": 32}, n_epochs=1, validation_fraction=0, learning_rate=1e-9).fit(TABLES, BANDS)
    model.elements_ = tuple(range(119))
    return model


def weights(model):
    return {name: value.numpy() for name, value in model.network_.state_dict().items()}


def assert_same_weights(first, second):
    assert weights(first).keys() == weights(second).keys()
    for name, value in weights(first).items():
        assert_array_equal(value, weights(second)[name])


class TestTargets:
    def test_cosine_bands_come_back_along_the_path(self):
        found = path_bands(standardized(TABLES[1]), BANDS[1], n_kpoints=60, n_bands=2)
        lower = -1.0 - 2.0 * np.cos(2 * np.pi * found.path.kpoints).sum(axis=1)
        assert_allclose(found.bands, np.column_stack([lower, lower + 8.0]), atol=0.1)
        assert_allclose(found.centers[:, None] + found.dispersions.T, found.bands.T)
        assert_allclose(found.dispersions.mean(axis=0), 0, atol=1e-12)
        assert found.gap == 0
        assert len(found) == 60

    def test_the_gap_of_silicon(self):
        silicon = load_crystals()["diamond-Si"]
        ((crystal, bands),) = place_bands([silicon.atoms], [silicon.bands])
        found = path_bands(crystal, bands)
        assert found.bands.shape == (256, 6)
        assert found.gap == pytest.approx(silicon.gap, abs=0.02)
        assert found.valence_maximum == pytest.approx(-found.conduction_minimum, abs=0.02)
        assert repr(found) == f"PathBands(256 k-points, 6 bands; gap {found.gap:.2f} eV)"
        moved = path_bands(crystal, replace(bands, fermi_energy=bands.fermi_energy + 0.2))
        assert_allclose(moved.bands, found.bands)  # the zero is the middle of the gap wherever the code had it

    def test_half_of_the_bands_end_with_the_highest_that_holds_electrons(self):
        energies = [[-9.0, -5.0, -1.0, 2.0], [-8.0, -4.0, 1.0, 3.0]]
        bands = CrystalBands([[0, 0, 0], [0.5, 0, 0]], energies, None, 0.0, 2.0, 5.0, 0.0)
        columns, known = around_fermi_level(bands, 2)
        assert columns.tolist() == [[-1.0, 2.0], [1.0, 3.0]]
        columns, known = around_fermi_level(bands, 8)
        assert known.tolist() == [False, True, True, True, True, False, False, False]
        with pytest.raises(ValueError, match="n_bands must be an even number, at least 2; got 3"):
            around_fermi_level(bands, 3)
        with pytest.raises(ValueError, match="a band below and a band above it at every k-point; 0 of 4 bands"):
            around_fermi_level(replace(bands, fermi_energy=-20.0), 2)

    def test_no_gap_around_a_band_that_crosses_the_fermi_level(self):
        path = KPath(np.zeros((2, 3)), np.eye(3), ())
        bands = {"metal": [[-1.0, 2.0], [0.5, 3.0]], "overlap": [[-1.0, -0.5], [-2.0, 1.0]]}
        assert [PathBands(path, np.array(each)).gap for each in bands.values()] == [0.0, 0.0]
        assert PathBands(path, [[-1.0, 2.0], [-0.5, 3.0]]).gap == 2.5
        assert PathBands(path, [[np.nan, -1.0, 2.0, 4.0], [np.nan, -0.5, 3.0, 5.0]]).gap == 2.5
        with pytest.raises(ValueError, match="number of bands must be even"):
            PathBands(path, np.zeros((2, 3)))

    def test_smoothing_follows_the_closed_path(self):
        bands = np.random.default_rng(0).normal(size=(21, 2))
        bands[-1] = bands[0]
        found = smoothed(bands, 1.5)
        assert_array_equal(found[0], found[-1])
        assert_allclose(found[:-1].mean(axis=0), bands[:-1].mean(axis=0))
        assert found.std() < 0.7 * bands.std()
        assert_allclose(smoothed(np.roll(bands[:-1], 5, axis=0)[[*range(20), 0]], 1.5)[5], found[0])
        assert_array_equal(smoothed(bands, 0.0), bands)


class TestNetwork:
    def test_softmax_sums_to_one_for_each_atom(self):
        scores = torch.from_numpy(np.random.default_rng(0).normal(size=(7, 2)) * 50)
        group = torch.tensor([0, 2, 0, 2, 2, 0, 0])
        found = softmax_by(group, scores, 3)
        assert_allclose(found[group == 0].numpy(), torch.softmax(scores[group == 0], 0).numpy(), atol=1e-12)
        assert_allclose(found[group == 2].sum(dim=0).numpy(), 1)

    def test_distances_matter_where_all_neighbours_are_alike(self):
        torch.manual_seed(0)
        layer, edges = EncoderLayer(8, 2, 2, 0.0), torch.randn(12, 8)
        graph = batched([crystal_graph(standardized(CRYSTALS["fcc"]), 12)])
        atoms = torch.randn(1, 8)
        assert not np.allclose(*(layer(atoms, each, graph).detach().numpy() for each in (edges, 2 * edges)), atol=1e-3)

    def test_neighbours_end_at_the_radius(self):
        crystal, kpoints = standardized(TABLES[0]), np.zeros((2, 3))
        lengths = [
            len(
                path_graph(
                    crystal, kpoints, BandTransformerConfig(**TINY | {"n_neighbors": 12, "radius": radius}), UNIVERSAL
                ).graph.distances
            )
            for radius in (3.4, 8.0)
        ]
        assert lengths == [6, 18]

    @pytest.mark.parametrize("symmetric", [True, False])
    def test_symmetry_in_k(self, symmetric):
        config = BandTransformerConfig(**TINY | {"symmetric": symmetric, "n_bloch": 2 * symmetric})
        crystal, network = standardized(CRYSTALS["zincblende"]), BandNetwork(config).eval()
        k = np.random.default_rng(0).uniform(-0.5, 0.5, (6, 3))
        turn = path_graph(crystal, k, replace(config, symmetric=True), UNIVERSAL).operations[5]
        with torch.no_grad():
            first, second = (
                network(*path_batch([path_graph(crystal, each, config, UNIVERSAL)], [np.arange(6)], "cpu"))[1]
                for each in (k, -k @ turn.T)
            )
        assert np.allclose(first, second, atol=1e-4) == symmetric
        assert float(first.std()) > 0.005

    def test_few_cosines_are_smooth(self):
        config = BandTransformerConfig(**TINY | {"n_cosines": 2, "symmetric": False})
        given = path_graph(standardized(TABLES[0]), np.random.default_rng(0).uniform(size=(30, 3)), config, UNIVERSAL)
        with torch.no_grad():
            _, found = BandNetwork(config).eval()(*path_batch([given], [np.arange(30)], "cpu"))
        steps = np.pi * (np.arange(30) + 0.5) / 30
        waves = np.column_stack([np.cos(steps), np.cos(2 * steps)])
        fit, *_ = np.linalg.lstsq(waves, found[0].numpy(), rcond=None)
        assert_allclose(waves @ fit, found[0].numpy(), atol=1e-5)
        assert found.std() > 1e-3

    def test_missing_bands_count_nothing(self):
        bands = torch.tensor([[[1.0, np.nan], [3.0, np.nan]]])
        draws = PathDraws(None, 0.5)
        loss = path_loss(torch.tensor([[2.5, 9.0]]), torch.tensor([[[-1.0, 7.0], [2.0, 7.0]]]), bands, draws)
        assert float(loss) == pytest.approx(0.5 + 0.5 * 0.5)

    def test_outputs_start_at_the_training_crystals(self):
        config = BandTransformerConfig(**TINY)
        examples = [
            make_path_example(standardized(a), b, config, UNIVERSAL) for a, b in zip(TABLES, BANDS, strict=True)
        ]
        scale = band_scale(examples)
        assert_allclose(scale.centers.numpy(), np.mean([e.bands.mean(axis=0) for e in examples], axis=0), atol=1e-5)
        wide = [replace(e, bands=np.pad(e.bands, ((0, 0), (1, 1)), constant_values=np.nan)) for e in examples]
        with pytest.raises(ValueError, match="No training crystal has band 1 of the 4 around the Fermi level"):
            band_scale(wide)

    def test_the_guess_is_what_an_untrained_network_predicts(self):
        """Also where tight binding has no band, and for crystals whose guess is hidden: then the mean over crystals."""
        config = BandTransformerConfig(**TINY | {"n_bands": 6, "tight_binding": "universal"})
        crystal = standardized(CRYSTALS["fcc"])
        network = BandNetwork(config).eval()
        network.start_at(BandScale(torch.arange(6.0), *torch.zeros(4, 6)))
        given = path_graph(crystal, RANDOM, config, UNIVERSAL)
        with torch.no_grad():
            known, blind = (
                sum(
                    (network(*path_batch([given], [np.arange(9)], "cpu", np.array([hidden])))[i]).squeeze(0)
                    for i in (0, 1)
                )
                for hidden in (False, True)
            )
        assert given.guess.shape == (9, 10)
        assert_allclose(known.numpy(), given.guess[:, 2:-2], atol=1e-4)
        assert_allclose(blind.numpy(), np.tile(np.arange(6.0), (9, 1)))

    def test_guessed_bands_end_with_the_highest_filled_one(self):
        found = guessed_bands(standardized(bulk("Si")), RANDOM, 10, UNIVERSAL)
        assert np.isnan(found).all(axis=0).tolist() == [True] + 9 * [False]
        assert (found[:, 1:5] < 0).all()
        assert (found[:, 5:] > 0).all()
        assert np.isnan(guessed_bands(standardized(Atoms("Lr", cell=[4] * 3, pbc=True)), RANDOM, 10, UNIVERSAL)).all()

    def test_drawn_kpoints_are_evenly_spaced_without_the_repeated_end(self):
        example = make_path_example(
            standardized(TABLES[0]), BANDS[0], BandTransformerConfig(**TINY | {"n_kpoints": 41}), UNIVERSAL
        )
        random = np.random.default_rng(0)
        drawn = [drawn_kpoints(example, 8, random) for _ in range(20)]
        assert all((np.diff(np.sort(each)) == 5).all() for each in drawn)
        assert len(np.unique(drawn)) > 30
        assert np.max(drawn) < 40
        assert_array_equal(drawn_kpoints(example, None, random), np.arange(40))


class TestLearning:
    def test_two_crystals_are_learned(self):
        mesh = gamma_mesh(8)[0]
        bands = [replace(cosine_bands(512, level, 0), kpoints=mesh) for level in (-2.0, 1.0)]
        for each, level in zip(bands, (-2.0, 1.0), strict=True):
            each.eigenvalues[:, 0] = level - 2 * np.cos(2 * np.pi * mesh).sum(axis=1)
            each.eigenvalues[:, 1] = each.eigenvalues[:, 0] + 8
        model = tiny({"d": 32, "dropout": 0.0}, n_epochs=250, learning_rate=5e-3, validation_fraction=0, patience=None)
        found = model.fit(TABLES[:2], bands).predict(TABLES[:2])
        for each, atoms, one in zip(found, TABLES, bands, strict=False):
            true = path_bands(standardized(atoms), one, n_kpoints=24, n_bands=2)
            assert_array_equal(each.path.kpoints, true.path.kpoints)
            assert np.abs(each.bands - true.bands).mean() < 0.12
            assert np.abs(true.dispersions).mean() > 1.5

    def test_it_is_the_same_every_time_and_leaves_the_global_state_alone(self):
        torch.manual_seed(5)
        state = torch.get_rng_state()
        first, second, third = (tiny(random_state=seed, kpoints_per_crystal=8).fit(TABLES, BANDS) for seed in (1, 1, 2))
        assert_array_equal(state, torch.get_rng_state())
        assert_same_weights(first, second)
        assert first.history_ == second.history_
        assert not np.array_equal(weights(first)["center.0.weight"], weights(third)["center.0.weight"])

    def test_the_best_epoch_is_kept_and_waiting_ends(self):
        bad = [replace(bands, fermi_energy=3.0) for bands in BANDS]
        model = tiny(n_epochs=80, patience=2, learning_rate=1e-2, schedule="constant", batch_size=4)
        model.fit(TABLES[:2], BANDS[:2], validation=(TABLES[2:], bad[2:]))
        losses = [epoch.validation_loss for epoch in model.history_]
        assert len(losses) < 80
        assert len(losses) - 1 - int(np.argmin(losses)) == 2

    def test_a_stopped_fit_goes_on_bit_for_bit(self, tmp_path):
        path = tmp_path / "run"

        def stop(epoch):
            if epoch.number == 2:
                raise KeyboardInterrupt

        options = {"n_epochs": 4, "kpoints_per_crystal": 8}
        with pytest.raises(KeyboardInterrupt):
            tiny(checkpoint=path, **options).fit(TABLES, BANDS, progress=stop)
        numbers = []
        resumed = tiny(checkpoint=path, **options)
        resumed.fit(TABLES, BANDS, progress=lambda epoch: numbers.append(epoch.number))
        assert numbers == [3, 4]
        straight = tiny(**options).fit(TABLES, BANDS)
        assert_same_weights(resumed, straight)
        assert resumed.history_ == straight.history_
        with pytest.raises(ValueError, match="checkpoint of another fit: dispersion_weight differ"):
            tiny(checkpoint=path, dispersion_weight=2.0, **options).fit(TABLES, BANDS)
        with pytest.raises(ValueError, match="another fit: training set, validation set differ"):
            tiny(checkpoint=path, **options).fit(TABLES, BANDS[::-1])


class TestPrediction:
    @pytest.mark.parametrize("name", ["fcc", "hcp", "zincblende", "rocksalt", "perovskite"])
    def test_one_crystal_has_one_result(self, untrained, name):
        atoms = CRYSTALS[name]
        found = untrained.predict([atoms, disguised(atoms), disguised(conventional(name), seed=1), standardized(atoms)])
        for other in found[1:]:
            assert_allclose(other.path.kpoints, found[0].path.kpoints, atol=1e-6)
            assert_allclose(other.bands, found[0].bands, atol=1e-3)
        assert found[0].dispersions.std() > 1e-3

    def test_with_fitted_tight_binding(self, tmp_path, monkeypatch):
        path = tmp_path / "run"
        model = tiny({"n_bands": 2, "tight_binding": "fitted"}, n_epochs=1, checkpoint=path).fit(TABLES, BANDS)
        monkeypatch.setattr("ldosml.neural.crystal_estimator.fit_tight_binding", lambda *_: pytest.fail("fitted again"))
        again = tiny({"n_bands": 2, "tight_binding": "fitted"}, n_epochs=1, checkpoint=path).fit(TABLES, BANDS)
        assert_same_weights(model, again)
        found = model.predict([TABLES[0], disguised(TABLES[0] * (2, 1, 1))])
        assert_allclose(found[0].bands, found[1].bands, atol=1e-3)
        model.elements_ = tuple(range(119))
        with pytest.warns(UserWarning, match="no tight binding for this crystal: the atomic levels of an element"):
            model.predict([Atoms("Lr", cell=[4] * 3, pbc=True)])

    def test_results(self, fitted):
        found = fitted.predict(TABLES[:2])
        assert [each.bands.shape for each in found] == [(24, 2)] * 2
        assert_array_equal(found[0].bands[0], found[0].bands[-1])
        assert np.ptp(found[0].bands, axis=0).min() > 1e-3
        assert found[0].path.corners[0] == (0, "G")

    def test_unknown_elements(self, fitted):
        with pytest.raises(ValueError, match=r"allow_unknown is needed.*not trained on O, Sr, Zr\."):
            fitted.predict([CRYSTALS["perovskite"]])
        with pytest.warns(UserWarning, match="O, Sr, Zr: bands of crystals with them are guesses"):
            fitted.predict([CRYSTALS["perovskite"]], allow_unknown=True)

    def test_manners(self):
        model = tiny(dispersion_weight=0.5)
        copy = clone(model)
        assert copy.get_params() == model.get_params()
        assert "dispersion_weight=0.5" in repr(model)
        with pytest.raises(NotFittedError):
            model.predict(TABLES)
        with pytest.raises(NotFittedError):
            model.save("nowhere")

    def test_presets(self):
        assert BandTransformer()._config().symmetric
        assert not BandTransformer("paper")._config().symmetric
        config = BandTransformerConfig.preset("paper")
        assert (config.n_bands, config.n_kpoints, config.n_neighbors, config.radius) == (6, 256, 12, 8.0)
        given = path_graph(standardized(CRYSTALS["rocksalt"]), RANDOM, config, UNIVERSAL)
        with torch.no_grad():
            centers, dispersions = BandNetwork(config).eval()(*path_batch([given], [np.arange(9)], "cpu"))
        assert (centers.shape, dispersions.shape) == ((1, 6), (1, 9, 6))
        assert float(dispersions.std()) > 0.01


class TestErrors:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"n_epochs": 0}, "n_epochs must be a whole number, at least 1; got 0"),
            ({"kpoints_per_crystal": 1}, "kpoints_per_crystal must be a whole number, at least 2"),
            ({"dispersion_weight": -1.0}, "dispersion_weight must be"),
            ({"validation_fraction": 1.0}, "validation_fraction must be at least 0 and below 1"),
            ({"device": "abacus"}, "PyTorch cannot use the device 'abacus'"),
            ({"preset": "large"}, "preset must be one of 'small', 'paper'"),
        ],
    )
    def test_bad_parameters(self, changes, message):
        with pytest.raises(ValueError, match=message):
            tiny().set_params(**changes).fit(TABLES, BANDS)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"n_bands": 3}, "n_bands must be even"),
            ({"d": 0}, "d must be a whole number, at least 1"),
            ({"n_heads": 3}, "d of a network must be a multiple of n_heads; got 16 and 3"),
            ({"radius": 0.0}, "radius must be a positive number"),
            ({"smoothing": -1.0}, "smoothing must be a finite number"),
            ({"elements": "names"}, "elements must be one of 'properties', 'one-hot'"),
            ({"n_cosines": 0}, "n_cosines must be a whole number"),
            ({"dropout": 1.0}, "dropout of a network"),
        ],
    )
    def test_bad_networks(self, changes, message):
        with pytest.raises(ValueError, match=message):
            BandTransformerConfig(**TINY | changes)

    def test_bad_input(self):
        with pytest.raises(ValueError, match="one CrystalBands for each crystal; got 4 crystals and 3 bands"):
            tiny().fit(TABLES, BANDS[:3])
        with pytest.raises(ValueError, match="Crystal 1 has 8 atoms, its primitive cell 1"):
            tiny().fit([TABLES[0], TABLES[1] * (2, 2, 2)], BANDS[:2])
        with pytest.raises(TypeError, match="Bands of crystal 0 must be CrystalBands; got NoneType"):
            tiny().fit(TABLES[:1], [None])
        with pytest.raises(TypeError, match="sequence; a single one as"):
            tiny().fit(TABLES[0], BANDS[:1])
        slab = Atoms("Ag", cell=[3.3] * 3, pbc=[True, True, False])
        with pytest.raises(ValueError, match="Crystal 0: A crystal must be periodic in three directions"):
            tiny().fit([slab], BANDS[:1])

    def test_short_paths(self):
        with pytest.raises(ValueError, match=r"n_kpoints must be at least \d+, the corners of this path; got 4"):
            tiny({"n_kpoints": 4}).fit(TABLES, BANDS)


class TestFiles:
    @pytest.mark.parametrize("elements", ["properties", "one-hot"])
    def test_round_trip(self, tmp_path, elements):
        model = tiny({"elements": elements}).fit(TABLES, BANDS)
        path = model.save(tmp_path / "model")
        loaded = BandTransformer.load(path)
        assert_same_weights(model, loaded)
        assert loaded.get_params() == model.get_params()
        assert (loaded.elements_, loaded.history_) == (model.elements_, model.history_)
        first, second = (each.predict(TABLES[:1])[0] for each in (model, loaded))
        assert_array_equal(first.bands, second.bands)
        with pytest.raises(FileExistsError, match="exists already"):
            model.save(path)
        assert model.save(path, overwrite=True) == path

    def test_the_description_is_readable(self, fitted, tmp_path):
        content = fitted.save(tmp_path / "model").read_bytes()
        header = json.loads(content[8 : 8 + struct.unpack("<Q", content[:8])[0]])["__metadata__"]
        assert header["format"] == "ldosml band transformer"
        assert json.loads(header["spec"])["config"]["n_kpoints"] == 24

    @pytest.mark.parametrize(
        ("damage", "message"),
        [
            (lambda content: content[:-5], "is not a complete ldosml band transformer, or is damaged"),
            (
                lambda content: content.replace(b"band transformer", b"band transfarmer"),
                "is not a ldosml band transformer",
            ),
            (lambda content: content.replace(b'n_layers\\": 1', b'n_layers\\": 2'), "should have .* tensors"),
            (lambda content: content.replace(b'\\"n_bands\\": 2', b'\\"n_bands\\": 3'), "damaged ldosml band trans"),
            (lambda content: content[:-4] + b"\xff\xff\xff\xff", "must hold finite numbers"),
        ],
    )
    def test_damaged_files(self, fitted, tmp_path, damage, message):
        path = fitted.save(tmp_path / "model")
        # Without the checksum, so that it is the content that is refused.
        path.write_bytes(damage(path.read_bytes().replace(b'"sha256"', b'"former"')))
        with pytest.raises(ValueError, match=message):
            BandTransformer.load(path)

    def test_missing_file(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="There is no ldosml band transformer"):
            BandTransformer.load(tmp_path / "none")
