"""Points to keep: the environments that the functions of a sparse fit are made of.

Three ways to choose rows of X (n, n_features), each for all environments or species by species.

- Farthest points: each as far as possible from those before it (Gonzalez, Theor. Comput. Sci. 38, 293 (1985): no other
  choice of as many points covers the set with less than half the radius). Covers rare environments, too.
- CUR: each the row with the largest leverage on the leading direction of what the rows before it leave unexplained
  (Mahoney and Drineas, PNAS 106, 697 (2009); made deterministic by Imbalzano et al., J. Chem. Phys. 148, 241730
  (2018)).
- Random: as frequent as they are.

Distances and leverages are computed from X itself, not from a kernel. Only the numbers of the chosen rows reach the
host.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ldosml._array import Array, add_to_diagonal, like, namespace, take_rows, to_numpy
from ldosml._ranges import check_arguments
from ldosml._validation import ParameterError, check_choice, check_finite, check_shape, is_number

Selection = Literal["farthest-point", "cur", "random"]

Seed = int | np.random.Generator | None
"""What numpy.random.default_rng takes: a number repeats the choice, None does not."""

Rows = NDArray[np.int64]


def farthest_points(
    X: Array, n: int, *, start: int | Literal["outermost", "random"] = "outermost", random_state: Seed = None
) -> Rows:
    """Choose ``n`` rows of X, each as far as possible from those chosen before it.

    This takes n_rows n n_features operations, and three numbers a row of memory in the precision of X. Of rows at the
    same distance the first is chosen.

    Parameters
    ----------
    X : array (n_rows, n_features), float32 or float64
    n : int
        Number of points.
    start : int, "outermost" or "random"
        The first point: the number of a row, the row farthest from the mean (which does not depend on the order of the
        rows), or a random row.
    random_state : int or numpy.random.Generator, optional
        For ``start="random"``.

    Returns
    -------
    array (n,) of int
        Numbers of the chosen rows; fewer if all other rows are duplicates.

    Warns
    -----
    UserWarning
        If fewer than ``n`` rows differ by more than rounding.

    Raises
    ------
    ValueError
        If X is not a finite table of numbers, or ``n`` is not between 1 and its number of rows.
    """
    check_arguments(n=n, random_state=random_state)
    X = _checked(X, n)
    rows = _farthest(X, n, _first(X, start, random_state))
    if len(rows) < n:
        warnings.warn(
            f"Only {len(rows)} of {X.shape[0]} rows differ by more than rounding, fewer than the {n} points that were "
            "asked for: the rest are duplicates.",
            stacklevel=2,
        )
    return rows


def _checked(X: Array, n: int) -> Array:
    check_shape("X", X, (None, None), "n_rows, n_features")
    check_finite("X", X)
    if n > X.shape[0]:
        raise ParameterError("n", f"must be at most {X.shape[0]}, the number of rows to choose from; got {n}.")
    return X


def _first(X: Array, start: int | str, random_state: Seed) -> int:
    xp = namespace(X)
    if isinstance(start, str):
        check_choice("start", start, ("outermost", "random"))
        if start == "random":
            return int(np.random.default_rng(random_state).integers(X.shape[0]))
        mean = xp.mean(X, axis=0)
        return int(xp.argmax(xp.vecdot(X, X) - 2 * (X @ mean)))
    if not (is_number(start) and start in range(X.shape[0])):
        raise ParameterError("start", f"must be a row of X, 0 to {X.shape[0] - 1}; got {start!r}.")
    return int(start)


def _farthest(X: Array, n: int, first: int) -> Rows:
    xp = namespace(X)
    squares = xp.vecdot(X, X)
    # |x|^2 + |z|^2 - 2 x.z of equal rows is a few roundings of |x|^2, not zero.
    rounding = 16 * float(xp.finfo(X.dtype).eps) * float(xp.max(squares))
    distances = xp.full_like(squares, xp.inf)
    rows = [first]
    while len(rows) < n:
        last = rows[-1]
        distances = xp.minimum(distances, squares + squares[last] - 2 * (X @ X[last, :]))
        farthest = int(xp.argmax(distances))
        if float(distances[farthest]) <= rounding:
            break
        rows.append(farthest)
    return np.asarray(rows, dtype=np.int64)


def cur_points(X: Array, n: int) -> Rows:
    """Choose ``n`` rows of X by CUR decomposition.

    With v the leading right singular vector of X, the next point is the row with the largest leverage (x_i . v)^2; then
    all rows are made orthogonal to it. This is the deterministic CUR of Imbalzano et al. (2018) for samples, with k = 1
    and a new decomposition after every point, as in scikit-matter.

    After as many points as the rank of X nothing remains, although a nonlinear kernel can use more points. Then the
    remaining rows are treated as a new table (our own rule). X^T X is decomposed instead of X, so that a point costs
    n_rows n_features + n_features^3 operations.

    Parameters
    ----------
    X : array (n_rows, n_features)
    n : int
        Number of points.

    Returns
    -------
    array (n,) of int
        Numbers of the chosen rows.

    Raises
    ------
    ValueError
        If X is not a finite table of numbers, or ``n`` is not between 1 and its number of rows.
    """
    check_arguments(n=n)
    X = _checked(X, n)
    xp = namespace(X)
    left = xp.ones_like(X[:, 0])
    rows: list[int] = []
    while len(rows) < n:
        chosen = _cur_round(X, n - len(rows), left)
        rows.extend(chosen)
        left = left * _others(X, chosen)
    return np.asarray(rows, dtype=np.int64)


def _cur_round(X: Array, n: int, left: Array) -> list[int]:
    """Points until those that are ``left`` (n_rows,; 1 or 0) are explained; at least one."""
    xp = namespace(X)
    gram = (X * left[:, None]).T @ X
    outside = add_to_diagonal(xp.zeros_like(gram), 1.0)  # projects on what the points chosen do not span
    none = X.shape[1] * float(xp.finfo(X.dtype).eps) * float(xp.linalg.trace(gram))
    rows: list[int] = []
    while len(rows) < n:
        variance, directions = xp.linalg.eigh(gram)
        if rows and float(variance[-1]) <= none:
            break
        leverage = X @ directions[:, -1]
        row = int(xp.argmax(xp.where(left > 0, leverage * leverage, -xp.ones_like(leverage))))
        rows.append(row)
        left = left * _others(X, [row])
        outside, gram = _without(outside, gram, X[row, :])
    return rows


def _others(X: Array, rows: list[int]) -> Array:
    """1 for each row of X but the given ones, 0 for those: (n_rows,)."""
    xp = namespace(X)
    kept = np.ones(X.shape[0])
    kept[rows] = 0.0
    return xp.astype(like(X, kept), X.dtype)


def _without(outside: Array, gram: Array, point: Array) -> tuple[Array, Array]:
    """Take the direction of ``point`` out of what is outside the points chosen, and out of X^T X there."""
    xp = namespace(gram)
    unit = outside @ point
    length = xp.sqrt(xp.vecdot(unit, unit))
    if float(length) == 0:
        return outside, gram
    unit = unit / length
    shadow = gram @ unit
    middle = xp.vecdot(unit, shadow)
    gram = gram - unit[:, None] * shadow[None, :] - shadow[:, None] * unit[None, :]
    return outside - unit[:, None] * unit[None, :], gram + middle * unit[:, None] * unit[None, :]


def random_points(X: Array, n: int, *, random_state: Seed = None) -> Rows:
    """Choose ``n`` different rows of X at random.

    Parameters
    ----------
    X : array (n_rows, n_features)
    n : int
        Number of points.
    random_state : int or numpy.random.Generator, optional
        Seed of the choice.

    Returns
    -------
    array (n,) of int
        Numbers of the chosen rows.

    Raises
    ------
    ValueError
        If X is not a finite table of numbers, or ``n`` is not between 1 and its number of rows.
    """
    check_arguments(n=n, random_state=random_state)
    X = _checked(X, n)
    return np.random.default_rng(random_state).choice(X.shape[0], size=int(n), replace=False).astype(np.int64)


def select_points(X: Array, n: int, method: Selection = "farthest-point", *, random_state: Seed = None) -> Rows:
    """Choose at most ``n`` rows of X by one of the methods.

    Parameters
    ----------
    X : array (n_rows, n_features)
    n : int
        Number of points.
    method : {"farthest-point", "cur", "random"}
    random_state : int or numpy.random.Generator, optional
        For ``method="random"``.

    Returns
    -------
    array (n,) of int
        Numbers of the chosen rows. ``"farthest-point"`` gives fewer, without a warning, if the other rows are
        duplicates.

    Raises
    ------
    ValueError
        If X is not a finite table of numbers, or ``n`` is not between 1 and its number of rows.
    """
    check_arguments(n=n, random_state=random_state)
    check_choice("selection", method, get_args(Selection))
    if method == "cur":
        return cur_points(X, n)
    if method == "random":
        return random_points(X, n, random_state=random_state)
    X = _checked(X, n)
    return _farthest(X, n, _first(X, "outermost", None))


def select_per_species(
    X: Array,
    species: Array,
    n: int | Mapping[int, int],
    method: Selection = "farthest-point",
    *,
    random_state: Seed = None,
) -> dict[int, Rows]:
    """Choose rows of X for every centre species.

    Parameters
    ----------
    X : array (n_rows, n_features)
    species : array (n_rows,) of int
        Atomic number of the centre of each row.
    n : int or dict of int to int
        Number of points of each species by atomic number, or of all together: see ``share_points``.
    method : {"farthest-point", "cur", "random"}
    random_state : int or numpy.random.Generator, optional
        For ``method="random"``.

    Returns
    -------
    dict of int to array of int
        Numbers of the chosen rows by atomic number.

    Raises
    ------
    ValueError
        If ``species`` does not fit X, a species is missing in ``n`` or unknown, or there are fewer rows than points.
    """
    check_arguments(random_state=random_state)
    species = to_numpy(species)
    check_shape("species", species, (X.shape[0],), "n_rows")
    kinds, counts = np.unique(species, return_counts=True)
    available = {int(kind): int(count) for kind, count in zip(kinds, counts, strict=True)}
    shares = dict(n) if isinstance(n, Mapping) else share_points(n, available)
    if shares.keys() != available.keys():
        raise ValueError(f"X holds the species {sorted(available)}; numbers of points are given for {sorted(shares)}.")
    generator = np.random.default_rng(random_state)
    chosen = {}
    for kind in available:
        here = np.flatnonzero(species == kind)
        chosen[kind] = here[select_points(take_rows(X, here), shares[kind], method, random_state=generator)]
    return chosen


def share_points(n: int, available: Mapping[int, int]) -> dict[int, int]:
    """Divide ``n`` points between species: equal shares, as far as there are rows.

    The shares are equal and not proportional to the rows, because a kernel model of a dopant needs as many points as
    the model of its host. Points that a rare species cannot use go to the others.

    Parameters
    ----------
    n : int
        Number of points.
    available : dict of int to int
        Number of rows of each species by atomic number.

    Returns
    -------
    dict of int to int
        Number of points of each species by atomic number.

    Raises
    ------
    ValueError
        If there are fewer rows than points, or fewer points than species.

    Examples
    --------
    >>> share_points(10, {6: 2, 14: 100, 32: 100})
    {6: 2, 14: 4, 32: 4}
    """
    check_arguments(n=n)
    total = sum(available.values())
    if not len(available) <= n <= total:
        raise ParameterError(
            "n",
            f"must be between {len(available)} (the number of species) and {total} (the number of environments to "
            f"choose from); got {n}.",
        )
    shares: dict[Any, int] = {}
    rest = n
    for place, kind in enumerate(sorted(available, key=lambda kind: available[kind])):
        shares[kind] = min(available[kind], rest // (len(available) - place))
        rest -= shares[kind]
    return {kind: shares[kind] for kind in available}
