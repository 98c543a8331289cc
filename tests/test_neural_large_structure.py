"""Learned tight binding of large structures: moments instead of bands, and what is told before."""

import numpy as np
import pytest
from ase.build import bulk, molecule
from neural_cases import CRYSTALS, torch
from numpy.testing import assert_allclose

from ldosml._validation import Caution
from ldosml.kresolved import CrystalBands
from ldosml.neural import CorrectionConfig, TightBindingRegressor, band_structure, local_dos, plan_bands, standardized
from ldosml.neural.band_structure import usual_mesh
from ldosml.tightbinding import TightBindingParameters
from ldosml.tightbinding.local_spectrum import local_states, shifted_mesh, smeared
from ldosml.tightbinding.moments import Settings, local_moments


@pytest.fixture(scope="module", params=[0, 2], ids=["alone", "two-layers"])
def model(request):
    """Weights that no training gave, so that no correction is zero."""
    atoms = standardized(CRYSTALS["bcc"]).atoms()
    facts = (0.0, 12.0, 1.0, 0.0)
    bands = CrystalBands([[0, 0, 0], [0.5, 0, 0]], [[-4.0, 13.0], [1.0, 14.0]], None, *facts)
    found = TightBindingRegressor(
        CorrectionConfig(d=8, n_layers=request.param),
        start=TightBindingParameters.fitted(),
        n_networks=2,
        n_epochs=1,
        validation_fraction=0,
    ).fit([atoms], [bands])
    torch.manual_seed(0)
    for weights in found.network_.networks.parameters():
        torch.nn.init.normal_(weights, std=0.2)
    found.elements_ = tuple(range(1, 104))
    return found


def test_moments_of_a_molecule_are_those_of_its_states(model):
    """It lies within the part that is not damped, so only the tails of the sum over moments are lost."""
    atoms, grid = molecule("CH3SiH3"), np.arange(-40.0, 15.0, 0.1)
    (found,) = local_moments([atoms], Settings(0.4, 9.0, 1e-6), model.binding())
    states = local_states(model.tight_binding(atoms), *shifted_mesh(atoms, 1.0))
    assert_allclose(found.spectra(grid), smeared(*states, grid, 0.4), atol=1e-3)


def test_regions_are_wide_enough_for_corrections(model):
    """Atoms of a large cell in several regions have the spectra that they have in one."""
    atoms = bulk("Si", cubic=True)
    atoms.rattle(0.1, seed=0)
    settings, grid = Settings(0.8, 3.0), np.arange(-20.0, 10.0, 0.5)
    one, several = (
        next(local_moments([atoms], settings, model.binding(), batch_size=size)).spectra(grid) for size in (8, 3)
    )
    assert_allclose(one, several, atol=1e-4)


def test_the_dos_holds_the_electrons(model):
    atoms = molecule("CH3SiH3")
    with (
        pytest.warns(Caution, match="smeared by 0.4 eV and computed from the 8 angstrom"),
        pytest.warns(Caution, match="the structure is a molecule or cluster, and models"),
    ):
        found = local_dos(model, atoms, width=0.4, radius=8.0)
    energies, values = np.asarray(found.energies), np.asarray(found.values)
    assert values.shape == (len(atoms), len(energies))
    assert found.grid.step * values[:, energies < 0].sum() == pytest.approx(14, abs=0.3)
    assert abs(values[:, :3]).max() < 1e-3


def test_magnetism_is_no_part_of_it(model):
    with (
        pytest.warns(Caution, match="smeared"),
        pytest.warns(Caution, match="compounds of Fe are often magnetic, and these spectra are without spin"),
    ):
        local_dos(model, bulk("Fe"), width=1.0, radius=3.0)


def test_bad_input(model):
    atoms = molecule("H2O")
    with pytest.raises(ValueError, match="width must be a positive number of eV; got 0"):
        local_dos(model, atoms, width=0.0)
    with pytest.raises(ValueError, match="network must be one of the 2 networks"):
        model.binding(2)
    known, model.elements_ = model.elements_, (1,)
    try:
        with pytest.raises(ValueError, match="not trained on O"):
            local_dos(model, atoms)
    finally:
        model.elements_ = known


def test_large_cells_have_fewer_kpoints():
    small, large = standardized(bulk("Si")), standardized(_rattled((2, 2, 2)))
    assert usual_mesh(small) == 8
    assert 2 <= usual_mesh(large) < 8
    volume = abs(np.linalg.det(large.cell))
    assert usual_mesh(large) ** 3 * volume >= 8**3 * 250 * 0.999


def test_time_and_memory_are_estimated_before(model, monkeypatch):
    alone = plan_bands(model, bulk("Si"), n_path=50, spread=False)
    assert plan_bands(model, bulk("Si"), n_path=50).operations == pytest.approx(3 * alone.operations)
    assert not alone.long
    assert plan_bands(model, _rattled((2, 2, 2)), n_path=50).long
    monkeypatch.setattr("ldosml.tightbinding.diagonalization_plan.available_memory", lambda: 10**6)
    with pytest.raises(MemoryError, match=r"Compute the local DOS by moments"):
        band_structure(model, CRYSTALS["bcc"], n_path=20)


def _rattled(repeats):
    atoms = bulk("Si", cubic=True) * repeats
    atoms.rattle(0.1, seed=0)
    return atoms
