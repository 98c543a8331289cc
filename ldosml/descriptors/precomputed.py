"""Descriptors that were computed before, or by another program, and come with the structures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from ldosml._validation import check_finite
from ldosml.descriptors.environments import EnvironmentTransformer
from ldosml.fragments import check_structures


class Precomputed(EnvironmentTransformer):
    """Rows that the structures bring along in ``atoms.arrays[key]``, (n_atoms, n_features).

    Use it wherever SOAP can stand, alone or within ``Whitened``, for descriptors of another program and for descriptors
    that many fits share. A row must follow from the atom's own structure alone. If it was learned from other structures
    (principal components of a whole set, say), the errors of left-out structures look too small. Dataset files do not
    keep the arrays.

    Parameters
    ----------
    key : str
        Name of the array.
    n_jobs : int, optional
        Not used, since nothing is computed. Other descriptors have this parameter.

    Attributes
    ----------
    n_features_out_ : int

    Examples
    --------
    >>> dimer = Atoms("Si2", positions=[[0, 0, 0], [0, 0, 2.35]])
    >>> dimer.set_array("mine", np.array([[1.0, 2.0], [1.0, 2.0]]))
    >>> Precomputed("mine").fit_transform([dimer]).shape
    (2, 2)
    """

    def __init__(self, key: str = "descriptor", n_jobs: int | None = None) -> None:
        self.key = key
        self.n_jobs = n_jobs

    def fit(self, structures: Atoms | Iterable[Atoms], y: object = None) -> Self:
        """Learn how many features there are.

        Parameters
        ----------
        structures : ase.Atoms or iterable of ase.Atoms
            With their rows in ``atoms.arrays[key]``, (n_atoms, n_features).
        y : object
            Not used.

        Returns
        -------
        Precomputed
            This object, fitted.

        Raises
        ------
        ValueError, TypeError
            As ``transform``.
        """
        self.check_parameters()
        self.n_features_out_ = int(self._rows(structures).shape[1])
        return self

    def transform(self, structures: Atoms | Iterable[Atoms]) -> NDArray[np.float64]:
        """Give the rows that the structures bring along.

        Parameters
        ----------
        structures : ase.Atoms or iterable of ase.Atoms
            With their rows in ``atoms.arrays[key]``, (n_atoms, n_features).

        Returns
        -------
        ndarray (n_environments, n_features_out)
            Atom by atom, structure by structure.

        Raises
        ------
        ValueError
            When there are no structures, one has no such array, the array is not (n_atoms, n_features) of finite
            numbers, or the number of features differs between structures or from ``fit``.
        TypeError
            For anything but ase.Atoms.
        """
        check_is_fitted(self)
        rows = self._rows(structures)
        if rows.shape[1] != self.n_features_out_:
            raise ValueError(
                f"Precomputed({self.key!r}) was fitted on {self.n_features_out_} features; these structures have "
                f"{rows.shape[1]}. Compute them with the same settings."
            )
        return rows

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """Name the features by the key and a number.

        Parameters
        ----------
        input_features : object
            Not used.

        Returns
        -------
        ndarray (n_features_out,) of str
        """
        check_is_fitted(self)
        return np.asarray([f"{self.key}-{i}" for i in range(self.n_features_out_)], dtype=object)

    def _rows(self, structures: Atoms | Iterable[Atoms]) -> NDArray[np.float64]:
        blocks = [self._block(s, atoms) for s, atoms in enumerate(check_structures(structures))]
        lengths = {block.shape[1] for block in blocks}
        if len(lengths) > 1:
            raise ValueError(f"arrays[{self.key!r}] of the structures differ in length: {sorted(lengths)} features.")
        return np.concatenate(blocks)

    def _block(self, s: int, atoms: Atoms) -> NDArray[np.float64]:
        if self.key not in atoms.arrays:
            raise ValueError(
                f"Structure {s} has no descriptors in atoms.arrays[{self.key!r}], only {', '.join(atoms.arrays)}. Set "
                f"them: atoms.set_array({self.key!r}, rows)."
            )
        name = f"arrays[{self.key!r}] of structure {s}"
        block = np.asarray(atoms.arrays[self.key])
        if block.ndim != 2 or len(block) != len(atoms) or not block.shape[1]:
            raise ValueError(
                f"{name} must be (n_atoms, n_features), {len(atoms)} rows of at least one feature; got shape "
                f"{block.shape}."
            )
        if block.dtype.kind not in "fiu":
            raise ValueError(f"{name} must hold real numbers; got {block.dtype}.")
        check_finite(name, block)
        return block.astype(np.float64, copy=False)
