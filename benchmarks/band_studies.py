"""Ablations of learned tight binding, and its learning curve, each with several seeds.

    OMP_NUM_THREADS=1 python benchmarks/band_studies.py [--sets crystals more-crystals --test-size 0.1 0.3]

Every training is of one network from the same fitted parameters, with the same split by composition; the seed is of its
weights and draws. Scores are in the validation part, which also chose the epoch, so they compare and promise nothing.
The learning curve trains on the first crystals of one random order, with the same number of steps for all.
"""

import time
from dataclasses import dataclass, field
from typing import Any

import machine
import numpy as np
from band_errors import band_scores, predicted

from ldosml.datasets import CrystalSet, load_crystals, split_crystals
from ldosml.neural import CorrectionConfig, TightBindingRegressor, best_epoch, standardized
from ldosml.neural.inputs import place_bands
from ldosml.neural.tight_binding_fit import fit_tight_binding
from ldosml.tightbinding import TightBindingParameters

WIDTH = 0.2  # eV, of states in the log loss, which is not shown


@dataclass(frozen=True)
class Variant:
    """What differs from the shipped settings."""

    config: CorrectionConfig | None = None
    options: dict[str, Any] = field(default_factory=dict)
    n_crystals: int | None = None


ABLATIONS = {
    "all": Variant(),
    "no fields": Variant(CorrectionConfig(fields=False)),
    "no messages": Variant(CorrectionConfig(n_layers=0)),
    "two messages": Variant(CorrectionConfig(n_layers=2)),
    "width 32": Variant(CorrectionConfig(d=32)),
    "no gap in the loss": Variant(options={"gap_weight": 0.0}),
    "penalty 1e-3": Variant(options={"penalty": 1e-3}),
}


def scores(model: TightBindingRegressor, part: CrystalSet) -> dict[str, float]:
    """Scores of a model in a part."""
    found = [predicted(one, model.tight_binding(standardized(one.atoms).atoms(), allow_unknown=True)) for one in part]
    estimates = band_scores(part, [[bands] for bands in found], WIDTH)
    return {name: one.value for name, one in estimates.items() if name != "log loss of a bin"}


def train(
    variant: Variant,
    seed: int,
    epochs: int,
    start: TightBindingParameters,
    training: CrystalSet,
    validation: CrystalSet,
) -> dict[str, float]:
    """Train one network; its scores in validation, and processor time."""
    n = len(training) if variant.n_crystals is None else variant.n_crystals
    part = training[np.sort(np.random.default_rng(0).permutation(len(training))[:n])]
    model = TightBindingRegressor(
        variant.config,
        start=start,
        n_networks=1,
        n_epochs=round(epochs * len(training) / n),  # the same number of steps
        random_state=seed,
        **variant.options,
    )
    seconds, _ = machine.timed(
        lambda: model.fit(part.crystals, part.bands, validation=(validation.crystals, validation.bands)),
        time.process_time,
    )
    loss = best_epoch(model.history_[0]).validation_loss
    return {"validation loss": loss, **scores(model, validation), "minutes": seconds / 60}


def add(results: machine.Results, table: str, name: str, runs: list[dict[str, float]]) -> None:
    """A row of the mean over seeds, and the standard deviation of one seed."""
    row: dict[str, object] = {"variant": name, "seeds": len(runs)}
    for key in runs[0]:
        values = [run[key] for run in runs]
        row[key] = float(np.mean(values))
        if key != "minutes":
            row[f"{key}, deviation"] = float(np.std(values, ddof=1)) if len(values) > 1 else None
    results.add(table, row)


def main(arguments=None) -> None:
    parser = machine.parser(__doc__)
    parser.add_argument("--sets", nargs="+", default=["crystals", "more-crystals"], help="sets of crystals")
    parser.add_argument("--test-size", type=float, nargs="+", default=[0.1, 0.3], help="of each set")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--epochs", type=int, default=12, help="with all training crystals")
    parser.add_argument("--sizes", type=int, nargs="*", default=[100, 200, 400], help="of the learning curve")
    parser.add_argument("--only", nargs="*", choices=ABLATIONS, default=list(ABLATIONS))
    given = parser.parse_args(arguments)
    results = machine.Results(__file__, given)
    training, validation, _ = split_crystals([load_crystals(name) for name in given.sets], test_size=given.test_size)
    seeds, epochs, sizes, only = given.seeds, given.epochs, given.sizes, given.only
    if given.quick:
        training, validation = training[:12], validation[:4]
        seeds, epochs, sizes, only = [0], 1, [6], ["all"]
    placed = place_bands(training.crystals, training.bands)
    start = fit_tight_binding([crystal for crystal, _ in placed], [bands for _, bands in placed])
    tasks = [("ablation", name, ABLATIONS[name]) for name in only]
    tasks += [("learning curve", str(size), Variant(n_crystals=size)) for size in sizes if size < len(training)]
    for table, name, variant in tasks:
        runs = [train(variant, seed, epochs, start, training, validation) for seed in seeds]
        add(results, table, name, runs)
        if name == "all":
            add(results, "learning curve", str(len(training)), runs)


if __name__ == "__main__":
    main()
