"""Predicted spectra beside the reference: errors, and the properties that follow from both."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ldosml import metrics
from ldosml._array import Array, namespace, to_numpy
from ldosml.properties import PropertyTable, derive_properties, fermi_level, photon_axis
from ldosml.spectra import DOS, LDOS


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Predicted LDOS beside the reference, on one grid, for structures that the model did not see.

    Parameters
    ----------
    reference, predicted : LDOS
        States/eV/atom, on the model's energies.
    names, kinds : list of str
        Of each structure.
    reference_dos : DOS, optional
        Where the total DOS is not the sum of the reference LDOS: projections need not add up. Predicted sums are judged
        by it.
    n_electrons : array (n_structures,), optional
        Valence electrons, which ``properties`` needs.
    """

    reference: LDOS
    predicted: LDOS
    names: list[str]
    kinds: list[str]
    reference_dos: DOS | None = None
    n_electrons: NDArray[np.float64] | None = None

    def cut(self, low: float | None = None, high: float | None = None) -> Evaluation:
        """The same at the energies between ``low`` and ``high`` only, eV."""
        bounds = -np.inf if low is None else low, np.inf if high is None else high
        reference_dos = None if self.reference_dos is None else self.reference_dos.cut(*bounds)
        return replace(
            self,
            reference=self.reference.cut(*bounds),
            predicted=self.predicted.cut(*bounds),
            reference_dos=reference_dos,
        )

    def dos(self) -> tuple[DOS, DOS]:
        """Total DOS of every structure: reference and predicted."""
        return self.reference.total() if self.reference_dos is None else self.reference_dos, self.predicted.total()

    def losses(self) -> dict[str, float]:
        """Errors over the whole set: L/sigma of LDOS and of DOS per atom, and the RMSE of both, eV^-1/2.

        ``*_mean_spectrum_loss`` is the L/sigma of predicting the set's own mean spectrum for every row: what knowing
        nothing of the structures achieves at best. Sigma runs over the energies, too, so that all L/sigma shrink when
        energies without states are added: compare on the same energies only.
        """
        dos, predicted_dos = self.dos()
        return {
            "ldos_normalized_loss": metrics.normalized_loss(self.reference, self.predicted),
            "dos_normalized_loss": metrics.normalized_loss(dos, predicted_dos),
            "ldos_mean_spectrum_loss": _mean_spectrum_loss(self.reference.values),
            "dos_mean_spectrum_loss": _mean_spectrum_loss(dos.per_atom() if dos.n_atoms is not None else dos.values),
            "ldos_rmse": metrics.rmse(self.reference, self.predicted),
            "dos_rmse": metrics.rmse(dos, predicted_dos),
        }

    def by_structure(self) -> list[dict[str, Any]]:
        """One row a structure: name, kind, atoms, and L/sigma of its LDOS and DOS in units of the set's sigma."""
        dos, predicted_dos = self.dos()
        ldos_losses = metrics.normalized_loss(self.reference, self.predicted, per="structure")
        dos_losses = metrics.normalized_loss(dos, predicted_dos, per="structure")
        columns = zip(self.names, self.kinds, self.reference.n_atoms, ldos_losses, dos_losses, strict=True)
        return [
            {"name": name, "kind": kind, "n_atoms": int(n), "ldos_loss": float(ldos), "dos_loss": float(dos)}
            for name, kind, n, ldos, dos in columns
        ]

    def properties(
        self, temperatures: Array, photon_energies: Array | None = None
    ) -> tuple[PropertyTable, PropertyTable]:
        """Everything that follows from the reference and from the predicted DOS, per atom (see ``derive_properties``).

        Each has its own chemical potential.

        Parameters
        ----------
        temperatures : float or array (n_temperatures,)
            K.
        photon_energies : array (n_photon_energies,), optional
            Of the absorption, eV. Default: those of the grid up to where transitions from every Fermi level still end
            within it.

        Raises
        ------
        ValueError
            When the numbers of electrons are not known, or the energies do not hold the Fermi level.
        """
        if self.n_electrons is None or not np.isfinite(self.n_electrons).all():
            raise ValueError(
                "Properties need the number of valence electrons of every structure: make the dataset with n_electrons."
            )
        reference, predicted = self.dos()
        if photon_energies is None:
            axis = photon_axis(reference.grid)
            room = reference.grid.stop - float(to_numpy(fermi_level(reference, self.n_electrons).energy).max())
            photon_energies = axis[axis <= room]
        tables = [
            derive_properties(
                dos, self.n_electrons, temperatures, names=self.names, photon_energies=photon_energies
            ).per_atom()
            for dos in (reference, predicted)
        ]
        return tables[0], tables[1]


def _mean_spectrum_loss(values: Array) -> float:
    xp = namespace(values)
    return float(xp.sqrt(xp.mean(xp.var(values, axis=0)) / xp.var(values)))
