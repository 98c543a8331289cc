"""Several SOAPs as one descriptor, and descriptors whose directions weigh more evenly."""

import json
import zipfile

import numpy as np
import pytest
from ase.build import bulk
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from ldosml import LDOS, SOAP, DOSModel, EnergyGrid, Joined, LDOSKernelRidge, Whitened, cut_fragments, persistence

GRID = EnergyGrid.from_range(-2, 2, 0.5, zero="fermi")
NEAR, FAR = SOAP(r_cut=2.5, n_max=3, l_max=2, atom_sigma=0.3), SOAP(r_cut=4.0, n_max=4, l_max=3)


def carbide(seed, repeat=(2, 1, 1)):
    atoms = bulk("SiC", "zincblende", a=4.36) * repeat
    atoms.rattle(0.15, seed=seed)
    return atoms


STRUCTURES = [carbide(seed) for seed in range(6)]
NUMBERS = np.concatenate([atoms.numbers for atoms in STRUCTURES])
DESCRIPTORS = [Joined([NEAR, FAR], weights=[2.0, 1.0]), Whitened(FAR), Whitened(Joined([NEAR, FAR]), power=0.8)]


def invented_ldos():
    values = np.random.default_rng(0).uniform(0, 1, (len(NUMBERS), GRID.size))
    return LDOS(GRID, values, 0.3, structure_index=np.repeat(np.arange(6), 4))


@pytest.mark.parametrize("descriptor", DESCRIPTORS, ids=["joined", "whitened", "both"])
class TestEveryDescriptor:
    def test_fit_transform_clone_and_names(self, descriptor):
        fitted = clone(descriptor).fit(STRUCTURES)
        X = fitted.transform(STRUCTURES)
        assert X.shape == (len(NUMBERS), fitted.n_features_out_) == (24, len(fitted.get_feature_names_out()))
        assert len(set(fitted.get_feature_names_out())) == X.shape[1]
        np.testing.assert_allclose(clone(fitted).fit_transform(STRUCTURES), X, atol=1e-12)
        np.testing.assert_allclose(fitted.transform(STRUCTURES[2]), X[8:12], atol=1e-12)

    def test_fragments_give_the_rows_of_the_structure(self, descriptor):
        fitted = clone(descriptor).fit(STRUCTURES)
        fragments = cut_fragments(STRUCTURES[:2], 4.0, mode="complete", atom_sigma=0.5)
        np.testing.assert_allclose(fitted.transform(fragments), fitted.transform(STRUCTURES[:2]), atol=1e-8)

    def test_models_with_it_are_saved(self, descriptor, tmp_path):
        model = DOSModel(descriptor, LDOSKernelRidge(1e-3, kernel="matern", gamma=1.0)).fit(STRUCTURES, invented_ldos())
        path = model.save(tmp_path / "m.ldosml")
        loaded, new = DOSModel.load(path), [carbide(9)]
        np.testing.assert_array_equal(loaded.predict(new).values, model.predict(new).values)
        assert repr(loaded.descriptor_) == repr(model.descriptor_)
        assert "arrays" not in str(persistence.describe(path))
        loaded.descriptor_.set_params(n_jobs=1)
        np.testing.assert_array_equal(loaded.fit(STRUCTURES, invented_ldos()).predict(new).values.shape, (4, GRID.size))


# Joined


@settings(deadline=None, max_examples=10)
@given(weights=st.lists(st.floats(0.01, 100), min_size=2, max_size=2))
def test_the_joined_kernel_is_the_weighted_mean_of_the_kernels(weights):
    X = Joined([NEAR, FAR], weights=weights).fit_transform(STRUCTURES)
    near, far = (soap.fit_transform(STRUCTURES) for soap in (clone(NEAR), clone(FAR)))
    expected = (weights[0] * near @ near.T + weights[1] * far @ far.T) / sum(weights)
    np.testing.assert_allclose(X @ X.T, expected, atol=1e-12)


def test_one_part_is_that_part_and_names_tell_the_parts():
    joined = Joined([FAR]).fit(STRUCTURES)
    np.testing.assert_allclose(joined.transform(STRUCTURES), clone(FAR).fit_transform(STRUCTURES), atol=1e-14)
    names = Joined([NEAR, FAR]).fit(STRUCTURES).get_feature_names_out()
    assert (names[0], names[-1]) == ("0-C0-C0-l0", "1-Si3-Si3-l3")


def test_parts_that_are_not_normalised_weigh_by_their_length():
    parts = [clone(NEAR).set_params(normalize=False), clone(FAR).set_params(normalize=False)]
    X = Joined(parts, weights=[3.0, 1.0]).fit_transform(STRUCTURES)
    near, far = (part.fit_transform(STRUCTURES) for part in parts)
    np.testing.assert_allclose(X, np.concatenate([np.sqrt(3) * near, far], axis=1) / 2)


@pytest.mark.parametrize(
    ("soaps", "weights", "error", "message"),
    [
        ([], None, ValueError, "at least one part"),
        ([NEAR, "far"], None, TypeError, "joins descriptors of ldosml, .* got str"),
        ([NEAR, FAR], [1.0], ValueError, r"must have shape \(2\)"),
        ([NEAR, FAR], [1.0, 0.0], ValueError, "must be positive; got .1.0, 0.0.. Leave that part out"),
        ([NEAR, FAR], [1.0, np.nan], ValueError, "must be finite"),
    ],
)
def test_impossible_parts_are_refused(soaps, weights, error, message):
    with pytest.raises(error, match=message):
        Joined(soaps, weights).fit(STRUCTURES)


# Whitened


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_variances_are_drawn_together(power):
    """Of each species: mean 0, mean squared length 1, and the variances of the descriptor to the power 1 - p."""
    X = Whitened(FAR, power=power).fit_transform(STRUCTURES)
    plain = clone(FAR).fit_transform(STRUCTURES)
    for number in (6, 14):
        rows, before = X[number == NUMBERS], plain[number == NUMBERS]
        np.testing.assert_allclose(rows.mean(axis=0), 0, atol=1e-9)
        assert np.mean(np.sum(rows**2, axis=1)) == pytest.approx(1)
        variances = np.linalg.svd(before - before.mean(axis=0), compute_uv=False)[:11] ** (2 * (1 - power))
        found = np.linalg.svd(rows, compute_uv=False)
        np.testing.assert_allclose(found[:11] ** 2 / np.sum(found**2), variances / variances.sum(), rtol=1e-6)
        np.testing.assert_allclose(found[11:], 0, atol=1e-7)


def test_whitened_distances_are_mahalanobis_distances():
    """At power 1, between rows in general position: the distance that scikit-learn's PCA gives."""
    from sklearn.decomposition import PCA

    small = SOAP(r_cut=3.0, n_max=2, l_max=1)
    X = Whitened(small, power=1.0).fit_transform(STRUCTURES)[NUMBERS == 14]
    plain = small.fit_transform(STRUCTURES)[NUMBERS == 14]
    Z = PCA(n_components=np.linalg.matrix_rank(X, tol=1e-6), whiten=True).fit_transform(plain)
    distances, expected = X @ X.T, Z @ Z.T
    np.testing.assert_allclose(distances / np.trace(distances), expected / np.trace(expected), atol=1e-6)


def test_environments_all_alike_give_zeros():
    """In a perfect crystal what is left is rounding, which must not be blown up."""
    X = Whitened(FAR).fit_transform([bulk("Si"), bulk("Si") * (2, 1, 1)])
    assert np.abs(X).max() == 0


@pytest.mark.parametrize("power", [-0.1, 1.5, np.nan])
def test_impossible_powers_are_refused(power):
    with pytest.raises(ValueError, match="power of Whitened must be at least 0 and at most 1"):
        Whitened(FAR, power=power).fit(STRUCTURES)


def test_whitening_twice_is_refused():
    for inner in (Whitened(FAR), Joined([NEAR, Whitened(FAR)])):
        with pytest.raises(TypeError, match="got Whitened within it"):
            Whitened(inner).fit(STRUCTURES)


class TestRowsComputedBefore:
    """Cross-validation computes the descriptor once, and whitens its rows in each fold by the training part alone."""

    @pytest.mark.parametrize("inner", [FAR, Joined([NEAR, FAR])], ids=["soap", "joined"])
    def test_they_give_what_the_structures_give(self, inner):
        train, test = STRUCTURES[:4], STRUCTURES[4:]
        rows = clone(inner).fit_transform(STRUCTURES)
        before = rows.copy()
        whitened = Whitened(inner, power=0.8).fit_rows(rows[:16], NUMBERS[:16])
        direct = Whitened(inner, power=0.8).fit(train)
        np.testing.assert_allclose(whitened.transform_rows(rows[16:], NUMBERS[16:]), direct.transform(test), atol=1e-12)
        np.testing.assert_array_equal(rows, before)
        for name in ("species_", "means_", "maps_", "n_features_out_"):
            np.testing.assert_allclose(getattr(whitened, name), getattr(direct, name), atol=1e-12)

    def test_joined_parts_learn_from_their_own_columns(self):
        """In a fold: raw rows of all structures, from which the training part alone is learned."""
        joined = Joined([Whitened(FAR), NEAR, Whitened(NEAR, power=0.0)], weights=[1.0, 2.0, 0.5])
        rows = joined.raw_rows(STRUCTURES)
        found = joined.fit_rows(rows[:16], NUMBERS[:16]).transform_rows(rows[16:], NUMBERS[16:])
        direct = clone(joined).fit(STRUCTURES[:4]).transform(STRUCTURES[4:])
        np.testing.assert_allclose(found, direct, atol=1e-12)
        with pytest.raises(ValueError, match="rows of Joined must have shape"):
            joined.transform_rows(rows[:, 1:], NUMBERS)

    def test_structures_need_a_fit_on_structures(self):
        rows = clone(FAR).fit_transform(STRUCTURES)
        whitened = Whitened(FAR).fit_rows(rows, NUMBERS)
        with pytest.raises(NotFittedError):
            whitened.transform(STRUCTURES)
        with pytest.raises(NotFittedError):
            Whitened(FAR).transform_rows(rows, NUMBERS)
        assert whitened.fit(STRUCTURES).transform(STRUCTURES).shape == rows.shape

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda X, z: (X, z[1:]), r"numbers of Whitened must have shape \(24\)"),
            (lambda X, z: (X[0], z), r"rows of Whitened must have shape \(any, any\)"),
            (lambda X, z: (X[:0], z[:0]), "at least one environment"),
            (lambda X, z: (np.full_like(X, np.nan), z), "must be finite"),
        ],
    )
    def test_impossible_rows_are_refused(self, change, message):
        with pytest.raises(ValueError, match=message):
            Whitened(FAR).fit_rows(*change(clone(FAR).fit_transform(STRUCTURES), NUMBERS))

    def test_rows_of_other_settings_are_refused(self):
        rows = clone(FAR).fit_transform(STRUCTURES)
        with pytest.raises(ValueError, match=f"shape .any, {rows.shape[1]}."):
            Whitened(FAR).fit_rows(rows, NUMBERS).transform_rows(rows[:, 1:], NUMBERS)


def test_centres_of_other_elements_are_refused():
    silicon_only = Whitened(SOAP(r_cut=3.0, n_max=2, l_max=1, species=["Si", "C"])).fit([bulk("Si"), bulk("Si", a=5.6)])
    with pytest.raises(ValueError, match=r"no map for \[6\]"):
        silicon_only.transform(STRUCTURES)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda spec: spec["parts"]["descriptor_"].update({"class": "Whitened"}),
            r"parts of class SOAP or TightBindingSpectrum or .* or PretrainedFeatures or Joined; got 'Whitened'",
        ),
        (lambda spec: spec["learnt"].update(n_features_out_=7), r"means_ of Whitened must have shape \(2, 7\)"),
        (
            lambda spec: spec["parts"]["descriptor_"]["learnt"].update(n_features_out_=7),
            "SOAP has 7 features, its .* 144",
        ),
        (lambda spec: spec.pop("parts"), "'parts' is missing"),
        (lambda spec: spec["parts"].clear(), "'descriptor_' is missing"),
    ],
)
def test_files_whose_parts_do_not_fit_are_refused(tmp_path, change, message):
    model = DOSModel(Whitened(FAR), LDOSKernelRidge(1e-3, kernel="matern", gamma=1.0)).fit(STRUCTURES, invented_ldos())
    path = model.save(tmp_path / "m.ldosml")
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    spec = json.loads(content["spec.json"])
    change(spec["descriptor"])
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in (content | {"spec.json": json.dumps(spec)}).items():
            archive.writestr(name, data)
    with pytest.raises(ValueError, match=message):
        DOSModel.load(path)


def test_what_computes_rows_within_is_found():
    near, far = SOAP(r_cut=3.0), SOAP(r_cut=5.0)
    assert list(Whitened(Joined([near, Whitened(far, power=0.0)])).innermost()) == [near, far]
    assert list(Joined(near).innermost()) == [near]
    assert [type(part) for part in Whitened().innermost()] == [SOAP]
