"""Tight binding corrected for each atom and bond: what it has in common with the plain one, and its symmetry."""

from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk
from numpy.testing import assert_allclose

from ldosml.tightbinding import TightBinding, TightBindingParameters
from ldosml.tightbinding.corrections import CorrectedTightBinding, Corrections
from ldosml.tightbinding.slater_koster import SYMMETRY_OF

FITTED = TightBindingParameters.fitted()
KPOINTS = np.random.default_rng(0).uniform(-0.5, 0.5, (5, 3))
CRYSTALS = {
    "diamond": bulk("Si"),
    "zincblende": bulk("GaAs", "zincblende", a=5.65),
    "hcp": bulk("Mg", "hcp", a=3.2, c=5.2),
    "rocksalt": bulk("TiN", "rocksalt", a=4.25),
}


def none(model):
    n_pairs = len(model.pairs[0])
    return Corrections(*np.zeros((2, len(model), 5)), *np.zeros((2, n_pairs, 3, 5, 5)))


def invariant(model):
    """Corrections that depend on elements and lengths only, none of them zero."""
    terms = model.pair_terms()
    first, second = model.numbers[terms.first], model.numbers[terms.second]
    shells, symmetries = np.arange(5), np.arange(3)
    own = np.sin(0.1 * model.numbers[:, None] + shells)
    rows = np.sin(0.1 * first[:, None] + shells) + np.cos(terms.logs)[:, None]
    columns = np.sin(0.1 * second[:, None] + shells) + np.cos(terms.logs)[:, None]
    factors = 0.1 * (rows[:, None, :, None] + columns[:, None, None, :]) * (1 + symmetries[:, None, None])
    fields = np.cos(0.1 * second[:, None] + symmetries)[:, :, None, None] * (shells[:, None] + shells)
    weights = terms.damping * np.exp(-4 * terms.logs)
    return Corrections(own, 0.02 * own, factors, 0.05 * fields * weights[:, None, None, None])


def test_without_corrections_nothing_changes():
    atoms = CRYSTALS["zincblende"]
    expected = TightBinding(atoms, FITTED).eigenvalues(KPOINTS)
    assert_allclose(CorrectedTightBinding(atoms, FITTED, none).eigenvalues(KPOINTS), expected, atol=1e-10)


def test_levels_overlaps_and_factors_are_those_of_other_parameters():
    """What corrections of one element have in common with its parameters."""
    atoms = CRYSTALS["diamond"]
    shifted = replace(
        FITTED,
        shifts=FITTED.shifts + np.arange(5),
        overlaps=FITTED.overlaps + 0.01 * np.arange(5),
        strengths=FITTED.strengths + 0.1 * np.arange(5),
        factors=FITTED.factors + 0.3 * SYMMETRY_OF,
    )

    def same(model):
        n_pairs, shells = len(model.pairs[0]), np.arange(5)
        factors = 0.05 * (shells[:, None] + shells) + 0.3 * np.arange(3)[:, None, None]
        return Corrections(
            np.tile(shells, (2, 1)),
            np.tile(0.01 * shells, (2, 1)),
            np.tile(factors, (n_pairs, 1, 1, 1)),
            np.zeros((n_pairs, 3, 5, 5)),
        )

    found = CorrectedTightBinding(atoms, FITTED, same).eigenvalues(KPOINTS)
    assert_allclose(found, TightBinding(atoms, shifted).eigenvalues(KPOINTS), atol=1e-9)


@pytest.mark.parametrize("name", CRYSTALS)
def test_matrices_are_hermitian(name):
    model = CorrectedTightBinding(CRYSTALS[name], FITTED, invariant)
    for _, matrices in model.hamiltonians(KPOINTS):
        assert_allclose(matrices, matrices.conj().transpose(0, 2, 1), atol=1e-12)


@pytest.mark.parametrize("name", CRYSTALS)
def test_bands_do_not_turn_with_the_crystal(name):
    atoms = CRYSTALS[name]
    turned = atoms.copy()
    turned.set_cell(atoms.cell.array @ np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0], scale_atoms=True)
    first, second = (CorrectedTightBinding(a, FITTED, invariant).eigenvalues(KPOINTS) for a in (atoms, turned))
    assert_allclose(first, second, atol=1e-8)


def test_bands_have_the_point_group():
    """A cubic axis, and time reversal."""
    model = CorrectedTightBinding(CRYSTALS["zincblende"], FITTED, invariant)
    for images in (KPOINTS[:, [1, 2, 0]], -KPOINTS):
        assert_allclose(model.eigenvalues(images), model.eigenvalues(KPOINTS), atol=1e-8)


def test_a_repeated_cell_has_the_same_states():
    atoms = CRYSTALS["diamond"]
    bands = CorrectedTightBinding(atoms, FITTED, invariant).eigenvalues([[0, 0, 0], [0.5, 0, 0]])
    repeated = CorrectedTightBinding(atoms.repeat((2, 1, 1)), FITTED, invariant).eigenvalues([[0, 0, 0]])
    assert_allclose(repeated[0], np.sort(bands.ravel()), atol=1e-8)


def test_fields_split_the_d_shell_of_an_octahedron_in_two_and_three():
    """Only at Gamma, only between d orbitals of titanium, with all hopping switched off."""

    def only_fields(model):
        added = none(model)
        factors = np.full_like(added.factors, -50.0)
        fields = np.zeros_like(added.fields)
        terms = model.pair_terms()
        nearest = (model.numbers[terms.second] == 7) & (terms.logs < 0.2)
        fields[nearest, 0, 2, 2] = 1.0
        return replace(added, factors=factors, fields=fields)

    model = CorrectedTightBinding(CRYSTALS["rocksalt"], FITTED, only_fields)
    d_shell = model.on_site()[0][4:9, 4:9]
    # Six neighbours along the axes: sigma fields act on x2-y2 and z2 alone, 3 each.
    assert_allclose(np.linalg.eigvalsh(d_shell), [0, 0, 0, 3, 3], atol=1e-12)
