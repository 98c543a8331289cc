"""Bands of silicon from another code, compared with the shipped crystals and with a model.

    python crystal_figures/outside_silicon.py FOLDER [MODEL] [--folder crystal_figures/output]

FOLDER contains kpath.0.npz (eigenvalues (1, n_kpoints, n_bands), eV; kpoints (n_kpoints, 3), fractions) and kpath.0.xyz
of two atoms, as in DeePTB's example of silicon. Eigenvalues are compared at common k-points, up to symmetry, with the
valence edges at zero. The model predicts their crystal along their path.
"""

import argparse
from pathlib import Path

import numpy as np
from ase.io import read

from ldosml.datasets import crystal_parts
from ldosml.kresolved import CrystalBands, KPath
from ldosml.kresolved.evaluation.reliability import log_losses
from ldosml.kresolved.meshes import irreducible
from ldosml.neural import KOccupancyRegressor, load_crystal_model, primitive_kpoints, standardized
from ldosml.neural.crystals import point_group
from ldosml.plotting import band_figure, save_figure

HERE = Path(__file__).resolve().parent
FILLED = 4
CORNERS = "GXUKGLWX"  # of their path; a jump from U to K
HIGHEST = 4.0  # eV above the valence edge, up to which eigenvalues are compared: above, their basis ends


def read_theirs(folder: Path):
    """Their crystal, and their bands against the middle of their gap."""
    atoms = read(folder / "kpath.0.xyz")
    atoms.numbers[:] = 14  # the file calls its atoms S and Si
    with np.load(folder / "kpath.0.npz") as file:
        kpoints, values = file["kpoints"].astype(float), np.sort(file["eigenvalues"][0], axis=1)
    top, bottom = values[:, FILLED - 1].max(), values[:, FILLED].min()
    bands = CrystalBands(
        kpoints, values, None, 0.5 * (top + bottom), values[:, -1].min(), 2.0 * FILLED, max(0.0, bottom - top)
    )
    return atoms, bands


def compare(atoms, theirs: CrystalBands, ours) -> None:
    """Print the difference of eigenvalues at common k-points."""
    kpoints = primitive_kpoints(atoms, theirs.kpoints), primitive_kpoints(ours.atoms, ours.bands.kpoints)
    _, _, inverse = irreducible(np.concatenate(kpoints).round(4), point_group(standardized(ours.atoms)))
    class_of_theirs, class_of_ours = np.split(inverse, [len(kpoints[0])])
    pairs = [
        (i, int(np.flatnonzero(class_of_ours == equivalent)[0]))
        for i, equivalent in enumerate(class_of_theirs)
        if equivalent in class_of_ours
    ]
    i, j = np.array(pairs).T
    values = [
        np.sort(bands.eigenvalues, axis=1)[rows] - np.sort(bands.eigenvalues, axis=1)[:, FILLED - 1].max()
        for bands, rows in ((theirs, i), (ours.bands, j))
    ]
    n = min(v.shape[1] for v in values)
    first, second = (v[:, :n] for v in values)
    known = (first < HIGHEST) & (second < HIGHEST)
    apart = np.abs(first - second)[known]
    print(f"{len(i)} common k-points: mean difference {apart.mean():.3f} eV, at most {apart.max():.3f} eV")
    print(f"gap: theirs {theirs.gap:.3f} eV, ours {ours.gap:.3f} eV (PBE; ours at its own lattice constant)")


def ask(model: KOccupancyRegressor, atoms, theirs: CrystalBands):
    """Print the errors of the model for their bands, and draw both."""
    found = model.predict([atoms], theirs.kpoints)[0]
    known = theirs.known_bins(found.grid)
    presence = theirs.labels(found.grid)
    losses = log_losses(presence, found.probabilities)[:, known]
    flat = log_losses(presence, np.broadcast_to(presence.mean(axis=0), presence.shape))[:, known]
    print(
        f"model: gap {model.gap(found).gap:.2f} eV; log loss of a bin {losses.mean():.3f}, of the mean over k-points "
        f"{flat.mean():.3f}"
    )
    turns = np.flatnonzero(np.abs(np.diff(theirs.kpoints, 2, axis=0)).max(axis=1) > 1e-3) + 1
    places = [0, *turns.tolist(), len(theirs) - 1]
    path = KPath(theirs.kpoints, np.asarray(atoms.cell), tuple(zip(places, CORNERS, strict=True)))
    return band_figure(found, path, bands=theirs.relative, bands_label="eigenvalues of the other code")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with kpath.0.npz and kpath.0.xyz")
    parser.add_argument("model", nargs="?", default="crystals", help="file, or name of a shipped model")
    parser.add_argument("--folder", type=Path, default=HERE / "output")
    given = parser.parse_args()
    atoms, theirs = read_theirs(given.data)
    model = load_crystal_model(given.model)
    parts = crystal_parts(model)
    names = ("training", "validation", "test")
    name, part = next((n, p) for n, p in zip(names, parts, strict=True) if "diamond-Si" in p.names)
    compare(atoms, theirs, part["diamond-Si"])
    print(f"silicon is in the {name} part of the model")
    given.folder.mkdir(parents=True, exist_ok=True)
    save_figure(ask(model, atoms, theirs), given.folder / "outside-silicon", overwrite=True)


if __name__ == "__main__":
    main()
