"""Cross-validation of a DOSModel: predictions of structures left out, for a whole dataset."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray
from sklearn.base import clone

from ldosml._array import to_numpy
from ldosml.datasets import LDOSDataset
from ldosml.descriptors import SOAP
from ldosml.descriptors.environments import EnvironmentTransformer
from ldosml.energy import Zero
from ldosml.evaluation import Evaluation
from ldosml.fragments import CutMode, cut_fragments
from ldosml.pipeline import DOSModel
from ldosml.spectra import DOS, LDOS

Fold = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Indices of the training structures and of the test structures."""


class Learner(Protocol):
    """A model that can be cross-validated: ``DOSModel`` or ``SearchedModel``."""

    zero: Zero
    low: float | None
    high: float | None

    def fit(self, data: LDOSDataset) -> Self:
        """Fit on a training part."""

    def evaluate(self, data: LDOSDataset) -> Evaluation:
        """Compare predictions with a test part."""


@dataclass(frozen=True, eq=False)
class DescriptorRows:
    """Descriptors of a whole dataset, computed once for all folds.

    Parameters
    ----------
    values : array (n_environments, n_raw_features)
        Raw rows of the descriptor (``EnvironmentTransformer.raw_rows``).
    descriptor : descriptor
        Learns from the raw rows of the training part of each fold.
    """

    values: NDArray[np.float64]
    descriptor: EnvironmentTransformer

    def of_fold(self, data: LDOSDataset, fold: Fold) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Rows of the training structures and of the test structures, (n_environments, n_features) each."""
        bounds, numbers = np.concatenate([[0], np.cumsum(data.n_atoms)]), data.numbers
        train, test = (np.concatenate([np.arange(bounds[s], bounds[s + 1]) for s in part]) for part in fold)
        fitted = copy.deepcopy(self.descriptor).fit_rows(self.values[train], numbers[train])
        X_train, X_test = (fitted.transform_rows(self.values[rows], numbers[rows]) for rows in (train, test))
        return X_train, X_test


def predict_left_out(data: LDOSDataset, model: Learner, folds: Sequence[Fold]) -> Evaluation:
    """Predict every structure with a model that was fitted without its fold, and compare with the true spectra.

    All folds learn the same energies: the energies that ``model`` asks for, or else all that the dataset has. What a
    descriptor computes from each structure alone is computed once for all folds. What it learns from many, as
    ``Whitened`` does, it learns from the training part of each fold.

    Parameters
    ----------
    data : LDOSDataset
    model : DOSModel or SearchedModel
        Cloned, not fitted itself.
    folds : sequence of (train, test)
        Indices of structures, as ``data.folds()`` returns them; a structure may be in one test part only.

    Returns
    -------
    Evaluation
        The structures of the test parts, in the order of the dataset, on the model's energies.

    Raises
    ------
    ValueError
        When there is no fold, a structure is in two test parts, a test part has an element that its training part
        lacks, or fitting raises it.
    """
    rows = descriptor_rows(data, model) if isinstance(model, DOSModel) else None
    return pooled([part for _, part in evaluated_folds(data, model, folds, rows)], folds)


def evaluated_folds(
    data: LDOSDataset, model: Learner, folds: Sequence[Fold], rows: DescriptorRows | None = None
) -> Iterator[tuple[Learner, Evaluation]]:
    """Yield the fitted model and the evaluation of each fold; see ``predict_left_out``.

    With ``rows``, descriptors are not computed again, and ``model`` must be a ``DOSModel``.
    """
    if not folds:
        raise ValueError("Cross-validation needs at least one fold; got none.")
    tested = np.concatenate([test for _, test in folds])
    if len(np.unique(tested)) < len(tested):
        raise ValueError("A structure may be in one test part only; some are in several.")
    require_elements(data, folds)
    grid = data.refer_to(model.zero, model.low, model.high).grid
    model = clone(model)
    model.low, model.high = grid.start, grid.stop
    for train, test in folds:
        if rows is None:
            fitted = clone(model).fit(data.select(train))
            yield fitted, fitted.evaluate(data.select(test))
            continue
        X, X_test = rows.of_fold(data, (train, test))
        own: DOSModel = clone(model).fit_rows(X, data.select(train))
        yield own, own.evaluate(data.select(test), X=X_test)


def require_elements(data: LDOSDataset, folds: Sequence[Fold]) -> None:
    """Raise ValueError when a test part has an element that is not in its training part."""
    elements = [set(atoms.numbers.tolist()) for atoms in data.structures]
    for number, (train, test) in enumerate(folds):
        known = set[int]().union(*(elements[s] for s in train))
        for missing in sorted(set[int]().union(*(elements[s] for s in test)) - known):
            holding = [s for s in range(len(data)) if missing in elements[s]]
            n_groups = len({data.groups[s] for s in holding})
            raise ValueError(
                f"{chemical_symbols[missing]} is in the test part of fold {number} but not in its training part: "
                f"{len(holding)} of {len(data)} structures contain it, in {n_groups} groups that stay whole. "
                + (
                    "It needs at least two groups. Add structures that contain it, or remove these structures."
                    if n_groups < 2
                    else "Use another random seed for the folds, or add structures that contain it."
                )
            )


def descriptor_rows(data: LDOSDataset, model: DOSModel) -> DescriptorRows | None:
    """Raw rows of all structures; None for a descriptor of another library, which each fold must fit."""
    descriptor = model.new_descriptor(data.structures)
    if not isinstance(descriptor, EnvironmentTransformer):
        return None
    return DescriptorRows(descriptor.raw_rows(data.structures), descriptor)


class Described:
    """Data and model, with descriptors that are computed once: at the first call, or when sent to another process.

    Many cross-validations share one object. If all of them are in the log, nothing is computed.
    """

    def __init__(self, data: LDOSDataset, model: DOSModel) -> None:
        self._data, self._model = data, model
        self._rows: DescriptorRows | None = None
        self._done = False

    def __call__(self) -> tuple[LDOSDataset, DOSModel, DescriptorRows | None]:
        """Return data, model and descriptors (None: the model computes them)."""
        if not self._done:
            self._rows, self._done = descriptor_rows(self._data, self._model), True
        return self._data, self._model, self._rows

    def __getstate__(self) -> dict[str, Any]:
        self()
        return self.__dict__


def with_regressor(described: Described, regressor: Any) -> tuple[LDOSDataset, DOSModel, DescriptorRows | None]:
    """Return the described data with another regressor in the model."""
    data, model, rows = described()
    return data, clone(model).set_params(regressor=regressor), rows


def cropped_rows(structures: Sequence[Atoms], soap: SOAP, mode: CutMode) -> NDArray[np.float64]:
    """SOAP of every environment from a fragment that is cut at ``r_cut`` of the SOAP, (n_environments, n_features).

    "complete" fragments have the same SOAP as whole structures, so nothing is cut; see ``cut_fragments``.
    """
    fitted = clone(soap).fit(structures)
    cut = structures if mode == "complete" else cut_fragments(structures, soap.r_cut, mode=mode)
    rows: NDArray[np.float64] = fitted.transform(cut)
    return rows


def as_environments(data: LDOSDataset) -> LDOSDataset:
    """Make every environment a structure and a group of its own, to split over single atoms.

    The neighbours are lost, so descriptors must be computed before (``DescriptorRows``); the order of the environments
    stays. Splits of the result put atoms of one structure in the training part and in the test part, as the LDOS paper
    did.

    Raises ValueError when the dataset has no LDOS.
    """
    if data.ldos is None:
        raise ValueError("A split over environments needs LDOS, one row per atom; this dataset has total DOS only.")
    structures = []
    for atoms in data.structures:
        for i in range(len(atoms)):
            structures.append(Atoms(atoms.numbers[[i]], positions=[[0.0, 0.0, 0.0]]))
    index = data.structure_index
    values = to_numpy(data.ldos.values)
    rows = np.arange(len(structures))
    return LDOSDataset(
        structures,
        LDOS(data.grid, values, data.smearing_width, structure_index=rows, numbers=data.numbers),
        None,
        n_electrons=np.full(len(rows), np.nan),
        fermi_energy=data.fermi_energy[index],
        energy_max=data.energy_max[index],
        names=[f"{data.names[s]} {i}" for i, s in enumerate(index)],
        kinds=[data.kinds[s] for s in index],
        groups=[str(i) for i in rows],
        label_noise=data.label_noise,
    )


def pooled(parts: Sequence[Evaluation], folds: Sequence[Fold]) -> Evaluation:
    """Join the evaluations of all test parts, in the order of the dataset."""
    order = np.argsort(np.concatenate([test for _, test in folds]))
    kept = {name: [value for part in parts for value in getattr(part, name)] for name in ("names", "kinds")}
    has_ldos = parts[0].true is not None
    electrons = [part.n_electrons for part in parts if part.n_electrons is not None]
    return Evaluation(
        _joined_ldos([part.true for part in parts], order) if has_ldos else None,  # type: ignore[misc]
        _joined_ldos([part.predicted for part in parts], order),
        [kept["names"][s] for s in order],
        [kept["kinds"][s] for s in order],
        _joined_dos([part.dos()[0] for part in parts], order),
        np.concatenate(electrons)[order] if len(electrons) == len(parts) else None,
    )


def fold_of_each(folds: Sequence[Fold]) -> NDArray[np.int64]:
    """Number of the fold in which each structure is tested, in the order of the dataset."""
    tests = [test for _, test in folds]
    numbers: NDArray[np.int64] = np.repeat(np.arange(len(tests)), [len(test) for test in tests])
    return numbers[np.argsort(np.concatenate(tests))]


def _joined_ldos(parts: Sequence[LDOS], order: NDArray[np.int64]) -> LDOS:
    counts = np.concatenate([to_numpy(part.n_atoms) for part in parts])
    numbers: list[Any] = [part.numbers for part in parts]
    whole = LDOS(
        parts[0].grid,
        np.concatenate([to_numpy(part.values) for part in parts]),
        parts[0].smearing_width,
        structure_index=np.repeat(np.arange(len(counts)), counts),
        numbers=np.concatenate([to_numpy(one) for one in numbers]),
    )
    return whole.select(order)


def _joined_dos(parts: Sequence[DOS], order: NDArray[np.int64]) -> DOS:
    counts = np.concatenate([to_numpy(part.n_atoms) for part in parts if part.n_atoms is not None])
    values = np.concatenate([to_numpy(part.values) for part in parts])
    return DOS(parts[0].grid, values[order], parts[0].smearing_width, n_atoms=counts[order])
