"""Regions are as good as the structure they were cut from, whatever its cell."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111
from ase.neighborlist import neighbor_list
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ldosml import SOAP
from ldosml.regions import Region, cut_regions, region_batches
from ldosml.structure_checks import CLOSEST

seeds = st.integers(0, 2**32 - 1)


def small_soap(**options):
    return SOAP(**{"r_cut": 3.0, "n_max": 3, "l_max": 2, "species": ["C", "Si"], **options})


def random_structure(seed, pbc, edge, count):
    """Atoms in a skewed cell, at least 0.5 angstrom apart; some far outside it."""
    rng = np.random.default_rng(seed)
    cell = edge * (np.eye(3) + rng.uniform(-0.6, 0.6, (3, 3)))
    while np.abs(np.linalg.det(cell)) < 0.2 * edge**3:
        cell = edge * (np.eye(3) + rng.uniform(-0.6, 0.6, (3, 3)))
    atoms = Atoms(rng.choice([6, 14], count), cell=cell, pbc=pbc, scaled_positions=rng.random((count, 3)))
    first, second = neighbor_list("ij", atoms, CLOSEST)
    assume(not (first == second).any())
    del atoms[np.unique(first[first > second])]
    outside = rng.random(len(atoms)) < 0.3
    atoms.positions[outside] += rng.integers(-3, 4, (outside.sum(), 3)) @ cell
    return atoms


@given(
    seed=seeds,
    pbc=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    edge=st.floats(2.5, 12.0),
    count=st.integers(2, 24),
    size=st.integers(1, 7),
)
@settings(deadline=None, max_examples=60)
def test_soap_by_regions_is_soap_of_the_structure(seed, pbc, edge, count, size):
    atoms = random_structure(seed, pbc, edge, count)
    whole = small_soap(normalize=False, batch_size=1000).fit(atoms).transform(atoms)
    cut = small_soap(normalize=False, batch_size=size).fit(atoms).transform(atoms)
    np.testing.assert_allclose(cut, whole, rtol=1e-12, atol=1e-12 * np.abs(whole).max())


@pytest.mark.parametrize("distance", [30.0, 1e3])
def test_atoms_far_away_are_regions_of_their_own(distance):
    atoms = bulk("Si", cubic=True) * (2, 2, 2)
    atoms.pbc = False
    far = atoms + Atoms("SiC", [[distance] * 3, [-distance, 0, 0]])
    assert max(np.ptp(region.atoms.positions[: len(region)], axis=0).max() for region in cut_regions(far, 4.9, 40)) < 15
    soap = small_soap(batch_size=40).fit(far)
    np.testing.assert_allclose(soap.transform(far)[:-2], soap.transform(atoms), atol=1e-12)
    alone = soap.transform([Atoms("Si"), Atoms("C")])
    np.testing.assert_allclose(soap.transform(far)[-2:], alone, atol=1e-12)


def test_two_clusters_too_far_apart_for_dscribe_itself():
    """It lays out the empty space between them, which no memory would hold."""
    atoms = Atoms("Si4", [[0, 0, 0], [2, 0, 0], [1e6, 1e6, 1e6], [1e6, 1e6, 1e6 + 2]])
    X = small_soap().fit(atoms).transform(atoms)
    np.testing.assert_allclose(X, np.tile(small_soap().fit(atoms).transform(atoms[:2])[:1], (4, 1)), atol=1e-9)


@pytest.mark.parametrize("repeat", [2, 4])
def test_a_region_does_not_grow_with_the_structure(repeat):
    atoms = bulk("Si", cubic=True) * (4 * repeat, 4, 4)
    regions = list(cut_regions(atoms, 4.0, 256))
    assert [len(region) for region in regions] == [256] * (2 * repeat)
    assert len({len(region.atoms) for region in regions}) == 1


def test_regions_hold_what_is_within_the_radius_and_images_as_atoms_of_their_own():
    atoms = fcc111("Cu", (1, 1, 2), vacuum=5.0)
    atoms.pbc = (True, True, False)
    (region,) = cut_regions(atoms, 5.0, 2)
    assert not region.atoms.pbc.any()
    distances = region.atoms.get_all_distances()[: len(region)]
    expected = atoms.repeat((9, 9, 1))
    centre = expected.positions[2 * (4 * 9 + 4)]
    within = (np.linalg.norm(expected.positions - centre, axis=1) <= 5.0).sum()
    assert (distances[0] <= 5.0).sum() == within


def test_batches_share_out_all_environments_once():
    structures = [bulk("Si"), bulk("Si", cubic=True) * (2, 2, 1), bulk("C"), bulk("Si", cubic=True)]
    batches = list(region_batches(structures, 4.0, 10))
    rows = np.concatenate([region.rows for batch in batches for region in batch])
    np.testing.assert_array_equal(np.sort(rows), np.arange(2 + 32 + 2 + 8))
    assert max(sum(map(len, batch)) for batch in batches) <= 10
    assert [len(batch) for batch in batches if not np.isfinite(batch[0].radius)] == [1, 2]
    numbers = np.concatenate([region.numbers for batch in batches for region in batch])
    np.testing.assert_array_equal(numbers, np.concatenate([atoms.numbers for atoms in structures])[rows])


def test_soap_takes_regions_in_the_order_given():
    atoms = bulk("SiC", "zincblende", a=4.36) * (2, 2, 2)
    atoms.rattle(0.1, seed=0)
    soap = small_soap(batch_size=1000).fit(atoms)
    regions = list(cut_regions(atoms, soap.reach, 5))[::-1]
    rows = np.concatenate([region.rows for region in regions])
    np.testing.assert_allclose(soap.transform(regions), soap.transform(atoms)[rows], atol=1e-12)
    np.testing.assert_allclose(soap.transform(regions[0]), soap.transform(atoms)[regions[0].rows], atol=1e-12)
    with pytest.raises(ValueError, match=r"reaches 4\.8\d+ angstrom; the region was cut at 4\. Cut it again"):
        soap.transform(Region(atoms, np.arange(len(atoms)), 4.0))
