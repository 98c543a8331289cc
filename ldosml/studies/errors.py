"""Squared errors of structures left out, quantity by quantity, and the losses that follow from them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Self

import numpy as np
from ase.data import atomic_numbers, chemical_symbols
from numpy.typing import NDArray

from ldosml._array import to_numpy
from ldosml._journal import Record
from ldosml._ranges import check_arguments
from ldosml.energy import EnergyGrid
from ldosml.evaluation import Evaluation
from ldosml.properties import NegativeDOSWarning, dos_derivative

Floats = NDArray[np.float64]

PROPERTIES = (
    "band_energy",
    "absorption_spectrum",
    "heat_capacity",
    "fermi_level",
    "dos_at_fermi_level",
    "pauli_susceptibility",
)
"""The properties of figure 4 of the LDOS paper, in its order."""

SPECTRA = ("ldos", "dos", "dos_derivative")
"""LDOS by environment; DOS and dD/de by structure, per atom."""

_DIGITS = 6  # significant digits that a journal keeps


@dataclass(frozen=True, eq=False, repr=False)
class Errors:
    """Mean squared errors of structures (for LDOS, of environments), and the deviations that normalise them.

    Quantities are "ldos", the LDOS of an element ("ldos Si"), "dos" and "dos_derivative" per atom, and the names of
    ``PROPERTIES``, per atom.

    Parameters
    ----------
    squared : dict of array
        "ldos": (n_environments,); other quantities: (n_structures,). Errors of spectra are averaged over the energies.
        NaN where a structure has no such property; means omit it.
    sigma : dict of float
        Standard deviation of the true values over the whole set (equation 15 of the LDOS paper), by quantity, in
        ``units``; for the LDOS of an element, over the environments of that element.
    units : dict of str
        Unit of each quantity.
    mean_loss : dict of float
        L/sigma of always predicting the mean spectrum; for the LDOS of an element, the mean spectrum of that element.
        Only for spectra.
    numbers, structure_index : array (n_environments,)
        Atomic number and structure of each environment.
    fold : array (n_structures,)
        The fold in which each structure was left out.
    grid : EnergyGrid
        Energies at which spectra are evaluated.
    """

    squared: dict[str, Floats]
    sigma: dict[str, float]
    units: dict[str, str]
    mean_loss: dict[str, float]
    numbers: NDArray[np.int64]
    structure_index: NDArray[np.int64]
    fold: NDArray[np.int64]
    grid: EnergyGrid

    @classmethod
    def of(
        cls,
        evaluation: Evaluation,
        fold: NDArray[np.int64],
        *,
        low: float | None = None,
        high: float | None = None,
        temperature: float | None = None,
    ) -> Self:
        """Errors of predictions.

        Negative values of a predicted DOS are repaired before properties are derived (``ldosml.properties``), without
        a warning: a study expects poor predictions, and the errors show them.

        Parameters
        ----------
        evaluation : Evaluation
            True and predicted spectra.
        fold : array (n_structures,)
            The fold in which each structure was left out.
        low, high : float, optional
            Spectra are evaluated between these energies, eV.
        temperature : float, optional
            K; if given, properties are also derived, from the DOS at all energies of the evaluation.

        Returns
        -------
        Errors

        Raises
        ------
        ValueError
            When the true values of a quantity are constant, or a temperature is given and properties cannot be derived:
            the numbers of electrons are not known, or a true DOS, or every predicted DOS, does not contain all
            electrons within its energies. If single predictions do not contain them, their properties are NaN.
        """
        check_arguments(low=low, high=high, temperature=temperature)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NegativeDOSWarning)
            return cls._of(evaluation, fold, low, high, temperature)

    @classmethod
    def _of(
        cls,
        evaluation: Evaluation,
        fold: NDArray[np.int64],
        low: float | None,
        high: float | None,
        temperature: float | None,
    ) -> Self:
        squared: dict[str, Floats] = {}
        sigma: dict[str, float] = {}
        mean_loss: dict[str, float] = {}
        units = {"dos": "states/eV/atom", "dos_derivative": "states/eV^2/atom"}
        cut = evaluation.cut(low, high)
        assert cut.predicted.numbers is not None  # a model predicts atoms whose elements it knows
        numbers = np.asarray(to_numpy(cut.predicted.numbers), dtype=np.int64)
        index = np.asarray(to_numpy(cut.predicted.structure_index), dtype=np.int64)
        if cut.true is not None:
            true, predicted = (np.asarray(to_numpy(s.values)) for s in (cut.true, cut.predicted))
            squared["ldos"] = ((predicted - true) ** 2).mean(axis=1)
            views = {f"ldos {chemical_symbols[z]}": true[numbers == z] for z in np.unique(numbers)}
            for name, rows in {"ldos": true, **views}.items():
                sigma[name], mean_loss[name] = _deviation(name, rows)
                units[name] = "states/eV/atom"
        # Before the cut, because a derivative at the ends needs the energies beyond them.
        derivatives = [replace(one, values=dos_derivative(one)) for one in evaluation.dos()]
        grid = cut.predicted.grid
        for name, spectra in (("dos", cut.dos()), ("dos_derivative", derivatives)):
            true, predicted = (np.asarray(to_numpy(one.cut(grid.start, grid.stop).per_atom())) for one in spectra)
            squared[name] = ((predicted - true) ** 2).mean(axis=1)
            sigma[name], mean_loss[name] = _deviation(name, true)
        if temperature is not None:
            for name, (errors, deviation, unit) in _property_errors(evaluation, temperature).items():
                squared[name], sigma[name], units[name] = errors, deviation, unit
        return cls(squared, sigma, units, mean_loss, numbers, index, np.asarray(fold, dtype=np.int64), grid)

    @property
    def quantities(self) -> list[str]:
        """Quantities that have errors; with one element, its LDOS is not listed in addition to "ldos"."""
        single = f"ldos {self.elements[0]}" if len(self.elements) == 1 else ""
        return [name for name in self.sigma if name != single]

    @property
    def elements(self) -> list[str]:
        """Symbols of the elements, in the order of their atomic numbers."""
        return [chemical_symbols[number] for number in np.unique(self.numbers)]

    def __len__(self) -> int:
        """Count the structures."""
        return len(self.fold)

    def __repr__(self) -> str:
        """Numbers of structures and environments, and the quantities."""
        return f"Errors({len(self)} structures, {len(self.numbers)} environments; {', '.join(self.quantities)})"

    def loss(self, quantity: str, weights: Floats | None = None) -> float:
        """L/sigma over all structures, or with weights.

        NaN if no structure has the quantity, or its sigma is zero.

        Parameters
        ----------
        quantity : str
            One of ``quantities``.
        weights : array (n_structures,), optional
            How often each structure counts.

        Returns
        -------
        float
        """
        counts = np.ones(len(self)) if weights is None else weights
        return float(self.losses(quantity, counts[None, :])[0])

    def losses(self, quantity: str, draws: Floats) -> Floats:
        """L/sigma for many draws of structures.

        Parameters
        ----------
        quantity : str
            One of ``quantities``.
        draws : array (n_draws, n_structures)
            How often each structure counts in each draw.

        Returns
        -------
        array (n_draws,)
        """
        roots = np.sqrt(self._mean_squares(quantity, draws))
        result: Floats = roots / (self.sigma[quantity] or np.nan)
        return result

    def known(self, quantity: str) -> NDArray[np.bool_]:
        """Which structures have the quantity.

        Parameters
        ----------
        quantity : str
            One of ``quantities``.

        Returns
        -------
        array (n_structures,) of bool
        """
        return self._sums(quantity)[1] > 0

    def rmse(self, quantity: str) -> float:
        """Root mean square error over the structures, in ``units[quantity]``.

        Parameters
        ----------
        quantity : str
            One of ``quantities``.

        Returns
        -------
        float
            In the unit of the quantity.
        """
        return float(np.sqrt(self._mean_squares(quantity, np.ones((1, len(self))))[0]))

    def _mean_squares(self, quantity: str, draws: Floats) -> Floats:
        """Mean squared error of each draw, (n_draws,); NaN if the draw has no rows."""
        sums, counts = self._sums(quantity)
        weights = draws @ counts
        result: Floats = (draws @ sums) / np.where(weights > 0, weights, np.nan)
        return result

    def _sums(self, quantity: str) -> tuple[Floats, Floats]:
        """Sum of the squared errors of each structure, and the number of its rows, both (n_structures,) without NaN."""
        values, structures = self._rows(quantity)
        rows = np.isfinite(values)
        sums: Floats = np.zeros(len(self))
        counts: Floats = np.zeros(len(self))
        np.add.at(sums, structures[rows], values[rows])
        np.add.at(counts, structures[rows], 1.0)
        return sums, counts

    def by_fold(self, quantity: str) -> dict[int, float]:
        """L/sigma of each fold; sigma is over the whole set.

        Parameters
        ----------
        quantity : str
            One of ``quantities``.

        Returns
        -------
        dict of int to float
            By number of the fold.
        """
        return {int(f): self.loss(quantity, (self.fold == f).astype(float)) for f in np.unique(self.fold)}

    def pooled_and_by_fold(self, quantity: str) -> dict[str, float]:
        """L/sigma of all folds together, and of each fold.

        Parameters
        ----------
        quantity : str
            One of ``quantities``.

        Returns
        -------
        dict of str to float
            The keys are "all" and the numbers of the folds.
        """
        return {"all": self.loss(quantity), **{str(fold): loss for fold, loss in self.by_fold(quantity).items()}}

    def by_environment(self, quantity: str = "ldos") -> Floats:
        """L/sigma of every environment; sigma is over all environments of the quantity.

        Parameters
        ----------
        quantity : str
            "ldos", or the LDOS of an element, such as "ldos Si".

        Returns
        -------
        array (n_environments,)
            For the LDOS of an element, only the environments of that element.
        """
        values, _ = self._rows(quantity)
        result: Floats = np.sqrt(values) / self.sigma[quantity]
        return result

    def _rows(self, quantity: str) -> tuple[Floats, NDArray[np.int64]]:
        """Squared errors and the structure of each."""
        if quantity not in self.sigma:
            raise ValueError(f"quantity must be one of {', '.join(self.sigma)}; got {quantity!r}.")
        if quantity.startswith("ldos"):
            element = quantity[len("ldos ") :]
            rows = np.full(len(self.numbers), True) if not element else self.numbers == atomic_numbers[element]
            return self.squared["ldos"][rows], self.structure_index[rows]
        return self.squared[quantity], np.arange(len(self))

    def as_record(self) -> Record:
        """Convert to plain numbers and lists for a journal; squared errors have six digits.

        Returns
        -------
        dict
            Input of ``from_record``.
        """
        digits = f".{_DIGITS}g"
        return {
            "squared": {k: [float(format(x, digits)) for x in v.tolist()] for k, v in self.squared.items()},
            "sigma": self.sigma,
            "units": self.units,
            "mean_loss": self.mean_loss,
            "numbers": self.numbers.tolist(),
            "structure_index": self.structure_index.tolist(),
            "fold": self.fold.tolist(),
            "grid": asdict(self.grid),
        }

    @classmethod
    def from_record(cls, record: Record) -> Self:
        """Errors from the output of ``as_record``.

        Parameters
        ----------
        record : mapping
            Output of ``as_record``; other entries are ignored.

        Returns
        -------
        Errors

        Raises
        ------
        ValueError
            When an entry is missing.
        """
        lacking = {"squared", "sigma", "units", "mean_loss", "numbers", "structure_index", "fold", "grid"} - set(record)
        if lacking:
            raise ValueError(
                f"A result in the log of this study is damaged: it lacks {', '.join(sorted(lacking))}. Start again "
                "with another log or another folder."
            )
        squared = {name: np.array(values, dtype=np.float64) for name, values in record["squared"].items()}
        numbers, index, fold = (
            np.array(record[name], dtype=np.int64) for name in ("numbers", "structure_index", "fold")
        )
        sigma, units, mean_loss = (dict(record[name]) for name in ("sigma", "units", "mean_loss"))
        return cls(squared, sigma, units, mean_loss, numbers, index, fold, EnergyGrid(**record["grid"]))


def without_properties(errors: Mapping[str, Errors]) -> list[str]:
    """Say for how many structures no properties could be derived: a text for each entry that has such structures."""
    cautions = []
    for name, one in errors.items():
        lacking = int(np.sum(~one.known("band_energy"))) if "band_energy" in one.sigma else 0
        if lacking:
            cautions.append(
                f"{name}: the predicted DOS of {lacking} of {len(one)} structures does not contain all electrons "
                "within its energies. These structures are missing from the errors of properties and from their "
                "differences, so these errors look too small. Learn up to higher energies, or count these predictions "
                "as failed."
            )
    return cautions


def _deviation(name: str, values: Floats) -> tuple[float, float]:
    """Sigma of spectra, and L/sigma of always predicting their mean."""
    sigma = float(values.std())
    if not sigma > 0:
        raise ValueError(f"All true values of {name!r} are equal, so their errors have no sigma to be divided by.")
    return sigma, float(np.sqrt(values.var(axis=0).mean()) / sigma)


def _property_errors(evaluation: Evaluation, temperature: float) -> dict[str, tuple[Floats, float, str]]:
    """Squared errors (n_structures,), sigma and unit of each property that some structure has."""
    tables = evaluation.properties([temperature])
    found = {}
    for name in PROPERTIES:
        if name in tables[0].spectra:
            true, predicted = (table.spectrum(name, temperature) for table in tables)
        else:
            true, predicted = (table.column(name, temperature) for table in tables)
        squares = (predicted - true) ** 2
        squared = squares.mean(axis=1) if squares.ndim == 2 else squares
        if np.isfinite(squared).any():
            found[name] = squared, float(np.nanstd(true)), tables[0].unit(name)
    return found
