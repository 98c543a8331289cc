"""Spectral weights of supercells: perfect ones, displaced ones, and ones with defects."""

import numpy as np
import pytest
from ase.build import bulk, make_supercell
from numpy.testing import assert_allclose

from ldosml.tightbinding import TightBinding
from ldosml.tightbinding.unfolding import unfolded

KPOINTS = np.random.default_rng(0).uniform(-0.5, 0.5, (3, 3))
CRYSTALS = {"diamond": bulk("Si"), "rocksalt": bulk("TiN", "rocksalt", a=4.25), "hcp": bulk("Mg", "hcp", a=3.2, c=5.2)}
REPEATS = {
    "along one": np.diag([1, 1, 3]),
    "skew": [[1, 1, 0], [-1, 1, 0], [0, 0, 2]],
    "cube": [[-1, 1, 1], [1, -1, 1], [1, 1, -1]],
}


@pytest.mark.parametrize("name", CRYSTALS)
@pytest.mark.parametrize("shape", REPEATS)
def test_a_perfect_repetition_has_the_bands_of_the_crystal(name, shape):
    primitive = CRYSTALS[name]
    supercell = make_supercell(primitive, REPEATS[shape])
    energies, weights = unfolded(TightBinding(supercell), supercell, primitive, KPOINTS)
    bands = TightBinding(primitive).eigenvalues(KPOINTS)
    for k in range(len(KPOINTS)):
        # Weights of degenerate states are shared among them, so they are compared by what they add up to.
        order = np.argsort(energies[k])
        held = np.concatenate([[0.0], np.cumsum(weights[k][order])])
        below, upto = (np.searchsorted(energies[k][order], bands[k] + off) for off in (-1e-6, 1e-6))
        n = np.arange(len(bands[k]))
        assert np.all(held[below] <= n + 1e-6)
        assert np.all(held[upto] >= n + 1 - 1e-6)
    assert_allclose(weights.sum(axis=1), bands.shape[1], atol=1e-8)


def test_atoms_in_any_order_and_cell():
    """The same states, whichever image of an atom is listed, and in whichever order."""
    primitive = CRYSTALS["diamond"]
    supercell = primitive.repeat((2, 2, 1))
    other = supercell[np.random.default_rng(1).permutation(len(supercell))]
    other.positions += np.random.default_rng(2).integers(-2, 3, (len(other), 3)) @ other.cell.array
    first, second = (unfolded(TightBinding(a), a, primitive, KPOINTS) for a in (supercell, other))
    assert_allclose(first[0], second[0], atol=1e-8)
    for energies, weights in (first, second):
        assert_allclose(np.sum(weights * energies, axis=1), np.sum(first[0] * first[1], axis=1), atol=1e-6)
        assert np.all(weights > -1e-12)


def test_displacements_blur_the_bands_but_keep_their_number():
    primitive = CRYSTALS["diamond"]
    supercell = primitive.repeat((2, 2, 2))
    supercell.rattle(0.05, seed=0)
    energies, weights = unfolded(TightBinding(supercell), supercell, primitive, KPOINTS)
    assert_allclose(weights.sum(axis=1), 26, atol=1e-8)
    assert 0.01 < weights[:, 100].min() < weights.max() < 1
    centre = (weights * energies).sum(axis=1) / 26
    assert_allclose(centre, TightBinding(primitive).eigenvalues(KPOINTS).mean(axis=1), atol=0.6)


def test_a_vacancy_takes_its_share():
    primitive = CRYSTALS["diamond"]
    supercell = primitive.repeat((2, 2, 2))
    del supercell[3]
    _, weights = unfolded(TightBinding(supercell), supercell, primitive, KPOINTS)
    assert_allclose(weights.sum(axis=1), 26 * 15 / 16, atol=1e-8)


def test_a_strained_supercell_still_belongs_to_its_crystal():
    primitive = CRYSTALS["rocksalt"]
    supercell = primitive.repeat((2, 1, 1))
    supercell.set_cell(supercell.cell.array * 1.02, scale_atoms=True)
    _, weights = unfolded(TightBinding(supercell), supercell, primitive, KPOINTS)
    assert_allclose(weights.sum(axis=1), 26, atol=1e-8)


def test_another_lattice_is_refused():
    with pytest.raises(ValueError, match="whole combinations"):
        supercell = CRYSTALS["hcp"]
        unfolded(TightBinding(supercell), supercell, CRYSTALS["diamond"], KPOINTS)
