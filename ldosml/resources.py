"""Memory and time of a kernel fit or a descriptor, estimated before it starts."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import psutil
from scipy.linalg import cho_factor, eigh

from ldosml._ranges import check_arguments

Solver = Literal["auto", "eigh", "cholesky"]
Precision = Literal["float64", "float32"]
Route = Literal[
    "cholesky", "streamed", "float32", "eigh", "eigh in less memory", "cholesky per alpha", "streamed per alpha"
]

EIGH_LIMIT = 32_766
"""Largest number of rows for LAPACK's eigenvectors with 32-bit integers: the workspace has 2 n^2 numbers."""

_PANEL = 128
"""Smallest number of columns of a panel that is worth moving to a device."""

_ANNOUNCED_FROM = 5.0
"""Estimated seconds from which a fit is announced."""

_LITTLE = 2**24
"""Bytes that are always free: less than what the libraries take that are imported."""

_BLOCKS = {True: 2**27, False: 2**29}
"""Largest size of blocks of the kernel and of workspaces, bytes: with NumPy, and on a device."""


@dataclass(frozen=True)
class FitPlan:
    """The algorithm of a kernel fit, with its memory and time.

    Parameters
    ----------
    n, n_energies, n_alphas : int
        Rows of the kernel matrix, columns of the targets, candidates for alpha.
    route : str
        The algorithm.
    bytes : int
        Peak memory, without the inputs.
    available : int
        Free memory, bytes.
    operations : tuple of three floats
        Operations in matrix products, operations in Cholesky factorisations, and n^3 for eigenvectors.
    panel : int, default=0
        Columns that are moved to the device at a time, if the factor is streamed from the host; 0 otherwise.
    """

    n: int
    n_energies: int
    n_alphas: int
    route: Route
    bytes: int
    available: int
    operations: tuple[float, float, float]
    panel: int = 0

    @property
    def seconds(self) -> float:
        """Estimated time, s, from the speeds of small matrices on this processor.

        The error may be a factor of two; an accelerator is faster.
        """
        return sum(count / speed for count, speed in zip(self.operations, speeds(), strict=True))

    def __str__(self) -> str:
        """Describe the plan in one line."""
        several = f" and {self.n_alphas} alphas" if self.n_alphas > 1 else ""
        return (
            f"Kernel of {self.n:,} rows, {self.n_energies:,} energies{several}, by {self.route}: about "
            f"{in_words(self.bytes)} of {in_words(self.available)} free, roughly {duration_in_words(self.seconds)}."
        )

    def announce(self) -> None:
        """Log the plan to the logger ``ldosml`` at level INFO, if the fit takes more than a few seconds."""
        products, factors, eigenvectors = self.operations
        # Measuring the speeds takes time, so skip it for small fits.
        if products + factors + 10 * eigenvectors > 1e11 and self.seconds > _ANNOUNCED_FROM:
            logging.getLogger("ldosml").info("%s", self)


@dataclass(frozen=True)
class _Way:
    """An algorithm: its matrices at the peak of memory, its operations, and the parameters that ask for it.

    ``squares`` is the number of (n, n) matrices of float64: with NumPy, and in other namespaces, where nothing is
    overwritten. ``columns`` is the number of matrices (n, n_energies).
    """

    route: Route
    squares: tuple[float, float]
    columns: int
    operations: tuple[float, float, float]
    asked: str


def plan_kernel_fit(
    n: int,
    n_features: int,
    n_energies: int,
    n_alphas: int = 1,
    *,
    precision: Precision = "float64",
    solver: Solver = "auto",
    in_place: bool = True,
    device_memory: int | None = None,
    n_environments: int | None = None,
) -> FitPlan:
    """Choose the fastest way to fit a kernel matrix that fits into memory.

    Parameters
    ----------
    n, n_features, n_energies : int
        Rows of the kernel matrix, features of an environment, columns of the targets.
    n_alphas : int
        Number of candidates for alpha, or of its distinct values; 1 if one number serves all energies.
    precision : {"float64", "float32"}
        Precision of the factorisation.
    solver : {"auto", "eigh", "cholesky"}
        For several alphas: one eigendecomposition, or a Cholesky factorisation for each.
    in_place : bool
        Whether arrays are NumPy arrays, which LAPACK overwrites. Other namespaces need a second matrix.
    device_memory : int, optional
        Free bytes of the accelerator that holds the arrays; None if the host holds them.
    n_environments : int, optional
        Number of environments if a row is a structure. Default: n.

    Returns
    -------
    FitPlan

    Raises
    ------
    MemoryError
        If no algorithm fits into memory. The message says how much is needed and free, and what would fit.
    ValueError
        If solver or precision is unknown, or eigenvectors are asked for beyond 32,766 rows.
    """
    check_arguments(
        n=n,
        n_features=n_features,
        n_energies=n_energies,
        n_alphas=n_alphas,
        device_memory=device_memory,
        n_environments=n_environments,
    )
    _check_options(n, n_alphas, precision, solver)
    host = available_memory()
    evaluated = float(n_environments or n) ** 2 * n_features
    single, several = _with_one_alpha(n, n_energies, evaluated), _with_several(n, n_energies, n_alphas, evaluated)

    chosen = [way for way in (single if n_alphas == 1 else several) if _is_asked(way.route, precision, solver)]
    others = [way for way in (*several, *single) if way not in chosen]

    def plan(way: _Way) -> FitPlan:
        squares = way.squares[0 if in_place else 1]
        # A small matrix is one block, and the kernel needs a few copies of it.
        size = int(8 * n * (squares * n + way.columns * n_energies)) + min(_BLOCKS[in_place], 32 * n**2)
        streamed = way.route.startswith("streamed")
        panel = ((device_memory or 0) // (8 * n) - way.columns * n_energies) // 5 if streamed else 0
        free = host if device_memory is None or streamed else device_memory
        return FitPlan(n, n_energies, n_alphas, way.route, size, free, way.operations, min(n, panel))

    def fits(made: FitPlan) -> bool:
        if made.route.startswith("streamed") and made.panel < min(n, _PANEL):
            return False
        return made.bytes <= made.available and not (made.route.startswith("eigh") and n > EIGH_LIMIT)

    for made in map(plan, chosen):
        if fits(made):
            return made
    instead = [f"{way.asked} ({in_words(plan(way).bytes)})" for way in others if way.asked and fits(plan(way))]
    held = [made for made in map(plan, chosen) if not made.route.startswith("streamed")]
    raise MemoryError(_refusal(min(held, key=lambda made: made.bytes), instead))


def _check_options(n: int, n_alphas: int, precision: str, solver: str) -> None:
    for name, value, choices in (("solver", solver, get_args(Solver)), ("precision", precision, get_args(Precision))):
        if value not in choices:
            raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}; got {value!r}.")
    if n_alphas > 1 and precision == "float32":
        raise ValueError(
            f"precision='float32' works with one alpha only; got {n_alphas} alphas. Set alpha to one number, or use "
            "precision='float64'."
        )
    if n_alphas > 1 and solver == "eigh" and n > EIGH_LIMIT:
        raise ValueError(
            f"solver='eigh' works up to {EIGH_LIMIT:,} rows, because LAPACK uses 32-bit integers; got {n:,}. Use "
            "solver='cholesky', or SparseLDOSKernelRidge."
        )


def _with_one_alpha(n: int, n_energies: int, evaluated: float) -> list[_Way]:
    solved, factorised = 2.0 * n**2 * n_energies, n**3 / 3
    refined = 6 * (evaluated + 2 * solved)  # assume six residuals and corrections
    return [
        _Way("cholesky", (1, 2), 3, (evaluated + solved, factorised, 0), "one number for alpha"),
        _Way("streamed", (0.5, 0.5), 3, (evaluated + solved, factorised, 0), "one number for alpha, streamed"),
        _Way(
            "float32",
            (0.5, 1),
            6,
            (evaluated + refined, factorised / 2, 0),
            "one number for alpha with precision='float32'",
        ),
    ]


def _with_several(n: int, n_energies: int, n_alphas: int, evaluated: float) -> list[_Way]:
    product = 2.0 * n**2 * n_energies
    spectral = (evaluated + (n_alphas + 3) * product, 0.0, float(n) ** 3)
    # A factor and its inverse for each candidate; then a factor and about 12 products for the coefficients.
    factors = ((n_alphas + 1) * evaluated + (n_alphas + 12) * product, n_alphas * 4 / 3 * n**3, 0.0)
    # If streamed, the inverse is computed by solving for the columns of the identity.
    streamed = factors[0] + n_alphas * 2.0 * n**3, n_alphas * 2 / 3 * n**3, 0.0
    return [
        _Way("eigh", (3, 5), 5, spectral, ""),
        _Way("eigh in less memory", (2, 5), 5, spectral, "solver='eigh'"),
        _Way("cholesky per alpha", (1, 3), 7, factors, "solver='cholesky'"),
        _Way("streamed per alpha", (0.5, 0.5), 8, streamed, ""),
    ]


def _is_asked(route: Route, precision: Precision, solver: Solver) -> bool:
    if route in ("cholesky", "streamed", "float32"):
        return (route == "float32") == (precision == "float32")
    return solver == "auto" or (solver == "eigh") == route.startswith("eigh")


def _refusal(least: FitPlan, others: list[str]) -> str:
    several = f" and {least.n_alphas} alphas" if least.n_alphas > 1 else ""
    instead = f" Of the full kernel, these would fit: {'; '.join(others)}." if others else ""
    return (
        f"A kernel of {least.n:,} rows with {least.n_energies:,} energies{several} needs at least "
        f"{in_words(least.bytes)} (by {least.route}); {in_words(least.available)} of memory are free.{instead} "
        "With inducing points (SparseLDOSKernelRidge) the memory does not grow with the rows."
    )


@dataclass(frozen=True)
class DescriptorPlan:
    """Memory and time of the rows of a descriptor.

    Parameters
    ----------
    name : str
        Class of the descriptor.
    n_environments, n_features : int
        Rows, and numbers in each.
    bytes : int
        Peak memory, without the structures.
    available : int
        Free memory, bytes.
    seconds : float
        Estimated time of one core, s; 0 where it is not known. The error may be a factor of three.
    """

    name: str
    n_environments: int
    n_features: int
    bytes: int
    available: int
    seconds: float = 0.0

    def __str__(self) -> str:
        """Describe the plan in one line."""
        time_ = f", roughly {duration_in_words(self.seconds)} on one core" if self.seconds else ""
        return (
            f"{self.name} of {self.n_environments:,} environments, {self.n_features:,} features: about "
            f"{in_words(self.bytes)} of {in_words(self.available)} free{time_}."
        )

    @property
    def long(self) -> bool:
        """Whether it takes more than some ten seconds."""
        return self.seconds > 2 * _ANNOUNCED_FROM

    def require(self) -> None:
        """Raise MemoryError unless the memory suffices, or little is needed."""
        if self.bytes > max(_LITTLE, self.available):
            raise MemoryError(
                f"{self.name} of {self.n_environments:,} environments with {self.n_features:,} features needs about "
                f"{in_words(self.bytes)}; {in_words(self.available)} of memory are free. Give SOAP a smaller n_max or "
                "l_max, or fewer structures or elements: its features grow with the square of the elements."
            )


def require_memory(what: str, size: float, instead: str) -> None:
    """Raise MemoryError unless the free memory suffices, or little is needed, which is not worth a look.

    Parameters
    ----------
    what : str
        What needs the memory, the subject of the message.
    size : float
        Bytes.
    instead : str
        What to do if they are not free, a sentence.

    Raises
    ------
    MemoryError
        When fewer bytes are free.
    """
    if size <= _LITTLE:
        return
    available = available_memory()
    if size > available:
        raise MemoryError(f"{what} needs about {in_words(size)}; {in_words(available)} of memory are free. {instead}")


def available_memory(root: Path = Path("/")) -> int:
    """Memory that this process can still use.

    Parameters
    ----------
    root : Path
        Root of the file system, with ``proc`` and ``sys``.

    Returns
    -------
    int
        Bytes: the free memory, or the limit of the control groups of the process if that is less.
    """
    return min([int(psutil.virtual_memory().available), *_left_in_groups(root)])


def _left_in_groups(root: Path) -> Iterator[int]:
    """Limit minus use of each control group (version 1 or 2) around this process, in bytes."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return  # not Linux
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            mount, limit, used, cache_name = root / "sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"
        elif "memory" in controllers.split(","):
            mount, cache_name = root / "sys/fs/cgroup/memory", "total_inactive_file"
            limit, used = "memory.limit_in_bytes", "memory.usage_in_bytes"
        else:
            continue
        group = mount / path.lstrip("/")
        for folder in (group, *group.parents):
            if folder.is_relative_to(mount):
                yield from _left_in(folder, limit, used, cache_name)


def _left_in(folder: Path, limit: str, used: str, cache_name: str) -> Iterator[int]:
    try:
        most, now = (folder / limit).read_text().strip(), int((folder / used).read_text())
        statistics = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except OSError:
        return  # the group does not limit memory, or is not visible in a container
    if most != "max":
        yield int(most) - now + int(statistics.get(cache_name, 0))  # cached files can be dropped


@cache
def speeds() -> tuple[float, float, float]:
    """Operations per second of matrix products and of Cholesky factorisations, and n^3 per second of eigenvectors.

    They are measured once, on matrices that take 0.3 s together. Larger matrices are somewhat faster, but their
    eigenvectors are slower.
    """
    n, m = 1024, 512
    A = np.random.default_rng(0).normal(size=(n, n))
    A = A @ A.T + n * np.eye(n)
    return (
        2.0 * n**3 / _fastest(lambda: A @ A[::-1]),
        n**3 / 3 / _fastest(lambda: cho_factor(A, check_finite=False)),
        float(m**3) / _fastest(lambda: eigh(A[:m, :m], driver="evd", check_finite=False)),
    )


def _fastest(function: Callable[[], object]) -> float:
    """Seconds of the faster of two calls; the first call may start threads."""
    seconds = []
    for _ in range(2):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def in_words(size: float) -> str:
    """Write a number of bytes as text, such as "4.5 GB".

    Parameters
    ----------
    size : float
        Bytes.

    Returns
    -------
    str
    """
    return f"{size / 1e9:.3g} GB" if size >= 1e9 else f"{size / 1e6:.3g} MB"


def duration_in_words(seconds: float) -> str:
    """Write a time as text, such as "12.5 min".

    Parameters
    ----------
    seconds : float

    Returns
    -------
    str
    """
    return (
        f"{seconds:.2g} s"
        if seconds < 100
        else f"{seconds / 60:.3g} min"
        if seconds < 6000
        else f"{seconds / 3600:.3g} h"
    )
