"""Sums over neighbours with Bloch's phases: against tight binding, and what they must not depend on."""

import numpy as np
import pytest
from neural_cases import CRYSTALS, conventional, disguised, torch
from numpy.testing import assert_allclose

from ldosml.neural import OccupancyConfig, primitive_kpoints, standardized
from ldosml.neural.bloch import BlochEmbedding, real_harmonics
from ldosml.neural.graph import batched, crystal_graph
from ldosml.neural.network import operations

KPOINTS = np.random.default_rng(3).uniform(-0.5, 0.5, (5, 3))


@pytest.fixture(scope="module")
def embedding():
    torch.manual_seed(1)
    return BlochEmbedding(8, 4)


@torch.no_grad()
def embedded(embedding, atoms, kpoints=KPOINTS):
    """Of elements that are told by their numbers, and distances by their value."""
    crystal = standardized(atoms)
    graph = batched([crystal_graph(crystal, 8)])
    steps = torch.arange(8.0)
    elements = torch.sin(graph.numbers[:, None] * 0.3 * (1 + steps))
    edges = torch.cos(graph.distances[:, None] * (1 + steps))
    k = torch.from_numpy(primitive_kpoints(atoms, kpoints).astype(np.float32))
    return embedding(k[None], elements, edges, elements.sum(dim=0)[None], graph)[0].numpy()


@pytest.mark.parametrize("name", CRYSTALS)
class TestInvariance:
    def test_point_group_and_time_reversal_hold_without_averaging(self, embedding, name):
        atoms = standardized(CRYSTALS[name]).atoms()
        expected = embedded(embedding, atoms)
        for operation in operations(standardized(atoms), OccupancyConfig())[::5]:
            assert_allclose(embedded(embedding, atoms, KPOINTS @ operation.T), expected, atol=2e-5)
        assert np.ptp(expected, axis=0).max() > 1e-3  # k-points differ all the same

    def test_cell_turn_shift_order_and_reciprocal_lattice_vectors(self, embedding, name):
        atoms = CRYSTALS[name]
        expected = embedded(embedding, atoms)
        for cell in (disguised(atoms), disguised(conventional(name))):
            # the same vectors, turned with the crystal: fractions of the same cell, whatever its orientation
            untouched = atoms if len(cell) == len(atoms) else conventional(name)
            fractions = KPOINTS @ atoms.cell.reciprocal() @ untouched.cell.array.T
            assert_allclose(embedded(embedding, cell, fractions), expected, atol=2e-5)
        shifted = KPOINTS + np.array([[1, 0, -2], [0, 3, 0], [5, 5, 5], [0, 0, -1], [2, 2, 0]])
        assert_allclose(embedded(embedding, atoms, shifted), expected, atol=2e-4)


def test_sums_are_those_of_tight_binding(embedding):
    """One s orbital in simple cubic: H(k) = 2 t (cos x + cos y + cos z), whose power and real part are known."""
    from ase import Atoms

    crystal = standardized(Atoms("Po", cell=[3.3] * 3, pbc=True))
    graph = batched([crystal_graph(crystal, 6)])
    elements, edges = torch.zeros(1, 8), torch.zeros(len(graph.sources), 8)
    with torch.no_grad():
        t = embedding.hopping(torch.zeros(1, 24))[0].unflatten(-1, (3, 4)).numpy()
        k = torch.from_numpy(KPOINTS.astype(np.float32))
        found = embedding._sums(k[None], elements, edges, graph)[0].numpy().reshape(len(KPOINTS), 4, 4)
    cosines, sines = np.cos(2 * np.pi * KPOINTS), np.sin(2 * np.pi * KPOINTS)
    scalar = 2 * t[0] * cosines.sum(axis=1, keepdims=True)
    assert_allclose(found[:, 3], scalar, atol=1e-5)
    assert_allclose(found[:, 0], np.sqrt(1 + scalar**2) - 1, atol=1e-5)
    vector = 4 * t[1] ** 2 * (sines**2).sum(axis=1, keepdims=True)
    assert_allclose(found[:, 1], np.sqrt(1 + vector) - 1, atol=1e-5)


def test_harmonics_are_normalised_and_turn_among_themselves():
    random = np.random.default_rng(0)
    directions = random.normal(size=(6, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    turn = np.linalg.qr(random.normal(size=(3, 3)))[0]
    here, there = (real_harmonics(torch.from_numpy(d)).numpy() for d in (directions, directions @ turn.T))
    for rows in (slice(0, 1), slice(1, 4), slice(4, 9)):
        assert_allclose((here[:, rows] ** 2).sum(axis=1), 1.0)
        assert_allclose(here[:, rows] @ here[:, rows].T, there[:, rows] @ there[:, rows].T, atol=1e-12)
