"""Errors on the shipped silicon set: five folds that keep trajectories whole, beside the noise of the labels.

    python benchmarks/silicon_folds.py

L/sigma of LDOS and of DOS per atom (equation 15 of the LDOS paper), and the RMSE of the chemical potential at 300 K,
pooled over the folds, from E_F - 14 to E_F + 5 eV:

- widths: the default model at several smearing widths (``descriptors.py`` compares it with SOAP alone);
- points: the default model on 1,000 and 2,000 inducing points at 0.3 eV, on 40 % of the set and on all of it.
"""

import machine
import numpy as np
from reference_sets import QUICK_FRACTION, load_part
from sklearn.base import clone

from ldosml import DOSModel, Evaluation, SparseLDOSKernelRidge, load_dataset
from ldosml.datasets.noise import label_noise_at
from ldosml.search.expression import expression
from ldosml.studies.folds import DescriptorRows, descriptor_rows, evaluated_folds
from ldosml.studies.folds import pooled as join_folds

LOW, HIGH = -14.0, 5.0  # eV against the Fermi level
TEMPERATURE = 300.0  # K
PARTS = ("widths", "points")


ROWS: dict[tuple[str, ...], DescriptorRows | None] = {}
"""What a descriptor computes from each structure alone, which is the same for all widths."""


def left_out(data, model: DOSModel, n_splits: int, zero="fermi", high=HIGH) -> Evaluation:
    """Predict every structure with a model of the other folds, from the first states on."""
    model, folds = clone(model).set_params(zero=zero, high=high), data.folds(n_splits, random_state=0)
    key = (expression(model.new_descriptor(data.structures)), *data.names)
    if key not in ROWS:
        ROWS[key] = descriptor_rows(data, model)
    parts = [evaluation for _, evaluation in evaluated_folds(data, model, folds, ROWS[key])]
    return join_folds(parts, folds)


def pooled(evaluation: Evaluation) -> dict[str, float]:
    """L/sigma of LDOS and DOS per atom over all folds, and L/sigma of always predicting the mean spectrum."""
    losses, result = evaluation.losses(), {}
    for key, name in (("ldos", "LDOS"), ("dos", "DOS")):
        result[name] = losses[f"{key}_normalized_loss"]
        result[f"{name}, mean spectrum"] = losses[f"{key}_mean_spectrum_loss"]
    return result


def mu_error(evaluation: Evaluation) -> dict[str, float]:
    """RMSE of the chemical potential, from all states."""
    true, predicted = (table.column("chemical_potential") for table in evaluation.properties(TEMPERATURE))
    return {"mu, RMSE (eV)": float(np.sqrt(np.mean((predicted - true) ** 2)))}


def widths(results: machine.Results, given, load) -> None:
    """Errors at each width, and the structures that are predicted worst."""
    worst: list[dict] = []
    for width in given.widths:
        data = load(smearing_width=width)
        seconds, whole = machine.timed(lambda data=data: left_out(data, DOSModel(), given.folds))
        evaluation = whole.cut(LOW, HIGH)
        noise = label_noise_at(data.label_noise, width, evaluation.predicted.grid, evaluation.deviations()) or {}
        row = {"width (eV)": width, **pooled(evaluation), **mu_error(whole)}
        row |= {f"label noise, {quantity}": value for quantity, value in noise.items()} | {"seconds": seconds}
        results.add("L/sigma by smearing width", row)
        if width == 0.3:
            worst = sorted(evaluation.by_structure(), key=lambda row: -row["dos_loss"])[:12]
    for row in worst:
        results.add("worst DOS at 0.3 eV", {name: row[name] for name in ("name", "n_atoms", "dos_loss")})


def points(results: machine.Results, given, load) -> None:
    """Inducing points on the part of the set on which dense kernels are compared, and on the whole set."""
    counts = (100,) if given.quick else (1000, 2000)
    models = {f"{count:,} points": DOSModel(regressor=SparseLDOSKernelRidge(n_inducing=count)) for count in counts}
    part = load(smearing_width=0.3) if given.quick else load_part(smearing_width=0.3)
    for data in (part, load(smearing_width=0.3)):
        every = {} if data is not part else {"all environments": DOSModel()}  # of the whole set: part "widths"
        for name, model in {**models, **every}.items():
            whole = left_out(data, model, given.folds)
            row = {"structures": len(data), "model": name, **pooled(whole.cut(LOW, HIGH)), **mu_error(whole)}
            results.add("L/sigma by inducing points", row)


def main(arguments=None) -> None:
    parser = machine.parser(__doc__)
    parser.add_argument(
        "parts", nargs="*", choices=(*PARTS, []), metavar="PART", help=f"{', '.join(PARTS)}; default: all"
    )
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--widths", type=float, nargs="+", default=[0.1, 0.2, 0.3, 0.5], help="eV")
    given = parser.parse_args(arguments)
    load = lambda **options: load_dataset("silicon", **options)  # noqa: E731
    if given.quick:
        given.widths, given.folds = [0.3], 2
        load = lambda **options: load_part(QUICK_FRACTION, **options)  # noqa: E731
    results = machine.Results(__file__, given)
    print(load())
    for part in given.parts or PARTS:
        {"widths": widths, "points": points}[part](results, given, load)


if __name__ == "__main__":
    main()
