"""What the scripts share: the sets and how each is learned, the folds, and where files go.

Every script makes its figure by ``make(run)`` from the sets in ``SETS``; ``main`` runs it with these options:

    python paper_figures/figure_1.py [--quick] [--folder FOLDER] [--jobs 2]
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
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
from ldosml.studies import Errors, Setup, predict_left_out, regressors_by_learn
from ldosml.tables import save_table

HERE = Path(__file__).resolve().parent
SMEARING_WIDTH = 0.3  # eV
TEMPERATURE = 300.0  # K
N_SPLITS = 5
QUICK = 12  # trajectories of each set in a quick run


@dataclass(frozen=True)
class Set:
    """A set that ships with the project, or part of it, and how it is learned.

    Spectra are compared from ``low`` to ``high``, eV from the Fermi level. ``elements``: only structures of exactly
    these elements. ``without``: groups that were added to the set after the kept figures were made.
    ``n_inducing``: inducing points; None: all environments.
    """

    name: str
    title: str
    low: float
    high: float
    soap: SOAP
    n_inducing: int | None = None
    elements: frozenset[str] | None = None
    without: frozenset[str] = frozenset()

    @property
    def label(self) -> str:
        """For names of files."""
        return self.name if self.elements is None else "-".join([self.name, *sorted(self.elements)])

    def regressors(self, *, quick: bool = False) -> dict[str, Any]:
        """Regressors that learn LDOS, DOS, and both; on all environments in a quick run, which has few."""
        few = self.n_inducing is None or quick
        per_energy = {"alpha_smoothing": 5.0}  # the kept figures were made so
        regressor = (
            LDOSKernelRidge(**per_energy) if few else SparseLDOSKernelRidge(n_inducing=self.n_inducing, **per_energy)
        )
        return regressors_by_learn(regressor)

    def model(self, learn: str = "ldos", *, quick: bool = False) -> DOSModel:
        """Whitened SOAP and a Matern kernel; no lower bound of the energies, because band energies need all states."""
        return DOSModel(Whitened(self.soap), self.regressors(quick=quick)[learn], high=self.high)


SILICON = Set("silicon", "silicon", -14.0, 5.0, SOAP(r_cut=6.0, n_max=8, l_max=6), n_inducing=1000)
SILICON_LARGE = Set("silicon-large", "large silicon", -14.0, 5.0, SILICON.soap, SILICON.n_inducing)
ADDED_CARBIDE = frozenset(
    f"{composition}-{label}"
    for composition, labels in (
        ("Si", "diamond-7 6H-12 simple-cubic-2 hcp-2 silicene-7 slab-6 slab-12 chain-5 ring-5 ball-11"),
        ("C", "diamond-7 6H-12 graphite-8 graphene-18 slab-6 chain-5 ring-14 tube-4-4-16 flake-12 ball-8"),
        ("SiC", "3C-7 alloy-8-3 alloy-8-5 alloy-16-6 alloy-16-11 sheet-7 slab-6 chain-6 ring-8 tube-12 ball-11"),
    )
    for label in [*labels.split(), "amorphous-10", "amorphous-14"]
)  # groups of the Si-C set
CARBIDE = Set("silicon-carbide", "Si-C", -24.0, 3.0, SOAP(r_cut=6.0, n_max=8, l_max=6), without=ADDED_CARBIDE)
CARBIDE_SI = replace(CARBIDE, title="Si of Si-C", elements=frozenset({"Si"}))
CARBIDE_C = replace(CARBIDE, title="C of Si-C", elements=frozenset({"C"}))
CARBIDE_BOTH = replace(CARBIDE, title="mixed Si-C", elements=frozenset({"Si", "C"}))
TIN = Set("tin-chalcogenides", "Sn-S-Se", -16.0, 4.0, SOAP(r_cut=6.0, n_max=6, l_max=4))  # 855 features


@dataclass
class Run:
    """One run of a script: how much of the data, and where files go.

    Figures and tables go to ``folder``. Studies keep finished work in ``folder``/.logs: a killed run continues.
    """

    quick: bool = False
    folder: Path = HERE / "output"
    jobs: int = 2

    @property
    def n_splits(self) -> int:
        """Folds of every cross-validation."""
        return 2 if self.quick else N_SPLITS

    def data(self, one: Set, width: float | None = SMEARING_WIDTH) -> LDOSDataset:
        """Load a set, smeared by ``width`` (eV; None: as stored); in a quick run some whole trajectories of it."""
        data = load_dataset(one.name, smearing_width=width)
        if one.without:
            data = data.select([group not in one.without for group in data.groups])
        if one.elements is not None:
            data = data.select([set(atoms.symbols) == one.elements for atoms in data.structures])
        part = QUICK / len(set(data.groups))
        return data.split(test_size=part)[1] if self.quick and part < 1 else data

    def model(self, one: Set, learn: str = "ldos") -> DOSModel:
        """The model of a set, not fitted."""
        return one.model(learn, quick=self.quick)

    def setup(self, what: str, one: Set, *, temperature: float | None = None) -> Setup:
        """How a study is run; ``what`` names its log."""
        log = self.folder / ".logs" / f"{what}-{one.label}.jsonl"
        log.parent.mkdir(parents=True, exist_ok=True)
        return Setup(
            n_splits=self.n_splits,
            low=one.low,
            temperature=temperature,
            log=log,
            n_jobs=self.jobs,
            progress=partial(_show, f"{what}, {one.title}"),
        )

    def left_out(self, one: Set, learn: str = "ldos") -> Evaluation:
        """Predict every structure by a model of the other folds, at all energies."""
        report(f"predicting structures left out: {one.title}, learned from {learn}")
        data = self.data(one)
        return predict_left_out(data, self.model(one, learn), data.folds(self.n_splits))

    def write(self, name: str, figure: Figure, rows: Sequence[Mapping[str, Any]]) -> None:
        """Save a figure as PDF and PNG, and its numbers as CSV."""
        self.table(name, rows)
        for file in plotting.save_figure(figure, self.folder / name, overwrite=True):
            report(f"wrote {file}")

    def table(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Save numbers as CSV, a column for each entry of the first row."""
        self.folder.mkdir(parents=True, exist_ok=True)
        texts = [{key: shortened(value) for key, value in row.items()} for row in rows]
        report(f"wrote {save_table(self.folder / f'{name}.csv', texts, overwrite=True)}")


def of_set(one: Set, rows: Iterable[Mapping[str, Any]], **more: Any) -> list[dict[str, Any]]:
    """Put the name of the set in front of each row."""
    return [{"set": one.label, **more, **row} for row in rows]


def atoms_of(evaluation: Evaluation) -> list[dict[str, Any]]:
    """One row per atom: structure, index in the structure, element, and L/sigma with the sigma of the element."""
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
    """Round numbers to six digits; leave other values as they are."""
    return f"{value:.6g}" if isinstance(value, float | np.floating) else value


def report_cautions(study: Any) -> None:
    """Say what a reader must know about a study's numbers."""
    for caution in study.cautions():
        report(caution)


def report(message: str) -> None:
    """Say what happens, on standard error."""
    print(message, file=sys.stderr, flush=True)


def _show(what: str, done: int, of: int, which: str) -> None:
    report(f"{what}: {done} of {of}, {which}")


def parse(description: str | None, arguments: Sequence[str] | None = None) -> Run:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"only {QUICK} trajectories of each set, to try it out")
    parser.add_argument("--folder", type=Path, help="folder for the files; default: output, or .quick with --quick")
    parser.add_argument("--jobs", type=int, default=2, help="processes side by side")
    given = parser.parse_args(arguments)
    return Run(given.quick, given.folder or HERE / (".quick" if given.quick else "output"), given.jobs)


def main(make: Callable[[Run], None], description: str | None) -> None:
    """Run one script."""
    # Predictions below zero are repaired before properties are derived; also ignore their warnings in child processes.
    warnings.simplefilter("ignore", UserWarning)
    os.environ.setdefault("PYTHONWARNINGS", "ignore::UserWarning")
    run, start = parse(description), time.perf_counter()
    make(run)
    report(f"{time.perf_counter() - start:.0f} s")
