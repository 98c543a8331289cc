"""Thousands of atoms: predicted in pieces straight into a file, and where in the cell the states at E_F sit."""

import tempfile
from pathlib import Path

import numpy as np
from ase.build import bulk
from matplotlib.figure import Figure

import ldosml

data = ldosml.load_dataset("silicon", smearing_width=0.3)
regressor = ldosml.SparseLDOSKernelRidge("leave-one-group-out", n_inducing=500, kernel="matern", gamma=0.3)
model = ldosml.DOSModel(ldosml.Whitened(ldosml.SOAP(r_cut=6.0)), regressor, high=5.0).fit(data)

# A crystal of 4,096 atoms that grows hotter, that is rattled more, from left to right.
rng = np.random.default_rng(0)
cell = bulk("Si", a=5.47, cubic=True) * (16, 8, 4)
hot = 0.5 * (1 - np.cos(2 * np.pi * cell.get_scaled_positions()[:, :1]))
cell.positions += 0.25 * hot * rng.normal(size=cell.positions.shape)

with tempfile.TemporaryDirectory() as folder:
    # Goes on where it stopped after a kill; what it gives reads single atoms from the file.
    prediction = ldosml.predict_to(model, cell, Path(folder) / "cell.h5")
    ldos = prediction.ldos(np.arange(len(cell)))
near = abs(ldos.energies) < 0.3
states = ldos.values[:, near].mean(axis=1)
print(f"{len(cell)} atoms: {states[hot[:, 0] < 0.1].mean():.3f} states/eV/atom at E_F where it is cold,")
print(f"{'':11}{states[hot[:, 0] > 0.9].mean():.3f} where it is hot")

figure = Figure(figsize=(7.0, 3.4), layout="constrained")
ax = figure.subplots()
order = np.argsort(states)
points = ax.scatter(*cell.positions[order, :2].T, c=states[order], s=6, cmap="viridis", vmin=0)
ax.set(xlabel="x (angstrom)", ylabel="y (angstrom)", aspect="equal")
figure.colorbar(points, label="LDOS within 0.3 eV of E_F (states/eV/atom)", shrink=0.9)
figure.savefig("example-5-large-cell.png", dpi=150)
