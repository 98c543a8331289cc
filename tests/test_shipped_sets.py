"""The other sets that ship with the project: do they hold what their descriptions say?"""

from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit

import ldosml

DATA = Path(__file__).resolve().parents[1] / "data"
VALENCE = {"Si": 4, "C": 4, "Sn": 4, "S": 6, "Se": 6}
WINDOWS = {  # of paper_figures, where they use the set
    "silicon-large": (-14, 5),
    "silicon-validation": (-17, 5),
    "silicon-carbide": (-24, 3),
    "tin-chalcogenides": (-16, 4),
}
LIMITS = {  # MB
    "silicon": 16,
    "silicon-large": 12,
    "silicon-validation": 12,
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

    Of molecules, whose levels are far apart, that is true to a hundredth only.
    """
    expected = [sum(VALENCE[symbol] for symbol in atoms.symbols) for atoms in data.structures]
    np.testing.assert_array_equal(data.n_electrons, expected)
    occupation = expit((data.fermi_energy[:, None] - data.dos.energies) / 0.1)
    electrons = (data.dos.values * occupation).sum(axis=1) * data.grid.step
    periodic = np.array([atoms.pbc.any() for atoms in data.structures])
    np.testing.assert_allclose(electrons / data.n_electrons, 1, atol=0.01)
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
