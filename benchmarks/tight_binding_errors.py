"""How far bands of tight binding are from DFT, E_F - 10 to E_F + 5 eV, for crystals that it was not fitted to.

    python benchmarks/tight_binding_errors.py [--crystals crystals]

Universal parameters, and those fitted to the training part by composition; judged on validation and test part, ten
k-points of each crystal, each against its own Fermi level.
"""

import argparse
import time
from dataclasses import replace

import machine
import numpy as np

from ldosml.datasets import CrystalSet, open_crystals, split_crystals
from ldosml.kresolved import CrystalBands
from ldosml.neural import Crystal, primitive_kpoints, standardized
from ldosml.neural.tight_binding import TightBinding, TightBindingParameters
from ldosml.neural.tight_binding_fit import fit_tight_binding

LOW, HIGH, N_KPOINTS = -10.0, 5.0, 10


def placed(part: CrystalSet) -> list[tuple[Crystal, CrystalBands]]:
    """Standardised crystals, and their bands with k-points in these."""
    return [
        (standardized(atoms), replace(bands, kpoints=primitive_kpoints(atoms, bands.kpoints)))
        for atoms, bands in zip(part.crystals, part.bands, strict=True)
    ]


def error(crystal: Crystal, bands: CrystalBands, parameters: TightBindingParameters) -> float:
    """Mean absolute error, eV, of bands that are matched by the electrons below them."""
    model = TightBinding(crystal, parameters)
    chosen = np.random.default_rng(0).permutation(len(bands))[:N_KPOINTS]
    beyond = round((bands.n_electrons - model.n_electrons) / 2)
    there = np.sort(bands.relative[chosen], axis=1)[:, max(0, beyond) :]
    here = model.eigenvalues(bands.kpoints[chosen])[:, max(0, -beyond) :] - model.fermi_energy(*model.on_mesh())
    n = min(there.shape[1], here.shape[1])
    counted = (there[:, :n] > LOW) & (there[:, :n] < HIGH)
    return float(np.abs(here[:, :n] - there[:, :n])[counted].mean()) if counted.any() else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crystals", default="crystals", help="file, or name of the set that ships with ldosml")
    given = parser.parse_args()
    training, *others = (placed(part) for part in split_crystals(open_crystals(given.crystals)))
    start = time.perf_counter()
    fitted = fit_tight_binding(*zip(*training, strict=True))
    print(machine.describe(), f"fitted to {len(training)} crystals in {time.perf_counter() - start:.0f} s", sep="\n")
    for name, parameters in (("universal", TightBindingParameters.universal()), ("fitted", fitted)):
        errors = [error(*pair, parameters) for part in others for pair in part]
        print(f"{name}: {np.nanmean(errors):.2f} eV, median {np.nanmedian(errors):.2f} eV, {len(errors)} crystals")


if __name__ == "__main__":
    main()
