"""What the scripts share: the sets and how each is learned, the folds, and where files go.

Every script makes its figure by ``make(run)``; started on its own, it takes these options:

    python paper_figures/figure_1.py [--part 0.3] [--folder FOLDER] [--jobs 2]
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import chemical_symbols
from matplotlib.figure import Figure

from ldosml import (
    SOAP,
    DOSModel,
    Evaluation,
    LDOSDataset,
    LDOSKernelRidge,
    SparseLDOSKernelRidge,
    Whitened,
    load_dataset,
    plotting,
)
from ldosml.datasets import available_datasets
from ldosml.studies import Errors, Setup, predict_left_out, regressors_by_target

HERE = Path(__file__).resolve().parent
SMEARING_WIDTH = 0.3  # eV
TEMPERATURE = 300.0  # K
N_SPLITS = 5
FEWEST = 12  # trajectories that a part of a set keeps


@dataclass(frozen=True)
class Set:
    """A set that ships with the project, or part of it, and how it is learned.

    Spectra are judged from ``low`` to ``high``, eV against the Fermi level. ``elements``: only structures of exactly
    these. ``n_inducing``: inducing points; None: all environments.
    """

    name: str
    title: str
    low: float
    high: float
    soap: SOAP
    n_inducing: int | None = None
    elements: frozenset[str] | None = None

    @property
    def label(self) -> str:
        """For names of files."""
        return self.name if self.elements is None else "-".join([self.name, *sorted(self.elements)])

    def regressors(self, part: float = 1.0) -> dict[str, Any]:
        """Regressors that learn from LDOS, from DOS, and from both; of a part of the set on fewer points."""
        if self.n_inducing is None:
            return regressors_by_target(LDOSKernelRidge())
        return regressors_by_target(SparseLDOSKernelRidge(n_inducing=round(part * self.n_inducing)))

    def model(self, part: float = 1.0, learn: str = "ldos") -> DOSModel:
        """Whitened SOAP and a Matern kernel, from the first states on, which band energies need; not fitted."""
        return DOSModel(Whitened(self.soap), self.regressors(part)[learn], high=self.high)


SILICON = Set("silicon", "silicon", -14.0, 5.0, SOAP(r_cut=6.0, n_max=8, l_max=6), n_inducing=1000)
SILICON_LARGE = Set("silicon-large", "large silicon", -14.0, 5.0, SILICON.soap, SILICON.n_inducing)
CARBIDE = Set("silicon-carbide", "Si-C", -24.0, 3.0, SOAP(r_cut=6.0, n_max=8, l_max=6))
CARBIDE_SI = replace(CARBIDE, title="Si of Si-C", elements=frozenset({"Si"}))
CARBIDE_C = replace(CARBIDE, title="C of Si-C", elements=frozenset({"C"}))
CARBIDE_BOTH = replace(CARBIDE, title="mixed Si-C", elements=frozenset({"Si", "C"}))
TIN = Set("tin-chalcogenides", "Sn-S-Se", -16.0, 4.0, SOAP(r_cut=6.0, n_max=6, l_max=4))  # 855 features


class MissingSetError(Exception):
    """None of the sets that a script needs is there."""


@dataclass
class Run:
    """One run of one script or all: which part of the data, where files go, and what was missing.

    Figures and tables are written to ``folder``/output; studies keep what is done in ``folder``/.logs, so that a run
    that was killed goes on.
    """

    part: float = 1.0
    folder: Path = HERE
    jobs: int = 2
    missing: set[str] = field(default_factory=set)
    evaluations: dict[tuple[str, str], Evaluation] = field(default_factory=dict)

    def available(self, sets: Iterable[Set]) -> list[Set]:
        """Those of the sets that ship with the project; the others are noted, and named.

        Raises MissingSetError where none does.
        """
        wanted, there = list(sets), available_datasets()
        absent = sorted({one.name for one in wanted if one.name not in there})
        if absent:
            self.missing.update(absent)
            report(f"missing: {', '.join(absent)} (here: {', '.join(there) or 'none'})")
        found = [one for one in wanted if one.name in there]
        if not found:
            raise MissingSetError(f"needs {' or '.join(absent)}, which does not ship with this version")
        return found

    def data(self, one: Set, width: float | None = SMEARING_WIDTH) -> LDOSDataset:
        """A set, smeared by ``width`` (eV; None: as stored), or a part of it in whole trajectories."""
        data = load_dataset(one.name, smearing_width=width)
        if one.elements is not None:
            data = data.select([set(atoms.symbols) == one.elements for atoms in data.structures])
        part = max(self.part, FEWEST / len(set(data.groups)))
        return data if part >= 1 else data.split(test_size=part)[1]

    def setup(self, what: str, one: Set, *, temperature: float | None = None) -> Setup:
        """How every study is run; ``what`` names its log."""
        log = self.folder / ".logs" / f"{what}-{one.label}.jsonl"
        log.parent.mkdir(parents=True, exist_ok=True)
        return Setup(
            n_splits=N_SPLITS,
            low=one.low,
            temperature=temperature,
            log=log,
            n_jobs=self.jobs,
            progress=partial(_show, f"{what}, {one.title}"),
        )

    def left_out(self, one: Set, learn: str = "ldos") -> Evaluation:
        """Every structure predicted by a model of the other folds, at all energies; computed once in a run."""
        key = one.label, learn
        if key not in self.evaluations:
            report(f"predicting structures left out: {one.title}, learned from {learn}")
            data = self.data(one)
            self.evaluations[key] = predict_left_out(data, one.model(self.part, learn), data.folds(N_SPLITS))
        return self.evaluations[key]

    def write(self, name: str, figure: Figure, rows: Sequence[Mapping[str, Any]]) -> None:
        """A figure as PDF and PNG, and its numbers as CSV."""
        self.table(name, rows)
        for file in plotting.write_figure(figure, self.folder / "output" / name, overwrite=True):
            report(f"wrote {file}")

    def table(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Numbers as CSV, a column for each entry of the first row."""
        path = self.folder / "output" / f"{name}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows({key: shortened(value) for key, value in row.items()} for row in rows)
        report(f"wrote {path}")


def of_set(one: Set, rows: Iterable[Mapping[str, Any]], **more: Any) -> list[dict[str, Any]]:
    """Rows of a table, the name of the set before them."""
    return [{"set": one.label, **more, **row} for row in rows]


def atoms_of(evaluation: Evaluation) -> list[dict[str, Any]]:
    """A row an atom: its structure, its place in it from 0, its element, and L/sigma, sigma the element's."""
    errors = Errors.of(evaluation, np.zeros(len(evaluation.names), dtype=np.int64))
    first = np.searchsorted(errors.structure_index, errors.structure_index)
    losses = np.empty(len(errors.numbers))
    symbols = np.array([chemical_symbols[number] for number in errors.numbers])
    for element in errors.elements:
        losses[symbols == element] = errors.by_environment(f"ldos {element}")
    names = [evaluation.names[s] for s in errors.structure_index]
    columns = {
        "structure": names,
        "atom": (np.arange(len(losses)) - first).tolist(),
        "element": symbols.tolist(),
        "loss": losses.tolist(),
    }
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def shortened(value: Any) -> Any:
    """Numbers to six digits; others as they are."""
    return f"{value:.6g}" if isinstance(value, float | np.floating) else value


def tell(study: Any) -> None:
    """Say what must be known of a study's numbers besides themselves."""
    for caution in study.cautions():
        report(caution)


def report(message: str) -> None:
    """Say what happens, on standard error."""
    print(message, file=sys.stderr, flush=True)


def _show(what: str, done: int, of: int, which: str) -> None:
    report(f"{what}: {done} of {of}, {which}")


def options(description: str | None) -> Run:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", type=float, default=1.0, help="fraction of each set to use, in whole trajectories")
    parser.add_argument("--folder", type=Path, help="where output/ and .logs/ are; of a part, .parts/PART by default")
    parser.add_argument("--jobs", type=int, default=2, help="processes side by side")
    given = parser.parse_args()
    if not 0 < given.part <= 1:
        parser.error(f"--part must be above 0 and at most 1; got {given.part:g}")
    folder = given.folder or (HERE if given.part == 1 else HERE / ".parts" / f"{given.part:g}")
    # Predictions that dip below zero are repaired wherever properties follow; so they are in the processes started.
    warnings.simplefilter("ignore", UserWarning)
    os.environ.setdefault("PYTHONWARNINGS", "ignore::UserWarning")
    return Run(part=given.part, folder=folder, jobs=given.jobs)


def main(make: Callable[[Run], None], description: str | None) -> None:
    """Run one script."""
    run, start = options(description), time.perf_counter()
    try:
        make(run)
    except MissingSetError as error:
        sys.exit(str(error))
    report(f"{time.perf_counter() - start:.0f} s")
