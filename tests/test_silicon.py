"""The silicon set that ships with the project: does it hold what its description says?"""

from collections import Counter

import numpy as np
import pytest
from scipy.special import expit

import ldosml
from ldosml import SOAP, DOSModel, SparseLDOSKernelRidge, Whitened

VACUUM = ("slab", "cluster")


@pytest.fixture(scope="module")
def silicon():
    return ldosml.load_dataset("silicon")


@pytest.fixture(scope="module")
def with_vacuum(silicon):
    return silicon.select([kind in VACUUM for kind in silicon.kinds])


def test_size_and_description(silicon):
    assert len(silicon) >= 600
    assert len(silicon.numbers) >= 6000
    assert Counter(silicon.kinds) == {
        "diamond": 270, "beta-tin": 150, "liquid": 80, "amorphous": 128, "slab": 20, "cluster": 20
    }  # fmt: skip
    assert (silicon.smearing_width, silicon.grid.zero) == (0.1, "code")
    assert silicon.provenance["code"] == "Quantum ESPRESSO 6.7"
    assert silicon.label_noise["smearing_width"] == [0.1, 0.2, 0.3, 0.5]


def test_occupied_states_hold_the_electrons(silicon):
    """The Fermi level was solved for with the eigenvalues; the smeared DOS must give the same number of electrons.

    Clusters of a few atoms have few levels near the Fermi level, so smearing changes the number.
    """
    occupation = expit((silicon.fermi_energy[:, None] - silicon.dos.energies) / 0.1)
    electrons = (silicon.dos.values * occupation).sum(axis=1) * silicon.grid.step
    kinds = np.array(silicon.kinds)
    for kind in set(kinds):
        limit = {"slab": 2e-3, "cluster": 0.02}.get(kind, 1e-3)
        np.testing.assert_allclose((electrons / silicon.n_electrons)[kinds == kind], 1, atol=limit)
    np.testing.assert_array_equal(silicon.n_electrons, 4 * silicon.n_atoms)


def test_spectra_are_positive_complete_and_below_the_projection(silicon):
    assert silicon.ldos.values.min() >= 0
    assert silicon.ldos.values[:, 0].max() == 0
    assert (silicon.energy_max - silicon.fermi_energy).min() > 5.6  # so that 0.3 eV reaches E_F + 5 eV
    excess = silicon.projected_dos.values - silicon.dos.values
    assert excess.max() < 0.01  # rounding, of up to 32 atoms
    assert silicon.broaden_to(0.3).complete_range("fermi")[1] > 5


def test_slabs_and_clusters_have_vacuum_and_related_ones_share_a_group(with_vacuum):
    for atoms, kind in zip(with_vacuum.structures, with_vacuum.kinds, strict=True):
        assert tuple(atoms.pbc) == {"slab": (True, True, False), "cluster": (False, False, False)}[kind]
        gaps = (atoms.cell.lengths() - np.ptp(atoms.positions, axis=0))[~atoms.pbc]
        np.testing.assert_allclose(gaps, 10, atol=1e-6)
    group = dict(zip(with_vacuum.names, with_vacuum.groups, strict=True))
    assert len(set(with_vacuum.groups)) == 17
    assert group["slab-100-2x1-8"] == group["slab-100-2x2-relaxed-16"] != group["slab-100-6"]
    assert group["cluster-cut-5"] == group["cluster-cut-17"] != group["cluster-cut-8"]


def test_vacuum_does_not_change_descriptors(with_vacuum):
    """Neighbours end at the vacuum: SOAP of a slab or cluster is the same in a much larger cell."""
    some = with_vacuum.select(slice(None, None, 5)).structures
    wider = [atoms.copy() for atoms in some]
    for atoms in wider:
        atoms.center(vacuum=20.0, axis=np.flatnonzero(~atoms.pbc))
    soap = SOAP(r_cut=6.0, n_max=4, l_max=2)
    rows = soap.fit_transform(some)
    assert np.isfinite(rows).all()
    np.testing.assert_allclose(soap.transform(wider), rows, atol=1e-9)


def test_snapshots_of_a_trajectory_stay_together(silicon):
    train, test = silicon.split(test_size=0.2, random_state=1)
    assert not set(train.groups) & set(test.groups)
    assert set(test.kinds) == set(silicon.kinds)
    assert len(test) == pytest.approx(0.2 * len(silicon), abs=3)


def test_unseen_structures_are_predicted(silicon):
    """Of bulk silicon: far below the standard deviation, and no better than the labels are."""
    data = silicon.select([kind not in VACUUM for kind in silicon.kinds]).broaden_to(0.3)
    train, test = data.split(test_size=0.2, random_state=0)
    regressor = SparseLDOSKernelRidge("leave-one-group-out", n_inducing=300, kernel="matern", gamma=0.3)
    losses = DOSModel(Whitened(SOAP()), regressor, low=-14, high=5).fit(train).evaluate(test).losses()
    noise = dict(zip(data.label_noise["smearing_width"], data.label_noise["ldos"], strict=True))[0.3]
    assert noise < losses["ldos_normalized_loss"] < 0.3
    assert losses["dos_normalized_loss"] < 0.2
