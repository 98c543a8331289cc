"""Empty space by its shape, whatever vectors the cell has across it."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bcc110, bulk, diamond111, fcc111, graphene, make_supercell, molecule, mx2
from neural_cases import disguised
from numpy.testing import assert_allclose

from ldosml.datasets import load_crystals
from ldosml.kresolved.vacuum import PORE, find_vacuum, pore_radius, upright


def periodic(atoms):
    atoms.pbc = True
    return atoms


def tilted(atoms, by):
    """The next layer shifted along the plane by fractions of its vectors; the layer itself stays."""
    atoms = periodic(atoms.copy())
    cell = atoms.cell.array.copy()
    cell[2] += np.asarray(by) @ cell[:2]
    atoms.set_cell(cell)
    return atoms


SLABS = {
    "MoS2": periodic(mx2("MoS2", vacuum=8.0)),
    "Al(111)": periodic(fcc111("Al", (1, 1, 3), vacuum=7.0)),
    "Fe(110)": periodic(bcc110("Fe", (1, 1, 4), vacuum=5.0)),
    "Si(111)": periodic(diamond111("Si", (1, 1, 4), vacuum=6.0)),
    "graphene": periodic(graphene(vacuum=5.0)),
}
WIRE = Atoms("Si2", [[0, 0, 0], [0, 1, 2.3]], cell=[12, 13, 4.6], pbc=True)
MOLECULE = periodic(molecule("H2O", vacuum=6.0))
SHAPES = {**dict.fromkeys(SLABS, 1), "wire": 2, "molecule": 3}
ALL = {**SLABS, "wire": WIRE, "molecule": MOLECULE}


@pytest.mark.parametrize("name", ALL)
class TestShape:
    def test_number_of_directions(self, name):
        found = find_vacuum(ALL[name])
        assert len(found) == SHAPES[name]
        assert found.axes == {1: (False, False, True), 2: (True, True, False), 3: (True,) * 3}[SHAPES[name]]

    @pytest.mark.parametrize("seed", range(3))
    def test_any_cell_gives_the_same(self, name, seed):
        """Turned, shifted and wrapped, with vectors that are sums of others."""
        sums = np.array([[1, 1, 0], [0, 1, seed], [0, 0, 1]])
        found = find_vacuum(make_supercell(disguised(ALL[name], seed), sums[::-1]))
        expected = find_vacuum(ALL[name])
        assert_allclose(np.sort(found.widths), np.sort(expected.widths), atol=1e-6)

    def test_the_width_is_between_spheres(self, name):
        """A plane in the middle of the empty space is half its width and a radius from all nuclei."""
        atoms = ALL[name]
        found, fractions = find_vacuum(atoms), atoms.get_scaled_positions()
        for plane, width, offset in zip(found.planes, found.widths, found.offsets, strict=True):
            height = 1 / np.linalg.norm(atoms.cell.reciprocal().T @ plane)
            steps = fractions @ plane - offset
            assert np.abs((steps - np.round(steps)) * height).min() > 0.5 * width


@pytest.mark.parametrize("atoms", [bulk("Si"), bulk("C", "hcp", a=2.46, c=6.7), bulk("Cs"), bulk("Ar", "fcc", a=5.3)])
def test_bulk_has_none(atoms):
    found = find_vacuum(atoms)
    assert (len(found), found.words, found.axes) == (0, "", (False,) * 3)


def test_of_the_shipped_crystals_only_layers_and_slabs_have_one():
    """The widest space in bulk, in graphite, is far from the limit, and so is the narrowest vacuum."""
    crystals = [one for name in ("crystals", "more-crystals", "further-crystals") for one in load_crystals(name)]
    found = {one.name: len(find_vacuum(one.atoms)) for one in crystals}
    assert {name for name, n in found.items() if n} == {name for name in found if "layer" in name or "slab" in name}
    assert [len(find_vacuum(one.atoms, least=5.5)) for one in crystals] == list(found.values())
    assert [len(find_vacuum(one.atoms, least=2.0)) for one in crystals] == list(found.values())


class TestPores:
    def test_a_channel_through_a_crystal(self):
        block = bulk("Si", cubic=True) * (4, 4, 1)
        middle = block.cell.array.sum(axis=0) / 2
        channel = block[np.linalg.norm((block.positions - middle)[:, :2], axis=1) > 6]
        assert pore_radius(channel) == pytest.approx(6 - 1.11, abs=0.8)
        assert not len(find_vacuum(channel))

    def test_crystals_have_none(self):
        crystals = [one for name in ("crystals", "more-crystals", "further-crystals") for one in load_crystals(name)]
        bulks = [one for one in crystals if not len(find_vacuum(one.atoms))]
        assert [one.name for one in bulks if pore_radius(one.atoms) > PORE] == []

    @pytest.mark.parametrize("cubic", [False, True])
    def test_whatever_the_cell(self, cubic):
        assert pore_radius(bulk("Si", cubic=cubic) * (1, 2, 1)) == pytest.approx(2.35 - 1.11, abs=0.2)


@pytest.mark.parametrize("name", SLABS)
@pytest.mark.parametrize("by", [(1 / 3, 1 / 3), (0.5, -0.2), (2.3, 1.0)])
class TestUpright:
    def test_a_tilted_vector_stands_up(self, name, by):
        atoms = tilted(SLABS[name], by)
        atoms.positions += 0.6 * atoms.cell.array[2]
        atoms.wrap()
        found, matrix = upright(atoms)
        first, second, normal = found.cell.array
        assert_allclose([first @ normal, second @ normal], 0, atol=1e-8)
        assert_allclose(matrix @ atoms.cell.array, found.cell.array, atol=1e-8)
        assert found.get_volume() == pytest.approx(atoms.get_volume())

    def test_the_layer_is_the_same(self, name, by):
        """Distances within it, also where the cell cuts it."""
        atoms = tilted(SLABS[name], by)
        atoms.positions += 0.6 * atoms.cell.array[2]
        atoms.wrap()
        found, expected = upright(atoms)[0], SLABS[name]
        for i in range(len(expected)):
            distances = [np.sort(one.get_distances(i, range(len(one)), mic=True)) for one in (found, expected)]
            assert_allclose(*distances, atol=1e-6)


def test_others_stay_as_they_are():
    for atoms in (bulk("Si"), WIRE, MOLECULE, SLABS["MoS2"]):
        found, matrix = upright(atoms)
        assert found is atoms
        assert_allclose(matrix, np.eye(3))
