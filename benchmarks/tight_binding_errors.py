"""Errors of the bands of tight binding against DFT, by energy, for crystals outside the fit.

    python benchmarks/tight_binding_errors.py [--crystals crystals]

Universal parameters, and parameters fitted to the training part of the split by composition. Errors are for ten
k-points of each crystal of the validation and test part, with energies relative to the respective Fermi level.
"""

from dataclasses import replace

import machine
import numpy as np

from ldosml.datasets import CrystalSet, load_crystals, split_crystals
from ldosml.kresolved import CrystalBands
from ldosml.neural import Crystal, primitive_kpoints, standardized
from ldosml.neural.tight_binding import CrystalTightBinding
from ldosml.neural.tight_binding_fit import fit_tight_binding
from ldosml.tightbinding import TightBindingParameters

N_KPOINTS = 10
AWAY = 20.0  # eV; universal tight binding puts unbound shells above
WINDOWS = ((-10.0, 10.0), (-10.0, -2.0), (-2.0, 2.0), (2.0, 5.0), (5.0, 10.0))  # eV against the Fermi level


def placed(part: CrystalSet) -> list[tuple[Crystal, CrystalBands]]:
    """Standardised crystals, and their bands with k-points in the same cell."""
    return [
        (standardized(atoms), replace(bands, kpoints=primitive_kpoints(atoms, bands.kpoints)))
        for atoms, bands in zip(part.crystals, part.bands, strict=True)
    ]


def errors(crystal: Crystal, bands: CrystalBands, parameters: TightBindingParameters) -> list[float]:
    """Mean absolute error in each of ``WINDOWS``, eV; bands are matched by the number of electrons below them."""
    model = CrystalTightBinding(crystal, parameters)
    chosen = np.random.default_rng(0).permutation(len(bands))[:N_KPOINTS]
    beyond = round((bands.n_electrons - model.n_electrons) / 2)
    true = np.sort(bands.relative[chosen], axis=1)[:, max(0, beyond) :]
    predicted = model.eigenvalues(bands.kpoints[chosen])[:, max(0, -beyond) :] - model.fermi_energy(*model.on_mesh())
    n = min(true.shape[1], predicted.shape[1])
    off, known = np.abs(predicted[:, :n] - true[:, :n]), true[:, :n]
    has = predicted[:, :n] < AWAY
    parts = [off[has & (known > low) & (known < high)] for low, high in WINDOWS]
    return [float(part.mean()) if part.size else float("nan") for part in parts]


def main(arguments=None) -> None:
    parser = machine.parser(__doc__)
    parser.add_argument("--crystals", default="crystals", help="file, or name of the set that ships with ldosml")
    given = parser.parse_args(arguments)
    results = machine.Results(__file__, given)
    parts = split_crystals(load_crystals(given.crystals))
    if given.quick:
        parts = tuple(part[np.arange(4)] for part in parts)
    training, *others = (placed(part) for part in parts)
    seconds, fitted = machine.timed(lambda: fit_tight_binding(*zip(*training, strict=True)))
    results.add("fit", {"crystals": len(training), "seconds": seconds})
    for name, parameters in (("universal", TightBindingParameters.universal()), ("fitted", fitted)):
        found = np.array([errors(*pair, parameters) for part in others for pair in part])
        row: dict[str, object] = {"tight binding": name, "crystals": len(found)}
        for (low, high), column in zip(WINDOWS, found.T, strict=True):
            row[f"{low:g} to {high:g} eV"] = float(np.nanmean(column))
            row[f"{low:g} to {high:g} eV, median"] = float(np.nanmedian(column))
        results.add("mean absolute error of the bands by energy, mean over crystals (eV)", row)


if __name__ == "__main__":
    main()
