"""The whole way from structures to LDOS and back from disk."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from ase import Atoms
from ase.build import bulk, make_supercell
from scipy.spatial.transform import Rotation
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ldosml import (
    DOS,
    LDOS,
    SOAP,
    DOSModel,
    EnergyGrid,
    LDOSDataset,
    LDOSKernelRidge,
    LDOSRidge,
    RepresentedRegressor,
    SparseLDOSKernelRidge,
    normalized_loss,
)
from ldosml.evaluation import Evaluation
from ldosml.properties import TruncatedDOSWarning, compare_properties

GRID = EnergyGrid.from_range(-5, 5, 0.1, zero="fermi")


def crystals(count=8, seed=0):
    rng = np.random.default_rng(seed)
    structures = [bulk("SiC", "zincblende", a=4.35 * scale, cubic=True) for scale in np.linspace(0.95, 1.05, count)]
    for atoms in structures:
        atoms.positions += rng.normal(0, 0.05, atoms.positions.shape)
    return structures


def invented_ldos(structures):
    """A smooth function of the cell's volume and the element: something to learn."""
    rows = []
    for atoms in structures:
        width = 0.3 * atoms.cell.volume ** (1 / 3)
        for number in atoms.numbers:
            rows.append(np.exp(-(((GRID.energies - 0.1 * (number - 10)) / width) ** 2)))
    index = np.repeat(np.arange(len(structures)), [len(atoms) for atoms in structures])
    return LDOS(GRID, np.array(rows), 0.3, structure_index=index)


SMALL = SOAP(r_cut=3.5, n_max=4, l_max=3)


@pytest.fixture(scope="module")
def model():
    structures = crystals()
    return DOSModel(SMALL, LDOSKernelRidge(1e-6, kernel="polynomial", gamma=1.0)).fit(
        structures, invented_ldos(structures)
    )


def test_learns_what_it_was_shown(model):
    new = crystals(5, seed=1)
    predicted = model.predict(new)
    np.testing.assert_allclose(predicted.values, invented_ldos(new).values, atol=0.02)
    np.testing.assert_array_equal(predicted.numbers, np.concatenate([atoms.numbers for atoms in new]))
    assert predicted.grid.matches(GRID)
    assert predicted.smearing_width == 0.3


def test_species_do_not_mix(model):
    """Each species has its own regressor: changing carbon's targets leaves silicon's predictions alone."""
    structures = crystals()
    ldos = invented_ldos(structures)
    numbers = np.concatenate([atoms.numbers for atoms in structures])
    changed = LDOS(GRID, ldos.values + (numbers == 6)[:, None], 0.3, structure_index=ldos.structure_index)
    other = DOSModel(SMALL, LDOSKernelRidge(1e-6, kernel="polynomial", gamma=1.0)).fit(structures, changed)
    difference = other.predict(structures).values - model.predict(structures).values
    np.testing.assert_allclose(difference[numbers == 14], 0, atol=1e-12)
    np.testing.assert_allclose(difference[numbers == 6], 1, atol=1e-6)


class TestInvariance:
    """Nothing that leaves the physics alone may move a prediction by more than 1e-8."""

    atoms = crystals(1, seed=3)[0]

    def test_rotation(self, model):
        matrix = Rotation.from_rotvec([0.3, -0.7, 1.1]).as_matrix()
        turned = self.atoms.copy()
        turned.set_cell(self.atoms.cell @ matrix.T, scale_atoms=False)
        turned.positions = self.atoms.positions @ matrix.T
        np.testing.assert_allclose(model.predict(turned).values, model.predict(self.atoms).values, atol=1e-8)

    def test_translation_and_wrapping(self, model):
        moved = self.atoms.copy()
        moved.positions += [1.3, -7.7, 12.1]
        expected = model.predict(self.atoms).values
        np.testing.assert_allclose(model.predict(moved).values, expected, atol=1e-8)
        moved.wrap()
        np.testing.assert_allclose(model.predict(moved).values, expected, atol=1e-8)

    def test_permutation(self, model):
        order = np.random.default_rng(0).permutation(len(self.atoms))
        expected = model.predict(self.atoms)
        permuted = model.predict(self.atoms[order])
        np.testing.assert_allclose(permuted.values, expected.values[order], atol=1e-8)
        np.testing.assert_allclose(permuted.total().values, expected.total().values, atol=1e-8)

    def test_repetition(self, model):
        one = model.predict(self.atoms).total()
        many = model.predict(self.atoms * (2, 1, 2)).total()
        np.testing.assert_allclose(many.per_atom(), one.per_atom(), atol=1e-8)
        np.testing.assert_allclose(many.values, 4 * one.values, atol=1e-7)

    def test_another_cell_of_the_same_crystal(self, model):
        skewed = make_supercell(self.atoms, [[1, 1, 0], [0, 1, 0], [0, 0, 1]])
        np.testing.assert_allclose(
            model.predict(skewed).total().values, model.predict(self.atoms).total().values, atol=1e-8
        )


def test_any_regressor_of_scikit_learn_will_do():
    structures = crystals()
    scaled = make_pipeline(StandardScaler(), Ridge(alpha=1e-3))
    predicted = DOSModel(SMALL, scaled).fit(structures, invented_ldos(structures)).predict(structures)
    np.testing.assert_allclose(predicted.values, invented_ldos(structures).values, atol=0.05)


def test_learns_a_dataset_at_its_fermi_level(make_dataset):
    data = make_dataset((2, 3, 1, 2, 2, 3, 3, 2))
    model = DOSModel(SMALL, LDOSKernelRidge(1e-8, kernel="gaussian", gamma=1.0), low=-4, high=2).fit(data)
    assert model.grid_.zero == "fermi"
    assert (model.grid_.start, model.grid_.stop) == (-4, 2)
    evaluation = model.evaluate(data)
    # Labels are known in closed form, so this checks the alignment as well as the fit.
    exact = make_dataset.exact(data, model.energies, 0.3)
    np.testing.assert_allclose(evaluation.true.values, exact, atol=2e-3)
    # The invented atoms of one structure look much alike: only part of the targets can be learned.
    assert evaluation.losses()["ldos_normalized_loss"] < 0.5
    assert [row["name"] for row in evaluation.by_structure()] == data.names


def test_groups_of_a_dataset_are_left_out_whole(make_dataset):
    data = make_dataset((2, 3, 1, 2, 2, 3, 3, 2))
    aligned = data.refer_to("fermi", -4, 2)
    options = {"kernel": "gaussian", "alphas": np.logspace(-6, 1, 8)}
    by_group = DOSModel(SMALL, LDOSKernelRidge("leave-one-group-out", **options), low=-4, high=2).fit(data)
    rows = np.concatenate([atoms.numbers for atoms in data.structures]) == 14
    group = np.repeat(data.groups, data.n_atoms)[rows]
    X = SMALL.fit(data.structures).transform(data.structures)[rows]
    direct = LDOSKernelRidge("leave-one-group-out", **options)
    direct.fit(X, aligned.ldos.values[rows], structure_index=group)
    np.testing.assert_allclose(by_group.regressors_[14].cv_errors_, direct.cv_errors_, atol=1e-9)


def test_nothing_above_energy_max_is_learned_or_evaluated(make_dataset):
    data = make_dataset()
    with pytest.raises(ValueError, match="energy_max"):
        DOSModel(SMALL, LDOSRidge(alpha=1e-3), high=3.5).fit(data)
    model = DOSModel(SMALL, LDOSRidge(alpha=1e-3), low=-4).fit(data)
    assert model.grid_.stop <= 3.0 + 1e-9
    first = data.select([0]).refer_to("fermi", -3.5)
    short = LDOSDataset.from_arrays(
        first.structures, first.grid.energies, ldos=first.ldos.values, energy_max=1.0, smearing_width=0.3
    )
    evaluation = model.evaluate(short)
    assert (evaluation.true.grid.start, evaluation.true.grid.stop) == (-3.5, 1.0)
    np.testing.assert_array_equal(evaluation.predicted.values, model.predict(first.structures).cut(-3.5, 1.0).values)
    assert data.complete_range("fermi")[1] == pytest.approx(3.0)


def test_refusals(model, make_dataset):
    structures = crystals(2)
    with pytest.raises(ValueError, match=r"2 structures have 16 atoms, the LDOS has 64 rows in 8 structures"):
        DOSModel(SMALL).fit(structures, invented_ldos(crystals()))
    with pytest.raises(ValueError, match="needs a dataset, or structures and their spectra"):
        DOSModel(SMALL).fit(structures)
    with pytest.raises(ValueError, match="contains Ge"):
        model.predict(bulk("Ge"))
    with pytest.raises(ValueError, match=r"[Nn]o structures|at least one"):
        model.predict([])
    holed = bulk("Si")
    holed.positions[0, 0] = np.nan
    with pytest.raises(ValueError, match="finite"):
        model.predict(holed)
    with pytest.raises(ValueError, match=r"needs the LDOS of every atom. A regressor with learn='dos'"):
        DOSModel(SMALL).fit(make_dataset(total=True))
    with pytest.raises(ValueError, match="zero at 'fermi', the model at 'vacuum'"):
        DOSModel(SMALL, zero="vacuum").fit(structures, invented_ldos(structures))
    with pytest.raises(ValueError, match=r"smeared by 0\.5 eV, the model's training data by 0\.3 eV"):
        DOSModel(SMALL, LDOSRidge(alpha=1e-3), high=1).fit(make_dataset()).evaluate(make_dataset().broaden_to(0.5))


@pytest.mark.parametrize(
    ("spectra", "groups", "error", "message"),
    [
        (invented_ldos(crystals()).values, None, TypeError, "spectra must be an LDOS or a DOS; got ndarray"),
        (["g"] * 8, None, TypeError, "spectra must be an LDOS or a DOS; got list"),
        (None, ["g"] * 7 + [None], ValueError, "got None for structure 7"),
        (None, ["g"] * 7 + [np.nan], ValueError, "got nan for structure 7"),
        (None, [["g"]] * 8, ValueError, r"got \['g'\] for structure 0"),
        (None, np.zeros(64), ValueError, "8 in all; got 64"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "fit_rows", "fit_stream"])
def test_other_spectra_and_groups_are_named(tmp_path, method, spectra, groups, error, message):
    structures = crystals()
    model = DOSModel(SMALL, SparseLDOSKernelRidge(n_inducing=4))
    spectra = invented_ldos(structures) if spectra is None else spectra
    given = {"fit": (structures,), "fit_rows": (np.ones((64, 3)), structures), "fit_stream": (structures, tmp_path)}
    with pytest.raises(error, match=message):
        getattr(model, method)(*given[method], spectra, groups=groups)


@pytest.mark.parametrize("form", [np.ndarray.tolist, pd.DataFrame, np.float32], ids=["list", "frame", "float32"])
def test_rows_of_any_form(form):
    structures = crystals()
    X, numbers = SMALL.fit_transform(structures), np.concatenate([atoms.numbers for atoms in structures])
    ldos = invented_ldos(structures)
    expected = DOSModel(SMALL, LDOSRidge(1e-3)).fit(structures, ldos, groups=range(8)).predict(structures).values
    model = DOSModel(SMALL, LDOSRidge(1e-3)).fit_rows(form(X), structures, ldos)
    np.testing.assert_allclose(model.predict_rows(form(X), numbers.tolist()), expected, atol=1e-4)


def test_rows_that_do_not_fit_are_refused(make_dataset):
    data = make_dataset()
    count, numbers = len(data.numbers), data.numbers
    X = SMALL.fit_transform(data.structures)
    model = DOSModel(SMALL, LDOSRidge(1e-3))
    with pytest.raises(ValueError, match=rf"X must have shape \({count}, any\)"):
        model.fit_rows(X[1:], data)
    model.fit_rows(X, data)
    with pytest.raises(ValueError, match=r"numbers must have shape"):
        model.predict_rows(X, numbers[1:])
    with pytest.raises(ValueError, match=r"numbers must have shape"):
        model.evaluate(data, X=X[1:])
    with pytest.raises(ValueError, match=r"X must have shape"):
        model.predict_rows(X[0], numbers[:1])


def test_a_fit_on_rows_has_no_descriptor(tmp_path):
    """Not even that of a former fit, whose rows may be others of the same length."""
    structures = crystals()
    ldos = invented_ldos(structures)
    model = DOSModel(SMALL, LDOSRidge(1e-3)).fit(structures, ldos)
    model.fit_rows(2.0 * SMALL.fit_transform(structures), structures, ldos)
    for call in (lambda: model.predict(structures), lambda: model.save(tmp_path / "m.ldosml")):
        with pytest.raises(NotFittedError, match="predict_rows"):
            call()


def test_a_dos_that_does_not_know_its_atoms_is_scored_per_atom(model):
    structures = crystals()
    ldos = invented_ldos(structures)
    expected = model.score(structures, ldos.total())
    assert model.score(structures, replace(ldos.total(), n_atoms=None)) == expected


def totals(structures):
    ldos = invented_ldos(structures)
    return DOS(GRID, ldos.total().values, 0.3, n_atoms=ldos.n_atoms)


@pytest.mark.parametrize(
    "regressor",
    [
        LDOSKernelRidge(1e-8, learn="dos", kernel="matern", gamma=1.0),
        LDOSRidge(1e-8, learn="dos"),
        SparseLDOSKernelRidge(1e-8, kernel="matern", n_inducing="all", learn="dos", gamma=1.0),
    ],
    ids=["kernel", "ridge", "sparse"],
)
def test_splits_a_dos_that_it_was_shown(regressor):
    """The shares of silicon and carbon are not known, their sums are predicted."""
    structures, new = crystals(), crystals(5, seed=1)
    model = DOSModel(SMALL, regressor).fit(structures, totals(structures))
    predicted = model.predict(new)
    assert sorted(model.regressors_) == [6, 14]
    assert predicted.smearing_width == 0.3
    np.testing.assert_allclose(predicted.total().values, totals(new).values, atol=0.1)


@pytest.mark.parametrize(
    "regressor",
    [
        LDOSKernelRidge(1e-8, learn="both", kernel="matern", ldos_weight=1.0, gamma=1.0),
        SparseLDOSKernelRidge(1e-8, kernel="matern", n_inducing="all", learn="both", gamma=1.0),
    ],
    ids=["all", "sparse"],
)
def test_a_joint_fit_learns_the_shares_too(regressor):
    structures, new = crystals(), crystals(5, seed=1)
    model = DOSModel(SMALL, regressor)
    predicted = model.fit(structures, invented_ldos(structures)).predict(new)
    np.testing.assert_allclose(predicted.values, invented_ldos(new).values, atol=0.02)
    with pytest.raises(ValueError, match="needs the LDOS of every atom"):
        model.fit(structures, totals(structures))


@pytest.mark.parametrize("learn", ["ldos", "dos", "both"])
@pytest.mark.parametrize("represented", [False, True], ids=["plain", "represented"])
def test_inducing_points_may_be_counted_by_element(learn, represented):
    structures = crystals()

    def fitted(**options):
        sparse = SparseLDOSKernelRidge(1e-3, kernel="matern", learn=learn, gamma=1.0, **options)
        regressor = RepresentedRegressor(sparse) if represented else sparse
        model = DOSModel(SMALL, regressor).fit(structures, invented_ldos(structures))
        return model, {z: getattr(part, "regressor_", part) for z, part in model.regressors_.items()}

    model, parts = fitted(n_inducing={6: 5, 14: 7, 32: 4})
    assert {z: len(part.inducing_points_) for z, part in parts.items()} == {6: 5, 14: 7}
    points = {z: part.inducing_points_ for z, part in parts.items()}
    same, _ = fitted(selection=points)
    np.testing.assert_allclose(same.predict(structures).values, model.predict(structures).values, atol=1e-7)
    message = r"C \(atomic number 6\), only for \[14\]" if learn == "ldos" else r"species 6, only for \[14\]"
    with pytest.raises(ValueError, match=message):
        fitted(n_inducing={14: 7})


CHOSEN = {"alpha": "leave-one-group-out", "kernel": "gaussian", "alphas": [1e-3, 1.0]}
SPARSE = SparseLDOSKernelRidge(n_inducing="all", **CHOSEN)


@pytest.mark.parametrize(
    ("regressor", "ldos_weight"),
    [
        (LDOSKernelRidge(learn="dos", **CHOSEN), None),
        (LDOSKernelRidge(learn="both", ldos_weight=0.3, **CHOSEN), 0.3),
        (clone(SPARSE).set_params(learn="dos"), None),
        (clone(SPARSE).set_params(learn="both"), 10.0),
        (RepresentedRegressor(clone(SPARSE).set_params(learn="both")), 10.0),
    ],
    ids=["dos", "joint", "sparse dos", "sparse joint", "represented"],
)
def test_groups_are_left_out_together_in_structural_learning(make_dataset, regressor, ldos_weight):
    """Snapshots of a trajectory would give each other away."""
    data = make_dataset()
    assert len(set(data.groups)) < len(data)
    model = DOSModel(SMALL, regressor, low=-4, high=2).fit(data)
    aligned = data.refer_to("fermi", -4, 2)
    X, groups = model.descriptor_.transform(aligned.structures), np.unique(data.groups, return_inverse=True)[1]
    index = data.structure_index
    known = {"structure_index": index, "species": data.numbers}
    if ldos_weight is None:
        expected = LDOSKernelRidge(learn="dos", **CHOSEN).fit(X, aligned.dos.values, groups=groups, **known)
    else:
        expected = LDOSKernelRidge(learn="both", ldos_weight=ldos_weight, **CHOSEN)
        expected.fit(X, aligned.ldos.values, dos=aligned.dos.values, groups=groups[index], **known)
    fitted = getattr(model.regressors_[14], "regressor_", model.regressors_[14])
    np.testing.assert_allclose(fitted.cv_errors_, expected.cv_errors_, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(fitted.alpha_, expected.alpha_, rtol=1e-3)


def test_a_dataset_of_total_dos_is_learned_and_evaluated(make_dataset, tmp_path):
    data = make_dataset(total=True)
    model = DOSModel(SMALL, LDOSKernelRidge(1e-6, learn="dos", kernel="gaussian", gamma=1.0), low=-4, high=2).fit(data)
    evaluation = model.evaluate(data)
    assert evaluation.true is None
    assert set(evaluation.losses()) == {"dos_normalized_loss", "dos_mean_spectrum_loss", "dos_rmse"}
    assert evaluation.losses()["dos_normalized_loss"] < 0.1
    assert list(evaluation.by_structure()[0]) == ["name", "kind", "n_atoms", "dos_loss"]
    assert evaluation.cut(-2, 1).dos()[0].grid.start == pytest.approx(-2)
    with pytest.raises(ValueError, match="got neither"):
        Evaluation(None, evaluation.predicted, data.names, data.kinds).losses()


@pytest.mark.parametrize(
    ("structures", "dos", "message"),
    [
        (crystals(3), totals(crystals(2)), "3 structures, 2 rows"),
        ([bulk("Si"), bulk("Si")], totals(crystals(2)), "other numbers of atoms"),
    ],
)
def test_dos_of_other_structures(structures, dos, message):
    with pytest.raises(ValueError, match=message):
        DOSModel(SMALL, LDOSRidge(learn="dos", alpha=1e-3)).fit(structures, dos)


def test_species_with_soap_but_no_regressor():
    structures = [bulk("Si"), bulk("Si", a=5.5)]
    model = DOSModel(SOAP(r_cut=3, n_max=3, l_max=2, species=["Si", "C"]), LDOSRidge(alpha=1e-3))
    model.fit(structures, invented_ldos(structures))
    with pytest.raises(ValueError, match=r"trained on atomic numbers \[14\]; it has never seen \[6\]"):
        model.predict(Atoms("C"))


def test_predicted_dos_is_compared_with_the_stored_one(make_dataset):
    data = make_dataset()
    twice = LDOSDataset.from_arrays(
        data.structures,
        data.grid.energies,
        ldos=data.ldos.values,
        dos=2 * data.ldos.total().values,
        zero="code",
        fermi_energy=data.fermi_energy,
        smearing_width=0.3,
    )
    model = DOSModel(SMALL, LDOSRidge(alpha=1e-3), low=-4, high=2).fit(data)
    sums, stored = model.evaluate(data), model.evaluate(twice)
    np.testing.assert_allclose(stored.dos()[0].values, 2 * sums.dos()[0].values, atol=1e-12)
    assert stored.losses()["dos_normalized_loss"] > 2 * sums.losses()["dos_normalized_loss"]
    assert stored.losses()["ldos_normalized_loss"] == pytest.approx(sums.losses()["ldos_normalized_loss"])


def test_contradictions_between_structures_and_spectra_are_refused():
    structures = crystals(3)
    ldos = invented_ldos(structures)
    numbers = np.concatenate([atoms.numbers for atoms in structures])
    wrong = LDOS(GRID, ldos.values, 0.3, structure_index=ldos.structure_index, numbers=numbers[::-1])
    with pytest.raises(ValueError, match="rows of other elements"):
        DOSModel(SMALL).fit(structures, wrong)
    with pytest.raises(ValueError, match=r"high = 9 eV reach beyond the spectra: 101 energies"):
        DOSModel(SMALL, high=9.0).fit(structures, ldos)


def test_a_range_upside_down_is_refused(make_dataset):
    model = DOSModel(SMALL, LDOSRidge(alpha=1e-3), low=1.0, high=-1.0)
    with pytest.raises(ValueError, match="low must be below high; got 1 and -1 eV"):
        model.fit(make_dataset())
    for spectra in (invented_ldos(crystals(3)), totals(crystals(3))):
        with pytest.raises(ValueError, match="low must be below high; got 1 and -1 eV"):
            model.fit(crystals(3), spectra)


def test_an_element_in_one_group_only_is_named():
    structures = [bulk("Si"), bulk("Si", a=5.5), bulk("SiC", "zincblende", a=4.35)]
    with pytest.raises(ValueError, match=r"C \(1 environments in 1 groups of structures\): .*at least 2 groups"):
        DOSModel(SMALL).fit(structures, invented_ldos(structures))


def test_evaluation_needs_the_model_s_energies(make_dataset):
    model = DOSModel(SMALL, LDOSRidge(alpha=1e-3), low=-4, high=2).fit(make_dataset())
    aligned = make_dataset().refer_to("fermi", -4, 2)
    shifted = LDOSDataset.from_arrays(
        aligned.structures, aligned.grid.energies + 0.03, ldos=aligned.ldos.values, smearing_width=0.3
    )
    with pytest.raises(ValueError, match="share one energy grid"):
        model.evaluate(shifted)
    model.evaluate(make_dataset().broaden_to(0.1 + 0.2))  # 0.30000000000000004


def test_the_baseline_is_the_mean_spectrum_predicted_for_all(make_dataset):
    data = make_dataset()
    evaluation = DOSModel(SMALL, LDOSRidge(alpha=1e-3), low=-4, high=2).fit(data).evaluate(data)
    true, losses = evaluation.true, evaluation.losses()
    mean = replace(true, values=np.tile(true.values.mean(axis=0), (len(true), 1)))
    assert losses["ldos_mean_spectrum_loss"] == pytest.approx(normalized_loss(true, mean))
    dos, atoms = evaluation.dos()[0], evaluation.true.n_atoms[:, None]
    mean = replace(dos, values=dos.per_atom().mean(axis=0) * atoms)
    assert losses["dos_mean_spectrum_loss"] == pytest.approx(normalized_loss(dos, mean))


class TestElectrons:
    def test_each_element_is_learnt_from_the_numbers_of_the_structures(self, make_dataset):
        data = make_dataset()
        electrons = [sum(4.0 if z == 14 else 3.5 for z in atoms.numbers) for atoms in data.structures]
        model = DOSModel(SMALL, LDOSRidge(1.0)).fit(replace(data, n_electrons=np.array(electrons)))
        assert model.training_["valence_electrons"] == {"Si": 4.0, "C": 3.5}
        np.testing.assert_allclose(model.n_electrons(data.structures), electrons)
        assert model.n_electrons(data.structures[0]).shape == (1,)

    def test_what_does_not_follow_from_the_elements_is_not_guessed(self, make_dataset):
        data = make_dataset()
        charged = data.n_electrons.copy()
        charged[0] += 1
        for numbers in (charged, np.full(len(data), np.nan)):
            model = DOSModel(SMALL, LDOSRidge(1.0)).fit(replace(data, n_electrons=numbers))
            assert model.training_["valence_electrons"] == {}
            with pytest.raises(ValueError, match="does not know how many valence electrons Si has"):
                model.n_electrons(data.structures[0])


class TestProperties:
    def test_of_both_spectra(self, make_dataset):
        data = make_dataset((2, 3, 2, 2, 2, 3))
        evaluation = DOSModel(SMALL, LDOSRidge(1e-3)).fit(data).evaluate(data)
        true, predicted = evaluation.properties([3000.0])
        assert true.names == predicted.names == data.names
        np.testing.assert_allclose(true.column("n_electrons"), 2.0)  # per atom
        # Levels at -2 - 0.1 atom and 1 + 0.1 atom eV hold 2 and 1.5 states: each atom's lower one is filled.
        assert (np.abs(true.column("fermi_level") + 0.5) < 1.0).all()
        top = true.photon_energies[-1] + true.column("fermi_level").max()
        assert evaluation.true.grid.stop - evaluation.true.grid.step < top <= evaluation.true.grid.stop
        narrow = evaluation.cut(-3.0, 2.0)
        assert narrow.true.grid.start == pytest.approx(-3.0)
        assert narrow.dos()[0].grid.matches(narrow.dos()[1].grid)

    def test_predictions_that_lose_their_electrons_have_none(self, make_dataset):
        """One prediction too low to hold its electrons costs that structure's properties, not those of all."""
        data = make_dataset((2, 3, 2, 2, 2, 3))
        evaluation = DOSModel(SMALL, LDOSRidge(1e-3)).fit(data).evaluate(data)
        expected = evaluation.properties([3000.0])
        values = evaluation.predicted.values.copy()
        values[data.structure_index == 1] *= 0.3
        poor = replace(evaluation, predicted=replace(evaluation.predicted, values=values))
        words = rf"predicted DOS of 1 of 6 structures \({data.names[1]}\) does not hold their electrons"
        with pytest.warns(TruncatedDOSWarning, match=words):
            found = poor.properties([3000.0])
        others = [0, 2, 3, 4, 5]
        for name, column in found[1].columns.items():
            assert np.isnan(column[1]).all()
            np.testing.assert_allclose(column[others], expected[1].columns[name][others], rtol=1e-12)
            np.testing.assert_array_equal(found[0].columns[name], expected[0].columns[name])
        for compared in compare_properties(*found, ["band_energy", "absorption_spectrum"], 3000.0):
            assert len(compared.true) == 5
            assert np.isfinite(compared.normalized_loss)
        with pytest.raises(ValueError, match="would fill all of them"):
            replace(poor, predicted=replace(evaluation.predicted, values=0.1 * values)).properties([3000.0])

    def test_need_the_electrons(self, make_dataset):
        data = make_dataset((2, 3, 2, 2, 2, 3), n_electrons=None)
        evaluation = DOSModel(SMALL, LDOSRidge(1e-3)).fit(data).evaluate(data)
        with pytest.raises(ValueError, match="Properties need the number of valence electrons"):
            evaluation.properties([300.0])
