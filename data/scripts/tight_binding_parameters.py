"""Copy the fitted tight binding of the shipped network into a readable file, which needs no PyTorch.

    python data/scripts/tight_binding_parameters.py ldosml/tightbinding/fitted.json --overwrite

Run it in an environment with ldosml and its extra neural (or with PYTHONPATH=. at the top of the repository).
``ldosml train-occupancy crystals`` fits tight binding to the bands of its training crystals before it trains the
network; the weights keep the fit.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import ldosml
from ldosml.neural import KOccupancyRegressor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, help="JSON file to write")
    parser.add_argument("--weights", type=Path, default=Path(__file__).resolve().parents[1] / "crystals.safetensors")
    parser.add_argument("--overwrite", action="store_true")
    given = parser.parse_args()
    model = KOccupancyRegressor.load(given.weights)
    training = model.training_
    provenance = {
        "script": "data/scripts/tight_binding_parameters.py",
        "weights": f"data/{given.weights.name}",
        "fit": f"bands of {len(training['names'])} crystals of data/{training['crystals']}.npz from E_F - 10 to "
        "E_F + 10 eV: ldosml.neural.tight_binding_fit",
        "split": training["split"],
        "levels": "PBE atoms, from GPAW's setups: data/scripts/atomic_levels.py",
        "ldosml": ldosml.__version__,
    }
    model.network_.tight_binding.save(given.output, model.elements_, provenance, overwrite=given.overwrite)


if __name__ == "__main__":
    main()
