"""Searched settings against the model that ``ldosml demo`` had before, on the same folds; paired, with intervals.

    python benchmarks/search_silicon.py [--logs FOLDER] [--real FOLDER]

Nested: for each of the five folds of ``silicon_folds.py`` (trajectories whole) a search among ``default_candidates``
runs within the training part only, and its best setting is fitted there and judged on the test part. No test structure
has a say in that choice; but which candidates are on the list was decided with the leave-out errors of the whole set
in sight, so that a little optimism remains. The other rows are one setting for all folds each, chosen with the whole
set in sight. The data of --real had no part in any choice.

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
from sklearn.model_selection import GroupKFold

from ldosml import SOAP, DOSModel, JoinedSOAP, LDOSKernelRidge, Whitened, import_dataset, load_dataset
from ldosml.search import search_settings

LOW, HIGH = -14.0, 5.0
BEFORE = SOAP(r_cut=6.0, n_max=8, l_max=6, atom_sigma=0.5), LDOSKernelRidge("leave-one-structure-out", kernel="matern")
MATERN = LDOSKernelRidge("leave-one-structure-out", kernel="matern", gamma=0.3)
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


class Squares:
    """Squared errors of every structure of a dataset, summed, from whichever fold predicts it."""

    def __init__(self, data) -> None:
        self.reference = data.refer_to("fermi", LOW, HIGH)
        self.ldos, self.dos = np.full(len(data), np.nan), np.full(len(data), np.nan)
        self.seconds: list[float] = []

    def add(self, data, setting, train, test) -> None:
        """Fit a setting on the training structures, judge it on the others."""
        start = perf_counter()
        model = DOSModel(*setting, low=LOW, high=HIGH).fit(data.select(train))
        evaluation = model.evaluate(data.select(test))
        self.seconds.append(perf_counter() - start)
        squared = (evaluation.predicted.values - evaluation.reference.values) ** 2
        dos, predicted = (spectra.per_atom() for spectra in evaluation.dos())
        for place, structure in enumerate(test):
            self.ldos[structure] = squared[evaluation.reference.rows(place)].sum()
            self.dos[structure] = ((predicted[place] - dos[place]) ** 2).sum()

    def copy(self, other: "Squares", test) -> None:
        """Take what another has found for the same setting in the same fold."""
        self.ldos[test], self.dos[test] = other.ldos[test], other.dos[test]
        self.seconds.append(other.seconds[-1])

    def losses(self, structures) -> np.ndarray:
        """L/sigma of LDOS and DOS per atom, pooled over some structures; sigma is that of the whole set."""
        reference = self.reference
        n_energies, atoms = reference.grid.size, reference.n_atoms[structures].sum()
        means = [self.ldos[structures].sum() / (atoms * n_energies), self.dos[structures].mean() / n_energies]
        sigmas = [reference.ldos.values.std(), (reference.dos.values / reference.n_atoms[:, None]).std()]
        return np.sqrt(means) / sigmas


def interval(groups, before: Squares, after: Squares) -> np.ndarray:
    """Percentiles (2, 2) of the difference of LDOS and of DOS, trajectories drawn with replacement."""
    rng = np.random.default_rng(0)
    names = np.unique(groups)
    members = [np.flatnonzero(np.asarray(groups) == name) for name in names]
    differences = []
    for _ in range(10_000):
        drawn = np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))])
        differences.append(after.losses(drawn) - before.losses(drawn))
    return np.percentile(differences, [2.5, 97.5], axis=0)


def report(title, data, folds, results: dict[str, Squares]) -> None:
    """Print one table: pooled losses, the difference with its interval, and fold by fold."""
    everything = np.arange(len(data))
    before = next(iter(results.values()))
    print(f"\n{title}\n\n| setting | LDOS | difference | DOS | difference | by fold: LDOS; DOS | time of a fold |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, squares in results.items():
        losses = squares.losses(everything)
        cells = [""] * 2
        if squares is not before:
            low, high = interval(data.groups, before, squares)
            changes = losses - before.losses(everything)
            cells = [f"{changes[i]:+.4f} [{low[i]:+.4f}, {high[i]:+.4f}]" for i in range(2)]
        by_fold = np.array([squares.losses(test) for _, test in folds])
        listed = "; ".join(" ".join(f"{loss:.3f}" for loss in column) for column in by_fold.T)
        print(
            f"| {name} | {losses[0]:.4f} | {cells[0]} | {losses[1]:.4f} | {cells[1]} | {listed} "
            f"| {np.median(squares.seconds):.0f} s |",
            flush=True,
        )


def judged(data, folds, settings: dict[str, list]) -> dict[str, Squares]:
    """Every setting, which may differ from fold to fold, on every fold; equal ones once only."""
    results = {name: Squares(data) for name in settings}
    for number, (train, test) in enumerate(folds):
        done: dict[str, Squares] = {}
        for name, squares in results.items():
            spelling = repr(settings[name][number])
            if spelling in done:
                squares.copy(done[spelling], test)
            else:
                squares.add(data, settings[name][number], train, test)
                done[spelling] = squares
    return results


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
        regressor = r["regressor"].replace("alpha='leave-one-structure-out', ", "")
        losses = f"{r['ldos_loss']:.4f} | {r['dos_loss']:.4f}"
        print(f"| {r['descriptor']} | {regressor} | {r['n_structures']} | {losses} | {r['seconds']} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--logs", type=Path)
    parser.add_argument("--real", type=Path)
    arguments = parser.parse_args()
    data = load_dataset("silicon", smearing_width=0.3)
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
        data = load_dataset("silicon", smearing_width=width)
        report(f"silicon, {width} eV", data, folds, judged(data, folds, settings))
    if arguments.real is not None:
        folder = arguments.real / "si_vasp_ldos"
        data = import_dataset(folder / "structures.xyz", folder / "ldos.npz", energy_max=HIGH)
        folds = list(GroupKFold(5, shuffle=True, random_state=0).split(data.names, groups=data.names))
        del settings["searched within each training part"]
        report("si_vasp_ldos, its own smearing", data, folds, judged(data, folds, settings))


if __name__ == "__main__":
    main()
