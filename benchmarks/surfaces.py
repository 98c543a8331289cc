"""What a model of bulk silicon knows of slabs and clusters, and what it learns from them.

    python benchmarks/surfaces.py

The default model on the shipped sets ``silicon`` and ``silicon-surfaces`` at a smearing of 0.3 eV, joined with the zero
at the Fermi level. L/sigma of LDOS and of DOS per atom (equation 15 of the LDOS paper) from E_F - 14 to E_F + 5 eV;
sigma is that of the structures of the row:

- bulk: trained on the silicon set, evaluated on slabs and clusters, beside the mean spectrum of the silicon set and
  their own;
- both: folds of both sets together, which leave out whole groups, and the RMSE of the chemical potential at 300 K;
- ranges: the errors of these folds below the Fermi level, above it, and where free states begin.
"""

import warnings

import machine
import numpy as np
from reference_sets import QUICK_FRACTION, load_part

from ldosml import DOSModel, Evaluation, LDOSDataset, load_dataset
from ldosml.datasets import join_alike
from ldosml.metrics import normalized_loss
from ldosml.studies import predict_left_out

WIDTH = 0.3  # eV
LOW, HIGH = -14.0, 5.0  # eV against the Fermi level
RANGES = ((LOW, 0.0), (0.0, 4.0), (4.0, HIGH))
TEMPERATURE = 300.0  # K
MODEL = DOSModel(high=HIGH)
VACUUM = ("slab", "cluster")


def of_kind(evaluation: Evaluation, kind: str) -> Evaluation:
    """Give the structures of one kind; "bulk" is everything without vacuum."""
    found = [kind == ("bulk" if own not in VACUUM else own) for own in evaluation.kinds]
    return Evaluation(
        true=evaluation.true.select(found),
        predicted=evaluation.predicted.select(found),
        names=[name for name, taken in zip(evaluation.names, found, strict=True) if taken],
        kinds=[own for own, taken in zip(evaluation.kinds, found, strict=True) if taken],
        n_electrons=evaluation.n_electrons[found],
    )


def errors(evaluation: Evaluation) -> dict[str, float]:
    """L/sigma of the predictions, and of always predicting the mean spectrum of these structures."""
    losses, row = evaluation.losses(), {}
    for key, name in (("ldos", "LDOS"), ("dos", "DOS")):
        row[name] = losses[f"{key}_normalized_loss"]
        row[f"{name}, own mean spectrum"] = losses[f"{key}_mean_spectrum_loss"]
    return row


def errors_of_mean(evaluation: Evaluation, bulk: LDOSDataset) -> dict[str, float]:
    """L/sigma of always predicting the mean spectrum of the bulk."""
    grid = evaluation.predicted.grid
    bulk = bulk.refer_to("fermi", grid.start, grid.stop)
    pairs = {
        "LDOS": (evaluation.true.values, bulk.ldos.values),
        "DOS": (evaluation.dos()[0].per_atom(), bulk.dos.per_atom()),
    }
    return {
        f"{name}, mean spectrum of the bulk": normalized_loss(true, np.broadcast_to(known.mean(axis=0), true.shape))
        for name, (true, known) in pairs.items()
    }


def main(arguments=None) -> None:
    parser = machine.parser(__doc__)
    parser.add_argument("--folds", type=int, default=5)
    given = parser.parse_args(arguments)
    warnings.simplefilter("ignore")  # of dips below zero, which are repaired
    if given.quick:
        given.folds = 2
    results = machine.Results(__file__, given)
    silicon = load_part(QUICK_FRACTION) if given.quick else load_dataset("silicon")
    data = join_alike([silicon, load_dataset("silicon-surfaces")], WIDTH, "fermi")
    print(data)
    vacuum = np.isin(data.kinds, VACUUM)
    bulk = data.select(~vacuum)
    known = MODEL.fit(bulk).evaluate(data.select(vacuum)).cut(LOW, HIGH)
    for kind in VACUUM:
        part = of_kind(known, kind)
        row = {"kind": kind, "structures": len(part.names), **errors(part), **errors_of_mean(part, bulk)}
        results.add("trained on the bulk", row)
    whole = predict_left_out(data, MODEL, data.folds(given.folds, random_state=0))
    parts = {kind: of_kind(whole, kind) for kind in ("bulk", *VACUUM)}
    for kind, part in parts.items():
        true, predicted = (table.column("chemical_potential") for table in part.properties(TEMPERATURE))
        row = {"kind": kind, "structures": len(part.names), **errors(part.cut(LOW, HIGH))}
        row["mu, RMSE (eV)"] = float(np.sqrt(np.mean((predicted - true) ** 2)))
        results.add("folds of both sets", row)
    for kind, part in parts.items():
        for low, high in RANGES:
            row = {"kind": kind, "from (eV)": low, "to (eV)": high, **errors(part.cut(low, high))}
            results.add("folds of both sets, by range of energy", row)


if __name__ == "__main__":
    main()
