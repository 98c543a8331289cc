"""The silicon set that ships with the project: does it hold what its description says?"""

import numpy as np
import pytest
from scipy.special import expit

import ldosml
from ldosml import SOAP, DOSModel, SparseLDOSKernelRidge, Whitened


@pytest.fixture(scope="module")
def silicon():
    return ldosml.load_dataset("silicon")


def test_size_and_description(silicon):
    assert len(silicon) >= 600
    assert len(silicon.numbers) >= 6000
    assert set(silicon.kinds) == {"diamond", "beta-tin", "liquid", "amorphous"}
    assert (silicon.smearing_width, silicon.grid.zero) == (0.1, "code")
    assert silicon.provenance["code"] == "Quantum ESPRESSO 6.7"
    assert silicon.label_noise["smearing_width"] == [0.1, 0.2, 0.3, 0.5]


def test_occupied_states_hold_the_electrons(silicon):
    """The Fermi level was solved for with the eigenvalues; the smeared DOS must give the same number of electrons."""
    occupation = expit((silicon.fermi_energy[:, None] - silicon.dos.energies) / 0.1)
    electrons = (silicon.dos.values * occupation).sum(axis=1) * silicon.grid.step
    np.testing.assert_allclose(electrons / silicon.n_electrons, 1, atol=1e-3)
    np.testing.assert_array_equal(silicon.n_electrons, 4 * silicon.n_atoms)


def test_spectra_are_positive_complete_and_below_the_projection(silicon):
    assert silicon.ldos.values.min() >= 0
    assert silicon.ldos.values[:, 0].max() == 0
    assert (silicon.energy_max - silicon.fermi_energy).min() > 5.6  # so that 0.3 eV reaches E_F + 5 eV
    excess = silicon.projected_dos.values - silicon.dos.values
    assert excess.max() < 0.01  # rounding, of up to 32 atoms
    assert silicon.broaden_to(0.3).complete_range("fermi")[1] > 5


def test_snapshots_of_a_trajectory_stay_together(silicon):
    train, test = silicon.split(test_size=0.2, random_state=1)
    assert not set(train.groups) & set(test.groups)
    assert set(test.kinds) == set(silicon.kinds)
    assert len(test) == pytest.approx(0.2 * len(silicon), abs=3)


def test_unseen_structures_are_predicted(silicon):
    """Far below the standard deviation, and no better than the labels are."""
    data = silicon.broaden_to(0.3)
    train, test = data.split(test_size=0.2, random_state=0)
    regressor = SparseLDOSKernelRidge("leave-one-group-out", n_inducing=300, kernel="matern", gamma=0.3)
    losses = DOSModel(Whitened(SOAP()), regressor, low=-14, high=5).fit(train).evaluate(test).losses()
    noise = dict(zip(data.label_noise["smearing_width"], data.label_noise["ldos"], strict=True))[0.3]
    assert noise < losses["ldos_normalized_loss"] < 0.3
    assert losses["dos_normalized_loss"] < 0.2
