"""Paths between points of high symmetry in the Brillouin zone, for band structures."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, pairwise
from typing import Any, Literal, Self

import numpy as np
from ase import Atoms
from ase.cell import Cell
from ase.dft.kpoints import BandPath, parse_path_string
from numpy.typing import ArrayLike, NDArray

from ldosml._ranges import check_arguments
from ldosml._validation import ParameterError, check_finite, check_positive, check_shape
from ldosml.kresolved.brillouin import reciprocal_lattice

Floats = NDArray[np.float64]

PathKind = Literal["setyawan-curtarolo", "latimer-munro"]
"""Which points a path joins: see ``KPath.from_cell``, and ``KPath.latimer_munro``."""

MOST_KPOINTS = 100_000
"""Largest number of k-points along a path."""

_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_FIRST = 21  # pymatgen warns of noble gases
_VOLUME = 20.0  # of an atom, cubic angstrom
_STEP, _OFFSET = 1e-6, 0.31830988618  # angstrom; simple fractions are not at the boundary of a step
_PLAIN = str.maketrans("", "", "_{}")  # removes pymatgen's subscripts


@dataclass(frozen=True, eq=False, repr=False)
class KPath:
    """k-points along straight lines between named points.

    Parameters
    ----------
    kpoints : array (n_kpoints, 3)
        Fractions of the reciprocal lattice vectors of ``cell``.
    cell : array (3, 3)
        Lattice vectors, rows, angstrom.
    corners : tuple of (int, str)
        Index of the k-point and name of each corner of the path, in order. The path is interrupted where two
        consecutive corners have consecutive indices but different k-points.

    Raises
    ------
    ValueError
        When shapes do not fit, or the indices of corners are not increasing indices of k-points.
    """

    kpoints: Floats
    cell: Floats
    corners: tuple[tuple[int, str], ...]

    def __post_init__(self) -> None:
        """Check shapes and order."""
        for name, shape, axes in (("kpoints", (None, 3), "n_kpoints, 3"), ("cell", (3, 3), "3 lattice vectors, 3")):
            values = np.asarray(getattr(self, name), dtype=np.float64)
            check_shape(name, values, shape, axes)
            check_finite(name, values)
            object.__setattr__(self, name, values)
        places = [index for index, _ in self.corners]
        if sorted(set(places)) != places or not set(places) <= set(range(len(self))):
            raise ValueError(
                f"corners must have increasing indices of the {len(self)} k-points of the path; got {places}."
            )

    @classmethod
    def from_cell(cls, cell: ArrayLike, n_kpoints: int) -> Self:
        """Make the path of Setyawan and Curtarolo for a lattice.

        Comput. Mater. Sci. 49, 299 (2010), as in ASE. It depends on the lattice only, not on the atoms.

        Parameters
        ----------
        cell : array (3, 3)
            Lattice vectors of the primitive cell, rows, angstrom. A conventional cell has another Brillouin zone, and
            so another path.
        n_kpoints : int
            Total number, up to rounding; more if a line of the path would have none.

        Returns
        -------
        KPath

        Raises
        ------
        ValueError
            When the lattice vectors span no volume, or ``n_kpoints`` is not positive.

        Examples
        --------
        >>> path = KPath.from_cell([[0, 2, 2], [2, 0, 2], [2, 2, 0]], 60)
        >>> " ".join(path.ticks[1])
        'Γ X W K Γ L U W L K|U X'
        """
        check_arguments(n_kpoints=n_kpoints)
        return cls._drawn(np.asarray(cell, dtype=np.float64), n_kpoints)

    @classmethod
    def latimer_munro(cls, atoms: Atoms, n_kpoints: int, *, eulerian: bool = False) -> Self:
        """Make the path of Latimer and Munro, which the Materials Project and Park et al. (see ``occupancy``) use.

        J. M. Munro et al., npj Comput. Mater. 6, 112 (2020), as in pymatgen (``pip install 'ldosml[dft]'``). It follows
        points and lines that are special by the symmetry of the crystal, not of the lattice only. Names of corners are
        lower-case letters, except Gamma.

        Parameters
        ----------
        atoms : Atoms
            A primitive cell; k-points are fractions of its reciprocal lattice vectors.
        n_kpoints : int
            Total number, up to rounding; more if a line of the path would have none.
        eulerian : bool
            Without jumps: the shortest closed path from Gamma through every line. A few lines are passed twice, because
            an odd number of lines meets at some corners. The number of k-points is exact.

        Returns
        -------
        KPath

        Raises
        ------
        ValueError
            When the lattice vectors span no volume, ``n_kpoints`` is not positive, or an Eulerian path has more lines.
        ImportError
            When pymatgen is missing.
        """
        check_arguments(n_kpoints=n_kpoints)
        vectors = np.asarray(atoms.cell, dtype=np.float64)
        reciprocal_lattice(vectors)  # raises a clear error before pymatgen does
        points, lines = _latimer_munro(atoms)
        if eulerian:
            return cls._through(vectors, [(name, points[name]) for name in _circuit(lines, points, vectors)], n_kpoints)
        # ASE reads only names of one capital letter with digits.
        plain = {name: f"P{number}" for number, name in enumerate(points)}
        path = cls._drawn(
            vectors,
            n_kpoints,
            path=",".join("".join(plain[name] for name in line) for line in lines),
            special_points={plain[name]: point for name, point in points.items()},
        )
        names = {short: _plain_name(name) for name, short in plain.items()}
        return cls(path.kpoints, vectors, tuple((index, names[short]) for index, short in path.corners))

    @classmethod
    def _through(cls, vectors: Floats, corners: list[tuple[str, Floats]], n_kpoints: int) -> Self:
        """The path along straight lines between corners, with exactly ``n_kpoints``, as evenly spaced as possible."""
        check_n_kpoints(n_kpoints)
        ends = np.array([point for _, point in corners])
        if n_kpoints < len(ends):
            raise ValueError(f"n_kpoints must be at least {len(ends)}, the corners of this path; got {n_kpoints!r}.")
        lengths = np.linalg.norm(np.diff(ends, axis=0) @ reciprocal_lattice(vectors), axis=1)
        steps = _shares(lengths, int(n_kpoints) - 1)
        kpoints = [
            start + np.arange(n)[:, None] / n * (end - start)
            for (start, end), n in zip(pairwise(ends), steps, strict=True)
        ]
        places = np.concatenate([[0], np.cumsum(steps)])
        names = tuple((int(place), _plain_name(name)) for place, (name, _) in zip(places, corners, strict=True))
        return cls(np.concatenate([*kpoints, ends[-1:]]), vectors, names)

    @classmethod
    def _drawn(cls, vectors: Floats, n_kpoints: int, **given: Any) -> Self:
        """The path that ASE makes of a cell, with its options ``given``."""
        reciprocal_lattice(vectors)  # raises a clear error
        check_n_kpoints(n_kpoints)
        n = int(np.ceil(n_kpoints))
        while (corners := _corners(found := Cell(vectors).bandpath(npoints=n, **given))) is None:  # type: ignore[no-untyped-call]
            n += n // 4 + 1
        return cls(found.kpts, vectors, corners)

    def __len__(self) -> int:
        """Number of k-points."""
        return len(self.kpoints)

    def __repr__(self) -> str:
        """Number of k-points, and names of the corners."""
        return f"KPath({len(self)} k-points; {' '.join(self.ticks[1])})"

    @property
    def distances(self) -> Floats:
        """Distance of each k-point along the path, (n_kpoints,), 1/angstrom, 2 pi included; jumps have no length."""
        steps = np.linalg.norm(np.diff(self.kpoints, axis=0) @ reciprocal_lattice(self.cell), axis=1)
        steps[[index for index, _ in self._jumps()]] = 0.0
        return np.concatenate([[0.0], np.cumsum(steps)]) if len(self) else np.zeros(0)

    @property
    def ticks(self) -> tuple[Floats, tuple[str, ...]]:
        """Distances (n_ticks,) and labels of the corners; a jump has one tick with both names, "K|U"."""
        jumps = {index + 1 for index, _ in self._jumps()}
        places: list[int] = []
        names: list[str] = []
        for index, name in self.corners:
            drawn = "Γ" if name in ("G", "GAMMA", "Gamma") else name.translate(_SUBSCRIPTS)
            if index in jumps:
                names[-1] += f"|{drawn}"
            else:
                places.append(index)
                names.append(drawn)
        return self.distances[places], tuple(names)

    def _jumps(self) -> list[tuple[int, int]]:
        """Pairs of consecutive k-points without a line between them."""
        places = [index for index, _ in self.corners]
        return [(a, b) for a, b in pairwise(places) if b == a + 1 and not np.allclose(self.kpoints[a], self.kpoints[b])]


def check_n_kpoints(n_kpoints: float) -> None:
    """Raise ParameterError unless a path can have so many k-points: a positive number, 100,000 at most."""
    check_positive("n_kpoints", n_kpoints)
    if n_kpoints > MOST_KPOINTS:
        raise ParameterError(
            "n_kpoints", f"must be at most {MOST_KPOINTS:,} along a path; got {n_kpoints:,}. 100 to 1000 are usual."
        )


def _latimer_munro(atoms: Atoms) -> tuple[dict[str, Floats], list[list[str]]]:
    """Names and fractions of the corners, and the lines between them.

    pymatgen's choice among equivalent corners depends on rounding errors. It therefore gets every crystal rounded and
    with the same volume of an atom: crystals of one prototype then have the same path, and most are found only once.
    """
    factor = (_VOLUME * len(atoms) / atoms.cell.volume) ** (1 / 3)
    cell, places = _stepped(factor * atoms.cell.array), _stepped(atoms.get_scaled_positions(wrap=False))  # type: ignore[no-untyped-call]
    _, kinds = np.unique(atoms.numbers, return_inverse=True)
    return _special_lines(tuple(cell.ravel()), tuple(places.ravel()), tuple(int(kind) for kind in kinds))


@lru_cache(maxsize=256)
def _special_lines(
    vectors: tuple[float, ...], places: tuple[float, ...], kinds: tuple[int, ...]
) -> tuple[dict[str, Floats], list[list[str]]]:
    """What ``_latimer_munro`` gives, of a cell (9 numbers), fractions (3 for each atom) and kinds of atoms.

    pymatgen finds the right zone only for reduced lattice vectors, so it gets these.
    """
    try:
        from pymatgen.io.ase import AseAtomsAdaptor
        from pymatgen.symmetry.bandstructure import HighSymmKpath
    except ModuleNotFoundError as error:
        raise ImportError(
            "Paths of Latimer and Munro need pymatgen. Install it by\n    pip install 'ldosml[dft]'"
        ) from error
    given = Cell(np.reshape(vectors, (3, 3)))  # type: ignore[no-untyped-call]
    cell, operation = given.minkowski_reduce()  # type: ignore[no-untyped-call]
    positions = np.reshape(places, (-1, 3)) @ given.array
    crystal = AseAtomsAdaptor.get_structure(Atoms([_FIRST + kind for kind in kinds], positions, cell=cell, pbc=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # from spglib, which pymatgen calls
        found = HighSymmKpath(crystal, path_type="latimer_munro").kpath  # type: ignore[no-untyped-call]
    points = {name: np.linalg.solve(operation, point) for name, point in found["kpoints"].items()}
    return points, found["path"]


def _stepped(values: Floats) -> Floats:
    """Numbers on a grid."""
    return np.asarray(np.floor(values / _STEP + _OFFSET) * _STEP, dtype=np.float64)


def _circuit(lines: list[list[str]], points: Mapping[str, Floats], vectors: Floats) -> list[str]:
    """Corners of the shortest closed path from Gamma along every line.

    Corners where an odd number of lines meets are joined in pairs by lines that are passed twice.
    """
    import networkx  # pymatgen needs it too

    names = list(dict.fromkeys(name for line in lines for name in line))
    graph = networkx.MultiGraph()  # of numbers: sets of strings have another order in every process
    reciprocal = reciprocal_lattice(vectors)
    for a, b in ((a, b) for line in lines for a, b in pairwise(line)):
        length = float(np.linalg.norm((points[a] - points[b]) @ reciprocal))
        graph.add_edge(names.index(a), names.index(b), length=round(length, 5))  # ties must not depend on rounding
    between = dict(networkx.all_pairs_dijkstra(graph, weight="length"))
    odd = [corner for corner, degree in graph.degree if degree % 2]
    pairs = networkx.Graph()
    pairs.add_weighted_edges_from((a, b, between[a][0][b]) for a, b in combinations(odd, 2))
    for a, b in networkx.min_weight_matching(pairs):
        networkx.add_path(graph, between[a][1][b])
    edges = networkx.eulerian_circuit(graph, source=names.index("Γ"))
    return ["Γ", *(names[end] for _, end in edges)]


def _shares(lengths: Floats, n: int) -> NDArray[np.int64]:
    """Divide ``n`` steps among lines in proportion to their lengths, at least one for each."""
    steps = np.ones(len(lengths), dtype=np.int64)
    for _ in range(n - len(lengths)):
        steps[np.argmax(lengths / steps)] += 1
    return steps


def _plain_name(name: str) -> str:
    return "G" if name == "Γ" else name.translate(_PLAIN)


def _corners(found: BandPath) -> tuple[tuple[int, str], ...] | None:
    """Index and name of each corner, or None if a line is too short to contain both of its ends."""
    corners: list[tuple[int, str]] = []
    for line in parse_path_string(found.path):  # type: ignore[no-untyped-call]
        for position, name in enumerate(line):
            start = corners[-1][0] + 1 if corners else 0
            there = np.all(np.abs(found.kpts[start:] - found.special_points[name]) < 1e-9, axis=1)
            index = start + int(there.argmax()) if there.size else start
            if position and index == start:
                return None
            corners.append((index, name))
    return tuple(corners)
