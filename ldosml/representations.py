r"""Representations of spectra as targets of a regression: pointwise, cumulative, and by principal components.

The three that Ben Mahmoud, Anelli, Csanyi and Ceriotti, Phys. Rev. B 102, 235130 (2020), compare for the total DOS: its
values on the energies, its running integral, and its coefficients on the principal components of the training set.
All are linear, up to the mean that the last subtracts, and are undone exactly, up to components left out.

Spectra are arrays (n_rows, n_energies) of any namespace; a row is an environment's LDOS or a structure's DOS.
"""

from __future__ import annotations

from typing import ClassVar, Self

from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ldosml._array import Array, as_float64, namespace
from ldosml._ranges import check_attributes
from ldosml._validation import check_shape, validate_rows


class Representation(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """What the representations share: fitted on training spectra, they go there and back."""

    columns_are_energies: ClassVar[bool] = True
    """Whether neighbouring columns belong to neighbouring energies, so that smoothing over them makes sense."""

    n_columns_: int

    def fit(self, Y: Array, y: None = None) -> Self:
        """Learn from training spectra (n_rows, n_energies); ``y`` is not used.

        Raises ValueError when the spectra are not finite or not two-dimensional, or a parameter is out of range.
        """
        Y = validate_rows(self, Y, reset=True)
        self.n_columns_ = int(Y.shape[1])
        self._learn(Y)
        return self

    def transform(self, Y: Array) -> Array:
        """Represent spectra (n_rows, n_energies): (n_rows, n_columns).

        Raises ValueError when the spectra are not finite, or have other energies than the spectra of ``fit``.
        """
        check_is_fitted(self)
        return self._represent(validate_rows(self, Y, reset=False))

    def inverse_transform(self, Z: Array) -> Array:
        """Give the spectra (n_rows, n_energies) that are represented by ``Z`` (n_rows, n_columns).

        Raises ValueError when ``Z`` has another number of columns.
        """
        check_is_fitted(self)
        Z = as_float64("Represented spectra", Z)
        check_shape("Represented spectra", Z, (None, self.n_columns_), "n_rows, n_columns")
        return self._restore(Z)

    def _learn(self, Y: Array) -> None:
        """Learn from checked spectra; nothing, unless a representation says so."""

    def _represent(self, Y: Array) -> Array:
        return Y

    def _restore(self, Z: Array) -> Array:
        return Z


class Pointwise(Representation):
    """The spectrum itself: D(E_e) on every energy, states/eV.

    Examples
    --------
    >>> import numpy as np
    >>> Pointwise().fit_transform(np.array([[1.0, 2.0]]))
    array([[1., 2.]])
    """


class Cumulative(Representation):
    """The running integral N_e = step * (D_1 + ... + D_e) of a spectrum, electrons; its inverse is the difference.

    A rectangle rule, since every energy must add something for the sum to be undone: D_e = (N_e - N_(e-1)) / step.

    Parameters
    ----------
    step : float
        Distance between two energies, eV. It gives targets and leave-out errors their unit, and changes no prediction
        of a regression that is linear in its targets.

    Examples
    --------
    >>> import numpy as np
    >>> Cumulative(step=0.5).fit_transform(np.array([[1.0, 2.0, 0.0]]))
    array([[0.5, 1.5, 1.5]])
    """

    def __init__(self, step: float = 1.0) -> None:
        self.step = step

    def _learn(self, Y: Array) -> None:
        check_attributes(self)

    def _represent(self, Y: Array) -> Array:
        return self.step * namespace(Y).cumulative_sum(Y, axis=1)

    def _restore(self, Z: Array) -> Array:
        return namespace(Z).concat([Z[:, :1], Z[:, 1:] - Z[:, :-1]], axis=1) / self.step


class PrincipalComponents(Representation):
    r"""Coefficients z = (D - mean) V of a spectrum on the eigenvectors V of the covariance of the training spectra.

    The inverse, mean + z V^T, is exact when all components are kept. Of all bases with fewer it loses least of the
    variance of the training spectra: the sum of the eigenvalues left out.

    Parameters
    ----------
    n_components : int, optional
        How many to keep; the components of the largest variance are kept. Default: all n_energies.
    subtract_mean : bool
        Whether components describe deviations from the mean training spectrum. Where targets are sums over atoms
        (learning from total DOS), a prediction is shared out between atoms only if the representation is linear:
        then use False, and V has the eigenvectors of <D D^T>.

    Attributes
    ----------
    mean_ : array (n_energies,)
    components_ : array (n_components, n_energies)
        Rows of unit length, orthogonal.
    variances_ : array (n_components,)
        Variance of each coefficient over the training spectra (mean square without ``subtract_mean``), descending.

    Examples
    --------
    >>> import numpy as np
    >>> spectra = np.array([[1.0, 1.0], [3.0, 3.0]])
    >>> one = PrincipalComponents(1).fit(spectra)
    >>> abs(one.transform(spectra)).round(6)
    array([[1.414214],
           [1.414214]])
    >>> one.inverse_transform(one.transform(spectra)).round(6)
    array([[1., 1.],
           [3., 3.]])
    """

    columns_are_energies = False

    def __init__(self, n_components: int | None = None, *, subtract_mean: bool = True) -> None:
        self.n_components = n_components
        self.subtract_mean = subtract_mean

    def _learn(self, Y: Array) -> None:
        xp, n_energies = namespace(Y), int(Y.shape[1])
        count = n_energies if self.n_components is None else self.n_components
        if not 1 <= count <= n_energies or int(count) != count:
            raise ValueError(
                f"n_components must be a whole number from 1 to the number of energies, {n_energies}; "
                f"got {self.n_components!r}."
            )
        mean = xp.mean(Y, axis=0)
        self.mean_ = mean if self.subtract_mean else xp.zeros_like(mean)
        deviation = Y - self.mean_[None, :]
        variances, vectors = xp.linalg.eigh(deviation.T @ deviation / Y.shape[0])
        # A direction that no spectrum has gets a variance of zero, which rounding can make negative.
        variances = xp.where(variances > 0, variances, xp.zeros_like(variances))
        self.n_columns_ = int(count)
        self.variances_ = xp.flip(variances)[: self.n_columns_]
        self.components_ = xp.flip(vectors, axis=1)[:, : self.n_columns_].T

    def _represent(self, Y: Array) -> Array:
        return (Y - self.mean_[None, :]) @ self.components_.T

    def _restore(self, Z: Array) -> Array:
        return self.mean_[None, :] + Z @ self.components_
