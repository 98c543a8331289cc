"""
Predict a cell with a vacancy
=============================

Train a model on the silicon set that ships with the project, predict a larger cell with a vacancy, and compare the LDOS
of two of its atoms.
"""

# %%
# Train and evaluate
# ------------------
# The set has spectra of 628 cells of 2 to 32 atoms, of which every third is enough here. ``split`` keeps the snapshots
# of one trajectory on one side, so the test structures are new to the model. ``high=5.0`` means: learn up to 5 eV above
# the Fermi level.

import numpy as np
from ase.build import bulk
from matplotlib.figure import Figure

import ldosml

data = ldosml.load_dataset("silicon", smearing_width=0.3).select(slice(None, None, 3))
train, test = data.split(test_size=0.2, random_state=0)
model = ldosml.DOSModel(high=5.0).fit(train)
losses = model.evaluate(test).losses()
print(f"held out: LDOS L/sigma {losses['ldos_normalized_loss']:.3f}, DOS {losses['dos_normalized_loss']:.3f}")

# %%
# L/sigma is the root mean square error divided by the standard deviation of the true spectra: 0 is perfect, 1 is as bad
# as a constant.
#
# Predict a cell that is larger than any in the set
# -------------------------------------------------
# The model predicts atom by atom, so a cell may have any size. This one has 63 atoms around a vacancy.

cell = bulk("Si", a=5.47, cubic=True) * (2, 2, 2)
perfect = model.predict(cell)
vacancy = cell.positions[0].copy()
del cell[0]
ldos = model.predict(cell)
distance = np.linalg.norm(cell.positions - vacancy, axis=1)
near, far = int(distance.argmin()), int(distance.argmax())
gap = abs(ldos.energies) < 0.3
for name, atom in (("a neighbor of the vacancy", near), ("the atom farthest from it", far)):
    print(f"states within 0.3 eV of E_F, {name}: {ldos.values[atom, gap].mean():.3f} states/eV/atom")

# %%
# Dangling bonds put states into the gap. They are on the neighbors of the vacancy; far from it, the LDOS is that of the
# perfect crystal.

figure = Figure(figsize=(5.0, 3.2), layout="constrained")
ax = figure.subplots()
ax.plot(ldos.energies, perfect.values[0], color="0.6", label="perfect crystal")
ax.plot(ldos.energies, ldos.values[far], "--", color="#0072B2", label="farthest from the vacancy")
ax.plot(ldos.energies, ldos.values[near], color="#D55E00", label="neighbor of the vacancy")
ax.axvline(0, color="0.45", linestyle=":", linewidth=1)
ax.set(xlabel="energy - Fermi level (eV)", ylabel="LDOS (states/eV/atom)", xlim=(-14, 5), ylim=(0, None))
ax.legend(frameon=False, fontsize=8)
figure.savefig("example-1-vacancy.png", dpi=150)
