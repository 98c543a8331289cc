"""
Train on your own DFT data
==========================

From eigenvalues, k-points and projections to a dataset, a model and predictions.
"""

# %%
# What your DFT code gives
# ------------------------
# Replace this function by a reader of your own output. It returns, for one structure, the eigenvalues
# (n_kpoints, n_bands) in eV, the weights of the k-points, and the weight of each atom in each band. Here it solves a
# chain of atoms with one orbital each, whose bands are known.

import tempfile
from pathlib import Path

import numpy as np
from ase.build import bulk

import ldosml
from ldosml import plotting


def dft_run(atoms):
    """Stand in for the output of your DFT code."""
    bonds = np.diff(atoms.positions[:, 2], append=atoms.positions[0, 2] + atoms.cell[2, 2])
    hopping = -2.0 * np.exp(2.4 - bonds)  # eV
    phases = 2 * np.pi * (np.arange(40) + 0.5) / 40
    hamiltonians = np.zeros((40, len(atoms), len(atoms)), dtype=complex)
    for i, t in enumerate(hopping):
        # eigh reads the lower triangle; the last bond leads to the next cell.
        last = i == len(atoms) - 1
        hamiltonians[:, i if last else i + 1, 0 if last else i] = t * np.exp(-1j * phases) if last else t
    bands, vectors = np.linalg.eigh(hamiltonians)
    return bands, np.full(40, 1 / 40), (abs(vectors) ** 2).transpose(1, 0, 2)


def chain(rng):
    """Four atoms along z, displaced at random."""
    atoms = bulk("Si", "sc", a=2.4) * (1, 1, 4)
    atoms.set_cell([20, 20, 9.6])
    atoms.positions[:, 2] += rng.uniform(-0.25, 0.25, 4)
    atoms.pbc = (False, False, True)
    return atoms


rng = np.random.default_rng(0)
structures = [chain(rng) for _ in range(60)]

# %%
# From eigenvalues to a dataset
# -----------------------------
# The grid states its energy zero. ``"code"`` is the zero of the DFT code. Snapshots of one run share a group, and
# splits keep groups whole. ``energy_max`` says where your bands end: higher energies are neither trained nor evaluated.

grid = ldosml.EnergyGrid.from_range(-9, 9, 0.05, zero="code")
spectra = [ldosml.LDOS.from_eigenvalues(*dft_run(atoms), grid, width=0.2).values for atoms in structures]
data = ldosml.LDOSDataset.from_arrays(
    structures,
    grid.energies,
    ldos=np.concatenate(spectra),
    zero="code",
    fermi_energy=0.0,  # one for all, or one for each structure
    energy_max=8.0,
    n_electrons={"Si": 1},
    smearing_width=0.2,
    groups=[f"run-{i}" for i in range(60)],
    provenance={"code": "nearest neighbors, one orbital per atom"},
)
print(data)

# %%
# Train, save, load and evaluate
# ------------------------------
# Dataset and model are files without pickled objects, so it is safe to open those of others.

with tempfile.TemporaryDirectory() as folder:
    path = data.save(Path(folder) / "mine.h5")
    train, test = ldosml.LDOSDataset.load(path).split(test_size=0.2, random_state=0)
    model = ldosml.DOSModel(ldosml.Whitened(ldosml.SOAP(r_cut=8.0, n_max=12, l_max=2, atom_sigma=0.3)))
    model.fit(train).save(Path(folder) / "mine.ldosml")
    evaluation = ldosml.DOSModel.load(Path(folder) / "mine.ldosml").evaluate(test)
losses = evaluation.losses()
print(f"held out: L/sigma {losses['ldos_normalized_loss']:.3f}, mean {losses['ldos_mean_spectrum_loss']:.3f}")

# %%
# The worst, the median and the best prediction of the test set:

figure = plotting.representatives_figure(evaluation)
figure.savefig("example-2-own-data.png", dpi=150)
