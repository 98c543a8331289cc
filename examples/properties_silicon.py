"""From a structure to its heat capacity, without DFT; and which atoms carry it."""

import numpy as np
from ase.build import bulk

import ldosml
from ldosml.properties import molar_susceptibility

data = ldosml.load_dataset("silicon", smearing_width=0.1)  # narrow: temperatures count
model = ldosml.DOSModel(high=5.0).fit(data)

cell = bulk("Si", a=5.47, cubic=True) * (2, 2, 2)
del cell[0]  # a vacancy
ldos = model.predict(cell)
electrons = model.n_electrons(cell)  # as the training data count them: 4 an atom


def half(shares):
    """How many of the largest shares make up half of the sum."""
    largest = np.sort(shares)[::-1]
    return int(np.searchsorted(np.cumsum(largest), largest.sum() / 2)) + 1


kelvin = np.array([100.0, 300.0, 1000.0])
mu = ldosml.chemical_potential(ldos, electrons, kelvin)
heat = ldosml.heat_capacity(ldos, mu, kelvin)  # (n_atoms, n_temperatures), eV/K
susceptibility = molar_susceptibility(ldos.total(), mu, kelvin)
for T, level, share, chi in zip(kelvin, mu[0], heat.T, susceptibility[0], strict=True):
    atoms = f"half of it in {half(share)} of {len(cell)} atoms"
    print(f"{T:5g} K: mu {level:+.3f} eV, C {share.sum():.2e} eV/K, {atoms}, chi {chi:.2e} emu/mol")
