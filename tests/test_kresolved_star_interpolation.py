"""Interpolation of bands in k: exact for tight binding, with all symmetry, and good between the k-points of DFT."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from tight_binding import lattice_operations

from ldosml.datasets import load_crystals
from ldosml.kresolved import gamma_mesh, interpolate_bands
from ldosml.kresolved.meshes import irreducible

FCC = np.array([[0, 1.8, 1.8], [1.8, 0, 1.8], [1.8, 1.8, 0]])
OPERATIONS = lattice_operations(FCC)
RANDOM = np.random.default_rng(0).uniform(-1, 1, (40, 3))


def hopping(kpoints, cell=FCC, reach=1.0):
    """The band of an s orbital at each lattice point: E = -sum_L cos(2 pi k.L), with |L| up to ``reach`` neighbours."""
    steps = np.indices((5, 5, 5)).reshape(3, -1).T - 2
    lengths = np.linalg.norm(steps @ cell, axis=1)
    near = steps[(lengths > 0) & (lengths <= reach * np.sort(lengths)[1] * 1.001)]
    return -np.cos(2 * np.pi * np.asarray(kpoints) @ near.T).sum(axis=1)


def mesh(n):
    return irreducible(gamma_mesh(n)[0], OPERATIONS)[0]


class TestExact:
    @pytest.mark.parametrize("reach", [1.0, 2**0.5, 2.0], ids=["nearest", "second", "fourth"])
    def test_a_tight_binding_band_comes_back_from_a_coarse_mesh(self, reach):
        kpoints = mesh(8)
        energies = np.column_stack([hopping(kpoints, reach=reach), 5 - 2 * hopping(kpoints)])
        found = interpolate_bands(kpoints, energies, FCC, OPERATIONS, alpha=1e-10)
        true = np.column_stack([hopping(RANDOM, reach=reach), 5 - 2 * hopping(RANDOM)])
        assert_allclose(found(RANDOM), true, atol=2e-3 * np.ptp(true))
        assert_allclose(found(kpoints), energies, atol=1e-6)

    def test_without_symmetry(self):
        cell = np.array([[3.0, 0.2, 0.1], [0.3, 3.5, 0.0], [0.1, 0.7, 4.1]])
        kpoints = gamma_mesh(7)[0]
        found = interpolate_bands(kpoints, hopping(kpoints, cell)[:, None], cell, [np.eye(3)], alpha=1e-10)
        assert_allclose(found(RANDOM)[:, 0], hopping(RANDOM, cell), atol=2e-3)

    def test_a_constant_stays_constant(self):
        found = interpolate_bands([[0, 0, 0], [0.5, 0, 0]], [[2.0], [2.0]], FCC, [np.eye(3)], n_vectors=1)
        assert_allclose(found(RANDOM), 2.0)
        assert repr(found).startswith("StarInterpolation(1 bands, ")

    def test_equivalent_kpoints_may_repeat(self):
        kpoints = mesh(6)
        once, twice = (
            interpolate_bands(k, hopping(k)[:, None], FCC, OPERATIONS)(RANDOM)
            for k in (kpoints, np.concatenate([kpoints, -kpoints, kpoints + 1]))
        )
        assert_allclose(once, twice, atol=1e-2)


def test_bands_have_the_symmetry_of_the_crystal():
    kpoints = mesh(4)
    energies = np.random.default_rng(1).normal(size=(len(kpoints), 2))
    found = interpolate_bands(kpoints, energies, FCC, OPERATIONS)
    expected = found(RANDOM)
    for turn in OPERATIONS:
        assert_allclose(found(RANDOM @ turn.T), expected, atol=1e-9)
    assert_allclose(found(-RANDOM), expected, atol=1e-9)
    assert_allclose(found(RANDOM + np.array([1, -2, 3])), expected, atol=1e-9)


@pytest.mark.parametrize("name", ["diamond-Si", "fcc-Cu", "rocksalt-CaO"])
def test_left_out_kpoints_of_dft_paths_are_found(name):
    """Mesh and every other k-point of the path give the bands between them better than the mesh alone."""
    crystal = load_crystals()[name]
    n = round(crystal.mesh.n_electrons / 2)
    on_mesh, on_path = (np.sort(b.eigenvalues, axis=1)[:, n - 2 : n + 2] for b in (crystal.mesh, crystal.path))
    out = np.arange(len(on_path)) % 2 == 1

    def errors(kpoints, energies):
        bands = interpolate_bands(
            kpoints, energies, crystal.atoms.cell.array, lattice_operations(crystal.atoms.cell.array)
        )
        return np.abs(bands(crystal.path.kpoints[out]) - on_path[out])

    kpoints, known = crystal.mesh.kpoints, crystal.path.kpoints[~out]
    both = errors(np.concatenate([kpoints, known]), np.concatenate([on_mesh, on_path[~out]]))
    alone = errors(kpoints, on_mesh)
    assert np.median(both) < 0.02
    assert both.mean() < 0.7 * alone.mean()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kpoints": np.zeros((0, 3)), "energies": np.zeros((0, 1))}, "at least one k-point; got none"),
        ({"kpoints": [[0, 0]]}, r"kpoints must have shape \(any, 3\)"),
        ({"energies": [[1.0], [2.0]]}, "energies must have shape"),
        ({"energies": [[np.inf]]}, "energies must be finite"),
        ({"cell": np.zeros((3, 3))}, "lattice vectors must span a volume"),
        ({"operations": np.eye(3)}, "operations must have shape"),
        ({"alpha": 0.0}, "alpha must be above 0"),
        ({"n_vectors": 0}, "n_vectors must be a positive whole number"),
    ],
)
def test_bad_input(changes, message):
    given = {"kpoints": [[0, 0, 0]], "energies": [[1.0]], "cell": FCC, "operations": [np.eye(3)]}
    with pytest.raises(ValueError, match=message):
        interpolate_bands(**given | changes)
