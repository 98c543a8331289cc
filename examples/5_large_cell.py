"""
Thousands of atoms
==================

Predict a large cell in pieces into a file, and find where in the cell the states at the Fermi level are.
"""

# %%
# A crystal of 4,096 atoms, cold at both ends and hot (strongly rattled) in the middle:

import tempfile
from pathlib import Path

import numpy as np
from ase.build import bulk
from matplotlib.figure import Figure

import ldosml

rng = np.random.default_rng(0)
cell = bulk("Si", a=5.47, cubic=True) * (16, 8, 4)
hot = 0.5 * (1 - np.cos(2 * np.pi * cell.get_scaled_positions()[:, :1]))
cell.positions += 0.25 * hot * rng.normal(size=cell.positions.shape)

# %%
# ``predict_to`` writes the LDOS atom by atom, in chunks, so memory does not grow with the cell. After a kill the same
# call continues. The result reads single atoms from the file.
#
# The default descriptor diagonalises tight binding of the whole cell, which no memory holds here. SOAP alone is fast:
# it takes less than a millisecond an atom. Between the two in accuracy and time is tight binding of a region around
# each atom, ``TightBindingSpectrum(r_cut=6.0)`` beside SOAP, at some 25 ms an atom.

data = ldosml.load_dataset("silicon", smearing_width=0.3)
soap = ldosml.Whitened(ldosml.SOAP())
model = ldosml.DOSModel(soap, ldosml.SparseLDOSKernelRidge(n_inducing=500), high=5.0).fit(data)
with tempfile.TemporaryDirectory() as folder:
    prediction = ldosml.predict_to(model, cell, Path(folder) / "cell.h5")
    ldos = prediction.ldos(np.arange(len(cell)))
near = abs(ldos.energies) < 0.3
states = ldos.values[:, near].mean(axis=1)
print(f"{len(cell)} atoms: {states[hot[:, 0] < 0.1].mean():.3f} states/eV/atom at E_F in the cold part,")
print(f"{'':11}{states[hot[:, 0] > 0.9].mean():.3f} in the hot part")

# %%
# The hot part has states at the Fermi level, where the cold crystal has its gap:

figure = Figure(figsize=(7.0, 3.4), layout="constrained")
ax = figure.subplots()
order = np.argsort(states)
points = ax.scatter(*cell.positions[order, :2].T, c=states[order], s=6, cmap="viridis", vmin=0)
ax.set(xlabel="x (angstrom)", ylabel="y (angstrom)", aspect="equal")
figure.colorbar(points, label="LDOS within 0.3 eV of E_F (states/eV/atom)", shrink=0.9)
figure.savefig("example-5-large-cell.png", dpi=150)
