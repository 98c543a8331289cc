"""Predictions of structures that a model did not see, for a whole dataset: cross-validation of a DOSModel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol, Self

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray
from sklearn.base import clone

from ldosml._array import to_numpy
from ldosml.datasets import LDOSDataset
from ldosml.descriptors import SOAP, JoinedSOAP, Precomputed, Whitened
from ldosml.energy import Zero
from ldosml.evaluation import Evaluation
from ldosml.fragments import CutMode, cut_fragments
from ldosml.pipeline import DOSModel
from ldosml.spectra import DOS, LDOS

Fold = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Structures to train on, and to test on."""

_KEY = "study"


class Learner(Protocol):
    """What can be cross-validated: ``DOSModel`` and ``SearchedModel``."""

    zero: Zero
    low: float | None
    high: float | None

    def fit(self, data: LDOSDataset) -> Self:
        """Fit on a training part."""

    def evaluate(self, data: LDOSDataset) -> Evaluation:
        """Set predictions beside a test part."""


def predict_left_out(data: LDOSDataset, model: Learner, folds: Sequence[Fold]) -> Evaluation:
    """Predict every structure by a model that was fitted without its fold, and set it beside the true spectra.

    All folds learn the same energies: those that ``model`` asks for, or that the whole dataset allows. What knows
    nothing of the training part is computed once: SOAP and JoinedSOAP, alone or within ``Whitened``, which learns its
    maps in each fold, as any other descriptor is fitted in each.

    Parameters
    ----------
    data : LDOSDataset
    model : DOSModel or SearchedModel
        Cloned, not fitted itself.
    folds : sequence of (train, test)
        Indices of structures, as ``data.folds()`` gives them; each structure in one test part at most.

    Returns
    -------
    Evaluation
        Of the structures in the test parts, in the order of the dataset; on the model's energies.

    Raises
    ------
    ValueError
        When there is no fold, a structure is in two test parts, or a test part has an element that its training part
        lacks; and whatever fitting raises.
    """
    return pooled([part for _, part in judged_parts(data, model, folds)], folds)


def judged_parts(data: LDOSDataset, model: Learner, folds: Sequence[Fold]) -> Iterator[tuple[Learner, Evaluation]]:
    """Give the fitted model and the evaluation of each fold; see ``predict_left_out``."""
    if not folds:
        raise ValueError("Cross-validation needs at least one fold; got none.")
    tested = np.concatenate([test for _, test in folds])
    if len(np.unique(tested)) < len(tested):
        raise ValueError("A structure may be in one test part only; some are in several.")
    require_elements(data, folds)
    grid = data.refer_to(model.zero, model.low, model.high).grid
    if isinstance(model, DOSModel):
        data, model = described_once(data, model)
    model = clone(model)
    model.low, model.high = grid.start, grid.stop
    for train, test in folds:
        fitted = clone(model).fit(data.select(train))
        yield fitted, fitted.evaluate(data.select(test))


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
                f"{len(holding)} of {len(data)} structures hold it, in {n_groups} groups that stay whole. "
                + (
                    "It needs two groups at least; add structures that hold it, or leave those out."
                    if n_groups < 2
                    else "Ask for other folds (random_state), or add structures that hold it."
                )
            )


def described_once(data: LDOSDataset, model: DOSModel) -> tuple[LDOSDataset, DOSModel]:
    """The same data and model with descriptors that were computed for all structures together.

    Only those are that learn nothing from the structures but which elements there are: SOAP and JoinedSOAP.
    """
    descriptor = SOAP() if model.descriptor is None else model.descriptor
    inner = descriptor.descriptor if isinstance(descriptor, Whitened) else descriptor
    inner = SOAP() if inner is None else inner
    if not isinstance(inner, SOAP | JoinedSOAP):
        return data, clone(model)
    if isinstance(descriptor, Whitened) and descriptor.n_jobs is not None:
        inner = clone(inner).set_params(n_jobs=descriptor.n_jobs)
    rows = clone(inner).fit(data.structures).transform(data.structures)
    return with_rows(data, rows), with_precomputed(model)


class Described:
    """Data and model with descriptors that are computed once: when first asked for, or sent to another process.

    Many cross-validations share one; where all of them are in the log already, nothing is computed.
    """

    def __init__(self, data: LDOSDataset, model: DOSModel) -> None:
        self._given, self._done = (data, model), False

    def __call__(self) -> tuple[LDOSDataset, DOSModel]:
        """Give both, the descriptors with the structures."""
        if not self._done:
            self._given, self._done = described_once(*self._given), True
        return self._given

    def __getstate__(self) -> dict[str, Any]:
        self()
        return self.__dict__


def taught_by(described: Described, regressor: Any) -> tuple[LDOSDataset, DOSModel]:
    """Described data, and their model with another regressor."""
    data, model = described()
    return data, clone(model).set_params(regressor=regressor)


def with_precomputed(model: DOSModel, key: str = _KEY) -> DOSModel:
    """The model with rows of ``atoms.arrays[key]`` in place of its SOAP, whitened where they were."""
    changed: DOSModel = clone(model)
    if isinstance(model.descriptor, Whitened):
        changed.descriptor = clone(model.descriptor).set_params(descriptor=Precomputed(key))
    else:
        changed.descriptor = Precomputed(key)
    return changed


def with_rows(data: LDOSDataset, rows: NDArray[np.float64], key: str = _KEY) -> LDOSDataset:
    """The dataset with rows (n_environments, n_features) in ``atoms.arrays[key]`` of its structures."""
    bounds = np.concatenate([[0], np.cumsum(data.n_atoms)])
    structures = []
    for s, atoms in enumerate(data.structures):
        described = atoms.copy()  # type: ignore[no-untyped-call]
        described.arrays[key] = rows[bounds[s] : bounds[s + 1]]
        structures.append(described)
    return replace(data, structures=structures)


def cropped_rows(structures: Sequence[Atoms], soap: SOAP, mode: CutMode) -> NDArray[np.float64]:
    """SOAP of every environment, (n_environments, n_features), as a fragment cut at the SOAP's ``r_cut`` shows it.

    "complete" fragments give what whole structures give, and are not cut; see ``cut_fragments``.
    """
    fitted = clone(soap).fit(structures)
    cut = structures if mode == "complete" else cut_fragments(structures, soap.r_cut, mode=mode)
    rows: NDArray[np.float64] = fitted.transform(cut)
    return rows


def as_environments(data: LDOSDataset) -> LDOSDataset:
    """Every environment as a structure of its own, kin of no other: for splits that tear structures apart.

    ``data`` must have its descriptors with it (see ``with_rows``), since the surroundings are gone. Group-wise splits
    of the result put atoms of one structure on both sides, as the LDOS paper did.

    Raises ValueError when the dataset has no LDOS.
    """
    if data.ldos is None:
        raise ValueError("This dataset holds total DOS only; environments can be told apart by LDOS only.")
    structures = []
    for atoms in data.structures:
        for i in range(len(atoms)):
            single = Atoms(atoms.numbers[[i]], positions=[[0.0, 0.0, 0.0]])
            for key in atoms.arrays.keys() - {"numbers", "positions"}:
                single.arrays[key] = atoms.arrays[key][[i]]
            structures.append(single)
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
    """One evaluation of the structures of all test parts, in the order of the dataset."""
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
    """Number of the fold that each structure is tested in, in the order of the dataset."""
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
    counts = np.concatenate([to_numpy(part.n_atoms) for part in parts])
    values = np.concatenate([to_numpy(part.values) for part in parts])
    return DOS(parts[0].grid, values[order], parts[0].smearing_width, n_atoms=counts[order])
