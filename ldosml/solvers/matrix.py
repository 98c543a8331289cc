"""Kernel matrices that are evaluated in blocks, and their lower triangle in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from ldosml._array import Array, Namespace, add_to_diagonal, array_device, is_numpy, namespace

_TILE_HOST = (256, 2048)
_TILE_DEVICE = (4096, 4096)
"""4 MB, which stay in a processor's cache; and what keeps a GPU busy."""


class KernelMatrix(Protocol):
    """A symmetric positive semidefinite matrix that is evaluated in blocks."""

    @property
    def size(self) -> int:
        """Number of rows, and of columns."""

    @property
    def like(self) -> Array:
        """An array where the matrix is to live."""

    def block(self, rows: slice, columns: slice) -> Array:
        """Evaluate part of the matrix, as a new array.

        Parameters
        ----------
        rows, columns : slice
            Both with a start and a stop.

        Returns
        -------
        array (n_rows, n_columns)
        """


def tile_shape(xp: Namespace) -> tuple[int, int]:
    """Rows and columns of a kernel that are evaluated at a time."""
    return _TILE_HOST if is_numpy(xp) else _TILE_DEVICE


def tiles(size: int, rows: int, columns: int) -> Iterator[tuple[slice, slice]]:
    """Blocks that cover the lower triangle; those on the diagonal are square, and come last in their row."""
    for start in range(0, size, rows):
        stop = min(start + rows, size)
        for left in range(0, start, columns):
            yield slice(start, stop), slice(left, min(left + columns, start))
        yield slice(start, stop), slice(start, stop)


def evaluate(kernel: KernelMatrix, shift: float = 0.0, *, dtype: object = None, out: Array | None = None) -> Array:
    """Evaluate the lower triangle of a kernel matrix + ``shift`` on its diagonal, (n, n), into ``out`` if given.

    With NumPy the values above the diagonal are not touched; other namespaces get both triangles. No second array of
    this size is made.
    """
    xp = namespace(kernel.like)
    n = kernel.size
    if out is None:
        out = xp.empty((n, n), dtype=dtype or xp.float64, device=array_device(kernel.like))
    for rows, columns in tiles(n, *tile_shape(xp)):
        part = kernel.block(rows, columns)
        if rows == columns and shift:
            part = add_to_diagonal(part, shift)
        part = xp.astype(part, out.dtype, copy=False)
        out[rows, columns] = part
        if not is_numpy(xp) and rows != columns:
            out[columns, rows] = part.T
    return out


def diagonal(kernel: KernelMatrix, block: int = 128) -> Array:
    """Diagonal of a kernel matrix, (n,)."""
    xp = namespace(kernel.like)
    ranges = [slice(start, min(start + block, kernel.size)) for start in range(0, kernel.size, block)]
    return xp.concat([xp.linalg.diagonal(kernel.block(rows, rows)) for rows in ranges])


def mean_diagonal(kernel: KernelMatrix) -> float:
    """Trace over size: the scale of a kernel matrix.

    Parameters
    ----------
    kernel : KernelMatrix

    Returns
    -------
    float
    """
    values = diagonal(kernel)
    return float(namespace(values).mean(values))
