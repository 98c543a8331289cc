"""A study as a command runs it: it reads data, runs, writes a folder, and tells the result."""

from __future__ import annotations

import json
import platform
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ldosml.cli.display import Page, Stages, cautioning, emit, known, messages, noise_words, print_cautions
from ldosml.cli.evaluation import FERMI_WORDS
from ldosml.cli.model_options import LearnName
from ldosml.cli.options import open_dataset
from ldosml.cli.plans import print_descriptor_plan, print_study_plans
from ldosml.cli.study_folder import StudyFolder
from ldosml.cli.study_options import StudyOptions

if TYPE_CHECKING:
    from ase import Atoms
    from matplotlib.figure import Figure

    from ldosml import DOSModel
    from ldosml._journal import Record
    from ldosml.datasets import LDOSDataset
    from ldosml.studies import Setup
    from ldosml.studies._table import Tabulated
    from ldosml.tables import ResultTable

_LOSS_WORDS = (
    "L/sigma of groups (trajectories) left out: 0 is perfect. Compare it with the L/sigma of always predicting the "
    "mean spectrum, and with the label noise: what a denser k-mesh changes in the data. Compare only figures on the "
    "same energies."
)
_PACKAGES = ("numpy", "scipy", "scikit-learn", "ase", "dscribe")


class Study:
    """A study as a command runs it.

    Parameters
    ----------
    name : str
        Name of the command.
    options : StudyOptions
    learned : sequence of LearnName, optional
        What is learned from, in turn. Default: what the options say.
    temperature : float, optional
        K, of derived properties. None: spectra only.
    **settings
        What else the result depends on, as JSON can hold it.

    Raises
    ------
    ParameterError
        When options do not fit each other.
    FileExistsError
        As ``StudyFolder``.
    """

    def __init__(
        self,
        name: str,
        options: StudyOptions,
        *,
        learned: Sequence[LearnName] | None = None,
        temperature: float | None = None,
        **settings: Any,
    ) -> None:
        self.options, self.stages = options, Stages()
        self._learned = [options.model.learn] if learned is None else list(learned)
        self._temperature = temperature
        known_by = {"study": name, **options.settings(), "temperature": temperature, "learn": self._learned, **settings}
        self._settings = json.loads(json.dumps(known_by))
        self._data: dict[str, Any] = {}
        self._title = ""
        self._changes: list[str] = []
        self._cautions: list[str] = []
        for learn in self._learned:
            replace(options.model, learn=learn, low=options.low).check()
        self._folder = StudyFolder(options.output, self._settings, options.overwrite)

    def read(self, names: Sequence[str], *, broaden: bool = True) -> LDOSDataset:
        """Give the datasets as one, broadened to the width asked for unless told not to."""
        from ldosml.datasets import join_alike

        with self.stages(f"Reading {', '.join(names)}"):
            parts = [open_dataset(name) for name in names]
            zero = self.options.model.zero if len(parts) > 1 else None  # one alone is moved by the model
            with _untold():
                data = join_alike(parts, self.options.smearing if broaden else None, zero, names)
        self._tell_changes(names, parts, [data] * len(parts))
        shared = sum(len(set(part.groups)) for part in parts) - len(set(data.groups))
        if shared:
            self._say(f"{shared} groups have the same name in several files: each counts as one group.")
        if data.label_noise is None and any(part.label_noise is not None for part in parts):
            self._say("The files differ in their label noise: the label noise of all together is not known.")
        self._data = data.summary()
        return data

    def read_alike(self, names: Sequence[str]) -> list[LDOSDataset]:
        """Give the datasets at one smearing, zero and energies, but not joined."""
        from ldosml.datasets import make_alike

        with self.stages(f"Reading {', '.join(names)}"):
            parts = [open_dataset(name) for name in names]
            with _untold():
                alike = make_alike(parts, self.options.smearing, self.options.model.zero, names)
        self._tell_changes(names, parts, alike)
        self._data = {name: data.summary() for name, data in zip(names, alike, strict=True)}
        return alike

    def _tell_changes(self, names: Sequence[str], stored: Sequence[LDOSDataset], used: Sequence[LDOSDataset]) -> None:
        from ldosml.smearing import same_width

        for name, before, after in zip(names, stored, used, strict=True):
            if not same_width(before.smearing_width, after.smearing_width):
                self._say(f"{name}: broadened from {before.smearing_width:g} to {after.smearing_width:g} eV.")
            if before.grid.zero != after.grid.zero:
                self._say(f"{name}: energy zero moved from {before.grid.zero} to {after.grid.zero}.")
            elif len(used) > 1 and not before.grid.matches(after.grid):
                self._say(f"{name}: from {before.grid} to {after.grid}.")

    def _say(self, text: str) -> None:
        self._changes.append(text)
        messages.print(text, soft_wrap=True)

    def regressors(self) -> dict[str, Any]:
        """A regressor for each of what is learned from, in the order asked for."""
        return {str(learn): replace(self.options.model, learn=learn).regressor() for learn in self._learned}

    def model(self, structures: Sequence[Atoms]) -> DOSModel:
        """The model for these structures, not fitted. As many processes as run the study compute descriptors."""
        with cautioning() as said:
            model = self.options.model.model(structures, n_jobs=self.options.jobs)
        self._cautions += said
        return model

    def announce(self, data: LDOSDataset, model: DOSModel, n_validations: int, smearing: str | None = None) -> None:
        """Check spectra, energies and folds, and print what the fits will take where they are large."""
        options = self.options
        for learn in self._learned:
            replace(options.model, learn=learn).require_spectra(data)
        self.require_electrons(data)
        energies = self._energies(data)
        folds = options.setup().folds(data)
        self._data |= {"evaluated_energies": energies}
        width = known(data.smearing_width, "g") if smearing is None else smearing
        self._title = (
            f"{len(data)} structures in {len(set(data.groups))} groups, {len(data.numbers)} environments, {len(folds)} "
            f"folds; {energies[0]:g} to {energies[1]:g} eV, smearing {width if width == 'not known' else f'{width} eV'}"
        )
        largest = max((train for train, _ in folds), key=lambda train: int(data.n_atoms[train].sum()))
        n_fits = n_validations * len(folds)
        print_descriptor_plan(model.descriptor, data.structures)
        print_study_plans(self.regressors(), model.descriptor, data.select(largest), n_fits, options.jobs)

    def _energies(self, data: LDOSDataset) -> list[float]:
        """Lowest and highest energy at which spectra are evaluated, eV."""
        from ldosml._validation import ParameterError

        low, grid = self.options.low, data.refer_to(self.options.model.zero, None, self.options.model.high).grid
        if low is None:
            return [grid.start, grid.stop]
        if low >= grid.stop:
            raise ParameterError("low", f"must be below the highest energy learned, {grid.stop:g} eV; got {low:g} eV.")
        return [max(grid.start, low), grid.stop]

    def require_electrons(self, data: LDOSDataset) -> None:
        """Raise ValueError where properties are asked for and the numbers of electrons are not known."""
        if self._temperature is not None and not all(map(isfinite, data.n_electrons)):
            instead = "pass --no-properties" if self._settings["study"] == "compare" else "leave out --temperature"
            raise ValueError(
                "Properties need the number of valence electrons of every structure, which the dataset does not hold: "
                f"{instead}, or import it with --electrons."
            )

    @contextmanager
    def running(self, name: str) -> Iterator[Setup]:
        """Show a bar of this name, and give the setup to run the study by."""
        with (
            self._folder.logging() as log,
            self.stages.counted(name) as advance,
            cautioning() as said,
        ):
            yield self.options.setup(log=log, progress=advance, temperature=self._temperature)
        self._cautions += said

    def drawn(self, quantities: Sequence[str]) -> list[str]:
        """Quantities whose L/sigma can be drawn: not the Fermi level where it is the energy zero."""
        return [one for one in quantities if one != "fermi_level" or self.options.model.zero != "fermi"]

    def finish(
        self,
        found: Tabulated,
        figures: Mapping[str, Figure],
        numbers: Mapping[str, Any],
        tables: Callable[[], Sequence[ResultTable]],
        words: Sequence[str] = (),
    ) -> None:
        """Write table, figures and summary; print the tables for people, and how to read them."""
        told = found.cautions()
        print_cautions(told)
        self._cautions += told
        files = self._write(found, figures)
        summary = self._summary(numbers, files)
        self._folder.write_summary(summary)
        fermi = [FERMI_WORDS] if self._temperature is not None and self.options.model.zero == "fermi" else []

        def page() -> Page:
            shown = tables()
            return Page(shown, self._title, [*words, *fermi, _LOSS_WORDS, *noise_words(shown)], files=files)

        emit(summary, self.options.printing, page)

    def _write(self, found: Tabulated, figures: Mapping[str, Figure]) -> list[Path]:
        """Write table and figures; gives all files of the study."""
        from ldosml import plotting

        files = [found.save(self._folder.records, overwrite=True)]
        for name, figure in figures.items():
            files += plotting.save_figure(figure, self._folder.figure(name), overwrite=True)
        return [*files, self._folder.summary, self._folder.log]

    def _summary(self, numbers: Mapping[str, Any], files: Sequence[Path]) -> dict[str, Any]:
        from ldosml import __version__

        versions = {"ldosml": __version__, "python": platform.python_version()}
        return {
            "settings": self._settings,
            "data": {**self._data, "changes": self._changes},
            "results": dict(numbers),
            "cautions": self._cautions,
            "versions": versions | {package: version(package) for package in _PACKAGES},
            "seconds": {**self.stages.seconds, "Cross-validations of all runs": self._folder.seconds()},
            "files": [str(file) for file in files],
        }


def pooled(records: Sequence[Record]) -> list[Record]:
    """The rows of all folds together."""
    return [{key: value for key, value in row.items() if key != "fold"} for row in records if row["fold"] == "all"]


@contextmanager
def _untold() -> Iterator[None]:
    """Drop warnings about what joining changes, which the study tells in its own words and keeps."""
    from ldosml.datasets import CommonGroundWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CommonGroundWarning)
        yield
