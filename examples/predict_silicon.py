"""Train on the shipped silicon set, predict a structure that is nothing like one unit cell, and look at one atom."""

import numpy as np
from ase.build import bulk

import ldosml

data = ldosml.load_dataset("silicon", smearing_width=0.3)
train, test = data.split(test_size=0.2, random_state=0)  # trajectories stay whole

model = ldosml.DOSModel(ldosml.SOAP(r_cut=6.0), high=5.0).fit(train)
losses = model.evaluate(test).losses()
print(f"held out: LDOS L/sigma {losses['ldos_normalized_loss']:.3f}, DOS {losses['dos_normalized_loss']:.3f}")

# 63 atoms and a vacancy: the model adds up atoms, so the size of a cell does not matter.
cell = bulk("Si", a=5.47, cubic=True) * (2, 2, 2)
vacancy = cell.positions[0].copy()
del cell[0]
ldos = model.predict(cell)

distance = np.linalg.norm(cell.positions - vacancy, axis=1)
near, far = int(distance.argmin()), int(distance.argmax())
gap = abs(ldos.energies) < 0.3
print(f"states within 0.3 eV of E_F, a neighbour of the vacancy: {ldos.values[near, gap].mean():.3f} states/eV/atom")
print(f"states within 0.3 eV of E_F, the atom farthest from it:  {ldos.values[far, gap].mean():.3f} states/eV/atom")
