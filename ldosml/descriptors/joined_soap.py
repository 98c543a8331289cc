"""Several SOAPs side by side: a fine one of the near surroundings, a coarse one of what lies further out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from ldosml._validation import check_finite, check_shape
from ldosml.descriptors.environments import Environments, EnvironmentTransformer, listed
from ldosml.descriptors.power_spectra import unit_rows
from ldosml.descriptors.soap import SOAP


class JoinedSOAP(EnvironmentTransformer):
    r"""SOAPs of several radii, widths or sizes as one descriptor.

    .. math::
        x = \frac{\tilde x}{|\tilde x|}, \qquad
        \tilde x = \left(\sqrt{w_1}\, x_1, \sqrt{w_2}\, x_2, \dots\right)

    so that the kernel x.z is the weighted mean of the kernels of the parts, where each part has rows of length 1
    (Bartok, De, Poelking, Bernstein, Kermode, Csanyi and Ceriotti, Sci. Adv. 3, e1701816 (2017), on combining radii).

    Parameters
    ----------
    soaps : sequence of SOAP
        The parts, at least one; they are cloned, not fitted themselves.
    weights : array (n_soaps,), optional
        Above zero; only their ratios count. Default: equal.
    n_jobs : int, optional
        Number of processes for every part; None leaves each part its own.

    Attributes
    ----------
    soaps_ : list of SOAP
        Fitted.
    n_features_out_ : int
        Features of all parts.

    Examples
    --------
    >>> from ase.build import bulk
    >>> near, far = SOAP(r_cut=3.0, n_max=4, l_max=3, atom_sigma=0.3), SOAP(r_cut=6.0, n_max=3, l_max=2)
    >>> JoinedSOAP([near, far], weights=[2.0, 1.0]).fit_transform(bulk("Si")).shape
    (2, 58)
    """

    def __init__(self, soaps: Sequence[SOAP] = (), weights: ArrayLike | None = None, n_jobs: int | None = None) -> None:
        self.soaps = soaps
        self.weights = weights
        self.n_jobs = n_jobs

    def fit(self, structures: Environments, y: object = None) -> Self:
        """Fit every part.

        Parameters
        ----------
        structures : ase.Atoms, Fragment, Region, or iterable of one of them
            What ``SOAP.fit`` takes.
        y : object
            Not used.

        Returns
        -------
        JoinedSOAP
            This object, fitted.

        Raises
        ------
        TypeError
            When a part is no SOAP.
        ValueError
            When there is no part, weights are not positive or not one for each part, or a part refuses the structures.
        """
        soaps = self._checked_parts()
        self._roots()
        items = listed(structures)
        self.soaps_ = [clone(soap).fit(items) for soap in soaps]
        self.n_features_out_ = sum(soap.n_features_out_ for soap in self.soaps_)
        return self

    def transform(self, structures: Environments) -> NDArray[np.float64]:
        """Compute the rows of every part and join them.

        Parameters
        ----------
        structures : ase.Atoms, Fragment, Region, or iterable of one of them
            What ``SOAP.transform`` takes.

        Returns
        -------
        ndarray (n_environments, n_features_out)
            Atom by atom, structure by structure; each row has length 1.

        Raises
        ------
        ValueError, TypeError
            What ``SOAP.transform`` raises.
        """
        check_is_fitted(self)
        items, parts = listed(structures), []
        for soap, root in zip(self.soaps_, self._roots(), strict=True):
            if self.n_jobs is not None:
                soap.set_params(n_jobs=self.n_jobs)
            parts.append(root * soap.transform(items))
        return unit_rows(np.concatenate(parts, axis=1))

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """Name the features: "1-Si0-C3-l2" is Si0-C3-l2 of the second part.

        Parameters
        ----------
        input_features : object
            Not used.

        Returns
        -------
        ndarray (n_features_out,) of str
        """
        check_is_fitted(self)
        names = [f"{place}-{name}" for place, soap in enumerate(self.soaps_) for name in soap.get_feature_names_out()]
        return np.asarray(names, dtype=object)

    def _checked_parts(self) -> list[SOAP]:
        soaps = [self.soaps] if isinstance(self.soaps, SOAP) else list(self.soaps)
        foreign = [type(soap).__name__ for soap in soaps if type(soap) is not SOAP]
        if foreign:
            raise TypeError(f"JoinedSOAP joins SOAP(...) only; got {', '.join(foreign)}.")
        if not soaps:
            raise ValueError("JoinedSOAP needs at least one part: JoinedSOAP([SOAP(r_cut=3.0), SOAP(r_cut=6.0)]).")
        return soaps

    def _roots(self) -> NDArray[np.float64]:
        """Give the factors of the parts' rows, (n_soaps,)."""
        count = len(self._checked_parts())
        weights = np.ones(count) if self.weights is None else np.asarray(self.weights, dtype=float)
        check_shape("weights of JoinedSOAP", weights, (count,), "n_soaps")
        check_finite("weights of JoinedSOAP", weights)
        if not (weights > 0).all():
            raise ValueError(f"weights of JoinedSOAP must be positive; got {weights.tolist()}. Leave that part out.")
        factors: NDArray[np.float64] = np.sqrt(weights / weights.sum())
        return factors
