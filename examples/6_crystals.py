"""Which energies hold states, k-point by k-point: a network that learns it from the bands of crystals. Needs PyTorch.

A toy, for half a minute: few crystals and a small network. ``ldosml train-occupancy crystals -o model.safetensors``
trains on all that ship; ``ldosml.neural.load_occupancy_model`` reads what it writes.
"""

from ldosml import plotting
from ldosml.datasets import load_crystals, split_crystals
from ldosml.kresolved import counted_dos, edge_surfaces, fermi_surface, judge_occupancies
from ldosml.neural import KOccupancyRegressor, OccupancyConfig, electronic_structure, full_mesh
from ldosml.properties import derive_properties, integrated_dos

crystals = load_crystals()
training, validation, test = split_crystals(crystals)
print(crystals)
known = test[[set(m.atoms.symbols) <= set(training.elements) for m in test]][:5]
few = {i for element in known.elements for i in [i for i, m in enumerate(training) if element in m.atoms.symbols][:4]}
training = training[sorted(few)]  # four with each element, and so none that it has not seen

toy = OccupancyConfig(d=32, n_layers=1, n_radial=16, n_blocks=1, n_heads=2)
model = KOccupancyRegressor(toy, n_epochs=8, batch_size=4, learning_rate=3e-3, random_state=0)
model.fit(
    training.crystals,
    training.bands,
    validation=(validation.crystals[:8], validation.bands[:8]),
    progress=lambda epoch: print(f"epoch {epoch.number}: {epoch.training_loss:.3f}, {epoch.validation_loss:.3f}"),
)

mesh = model.predict(
    known.crystals,
    [m.mesh.kpoints for m in known],
    weights=[m.mesh.weights for m in known],
)
path = model.predict(known.crystals, [m.path.kpoints for m in known])
print(judge_occupancies(known, mesh, path, threshold=model.gap_threshold_).table())

found = electronic_structure(model, known[0].atoms, n_path=100, mesh=6)
print(f"{known[0].name}: gap {found.gap.gap:.2f} eV, by DFT {known[0].gap:.2f} eV")
dos = counted_dos(found.mesh, len(found.crystal))
electrons = integrated_dos(dos)[0, dos.grid.size // 2]  # of the states from E_F - 10 eV to E_F
print(f"DOS at E_F: {derive_properties(dos, electrons, 300.0).column('dos_at_fermi_level')[0]:.2f} states/eV")
plotting.write_figure(plotting.band_figure(found.along, found.path, dos=dos), "example-6-bands", overwrite=True)
everywhere = full_mesh(model, found.crystal, 9)
surfaces = fermi_surface(everywhere) if found.gap.is_metal else edge_surfaces(everywhere)
figure = plotting.isosurface_figure({known[0].name: surfaces}, found.crystal.cell)
plotting.write_figure(figure, "example-6-surfaces", overwrite=True)
