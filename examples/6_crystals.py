"""
Bands, DOS and isosurfaces of a crystal
=======================================

A network predicts by k-point which energy bins hold states. This tutorial uses the network that ships with the project,
and trains a small one. It needs PyTorch: ``pip install -e ".[neural]"``.
"""

# %%
# Evaluate the shipped network
# ----------------------------
# The network has not seen the crystals of the test part. A quarter of them keeps this quick.

from ldosml import plotting
from ldosml.datasets import load_crystals, split_crystals
from ldosml.kresolved import evaluate_occupancies
from ldosml.neural import (
    KOccupancyRegressor,
    OccupancyConfig,
    electronic_structure,
    isosurfaces,
    load_crystal_model,
)
from ldosml.properties import derive_properties

model = load_crystal_model("crystals")
crystals = load_crystals()
print(crystals)
training, validation, test = split_crystals(crystals, **model.training_["split"])
test = test[::4]
mesh = model.predict(test.crystals, [m.mesh.kpoints for m in test], weights=[m.mesh.weights for m in test])
path = model.predict(test.crystals, [m.path.kpoints for m in test])
print(evaluate_occupancies(test, mesh, path, threshold=model.gap_threshold_).table())

# %%
# Bands and DOS of one crystal
# ----------------------------
# ``electronic_structure`` finds the primitive cell, a path and a mesh, and predicts on both.

one = next(material for material in test if material.gap > 1)  # eV
found = electronic_structure(model, one.atoms, n_path=100)
print(f"{one.name}: gap {found.gap.gap:.2f} eV, from DFT {one.gap:.2f} eV")
properties = derive_properties(found.dos, found.n_electrons, 300.0)  # from the states between E_F - 10 eV and E_F
print(f"DOS at E_F: {properties.column('dos_at_fermi_level')[0]:.2f} states/eV")
bands = plotting.band_figure(found.along, found.path, dos=found.dos)
plotting.save_figure(bands, "example-6-bands", overwrite=True)

# %%
# Surfaces in the Brillouin zone
# ------------------------------
# For a metal these are the Fermi surfaces, for other crystals the edges of the gap.

surfaces = isosurfaces(model, found.crystal, metal=found.gap.is_metal, n=7)
drawn = plotting.isosurface_figure({one.name: surfaces}, found.crystal.cell)
plotting.save_figure(drawn, "example-6-surfaces", overwrite=True)

# %%
# Train a network
# ---------------
# ``fit`` takes any bands (see "Bands of your own" on the page on data). This network is far too small for use.

toy = OccupancyConfig(d=32, n_layers=1, n_radial=16, n_blocks=1, n_heads=2)
mine = KOccupancyRegressor(toy, n_epochs=2, batch_size=4, learning_rate=3e-3, random_state=0)
mine.fit(
    training.crystals[:30],
    training.bands[:30],
    validation=(validation.crystals[:4], validation.bands[:4]),
    progress=lambda epoch: print(f"epoch {epoch.number}: {epoch.training_loss:.3f}, {epoch.validation_loss:.3f}"),
)
