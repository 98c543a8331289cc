"""From structures to their LDOS: descriptor, a regressor for each centre species, and the energy grid they share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol, Self

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from ldosml._array import Array, Device, index_like, like, namespace, to_device, to_numpy
from ldosml.descriptors import SOAP
from ldosml.energy import EnergyGrid, Zero
from ldosml.evaluation import Evaluation
from ldosml.regression import LDOSKernelRidge, RepresentedRegressor
from ldosml.smearing import same_width
from ldosml.spectra import DOS, LDOS
from ldosml.training import Training, from_arrays, from_dataset


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
        """The trajectory of each."""

    @property
    def n_electrons(self) -> NDArray[np.float64]:
        """Valence electrons of each, NaN where not known."""

    @property
    def ldos(self) -> LDOS | None:
        """The spectra to learn, or to judge by."""

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
        From structures to one row per atom. Default: ``SOAP()``.
    regressor : estimator, optional
        Any scikit-learn regressor of several targets, cloned for each species, where ``n_inducing`` and ``selection``
        by atomic number become those of the species. Default: ``LDOSKernelRidge("leave-one-group-out",
        kernel="matern")``.
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
    >>> from ldosml import EnergyGrid, LDOS
    >>> structures = [bulk("Si", a=a) for a in (5.3, 5.4, 5.5, 5.6)]
    >>> grid = EnergyGrid.from_range(-5, 5, 0.1, zero="fermi")
    >>> width = np.repeat([2.1, 2.0, 1.9, 1.8], 2)[:, None]
    >>> ldos = LDOS(grid, np.exp(-(grid.energies / width) ** 2), structure_index=np.repeat([0, 1, 2, 3], 2))
    >>> model = DOSModel(SOAP(r_cut=4.0, n_max=4, l_max=2)).fit(structures, ldos)
    >>> model.predict([bulk("Si", a=5.45)]).total().values.shape
    (1, 101)
    """

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

    def fit(self, data: Data | Sequence[Atoms], spectra: LDOS | DOS | None = None) -> Self:
        """Fit on a dataset, or on structures and the LDOS of their atoms or their total DOS.

        Regressors of the LDOS are fitted for each centre species on its own; those that split the total DOS
        (``DOSKernelRidge``, ``DOSRidge``, ``SparseLDOSKernelRidge`` with such ``targets``) are fitted once, for all
        species together, with the LDOS where their ``ldos_weight`` is not zero, or ``targets`` are both.

        Where the dataset knows groups of kindred structures (snapshots of one trajectory), leave-one-group-out
        leaves out the whole group.

        Raises
        ------
        ValueError
            When a regressor lacks the spectra that it learns from, or a number of inducing points for an element; when
            rows do not match atoms, ``low`` is not below ``high``, or the zero is not ``zero`` and cannot be
            moved.
        ImportError, RuntimeError
            When ``device`` is "cuda" and CuPy or a GPU is missing.
        """
        to_device(np.empty(0), self.device)  # if that fails, before the descriptors are computed
        if spectra is None:
            training = from_dataset(data, self.zero, self.low, self.high)
        else:
            training = from_arrays(data, spectra, self.zero, self.low, self.high)  # type: ignore[arg-type]
        regressor = self._new_regressor()
        learner = _learner(regressor)
        splits_dos = has_fit_parameter(learner, "ldos") or getattr(learner, "targets", "ldos") != "ldos"
        if not splits_dos:
            training.require_ldos(type(regressor).__name__)
        X = self._fit_descriptor(training.structures)
        self.grid_, self.smearing_width_ = training.grid, training.dos.smearing_width
        self._place = to_device(training.dos.values, self.device)[:0, :]
        fit = self._fit_together if splits_dos else self._fit_by_species
        self.regressors_: dict[int, Any] = fit(regressor, X, training)
        self.training_: dict[str, Any] = {
            "n_structures": len(training.structures),
            "n_environments": len(X),
            "n_groups": len(set(training.groups)),
            "valence_electrons": _valence(training.structures, getattr(data, "n_electrons", None)),
            "provenance": dict(getattr(data, "provenance", {})),
        }
        return self

    def _fit_by_species(self, regressor: Any, X: NDArray[np.float64], training: Training) -> dict[int, Any]:
        """Fit a regressor to the LDOS of the atoms of each species."""
        ldos = training.require_ldos(type(regressor).__name__)
        numbers, group = training.numbers, np.asarray(training.groups)[training.structure_index]
        own = {int(number): _with_own_points(regressor, int(number)) for number in np.unique(numbers)}
        targets = to_device(ldos.values, self.device)
        fitted = {}
        for number, part in own.items():
            rows = np.flatnonzero(numbers == number)
            grouped = {"structure_index": group[rows]} if has_fit_parameter(part, "structure_index") else {}
            try:
                fitted[number] = part.fit(like(targets, X[rows]), _take(targets, rows), **grouped)
            except ValueError as error:
                found = f"{len(rows)} environments in {len(set(group[rows]))} groups of structures"
                raise ValueError(f"{chemical_symbols[number]} ({found}): {error}") from error
        return fitted

    def _fit_together(self, regressor: Any, X: NDArray[np.float64], training: Training) -> dict[int, Any]:
        """Fit one regressor to the DOS of all structures; give the part of each species."""
        learner, dos = _learner(regressor), to_device(training.dos.values, self.device)
        sparse = not has_fit_parameter(learner, "ldos")
        joint = learner.targets == "both" if sparse else learner.ldos_weight > 0
        ldos = to_device(training.require_ldos("a joint fit").values, self.device) if joint else None
        if sparse and joint:
            targets, beside = ldos, {"dos": dos}
        else:
            targets, beside = dos, {} if sparse else {"ldos": ldos}
        known = {"species": training.numbers, "groups": np.asarray(training.groups)}
        regressor.fit(like(self._place, X), targets, training.structure_index, **known, **beside)
        return {int(number): regressor.of_species(number) for number in np.unique(training.numbers)}

    def _new_regressor(self) -> Any:
        if self.regressor is None:
            return LDOSKernelRidge("leave-one-group-out", kernel="matern")
        return clone(self.regressor)

    def _fit_descriptor(self, structures: list[Atoms]) -> NDArray[np.float64]:
        self.descriptor_ = SOAP() if self.descriptor is None else clone(self.descriptor)
        X: NDArray[np.float64] = self.descriptor_.fit_transform(structures)
        return X

    def predict(self, structures: Atoms | Iterable[Atoms]) -> LDOS:
        """Predict the LDOS of every atom; ``.total()`` sums them to the DOS.

        Nothing is clipped: where states are few, predictions dip slightly below zero. Surroundings unlike any in the
        training set (a single atom, a surface) are predicted all the same, and badly.

        Raises
        ------
        ValueError
            When there are no structures, an element was not in the training set, or positions are not finite.
        """
        check_is_fitted(self)
        listed = [structures] if isinstance(structures, Atoms) else list(structures)
        X = self.descriptor_.transform(listed)
        numbers = np.concatenate([atoms.numbers for atoms in listed])
        values = self.predict_rows(X, numbers)
        index = np.repeat(np.arange(len(listed)), [len(atoms) for atoms in listed])
        return LDOS(self.grid_, values, self.smearing_width_, structure_index=index, numbers=numbers)

    def predict_rows(self, X: NDArray[np.float64], numbers: NDArray[np.int64]) -> NDArray[np.float64]:
        """Predict the LDOS, (n_environments, n_energies), of descriptors (n_environments, n_features).

        ``numbers`` (n_environments,) are the atomic numbers of the centres. Raises ValueError for an element that was
        not in the training set.
        """
        check_is_fitted(self)
        self._require_trained(numbers)
        values = np.empty((len(numbers), self.grid_.size))
        for number in np.unique(numbers):
            rows = numbers == number
            values[rows] = to_numpy(self.regressors_[int(number)].predict(like(self._place, X[rows])))
        return values

    def evaluate(self, data: Data) -> Evaluation:
        """Predict the structures of a dataset and set the predictions beside its LDOS and DOS, or its DOS alone.

        They are judged at the model's energies, as far as every structure's DOS is stored and complete: see the grid of
        the result.

        Raises
        ------
        ValueError
            When the dataset is smeared differently or has other energies.
        """
        check_is_fitted(self)
        grid = self.grid_.cut(*data.complete_range(self.zero))
        aligned = data.refer_to(self.zero, grid.start, grid.stop)
        if not same_width(aligned.dos.smearing_width, self.smearing_width_):
            raise ValueError(
                f"The dataset is smeared by {aligned.dos.smearing_width} eV, the model's training data by "
                f"{self.smearing_width_} eV: use broaden_to."
            )
        grid.require_match(aligned.dos.grid, "The model and the dataset")
        predicted = self.predict(aligned.structures).cut(grid.start, grid.stop)
        return Evaluation(
            aligned.ldos, predicted, list(aligned.names), list(aligned.kinds), aligned.dos, aligned.n_electrons
        )

    def n_electrons(self, structures: Atoms | Iterable[Atoms]) -> NDArray[np.float64]:
        """Valence electrons of structures, (n_structures,), counted as the training data counted them.

        Raises ValueError when the training data did not tell how many an element has.
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


def _learner(regressor: Any) -> Any:
    """Give the estimator that says what is learned from: the one within, where spectra are represented anew."""
    if isinstance(regressor, RepresentedRegressor):
        return LDOSKernelRidge() if regressor.regressor is None else _learner(regressor.regressor)
    return regressor


def _with_own_points(regressor: Any, number: int) -> Any:
    """Clone a regressor for one species; of inducing points that are given by atomic number it is told its own."""
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


def _take(array: Array, rows: NDArray[np.int64]) -> Array:
    return namespace(array).take(array, index_like(array, rows), axis=0)


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
