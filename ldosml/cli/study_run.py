"""One run of a study: the data it reads, the folder that it writes, and what it says."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ldosml._files import replacing
from ldosml._journal import JournalError
from ldosml.cli.display import Stages, cautioning, emit, known, messages, print_cautions, results, strict
from ldosml.cli.judging import FERMI_WORDS
from ldosml.cli.model_options import check_leave_out
from ldosml.cli.options import check_folder, check_range, check_soap, open_dataset
from ldosml.cli.planning import print_study_plans
from ldosml.cli.studying import StudyOptions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ldosml.datasets import LDOSDataset
    from ldosml.studies import Setup
    from ldosml.studies._table import Tabulated

_LOSS_WORDS = (
    "L/sigma of trajectories left out: 0 is perfect; predicting the mean spectrum for all achieves that of its name.\n"
    "Label noise: what a denser k-mesh changes in the data, an estimate of the floor. Compare such figures on the\n"
    "same energies only."
)
_RECORDS, _LOG, _SUMMARY = "records.csv", "log.jsonl", "summary.json"
_FIGURES = ("sweep", "learning-curve", "comparison", "errors", "smearing", "representatives", "parity")
_PACKAGES = ("numpy", "scipy", "scikit-learn", "ase", "dscribe")


class StudyRun:
    """A study as a command runs it.

    Parameters
    ----------
    study : str
        Name of the command.
    options : StudyOptions
    **settings
        What else the result depends on, as JSON can hold it.

    Raises
    ------
    FileExistsError
        When the folder is a file, or holds another study, or results without a log; unless they are to go.
    """

    def __init__(self, study: str, options: StudyOptions, **settings: Any) -> None:
        self.options, self.stages = options, Stages()
        self._folder = options.output
        self._settings = json.loads(json.dumps({"study": study, **options.settings(), **settings}))
        self._data: dict[str, Any] = {}
        self._title = ""
        self._changes: list[str] = []
        self._cautions: list[str] = []
        check_range(options.low, options.high)
        for r_cut in settings.get("radii", [options.r_cut]):
            check_soap(replace(options, r_cut=r_cut).soap())
        learned = settings.get("learned", [options.learn.value])
        check_leave_out(options.alpha, only_ldos=learned == ["ldos"])
        check_folder(self._folder)
        if not options.overwrite:
            self._refuse_others()

    def _results(self) -> list[Path]:
        """Every file but the log that a study may have written."""
        figures = [f"{name}.{ending}" for name in _FIGURES for ending in ("png", "pdf")]
        return [self._folder / name for name in (_SUMMARY, _RECORDS, *figures)]

    def _refuse_others(self) -> None:
        written = [path.name for path in self._results() if path.exists()]
        if written and not (self._folder / _LOG).exists():
            raise FileExistsError(
                f"{self._folder} holds {', '.join(written)}, but no log of a study. Give another folder, or pass "
                "--overwrite to delete them."
            )
        if _SUMMARY not in written:
            return  # nothing yet, or a study that was killed
        try:
            found = dict(json.loads((self._folder / _SUMMARY).read_text())["settings"])
        except (ValueError, KeyError, TypeError):
            found = {}
        names = dict.fromkeys(["study", *self._settings, *found])
        differing = [name for name in names if found.get(name) != self._settings.get(name)]
        if differing:
            other = "another study" if "study" in differing else f"a study of other settings ({', '.join(differing)})"
            raise FileExistsError(
                f"{self._folder} holds {other}, which is finished. Give another folder, or pass --overwrite to delete "
                "it and begin anew."
            )

    def read(self, names: Sequence[str], *, broaden: bool = True) -> LDOSDataset:
        """Give the datasets as one, broadened to the width asked for unless told not to."""
        from ldosml.datasets import join_alike

        with self.stages(f"Reading {', '.join(names)}"):
            parts = [open_dataset(name) for name in names]
            zero = self.options.zero if len(parts) > 1 else None  # one alone is moved by the model
            data = join_alike(
                parts, self.options.smearing if broaden else None, None if zero is None else zero.value, names
            )
        self.tell(names, parts, [data] * len(parts))
        shared = sum(len(set(part.groups)) for part in parts) - len(set(data.groups))
        if shared:
            self._say(f"{shared} groups have the same name in several files: each counts as one trajectory.")
        if data.label_noise is None and any(part.label_noise is not None for part in parts):
            self._say("The files differ in their label noise: that of all together is not known.")
        self._data = data.summary()
        return data

    def read_alike(self, names: Sequence[str]) -> list[LDOSDataset]:
        """Give the datasets on common ground, but not joined."""
        from ldosml.datasets import make_alike

        with self.stages(f"Reading {', '.join(names)}"):
            parts = [open_dataset(name) for name in names]
            alike = make_alike(parts, self.options.smearing, self.options.zero.value, names)
        self.tell(names, parts, alike)
        self._data = {name: data.summary() for name, data in zip(names, alike, strict=True)}
        return alike

    def tell(self, names: Sequence[str], stored: Sequence[LDOSDataset], used: Sequence[LDOSDataset]) -> None:
        """Say what was changed in each dataset."""
        from ldosml.smearing import same_width

        for name, before, after in zip(names, stored, used, strict=True):
            if not same_width(before.smearing_width, after.smearing_width):
                self._say(f"{name}: broadened from {before.smearing_width:g} to {after.smearing_width:g} eV.")
            if before.grid.zero != after.grid.zero:
                self._say(f"{name}: zero of energy moved from {before.grid.zero} to {after.grid.zero}.")
            elif len(used) > 1 and not before.grid.matches(after.grid):
                self._say(f"{name}: from {before.grid} to {after.grid}.")

    def _say(self, text: str) -> None:
        self._changes.append(text)
        messages.print(text, soft_wrap=True)

    def regressors(self, data: LDOSDataset, learned: Sequence[str] | None = None) -> dict[str, Any]:
        """Give a regressor for each target to learn from, in their order; by default the one asked for.

        Raises ValueError when one needs LDOS and there is none.
        """
        names = [self.options.learn.value] if learned is None else list(learned)
        lacking = [name for name in names if name != "dos"]
        if lacking and data.ldos is None:
            raise ValueError(
                f"The data hold the total DOS only, from which --learn dos learns; {' and '.join(lacking)} needs the "
                "LDOS of every atom."
            )
        return {name: self.options.regressor(name) for name in names}

    def announce(
        self,
        data: LDOSDataset,
        n_validations: int,
        regressors: Mapping[str, Any] | None = None,
        smearing: str | None = None,
    ) -> None:
        """Check energies and folds, and say what the fits will take where they are large."""
        asked = self.options
        grid = data.refer_to(asked.zero.value, None, asked.high).grid
        energies = [grid.start if asked.low is None else max(grid.start, asked.low), grid.stop]
        if energies[0] >= energies[1]:
            raise ValueError(
                f"--low {energies[0]:g} leaves nothing to judge: what is learned ends at {energies[1]:g} eV. Lower it, "
                "or leave it out."
            )
        self.require_electrons(data)
        folds = asked.setup().folds(data)
        self._data |= {"judged_energies": energies}
        width = known(data.smearing_width, "g") if smearing is None else smearing
        self._title = (
            f"{len(data)} structures in {len(set(data.groups))} groups, {len(data.numbers)} environments, {len(folds)} "
            f"folds; {energies[0]:g} to {energies[1]:g} eV, smearing {width if width == 'not known' else f'{width} eV'}"
        )
        largest = max((train for train, _ in folds), key=lambda train: int(data.n_atoms[train].sum()))
        fitted = {asked.learn.value: asked.regressor()} if regressors is None else regressors
        print_study_plans(fitted, asked.soap(), data.select(largest), n_validations * len(folds), asked.jobs)

    def require_electrons(self, data: LDOSDataset) -> None:
        """Raise ValueError where properties are asked for and the numbers of electrons are not known."""
        if self._settings.get("temperature") is not None and not all(map(isfinite, data.n_electrons)):
            instead = "pass --no-properties" if self._settings["study"] == "compare" else "leave out --temperature"
            raise ValueError(
                "Properties need the number of valence electrons of every structure, which the dataset does not tell: "
                f"{instead}, or import it with --electrons."
            )

    @contextmanager
    def running(self, name: str, **more: Any) -> Iterator[Setup]:
        """Make the folder, and give the setup to run the study by; ``more`` are other fields of the setup."""
        log, made = self._folder / _LOG, not self._folder.exists()
        self._folder.mkdir(parents=True, exist_ok=True)
        if self.options.overwrite:
            for path in (*self._results(), log):
                path.unlink(missing_ok=True)
        _discard_if_empty(log)
        try:
            with self.stages.counted(name) as advance, cautioning() as self._cautions:
                yield self.options.setup(log=log, progress=advance, **more)
        except JournalError as error:
            raise FileExistsError(
                f"{log} {error.reason}. Give another folder, or pass --overwrite to delete the study in it and begin "
                "anew."
            ) from error
        finally:
            _discard_if_empty(log)
            if made and not any(self._folder.iterdir()):
                self._folder.rmdir()

    def _caution(self, texts: Sequence[str]) -> None:
        """Print what must be known of the results, and keep it for the summary."""
        self._cautions += texts
        print_cautions(texts)

    def drawn(self, quantities: Sequence[str]) -> list[str]:
        """Give those whose L/sigma can be drawn beside the others': where the Fermi level is the zero, not its own."""
        return [one for one in quantities if one != "fermi_level" or self.options.zero.value != "fermi"]

    def finish(
        self,
        found: Tabulated,
        figures: Mapping[str, Figure],
        numbers: Mapping[str, Any],
        show: Callable[[], None],
        words: Sequence[str] = (),
    ) -> None:
        """Write table, figures and summary; print what ``show`` prints, and below it how to read it."""
        from ldosml import __version__, plotting

        self._caution(found.cautions())
        files = [found.save(self._folder / _RECORDS, overwrite=True)]
        for name, figure in figures.items():
            files += plotting.write_figure(figure, self._folder / name, overwrite=True)
        files += [self._folder / _SUMMARY, self._folder / _LOG]
        versions = {"ldosml": __version__, "python": platform.python_version()}
        summary = {
            "settings": self._settings,
            "data": {**self._data, "changes": self._changes},
            "results": dict(numbers),
            "cautions": self._cautions,
            "versions": versions | {package: version(package) for package in _PACKAGES},
            "seconds": {**self.stages.seconds, "Cross-validations of all runs": _seconds(self._folder / _LOG)},
            "files": [str(file) for file in files],
        }
        with replacing(self._folder / _SUMMARY) as file:
            file.write(json.dumps(strict(summary), indent=2, default=str, allow_nan=False).encode())

        def show_all() -> None:
            results.print(self._title, soft_wrap=True)
            show()
            fermi = self._settings.get("temperature") is not None and self.options.zero.value == "fermi"
            for text in (*words, *([FERMI_WORDS] if fermi else []), _LOSS_WORDS):
                results.print(text, soft_wrap=True)
            for file in files:
                results.print(f"wrote {file}", soft_wrap=True)

        emit(summary, self.options.as_json, show_all)


def _seconds(log: Path) -> float:
    """What all cross-validations that a log keeps took."""
    return round(sum(float(json.loads(line)["seconds"]) for line in log.read_bytes().splitlines()[1:]), 2)


def _discard_if_empty(log: Path) -> None:
    """Delete a log of a study in which nothing was done, so that the folder is free for another."""
    lines = log.read_bytes().splitlines() if log.is_file() else []
    if len(lines) == 1 and lines[0].startswith(b'{"format": "ldosml '):
        log.unlink()
