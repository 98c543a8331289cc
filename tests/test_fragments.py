import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from dscribe.descriptors import SOAP as PowerSpectrum

from ldosml.fragments import SOAP_REACH, Fragment, check_structures, complete_radius, cut_fragments


def rattled(name, repeat=(1, 1, 1), **kwargs):
    atoms = bulk(name, **kwargs) * repeat
    atoms.rattle(0.1, seed=1)
    return atoms


def tilted():
    """The same lattice as bulk Si, in a cell with long and nearly parallel vectors."""
    atoms = bulk("Si")
    cell = atoms.cell.array.copy()
    cell[2] += 3 * cell[0] + 2 * cell[1]
    atoms.set_cell(cell)
    atoms.rattle(0.1, seed=1)
    return atoms


def slab(vacuum):
    atoms = fcc111("Cu", (1, 2, 3), vacuum=vacuum)
    atoms.rattle(0.05, seed=2)
    atoms.pbc = (True, True, False)
    return atoms


STRUCTURES = {
    "bulk": rattled("Si", (2, 2, 2)),
    "two atoms, many images": rattled("Si"),
    "one atom, many images": bulk("Cu"),
    "tilted cell": tilted(),
    "two species": rattled("SiC", crystalstructure="zincblende", a=4.36),
    "slab": slab(vacuum=10.0),
    "slab without a third cell vector": slab(vacuum=None),
    "cluster": molecule("C6H6"),
}


def brute_force(atoms, center, radius):
    """Distances and numbers within ``radius`` of a centre, from a plain sum over images, in ascending order."""
    cell = atoms.cell.complete().array
    heights = 1 / np.linalg.norm(np.linalg.inv(cell), axis=0)
    reach = np.where(atoms.pbc, np.ceil(radius / heights) + 1, 0).astype(int)
    shifts = np.array(list(np.ndindex(*(2 * reach + 1)))) - reach
    images = atoms.positions[:, None] + (shifts @ cell)[None]
    distances = np.linalg.norm(images - atoms.positions[center], axis=2)
    atom, _ = np.nonzero(distances <= radius)
    order = np.argsort(distances[distances <= radius])
    return distances[distances <= radius][order], atoms.numbers[atom][order]


@pytest.mark.parametrize("name", STRUCTURES)
def test_a_fragment_holds_what_lies_within_the_radius(name):
    atoms = STRUCTURES[name]
    for fragment in cut_fragments(atoms, 5.3)[::3]:
        distances, _ = brute_force(atoms, fragment.center, 5.3)
        found = np.sort(np.linalg.norm(fragment.atoms.positions, axis=1))
        np.testing.assert_allclose(found, distances, atol=1e-10)


def test_species_stay_with_their_positions():
    atoms = STRUCTURES["two species"]
    for fragment in cut_fragments(atoms, 4.0):
        _, numbers = brute_force(atoms, fragment.center, 4.0)
        order = np.argsort(np.linalg.norm(fragment.atoms.positions, axis=1))
        np.testing.assert_array_equal(fragment.atoms.numbers[order], numbers)


def test_the_centre_comes_first_at_the_origin_and_knows_where_it_is_from():
    structures = [STRUCTURES["two species"], molecule("H2O")]
    fragments = cut_fragments(structures, 3.0)
    assert [(f.structure, f.center) for f in fragments] == [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2)]
    assert [f.number for f in fragments] == [14, 6, 8, 1, 1]
    assert all((f.atoms.positions[0] == 0).all() and not f.atoms.pbc.any() for f in fragments)


def test_images_of_the_centre_are_neighbours_of_it():
    (fragment,) = cut_fragments(bulk("Cu", a=3.6), 8.0)
    assert len(fragment) == len(brute_force(bulk("Cu", a=3.6), 0, 8.0)[0]) > 100


@pytest.mark.parametrize("atoms", [Atoms("He"), Atoms("He", cell=[9, 9, 9], pbc=True)])
def test_an_isolated_atom_is_a_fragment_of_one(atoms):
    (fragment,) = cut_fragments(atoms, 5.0)
    assert len(fragment) == 1


def test_a_shell_exactly_on_the_sphere_is_kept():
    a = 5.43
    counts = [len(f) for f in cut_fragments(bulk("Si", a=a, cubic=True) * (2, 1, 1), a / np.sqrt(2))]
    assert counts == [1 + 4 + 12] * 16


def test_chosen_centres_come_in_the_order_asked_for():
    atoms = STRUCTURES["bulk"]
    whole = cut_fragments(atoms, 4.0)
    chosen = cut_fragments(atoms, 4.0, centers=[5, 0])
    assert [f.center for f in chosen] == [5, 0]
    np.testing.assert_array_equal(chosen[0].atoms.positions, whole[5].atoms.positions)
    per_structure = cut_fragments([atoms, atoms], 4.0, centers=[[3], []])
    assert [(f.structure, f.center) for f in per_structure] == [(0, 3)]


def test_cropping_equals_cutting_smaller():
    atoms = STRUCTURES["two species"]
    for large, small in zip(cut_fragments(atoms, 6.0), cut_fragments(atoms, 4.0), strict=True):
        cropped = large.crop(4.0)
        assert cropped.radius == 4.0
        assert sorted(cropped.atoms.numbers) == sorted(small.atoms.numbers)
        assert len(cropped.atoms) < len(large.atoms)


def test_cropping_keeps_a_shell_exactly_on_the_sphere():
    a = 5.43
    fragments = cut_fragments(bulk("Si", a=a, cubic=True) * (2, 1, 1), 1.1 * a)
    assert [len(fragment.crop(a / np.sqrt(2))) for fragment in fragments] == [1 + 4 + 12] * 16
    pair = Fragment(Atoms("Si2", positions=[[0, 0, 0], [0, 0, np.nextafter(2.0, 3.0)]]), 3.0)
    assert len(pair.crop(2.0)) == 2
    assert len(pair.crop(1.9999)) == 1


def test_the_complete_radius_is_where_dscribe_stops():
    dscribe = PowerSpectrum(r_cut=6.0, n_max=4, l_max=2, sigma=0.4, species=["Si"])
    assert complete_radius(6.0, 0.4) == pytest.approx(6.0 + dscribe.get_cutoff_padding(), abs=1e-12)
    assert pytest.approx(3.717, abs=1e-3) == SOAP_REACH
    (fragment,) = cut_fragments(bulk("Cu"), 6.0, mode="complete", atom_sigma=0.4)
    assert fragment.radius == complete_radius(6.0, 0.4)


def test_an_r_cut_larger_than_the_fragment_is_refused():
    fragment = cut_fragments([Atoms("Si"), bulk("Si")], 4.0)[2]
    fragment.require_radius(4.0, "SOAP")
    with pytest.raises(
        ValueError, match=r"r_cut larger than the fragment.*6 angstrom.*atom 1 of structure 1.*4 angstrom"
    ):
        fragment.require_radius(6.0, "SOAP")
    with pytest.raises(ValueError, match="r_cut larger than the fragment: crop"):
        fragment.crop(4.1)


def with_nan():
    atoms = bulk("Si")
    atoms.positions[1, 2] = np.nan
    return atoms


@pytest.mark.parametrize(
    ("structures", "error", "match"),
    [
        ([], ValueError, "at least one structure; got an empty list"),
        ([bulk("Si"), Atoms()], ValueError, "atoms in structure 1; got none"),
        ([bulk("Si"), with_nan()], ValueError, r"positions of structure 1 must be finite.*\[1, 2\]"),
        (Atoms("Si", cell=[np.inf, 5, 5], pbc=True), ValueError, "cell of structure 0 must be finite"),
        (Atoms("Si", pbc=(True, False, False)), ValueError, "periodic direction needs a cell vector"),
        (Atoms("Si", cell=[[4, 0, 0], [8, 0, 0], [0, 0, 4]], pbc=True), ValueError, "periodic direction needs"),
        ([bulk("Si"), "Si"], TypeError, "structure 1 is of type str"),
    ],
)
def test_what_is_no_structure_is_refused(structures, error, match):
    with pytest.raises(error, match=match):
        check_structures(structures)
    with pytest.raises(error, match=match):
        cut_fragments(structures, 5.0)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"r_cut": 0.0}, "r_cut must be a positive number of angstrom; got 0"),
        ({"r_cut": -2.0}, "r_cut must be a positive"),
        ({"r_cut": np.nan}, "r_cut must be a positive"),
        ({"mode": "soft"}, "mode must be one of 'sharp', 'complete'; got 'soft'"),
        ({"mode": "complete"}, 'mode="complete" needs atom_sigma'),
        ({"mode": "complete", "atom_sigma": 0.0}, "atom_sigma must be a positive"),
        ({"centers": [0, 2]}, r"centers of structure 0 must lie in 0..1, its atoms; got 2"),
        ({"centers": [-1]}, "must lie in 0..1, its atoms; got -1"),
        ({"centers": [0.5]}, "must be a sequence of atom indices"),
    ],
)
def test_wrong_arguments_are_refused(options, match):
    with pytest.raises(ValueError, match=match):
        cut_fragments(bulk("Si"), **{"r_cut": 5.0, **options})


def test_centres_must_come_per_structure():
    with pytest.raises(ValueError, match="one sequence per structure, 2; got 1"):
        cut_fragments([bulk("Si"), bulk("Si")], 5.0, centers=[[0]])


def test_a_fragment_is_not_periodic_and_not_empty():
    with pytest.raises(ValueError, match="not periodic"):
        Fragment(bulk("Si"), 5.0)
    with pytest.raises(ValueError, match="got 0 atoms"):
        Fragment(Atoms(), 5.0)
    with pytest.raises(ValueError, match="radius of a Fragment must be a positive"):
        Fragment(Atoms("Si"), -1.0)
