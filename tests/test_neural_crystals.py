"""One crystal, one description: whatever cell it is given in."""

import re

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111
from ase.spacegroup import crystal as space_group
from neural_cases import CRYSTALS, conventional, disguised
from numpy.testing import assert_allclose, assert_array_equal

from ldosml._validation import Caution
from ldosml.datasets import load_crystals
from ldosml.neural import primitive_kpoints, standardized
from ldosml.neural.crystals import mesh_shape, point_group, primitive_size, standardize_trained, structure_type
from ldosml.neural.graph import batched, crystal_graph


def distance_from_star(crystal, kpoints, others):
    """How far each k-point is from being one of the other's images, by symmetry, time and whole vectors."""
    operations = point_group(crystal)
    images = np.einsum("oij,kj->koi", np.concatenate([operations, -operations]), kpoints)
    differences = images - others[:, None]
    return np.abs(differences - np.round(differences)).max(axis=-1).min(axis=-1)


@pytest.mark.parametrize("name", CRYSTALS)
class TestStandardized:
    @pytest.mark.parametrize("cell", ["same", "conventional", "repeated"])
    def test_every_cell_gives_the_same(self, name, cell):
        given = {"same": CRYSTALS[name], "conventional": conventional(name), "repeated": CRYSTALS[name] * (1, 2, 3)}
        expected = standardized(CRYSTALS[name])
        for seed in range(2):
            found = standardized(disguised(given[cell], seed))
            assert_array_equal(found.numbers, expected.numbers)
            assert_allclose(found.cell, expected.cell, atol=1e-8)
            assert_allclose(found.positions, expected.positions, atol=1e-8)

    def test_a_mirror_image_is_the_same(self, name):
        mirrored = CRYSTALS[name].copy()
        mirrored.set_cell(mirrored.cell.array * [-1, 1, 1], scale_atoms=True)
        assert_allclose(standardized(mirrored).positions, standardized(CRYSTALS[name]).positions, atol=1e-8)

    def test_it_is_primitive_and_of_the_same_density(self, name):
        atoms, crystal = conventional(name), standardized(conventional(name))
        assert len(crystal) == len(CRYSTALS[name])
        volume = abs(np.linalg.det(crystal.cell)) / len(crystal)
        assert volume == pytest.approx(atoms.get_volume() / len(atoms))

    @pytest.mark.parametrize("make", [lambda name: CRYSTALS[name], conventional])
    def test_kpoints_follow(self, name, make):
        atoms = CRYSTALS[name]
        kpoints = np.random.default_rng(0).uniform(-1, 1, (5, 3))
        vectors = kpoints @ atoms.cell.reciprocal()
        expected = primitive_kpoints(atoms, kpoints)
        other = make(name)
        there = vectors @ other.cell.array.T  # the same vectors, in the other cell's fractions
        found = primitive_kpoints(disguised(other, 3), there)
        assert_allclose(distance_from_star(standardized(atoms), expected, found), 0, atol=1e-9)
        lengths = np.linalg.norm(found @ standardized(atoms).atoms().cell.reciprocal(), axis=1)
        assert_allclose(lengths, np.linalg.norm(vectors, axis=1), rtol=1e-6)

    def test_neighbours_are_those_of_the_sorted_distances(self, name):
        graph = crystal_graph(standardized(CRYSTALS[name]), 10)
        other = crystal_graph(standardized(disguised(conventional(name))), 10)
        assert np.bincount(graph.targets).min() >= 10
        assert_allclose(np.sort(graph.distances), np.sort(other.distances), atol=1e-5)
        repeated = CRYSTALS[name] * (7, 7, 7)
        distances = np.sort(repeated.get_distances(0, range(len(repeated)), mic=True))[1:]
        numbers = np.flatnonzero(graph.numbers == repeated.numbers[0])
        found = [np.sort(graph.distances[graph.targets == number]) for number in numbers]
        assert any(np.allclose(each, distances[: len(each)], atol=1e-4) for each in found)
        assert all(distances[len(each)] > each[-1] + 1e-3 for each in found[:1])


CENTRED = {  # conventional cells, of the centrings that CRYSTALS do not have, too
    "R": space_group("Bi", [(0, 0, 0.234)], spacegroup=166, cellpar=[4.55, 4.55, 11.86, 90, 90, 120]),
    "I": space_group("In", [(0, 0, 0)], spacegroup=139, cellpar=[3.25, 3.25, 4.95, 90, 90, 90]),
    "C": space_group("I", [(0, 0.154, 0.117)], spacegroup=64, cellpar=[7.1, 4.7, 9.8, 90, 90, 90]),
    "A": space_group(["Li", "F"], [(0, 0, 0), (0.5, 0, 0.3)], spacegroup=38, cellpar=[4.0, 5.5, 5.8, 90, 90, 90]),
    "I, polar": space_group(["Li", "F"], [(0, 0, 0), (0, 0, 0.4)], spacegroup=107, cellpar=[3.6, 3.6, 5.8, 90, 90, 90]),
}


@pytest.mark.parametrize("name", CENTRED)
def test_every_centring(name):
    """The primitive cell is smaller than the conventional one, and k-points of both are the same vectors."""
    atoms = CENTRED[name]
    crystal = standardized(atoms)
    assert len(crystal) in (len(atoms) // 2, len(atoms) // 3)
    kpoints = np.random.default_rng(0).uniform(-1, 1, (5, 3))
    vectors = kpoints @ atoms.cell.reciprocal()
    expected = primitive_kpoints(atoms, kpoints)
    assert_allclose(
        np.linalg.norm(expected @ crystal.atoms().cell.reciprocal(), axis=1), np.linalg.norm(vectors, axis=1)
    )
    for other in (crystal.atoms(), atoms * (1, 2, 1)):
        # What is turned with the crystal stays the same fractions of its cell.
        turned = disguised(other, 1)
        assert_allclose(standardized(turned).cell, crystal.cell, atol=1e-6)
        both = primitive_kpoints(other, kpoints), primitive_kpoints(turned, kpoints)
        assert_allclose(distance_from_star(crystal, *both), 0, atol=1e-6)


class TestPointGroup:
    @pytest.mark.parametrize(("name", "order"), [("fcc", 48), ("zincblende", 24), ("hcp", 24), ("polar", 4)])
    def test_order(self, name, order):
        assert len(point_group(standardized(CRYSTALS[name]))) == order

    def test_operations_keep_lengths(self):
        crystal = standardized(CRYSTALS["hcp"])
        kpoints = np.random.default_rng(1).normal(size=(4, 3))
        reciprocal = crystal.atoms().cell.reciprocal()
        images = np.einsum("oij,kj->oki", point_group(crystal), kpoints) @ reciprocal
        lengths = np.linalg.norm(images, axis=-1)
        assert_allclose(lengths, np.broadcast_to(lengths[0], lengths.shape), rtol=1e-9)


def test_a_batch_keeps_its_graphs_apart():
    graphs = [crystal_graph(standardized(CRYSTALS[name]), 8) for name in ("fcc", "perovskite", "hcp")]
    batch = batched(graphs)
    assert batch.mask.sum(dim=1).tolist() == [1, 5, 2]
    assert_array_equal(batch.crystal[batch.sources], batch.crystal[batch.targets])
    assert_array_equal(batch.numbers[batch.crystal == 1], graphs[1].numbers)
    rows = batch.to_rows(batch.numbers[:, None].float())[..., 0]
    assert rows[0].tolist() == [29, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("atoms", "message"),
    [
        (Atoms(), "needs atoms; got none"),
        (Atoms("H", cell=[1, 1, 1], pbc=[1, 1, 0]), "periodic in three directions; got pbc"),
        (Atoms("H2", positions=[[0, 0, 0], [0, 0, 2.8]], cell=[3, 3, 3], pbc=True), "0.2 angstrom apart"),
        (Atoms("H2", positions=[[0, 0, 0], [0, 0, 0]], cell=[3, 3, 3], pbc=True), "0 angstrom apart"),
        (Atoms("H", cell=[3, 3, 0], pbc=True), "span a volume"),
        (Atoms("H", positions=[[np.nan, 0, 0]], cell=[3, 3, 3], pbc=True), "finite"),
    ],
)
def test_bad_crystals(atoms, message):
    with pytest.raises(ValueError, match=message):
        standardized(atoms)


def test_moments_are_left_out_and_that_is_told():
    atoms = CRYSTALS["bcc"].copy()
    expected = standardized(atoms)
    atoms.set_initial_magnetic_moments([2.2])
    with pytest.warns(UserWarning, match="magnetic moments"):
        assert_allclose(standardized(atoms).cell, expected.cell)


def test_bad_kpoints():
    with pytest.raises(ValueError, match=r"kpoints must have shape \(any, 3\)"):
        primitive_kpoints(CRYSTALS["fcc"], [0, 0, 0])


def rounded(atoms, digits):
    """As a file prints it."""
    cell, places = atoms.cell.array.round(digits), atoms.get_scaled_positions().round(digits)
    return Atoms(atoms.numbers, scaled_positions=places, cell=cell, pbc=True)


def shaken(atoms, by, seed=0):
    """Every coordinate off by up to a distance, angstrom."""
    other = atoms.copy()
    other.positions += np.random.default_rng(seed).uniform(-by, by, other.positions.shape)
    return other


class TestTolerance:
    @pytest.mark.parametrize("name", CRYSTALS)
    @pytest.mark.parametrize(
        "change", [lambda atoms: shaken(atoms, 0.001), lambda atoms: shaken(atoms, 0.003), lambda a: rounded(a, 3)]
    )
    @pytest.mark.filterwarnings("ignore:Within 0.01 angstrom:ldosml._validation.Caution")
    def test_what_is_slightly_off_is_the_exact_crystal(self, name, change):
        expected = standardized(CRYSTALS[name])
        for cell in (conventional(name), CRYSTALS[name] * (2, 2, 1)):
            found = standardized(disguised(change(cell)))
            assert_array_equal(found.numbers, expected.numbers)
            assert structure_type(found) == structure_type(expected)
            assert_allclose(found.atoms().cell.cellpar(), expected.atoms().cell.cellpar(), atol=0.02)
            assert len(point_group(found)) == len(point_group(expected))

    def test_it_is_told(self):
        """One of four atoms is off by 0.002 angstrom: a quarter of it moves the mean, the rest moves the atom back."""
        copper = bulk("Cu", cubic=True)
        copper.positions[1] += [0.002, 0, 0]
        told = (
            r"Within 0.01 angstrom, the crystal has 1 atom in the primitive cell and space group Fm-3m; exactly, it "
            r"has 4 atoms .*P4mm.* atoms move by up to 0.0015 angstrom.* give a symprec below"
        )
        with pytest.warns(Caution, match=told):
            assert len(standardized(copper)) == 1
        assert len(standardized(copper, symprec=1e-4)) == 4

    def test_distances_that_are_told_are_right(self):
        """Silicon with one atom off: the mean place of both kinds moves by half of that."""
        silicon = bulk("Si") * (1, 1, 2)
        silicon.positions[0] += [0, 0, 0.004]
        with pytest.warns(Caution) as caught:
            standardized(silicon)
        (far,) = re.findall(r"atoms move by up to (\S+) angstrom", str(caught[0].message))
        assert 0.001 < float(far) < 0.0041

    @pytest.mark.parametrize("seed", range(3))
    def test_displacements_beyond_it_stay(self, seed):
        atoms = shaken(bulk("Si", cubic=True), 0.06, seed)
        found = standardized(atoms)
        assert len(found) == 8
        distances = [np.sort(one.get_all_distances(mic=True).ravel()) for one in (found.atoms(), atoms)]
        assert_allclose(*distances, atol=1e-6)

    def test_a_strain_beyond_it_stays(self):
        atoms = bulk("Si", cubic=True)
        atoms.set_cell(atoms.cell.array * [1, 1, 1.01], scale_atoms=True)
        assert len(point_group(standardized(atoms))) == 16  # of diamond 48

    @pytest.mark.parametrize("name", ["crystals", "more-crystals", "further-crystals"])
    def test_shipped_crystals_are_their_own(self, name):
        """At the default as at the tolerance of training, and without a warning."""
        for one in load_crystals(name):
            found, trained = standardized(one.atoms), standardize_trained(one.atoms)[0]
            assert_array_equal(found.numbers, trained.numbers)
            assert_allclose(found.cell, trained.cell, atol=1e-4)

    def test_kpoints_follow(self):
        copper = shaken(bulk("Cu", cubic=True), 0.001)
        kpoints = np.random.default_rng(0).uniform(-1, 1, (5, 3))
        with pytest.warns(Caution, match="Within"):
            found, crystal = primitive_kpoints(copper, kpoints), standardized(copper)
        lengths = np.linalg.norm(found @ crystal.atoms().cell.reciprocal(), axis=1)
        assert_allclose(lengths, np.linalg.norm(kpoints @ copper.cell.reciprocal(), axis=1), rtol=1e-3)

    @pytest.mark.parametrize("symprec", [0.0, -1.0, np.nan])
    def test_bad_tolerances(self, symprec):
        with pytest.raises(ValueError, match="symprec must be above 0 angstrom and at most 1"):
            standardized(CRYSTALS["fcc"], symprec=symprec)


class TestLayers:
    SLAB = fcc111("Al", (1, 1, 3), vacuum=7.0, periodic=True)

    @pytest.mark.parametrize("by", [(1 / 3, 1 / 3), (0.5, -0.2)])
    def test_the_cell_across_the_vacuum_does_not_matter(self, by):
        cell = self.SLAB.cell.array.copy()
        cell[2] += np.asarray(by) @ cell[:2]
        other = self.SLAB.copy()
        other.set_cell(cell)
        other.positions += 0.6 * cell[2]
        other.wrap()
        found, expected = standardized(disguised(other)), standardized(self.SLAB)
        assert_allclose(found.cell, expected.cell, atol=1e-6)
        assert_allclose(found.positions, expected.positions, atol=1e-6)
        kpoints = np.random.default_rng(0).uniform(-1, 1, (5, 3))
        vectors = kpoints @ self.SLAB.cell.reciprocal()  # in the plane, they are the same
        there = primitive_kpoints(other, vectors @ other.cell.array.T)
        first, second = primitive_kpoints(self.SLAB, kpoints), there
        assert_allclose(distance_from_star(expected, first * [1, 1, 0], second * [1, 1, 0]), 0, atol=1e-6)

    def test_meshes_have_one_point_across(self):
        assert mesh_shape(standardized(self.SLAB), 6) == (6, 6, 1)
        assert mesh_shape(standardized(CRYSTALS["hcp"]), 6) == (6, 6, 6)


def test_shared_sites_are_refused():
    atoms = CRYSTALS["rocksalt"].copy()
    atoms.info["occupancy"] = {"0": {"Na": 0.5, "K": 0.5}}
    with pytest.raises(ValueError, match="the crystal has 1 site with partial or mixed occupation"):
        standardized(atoms)


def test_the_size_of_the_primitive_cell_is_known_before_its_description():
    for atoms in (bulk("Si", cubic=True) * (2, 2, 2), shaken(bulk("Si", cubic=True), 0.06), TestLayers.SLAB):
        assert primitive_size(atoms) == len(standardized(atoms))
