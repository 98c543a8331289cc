"""What the studies have in common: which data, which folds, at which energies, and how it is named in a log."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ldosml._journal import Record
from ldosml.datasets import LDOSDataset
from ldosml.studies.cross_validation import CrossValidation, Prepare, Progress, run_all
from ldosml.studies.folds import Fold, require_elements


@dataclass(frozen=True, eq=False)
class Setup:
    """How a study is run; every study takes these.

    Parameters
    ----------
    n_splits : int
        Folds, of whole groups, kinds in proportion.
    random_state : int
        Draws the folds, and whatever else a study draws.
    low, high : float, optional
        Spectra are judged at the energies between, eV against the model's zero. What is learned is up to the model:
        properties need all energies from the first states on.
    temperature : float, optional
        K; properties are derived at it and judged, too. None: spectra only. Studies of the LDOS by element
        (``sweep_cutoffs``, ``error_table``) derive none.
    log : path, optional
        File to keep results in, continued where it exists: a study that was killed goes on where it stopped. It belongs
        to its data, model and settings; radii, sizes and widths may be added.
    n_jobs : int, optional
        Cross-validations side by side, in as many processes.
    progress : callable, optional
        Called with how many are done, how many there are, and what was done last.
    """

    n_splits: int = 5
    random_state: int = 0
    low: float | None = None
    high: float | None = None
    temperature: float | None = None
    log: str | os.PathLike[str] | None = None
    n_jobs: int | None = 1
    progress: Progress | None = None

    def folds(self, data: LDOSDataset) -> list[Fold]:
        """Folds of a dataset.

        Raises ValueError when there are fewer groups than folds, or a test part has an element that its training part
        lacks.

        Parameters
        ----------
        data : LDOSDataset

        Returns
        -------
        list of tuple
            Indices of the training and of the test structures.
        """
        folds = data.folds(self.n_splits, self.random_state)
        require_elements(data, folds)
        return folds

    def validation(self, key: Mapping[str, Any], prepare: Prepare, folds: Sequence[Fold]) -> CrossValidation:
        """One cross-validation as this setup wants it.

        Parameters
        ----------
        key : mapping
            What tells it from the others of the study.
        prepare : callable
            Gives dataset, model and descriptors.
        folds : sequence of (train, test)

        Returns
        -------
        CrossValidation
        """
        return CrossValidation(key, prepare, folds, self.low, self.high, self.temperature)

    def run(
        self, study: str, data: LDOSDataset, validations: Sequence[CrossValidation], **settings: Any
    ) -> list[Record]:
        """Run what the log does not hold; ``settings`` are what else makes two runs comparable.

        Raises as ``run_all``.

        Parameters
        ----------
        study : str
            What to call it in messages about the log.
        data : LDOSDataset
        validations : sequence of CrossValidation
        **settings
            What else makes two runs comparable.

        Returns
        -------
        list of dict
            A record each cross-validation.
        """
        mine = {name: getattr(self, name) for name in ("n_splits", "random_state", "low", "high", "temperature")}
        return run_all(
            validations,
            study=study,
            data=data,
            settings=mine | settings,
            log=self.log,
            n_jobs=self.n_jobs,
            progress=self.progress,
        )
