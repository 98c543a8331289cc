"""Bring your own spectra: structures and arrays in, a dataset file, a model file and predictions out."""

import tempfile
from pathlib import Path

import numpy as np
from ase.build import bulk

import ldosml
from ldosml import persistence

# Stand-ins for what your DFT code wrote: eigenvalues, k-point weights and the weight of each atom in each band.
rng = np.random.default_rng(0)
structures = [bulk("Si", a=a) for a in np.linspace(5.2, 5.7, 12)]
grid = ldosml.EnergyGrid.from_range(-14, 8, 0.05, reference="code")
rows = []
for atoms in structures:
    eigenvalues = rng.normal(0, 400 / atoms.cell.volume, size=(20, 8))  # (n_kpoints, n_bands), eV
    kpoint_weights = np.full(20, 1 / 20)
    atom_weights = np.full((2, 20, 8), 0.5)
    ldos = ldosml.LDOS.from_eigenvalues(eigenvalues, kpoint_weights, atom_weights, grid, width=0.3)
    rows.append(ldos.values)

data = ldosml.LDOSDataset.from_arrays(
    structures,
    grid.energies,
    ldos=np.concatenate(rows),
    reference="code",
    fermi_energy=0.0,  # one for all, or one a structure
    energy_max=5.0,  # where your bands end: nothing above it is trained or judged
    n_electrons={"Si": 4},
    smearing_width=0.3,
    provenance={"code": "invented numbers"},
)

with tempfile.TemporaryDirectory() as folder:
    path = data.write(Path(folder) / "mine.h5")
    again = ldosml.LDOSDataset.read(path)
    model = ldosml.DOSModel(ldosml.SOAP(r_cut=4.0, n_max=4, l_max=2), ldosml.LDOSRidge(1e-2)).fit(again)
    persistence.save(model, Path(folder) / "mine.ldosml")
    ldos = persistence.load(Path(folder) / "mine.ldosml").predict([bulk("Si", a=5.43)])
print(f"{again}\npredicted {ldos.values.shape[0]} atoms at {ldos.values.shape[1]} energies, {ldos.grid}")
