"""States below the Fermi level: of the network near it, of tight binding below, as many as there are electrons."""

from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk
from neural_cases import CRYSTALS, torch  # noqa: F401  skips where torch is missing
from numpy.testing import assert_array_equal

from ldosml.datasets import crystal_parts, load_crystals
from ldosml.kresolved import KResolvedOccupancy, energy_bins, gamma_mesh
from ldosml.kresolved.occupancy import label_bins
from ldosml.kresolved.states import emptiest_energy, filling
from ldosml.neural import isosurfaces, load_crystal_model, standardized
from ldosml.neural.deep_states import with_deep_states
from ldosml.neural.tight_binding import MESH, CrystalTightBinding
from ldosml.tightbinding import TightBindingParameters

UNIVERSAL = TightBindingParameters.universal()


@pytest.fixture(scope="module")
def model():
    return load_crystal_model("crystals")


def occupancy(crystal, n=4, level=0.1):
    kpoints, weights = gamma_mesh(n)
    counts = np.full((len(kpoints), 128), level)
    return KResolvedOccupancy(energy_bins(128), kpoints, np.minimum(counts, 1), crystal.cell, weights, counts)


@pytest.mark.parametrize("name", ["bcc", "fcc", "zincblende", "rocksalt"])
def test_they_hold_the_electrons(name):
    crystal = standardized(CRYSTALS[name])
    found = with_deep_states(occupancy(crystal, level=0.01), crystal, UNIVERSAL)
    model = CrystalTightBinding(crystal, UNIVERSAL)
    held = 2 * found.weights @ filling(found)
    assert held == pytest.approx(model.electrons_above(-10.0))
    near = found.energies > 2.5
    assert np.abs(found.counts[:, near] - 0.01).max() < 0.01  # the network's, there


@pytest.mark.parametrize("name", ["zincblende", "rocksalt"])
def test_bands_that_agree_with_it_stay(name):
    """Where both say the same, nothing changes but for the blur of the bands; of metals a coarse mesh adds its own."""
    crystal = standardized(CRYSTALS[name])
    model = CrystalTightBinding(crystal, UNIVERSAL)
    bands = model.eigenvalues(gamma_mesh(MESH)[0]) - model.fermi_energy(*model.on_mesh())
    given = occupancy(crystal, MESH)
    given = replace(given, counts=label_bins(bands, given.grid, "counts"))
    found = with_deep_states(given, crystal, UNIVERSAL)
    assert np.abs(filling(found) - filling(given)).mean() < 0.05


def test_what_cannot_be_counted_stays():
    crystal = standardized(CRYSTALS["bcc"])
    given = occupancy(crystal)
    without = replace(given, counts=None)
    assert with_deep_states(without, crystal, UNIVERSAL) is without
    large = CRYSTALS["bcc"] * (5, 5, 3)
    large.positions[0] += 0.2
    assert with_deep_states(given, standardized(large), UNIVERSAL) is given
    with pytest.raises(ValueError, match="no weights"):
        with_deep_states(replace(given, weights=None), crystal, UNIVERSAL)
    assert_array_equal(with_deep_states(given, crystal, UNIVERSAL).probabilities, given.probabilities)


class TestShipped:
    def test_states_below_the_fermi_level_come_nearer_to_dft(self, model):
        test = crystal_parts(model)[2]
        metals = test[test.gaps == 0][::3]
        errors = []
        for material in metals:
            mesh = material.mesh
            given = model.predict([material.atoms], mesh.kpoints, weights=mesh.weights)[0]
            deep = with_deep_states(given, standardized(material.atoms), model.network_.tight_binding)
            errors.append([off(mesh, one) for one in (given, deep)])
        network, both = np.mean(errors, axis=0)
        assert both < 0.2
        assert both < 0.6 * network

    @pytest.mark.parametrize(("metal", "n_bands"), [("Cu", 1), ("Na", 1)])
    def test_fermi_surfaces_that_everyone_knows(self, model, metal, n_bands):
        """One sheet each, about the sphere of one electron; that of copper reaches the zone's hexagons by necks."""
        crystal = standardized(bulk(metal))
        surfaces = isosurfaces(model, crystal, metal=True, n=11, allow_unknown=True)
        assert len(surfaces) == n_bands
        radius = (3 * np.pi**2 / crystal.atoms().get_volume()) ** (1 / 3)
        lengths = np.linalg.norm(surfaces[0].vertices, axis=1)
        assert np.median(lengths) == pytest.approx(radius, rel=0.15)
        assert surfaces[0].area == pytest.approx(4 * np.pi * radius**2, rel=0.25)

    def test_edges_of_a_gap(self, model):
        """Of SrS, by DFT at Gamma and at X, where d bands of strontium end."""
        valence, conduction = isosurfaces(model, load_crystals()["rocksalt-SrS"].atoms, metal=False, n=9)
        assert np.linalg.norm(valence.vertices, axis=1).max() < 0.7  # around Gamma, 1/angstrom
        assert np.median(np.linalg.norm(conduction.vertices, axis=1)) > 0.7  # nearly all of it is not


def off(mesh, occupancy):
    """Mean error of the number of states below the Fermi level at a k-point; whole bands at all of them apart."""
    low = emptiest_energy(occupancy)
    true = ((mesh.relative > low) & (mesh.relative < 0)).sum(axis=1)
    found = np.rint(filling(occupancy, low))
    return min(float(mesh.weights @ np.abs(found - true - whole)) for whole in range(-9, 10))
