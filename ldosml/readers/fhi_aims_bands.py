"""FHI-aims: Final_KS_eigenvalues.dat, the eigenvalues on the mesh of a DOS ('output postscf_eigenvalues').

For each k-point the file has its number and place, and a row for each state: its number, occupation and eigenvalue
(eV), the last two again for spin down. It lists the whole mesh, so all points count alike; of a mesh that is reduced by
time reversal, a point whose opposite is not listed counts twice. Spin-orbit coupling gives rows of spinors, filled by
one.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np

from ldosml.readers._text import numbers, read_lines
from ldosml.readers.run import Floats, ProjectedBands, ReaderError

NAME = "Final_KS_eigenvalues.dat"

_POINT = re.compile(r"k-point in recip\. lattice units:\s*(.+)")
_WRONG = 1e-3  # fraction of the electrons that occupations may miss
_ALIKE = 1e-6  # of k-points, in units of the reciprocal vectors


def read_eigenvalues(path: Path, n_electrons: float | None, mesh: tuple[int, ...] | None) -> ProjectedBands:
    """Read the eigenvalues of all electrons.

    Parameters
    ----------
    path : Path
    n_electrons : float or None
        Of the cell, to check the occupations with.
    mesh : tuple of int or None
        Of the self-consistent run, (3,); the mesh of a DOS is a multiple of it.

    Returns
    -------
    ProjectedBands

    Raises
    ------
    ReaderError
        When the file is cut off, its points are no whole mesh, or occupations do not add up to the electrons.
    """
    points: list[Floats] = []
    blocks: list[list[Floats]] = []
    for line in read_lines(path):
        if (found := _POINT.search(line)) is not None:
            points.append(numbers(path, found[1], "k-points"))
            blocks.append([])
        elif blocks and line.strip() and line.strip()[0].isdigit():
            blocks[-1].append(numbers(path, line, "eigenvalues"))
    sizes = {(len(block), row.size) for block in blocks for row in block}
    if len(sizes) != 1 or {row.size for row in points} != {3} or (size := next(iter(sizes)))[1] not in (3, 5):
        raise ReaderError(
            f"{path} is cut off, or has another form: every k-point needs the same number of rows, with an occupation "
            "and an eigenvalue for each spin."
        )
    table = np.array(blocks).reshape(len(points), *size)[:, :, 1:].transpose(2, 0, 1)
    filled, eigenvalues = table[0::2], table[1::2]
    spinor = len(eigenvalues) == 1 and filled.max() <= 1 + _WRONG
    capacity = 1.0 if spinor or len(eigenvalues) == 2 else 2.0
    weights = _weights(path, np.array(points), 1 if mesh is None else math.prod(mesh))
    bands = ProjectedBands(eigenvalues, weights, None, filled / capacity, spinor)
    if n_electrons is not None and abs(bands.occupied - n_electrons) > _WRONG * n_electrons:
        raise ReaderError(
            f"{path}: the occupations of its {len(points)} k-points add up to {bands.occupied:.6g} electrons, but the "
            f"listing has {n_electrons:.6g}. Does it belong to another run?"
        )
    return bands


def without_core(bands: ProjectedBands, lowest: float) -> tuple[ProjectedBands, float]:
    """Bands that reach above an energy, and the electrons in all others.

    Parameters
    ----------
    bands : ProjectedBands
    lowest : float
        eV.

    Returns
    -------
    ProjectedBands, float
    """
    assert bands.occupations is not None
    kept = bands.eigenvalues.max(axis=(0, 1)) >= lowest
    rest = ProjectedBands(
        bands.eigenvalues[:, :, kept], bands.kpoint_weights, None, bands.occupations[:, :, kept], bands.spinor
    )
    return rest, bands.occupied - rest.occupied


def _weights(path: Path, points: Floats, factor: int) -> Floats:
    """One for each point, (n_kpoints,), or two where its opposite is not listed.

    Raises ReaderError where the points are no whole mesh, or do not number a multiple of ``factor``.
    """
    units = round(1 / _ALIKE)
    whole = np.round(points * units).astype(np.int64) % units
    listed = {tuple(point) for point in whole.tolist()}
    weights = np.array([1.0 if tuple(point) in listed else 2.0 for point in ((-whole) % units).tolist()])
    everything = np.concatenate([whole, (-whole) % units])
    coordinates = [np.unique(everything[:, axis]) for axis in range(3)]
    even = all(np.ptp(np.diff(np.append(each, each[0] + units))) <= 2 for each in coordinates)
    size = math.prod(len(each) for each in coordinates)
    if not even or round(weights.sum()) != size or size % factor:
        raise ReaderError(
            f"{path} is cut off, or holds no whole mesh: its {len(points)} k-points, and their opposites, are "
            f"{weights.sum():g} points, of which {size} would be a mesh that they lie on."
        )
    return weights
