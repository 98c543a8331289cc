"""Learned tight binding: its matrices, training, files, and what is read off its bands."""

from dataclasses import fields, replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from neural_cases import CRYSTALS, conventional, disguised, torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError

from ldosml.kresolved import CrystalBands, MeshBands, gamma_mesh
from ldosml.kresolved.meshes import irreducible
from ldosml.neural import (
    CorrectionConfig,
    TightBindingRegressor,
    band_structure,
    plan_unfolding,
    primitive_kpoints,
    standardized,
    unfolded_bands,
)
from ldosml.neural.band_examples import make_band_example
from ldosml.neural.crystals import point_group
from ldosml.tightbinding import TightBinding, TightBindingParameters
from ldosml.tightbinding.shells import valence_electrons

FITTED = TightBindingParameters.fitted()
KPOINTS = np.random.default_rng(0).uniform(-0.5, 0.5, (4, 3))
NAMES = ["bcc", "fcc", "zincblende", "rocksalt"]


def bands_of(atoms, seed=0):
    """Bands of the fitted tight binding with a rule of its own: every level of s is half an electronvolt higher."""
    crystal = standardized(atoms)
    raised = replace(FITTED, shifts=FITTED.shifts + np.array([0.5, 0, 0, 0, 0]))
    model = TightBinding(crystal.atoms(), raised)
    mesh = gamma_mesh(4)[0]
    kpoints, weights, _ = irreducible(mesh, point_group(crystal))
    energies = model.eigenvalues(kpoints)
    n = model.n_electrons / 2
    filled = int(n + 1e-6)
    top, bottom = energies[:, filled - 1].max(), energies[:, filled].min()
    gap = max(0.0, bottom - top) if abs(n - filled) < 1e-6 else 0.0
    level = 0.5 * (top + bottom) if gap else np.sort(energies.ravel())[int(n * len(energies))]
    return CrystalBands(kpoints, energies, weights, level, energies[:, -1].min(), model.n_electrons, gap)


TABLES = [standardized(CRYSTALS[name]).atoms() for name in NAMES]
BANDS = [bands_of(atoms) for atoms in TABLES]


def small(**options):
    given = {"start": FITTED, "n_networks": 2, "n_epochs": 3, "validation_fraction": 0, "weight_decay": 0.0}
    return TightBindingRegressor(CorrectionConfig(d=8), **(given | options))


@pytest.fixture(scope="module")
def model():
    return small().fit(TABLES, BANDS)


@pytest.fixture(scope="module")
def random_model(model):
    """Weights that no training gave, so that no correction is zero."""
    other = small(n_epochs=1).fit(TABLES, BANDS)
    torch.manual_seed(0)
    for weights in other.network_.networks.parameters():
        torch.nn.init.normal_(weights, std=0.2)
    other.elements_ = tuple(range(1, 104))
    return other


def weights_of(model):
    return {name: value.numpy() for name, value in model.network_.networks.state_dict().items()}


class TestMatrices:
    def test_before_the_training_it_is_the_start(self):
        """Corrections are zero; a learning rate near zero keeps them so."""
        untrained = small(n_epochs=1, learning_rate=1e-12).fit(TABLES, BANDS)
        found = untrained.tight_binding(TABLES[2]).eigenvalues(KPOINTS)
        assert_allclose(found, TightBinding(TABLES[2], FITTED).eigenvalues(KPOINTS), atol=1e-5)

    @pytest.mark.parametrize("name", ["zincblende", "rocksalt", "hcp"])
    def test_the_training_has_the_matrices_of_the_prediction(self, random_model, name):
        crystal = standardized(CRYSTALS[name])
        example = make_band_example(crystal, bands_of(CRYSTALS[name]), random_model.network_.tight_binding)
        network = random_model.network_.networks[0]
        with torch.no_grad():
            matrices = example.terms.hamiltonians(torch.from_numpy(KPOINTS).float(), network(example.terms.bonds))
        one = random_model.tight_binding(crystal.atoms(), network=0)
        assert_allclose(np.linalg.eigvalsh(matrices.numpy()), one.eigenvalues(KPOINTS), atol=2e-3, rtol=1e-4)

    def test_every_kind_of_correction_is_learned_from(self, random_model):
        """The gradient of a band reaches every output of the network."""
        crystal = standardized(CRYSTALS["zincblende"])
        example = make_band_example(crystal, BANDS[2], random_model.network_.tight_binding)
        added = random_model.network_.networks[0](example.terms.bonds)
        for field in fields(added):
            getattr(added, field.name).retain_grad()
        matrices = example.terms.hamiltonians(torch.from_numpy(KPOINTS).float(), added)
        torch.linalg.eigvalsh(matrices.to(torch.complex128))[:, :5].square().sum().backward()
        for field in fields(added):
            assert getattr(added, field.name).grad.abs().max() > 0

    def test_the_mean_of_the_networks_is_between_them(self, random_model):
        atoms = TABLES[2]
        each = [random_model.tight_binding(atoms, network=n).corrections.levels for n in range(2)]
        mean = random_model.tight_binding(atoms).corrections.levels
        assert np.abs(each[0] - each[1]).max() > 1e-3
        assert_allclose(mean, np.mean(each, axis=0), atol=1e-6)

    @pytest.mark.parametrize("name", ["zincblende", "hcp", "perovskite", "polar"])
    def test_bands_are_those_of_the_crystal_however_it_is_given(self, random_model, name):
        atoms = CRYSTALS[name]
        other = disguised(atoms, seed=3)
        first, second = (random_model.tight_binding(a) for a in (atoms, other))
        kpoints = KPOINTS[:2]
        assert_allclose(second.eigenvalues(kpoints), first.eigenvalues(kpoints), atol=1e-4)

    def test_bands_are_continuous_where_a_neighbour_leaves(self, random_model):
        """At twice the sum of the covalent radii, where pairs end."""
        radius = 2 * (2 * 1.11)  # two silicon atoms
        pair = Atoms("Si2", positions=[[0, 0, 0], [radius, 0, 0]], cell=[20, 20, 20], pbc=True)
        energies = []
        for off in (-1e-4, 1e-4):
            pair.positions[1, 0] = radius + off
            energies.append(random_model.tight_binding(pair).eigenvalues([[0, 0, 0]])[0])
        assert_allclose(energies[0], energies[1], atol=0.02)


class TestTraining:
    def test_it_learns_what_the_start_does_not_know(self):
        """A rule that one correction can express: levels of s half an electronvolt higher."""
        trained = small(n_epochs=60, n_networks=1, learning_rate=1e-2, penalty=0.0).fit(TABLES, BANDS)
        errors = []
        for parameters in (FITTED, None):
            off = []
            for atoms, true in zip(TABLES, BANDS, strict=True):
                bound = TightBinding(atoms, FITTED) if parameters else trained.tight_binding(atoms)
                found = bound.eigenvalues(true.kpoints)
                n = round(true.n_electrons / 2)
                differences = (found - true.eigenvalues)[:, : n + 1]
                off.append(np.abs(differences - differences.mean()).mean())
            errors.append(np.mean(off))
        assert errors[1] < 0.5 * errors[0]
        losses = [epoch.training_loss for epoch in trained.history_[0]]
        assert losses[-1] < 0.3 * losses[0]

    def test_networks_differ_and_seeds_repeat(self, model):
        again = small().fit(TABLES, BANDS)
        first, second = weights_of(model), weights_of(again)
        assert_array_equal(
            [first[name] for name in first if name.startswith("0.atom.2.b")], second["0.atom.2.bias"][None]
        )
        assert not np.array_equal(first["0.atom.2.bias"], first["1.atom.2.bias"])

    def test_it_continues_exactly(self, model, tmp_path):
        path = tmp_path / "part"
        small(n_epochs=3, checkpoint=path, patience=1).fit(TABLES, BANDS)

        class StopError(Exception):
            pass

        def stop(epoch):
            if epoch.number == 2:
                raise StopError

        other = tmp_path / "other"
        with pytest.raises(StopError):
            small(checkpoint=other).fit(TABLES, BANDS, progress=stop)
        resumed = small(checkpoint=other).fit(TABLES, BANDS)
        first, second = weights_of(model), weights_of(resumed)
        for name, values in first.items():
            assert_array_equal(values, second[name])

    def test_a_checkpoint_keeps_the_parameters_to_begin_with(self, tmp_path, monkeypatch):
        path = tmp_path / "part"
        first = small(start=None, n_epochs=1, checkpoint=path).fit(TABLES[:2], BANDS[:2])

        def other(*_):
            raise AssertionError("fitted again")

        monkeypatch.setattr("ldosml.neural.tight_binding_regressor.fit_tight_binding", other)
        second = small(start=None, n_epochs=1, checkpoint=path).fit(TABLES[:2], BANDS[:2])
        for field in fields(first.network_.tight_binding):
            assert_array_equal(
                getattr(first.network_.tight_binding, field.name), getattr(second.network_.tight_binding, field.name)
            )

    def test_another_checkpoint_is_refused(self, tmp_path):
        small(n_epochs=1, checkpoint=tmp_path / "part").fit(TABLES, BANDS)
        with pytest.raises(ValueError, match=r"checkpoint of another fit: .*penalty"):
            small(n_epochs=1, checkpoint=tmp_path / "part", penalty=0.5).fit(TABLES, BANDS)

    def test_crystals_whose_electrons_do_not_match_are_told(self):
        odd = replace(BANDS[0], n_electrons=2.0, gap=0.0)
        with pytest.warns(UserWarning, match=r"1 crystals are left out.*Na"):
            small(n_epochs=1).fit(TABLES, [odd, *BANDS[1:]])
        with (
            pytest.warns(UserWarning, match="left out"),
            pytest.raises(ValueError, match="No training crystal can be used"),
        ):
            small(n_epochs=1).fit(TABLES[:1], [odd])

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"n_networks": 0}, "n_networks must be a whole number, at least 1"),
            ({"kpoints_per_crystal": 2}, "kpoints_per_crystal must be a whole number, at least 3"),
            ({"gap_weight": -1.0}, "gap_weight must be a finite number"),
            ({"validation_fraction": 1.0}, "validation_fraction must be at least 0 and below 1"),
            ({"random_state": None}, "random_state must be a whole number"),
        ],
    )
    def test_bad_parameters(self, options, message):
        with pytest.raises(ValueError, match=message):
            small(**options).fit(TABLES, BANDS)

    def test_bad_architecture(self):
        for options in ({"d": 0}, {"n_layers": -1}, {"dropout": 1.0}):
            with pytest.raises(ValueError, match="of a network must be"):
                CorrectionConfig(**options)


class TestFiles:
    def test_a_saved_model_predicts_the_same(self, random_model, tmp_path):
        path = random_model.save(tmp_path / "model.safetensors")
        loaded = TightBindingRegressor.load(path)
        assert loaded.elements_ == random_model.elements_
        assert loaded.history_ == random_model.history_
        first, second = (m.predict(TABLES[2:3], KPOINTS)[0] for m in (random_model, loaded))
        assert_array_equal(first.eigenvalues, second.eigenvalues)

    def test_other_files_are_refused(self, tmp_path):
        path = tmp_path / "other.safetensors"
        with pytest.raises(FileNotFoundError):
            TightBindingRegressor.load(path)
        path.write_bytes(b"nothing")
        with pytest.raises(ValueError, match="damaged"):
            TightBindingRegressor.load(path)

    def test_an_unfitted_one_has_nothing_to_save(self, tmp_path):
        with pytest.raises(NotFittedError):
            small().save(tmp_path / "model.safetensors")


class TestPrediction:
    def test_k_points_of_any_cell(self, random_model):
        atoms = conventional("zincblende")
        first = random_model.predict([atoms], KPOINTS)[0]
        second = random_model.predict([CRYSTALS["zincblende"]], [KPOINTS])[0]
        assert_allclose(first.kpoints, primitive_kpoints(atoms, KPOINTS))
        assert first.eigenvalues.shape == second.eigenvalues.shape == (4, 26)

    def test_unknown_elements(self, model):
        with pytest.raises(ValueError, match="not trained on Mg"):
            model.predict([CRYSTALS["hcp"]], KPOINTS)
        with pytest.warns(UserWarning, match="guesses"):
            model.predict([CRYSTALS["hcp"]], KPOINTS, allow_unknown=True)

    def test_no_such_network(self, model):
        with pytest.raises(ValueError, match="one of the 2 networks, from 0; got 2"):
            model.tight_binding(TABLES[0], network=2)

    def test_before_a_fit(self):
        with pytest.raises(NotFittedError):
            small().predict(TABLES, KPOINTS)


@pytest.fixture(scope="module")
def silicon():
    atoms = standardized(bulk("Si")).atoms()
    trained = small(n_epochs=1, learning_rate=1e-12).fit([atoms], [bands_of(atoms)])
    return band_structure(trained, atoms, n_path=60)


class TestBandStructure:
    def test_an_insulator(self, silicon):
        """The gap lies between its edges, which no k-point of mesh and path is beyond."""
        assert not silicon.is_metal
        assert silicon.gap == pytest.approx(silicon.conduction.energy - silicon.valence.energy)
        assert silicon.valence.energy == pytest.approx(-silicon.conduction.energy)
        n = silicon.n_filled
        for bands in (silicon.energies, silicon.mesh.energies.reshape(-1, 26)):
            assert bands[:, n - 1].max() <= silicon.valence.energy + 1e-6
            assert bands[:, n].min() >= silicon.conduction.energy - 1e-6
        assert silicon.direct_gap >= silicon.gap
        assert silicon.valence.degeneracy == 3
        assert silicon.sheets == ()
        assert {one.label for one in silicon.surfaces()} == {"valence edge", "conduction edge"}

    def test_the_dos_holds_the_electrons_and_is_empty_in_the_gap(self, silicon):
        dos = silicon.dos
        energies, values = np.asarray(dos.energies), np.asarray(dos.values)[0]
        step = dos.grid.step
        assert step * values[energies < 0].sum() == pytest.approx(silicon.n_electrons, abs=1e-6)
        inside = (energies > silicon.valence.energy + step) & (energies < silicon.conduction.energy - step)
        assert not values[inside].any()

    def test_networks_give_a_spread(self, silicon):
        assert silicon.spread.shape == silicon.energies.shape
        assert np.abs(silicon.spread).max() < 1e-3  # both are the start
        assert silicon.gap_spread < 1e-3
        alone = replace(silicon, network_energies=(), network_gaps=())
        assert np.isnan(alone.spread).all()
        assert np.isnan(alone.gap_spread)

    def test_a_metal(self, model):
        """Sodium: one sheet that encloses half the zone."""
        found = band_structure(model, CRYSTALS["bcc"], n_path=40, mesh=12, spread=False)
        assert found.is_metal
        assert found.gap == found.direct_gap == 0
        (sheet,) = found.sheets
        assert sheet.filling == pytest.approx(0.5, abs=1e-6)
        assert [sheet.electrons, sheet.holes] == pytest.approx([1, 1], abs=1e-6)
        assert sheet.volume == pytest.approx(0.5 * (2 * np.pi) ** 3 / (4.2**3 / 2), rel=1e-6)
        (surface,) = found.surfaces()
        # Of a sphere that encloses as much, the area is at most a few per cent smaller.
        sphere = np.pi ** (1 / 3) * (6 * sheet.volume) ** (2 / 3)
        assert sphere <= 1.001 * surface.area <= 1.1 * sphere

    def test_the_same_crystal_given_otherwise(self, random_model):
        first, second = (
            band_structure(random_model, atoms, n_path=40, spread=False)
            for atoms in (CRYSTALS["zincblende"], disguised(conventional("zincblende"), seed=5))
        )
        assert_allclose(first.energies, second.energies, atol=1e-4)
        assert first.gap == pytest.approx(second.gap, abs=1e-4)

    def test_how_little_the_bands_of_a_metal_overlap(self, silicon, model):
        """Silicon whose valence bands are moved up by its gap and 0.3 eV; sodium has half a band."""
        n, up = silicon.n_filled, silicon.gap + 0.3
        moved, mesh = silicon.energies.copy(), silicon.mesh.energies.copy()
        moved[:, :n] += up
        mesh[..., :n] += up
        semimetal = replace(
            silicon, energies=moved, mesh=MeshBands(mesh, silicon.crystal.cell), valence=None, conduction=None
        )
        assert semimetal.overlap == pytest.approx(0.3, abs=0.2)  # the conduction edge lies between points of the mesh
        assert semimetal.facts()["overlap"] == semimetal.overlap
        assert silicon.overlap is None
        assert band_structure(model, CRYSTALS["bcc"], n_path=20, mesh=4, spread=False).overlap is None

    def test_electrons_are_those_of_free_atoms(self, silicon):
        assert silicon.n_electrons == valence_electrons([14, 14])

    def test_other_limits_of_what_bands_know_are_told(self, random_model):
        """Iron is magnetic, no training crystal is hexagonal, and nothing is known of f shells."""
        for name, message in (("Fe", "often magnetic"), ("Mg", "no training crystal has")):
            atoms = bulk(name, "hcp", a=3.2, c=5.2)
            with pytest.warns(UserWarning, match=message):
                band_structure(random_model, atoms, n_path=20, mesh=2, spread=False)
        with pytest.raises(ValueError, match="no parameters of Ce"):
            random_model.predict([bulk("Ce", "fcc", a=5.1)], KPOINTS)

    def test_unusual_crystals_are_told(self, model):
        far = CRYSTALS["bcc"].copy()
        far.set_cell(3 * far.cell.array, scale_atoms=True)
        with (
            pytest.warns(UserWarning, match="unlike the training crystals"),
            pytest.warns(UserWarning, match="angstrom of empty space"),
        ):
            band_structure(model, far, n_path=20, mesh=2, spread=False)


class TestUnfolding:
    def test_a_perfect_supercell_has_the_bands_of_its_primitive_cell(self, random_model):
        primitive = bulk("Si")
        found = unfolded_bands(random_model, primitive.repeat((2, 1, 1)), primitive, n_path=20)
        bound = random_model.tight_binding(primitive)
        bands = bound.eigenvalues(found.path.kpoints)
        for energies, weights, expected in zip(found.energies, found.weights, bands, strict=True):
            # Against the same zero, by the mean over the states of each.
            assert weights.sum() == pytest.approx(26)
            zero = (weights @ energies - expected.sum()) / 26
            assert weights @ energies**2 == pytest.approx(((expected + zero) ** 2).sum(), rel=1e-5)
        assert found.gap >= 0

    def test_large_ones_are_refused_before_they_are_tried(self, random_model, monkeypatch):
        monkeypatch.setattr("ldosml.tightbinding.diagonalization_plan.available_memory", lambda: 10**8)
        primitive = bulk("Si")
        large = primitive.repeat((5, 5, 5))
        assert plan_unfolding(large, 100).seconds > plan_unfolding(primitive, 100).seconds
        with pytest.raises(MemoryError, match=r"250 atoms.*smaller supercell"):
            unfolded_bands(random_model, large, primitive, n_path=20)
