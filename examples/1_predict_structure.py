"""Train on the shipped silicon set, predict a structure that is nothing like one unit cell, and look at two atoms."""

import numpy as np
from ase.build import bulk
from matplotlib.figure import Figure

import ldosml

data = ldosml.load_dataset("silicon", smearing_width=0.3)
train, test = data.split(test_size=0.2, random_state=0)  # trajectories stay whole
regressor = ldosml.SparseLDOSKernelRidge("leave-one-group-out", n_inducing=500, kernel="matern", gamma=0.3)
model = ldosml.DOSModel(ldosml.Whitened(ldosml.SOAP(r_cut=6.0)), regressor, high=5.0).fit(train)
losses = model.evaluate(test).losses()
print(f"held out: LDOS L/sigma {losses['ldos_normalized_loss']:.3f}, DOS {losses['dos_normalized_loss']:.3f}")

# 63 atoms and a vacancy: the model adds up atoms, so the size of a cell does not matter.
cell = bulk("Si", a=5.47, cubic=True) * (2, 2, 2)
perfect = model.predict(cell)
vacancy = cell.positions[0].copy()
del cell[0]
ldos = model.predict(cell)
distance = np.linalg.norm(cell.positions - vacancy, axis=1)
near, far = int(distance.argmin()), int(distance.argmax())
gap = abs(ldos.energies) < 0.3
for name, atom in (("a neighbour of the vacancy", near), ("the atom farthest from it", far)):
    print(f"states within 0.3 eV of E_F, {name}: {ldos.values[atom, gap].mean():.3f} states/eV/atom")

figure = Figure(figsize=(5.0, 3.2), layout="constrained")
ax = figure.subplots()
ax.plot(ldos.energies, perfect.values[0], color="0.6", label="perfect crystal")
ax.plot(ldos.energies, ldos.values[far], "--", color="#0072B2", label="farthest from the vacancy")
ax.plot(ldos.energies, ldos.values[near], color="#D55E00", label="neighbour of the vacancy")
ax.axvline(0, color="0.45", linestyle=":", linewidth=1)
ax.set(xlabel="energy - Fermi level (eV)", ylabel="LDOS (states/eV/atom)", xlim=(-14, 5), ylim=(0, None))
ax.legend(frameon=False, fontsize=8)
figure.savefig("example-1-vacancy.png", dpi=150)
