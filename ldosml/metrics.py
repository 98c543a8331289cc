r"""Errors of spectra; each says over what it averages.

The normalised loss is L/sigma of equation 15 of Aryanpour and Sadeghi (2025): L^2 = <(g - g_true)^2>,
sigma^2 = <(g_true - <g_true>)^2>, where <> averages over energies and over the rows of the set. 0 is perfect, and 1 is
what the best constant achieves. RMSE in eV^-1/2 is used by the papers on the total DOS (Ben Mahmoud et al.,
Phys. Rev. B 102, 235130 (2020)): an integral over energy, not an average.
"""

from __future__ import annotations

import math
import warnings
from typing import Any, Literal, get_args

import numpy as np
from sklearn.metrics import make_scorer

from ldosml._array import Array, as_float64, like, namespace, to_numpy
from ldosml._validation import Caution, check_choice, check_finite, check_shape
from ldosml.spectra import DOS, LDOS


class ConstantSpectrumWarning(Caution):
    """Some spectra have no variation by which their loss could be normalised."""


Per = Literal["set", "structure", "environment"]
Scale = Literal["set", "own"]

_ROUNDING = 1e-14  # deviation of spectra that are constant but for rounding, as a part of their values


def normalized_loss(
    true: LDOS | DOS | Array, predicted: LDOS | DOS | Array, *, per: Per = "set", scale: Scale = "set"
) -> Array | float:
    """L/sigma of LDOS, or of DOS per atom (equation 15 of the LDOS paper).

    As ``scoring=ldosml.metrics.neg_normalized_loss`` it scores candidates of scikit-learn's ``GridSearchCV``.

    Parameters
    ----------
    true, predicted : LDOS, DOS or array (n_rows, n_energies)
        On the same grid and for the same atoms. A DOS that knows its numbers of atoms is compared per atom, so that a
        large structure does not outweigh a small one. Rows of arrays count alike, whatever they are.
    per : {"set", "structure", "environment"}
        One number for the whole set; or (n_structures,), each the root mean square over its atoms and energies; or
        (n_environments,), each the root mean square over the energies. A DOS has one row per structure. A row of an
        array is an environment.
    scale : {"set", "own"}
        Divide by the standard deviation over the whole set, or over the structure's (environment's) own spectrum.

    Returns
    -------
    float or array
        Dimensionless; see ``per``.

    Raises
    ------
    ValueError
        When grids or shapes differ, spectra belong to other atoms or structures, a number is not finite, or all true
        spectra are constant.

    Warns
    -----
    ConstantSpectrumWarning
        When some of the true spectra are constant and ``scale="own"``; their loss is infinite.

    Examples
    --------
    >>> normalized_loss([[0.0, 2.0]], [[0.5, 1.5]])
    0.5
    """
    check_choice("per", per, get_args(Per))
    check_choice("scale", scale, get_args(Scale))
    rows = _Compared(true, predicted)
    xp, squared, variance = rows.xp, rows.squared_errors(), (rows.true - rows.xp.mean(rows.true)) ** 2
    if not float(xp.mean(variance)) > 0:
        raise ValueError("The true spectra are constant: a loss cannot be normalised by their zero deviation.")
    if per == "set":
        return float(xp.sqrt(xp.mean(squared) / xp.mean(variance)))
    loss = rows.means(squared, per)
    if scale == "set":
        return xp.sqrt(loss / xp.mean(variance))
    own = rows.variances(per)
    flat = own <= _ROUNDING**2 * rows.means(rows.true * rows.true, per)
    constant = int(xp.sum(xp.astype(flat, xp.int64)))
    if constant:
        kind = "structures" if per == "structure" else "environments"
        warnings.warn(
            f"The true spectra of {constant} of {own.shape[0]} {kind} are constant: nothing can normalise their "
            "loss by, and it is given as infinite.",
            ConstantSpectrumWarning,
            stacklevel=2,
        )
    divided = xp.sqrt(loss / xp.where(flat, xp.ones_like(own), own))
    return xp.where(flat, xp.full_like(own, math.inf), divided)


def rmse(true: LDOS | DOS, predicted: LDOS | DOS, *, per: Per = "set") -> Array | float:
    """Root of the integrated squared error, eV^-1/2 (times states per atom).

    RMSE^2 = < integral (g - g_true)^2 dE >, averaged over the rows named by ``per``.

    Parameters
    ----------
    true, predicted : LDOS or DOS
        On the same grid and for the same atoms; a DOS that knows its numbers of atoms is compared per atom.
    per : {"set", "structure", "environment"}
        As in ``normalized_loss``.

    Returns
    -------
    float or array

    Raises
    ------
    TypeError
        For plain arrays, which do not know the step of their energies.
    ValueError
        When grids or shapes differ.
    """
    check_choice("per", per, get_args(Per))
    if not isinstance(true, LDOS | DOS):
        raise TypeError(f"rmse integrates over energy and needs an LDOS or a DOS; got {type(true).__name__}.")
    rows = _Compared(true, predicted)
    squared = rows.squared_errors() * (true.grid.step * true.grid.size)
    if per == "set":
        return float(rows.xp.sqrt(rows.xp.mean(squared)))
    return rows.xp.sqrt(rows.means(squared, per))


def variance_weighted_r2(true: Array, predicted: Array, sample_weight: Array | None = None) -> float:
    """R2 of spectra, energies weighted by their variance: 1 - sum (y - f)^2 / sum (y - mean_e)^2.

    Both sums run over rows and energies; mean_e is the mean of the rows at each energy. An unweighted mean of the R2 of
    all energies is decided by energies with next to no states. On the same rows, 1 - R2 = (L/sigma)^2 where sigma is
    taken about the mean spectrum.

    Parameters
    ----------
    true, predicted : array (n_rows, n_energies) or (n_rows,)
    sample_weight : array (n_rows,), optional

    Returns
    -------
    float
        1 is perfect, 0 is the mean spectrum; as in scikit-learn, for a constant ``true`` 1 or 0, and NaN for one row.

    Raises
    ------
    ValueError
        When shapes differ, a number is not finite, or a weight is negative or all are zero.
    """
    true, predicted = _checked(true, predicted)
    xp, n = namespace(true, predicted), int(true.shape[0])
    weight = like(true, np.ones(n) if sample_weight is None else to_numpy(sample_weight))
    check_shape("sample_weight", weight, (n,), "n_rows")
    check_finite("sample_weight", weight)
    if bool(xp.any(weight < 0)) or not bool(xp.any(weight > 0)):
        raise ValueError(f"sample_weight must be zero or above, and not zero for all; got {float(xp.min(weight)):g}.")
    if n < 2:
        return float("nan")
    weight = xp.reshape(weight, (n, *(1,) * (true.ndim - 1)))
    mean = xp.sum(weight * true, axis=0) / xp.sum(weight)
    error = float(xp.sum(weight * (true - predicted) ** 2))
    spread = float(xp.sum(weight * (true - mean) ** 2))
    return 1.0 - error / spread if spread > 0 else float(error == 0)


def _checked(true: Any, predicted: Any) -> tuple[Array, Array]:
    """Check that two arrays of rows are finite and have the same shape; give them in float64."""
    true, predicted = as_float64("true", true), as_float64("predicted", predicted)
    axes = "n_rows, n_energies" if true.ndim > 1 else "n_rows"
    check_shape("predicted", predicted, tuple(true.shape), axes)
    check_finite("true", true)
    check_finite("predicted", predicted)
    return true, predicted


class _Compared:
    """True and predicted rows (n_rows, n_energies) of spectra or arrays, and their means."""

    def __init__(self, true: LDOS | DOS | Array, predicted: LDOS | DOS | Array) -> None:
        self._spectra = true if isinstance(true, LDOS | DOS) else None
        if self._spectra is None and not isinstance(predicted, LDOS | DOS):
            self.true, self.predicted = _checked(true, predicted)
        else:
            self._take_spectra(true, predicted)
        self.xp = namespace(self.true, self.predicted)

    def _take_spectra(self, true: Any, predicted: Any) -> None:
        if type(true) is not type(predicted):
            raise ValueError(f"Cannot compare a {type(true).__name__} with a {type(predicted).__name__}.")
        true.grid.require_match(predicted.grid, "True and predicted spectra")
        check_shape("predicted values", predicted.values, true.values.shape, true._axes)
        for name in ("structure_index", "numbers", "n_atoms"):
            ours, theirs = (getattr(spectra, name, None) for spectra in (true, predicted))
            if ours is not None and theirs is not None and not np.array_equal(to_numpy(ours), to_numpy(theirs)):
                raise ValueError(
                    f"True and predicted spectra are of other atoms or structures: their {name} differ. Give both for "
                    "the same structures, in the same order."
                )
        scale = like(true.values, true.n_atoms)[:, None] if isinstance(true, DOS) and true.n_atoms is not None else 1.0
        self.true, self.predicted = true.values / scale, predicted.values / scale

    def squared_errors(self) -> Array:
        return (self.predicted - self.true) ** 2

    def variances(self, per: Per) -> Array:
        """Variance of the true values over energies and, per structure, over its atoms; in two passes."""
        if isinstance(self._spectra, LDOS) and per == "structure":
            count = self._spectra.n_structures
            return self.xp.stack([self.xp.var(self.true[self._spectra.rows(s), :]) for s in range(count)])
        return self.xp.var(self.true, axis=1) if self.true.ndim > 1 else self.xp.zeros_like(self.true)

    def means(self, values: Array, per: Per) -> Array:
        """Mean over energies and, per structure, over its atoms."""
        rows = self.xp.mean(values, axis=1) if values.ndim > 1 else values
        if isinstance(self._spectra, DOS):
            if per == "environment":
                raise ValueError('A DOS has no environments; use per="structure", or compare LDOS.')
            return rows
        if per == "environment":
            return rows
        if self._spectra is None:
            raise ValueError('Rows of an array belong to no structure; use per="environment", or compare LDOS.')
        spectra = self._spectra
        return self.xp.stack([self.xp.mean(rows[spectra.rows(s)]) for s in range(spectra.n_structures)])


neg_normalized_loss = make_scorer(normalized_loss, greater_is_better=False)
"""Scorer of scikit-learn: minus L/sigma of the rows, so that larger is better."""
