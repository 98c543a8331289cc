"""Regression of spectra in another representation: cumulative, or by principal components."""

from __future__ import annotations

from typing import Any, Self

from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin, clone
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping
from sklearn.utils.validation import check_is_fitted

from ldosml._array import Array, namespace
from ldosml._validation import validate_targets
from ldosml.regression._per_energy import score_ldos
from ldosml.regression.ldos import LDOSKernelRidge
from ldosml.representations import Pointwise, Representation


class RepresentedRegressor(MultiOutputMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Fits a regressor on represented spectra, and turns what it predicts back into spectra.

    Ridge and kernel ridge with one alpha for all columns are linear in the targets, and commute with every linear
    change of them: pointwise, cumulative and all principal components then predict the same up to rounding. They can
    differ

    - where components are left out, so that predictions stay within those kept;
    - where every column has its own alpha, since a column then is another thing: an energy, the states below an energy,
      or a component;
    - where one alpha is chosen, since it is chosen by the errors of the representation. For the cumulative these are
      errors of numbers of electrons, in which errors of the spectrum that cancel count less.

    Parameters
    ----------
    regressor : estimator, optional
        Regressor of several targets, cloned. Default: ``LDOSKernelRidge()``. An alpha per energy is an alpha per column
        here. Its ``alpha_smoothing``, if it has one, is set to 0 in the clone where neighbouring columns are not
        neighbouring energies (principal components), since there is nothing between one component and the next.
    representation : Representation, optional
        Of ``ldosml.representations``, cloned and fitted on the training spectra. Default: ``Pointwise()``.

    Attributes
    ----------
    regressor_ : estimator
        Fitted on represented spectra; its ``alpha_`` and ``cv_errors_`` belong to the columns.
    representation_ : Representation
    n_features_in_ : int

    Examples
    --------
    >>> import numpy as np
    >>> from ldosml.representations import PrincipalComponents
    >>> X = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> Y = X @ np.array([[1.0, 2.0, 3.0], [2.0, 0.0, 1.0]])
    >>> two = RepresentedRegressor(LDOSKernelRidge(1e-9), PrincipalComponents(2)).fit(X, Y)
    >>> two.regressor_.dual_coef_.shape, two.predict(X[:1]).round(6)
    ((3, 2), array([[1., 2., 3.]]))
    """

    def __init__(self, regressor: Any = None, representation: Representation | None = None) -> None:
        self.regressor = regressor
        self.representation = representation

    def fit(self, X: Array, Y: Array, *, dos: Array | None = None, **fit_params: Any) -> Self:
        """Fit the representation on the targets, then the regressor on the represented targets.

        Parameters
        ----------
        X : array (n_environments, n_features)
        Y : array (n_rows, n_energies) or (n_rows,)
            Targets: a row an environment, or a structure where the regressor learns the DOS.
        dos : array (n_structures, n_energies), optional
            Beside Y where the regressor learns both; represented as Y is.
        **fit_params
            Passed on to the regressor's ``fit``: ``structure_index``, ``species``, ``groups``, ``sample_weight``.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            When a target is not finite, or some are sums over rows of X and the representation is not linear; and what
            the regressor raises.
        """
        targets = validate_targets(self, Y)
        self._flat = targets.ndim == 1
        targets = targets[:, None] if self._flat else targets
        self.representation_ = clone(Pointwise() if self.representation is None else self.representation).fit(targets)
        self.regressor_ = self._new_regressor()
        summed = getattr(X, "shape", targets.shape)[0] != targets.shape[0]
        if summed or getattr(self.regressor_, "learn", "ldos") != "ldos":
            self._require_linear(targets)
        if dos is not None:
            fit_params["dos"] = self.representation_.transform(dos)
        self.regressor_.fit(X, self.representation_.transform(targets), **fit_params)
        return self

    def _new_regressor(self) -> Any:
        regressor = LDOSKernelRidge() if self.regressor is None else clone(self.regressor)
        if not self.representation_.columns_are_energies and "alpha_smoothing" in regressor.get_params(deep=False):
            regressor.set_params(alpha_smoothing=0.0)
        return regressor

    def _require_linear(self, targets: Array) -> None:
        """Refuse a mean spectrum where targets are sums over rows of X: every row would be given all of it."""
        zeros = namespace(targets).zeros_like(self.representation_.transform(targets[:1, :]))
        if bool(namespace(targets).any(self.representation_.inverse_transform(zeros) != 0)):
            raise ValueError(
                "Some targets are sums over environments, so that the representation must be linear; this one has a "
                "mean. Use PrincipalComponents(subtract_mean=False)."
            )

    def predict(self, X: Array, **predict_params: Any) -> Array:
        """Predict spectra (n_environments, n_energies) of descriptors (n_environments, n_features).

        What else is given (``species``) is passed on to the regressor's ``predict``.

        Parameters
        ----------
        X : array (n_environments, n_features)
        **predict_params
            Passed on to the regressor's ``predict``: ``species``.

        Returns
        -------
        array (n_environments, n_energies)
        """
        check_is_fitted(self)
        represented = self.regressor_.predict(X, **predict_params)
        if represented.ndim == 1:  # other packages predict a single column so
            represented = represented[:, None]
        predicted: Array = self.representation_.inverse_transform(represented)
        return predicted[:, 0] if self._flat else predicted

    def score(
        self,
        X: Array,
        y: Array,
        sample_weight: Array | None = None,
        *,
        structure_index: Array | None = None,
        **predict_params: Any,
    ) -> float:
        """Score predicted spectra by R2, the energies weighted by their variance, as ``LDOSKernelRidge.score`` does.

        Parameters
        ----------
        X : array (n_environments, n_features)
        y : array (n_environments, n_energies) or (n_environments,)
            True LDOS. With ``structure_index``, true DOS (n_structures, n_energies).
        sample_weight : array (n_rows of y,), optional
            Weights of the rows of ``y``.
        structure_index : array (n_environments,) of int, optional
            Sum predictions over the atoms of each structure, and compare the sums with ``y``.
        **predict_params
            Passed on to the regressor's ``predict``: ``species``.

        Returns
        -------
        float
            1 is perfect; 0 is the mean spectrum.
        """
        return score_ldos(self.predict(X, **predict_params), y, sample_weight, structure_index)

    def get_metadata_routing(self) -> MetadataRouter:
        """Tell scikit-learn which metadata the regressor takes, such as ``groups``; they are passed on to it.

        Returns
        -------
        sklearn.utils.metadata_routing.MetadataRouter
        """
        mapping = MethodMapping()
        for method in ("fit", "predict", "score"):
            mapping.add(caller=method, callee=method)
        regressor = LDOSKernelRidge() if self.regressor is None else self.regressor
        return MetadataRouter(owner=type(self).__name__).add(regressor=regressor, method_mapping=mapping)

    def of_species(self, species: int) -> Self:
        """Give the part that predicts the atoms of one species, where the regressor has such a part.

        Parameters
        ----------
        species : int
            Atomic number.

        Returns
        -------
        RepresentedRegressor
            Fitted.
        """
        check_is_fitted(self)
        part: Self = clone(self)
        part._flat, part.representation_ = self._flat, self.representation_
        part.regressor_ = self.regressor_.of_species(species)
        return part

    @property
    def n_features_in_(self) -> int:
        """Number of features that the regressor was fitted on."""
        check_is_fitted(self, "regressor_")
        return int(self.regressor_.n_features_in_)
