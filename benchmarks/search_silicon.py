"""Searched settings against the model that ``ldosml demo`` had before, on the same folds; paired, with intervals.

    python benchmarks/search_silicon.py [--logs FOLDER] [--real FOLDER]

Nested: for each of five folds of a part of the silicon set (``silicon_part.py``; trajectories whole) a search among
``default_candidates`` runs within the training part only, and its best setting is fitted there and judged on the test
part. No test structure has a say in that choice; but which candidates are on the list was decided with the leave-out
errors of the whole set in sight, so that a little optimism remains. The other rows are one setting for all folds each,
chosen with the whole set in sight. The data of --real had no part in any choice.

L/sigma of equation 15 of the LDOS paper, pooled over the folds, from E_F - 14 to E_F + 5 eV; intervals are the 2.5 and
97.5 percentiles of 10,000 bootstrap samples of whole trajectories, of the difference of the pooled L/sigma of the same
structures. Settings found at 0.3 eV are used at 0.5 eV, too.

--real: FOLDER holds si_vasp_ldos (see ``si_vasp_folds.py``); its frames are one trajectory each. --logs: searches are
continued from there after a kill.
"""

import argparse
from pathlib import Path
from time import perf_counter

import machine
import numpy as np
from silicon_part import load_part
from sklearn.model_selection import GroupKFold

from ldosml import SOAP, DOSModel, Evaluation, JoinedSOAP, LDOSKernelRidge, Whitened, import_dataset
from ldosml.search import search_settings
from ldosml.studies import Errors, RegressorComparison, predict_left_out
from ldosml.studies.folds import fold_of_each, pooled

LOW, HIGH = -14.0, 5.0
BEFORE = SOAP(r_cut=6.0, n_max=8, l_max=6, atom_sigma=0.5), LDOSKernelRidge(kernel="matern", gamma=1.0)
MATERN = LDOSKernelRidge("leave-one-group-out", kernel="matern", gamma=0.3)
FIXED = {
    "same SOAP, whitened": (Whitened(SOAP()), MATERN),
    "larger SOAP, whitened": (Whitened(SOAP(r_cut=6.0, n_max=12, l_max=9, atom_sigma=0.4)), MATERN),
    "two SOAPs, whitened": (
        Whitened(
            JoinedSOAP([
                SOAP(r_cut=3.0, n_max=8, l_max=6, atom_sigma=0.3),
                SOAP(r_cut=8.0, n_max=12, l_max=9, atom_sigma=0.4),
            ])
        ),
        MATERN,
    ),
}  # fmt: skip


def judged(data, folds, settings: dict[str, list]) -> tuple[dict[str, Errors], dict[str, list[float]]]:
    """Errors of every setting, which may differ from fold to fold, and seconds of each fold; equal ones once only."""
    done: dict[tuple[int, str], tuple[Evaluation, float]] = {}
    errors, seconds = {}, {}
    for name, each in settings.items():
        keys = [(number, repr(setting)) for number, setting in enumerate(each)]
        for key, setting, fold in zip(keys, each, folds, strict=True):
            if key not in done:
                start = perf_counter()
                evaluation = predict_left_out(data, DOSModel(*setting, low=LOW, high=HIGH), [fold])
                done[key] = evaluation, perf_counter() - start
        errors[name] = Errors.of(pooled([done[key][0] for key in keys], folds), fold_of_each(folds))
        seconds[name] = [done[key][1] for key in keys]
    return errors, seconds


def report(title, data, folds, settings: dict[str, list]) -> None:
    """Print one table: pooled losses, the difference with its interval, and fold by fold."""
    errors, seconds = judged(data, folds, settings)
    print(f"\n{title}\n\n| setting | LDOS | difference | DOS | difference | by fold: LDOS; DOS | time of a fold |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    comparison = RegressorComparison(errors, list(data.groups), None, {})
    rows = {(row["regressor"], row["quantity"]): row for row in comparison.records(n_draws=10_000)}
    for name in errors:
        cells = []
        for row in (rows[name, "ldos"], rows[name, "dos"]):
            change = f"{row['difference']:+.4f} [{row['difference_low']:+.4f}, {row['difference_high']:+.4f}]"
            cells += [f"{row['loss']:.4f}", change if name != comparison.regressors[0] else ""]
        by_fold = (errors[name].by_fold(quantity).values() for quantity in ("ldos", "dos"))
        cells.append("; ".join(" ".join(f"{loss:.3f}" for loss in losses) for losses in by_fold))
        print(f"| {name} | {' | '.join(cells)} | {np.median(seconds[name]):.0f} s |", flush=True)


def searched(data, folds, logs: Path | None) -> list:
    """The best setting of each training part."""
    settings = []
    for number, (train, _) in enumerate(folds):
        start = perf_counter()
        log = None if logs is None else logs / f"fold-{number}.jsonl"
        found = search_settings(data.select(train), low=LOW, high=HIGH, log=log)
        settings.append((found.model.descriptor, found.model.regressor))
        print(
            f"fold {number}: {perf_counter() - start:.0f} s, left out {found.best['ldos_loss']:.4f}: {found.expression}"
        )
    return settings


def show_search(data, logs: Path | None) -> None:
    """Print what a search on the whole set finds, the first lines of its table."""
    found = search_settings(data, low=LOW, high=HIGH, log=None if logs is None else logs / "whole.jsonl")
    print("\n| descriptor | regressor | structures | LDOS left out | DOS left out | seconds |")
    print("| --- | --- | --- | --- | --- | --- |")
    for r in found.records:
        regressor = r["regressor"].replace("alpha='leave-one-group-out', ", "")
        losses = f"{r['ldos_loss']:.4f} | {r['dos_loss']:.4f}"
        print(f"| {r['descriptor']} | {regressor} | {r['n_structures']} | {losses} | {r['seconds']} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--logs", type=Path)
    parser.add_argument("--real", type=Path)
    arguments = parser.parse_args()
    data = load_part(smearing_width=0.3)
    print(machine.describe(), data, sep="\n")
    if arguments.logs is not None:
        arguments.logs.mkdir(parents=True, exist_ok=True)
    show_search(data, arguments.logs)
    folds = data.folds(5, random_state=0)
    settings = {
        "before": [BEFORE] * 5,
        "searched within each training part": searched(data, folds, arguments.logs),
        **{name: [setting] * 5 for name, setting in FIXED.items()},
    }
    for width in (0.3, 0.5):
        data = load_part(smearing_width=width)
        report(f"silicon, {width} eV", data, folds, settings)
    if arguments.real is not None:
        folder = arguments.real / "si_vasp_ldos"
        data = import_dataset(folder / "structures.xyz", folder / "ldos.npz", energy_max=HIGH)
        folds = list(GroupKFold(5, shuffle=True, random_state=0).split(data.names, groups=data.names))
        del settings["searched within each training part"]
        report("si_vasp_ldos, its own smearing", data, folds, settings)


if __name__ == "__main__":
    main()
