"""
Heat capacity of liquid silicon
===============================

Liquid silicon is a metal. Its electronic heat capacity from 300 to 3000 K is compared between DFT and a model that has
not seen the trajectories it predicts.
"""

# %%
# Predict every liquid cell without its trajectory
# ------------------------------------------------
# The shipped set has snapshots of liquid and amorphous silicon from molecular dynamics. Snapshots of one run are alike,
# so they share a group, and each fold leaves out whole groups. The pooled predictions of the liquid are set beside DFT.

import numpy as np
from matplotlib.figure import Figure

import ldosml
from ldosml import studies

data = ldosml.load_dataset("silicon", smearing_width=0.3)
disordered = data.select([kind in ("liquid", "amorphous") for kind in data.kinds])
model = ldosml.DOSModel(regressor=ldosml.SparseLDOSKernelRidge(n_inducing=500), high=5.0)  # the default descriptor
folds = [
    (train, test[np.asarray(disordered.kinds)[test] == "liquid"])
    for train, test in disordered.folds(n_splits=3, random_state=0)
]
evaluation = studies.predict_left_out(disordered, model, folds)
losses = evaluation.losses()
print(f"{len(evaluation.names)} liquid cells: DOS L/sigma {losses['dos_normalized_loss']:.3f}")

# %%
# From the DOS to the heat capacity
# ---------------------------------
# Each DOS has its own chemical potential, which holds its valence electrons at every temperature. ``heat_capacity`` is
# the derivative of the band energy at a fixed number of electrons and fixed positions.

kelvin = np.linspace(300.0, 3000.0, 28)
atoms = np.asarray(evaluation.predicted.n_atoms)[:, None]
heat = {}
for name, dos in zip(("DFT", "predicted"), evaluation.dos(), strict=True):
    mu = ldosml.chemical_potential(dos, evaluation.n_electrons, kelvin)
    heat[name] = ldosml.heat_capacity(dos, mu, kelvin) / atoms * 1e6  # (n_structures, n_temperatures), micro-eV/K/atom

# %%
# Compare the error with the noise of the labels
# ----------------------------------------------
# The labels have an error of their own: a denser k-mesh changes them. The dataset states how much this changes the heat
# capacity at 300 K (root mean square over ten structures of all kinds). No model can be shown to be better than that.

noise = data.label_noise["properties"]
at_width = np.interp(data.smearing_width, data.label_noise["smearing_width"], noise["rmse"]["heat_capacity"]) * 1e6
error = np.sqrt(np.mean((heat["predicted"] - heat["DFT"]) ** 2, axis=0))
spread = heat["DFT"].std(axis=0)
print("micro-eV/K/atom")
for i in (0, 9, -1):
    print(f"{kelvin[i]:5.0f} K: C {heat['DFT'][:, i].mean():5.2f}, RMSE {error[i]:.3f}, spread {spread[i]:.3f}")
print(f"  300 K: noise of the labels {at_width:.3f}")

# %%
# The left panel shows the mean over the cells and, as a band, the standard deviation. The right panel shows the error
# of the prediction beside the standard deviation of DFT, which is the error of always predicting the mean.

figure = Figure(figsize=(7.0, 3.0), layout="constrained")
left, right = figure.subplots(1, 2)
for (name, values), color in zip(heat.items(), ("0.3", "#D55E00"), strict=True):
    mean, std = values.mean(axis=0), values.std(axis=0)
    left.plot(kelvin, mean, "--" if name == "predicted" else "-", color=color, label=name)
    left.fill_between(kelvin, mean - std, mean + std, color=color, alpha=0.2, linewidth=0)
left.set(xlabel="temperature (K)", ylabel="C (µeV/K/atom)", xlim=(0, 3000), ylim=(0, None))
left.legend(frameon=False)
right.plot(kelvin, spread, color="0.3", label="standard deviation of DFT")
right.plot(kelvin, error, color="#D55E00", label="RMSE of the prediction")
right.plot([noise["temperature"]], [at_width], "k^", label="noise of the labels, 300 K")
right.set(xlabel="temperature (K)", ylabel="error of C (µeV/K/atom)", xlim=(0, 3000), ylim=(0, None))
right.legend(frameon=False, fontsize=8)
figure.savefig("example-7-heat-capacity.png", dpi=150)
