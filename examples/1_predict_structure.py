"""Train on the shipped silicon set, predict a larger cell with a vacancy, and look at two atoms."""

import numpy as np
from ase.build import bulk
from matplotlib.figure import Figure

import ldosml

data = ldosml.load_dataset("silicon", smearing_width=0.3)
train, test = data.split(test_size=0.2, random_state=0)  # trajectories stay whole
# Inducing points keep this quick; without a regressor the model uses all environments.
model = ldosml.DOSModel(regressor=ldosml.SparseLDOSKernelRidge(n_inducing=500), high=5.0).fit(train)
losses = model.evaluate(test).losses()
print(f"held out: LDOS L/sigma {losses['ldos_normalized_loss']:.3f}, DOS {losses['dos_normalized_loss']:.3f}")

# 63 atoms around a vacancy. The model predicts atom by atom, so the cell may have any size.
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

figure = Figure(figsize=(5.0, 3.2), layout="constrained")
ax = figure.subplots()
ax.plot(ldos.energies, perfect.values[0], color="0.6", label="perfect crystal")
ax.plot(ldos.energies, ldos.values[far], "--", color="#0072B2", label="farthest from the vacancy")
ax.plot(ldos.energies, ldos.values[near], color="#D55E00", label="neighbor of the vacancy")
ax.axvline(0, color="0.45", linestyle=":", linewidth=1)
ax.set(xlabel="energy - Fermi level (eV)", ylabel="LDOS (states/eV/atom)", xlim=(-14, 5), ylim=(0, None))
ax.legend(frameon=False, fontsize=8)
figure.savefig("example-1-vacancy.png", dpi=150)
