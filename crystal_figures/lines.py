"""Bands as lines, DOS and Fermi surfaces of six test crystals by learned tight binding: best, median and worst.

    python crystal_figures/lines.py [MODEL] [--folder crystal_figures/output]

MODEL is a file or the name of a shipped model; default: tight-binding. Metals, and crystals with a gap, of the test
part are ranked by the mean error of the bands along the path from 5 eV below to 5 eV above the Fermi level, each
against its own. Dashed lines are DFT. Both DOS are by linear tetrahedra on the 8x8x8 mesh of the set; surfaces are of
this mesh, too, and interpolated.
"""

import argparse
from pathlib import Path

import numpy as np

from ldosml.datasets import CrystalSet, Material, crystal_parts
from ldosml.energy import EnergyGrid
from ldosml.kresolved import KPath, MeshBands, band_edge_surfaces, band_surfaces
from ldosml.kresolved.meshes import unfolded
from ldosml.neural import (
    TightBindingRegressor,
    band_structure,
    load_crystal_model,
    primitive_kpoints,
    standardized,
)
from ldosml.neural.crystals import point_group
from ldosml.plotting import band_line_figure, isosurface_figure, save_figure
from ldosml.tables import save_table
from ldosml.tightbinding.shells import valence_electrons

HERE = Path(__file__).resolve().parent
RANKS = ("best", "median", "worst")
WINDOW = 5.0  # eV
GRID = EnergyGrid.from_range(-10.0, 8.0, 0.05, "fermi")


def along_path(model: TightBindingRegressor, material: Material) -> np.ndarray:
    """Predicted bands along the path of a material, eV against the Fermi level."""
    return model.predict([material.atoms], material.path.kpoints, allow_unknown=True)[0].relative


def error(model: TightBindingRegressor, material: Material) -> float:
    """Mean absolute error of the bands near the Fermi level, eV; matched by the electrons below them."""
    found, true = along_path(model, material), np.sort(material.path.relative, axis=1)
    deeper = round(0.5 * (material.path.n_electrons - valence_electrons(material.atoms.numbers)))
    found, true = found[:, max(0, -deeper) :], true[:, max(0, deeper) :]
    n = min(found.shape[1], true.shape[1])
    near = np.abs(true[:, :n]) < WINDOW
    return float(np.abs(found[:, :n] - true[:, :n])[near].mean())


def chosen(model: TightBindingRegressor, test: CrystalSet) -> list[tuple[str, Material, float]]:
    """Names of six pages, their materials, and the errors of their bands."""
    found = []
    for kind, part in (("metal", test[test.gaps == 0]), ("gap", test[test.gaps > 0])):
        errors = np.array([error(model, material) for material in part])
        order = np.argsort(errors)
        for rank, place in zip(RANKS, (order[0], order[len(order) // 2], order[-1]), strict=True):
            found.append((f"{kind}-{rank}", part[int(place)], float(errors[place])))
    return found


def mesh_shape(kpoints: np.ndarray, symmetry: np.ndarray) -> tuple[int, int, int]:
    """Numbers of k-points of the mesh that some irreducible ones are from."""
    images = np.abs(np.einsum("oij,kj->oki", symmetry, kpoints).reshape(-1, 3))
    steps = [np.min(column[column > 1e-6], initial=1.0) for column in images.T]
    return tuple(round(1 / step) for step in steps)


def from_dft(material: Material) -> MeshBands:
    """Bands of DFT on the full mesh, against its Fermi level."""
    crystal = standardized(material.atoms)
    bands = np.sort(material.mesh.relative, axis=1)
    known = bands[:, np.isfinite(bands).all(axis=0)]
    kpoints, symmetry = primitive_kpoints(material.atoms, material.mesh.kpoints), point_group(crystal)
    full = unfolded(kpoints, known, symmetry, mesh_shape(kpoints, symmetry))
    return MeshBands(full, crystal.cell)


def draw(model: TightBindingRegressor, material: Material) -> dict[str, object]:
    """Figures of one material by what they show."""
    true, found = from_dft(material), band_structure(model, material.atoms, allow_unknown=True, spread=False)
    path = KPath(material.path.kpoints, np.asarray(material.atoms.cell), material.corners)
    dos = found.mesh.dos(GRID, len(found.crystal)), true.dos(GRID, len(found.crystal))
    lines = band_line_figure(
        path, along_path(model, material), true=material.path.relative, dos=dos[0], true_dos=dos[1]
    )
    cell, bands = found.crystal.cell, true.energies.reshape(-1, true.energies.shape[3])
    if material.gap:
        surfaces = band_edge_surfaces(bands, true.kpoints, cell, n_electrons=material.mesh.n_electrons)
    else:
        # Bands are numbered from the valence shells on, as in the prediction.
        deeper = round(0.5 * (material.mesh.n_electrons - found.n_electrons))
        surfaces = band_surfaces(bands[:, max(0, deeper) :], true.kpoints, cell)
    return {
        "lines": lines,
        "line-surfaces": isosurface_figure({"DFT": surfaces, "predicted": found.surfaces()}, cell),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="tight-binding", help="file, or name of a shipped model")
    parser.add_argument("--folder", type=Path, default=HERE / "output")
    given = parser.parse_args()
    model = load_crystal_model(given.model)
    assert isinstance(model, TightBindingRegressor)
    test = crystal_parts(model)[2]
    given.folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for page, material, off in chosen(model, test):
        gap = band_structure(model, material.atoms, n_path=40, spread=False, allow_unknown=True).gap
        rows.append(
            {
                "page": page,
                "material": material.name,
                "gap (eV)": round(material.gap, 3),
                "predicted gap (eV)": round(gap, 3),
                "error of the bands (eV)": round(off, 3),
            }
        )
        print(f"{page}: {material.name}, {off:.3f} eV", flush=True)
        for name, figure in draw(model, material).items():
            save_figure(figure, given.folder / f"{page}-{name}", overwrite=True)
    save_table(given.folder / "lines.csv", rows, overwrite=True)


if __name__ == "__main__":
    main()
