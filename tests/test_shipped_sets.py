"""The other sets that ship with the project: do they hold what their descriptions say?"""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

import ldosml
from ldosml.datasets import CommonGroundWarning, join_alike

DATA = Path(__file__).resolve().parents[1] / "data"
VALENCE = {"Si": 4, "C": 4, "Sn": 4, "S": 6, "Se": 6}
WINDOWS = {  # of paper_figures, where they use the set
    "silicon-large": (-14, 5),
    "silicon-validation": (-17, 5),
    "silicon-surfaces": (-17, 5),
    "silicon-carbide": (-24, 3),
    "tin-chalcogenides": (-16, 4),
}
LIMITS = {  # MB
    "silicon": 16,
    "silicon-large": 12,
    "silicon-validation": 12,
    "silicon-surfaces": 12,
    "silicon-carbide": 12,
    "tin-chalcogenides": 12,
}


@pytest.fixture(scope="module", params=list(WINDOWS))
def data(request):
    return ldosml.load_dataset(request.param)


def compositions(data):
    return [frozenset(atoms.symbols) for atoms in data.structures]


def test_sizes_of_the_files():
    for name, limit in LIMITS.items():
        assert (DATA / f"{name}.h5").stat().st_size < limit * 1e6
    assert sum(path.stat().st_size for path in DATA.rglob("*") if path.is_file()) < 60e6


def test_large_silicon():
    data = ldosml.load_dataset("silicon-large")
    assert len(data) >= 8
    assert set(data.kinds) == {"amorphous"}
    assert set(data.n_atoms.tolist()) == {48, 56, 64}
    assert not set(data.groups) & set(ldosml.load_dataset("silicon").groups)


def test_silicon_validation():
    data, silicon = (ldosml.load_dataset(name) for name in ("silicon-validation", "silicon"))
    assert (len(data), len(set(data.groups)), len(data.numbers)) == (48, 48, 577)
    assert set(data.kinds) == {
        "diamond", "polytype", "network", "dense", "vacancy", "interstitial", "switched", "random"
    }  # fmt: skip
    assert not set(data.names) & set(silicon.names)
    assert all(atoms.pbc.all() and set(atoms.symbols) == {"Si"} for atoms in data.structures)
    assert (data.n_atoms.min(), data.n_atoms.max()) == (2, 32)


def test_bulk_silicon_and_surfaces_are_apart():
    surfaces, silicon = (ldosml.load_dataset(name) for name in ("silicon-surfaces", "silicon"))
    assert (len(silicon), len(set(silicon.groups)), len(silicon.numbers)) == (628, 214, 7088)
    assert all(atoms.pbc.all() for atoms in silicon.structures)
    assert (len(surfaces), len(surfaces.numbers)) == (40, 403)
    assert Counter(surfaces.kinds) == {"slab": 20, "cluster": 20}
    assert not set(surfaces.groups) & set(silicon.groups)
    assert not set(surfaces.names) & set(silicon.names)


def test_slabs_and_clusters_have_vacuum_and_related_ones_share_a_group():
    data = ldosml.load_dataset("silicon-surfaces")
    for atoms, kind in zip(data.structures, data.kinds, strict=True):
        assert tuple(atoms.pbc) == {"slab": (True, True, False), "cluster": (False, False, False)}[kind]
        gaps = (atoms.cell.lengths() - np.ptp(atoms.positions, axis=0))[~atoms.pbc]
        np.testing.assert_allclose(gaps, 10, atol=1e-6)
    group = dict(zip(data.names, data.groups, strict=True))
    assert len(set(data.groups)) == 17
    assert group["slab-100-2x1-8"] == group["slab-100-2x2-relaxed-16"] != group["slab-100-6"]
    assert group["cluster-cut-5"] == group["cluster-cut-17"] != group["cluster-cut-8"]


def test_vacuum_does_not_change_descriptors():
    """Neighbours end at the vacuum: SOAP of a slab or cluster is the same in a much larger cell."""
    some = ldosml.load_dataset("silicon-surfaces").select(slice(None, None, 5)).structures
    wider = [atoms.copy() for atoms in some]
    for atoms in wider:
        atoms.center(vacuum=20.0, axis=np.flatnonzero(~atoms.pbc))
    soap = ldosml.SOAP(r_cut=6.0, n_max=4, l_max=2)
    rows = soap.fit_transform(some)
    assert np.isfinite(rows).all()
    np.testing.assert_allclose(soap.transform(wider), rows, atol=1e-9)


def test_bulk_and_surfaces_join_at_the_fermi_level_only():
    silicon, surfaces = (ldosml.load_dataset(name) for name in ("silicon", "silicon-surfaces"))
    with pytest.warns(CommonGroundWarning, match="different label noise"):
        both = join_alike([silicon, surfaces], 0.3, "fermi")
    assert both.names == [*silicon.names, *surfaces.names]
    low, high = both.complete_range("fermi")
    assert low < -16.5  # the densest clusters
    assert high > 5
    with pytest.raises(ValueError, match=r"first states of structure 'cluster-compact-18'.*move all to zero='fermi'"):
        join_alike([silicon, surfaces])


def test_silicon_carbide():
    data = ldosml.load_dataset("silicon-carbide")
    found = dict.fromkeys(map(frozenset, ({"Si"}, {"C"}, {"Si", "C"})), 0)
    for group in set(data.groups):
        members = [s for s in range(len(data)) if data.groups[s] == group]
        assert len(members) >= 2  # displaced copies of one structure
        (composition,) = {compositions(data)[s] for s in members}
        found[composition] += 1
    assert (len(data), found) == (236, {frozenset({"Si"}): 34, frozenset({"C"}): 41, frozenset({"Si", "C"}): 43})
    assert (data.n_atoms.min(), data.n_atoms.max()) == (2, 24)
    assert {tuple(atoms.pbc) for atoms in data.structures} >= {(False,) * 3, (True,) * 3}


def test_tin_chalcogenides():
    data = ldosml.load_dataset("tin-chalcogenides")
    assert len(data) >= 100
    assert set(data.kinds) == {"Pnma", "Cmcm", "P-3m1"}
    assert sum(composition == {"Sn", "S", "Se"} for composition in compositions(data)) > len(data) / 2
    assert (data.n_atoms.min(), data.n_atoms.max()) == (4, 16)
    for atoms, kind in zip(data.structures, data.kinds, strict=True):
        assert sum(atoms.symbols == "Sn") * (3 if kind == "P-3m1" else 2) == len(atoms)


def test_provenance_and_noise(data):
    assert data.provenance["code"].startswith(("Quantum ESPRESSO 6.7", "GPAW 22.8"))
    assert data.provenance["structures"] == len(data)
    assert data.label_noise["smearing_width"] == [0.1, 0.2, 0.3, 0.5]
    assert np.all(np.diff(data.label_noise["dos"]) < 0)
    assert (data.smearing_width, data.grid.zero) == (0.1, "code")


def test_occupied_states_hold_the_electrons(data):
    """The Fermi level was solved for with the eigenvalues; the smeared DOS must give the same number of electrons.

    Of molecules, whose levels are far apart, that is true to a hundredth only; of clusters of two atoms, to two.
    """
    expected = [sum(VALENCE[symbol] for symbol in atoms.symbols) for atoms in data.structures]
    np.testing.assert_array_equal(data.n_electrons, expected)
    occupation = expit((data.fermi_energy[:, None] - data.dos.energies) / 0.1)
    electrons = (data.dos.values * occupation).sum(axis=1) * data.grid.step
    periodic = np.array([atoms.pbc.any() for atoms in data.structures])
    np.testing.assert_allclose(electrons / data.n_electrons, 1, atol=0.02 if "cluster" in data.kinds else 0.01)
    np.testing.assert_allclose((electrons / data.n_electrons)[periodic], 1, atol=4e-3)


def test_spectra_are_positive_and_complete(data, request):
    name = request.node.callspec.params["data"]
    assert data.ldos.values.min() >= 0
    assert data.ldos.values[:, 0].max() == 0
    low, high = WINDOWS[name]
    for width in (0.1, 0.3, 0.5):
        start, stop = data.broaden_to(width).complete_range("fermi")
        assert start < low
        assert stop > high - (0.7 if width > 0.3 else 0)  # at 0.5 eV a little less
