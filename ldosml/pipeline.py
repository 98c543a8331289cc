"""From structures to their LDOS: descriptor, a regressor for each centre species, and the energy grid they share."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.validation import check_is_fitted

from ldosml import metrics, persistence
from ldosml._array import Array, Device, as_float64, like, take_rows, to_device, to_numpy
from ldosml._files import sole_writer
from ldosml._ranges import check_attributes
from ldosml._validation import check_shape
from ldosml.chunked_training import ChunkedTraining, SpeciesChunks, as_folder, fitting_structures
from ldosml.descriptors.default import default_descriptor
from ldosml.energy import EnergyGrid, Zero
from ldosml.evaluation import Evaluation
from ldosml.fragments import check_structures
from ldosml.regression import LDOSKernelRidge, LDOSRidge, RepresentedRegressor, SparseLDOSKernelRidge
from ldosml.regression._training_rows import Learn
from ldosml.smearing import same_width
from ldosml.spectra import DOS, LDOS
from ldosml.training_data import TrainingData, from_arrays, from_dataset


class Data(Protocol):
    """What ``DOSModel`` asks of a dataset; ``ldosml.datasets.LDOSDataset`` has it."""

    @property
    def structures(self) -> list[Atoms]:
        """The structures."""

    @property
    def names(self) -> list[str]:
        """A name for each."""

    @property
    def kinds(self) -> list[str]:
        """The phase or material of each."""

    @property
    def groups(self) -> list[str]:
        """The group of each, such as its trajectory."""

    @property
    def n_electrons(self) -> NDArray[np.float64]:
        """Valence electrons of each, NaN where not known."""

    @property
    def ldos(self) -> LDOS | None:
        """The spectra to learn, or to evaluate by."""

    @property
    def dos(self) -> DOS:
        """Their sums, or the total DOS where that is another."""

    def complete_range(self, zero: Zero = ...) -> tuple[float, float]:
        """Lowest and highest energy, against that zero, at which every spectrum is stored and complete."""

    def refer_to(self, zero: Zero = ..., low: float | None = ..., high: float | None = ...) -> Self:
        """The same data with another zero of energy, on one grid below every ``energy_max``."""


class DOSModel(BaseEstimator):  # type: ignore[misc]
    """Learns LDOS from structures, predicts LDOS of structures; their sums are the DOS.

    Each centre species has its own regressor: kernels between environments of different elements are zero.

    Parameters
    ----------
    descriptor : transformer, optional
        From structures to one row per atom. Default: ``Whitened(SOAP())``, joined with ``TightBindingSpectrum`` of
        weight 0.5 if tight binding has parameters of all elements of the training structures; whole structures are
        diagonalised, or regions of 6 angstrom if one has more than 200 atoms.
    regressor : estimator, optional
        Any scikit-learn regressor of several targets that a model file can hold, cloned for each species. Dicts keyed
        by atomic number (``n_inducing``, ``selection``) are resolved per species. Default: ``LDOSKernelRidge()``, a
        Matern kernel on all environments, alpha chosen by leaving out groups.
    zero : {"fermi", "average_potential", "vacuum", "code"}
        Zero of energy in which spectra are learned and predicted; datasets are moved to it. With "fermi", bands of
        different structures line up, and the Fermi level of a prediction is where its electrons are used up.
    low, high : float, optional
        Energies to learn, eV against that zero. Default: from three smearing widths below the first states to where
        the first DOS ceases to be complete.
    device : {None, "cpu", "cuda"}
        Where the regressor fits and predicts: with NumPy, or with CuPy on an NVIDIA GPU, to which descriptors and
        spectra are moved once, before the fit. None: where the spectra are. Predictions are NumPy's in any case.
        Regressors of other packages know NumPy only.

    Attributes
    ----------
    descriptor_ : transformer
    regressors_ : dict of int to estimator
        By atomic number.
    grid_ : EnergyGrid
    smearing_width_ : float or None
        Of the training spectra, and so of the predicted ones, eV.
    training_ : dict
        Numbers of structures, environments and groups by which the model was trained, valence electrons of each element
        where the dataset tells them, and the dataset's provenance.

    Examples
    --------
    >>> import numpy as np
    >>> from ase.build import bulk
    >>> from ldosml import SOAP, EnergyGrid, LDOS
    >>> structures = [bulk("Si", a=a) for a in (5.3, 5.4, 5.5, 5.6)]
    >>> grid = EnergyGrid.from_range(-5, 5, 0.1, zero="fermi")
    >>> width = np.repeat([2.1, 2.0, 1.9, 1.8], 2)[:, None]
    >>> ldos = LDOS(grid, np.exp(-(grid.energies / width) ** 2), structure_index=np.repeat([0, 1, 2, 3], 2))
    >>> model = DOSModel(SOAP(r_cut=4.0, n_max=4, l_max=2)).fit(structures, ldos)
    >>> model.predict([bulk("Si", a=5.45)]).total().values.shape
    (1, 101)
    """

    regressors_: dict[int, Any]
    _place: Array = np.empty((0, 0))  # an array where the regressors have theirs

    def __init__(
        self,
        descriptor: Any = None,
        regressor: Any = None,
        *,
        zero: Zero = "fermi",
        low: float | None = None,
        high: float | None = None,
        device: Device | None = None,
    ) -> None:
        self.descriptor = descriptor
        self.regressor = regressor
        self.zero = zero
        self.low = low
        self.high = high
        self.device = device

    def fit(
        self,
        data: Data | Atoms | Sequence[Atoms],
        spectra: LDOS | DOS | None = None,
        *,
        groups: Sequence[object] | None = None,
    ) -> Self:
        """Fit on a dataset, or on structures and the LDOS of their atoms or their total DOS.

        A regressor that learns LDOS is fitted for each centre species on its own. One that learns DOS, or both, is
        fitted once for all species.

        Parameters
        ----------
        data : dataset or sequence of Atoms
            A dataset holds spectra and groups.
        spectra : LDOS or DOS, optional
            States/eV/atom or states/eV, of the structures in ``data``.
        groups : sequence (n_structures,), optional
            Structures of one value are left out together where alpha is chosen. Default: the groups of the dataset; for
            structures and spectra, each structure is its own group. Snapshots of one trajectory, or displaced copies
            of one structure, resemble each other: without groups each is predicted from the others, alpha comes out
            too small, and the leave-out error flatters. Pass the trajectory of each structure.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            When a regressor lacks the spectra that it learns from, or a number of inducing points for an element; when
            rows do not match atoms, ``groups`` do not match structures, ``low`` is not below ``high``, or the zero is
            not ``zero`` and cannot be moved; when sites are occupied partly, or atoms are closer than 0.5 angstrom.
        TypeError
            When the regressor cannot be saved in a file that is safe to open, or ``spectra`` are no LDOS or DOS.
        ImportError, RuntimeError
            When ``device`` is "cuda" and CuPy or a GPU is missing.
        """
        training = self._training(data, spectra, groups)
        self.descriptor_ = self.new_descriptor(training.structures)
        X = self.descriptor_.fit_transform(training.structures)
        return self._fit_rows(X, training, data)

    def fit_rows(
        self,
        X: ArrayLike,
        data: Data | Atoms | Sequence[Atoms],
        spectra: LDOS | DOS | None = None,
        *,
        groups: Sequence[object] | None = None,
    ) -> Self:
        """Fit as ``fit`` does, on descriptors that were computed before; ``predict_rows`` then predicts.

        Parameters
        ----------
        X : array (n_environments, n_features)
            Descriptors of all atoms, structure by structure. The model's own descriptor is not used.
        data, spectra, groups
            As in ``fit``.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError, ImportError, RuntimeError
            As ``fit``, and when ``X`` has not a row for each atom.
        """
        training = self._training(data, spectra, groups)
        described = to_numpy(as_float64("X", X))
        check_shape("X", described, (len(training.numbers), None), "n_environments, n_features")
        self.__dict__.pop("descriptor_", None)  # of a former fit
        return self._fit_rows(described, training, data)

    def fit_stream(
        self,
        data: Data | Atoms | Sequence[Atoms],
        folder: str | os.PathLike[str],
        spectra: LDOS | DOS | None = None,
        *,
        groups: Sequence[object] | None = None,
    ) -> Self:
        """Fit as ``fit`` does, with descriptors on disk and in bounded memory; goes on after a kill.

        Descriptors and spectra are written to ``folder`` in chunks of whole groups, and so are the sums over them. The
        same call continues with what is there. The folder stays when the fit is done, and is yours to delete.

        Parameters
        ----------
        data, spectra, groups
            As in ``fit``. Structures and spectra are in memory; the descriptors are not.
        folder : path
            New, empty, or of the same fit.

        Returns
        -------
        self

        Raises
        ------
        TypeError
            When the regressor is no ``SparseLDOSKernelRidge``; the memory of others grows with the data.
        ValueError
            As ``fit``, and when the folder belongs to another fit or is damaged.
        FileExistsError
            When ``folder`` is a file.
        BlockingIOError
            When another process writes to the folder.
        OSError
            When writing fails, for instance on a full disk; what was done is kept.

        Notes
        -----
        The descriptor is fitted by at most 20,000 environments, of evenly spaced structures.
        """
        regressor = self._new_regressor()
        if not isinstance(regressor, SparseLDOSKernelRidge):
            raise TypeError(
                f"fit_stream needs a SparseLDOSKernelRidge as the regressor; got {type(regressor).__name__}. The "
                "memory of other regressors grows with the data."
            )
        training = self._training(data, spectra, groups)
        stored = ChunkedTraining(as_folder(folder), regressor.learn, regressor.chunk_size)
        with sole_writer(stored.folder):
            self.descriptor_ = self.new_descriptor(training.structures)
            self.descriptor_.fit(fitting_structures(training.structures))
            chunks = stored.write(training, _codes(training.groups), self.descriptor_)
            self._place = np.empty((0, training.grid.size))
            numbers = [int(number) for number in np.unique(training.numbers)]
            if regressor.learn == "ldos":
                self.regressors_ = {
                    number: _with_own_points(regressor, number).fit_chunks(
                        SpeciesChunks(chunks, number), checkpoint=stored.checkpoint(str(number))
                    )
                    for number in numbers
                }
            else:
                regressor.fit_chunks(chunks, checkpoint=stored.checkpoint("all"))
                self.regressors_ = {number: regressor.of_species(number) for number in numbers}
        self._remember(training, data)
        return self

    def _training(self, data: Any, spectra: LDOS | DOS | None, groups: Sequence[object] | None) -> TrainingData:
        check_attributes(self)
        to_device(np.empty(0), self.device)  # if that fails, before the descriptors are computed
        if spectra is None:
            training = from_dataset(data, self.zero, self.low, self.high, groups)
        else:
            training = from_arrays(data, spectra, self.zero, self.low, self.high, groups)
        check_structures(training.structures)
        if _learned(self._new_regressor()) != "dos":
            training.require_ldos(type(self._new_regressor()).__name__)
        return training

    def _fit_rows(self, X: NDArray[np.float64], training: TrainingData, data: Any) -> Self:
        regressor = self._new_regressor()
        self._place = to_device(training.dos.values, self.device)[:0, :]
        fit = self._fit_by_species if _learned(regressor) == "ldos" else self._fit_together
        self.regressors_ = fit(regressor, X, training)
        self._remember(training, data)
        return self

    def _remember(self, training: TrainingData, data: Any) -> None:
        """Set what the model tells of its energies and of its training data."""
        self.grid_, self.smearing_width_ = training.grid, training.smearing_width
        self.training_: dict[str, Any] = {
            "n_structures": len(training.structures),
            "n_environments": len(training.numbers),
            "n_groups": len(set(training.groups)),
            "valence_electrons": _valence(training.structures, getattr(data, "n_electrons", None)),
            "provenance": dict(getattr(data, "provenance", {})),
        }

    def _fit_by_species(self, regressor: Any, X: NDArray[np.float64], training: TrainingData) -> dict[int, Any]:
        """Fit a regressor to the LDOS of the atoms of each species."""
        ldos = training.require_ldos(type(regressor).__name__)
        numbers, groups = training.numbers, _codes(training.groups)[training.structure_index]
        own = {int(number): _with_own_points(regressor, int(number)) for number in np.unique(numbers)}
        targets = to_device(ldos.values, self.device)
        fitted: dict[int, Any] = {}
        for number, part in own.items():
            rows = np.flatnonzero(numbers == number)
            known = {"groups": groups[rows]} if _takes_groups(part) else {}
            try:
                fitted[number] = part.fit(like(targets, X[rows]), take_rows(targets, rows), **known)
            except ValueError as error:
                found = f"{len(rows)} environments in {len(set(groups[rows]))} groups of structures"
                raise ValueError(f"{chemical_symbols[number]} ({found}): {error}") from error
            persistence.require_savable(part)
        return fitted

    def _fit_together(self, regressor: Any, X: NDArray[np.float64], training: TrainingData) -> dict[int, Any]:
        """Fit one regressor to the DOS of all structures, or to LDOS and DOS; give the part of each species."""
        index, groups = training.structure_index, _codes(training.groups)
        dos = to_device(training.dos.values, self.device)
        known = {"species": training.numbers, "structure_index": index}
        if _learned(regressor) == "dos":
            regressor.fit(like(self._place, X), dos, groups=groups, **known)
        else:
            ldos = to_device(training.require_ldos("learning from both").values, self.device)
            regressor.fit(like(self._place, X), ldos, dos=dos, groups=groups[index], **known)
        return {int(number): regressor.of_species(number) for number in np.unique(training.numbers)}

    def new_descriptor(self, structures: Sequence[Atoms]) -> Any:
        """Make the descriptor that a fit on some structures uses, not fitted.

        Parameters
        ----------
        structures : sequence of Atoms
            Their elements and sizes decide where the model has the default descriptor.

        Returns
        -------
        transformer
        """
        return default_descriptor(structures) if self.descriptor is None else clone(self.descriptor)

    def _new_regressor(self) -> Any:
        return LDOSKernelRidge() if self.regressor is None else clone(self.regressor)

    def predict(self, structures: Atoms | Iterable[Atoms]) -> LDOS:
        """Predict the LDOS of every atom; ``.total()`` sums them to the DOS.

        Nothing is clipped: where states are few, predictions dip slightly below zero. Surroundings unlike any in the
        training set (a single atom, a surface) are predicted all the same, and badly.

        Parameters
        ----------
        structures : Atoms or iterable of Atoms

        Returns
        -------
        LDOS
            States/eV/atom, on the model's energies, atom by atom.

        Raises
        ------
        ValueError
            When there are no structures, an element was not in the training set, positions are not finite, sites are
            occupied partly, or atoms are closer than 0.5 angstrom.
        """
        self._require_descriptor()
        listed = check_structures(structures)
        return self._ldos(listed, self.descriptor_.transform(listed))

    def _ldos(self, structures: Sequence[Atoms], X: ArrayLike) -> LDOS:
        """Predict the LDOS of structures from the descriptors of their atoms."""
        numbers = np.concatenate([atoms.numbers for atoms in structures])
        index = np.repeat(np.arange(len(structures)), [len(atoms) for atoms in structures])
        values = self.predict_rows(X, numbers)
        return LDOS(self.grid_, values, self.smearing_width_, structure_index=index, numbers=numbers)

    def predict_rows(self, X: ArrayLike, numbers: ArrayLike) -> NDArray[np.float64]:
        """Predict the LDOS of environments from their descriptors.

        Parameters
        ----------
        X : array (n_environments, n_features)
            Descriptors, as ``fit`` or ``fit_rows`` saw them.
        numbers : array (n_environments,) of int
            Atomic numbers of the centres.

        Returns
        -------
        array (n_environments, n_energies)
            States/eV/atom.

        Raises
        ------
        ValueError
            When an element was not in the training set, or shapes differ.
        """
        check_is_fitted(self)
        described, centers = as_float64("X", X), np.asarray(numbers)
        check_shape("X", described, (None, None), "n_environments, n_features")
        check_shape("numbers", centers, (int(described.shape[0]),), "n_environments")
        self._require_trained(centers)
        values = np.empty((len(centers), self.grid_.size))
        for number in np.unique(centers):
            rows = centers == number
            values[rows] = to_numpy(self.regressors_[int(number)].predict(like(self._place, described[rows])))
        return values

    def score(self, data: Any, spectra: LDOS | DOS | None = None) -> float:
        """Score predictions by R2, the energies weighted by their variance (``metrics.variance_weighted_r2``).

        Parameters
        ----------
        data : dataset or sequence of Atoms
        spectra : LDOS or DOS, optional
            True spectra of the structures in ``data``. They hold the model's energies. DOS are compared per atom.

        Returns
        -------
        float
            Of the LDOS, or of the DOS per atom where the LDOS is not known: 1 is perfect, 0 is the mean spectrum.

        Raises
        ------
        ValueError
            As ``evaluate``, and when ``spectra`` do not match the structures.
        """
        if spectra is None:
            compared = self.evaluate(data).compared()
            true, predicted = compared.get("ldos", compared["dos"])
        else:
            training = from_arrays(data, spectra, self.zero, self.grid_.start, self.grid_.stop, None)
            ldos = self.predict(training.structures)
            true, predicted = (training.dos, ldos.total()) if training.ldos is None else (training.ldos, ldos)
            predicted.grid.require_match(true.grid, "The model and the spectra")
        rows = (one.values if isinstance(one, LDOS) else one.per_atom() for one in (true, predicted))
        return metrics.variance_weighted_r2(*rows)

    def evaluate(self, data: Data, *, X: ArrayLike | None = None) -> Evaluation:
        """Predict the structures of a dataset and set the predictions beside its LDOS and DOS, or its DOS alone.

        They are evaluated at the model's energies, as far as every structure's DOS is stored and complete: see the grid
        of the result.

        Parameters
        ----------
        data : dataset
        X : array (n_environments, n_features), optional
            Descriptors of its atoms, where they were computed before (see ``fit_rows``).

        Returns
        -------
        Evaluation

        Raises
        ------
        ValueError
            When the dataset is smeared differently or has other energies, or ``X`` has not a row for each atom.
        """
        check_is_fitted(self)
        grid = self.grid_.cut(*data.complete_range(self.zero))
        aligned = data.refer_to(self.zero, grid.start, grid.stop)
        if not same_width(aligned.dos.smearing_width, self.smearing_width_):
            raise ValueError(
                f"The dataset is smeared by {aligned.dos.smearing_width} eV, the model's training data by "
                f"{self.smearing_width_} eV. Broaden the narrower one first."
            )
        grid.require_match(aligned.dos.grid, "The model and the dataset")
        whole = self.predict(aligned.structures) if X is None else self._ldos(aligned.structures, X)
        predicted = whole.cut(grid.start, grid.stop)
        return Evaluation(
            aligned.ldos, predicted, list(aligned.names), list(aligned.kinds), aligned.dos, aligned.n_electrons
        )

    def n_electrons(self, structures: Atoms | Iterable[Atoms]) -> NDArray[np.float64]:
        """Count the valence electrons of structures as the training data counted them.

        Parameters
        ----------
        structures : Atoms or iterable of Atoms

        Returns
        -------
        array (n_structures,)

        Raises
        ------
        ValueError
            When the training data did not tell how many an element has.
        """
        check_is_fitted(self)
        listed = [structures] if isinstance(structures, Atoms) else list(structures)
        known: dict[str, float] = dict(self.training_.get("valence_electrons") or {})
        missing = sorted({symbol for atoms in listed for symbol in atoms.symbols} - set(known))
        if missing:
            raise ValueError(
                f"The model does not know how many valence electrons {', '.join(missing)} has: its training data do "
                "not tell. Give the numbers of electrons yourself."
            )
        return np.array([sum(known[symbol] for symbol in atoms.symbols) for atoms in listed])

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Save the fitted model to one file, which appears under its name only when it is complete.

        The file holds a readable specification and plain arrays; opening it runs no code.

        Parameters
        ----------
        path : path
        overwrite : bool
            Replace a file that exists.

        Returns
        -------
        Path

        Raises
        ------
        FileExistsError
            When the file exists and ``overwrite`` is false.
        TypeError
            When the descriptor is of a class that the format does not know.
        OSError
            When writing fails, for instance on a full disk; nothing is left behind.
        """
        self._require_descriptor()
        facts = {name: getattr(self, name) for name in ("low", "high")}
        facts |= {"smearing_width": self.smearing_width_, "training": self.training_}
        stored = persistence.StoredModel(self.grid_, facts, self.descriptor_, self.regressors_)
        return persistence.save(stored, path, overwrite=overwrite)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, device: Device = "cpu") -> Self:
        """Load a model that ``save`` wrote.

        Parameters
        ----------
        path : path
        device : {"cpu", "cuda"}
            Where its regressors predict, wherever they were fitted.

        Returns
        -------
        DOSModel

        Raises
        ------
        FileNotFoundError
        ValueError
            When the file is not such a model, is truncated, or was written by a version that this one cannot read.
        ImportError, RuntimeError
            When ``device`` is "cuda" and CuPy or a GPU is missing.
        """
        stored = persistence.load(path, device=device)
        first, facts = next(iter(stored.regressors.values())), stored.facts
        model = cls(stored.descriptor, first, zero=stored.grid.zero, low=facts["low"], high=facts["high"])
        model.grid_, model.smearing_width_ = stored.grid, facts["smearing_width"]
        model.training_ = facts["training"]
        model.descriptor_, model.regressors_ = stored.descriptor, stored.regressors
        if device != "cpu":
            model.set_params(device=device)._place = to_device(np.empty((0, 0)), device)
        return model

    def _require_descriptor(self) -> None:
        check_is_fitted(self, "regressors_")
        if not hasattr(self, "descriptor_"):
            raise NotFittedError(
                "This model was fitted on descriptors that were computed before (fit_rows), and has no descriptor of "
                "its own: predict with predict_rows, or fit it on the structures."
            )

    def _require_trained(self, numbers: NDArray[np.int64]) -> None:
        missing = sorted(set(numbers.tolist()) - set(self.regressors_))
        if missing:
            raise ValueError(
                f"The model was trained on atomic numbers {sorted(self.regressors_)}; it has never seen {missing}."
            )

    @property
    def energies(self) -> NDArray[np.float64]:
        """The energies at which LDOS are predicted, (n_energies,), eV."""
        check_is_fitted(self)
        grid: EnergyGrid = self.grid_
        return grid.energies


def _learned(regressor: Any) -> Learn:
    """What a regressor learns; the estimator within says it where spectra are represented anew."""
    if isinstance(regressor, RepresentedRegressor):
        return "ldos" if regressor.regressor is None else _learned(regressor.regressor)
    if isinstance(regressor, LDOSRidge | LDOSKernelRidge | SparseLDOSKernelRidge):
        return regressor.learn
    return "ldos"


def _takes_groups(regressor: Any) -> bool:
    """Whether ``fit`` of a regressor has a use for groups: scikit-learn's metadata routing knows."""
    if not isinstance(regressor, LDOSRidge | LDOSKernelRidge | SparseLDOSKernelRidge | RepresentedRegressor):
        return False
    return bool(get_routing_for_object(regressor).consumes("fit", ["groups"]))


def _codes(groups: Sequence[object]) -> NDArray[np.int64]:
    """Whole numbers in place of groups, which may be of any type."""
    known = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    return np.array([known[group] for group in groups], dtype=np.int64)


def _with_own_points(regressor: Any, number: int) -> Any:
    """Clone a regressor for one species, with the species' own entry of settings that are given by atomic number."""
    own = clone(regressor)
    for name, value in own.get_params().items():
        if name.split("__")[-1] in ("n_inducing", "selection") and isinstance(value, Mapping):
            if number not in value:
                raise ValueError(
                    f"{name} has no entry for {chemical_symbols[number]} (atomic number {number}), only for "
                    f"{list(value)}. Give one for each element of the training structures, by atomic number."
                )
            own.set_params(**{name: value[number]})
    return own


def _valence(structures: Sequence[Atoms], n_electrons: NDArray[np.float64] | None) -> dict[str, float]:
    """Valence electrons of each element, by its symbol, where the structures' numbers follow from such; else empty."""
    if n_electrons is None or not np.isfinite(n_electrons).all():
        return {}
    elements = sorted({int(number) for atoms in structures for number in atoms.numbers})
    composition = np.array([[np.count_nonzero(atoms.numbers == z) for z in elements] for atoms in structures])
    each, _, rank, _ = np.linalg.lstsq(composition, n_electrons)
    if rank < len(elements) or not np.allclose(composition @ each, n_electrons, rtol=1e-9):
        return {}
    return {chemical_symbols[z]: round(float(count), 9) for z, count in zip(elements, each, strict=True)}
