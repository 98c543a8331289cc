"""Occupancy of energy bins by k-point: predict with the shipped network, and train your own. Needs PyTorch."""

from ldosml import plotting
from ldosml.datasets import load_crystals, split_crystals
from ldosml.kresolved import evaluate_occupancies
from ldosml.neural import (
    KOccupancyRegressor,
    OccupancyConfig,
    electronic_structure,
    isosurfaces,
    load_occupancy_model,
)
from ldosml.properties import derive_properties

model = load_occupancy_model("crystals")
crystals = load_crystals()
print(crystals)
# The model was not trained on the test part.
training, validation, test = split_crystals(crystals, **model.training_["split"])

mesh = model.predict(test.crystals, [m.mesh.kpoints for m in test], weights=[m.mesh.weights for m in test])
path = model.predict(test.crystals, [m.path.kpoints for m in test])
print(evaluate_occupancies(test, mesh, path, threshold=model.gap_threshold_).table())

one = test[0]
found = electronic_structure(model, one.atoms, n_path=100)
print(f"{one.name}: gap {found.gap.gap:.2f} eV, from DFT {one.gap:.2f} eV")
properties = derive_properties(found.dos, found.n_electrons, 300.0)  # from the states between E_F - 10 eV and E_F
print(f"DOS at E_F: {properties.column('dos_at_fermi_level')[0]:.2f} states/eV")
figure = plotting.band_figure(found.along, found.path, dos=found.dos)
plotting.save_figure(figure, "example-6-bands", overwrite=True)
surfaces = isosurfaces(model, found.crystal, metal=found.gap.is_metal, n=9)
figure = plotting.isosurface_figure({one.name: surfaces}, found.crystal.cell)
plotting.save_figure(figure, "example-6-surfaces", overwrite=True)

# Train on any bands; this small network takes a quarter of a minute.
toy = OccupancyConfig(d=32, n_layers=1, n_radial=16, n_blocks=1, n_heads=2)
mine = KOccupancyRegressor(toy, n_epochs=4, batch_size=4, learning_rate=3e-3, random_state=0)
mine.fit(
    training.crystals[:60],
    training.bands[:60],
    validation=(validation.crystals[:8], validation.bands[:8]),
    progress=lambda epoch: print(f"epoch {epoch.number}: {epoch.training_loss:.3f}, {epoch.validation_loss:.3f}"),
)
