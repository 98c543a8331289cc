"""
Bands, DOS and isosurfaces of a crystal
=======================================

Learned tight binding predicts the bands of a crystal as lines. A network predicts by k-point which energy bins hold
states. This tutorial uses both as they ship with the project, and trains a small network. It needs PyTorch:
``pip install -e ".[neural]"``.
"""

# %%
# Lines
# -----
# ``band_structure`` finds the primitive cell and a path, and predicts bands along it and on a mesh. The gap lies
# between edges that are searched for between the points of the mesh. This crystal is of the test part, which no model
# has seen.

from ldosml import plotting
from ldosml.datasets import crystal_parts, load_crystals
from ldosml.kresolved import evaluate_occupancies
from ldosml.neural import (
    KOccupancyRegressor,
    OccupancyConfig,
    band_structure,
    electronic_structure,
    load_crystal_model,
)
from ldosml.properties import derive_properties

bound = load_crystal_model("tight-binding")
crystals = load_crystals()
print(crystals)
training, validation, test = crystal_parts(bound)
one = next(material for material in test if material.gap > 1)  # eV
found = band_structure(bound, one.atoms, n_path=100)
print(f"{one.name}: gap {found.gap:.2f} eV, from DFT {one.gap:.2f} eV; networks differ by {found.gap_spread:.2f} eV")
print(f"masses of electrons: {found.conduction.masses.round(2)}")
lines = plotting.band_line_figure(found.path, found.energies, dos=found.dos, spread=found.spread)
plotting.save_figure(lines, "example-6-lines", overwrite=True)

# %%
# Properties from the DOS
# -----------------------
# The DOS is by linear tetrahedra, and holds all valence electrons.

properties = derive_properties(found.dos, found.n_electrons, 300.0)
print(f"DOS at E_F: {properties.column('dos_at_fermi_level')[0]:.2f} states/eV")

# %%
# Surfaces in the Brillouin zone
# ------------------------------
# For a metal these are the sheets of the Fermi surface, for other crystals the edges of the gap.

surfaces = found.surfaces()
drawn = plotting.isosurface_figure({one.name: surfaces}, found.crystal.cell)
plotting.save_figure(drawn, "example-6-surfaces", overwrite=True)

# %%
# Probabilities of states
# -----------------------
# The network of occupancies is blurred where it is not sure. A quarter of the test part keeps this quick.

model = load_crystal_model("crystals")
test = crystal_parts(model)[2][::4]
mesh = model.predict(test.crystals, [m.mesh.kpoints for m in test], weights=[m.mesh.weights for m in test])
path = model.predict(test.crystals, [m.path.kpoints for m in test])
print(evaluate_occupancies(test, mesh, path, threshold=model.gap_threshold_).table())
blurred = electronic_structure(model, one.atoms, n_path=100)
bands = plotting.band_figure(blurred.along, blurred.path, dos=blurred.dos)
plotting.save_figure(bands, "example-6-bands", overwrite=True)

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
