"""What bounds the error: labels, zero of energy, size of the cells, and number of environments.

    python benchmarks/error_bounds.py

At 0.3 eV, on the energies of ``descriptors.py``, groups left out whole:

- labels: the label noise of each set, with the zero of energy of each run, and with that of the finer run for both: the
  difference is what the uncertain Fermi level adds (data/SET/noise/label_noise.json);
- cells: error of the default model on silicon by the number of atoms of the cell, five folds pooled;
- paper: the default model on 40 % of silicon as the LDOS paper measures (its table I: a smearing of 0.5 eV, single
  atoms split at random, and the mean over atoms of each atom's loss), one difference after another;
- curve: learning curves of SOAP alone and of SOAP beside tight binding, five folds, and their slopes.
"""

import json
from pathlib import Path

import machine
import numpy as np
from descriptors import SETS, load, scaled
from reference_sets import QUICK_FRACTION, load_part

from ldosml import SOAP, DOSModel, Joined, LDOSKernelRidge, TightBindingSpectrum, Whitened
from ldosml.studies import Setup, learning_curve, predict_left_out, spaced_sizes
from ldosml.studies.folds import as_environments, descriptor_rows, evaluated_folds, pooled

PARTS = ("labels", "cells", "paper", "curve")
DATA = Path(__file__).resolve().parents[1] / "data"
WIDTH = 0.3  # eV


def settings(r_cut: float) -> dict[str, object]:
    """Descriptors by name; tight binding has the same weight as SOAP in compounds, and half of it in silicon."""
    soap, weight = Whitened(SOAP(r_cut=r_cut)), 0.5 if r_cut == SETS["silicon"][0] else 1.0
    return {"SOAP": soap, "SOAP + tight binding": Joined([soap, scaled(TightBindingSpectrum())], weights=[1.0, weight])}


def labels(results: machine.Results, given) -> None:
    """Label noise, all of it and without the zero of energy, relative to the structures that it was measured on."""
    for name in SETS:
        noise = json.loads((DATA / name / "noise" / "label_noise.json").read_text())
        place, data = noise["smearing_width"].index(WIDTH), load(name, given.quick)
        row: dict[str, object] = {"set": name, "structures": len(data), "environments": len(data.numbers)}
        for quantity in ("ldos", "dos"):
            row[f"noise, {quantity}"] = noise[quantity][place]
            row[f"same zero, {quantity}"] = noise[f"{quantity}_same_zero"][place]
        row["largest noise of a structure, dos"] = max(noise["dos_by_structure_at_0.3"].values())
        results.add("label noise at 0.3 eV", row)


def cells(results: machine.Results, given) -> None:
    """Errors on silicon by the number of atoms of a cell."""
    _, low, high = SETS["silicon"]
    data = load_part(QUICK_FRACTION, smearing_width=WIDTH) if given.quick else load("silicon", quick=False)
    folds = data.folds(given.folds, random_state=0)
    evaluation = predict_left_out(data, DOSModel(low=low, high=high), folds)
    true, predicted = evaluation.true, evaluation.predicted
    error, deviation = np.mean((predicted.values - true.values) ** 2, axis=1), true.values.std()
    sizes = np.asarray(true.n_atoms)[true.structure_index]
    for size in np.unique(sizes):
        rows = sizes == size
        loss = float(np.sqrt(error[rows].mean()) / deviation)
        row = {"atoms": int(size), "environments": int(rows.sum()), "LDOS": loss}
        results.add(
            "silicon by size of the cell", row | {"share of the squared error": error[rows].sum() / error.sum()}
        )


def paper(results: machine.Results, given) -> None:
    """Errors on a part of silicon by pooled or mean losses, groups or single atoms left out, at 0.3 and 0.5 eV."""
    _, low, high = SETS["silicon"]
    for width in (WIDTH, 0.5):
        data = load_part(*[QUICK_FRACTION] * given.quick, smearing_width=width)
        model = DOSModel(low=low, high=high)
        rows = descriptor_rows(data, model)
        for left_out, parts in (("groups", data), ("single atoms", as_environments(data))):
            folds = parts.folds(given.folds, random_state=0)
            evaluation = pooled([each for _, each in evaluated_folds(parts, model, folds, rows)], folds)
            true, predicted = evaluation.true.values, evaluation.predicted.values
            losses = np.sqrt(np.mean((predicted - true) ** 2, axis=1)) / true.std()
            row = {"smearing (eV)": width, "left out": left_out, "L/sigma": float(np.sqrt(np.mean(losses**2)))}
            results.add("silicon, as the LDOS paper measures", row | {"mean loss of an atom": float(losses.mean())})


def curve(results: machine.Results, given) -> None:
    """Learning curves, and the slope of log(L/sigma) against log(environments)."""
    for name in given.sets:
        r_cut, low, high = SETS[name]
        data = load_part(0.15, smearing_width=WIDTH) if given.quick else load(name, quick=False)
        sizes = spaced_sizes(data, 2 if given.quick else 5, given.folds, random_state=0)
        for label, descriptor in settings(r_cut).items():
            model = DOSModel(descriptor, low=low, high=high)
            setup = Setup(n_splits=given.folds, random_state=0)
            found = learning_curve(data, sizes, model, {"ldos": LDOSKernelRidge()}, setup=setup)
            for record in found.records():
                if record["fold"] == "all" and record["quantity"] in ("ldos", "dos"):
                    row = {"descriptor": label, "environments": record["n_environments"]}
                    row |= {"quantity": record["quantity"], "L/sigma": record["loss"]}
                    results.add(f"learning curve of {name}", row)
            for quantity in ("ldos", "dos"):
                slope, deviation = found.slope("ldos", quantity)
                row = {"set": name, "descriptor": label, "quantity": quantity}
                results.add("slopes", row | {"slope": slope, "over folds": deviation})


def main(arguments=None) -> None:
    parser = machine.parser(__doc__)
    parser.add_argument("parts", nargs="*", choices=(*PARTS, []), metavar="PART", help=f"{', '.join(PARTS)}; all")
    parser.add_argument("--sets", nargs="*", choices=list(SETS), default=["silicon", "tin-chalcogenides"])
    parser.add_argument("--folds", type=int, default=5)
    given = parser.parse_args(arguments)
    if given.quick:
        given.folds, given.sets = 2, ["silicon"]
    results = machine.Results(__file__, given)
    for part in given.parts or PARTS:
        {"labels": labels, "cells": cells, "paper": paper, "curve": curve}[part](results, given)


if __name__ == "__main__":
    main()
