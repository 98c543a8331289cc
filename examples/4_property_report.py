"""
Properties of new structures, and a report
==========================================

Heat capacity and susceptibility of structures without DFT, compared with DFT on structures that were held out.
"""

# %%
# Properties that depend on the temperature need narrow spectra, so this model learns a smearing of 0.1 eV, from every
# third structure of the shipped set.

import numpy as np
from ase.build import bulk
from matplotlib.figure import Figure

import ldosml
from ldosml import report
from ldosml.properties import molar_susceptibility

data = ldosml.load_dataset("silicon", smearing_width=0.1).select(slice(None, None, 3))
train, test = data.split(test_size=0.2, random_state=0)
model = ldosml.DOSModel(high=5.0).fit(train)

# %%
# Errors of the properties
# ------------------------
# The same functions derive the properties from predicted and from true spectra.

evaluation = model.evaluate(test)
properties = report.DerivedProperties(*evaluation.properties([300.0]), 300.0)
for c in properties.comparisons():
    print(f"{c.name:22} L/sigma {c.normalized_loss:6.3f}, RMSE {c.rmse:.3g} {c.unit}")

# %%
# A report is one HTML page with the errors, the label noise, the worst predictions and the figures. It needs no other
# files.

report.save_report(
    "example-4-report.html",
    evaluation,
    title="Silicon held out",
    training={"structures": len(train), "regressor": repr(model.regressor)},
    provenance=data.provenance,
    label_noise=data.label_noise,
    properties=properties,
    overwrite=True,
)

# %%
# A structure without DFT
# -----------------------
# Properties of an ``LDOS`` have a row for each atom. Atoms of one structure share its chemical potential, so the rows
# of the heat capacity add up to that of the cell.

cell = bulk("Si", a=5.47, cubic=True) * (2, 2, 2)
del cell[0]  # a vacancy
ldos = model.predict(cell)
electrons = model.n_electrons(cell)  # valence electrons, 4 per atom, as in the training data
kelvin = np.linspace(50.0, 1500.0, 30)
mu = ldosml.chemical_potential(ldos, electrons, kelvin)
heat = ldosml.heat_capacity(ldos, mu, kelvin)  # (n_atoms, n_temperatures), eV/K
susceptibility = molar_susceptibility(ldos.total(), mu, kelvin)[0]
largest = np.sort(heat, axis=0)[::-1].cumsum(axis=0)
half = (largest < largest[-1] / 2).sum(axis=0) + 1  # how many atoms carry half of it
for i in (5, -1):
    print(f"{kelvin[i]:5.0f} K: mu {mu[0, i]:+.3f} eV, half of C in {half[i]} of {len(cell)} atoms")

# %%

figure = Figure(figsize=(7.0, 2.8), layout="constrained")
left, right = figure.subplots(1, 2)
left.plot(kelvin, heat.sum(axis=0) * 1e3, color="#0072B2")
left.set(xlabel="temperature (K)", ylabel="electronic heat capacity (meV/K)", title="63 atoms with a vacancy")
right.plot(kelvin, susceptibility * 1e6, color="#D55E00")
right.set(xlabel="temperature (K)", ylabel="Pauli susceptibility (1e-6 emu/mol)")
figure.savefig("example-4-properties.png", dpi=150)
