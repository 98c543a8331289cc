"""Which properties one spin alone has."""

import numpy as np
import pytest
from ase import Atoms

from ldosml import DOS, LDOS, EnergyGrid
from ldosml import properties as p
from ldosml.datasets import read_spectra

GRID = EnergyGrid.from_range(-9.0, 9.0, 0.05, zero="fermi")
VALUES = np.exp(-((GRID.energies / 3) ** 2))[None]
N = 2.66

BOTH = {
    "chemical_potential": lambda s: p.chemical_potential(s, N, 300.0),
    "fermi_level": lambda s: p.fermi_level(s, N),
    "derive_properties": lambda s: p.derive_properties(s, N, 300.0),
    "carrier_densities": lambda s: p.carrier_densities(s, 0.0, 300.0, division=0.0),
    "absorption_spectrum": lambda s: p.absorption_spectrum(s, 0.0, 300.0),
    "emission_spectrum": lambda s: p.emission_spectrum(s, 0.0, 300.0),
    "dos_at_fermi_level": lambda s: p.dos_at_fermi_level(s, 0.0),
    "sommerfeld_coefficient": lambda s: p.sommerfeld_coefficient(s, 0.0),
    "volume_susceptibility": lambda s: p.volume_susceptibility(s, 0.0, 300.0, 20.0),
} | {
    name: lambda s, name=name: getattr(p, name)(s, 0.0, 300.0)
    for name in (
        "band_energy",
        "electron_count",
        "entropy",
        "free_energy",
        "heat_capacity",
        "pauli_susceptibility",
        "molar_susceptibility",
    )
}
ONE = {
    "band_gap": lambda s: p.band_gap(s, 0.0).gap,
    "band_center": p.band_center,
    "moments": lambda s: p.moments(s).width,
    "integrated_dos": p.integrated_dos,
    "dos_derivative": p.dos_derivative,
}


def spectra(kind, spin):
    if kind == "DOS":
        return DOS(GRID, VALUES, 0.3, spin=spin)
    return LDOS(GRID, VALUES, 0.3, structure_index=[0], numbers=[14], spin=spin)


@pytest.mark.parametrize("kind", ["DOS", "LDOS"])
@pytest.mark.parametrize("spin", ["up", "down"])
@pytest.mark.parametrize("name", BOTH)
def test_electrons_of_both_spins(kind, spin, name):
    with pytest.raises(ValueError, match=f"{kind} counts spin {spin} only.*Sum the spins first"):
        BOTH[name](spectra(kind, spin))
    BOTH[name](spectra(kind, "summed"))


@pytest.mark.parametrize("kind", ["DOS", "LDOS"])
@pytest.mark.parametrize("name", ONE)
def test_shapes_of_one_spin(kind, name):
    np.testing.assert_array_equal(ONE[name](spectra(kind, "up")), ONE[name](spectra(kind, "summed")))


@pytest.mark.parametrize("kind", [DOS, LDOS])
@pytest.mark.parametrize("spin", ["summed", "up", "down"])
def test_files_keep_the_spin(tmp_path, kind, spin):
    path = spectra(kind.__name__, spin).save(tmp_path / "s.npz")
    assert kind.load(path).spin == spin
    assert DOS.load(path).spin == spin
    assert read_spectra(path).dos.spin == spin
    with np.load(path) as file:
        assert str(file["spin"]) == spin


@pytest.mark.parametrize("ending", [".h5", ".xyz"])
def test_datasets_and_structures_hold_both(tmp_path, ending):
    atoms = Atoms("Si", cell=[3, 3, 3], pbc=True)
    with pytest.raises(ValueError, match="these spectra are of spin up"):
        spectra("LDOS", "up").save(tmp_path / f"s{ending}", structures=atoms)
    assert not (tmp_path / f"s{ending}").exists()
    spectra("LDOS", "summed").save(tmp_path / f"s{ending}", structures=atoms)


def test_a_file_with_an_unknown_spin(tmp_path):
    np.savez(tmp_path / "s.npz", energies=GRID.energies, dos=VALUES, spin="sideways")
    with pytest.raises(ValueError, match=r"'spin' in .* must be one of"):
        read_spectra(tmp_path / "s.npz")
