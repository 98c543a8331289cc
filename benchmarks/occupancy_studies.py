"""Ablations of the neural model, and its learning curve, with several seeds.

    python benchmarks/occupancy_studies.py ablation [--seeds 0 1] [--epochs 40] [--only mixing bloch]
    python benchmarks/occupancy_studies.py learning-curve [--sizes 100 200 400] [--seeds 0 1]
    ... [--crystals crystals] [--folder occupancy_studies]

All trainings use the same split by composition, with random state 0; the seed is for the network and its training. The
learning curve trains on the first crystals of one random order, so that larger parts contain the smaller ones, with the
same number of steps (more epochs for fewer crystals), and the same validation and test parts. Scores are for the
test part, with the threshold of gaps chosen on validation crystals. Every finished training is a line of
FOLDER/trainings.jsonl, and is not run again.
"""

import argparse
import hashlib
import json
import time
from dataclasses import asdict, replace
from pathlib import Path

import machine
import numpy as np
from occupancy_table import along_path, on_mesh

from ldosml.datasets import CrystalSet, load_crystals, split_crystals
from ldosml.kresolved import choose_threshold, evaluate_occupancies
from ldosml.neural import KOccupancyRegressor, OccupancyConfig, best_epoch, crystal_estimator
from ldosml.neural.tight_binding_fit import fit_tight_binding
from ldosml.tightbinding import TightBindingParameters

SMALL = OccupancyConfig.preset("small")
# Options of the regressor, and changes of its configuration.
ABLATIONS: dict[str, tuple[dict, dict]] = {
    "all": ({}, {}),
    "presence": ({"labels": "presence"}, {}),  # instead of soft labels
    "width 0.1": ({"width": 0.1}, {}),  # eV, of soft labels, for 0.05
    "no counts": ({"counts": False}, {}),
    # Bloch sums are symmetric by construction, so they are left out, too. Tight binding is also symmetric, and stays.
    "no bloch, no point group": ({"point_group": False}, {"n_bloch": 0}),
    "no bloch, no symmetry": ({"point_group": False, "time_reversal": False}, {"n_bloch": 0}),
    "no bloch": ({}, {"n_bloch": 0}),
    "no mixing": ({}, {"mixing": False}),
    "no periodic table": ({}, {"periodic_table": False}),
    "universal tight binding": ({}, {"tight_binding": "universal"}),
    "no tight binding": ({}, {"tight_binding": "none"}),
    "no query of anywhere": ({}, {"anywhere": False}),
    "no dropout": ({}, {"dropout": 0.0}),
    "none of these": (
        {"labels": "presence", "counts": False, "point_group": False, "time_reversal": False},
        {
            "n_bloch": 0,
            "mixing": False,
            "periodic_table": False,
            "dropout": 0.0,
            "anywhere": False,
            "tight_binding": "none",
        },
    ),
}
SHOWN = (
    "log loss of a bin",
    "DOS raw: r",
    "DOS counted: MAE (states/eV/atom)",
    "DOS counted, smeared by 0.2 eV: MAE (states/eV/atom)",
)
OF_GAPS = ("gap: MAE (eV)", "metal or not: accuracy")  # for each statistic, with its own threshold
STATISTICS = ("anywhere", "max", "sum")
Parts = tuple[CrystalSet, CrystalSet, CrystalSet]


def regressor(seed: int, epochs: int, options: dict, changes: dict) -> KOccupancyRegressor:
    return KOccupancyRegressor(
        replace(SMALL, **changes), n_epochs=epochs, batch_size=8, patience=None, random_state=seed, **options
    )


def digest(parts: Parts) -> str:
    """Hash of the crystals, their bands, and their parts."""
    found = hashlib.sha256(repr([part.names for part in parts]).encode())
    for bands in (bands for part in parts for bands in part.bands):
        found.update(bands.relative.tobytes())
    return found.hexdigest()[:16]


class FitsOnce:
    """``fit_tight_binding``, once for all trainings with the same fit; ``seconds`` is the time of one fit."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[TightBindingParameters, float]] = {}
        self.seconds, self.spent = 0.0, 0.0  # time of the last fit; time actually spent on it

    def __call__(self, crystals, bands, seed=0) -> TightBindingParameters:
        """As ``fit_tight_binding``."""
        digest = hashlib.sha256(repr(seed).encode())
        for one in bands:
            digest.update(one.relative.tobytes())
        start, key = time.process_time(), digest.hexdigest()
        if key not in self._known:
            self._known[key] = fit_tight_binding(crystals, bands, seed), time.process_time() - start
        self.spent = time.process_time() - start
        found, self.seconds = self._known[key]
        return found


def train_and_evaluate(model: KOccupancyRegressor, parts: Parts) -> dict:
    """Scores on the test part, and the time of the training."""
    training, validation, test = parts
    start = time.process_time()
    FITS.seconds = FITS.spent = 0.0
    model.fit(training.crystals, training.bands, validation=(validation.crystals, validation.bands))
    seconds = time.process_time() - start - FITS.spent + FITS.seconds
    found = {}
    for statistic in STATISTICS:
        if statistic == "anywhere" and not model.network_.config.anywhere:
            continue
        known = {"allow_unknown": True}
        aside = on_mesh(model, validation, **known), along_path(model, validation, **known)
        threshold = choose_threshold(validation, *aside, statistic=statistic)
        predicted = on_mesh(model, test, **known), along_path(model, test, **known)
        scores = evaluate_occupancies(test, *predicted, threshold=threshold, n_draws=1)
        found[statistic] = {name: one.value for name, one in scores.estimates.items()}
    return {**found, "best_epoch": best_epoch(model.history_).number, "core_seconds": round(seconds)}


def cached(path: Path, label: str, key: dict, work) -> dict:
    """The result with this key in ``path``; made by ``work`` if there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = path.read_text().splitlines() if path.exists() else []
    for line in map(json.loads, lines):
        if line["key"] == key:
            return line["found"]
    found = work()
    with open(path, "a") as file:
        file.write(json.dumps({"key": key, "found": found}) + "\n")
    shown = {name: round(found["max"][name], 4) for name in (*SHOWN, *OF_GAPS) if found["max"].get(name) is not None}
    print(label, shown, flush=True)
    return found


FITS = FitsOnce()


def table(rows: dict[str, list[dict]]) -> str:
    """Markdown table of the mean and standard deviation over seeds, for each row."""
    of_gaps = [(name, statistic) for name in OF_GAPS for statistic in STATISTICS]
    names = [*SHOWN, *(f"{name}, {statistic}" for name, statistic in of_gaps), "core minutes"]
    lines = ["| | " + " | ".join(names) + " |", "| --- " * (len(names) + 1) + "|"]
    for label, runs in rows.items():
        values = [[run["max"].get(name) for run in runs] for name in SHOWN]
        values += [[run.get(statistic, {}).get(name) for run in runs] for name, statistic in of_gaps]
        values.append([run["core_seconds"] / 60 for run in runs])
        lines.append(f"| {label} | " + " | ".join(map(mean_and_spread, values)) + " |")
    return "\n".join(lines)


def mean_and_spread(values: list[float | None]) -> str:
    known = [value for value in values if value is not None and np.isfinite(value)]
    if not known:
        return ""
    return f"{np.mean(known):.3f}" + (f" ± {np.std(known, ddof=1):.3f}" if len(known) > 1 else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=("ablation", "learning-curve"))
    parser.add_argument("--crystals", default="crystals", help="file, or name of the set that ships with ldosml")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--epochs", type=int, default=40, help="for all training crystals")
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[100, 200, 400], help="numbers of training crystals, in addition to all"
    )
    parser.add_argument("--only", nargs="+", choices=ABLATIONS, default=list(ABLATIONS))
    parser.add_argument("--folder", type=Path, default=Path("occupancy_studies"))
    given = parser.parse_args()
    crystal_estimator.fit_tight_binding = FITS
    training, validation, test = split_crystals(load_crystals(given.crystals))
    print(machine.describe(), f"{len(training)} training, {len(validation)} validation, {len(test)} test", sep="\n")
    order = np.random.default_rng(0).permutation(len(training))
    if given.study == "ablation":
        tasks = {name: (len(training), *ABLATIONS[name]) for name in given.only}
    else:
        sizes = [*(size for size in given.sizes if size < len(training)), len(training)]
        tasks = {str(size): (size, {}, {}) for size in sizes}
    rows: dict[str, list[dict]] = {name: [] for name in tasks}
    for seed in given.seeds:  # every row once before any is repeated
        for name, (size, options, changes) in tasks.items():
            parts = (training[np.sort(order[:size])], validation, test)
            model = regressor(
                seed, round(given.epochs * len(training) / size), options, changes
            )  # the same number of steps
            key = model.get_params(deep=False) | {"preset": asdict(model.preset), "crystals": digest(parts)}
            rows[name].append(
                cached(
                    given.folder / "trainings.jsonl",
                    f"{name}, seed {seed}:",
                    json.loads(json.dumps(key)),
                    lambda model=model, parts=parts: train_and_evaluate(model, parts),
                )
            )
    text = table(rows)
    (given.folder / f"{given.study}.md").write_text(f"{machine.describe()}\n\n{text}\n")
    print(text)


if __name__ == "__main__":
    main()
