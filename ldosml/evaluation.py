"""Predicted and true spectra of the same structures: errors, and properties of both."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ldosml import _html, metrics
from ldosml._array import Array, Numbers, namespace, to_numpy
from ldosml._plots import drawn
from ldosml._ranges import check_arguments
from ldosml.properties import PropertyTable, TruncatedDOSWarning, derive_properties, fermi_level, photon_axis
from ldosml.properties.completeness import holds_electrons
from ldosml.properties.level import TOLERANCE
from ldosml.properties.spectrum_warnings import caution
from ldosml.spectra import DOS, LDOS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Spectrum = Literal["ldos", "dos"]

NAMES: dict[Spectrum, str] = {"ldos": "LDOS", "dos": "DOS per atom"}
"""Names of the spectra in tables and figures of errors."""

_QUICK = 5_000_000  # values whose errors a notebook shows unasked
_NAMED = 5  # largest number of structures that a warning names


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """Predicted and true spectra on one grid, for structures that the model did not see.

    Parameters
    ----------
    true : LDOS or None
        States/eV/atom, on the model's energies. None if only the total DOS is known.
    predicted : LDOS
        States/eV/atom, on the model's energies.
    names, kinds : list of str
        Name and kind of each structure.
    true_dos : DOS, optional
        The true total DOS, if it is not the sum of the true LDOS (projections need not add up to it), or if the LDOS
        is not known. The predicted total DOS is compared with it.
    n_electrons : array (n_structures,), optional
        Valence electrons; ``properties`` needs them.
    """

    true: LDOS | None
    predicted: LDOS
    names: list[str]
    kinds: list[str]
    true_dos: DOS | None = None
    n_electrons: NDArray[np.float64] | None = None

    def __repr__(self) -> str:
        """Numbers of structures and environments, and energies."""
        spectra = "DOS" if self.true is None else "LDOS and DOS"
        return (
            f"Evaluation({spectra} of {len(self.names)} structures, {len(self.predicted)} environments; "
            f"{self.predicted.grid})"
        )

    def _repr_html_(self) -> str:
        """What a notebook shows: errors, and the error of the DOS at each energy beside the deviation of the true.

        Errors of many LDOS are left out, since they take seconds.
        """
        facts = {
            "structures": len(self.names),
            "environments": len(self.predicted),
            **self.predicted.grid.facts(),
        }
        pairs: dict[Spectrum, tuple[LDOS | DOS, LDOS | DOS]] = {"dos": self.dos()}
        if self.true is not None and len(self.predicted) * self.predicted.grid.size <= _QUICK:
            pairs = {"ldos": (self.true, self.predicted), **pairs}
        errors = _html.table(
            ["", "L/σ", "L/σ of the mean spectrum", "RMSE (eV^-1/2)"],
            [[NAMES[key], *_errors(*pair)] for key, pair in pairs.items()],
        )
        true, predicted = (to_numpy(_rows(dos)) for dos in pairs["dos"])
        by_energy = {
            "standard deviation of the true DOS": true.std(axis=0),
            "root mean square error": np.sqrt(((predicted - true) ** 2).mean(axis=0)),
        }
        return _html.page(
            "Evaluation", facts, errors, _html.curves(self.predicted.energies, by_energy, "states/eV/atom")
        )

    def plot(self, ax: Axes | None = None, *, structure: int | None = None) -> Figure | None:
        """Draw predicted and true spectra.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Draw the DOS per atom of one structure here, and leave the legend to you.
        structure : int, optional
            Index of a structure, counted from 0. Default: without ``ax``, the worst, median and best prediction (see
            ``plotting.representatives_figure``); with ``ax``, the median.

        Returns
        -------
        matplotlib.figure.Figure or None
            None with ``ax``.

        Raises
        ------
        ValueError
            When ``structure`` is out of range.
        """
        figure: Figure | None = drawn(self, ax, structure=structure)
        return figure

    def cut(self, low: float | None = None, high: float | None = None) -> Evaluation:
        """Keep only the energies between ``low`` and ``high``.

        Parameters
        ----------
        low, high : float, optional
            eV. None: keep all energies on that side.

        Returns
        -------
        Evaluation
        """
        check_arguments(low=low, high=high)
        bounds = -np.inf if low is None else low, np.inf if high is None else high
        true_dos = None if self.true_dos is None else self.true_dos.cut(*bounds)
        return replace(
            self,
            true=None if self.true is None else self.true.cut(*bounds),
            predicted=self.predicted.cut(*bounds),
            true_dos=true_dos,
        )

    def dos(self) -> tuple[DOS, DOS]:
        """Total DOS of every structure: true and predicted.

        Returns
        -------
        tuple of DOS
            True and predicted, states/eV.

        Raises
        ------
        ValueError
            When neither a true LDOS nor a true DOS is known.
        """
        if self.true_dos is not None:
            return self.true_dos, self.predicted.total()
        if self.true is None:
            raise ValueError("An Evaluation needs a true LDOS, a true DOS, or both; got neither.")
        return self.true.total(), self.predicted.total()

    def compared(self) -> dict[Spectrum, tuple[LDOS | DOS, LDOS | DOS]]:
        """True and predicted spectra.

        Returns
        -------
        dict of str to tuple
            (true, predicted) by "ldos" and "dos"; without "ldos" if the true LDOS is not known.
        """
        pairs: dict[Spectrum, tuple[LDOS | DOS, LDOS | DOS]] = {"dos": self.dos()}
        return pairs if self.true is None else {"ldos": (self.true, self.predicted), **pairs}

    def losses(self) -> dict[str, float]:
        """Errors over the whole set: L/sigma of LDOS and of DOS per atom, and the RMSE of both, eV^-1/2.

        Sigma is over rows and energies, so L/sigma decreases when energies without states are added. Compare only
        values for the same energies.

        Returns
        -------
        dict of str to float
            ``ldos_normalized_loss``, ``ldos_mean_spectrum_loss`` and ``ldos_rmse``, and the same with ``dos``; without
            "ldos" if the true LDOS is not known. The loss of the mean spectrum is L/sigma of always predicting the mean
            spectrum of the set, the best prediction that does not depend on the structure.
        """
        losses = {}
        for key, pair in self.compared().items():
            for name, value in zip(("normalized_loss", "mean_spectrum_loss", "rmse"), _errors(*pair), strict=True):
                losses[f"{key}_{name}"] = value
        return losses

    def deviations(self) -> dict[str, float]:
        """Standard deviation of the true spectra over the whole set, the sigma of L/sigma, states/eV/atom.

        Returns
        -------
        dict of str to float
            By "ldos" and "dos"; without "ldos" if the true LDOS is not known.
        """
        return {key: float(to_numpy(_rows(true)).std()) for key, (true, _) in self.compared().items()}

    def by_structure(self) -> list[dict[str, Any]]:
        """Name, kind, number of atoms, and L/sigma of LDOS and DOS of each structure; sigma is over the whole set.

        Returns
        -------
        list of dict
            One row for each structure.
        """
        columns: dict[str, Iterable[Any]] = {
            "name": self.names,
            "kind": self.kinds,
            "n_atoms": to_numpy(self.predicted.n_atoms).tolist(),
        }
        for key, pair in self.compared().items():
            columns[f"{key}_loss"] = to_numpy(metrics.normalized_loss(*pair, per="structure")).tolist()
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def properties(
        self, temperatures: Numbers, photon_energies: Numbers | None = None
    ) -> tuple[PropertyTable, PropertyTable]:
        """Properties of the true and of the predicted DOS, per atom; see ``derive_properties``.

        Each DOS has its own chemical potential. If a predicted DOS does not hold all electrons within its energies, its
        properties are NaN, and a warning names the structure.

        Parameters
        ----------
        temperatures : float or array (n_temperatures,)
            K.
        photon_energies : array (n_photon_energies,), optional
            For the absorption, eV. Default: multiples of the step of the grid, such that transitions from every Fermi
            level end within the grid.

        Returns
        -------
        tuple of PropertyTable
            Properties of the true DOS, and of the predicted DOS.

        Raises
        ------
        ValueError
            When the numbers of electrons are not known, or a true DOS, or every predicted DOS, does not hold all
            electrons within its energies.
        """
        check_arguments(temperatures=temperatures, photon_energies=photon_energies)
        if self.n_electrons is None or not np.isfinite(self.n_electrons).all():
            raise ValueError(
                "Properties need the number of valence electrons of every structure: add n_electrons to the dataset."
            )
        true, predicted = self.dos()
        if photon_energies is None:
            axis = photon_axis(true.grid)
            room = true.grid.stop - float(to_numpy(fermi_level(true, self.n_electrons).energy).max())
            photon_energies = axis[axis <= room]
        known = derive_properties(
            true, self.n_electrons, temperatures, names=self.names, photon_energies=photon_energies
        )
        rows = holds_electrons(predicted, self.n_electrons, TOLERANCE)
        if rows.any():  # otherwise derive_properties raises an error that says what is wrong
            predicted = self._with_electrons(predicted, rows)
        else:
            rows = ~rows
        names = [name for name, there in zip(self.names, rows, strict=True) if there]
        derived = derive_properties(
            predicted,
            self.n_electrons[rows],
            temperatures,
            fermi_energy=np.nan,  # a level that is off is an error of the prediction, which is evaluated
            names=names,
            photon_energies=photon_energies,
        ).spread(rows, known.names, known.n_atoms)
        return known.per_atom(), derived.per_atom()

    def _with_electrons(self, predicted: DOS, rows: NDArray[np.bool_]) -> DOS:
        """The rows of predictions that hold all electrons; a warning names the others."""
        missing = [name for name, there in zip(self.names, rows, strict=True) if not there]
        if not missing:
            return predicted
        shown = ", ".join(missing[:_NAMED]) + (", ..." if len(missing) > _NAMED else "")
        caution(
            f"The predicted DOS of {len(missing)} of {len(rows)} structures ({shown}) does not hold their electrons up "
            f"to {predicted.grid.stop:g} eV. These structures have no predicted properties, and errors of properties "
            "do not include them. Predict up to higher energies, or count these predictions as failed.",
            TruncatedDOSWarning,
        )
        n_atoms = None if predicted.n_atoms is None else to_numpy(predicted.n_atoms)[rows]
        return replace(predicted, values=to_numpy(predicted.values)[rows], n_atoms=n_atoms)


def _errors(true: LDOS | DOS, predicted: LDOS | DOS) -> tuple[float, float, float]:
    """L/sigma, L/sigma of the mean spectrum, and RMSE."""
    loss, rmse = metrics.normalized_loss(true, predicted), metrics.rmse(true, predicted)
    return float(loss), _mean_spectrum_loss(true), float(rmse)


def _rows(spectra: LDOS | DOS) -> Array:
    """Values that L/sigma compares: a DOS per atom, if the numbers of atoms are known."""
    return spectra.per_atom() if isinstance(spectra, DOS) and spectra.n_atoms is not None else spectra.values


def _mean_spectrum_loss(spectra: LDOS | DOS) -> float:
    values = _rows(spectra)
    xp = namespace(values)
    return float(xp.sqrt(xp.mean(xp.var(values, axis=0)) / xp.var(values)))
