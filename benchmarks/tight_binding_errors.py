"""How far bands of tight binding are from DFT, by energy, for crystals that it was not fitted to.

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

N_KPOINTS = 10
AWAY = 20.0  # eV: further up are shells that universal tight binding does without
WINDOWS = ((-10.0, 10.0), (-10.0, -2.0), (-2.0, 2.0), (2.0, 5.0), (5.0, 10.0))  # eV against the Fermi level


def placed(part: CrystalSet) -> list[tuple[Crystal, CrystalBands]]:
    """Standardised crystals, and their bands with k-points in these."""
    return [
        (standardized(atoms), replace(bands, kpoints=primitive_kpoints(atoms, bands.kpoints)))
        for atoms, bands in zip(part.crystals, part.bands, strict=True)
    ]


def errors(crystal: Crystal, bands: CrystalBands, parameters: TightBindingParameters) -> list[float]:
    """Mean absolute error in each of ``WINDOWS``, eV, of bands that are matched by the electrons below them."""
    model = TightBinding(crystal, parameters)
    chosen = np.random.default_rng(0).permutation(len(bands))[:N_KPOINTS]
    beyond = round((bands.n_electrons - model.n_electrons) / 2)
    there = np.sort(bands.relative[chosen], axis=1)[:, max(0, beyond) :]
    here = model.eigenvalues(bands.kpoints[chosen])[:, max(0, -beyond) :] - model.fermi_energy(*model.on_mesh())
    n = min(there.shape[1], here.shape[1])
    off, known = np.abs(here[:, :n] - there[:, :n]), there[:, :n]
    has = here[:, :n] < AWAY
    parts = [off[has & (known > low) & (known < high)] for low, high in WINDOWS]
    return [float(part.mean()) if part.size else float("nan") for part in parts]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crystals", default="crystals", help="file, or name of the set that ships with ldosml")
    given = parser.parse_args()
    training, *others = (placed(part) for part in split_crystals(open_crystals(given.crystals)))
    start = time.perf_counter()
    fitted = fit_tight_binding(*zip(*training, strict=True))
    print(machine.describe(), f"fitted to {len(training)} crystals in {time.perf_counter() - start:.0f} s", sep="\n")
    print("mean over crystals, median, eV:", *(f"{low:g} to {high:g} eV" for low, high in WINDOWS), sep="  ")
    for name, parameters in (("universal", TightBindingParameters.universal()), ("fitted", fitted)):
        found = np.array([errors(*pair, parameters) for part in others for pair in part])
        told = (
            f"{mean:.2f}, {median:.2f}"
            for mean, median in zip(np.nanmean(found, 0), np.nanmedian(found, 0), strict=True)
        )
        print(f"{name}, {len(found)} crystals:", *told, sep="  ")


if __name__ == "__main__":
    main()
