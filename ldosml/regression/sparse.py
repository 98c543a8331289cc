"""Kernel ridge regression on inducing points: as many environments as a disk holds, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from os import PathLike
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
from numpy.linalg import LinAlgError
from numpy.typing import ArrayLike, NDArray

from ldosml import kernels, solvers
from ldosml._array import Array, namespace, take_rows
from ldosml._ranges import check_arguments
from ldosml._validation import check_shape
from ldosml.inducing import Selection
from ldosml.regression._checkpoint import Checkpoint, Progress
from ldosml.regression._chunks import Arrays, Streamed
from ldosml.regression._kernel import KernelExpansion
from ldosml.regression._passes import leave_out_errors, sum_rows
from ldosml.regression._per_energy import Alpha, PerEnergyRidge
from ldosml.regression._points import Count, choose_points, fingerprint, given_points
from ldosml.regression._sparse_rows import LeaveOutTask, SparseRows
from ldosml.regression._training_rows import (
    Learn,
    TrainingRows,
    check_parameters,
    leaves_out_groups,
    needs_structures,
)
from ldosml.solvers import InducedFeatures, NormalEquations


class SparseLDOSKernelRidge(KernelExpansion, PerEnergyRidge):
    r"""Kernel ridge regression on inducing points, of LDOS, of DOS, or of both; data may be streamed from disk.

    The shares are f(x) = sum_m k(x, z_m) c_m over few inducing points z_m (subset of regressors: Quinonero-Candela and
    Rasmussen, J. Mach. Learn. Res. 6, 1939 (2005)). For every energy minimises

    .. math:: \sum_r w_r \Big|y_r - \sum_{i \in r} f_{z_i}(x_i)\Big|^2 + \alpha \sum_z c_z . K_{MM} c_z

    over the rows r: the LDOS of environments (w = 1; equation 12 of Aryanpour and Sadeghi, 2025), the DOS of structures
    (w = n_atoms^-p; equation 11, for p = 0), or both (the LDOS with w = ``ldos_weight``). K_MM = A^-T A^-1 without its
    eigenvalues below 1e-12 of the largest, Phi = K_nM A, and sums of Phi^T Phi and Phi^T y over chunks of environments
    are all that is kept; one eigendecomposition of Phi^T Phi serves every alpha and energy. With M points that costs
    n M (2 n_features + 2 M + 2 n_energies) operations and 8 (2 M^2 + chunk_size (2 M + n_features)) bytes, on any n.

    Environments of different centre species have nothing to do with each other: each species has its own points.

    Parameters
    ----------
    alpha : float, array (n_energies,), "leave-one-out" or "leave-one-group-out"
        Regularisation, in the unit of the kernel; or how to choose it among ``alphas``, in closed form by a
        second pass over the chunks, in 2 n_alphas n M n_energies more operations. "leave-one-out" is for
        ``learn="ldos"`` only, and chooses far too little wherever atoms of a structure resemble each other.
    n_inducing : int, dict, "all" or None
        Number of points, shared out equally over the species, or a dict with the number for each species, by atomic
        number; None: 1,000, or all environments if there are fewer.
    selection : {"farthest-point", "cur", "random"}, array (n_inducing, n_features) or dict of such arrays
        How the points are chosen (see ``ldosml.inducing``), or the points themselves, of each species where there are
        several; then ``n_inducing`` is ignored.
    selection_rows : int
        Number of environments of each species among which the points are chosen: random ones where there are more.
    learn : {"ldos", "dos", "both"}
        What ``fit`` is given; predictions are LDOS in any case.
    ldos_weight : float
        Weight of the squared error of one atom's LDOS relative to a structure's DOS, with ``learn="both"``.
    size_exponent : float
        p above: 0 as in equation 11 of the paper, which treats the error of a large and of a small structure's DOS as
        equally likely; 1 for errors of atoms that are independent (variance in proportion to n_atoms), 2 for equal
        weight of the DOS per atom.
    kernel, degree, gamma, coef0
        As in ``LDOSKernelRidge``.
    alphas : array, optional
        Candidates for alpha. By default 20 from 1e-8 to 30 times the mean of ``|phi|^2`` over the rows.
    alpha_smoothing : float, optional
        Standard deviation, in numbers of energies, of the Gaussian that smooths the logarithm of the chosen alpha. By
        default all energies share one alpha, which keeps the number of electrons below the Fermi level.
    leave_out_fraction : float
        Random fraction of the structures (of the groups, if given; of the environments with "leave-one-out") whose
        errors choose alpha.
    subtract_mean : bool
        Learn deviations from a mean share of the atoms of each species, which is not regularised: for LDOS the mean,
        otherwise the shares that come closest to all targets, the smallest where the compositions do not tell the
        species apart. Leave-out errors take it as known.
    chunk_size : int
        Number of environments in a chunk. Structures, and groups that are left out together, stay whole: a larger one
        makes a larger chunk.
    n_jobs : int or None
        Processes that work on chunks at the same time; None: what the surrounding ``joblib.parallel_config`` says.
    random_state : int or None

    Attributes
    ----------
    inducing_points_, inducing_species_ : arrays (n_points, n_features), (n_points,)
    dual_coef_ : array (n_points, n_energies)
    species_ : ndarray (n_species,)
    target_mean_ : array (n_species, n_energies)
    alpha_ : float or array (n_energies,)
    rank_ : int
        Number of directions that the points span, all species together; less than their number where some are
        (nearly) duplicates for the kernel.
    smallest_eigenvalue_ : float
        Of K_MM, among the kept eigenvalues, relative to the largest of the species.
    alphas_, cv_errors_ : arrays (n_alphas,), (n_alphas, n_energies)
        Candidates and their leave-out errors (root mean square of weighted rows); only where alpha was chosen.
        Candidates that are less than the rounding of the sums are left out.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.linspace(0, 1, 300)[:, None]
    >>> Y = np.hstack([np.sin(3 * X), np.cos(3 * X)])
    >>> model = SparseLDOSKernelRidge(1e-6, n_inducing=10, kernel="gaussian", gamma=4.0).fit(X, Y)
    >>> bool(abs(model.predict(X) - Y).max() < 1e-3)
    True
    """

    def __init__(
        self,
        alpha: Alpha = "leave-one-group-out",
        *,
        learn: Learn = "ldos",
        ldos_weight: float = 10.0,
        n_inducing: Count = None,
        selection: Selection | ArrayLike | dict[int, ArrayLike] = "farthest-point",
        selection_rows: int = 50_000,
        size_exponent: float = 0.0,
        kernel: kernels.Kernel = "matern",
        degree: int = 2,
        gamma: float = 0.3,
        coef0: float = 0.0,
        alphas: ArrayLike | None = None,
        alpha_smoothing: float | None = None,
        leave_out_fraction: float = 1.0,
        subtract_mean: bool = True,
        chunk_size: int = 8192,
        n_jobs: int | None = 1,
        random_state: int | None = 0,
    ) -> None:
        self.alpha = alpha
        self.learn = learn
        self.ldos_weight = ldos_weight
        self.n_inducing = n_inducing
        self.selection = selection
        self.selection_rows = selection_rows
        self.size_exponent = size_exponent
        self.kernel = kernel
        self.degree = degree
        self.gamma = gamma
        self.coef0 = coef0
        self.alphas = alphas
        self.alpha_smoothing = alpha_smoothing
        self.leave_out_fraction = leave_out_fraction
        self.subtract_mean = subtract_mean
        self.chunk_size = chunk_size
        self.n_jobs = n_jobs
        self.random_state = random_state

    def _fit(self, rows: TrainingRows) -> None:
        whole = needs_structures(self)
        index = rows.index if whole else np.arange(len(rows.index))
        groups = rows.groups if leaves_out_groups(self) else None
        self._fit_source(Arrays(rows.X, rows.ldos, rows.dos, rows.species, index, self.chunk_size, groups))

    def fit_chunks(
        self, chunks: Iterable[Any], *, checkpoint: str | PathLike[str] | None = None, checkpoint_every: int = 16
    ) -> Self:
        """Fit all energies to data that come in chunks, of which only one is in memory at a time.

        Parameters
        ----------
        chunks : iterable of mappings
            Each gives the arguments of ``fit`` by their names: X, Y, and perhaps dos, structure_index, species and
            groups. Labels of structures run through all chunks; the rows of a DOS are the structures of its chunk in
            the order of their labels. A structure must be in one chunk, and so must a group. The chunks are read up to
            three times (to choose points, to sum, to choose alpha), so give a list or ``ldosml.datasets.HDF5Chunks``,
            no generator.
        checkpoint : path, optional
            Where the sums are kept while they are made. If the file is there the fit goes on from it; it stays there
            when the fit is done, and is yours to delete.
        checkpoint_every : int
            Chunks of ``chunk_size`` between two writes.

        Returns
        -------
        self

        Raises
        ------
        TypeError
            When ``chunks`` can be read only once.
        ValueError, OSError
            As ``fit``, with the number of the chunk; whatever reading it raises, after the sums so far were written; or
            when the checkpoint is damaged or belongs to other settings or other data.
        """
        check_arguments(checkpoint_every=checkpoint_every)
        check_parameters(self)
        if iter(chunks) is chunks:
            raise TypeError(
                "chunks can be read only once, like a generator; it is needed up to three times. Give a list, "
                "ldosml.datasets.HDF5Chunks, or an object whose __iter__ starts again."
            )
        self._flat = False
        source = Streamed(chunks, self.learn, needs_structures(self), self.chunk_size)
        file = None if checkpoint is None else Checkpoint(Path(checkpoint), self._settings(), int(checkpoint_every))
        self._fit_source(source, file)
        return self

    def _fit_source(self, source: Arrays | Streamed, checkpoint: Checkpoint | None = None) -> None:
        self._check_sizes()
        first = next(iter(source), None)
        if first is None:
            raise ValueError("There are no chunks to fit: the source is empty.")
        alpha = self._given_alpha(first.targets)
        progress = None if checkpoint is None else checkpoint.read(first.X)
        if progress is None:
            progress = Progress(*self._points(source, int(first.X.shape[1])))
        self._keep_points(progress)
        rows = self._rows()
        induced = rows.factorize()
        self.rank_ = sum(part.rank for part in induced)
        self.smallest_eigenvalue_ = min(float(part.eigenvalues[0] / part.eigenvalues[-1]) for part in induced)
        sums = sum_rows(source, rows, induced, progress, checkpoint, self.n_jobs)
        self._solve(source, rows, induced, sums, alpha)

    def _check_sizes(self) -> None:
        for name in ("selection_rows", "chunk_size"):
            value = getattr(self, name)
            if not (isinstance(value, int | np.integer) and value >= 1):
                raise ValueError(f"{name} must be a whole number of at least 1; got {value!r}.")
        if not 0 < self.leave_out_fraction <= 1:
            raise ValueError(f"leave_out_fraction must be above 0 and at most 1; got {self.leave_out_fraction!r}.")

    def _points(self, source: Arrays | Streamed, n_features: int) -> tuple[Array, NDArray[np.int64]]:
        if isinstance(self.selection, str):
            method = cast(Selection, self.selection)
            return choose_points(source, self.n_inducing, method, self.selection_rows, self.random_state)
        points, species = given_points(self.selection)
        check_shape("selection", points, (None, n_features), "n_inducing, n_features")
        return points, species

    def _keep_points(self, progress: Progress) -> None:
        self.inducing_points_, self.inducing_species_ = progress.points, progress.point_species
        self.species_ = np.unique(self.inducing_species_)
        self.n_features_in_ = int(self.inducing_points_.shape[1])

    def _rows(self) -> SparseRows:
        points = [self._of(self.inducing_points_, code) for code in range(len(self.species_))]
        return SparseRows(self._kernel(), points, self.species_, self.learn, self.ldos_weight, self.size_exponent)

    def _of(self, values: Array, code: int) -> Array:
        """Rows of ``values`` (n_points, m) for one species."""
        here = np.flatnonzero(self.inducing_species_ == self.species_[code])
        return take_rows(values, here)

    def _settings(self) -> dict[str, Any]:
        """Parameters that the sums depend on."""
        names = ["kernel", "degree", "gamma", "coef0", "learn", "chunk_size"]
        names += ["ldos_weight"] * (self.learn == "both") + ["size_exponent"] * (self.learn != "ldos")
        settings = {name: getattr(self, name) for name in names} | {
            "alpha='leave-one-group-out'": needs_structures(self)  # else chunks end within groups
        }
        if isinstance(self.selection, str):
            chosen = {name: getattr(self, name) for name in ("selection", "selection_rows", "random_state")}
            return settings | chosen | {"n_inducing": repr(self.n_inducing)}
        return settings | {"selection": fingerprint(*given_points(self.selection))}

    def _solve(
        self,
        source: Arrays | Streamed,
        rows: SparseRows,
        induced: list[InducedFeatures],
        sums: NormalEquations,
        alpha: Array | float | None,
    ) -> None:
        """Set ``alpha_``, ``dual_coef_`` and ``target_mean_``."""
        mean = sums.plain_coefficients()
        self.target_mean_ = self._mean_or_zero(mean)
        cross, variance = sums.without(self.target_mean_)
        factors = sums.factorize()
        if alpha is None:
            errors = self._leave_out(source, rows, induced, factors, cross, sums.n_rows)
            alpha = solvers.choose_alpha(errors, self.alphas_, variance, self.alpha_smoothing)
        self.alpha_ = alpha
        per_energy = alpha * namespace(cross).ones_like(cross[0, :])
        self._refuse_rounding(float(namespace(cross).min(per_energy)), factors)
        weights = _split(solvers.ridge_weights(factors, cross, per_energy), induced)
        parts = [part.coefficients(own) for part, own in zip(induced, weights, strict=True)]
        self.dual_coef_ = namespace(cross).concat(parts, axis=0)

    def _refuse_rounding(self, alpha: float, factors: solvers.Factorization) -> None:
        smallest = solvers.smallest_alpha(factors)
        if alpha < smallest:
            raise LinAlgError(
                f"alpha = {alpha:g} is less than the rounding of the sums, {smallest:.1g} (of double precision, times "
                "the largest eigenvalue of Phi^T Phi): the fit would be noise. Raise alpha."
            )

    def _leave_out(
        self,
        source: Arrays | Streamed,
        rows: SparseRows,
        induced: list[InducedFeatures],
        factors: solvers.Factorization,
        cross: Array,
        n_rows: int,
    ) -> Array:
        """Set and give ``cv_errors_``, and ``alphas_`` without alphas smaller than rounding."""
        candidates = self._candidates(float(namespace(cross).sum(factors.eigenvalues)) / n_rows)
        safe = [alpha for alpha in candidates if alpha >= solvers.smallest_alpha(factors)]
        if not safe:
            self._refuse_rounding(max(candidates), factors)
        self.alphas_ = np.asarray(safe)
        basis, eigenvalues = solvers.leave_out_basis(factors)
        transforms = [p.coefficients(own) for p, own in zip(induced, _split(basis, induced), strict=True)]
        task = LeaveOutTask(safe, transforms, eigenvalues, basis.T @ cross, self.target_mean_, needs_structures(self))
        self.cv_errors_ = leave_out_errors(source, rows, task, self.leave_out_fraction, self.random_state, self.n_jobs)
        return self.cv_errors_

    def _predict_species(self, X: Array, code: int) -> Array:
        return self._expand(X, self._of(self.inducing_points_, code), self._of(self.dual_coef_, code))

    def _keep_only(self, part: Self, code: int) -> None:
        here = self.inducing_species_ == self.species_[code]
        part.inducing_points_, part.dual_coef_ = self._of(self.inducing_points_, code), self._of(self.dual_coef_, code)
        part.inducing_species_ = self.inducing_species_[here]


def _split(values: Array, induced: list[InducedFeatures]) -> list[Array]:
    """Rows of ``values`` (rank, m) for each species."""
    edges = np.cumsum([0, *(part.rank for part in induced)]).tolist()
    return [values[a:b, :] for a, b in pairwise(edges)]
