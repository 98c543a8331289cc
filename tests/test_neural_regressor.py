"""Learning occupancies: it learns, the same every time, goes on after a stop, and says what is wrong."""

import json
import struct
import warnings
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from neural_cases import CRYSTALS, TINY, cosine_bands, disguised, torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from ldosml.kresolved import CrystalBands, counted_dos
from ldosml.kresolved.model_files import FORMAT_VERSION
from ldosml.neural import (
    Epoch,
    KOccupancyRegressor,
    OccupancyConfig,
    standardized,
)
from ldosml.neural.examples import make_example
from ldosml.neural.inputs import hold_out, place_bands
from ldosml.neural.occupancy_objective import Draws, OccupancyObjective
from ldosml.neural.optimization import TrainingSettings, learning_rate
from ldosml.tightbinding import TightBindingParameters

TABLES = [Atoms(symbol, cell=[a] * 3, pbc=True) for symbol, a in (("Ag", 3.3), ("Na", 3.4), ("Cu", 3.5), ("Al", 3.6))]
BANDS = [cosine_bands(level=level, seed=i) for i, level in enumerate((-3.0, -1.0, 1.0, 2.5))]


def tiny(**changes):
    options = {"n_bins": 32, "n_epochs": 3, "batch_size": 2, "kpoints_per_crystal": 4, "validation_kpoints": 4}
    return KOccupancyRegressor(OccupancyConfig(**TINY), **options | {"validation_fraction": 0.25} | changes)


@pytest.fixture(scope="module")
def fitted():
    return tiny(validation_fraction=0).fit(TABLES, BANDS)


def weights(model):
    return {name: value.numpy() for name, value in model.network_.state_dict().items()}


def assert_same_weights(first, second):
    assert weights(first).keys() == weights(second).keys()
    for name, value in weights(first).items():
        assert_array_equal(value, weights(second)[name])


def cross_entropy(labels, probabilities):
    return -np.mean(labels * np.log(probabilities) + (1 - labels) * np.log1p(-probabilities))


class TestLearning:
    def test_four_crystals_are_learned_far_below_the_prior(self):
        model = KOccupancyRegressor(
            OccupancyConfig(**TINY | {"d": 32}),
            n_bins=32,
            labels="presence",
            n_epochs=400,
            batch_size=4,
            kpoints_per_crystal=24,
            learning_rate=1e-2,
            count_weight=0.3,
            validation_fraction=0,
            patience=None,
        ).fit(TABLES, BANDS)
        labels = np.array([bands.labels(model.grid_) for bands in BANDS])
        found = model.predict(TABLES, [bands.kpoints for bands in BANDS])
        loss = cross_entropy(labels, np.clip([each.probabilities for each in found], 1e-9, 1 - 1e-9))
        assert loss < 0.4 * cross_entropy(labels, labels.mean())
        assert loss < 0.5 * cross_entropy(labels, np.clip(labels.mean(axis=1, keepdims=True), 1e-9, 1 - 1e-9))
        counts = np.array([bands.labels(model.grid_, "counts") for bands in BANDS])
        assert_allclose(np.mean([each.counts.sum(axis=1) for each in found]), counts.sum(axis=2).mean(), rtol=0.05)

    def test_bins_above_the_last_complete_one_teach_nothing(self):
        cut = [replace(bands, energy_max=2.0) for bands in BANDS]
        other = [replace(b, eigenvalues=np.where(b.eigenvalues > 2.6, 9.9, b.eigenvalues)) for b in cut]
        first, second = (tiny(validation_fraction=0, labels="presence").fit(TABLES, each) for each in (cut, other))
        assert_same_weights(first, second)

    def test_it_is_the_same_every_time_and_leaves_the_global_state_alone(self):
        torch.manual_seed(5)
        state = torch.get_rng_state()
        first, second, third = (tiny(random_state=seed).fit(TABLES, BANDS) for seed in (1, 1, 2))
        assert_array_equal(state, torch.get_rng_state())
        assert_same_weights(first, second)
        assert first.history_ == second.history_
        assert not np.array_equal(weights(first)["decoder.head.weight"], weights(third)["decoder.head.weight"])

    def test_the_best_epoch_is_kept_and_waiting_ends(self):
        bad = [replace(bands, fermi_energy=3.0) for bands in BANDS]
        model = tiny(n_epochs=60, patience=2, learning_rate=1e-2, schedule="constant", batch_size=4)
        model.fit(TABLES, BANDS, validation=(TABLES, bad))
        losses = [epoch.validation_loss for epoch in model.history_]
        assert len(losses) < 60
        assert len(losses) - 1 - int(np.argmin(losses)) == 2
        network = model.network_
        examples = [
            make_example(standardized(a), b, network.config, model.grid_, "soft", 0.05, network.tight_binding)
            for a, b in zip(TABLES, bad, strict=True)
        ]
        with torch.no_grad():
            kept = OccupancyObjective(
                network, [], examples, Draws(**model._named(Draws)), model.batch_size
            ).validation_loss()
        assert kept == pytest.approx(min(losses), rel=1e-4)
        assert losses[-1] > 1.001 * min(losses)

    def test_validation_crystals_change_no_weight(self):
        """Neither by tight binding, nor by mean labels, nor in a step; the threshold of gaps is theirs."""
        others = [replace(cosine_bands(level=level, seed=9), gap=gap) for level, gap in ((6.5, 1.0), (0.0, 0.0))]
        first, second = (
            tiny(n_epochs=1, learning_rate=1e-2).fit(TABLES[:2], BANDS[:2], validation=(TABLES[2:], validation))
            for validation in (BANDS[2:], others)
        )
        assert_same_weights(first, second)
        assert first.gap_threshold_ != second.gap_threshold_

    def test_fermi_levels_that_are_not_in_the_middle_of_a_gap_are_told(self):
        gapped = replace(BANDS[0], fermi_energy=6.5, gap=2.0)
        gapped = replace(gapped, eigenvalues=np.where(gapped.eigenvalues < 3.5, -1.0, 11.0), energy_max=11.0)
        with pytest.warns(UserWarning, match=r"of 1 training crystals .*in crystal 0 .*bands\.centred\(\)"):
            tiny(n_epochs=1, validation_fraction=0).fit(TABLES, [gapped, *BANDS[1:]])
        with pytest.warns(UserWarning, match=r"of 1 validation crystals .*in crystal 1 "):
            tiny(n_epochs=1).fit(TABLES[2:], BANDS[2:], validation=(TABLES[:2], [BANDS[0], gapped]))

    def test_one_formula_is_not_on_both_sides(self):
        repeated = [TABLES[0]] * 6 + TABLES[1:]
        seen = {}
        for seed in range(4):
            parts = hold_out(place_bands(repeated, [BANDS[0]] * 6 + BANDS[1:]), 0.25, seed)
            formulas = [{crystal.formula for crystal, _ in part} for part in parts]
            assert not formulas[0] & formulas[1]
            assert sum(map(len, parts)) == 9
            seen[seed] = formulas[1]
        assert len({frozenset(names) for names in seen.values()}) > 1

    @pytest.mark.parametrize("schedule", ["cosine", "plateau", "constant"])
    def test_schedules(self, schedule):
        options = TrainingSettings(100, 1, 1.0, "adam", 0.0, schedule, 8, 0)
        history = [Epoch(number + 1, 1.0, 1.0, 1.0) for number in range(99)]
        rates = [learning_rate(options, history[:n], 1.0) for n in range(100)]
        assert max(rates) == pytest.approx(1.0, rel=0.01)
        assert rates[0] == pytest.approx(1 / 3, rel=0.01)
        assert (rates[-1] < 0.05) == (schedule != "constant")


class TestResume:
    @pytest.mark.parametrize("options", [{}, {"optimizer": "adam", "schedule": "plateau", "validation_fraction": 0}])
    def test_a_stopped_fit_goes_on_bit_for_bit(self, tmp_path, options):
        path = tmp_path / "run"

        def stop(epoch):
            if epoch.number == 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            tiny(n_epochs=4, checkpoint=path, **options).fit(TABLES, BANDS, progress=stop)
        numbers = []
        resumed = tiny(n_epochs=4, checkpoint=path, **options)
        resumed.fit(TABLES, BANDS, progress=lambda epoch: numbers.append(epoch.number))
        assert numbers == [3, 4]
        straight = tiny(n_epochs=4, **options).fit(TABLES, BANDS)
        assert_same_weights(resumed, straight)
        assert resumed.history_ == straight.history_
        assert list(tmp_path.iterdir()) == [path]

    def test_tight_binding_is_not_fitted_again(self, tmp_path, monkeypatch):
        """Another machine may fit it a little otherwise."""
        path, there = tmp_path / "run", TightBindingParameters.universal()
        there.shifts[:] = np.random.default_rng(0).normal(size=there.shifts.shape)
        fit = "ldosml.neural.crystal_estimator.fit_tight_binding"
        monkeypatch.setattr(fit, lambda *_: there)
        straight = tiny(n_epochs=1, checkpoint=path).fit(TABLES, BANDS)
        monkeypatch.setattr(fit, lambda *_: pytest.fail("fitted again"))
        resumed = tiny(n_epochs=1, checkpoint=path).fit(TABLES, BANDS)
        np.testing.assert_array_equal(resumed.network_.tight_binding.shifts, there.shifts)
        assert_same_weights(resumed, straight)
        expected, found = (model.predict(TABLES[:1], [[0.1, 0.2, 0.3]])[0] for model in (straight, resumed))
        np.testing.assert_array_equal(found.probabilities, expected.probabilities)

    def test_other_work_is_refused(self, tmp_path):
        path = tmp_path / "run"
        tiny(n_epochs=1, checkpoint=path).fit(TABLES, BANDS)
        with pytest.raises(ValueError, match="checkpoint of another fit: learning_rate differ"):
            tiny(n_epochs=1, checkpoint=path, learning_rate=0.1).fit(TABLES, BANDS)
        with pytest.raises(ValueError, match="another fit: training set, validation set differ"):
            tiny(n_epochs=1, checkpoint=path).fit(TABLES, BANDS[::-1])
        path.write_bytes(path.read_bytes()[:-9])
        with pytest.raises(ValueError, match="is not a complete ldosml neural checkpoint, or is damaged"):
            tiny(n_epochs=1, checkpoint=path).fit(TABLES, BANDS)


def test_numbers_may_be_those_of_numpy(tmp_path):
    config = OccupancyConfig(**TINY | {"d": np.int64(16), "dropout": np.float64(0.1)})
    options = {"n_epochs": np.int64(1), "random_state": np.int64(3), "width": np.float32(0.1)}
    model = tiny(checkpoint=tmp_path / "run", **options).set_params(preset=config).fit(TABLES, BANDS)
    loaded = KOccupancyRegressor.load(model.save(tmp_path / "model.safetensors"))
    assert_same_weights(loaded, model)
    tiny(checkpoint=tmp_path / "run", **options).set_params(preset=config).fit(TABLES, BANDS)  # goes on from there


class TestEstimator:
    def test_manners(self):
        model = tiny(width=0.1)
        copy = clone(model)
        assert copy.get_params() == model.get_params()
        assert copy.set_params(n_epochs=7).n_epochs == 7
        assert "n_epochs=3" in repr(model)
        with pytest.raises(NotFittedError):
            model.predict(TABLES, [[0, 0, 0]])

    def test_predictions_know_their_kpoints(self, fitted):
        rotated = disguised(TABLES[0])
        kpoints = [[0.0, 0.1, 0.2], [0.5, 0.5, 1.5]]
        first, second = fitted.predict([TABLES[0], standardized(TABLES[0])], kpoints)
        assert_allclose(first.probabilities, second.probabilities, atol=1e-6)
        (third,) = fitted.predict([rotated], [kpoints])
        assert_allclose(third.probabilities, first.probabilities, atol=1e-5)
        assert first.cell.shape == (3, 3)
        assert first.grid == fitted.grid_

    def test_kpoints_and_weights_of_each(self, fitted):
        found = fitted.predict(TABLES[:2], [np.zeros((1, 3)), np.zeros((2, 3))], weights=[[1.0], [0.5, 0.5]])
        assert [len(each) for each in found] == [1, 2]
        first, second = (counted_dos(each, 1).values for each in found)
        assert first.shape == second.shape == (1, 32)
        assert len(fitted.predict(TABLES, np.zeros((5, 3)), weights=np.full(5, 0.2))) == 4

    def test_many_kpoints_are_those_of_few(self, fitted):
        kpoints = np.random.default_rng(3).uniform(size=(150, 3))
        (many,), (few,) = (fitted.predict(TABLES[:1], part) for part in (kpoints, kpoints[140:]))
        assert_allclose(many.probabilities[140:], few.probabilities, atol=1e-6)

    def test_without_counts(self):
        model = tiny(n_epochs=1, counts=False).fit(TABLES, BANDS)
        assert model.predict(TABLES[:1], [[0, 0, 0]])[0].counts is None

    @pytest.mark.parametrize(
        ("kpoints", "message"),
        [
            ([0, 0, 0], r"kpoints must be one array \(n_kpoints, 3\) for all crystals, or a sequence of 4"),
            ([[0, 0]], r"kpoints must have shape \(any, 3\)"),
            ([[[0, 0, 0]]] * 3, "a sequence of 4 arrays, one for each"),
            ([[0, 0, np.nan]], "kpoints must be finite"),
        ],
    )
    def test_bad_kpoints(self, fitted, kpoints, message):
        with pytest.raises(ValueError, match=message):
            fitted.predict(TABLES, kpoints)

    def test_unknown_elements(self, fitted):
        with pytest.raises(ValueError, match=r"allow_unknown is needed.*not trained on O, Sr, Zr\."):
            fitted.predict([CRYSTALS["perovskite"]], [[0, 0, 0]])
        with pytest.warns(UserWarning, match="O, Sr, Zr: occupancies of crystals with them are guesses"):
            fitted.predict([CRYSTALS["perovskite"]], [[0, 0, 0]], allow_unknown=True)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"labels": "counts"}, "labels must be one of 'soft', 'presence'"),
            ({"width": 0.0}, "width of soft labels"),
            ({"n_epochs": 0}, "n_epochs must be a whole number, at least 1; got 0"),
            ({"random_state": None}, "random_state must be a whole number"),
            ({"learning_rate": -1.0}, "learning_rate must be a positive number"),
            ({"optimizer": "sgd"}, "optimizer must be one of"),
            ({"schedule": "linear"}, "schedule must be one of"),
            ({"validation_fraction": 1.0}, "validation_fraction must be at least 0 and below 1"),
            ({"validation_fraction": 0.9}, "leaves none for training"),
            ({"patience": 0}, "patience"),
            ({"count_weight": -1.0}, "count_weight must be"),
            ({"preset": "large"}, "preset must be one of"),
        ],
    )
    def test_bad_parameters(self, changes, message):
        with pytest.raises(ValueError, match=message):
            tiny(**changes).fit(TABLES, BANDS) if "preset" not in changes else KOccupancyRegressor(**changes).fit(
                TABLES, BANDS
            )

    def test_bad_input(self):
        with pytest.raises(ValueError, match="one CrystalBands for each crystal; got 4 crystals and 3 bands"):
            tiny().fit(TABLES, BANDS[:3])
        with pytest.raises(ValueError, match="Crystal 1 has 8 atoms, its primitive cell 1"):
            tiny().fit([TABLES[0], TABLES[1] * (2, 2, 2)], BANDS[:2])
        with pytest.raises(ValueError, match="Crystal 1: A crystal needs atoms"):
            tiny().fit([TABLES[0], Atoms()], BANDS[:2])
        with pytest.raises(TypeError, match="Bands of crystal 0 must be CrystalBands; got ndarray"):
            tiny().fit(TABLES[:1], [np.zeros((3, 3))])
        with pytest.raises(TypeError, match="sequence; a single one as"):
            tiny().fit(TABLES[0], BANDS[:1])


class TestFiles:
    def test_round_trip(self, fitted, tmp_path):
        path = fitted.save(tmp_path / "model")
        loaded = KOccupancyRegressor.load(path)
        assert_same_weights(fitted, loaded)
        assert loaded.get_params() == fitted.get_params()
        assert (loaded.elements_, loaded.history_, loaded.grid_) == (fitted.elements_, fitted.history_, fitted.grid_)
        first, second = (model.predict(TABLES[:1], [[0.1, 0.2, 0.3]])[0] for model in (fitted, loaded))
        assert_array_equal(first.probabilities, second.probabilities)
        with pytest.raises(FileExistsError, match="exists already"):
            fitted.save(path)
        assert fitted.save(path, overwrite=True) == path

    def test_unfitted(self, tmp_path):
        with pytest.raises(NotFittedError):
            tiny().save(tmp_path / "model")

    def test_the_description_is_readable(self, fitted, tmp_path):
        content = fitted.save(tmp_path / "model").read_bytes()
        header = json.loads(content[8 : 8 + struct.unpack("<Q", content[:8])[0]])["__metadata__"]
        assert header["format"] == "ldosml neural model"
        assert json.loads(header["spec"])["config"]["d"] == 16

    @pytest.mark.parametrize(
        ("damage", "message"),
        [
            (lambda content: content[:-5], "is not a complete ldosml neural model, or is damaged"),
            (lambda content: b"nothing", "is not a complete ldosml neural model, or is damaged"),
            (
                lambda content: content.replace(b'format_version":"%d"' % FORMAT_VERSION, b'format_version":"9"'),
                "has format version '9'",
            ),
            (
                lambda content: content.replace(b"neural model", b"neural thing"),
                "is not a ldosml neural model; its format is 'ldosml neural thing'",
            ),
            (
                lambda content: content.replace(b'n_layers\\": 2', b'n_layers\\": 1'),
                "does not contain the tensors of its",
            ),
            (lambda content: content.replace(b'\\"d\\": 16, ', b'\\"d\\": 32, '), "is damaged: .* must be"),
            (
                lambda content: content.replace(b'\\"start\\"', b'\\"begin\\"'),
                r"damaged ldosml neural model \(TypeError",
            ),
            (lambda content: content[:-4] + b"\xff\xff\xff\xff", "must hold finite numbers"),
        ],
    )
    def test_damaged_files(self, fitted, tmp_path, damage, message):
        path = fitted.save(tmp_path / "model")
        # Without the checksum, so that it is the content that is refused.
        path.write_bytes(damage(path.read_bytes().replace(b'"sha256"', b'"former"')))
        with pytest.raises(ValueError, match=message):
            KOccupancyRegressor.load(path)

    def test_missing_file(self, tmp_path):
        with pytest.raises(FileNotFoundError, match="There is no ldosml neural model"):
            KOccupancyRegressor.load(tmp_path / "none")


class TestBands:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"kpoints": [[0, 0]]}, "kpoints must have shape"),
            ({"kpoints": np.zeros((0, 3)), "eigenvalues": np.zeros((0, 2))}, "at least one k-point"),
            ({"eigenvalues": [[np.nan]]}, "eigenvalues contain NaN"),
            ({"eigenvalues": [[-np.inf]]}, "eigenvalues contain -inf"),
            ({"eigenvalues": np.zeros((1, 0))}, "eigenvalues contain no band"),
            ({"eigenvalues": [[1j]]}, "eigenvalues must be real"),
            ({"energy_max": 8.5}, "8.5 eV is above the highest band of some k-points, at 8 eV"),
            ({"eigenvalues": [[0.0], [1.0]]}, "eigenvalues must have shape"),
            ({"weights": [0.5]}, "must sum to 1"),
            ({"fermi_energy": np.inf}, "fermi_energy"),
            ({"energy_max": -1.0}, "energy_max must be above"),
            ({"n_electrons": 0.0}, "n_electrons"),
            ({"gap": -0.1}, "gap must be"),
        ],
    )
    def test_bad_bands(self, changes, message):
        given = {"kpoints": [[0, 0, 0]], "eigenvalues": [[0.0, 8.0]], "weights": [1.0], "fermi_energy": 0.0}
        given |= {"energy_max": 5.0, "n_electrons": 1.0, "gap": 0.0}
        with pytest.raises(ValueError, match=message):
            CrystalBands(**given | changes)

    def test_mesh_and_path_join(self):
        mesh = CrystalBands([[0, 0, 0]], [[1.0, 3.0]], [1.0], 2.0, 3.0, 2.0, 1.5)
        path = CrystalBands([[0.5, 0, 0]], [[0.0, 2.0, 4.0]], None, 2.0, 4.0, 2.0, 1.0)
        both = mesh.joined(path)
        assert (len(both), both.weights, both.energy_max, both.gap) == (2, None, 3.0, 1.0)
        assert both.relative.tolist() == [[-1, 1, np.inf], [-2, 0, 2]]
        with pytest.raises(ValueError, match="one calculation"):
            mesh.joined(replace(path, fermi_energy=1.0))

    def test_known_bins_end_below_the_last_complete_energy(self):
        model = tiny()
        grid = model.fit(TABLES, BANDS).grid_
        bands = replace(BANDS[0], energy_max=1.25)
        assert grid.energies[bands.known_bins(grid)][-1] == pytest.approx(0.9375)
        assert grid.energies[bands.known_bins(grid, 0.1)][-1] == pytest.approx(0.3125)


def test_nothing_warns():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tiny(n_epochs=1, validation_fraction=0).fit(TABLES, BANDS).predict(TABLES, [[0, 0, 0]])
