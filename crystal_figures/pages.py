"""Bands, DOS and isosurfaces of six test crystals of a model: best, median and worst, with and without a gap.

    python crystal_figures/pages.py [MODEL] [--folder crystal_figures/output]

MODEL is a file or the name of a shipped model; default: crystals. Metals, and crystals with a gap, of the test part are
ranked by the error of their DOS. Dots are DFT eigenvalues. DFT surfaces are from the 8x8x8 mesh of the set, predicted
surfaces from 21x21x21 k-points; both are interpolated.
"""

import argparse
from pathlib import Path

import numpy as np

from ldosml.datasets import CrystalSet, Material, crystal_parts
from ldosml.kresolved import (
    Isosurface,
    KPath,
    band_edge_surfaces,
    band_surfaces,
    counted_dos,
    evaluate_occupancies,
    gamma_mesh,
)
from ldosml.kresolved.evaluation import true_dos
from ldosml.kresolved.meshes import unfolded
from ldosml.neural import (
    KOccupancyRegressor,
    electronic_structure,
    isosurfaces,
    load_crystal_model,
    primitive_kpoints,
)
from ldosml.neural.crystals import point_group
from ldosml.plotting import band_figure, isosurface_figure, save_figure
from ldosml.tables import save_table
from ldosml.tightbinding import TightBinding

HERE = Path(__file__).resolve().parent
SMEARING_WIDTH = 0.2  # eV; without it the DOS shows single k-points of the 8x8x8 mesh
RANKS = ("best", "median", "worst")


def ranked(model: KOccupancyRegressor, crystals: CrystalSet) -> list[tuple[Material, float]]:
    """Materials and the errors of their DOS, states/eV/atom, best first."""
    meshes = [m.mesh for m in crystals]
    mesh = model.predict(
        crystals.crystals, [b.kpoints for b in meshes], weights=[b.weights for b in meshes], allow_unknown=True
    )
    path = model.predict(crystals.crystals, [m.path.kpoints for m in crystals], allow_unknown=True)
    scores = evaluate_occupancies(crystals, mesh, path, threshold=model.gap_threshold_, n_draws=1)
    return [(crystals[int(i)], float(scores.dos_errors[i])) for i in np.argsort(scores.dos_errors)]


def chosen(model: KOccupancyRegressor, test: CrystalSet) -> list[tuple[str, Material, float]]:
    """Names of six pages, their materials, and the errors of their DOS."""
    found = []
    for kind, part in (("metal", test[test.gaps == 0]), ("gap", test[test.gaps > 0])):
        order = ranked(model, part)
        for rank, place in zip(RANKS, (0, len(order) // 2, -1), strict=True):
            found.append((f"{kind}-{rank}", *order[place]))
    return found


def draw_bands(model: KOccupancyRegressor, material: Material):
    cell = np.asarray(material.atoms.cell)
    path = KPath(material.path.kpoints, cell, material.corners)
    along = model.predict([material.atoms], path.kpoints, allow_unknown=True)[0]
    mesh = model.predict([material.atoms], material.mesh.kpoints, weights=material.mesh.weights, allow_unknown=True)[0]
    both = counted_dos(mesh, len(material.atoms)), true_dos(material, mesh.grid)
    dos, from_dft = (one.broaden(SMEARING_WIDTH) for one in both)
    return band_figure(along, path, bands=material.path.relative, dos=dos, true_dos=from_dft)


def draw_surfaces(model: KOccupancyRegressor, material: Material):
    """Fermi surfaces, or surfaces a tenth of the band widths within both edges of a gap, from DFT and predicted."""
    found = electronic_structure(model, material.atoms, allow_unknown=True)
    cell, given = found.crystal.cell, primitive_kpoints(material.atoms, material.mesh.kpoints)
    n = round(material.mesh.weights.min() ** (-1 / 3))  # Gamma has the smallest weight
    full = unfolded(given, material.mesh.relative, point_group(found.crystal), n).reshape(n**3, -1)
    kpoints = gamma_mesh(n)[0]
    predicted = isosurfaces(model, found.crystal, metal=found.gap.is_metal, allow_unknown=True)
    true: tuple[Isosurface, ...]
    if material.gap:
        true = band_edge_surfaces(full, kpoints, cell, n_electrons=material.mesh.n_electrons)
    else:
        # Bands are numbered from the valence shells on, as in the prediction.
        deeper = round(0.5 * (material.mesh.n_electrons - TightBinding(found.crystal.atoms()).n_electrons))
        true = band_surfaces(np.sort(full, axis=1)[:, deeper:], kpoints, cell)
    return isosurface_figure({"DFT": true, "predicted": predicted}, cell)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="crystals", help="file, or name of a shipped model")
    parser.add_argument("--folder", type=Path, default=HERE / "output")
    given = parser.parse_args()
    model = load_crystal_model(given.model)
    test = crystal_parts(model)[2]
    given.folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for page, material, error in chosen(model, test):
        rows.append(
            {
                "page": page,
                "material": material.name,
                "gap (eV)": round(material.gap, 3),
                "error of the DOS (states/eV/atom)": round(error, 3),
            }
        )
        print(f"{page}: {material.name}, {error:.3f} states/eV/atom", flush=True)
        save_figure(draw_bands(model, material), given.folder / f"{page}-bands", overwrite=True)
        save_figure(draw_surfaces(model, material), given.folder / f"{page}-surfaces", overwrite=True)
    save_table(given.folder / "pages.csv", rows, overwrite=True)


if __name__ == "__main__":
    main()
