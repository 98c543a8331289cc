"""Bands, DOS and isosurfaces of TiAlCu2 and SrZrO3, as figures 2 to 4 of Park et al.

    python crystal_figures/paper_examples.py MODEL [--folder crystal_figures/output]

MODEL is a file of a model that was trained without them (``--held-out``, see crystal_figures/README.md); the shipped
model was trained with both. Surfaces, from DFT and predicted, are from 21x21x21 k-points.
"""

import argparse
from pathlib import Path

from pages import HERE, draw_bands, draw_surfaces

from ldosml.datasets import CrystalSet
from ldosml.neural import KOccupancyRegressor
from ldosml.plotting import save_figure

DENSE = HERE.parent / "data" / "crystals" / "dense.npz"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--folder", type=Path, default=HERE / "output")
    given = parser.parse_args()
    model, shown = KOccupancyRegressor.load(given.model), CrystalSet.load(DENSE)
    learned = sorted(set(shown.names) & set(model.training_["names"]))
    if learned:
        parser.error(f"{given.model} was trained on {', '.join(learned)}; train a model with these held out.")
    given.folder.mkdir(parents=True, exist_ok=True)
    for material in shown:
        name = f"paper-{material.formula}"
        save_figure(draw_bands(model, material), given.folder / f"{name}-bands", overwrite=True)
        save_figure(draw_surfaces(model, material), given.folder / f"{name}-surfaces", overwrite=True)
        print(name, flush=True)


if __name__ == "__main__":
    main()
