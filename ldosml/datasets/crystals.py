"""Crystals with their bands, for training and evaluating models of occupancies; and the file format of a set."""

from __future__ import annotations

import io
import json
import os
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from ase import Atoms
from ase.formula import Formula
from numpy.typing import NDArray

from ldosml import _html
from ldosml._files import write_buffer
from ldosml._shipped import shipped_file
from ldosml.file_sizes import opened_arrays, parsed_json, require_unpacked
from ldosml.kresolved.bands import CrystalBands
from ldosml.kresolved.paths import KPath

FORMAT = "ldosml crystals"
FORMAT_VERSION = 1

_MATERIAL = 10_000  # bytes of a crystal in memory without its numbers
_PARTS = ("mesh", "path")
_ARRAYS = {"header", "n_atoms", "numbers", "positions", "cells", "mesh_weights"} | {
    f"{part}_{name}" for part in _PARTS for name in ("shapes", "kpoints", "eigenvalues", "facts")
}
_SAME = 0.1  # eV; largest difference of a band between two calculations with one energy zero


@dataclass(frozen=True, eq=False, repr=False)
class Material:
    """One crystal and its bands.

    Parameters
    ----------
    name : str
        Unique name.
    prototype : str
        Name of the crystal structure, such as "rocksalt".
    formula : str
        Chemical formula.
    atoms : ase.Atoms
        Primitive cell, to which the k-points refer.
    mesh : CrystalBands
        Bands on the irreducible part of a mesh, with weights.
    path : CrystalBands
        Bands along lines of high symmetry.
    corners : tuple of (int, str)
        Index of a k-point of the path, and its label; see ``KPath``.

    Raises
    ------
    TypeError, ValueError
        When mesh or path is missing, or they have different Fermi levels, numbers of electrons, or bands at a common
        k-point; when the bands below the Fermi level do not hold the electrons; when atoms, formula or corners do not
        match.
    """

    name: str
    prototype: str
    formula: str
    atoms: Atoms
    mesh: CrystalBands
    path: CrystalBands
    corners: tuple[tuple[int, str], ...]

    def __post_init__(self) -> None:
        """Check that mesh and path are from one calculation."""
        if not isinstance(self.atoms, Atoms) or not self.atoms.pbc.all():
            raise TypeError(f"The crystal of {self.name} must be ase.Atoms, periodic in three directions.")
        if _composition(self.formula, self.name) != (made_of := reduced_formula(str(self.atoms.symbols))):
            raise ValueError(f"The formula of {self.name} must match its atoms, {made_of}; got {self.formula!r}.")
        for part in _PARTS:
            if not isinstance(found := getattr(self, part), CrystalBands):
                raise TypeError(
                    f"The {part} of {self.name} must be CrystalBands; got {type(found).__name__}. A material needs "
                    "bands on a mesh, with weights, and along a path."
                )
        mesh, path = self.mesh, self.path
        if (mesh.fermi_energy, mesh.n_electrons) != (path.fermi_energy, path.n_electrons):
            raise ValueError(
                f"Mesh and path of {self.name} must have the same Fermi level and number of electrons; they have "
                f"{mesh.fermi_energy:g} and {path.fermi_energy:g} eV, {mesh.n_electrons:g} and {path.n_electrons:g} "
                "electrons. Use the Fermi level of the mesh for both; Material.centred() moves both."
            )
        try:
            corners = KPath(path.kpoints, np.asarray(self.atoms.cell), tuple((int(i), str(n)) for i, n in self.corners))
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"corners of {self.name} must be pairs of the index of a k-point on the path and its label: {error}"
            ) from error
        object.__setattr__(self, "corners", corners.corners)
        _check_zero(self)
        _check_electrons(self)

    def centred(self) -> Self:
        """Put the Fermi level into the middle of the gap over mesh and path, if there is one.

        Returns
        -------
        Material

        Raises
        ------
        ValueError
            When the eigenvalues do not have the gap that is given; see ``CrystalBands.centred``.
        """
        fermi_energy = self.bands.centred().fermi_energy
        mesh, path = (replace(bands, fermi_energy=fermi_energy) for bands in (self.mesh, self.path))
        return replace(self, mesh=mesh, path=path)

    @property
    def bands(self) -> CrystalBands:
        """Bands of mesh and path together, without weights, for training."""
        return self.mesh.joined(self.path)

    @property
    def gap(self) -> float:
        """Gap over mesh and path, eV; 0 for a metal."""
        return self.bands.gap

    def __repr__(self) -> str:
        """Name, number of atoms and gap."""
        return f"Material({self.name!r}, {len(self.atoms)} atoms, gap {self.gap:.2f} eV)"


@dataclass(frozen=True, eq=False, repr=False)
class CrystalSet(Sequence[Material]):
    """A sequence of materials, and how they were computed.

    Parameters
    ----------
    materials : tuple of Material
        Their names must differ.
    provenance : dict
        How the materials were computed; saved with them.

    Raises
    ------
    ValueError
        When two materials have the same name.
    """

    materials: tuple[Material, ...]
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check that names differ."""
        names, counts = np.unique([m.name for m in self.materials], return_counts=True)
        if (counts > 1).any():
            raise ValueError(f"Names of materials must differ; these are repeated: {', '.join(names[counts > 1][:5])}.")

    def __len__(self) -> int:
        """Number of materials."""
        return len(self.materials)

    def __iter__(self) -> Iterator[Material]:
        """Iterate over the materials."""
        return iter(self.materials)

    def __getitem__(self, index: Any) -> Any:
        """One material by index or name, or a set of materials by a slice or an array of indices, names or bool."""
        if isinstance(index, str):
            return self._named(index)
        if isinstance(index, int | np.integer):
            return self.materials[int(index)]
        if isinstance(index, slice):
            return type(self)(self.materials[index], self.provenance)
        chosen = np.asarray(index)
        if chosen.dtype.kind == "U":
            return type(self)(tuple(self._named(str(name)) for name in chosen), self.provenance)
        if chosen.size and chosen.dtype.kind not in "iub":
            raise TypeError(
                f"Select materials by index or name, or by arrays of indices, names or bool; got {index!r}."
            )
        places = np.arange(len(self))[chosen if chosen.size else np.zeros(0, dtype=np.int64)]
        return type(self)(tuple(self.materials[i] for i in places), self.provenance)

    def _named(self, name: str) -> Material:
        for material in self.materials:
            if material.name == name:
                return material
        raise KeyError(f"There is no material {name!r} in this set of {len(self)}.")

    def __repr__(self) -> str:
        """Numbers of materials, gaps and elements."""
        gapped = int((self.gaps > 0).sum())
        return f"CrystalSet({len(self)} materials, {gapped} with a gap, {len(self.elements)} elements)"

    def _repr_html_(self) -> str:
        """What a notebook shows: numbers, and the first materials."""
        known = self.summary()
        facts = {
            "materials": f"{len(self)}, {known['with_gap']} with a gap",
            "elements": ", ".join(self.elements),
            "prototypes": ", ".join(f"{count} {name}" for name, count in known["prototypes"].items()),
            "k-points": ", ".join(f"{count} on the {part}" for part, count in known["kpoints"].items()),
        }
        rows = [(m.name, m.formula, m.prototype, len(m.atoms), m.gap) for m in self.materials]
        return _html.page("CrystalSet", facts, _html.table(["name", "formula", "prototype", "atoms", "gap (eV)"], rows))

    @property
    def names(self) -> list[str]:
        """Names, in order."""
        return [m.name for m in self.materials]

    @property
    def gaps(self) -> NDArray[np.float64]:
        """Gaps, (n_materials,), eV; 0 for metals."""
        return np.array([m.gap for m in self.materials], dtype=np.float64)

    @property
    def elements(self) -> list[str]:
        """Chemical symbols of all materials, sorted."""
        return sorted({symbol for m in self.materials for symbol in m.atoms.symbols})

    @property
    def crystals(self) -> list[Atoms]:
        """Atoms of each material, in order: the first argument of ``KOccupancyRegressor.fit``."""
        return [m.atoms for m in self.materials]

    @property
    def bands(self) -> list[CrystalBands]:
        """Bands of each material on mesh and path, in order: the second argument."""
        return [m.bands for m in self.materials]

    def summary(self) -> dict[str, Any]:
        """Numbers of materials, elements, prototypes and k-points.

        Returns
        -------
        dict
            Serializable as JSON.
        """
        n_atoms = [len(m.atoms) for m in self.materials]
        return {
            "materials": len(self),
            "with_gap": int((self.gaps > 0).sum()),
            "elements": self.elements,
            "prototypes": dict(sorted(Counter(m.prototype for m in self.materials).items())),
            "smallest_cell": min(n_atoms, default=0),
            "largest_cell": max(n_atoms, default=0),
            "kpoints": {part: sum(len(getattr(m, part)) for m in self.materials) for part in _PARTS},
        }

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Save everything to one .npz file, eigenvalues in single precision.

        Parameters
        ----------
        path : path
            An incomplete file never appears under this name.
        overwrite : bool
            Replace an existing file.

        Returns
        -------
        pathlib.Path

        Raises
        ------
        ValueError
            When a mesh has no weights.
        FileExistsError
            When the file exists and ``overwrite`` is false.
        OSError
            When writing fails.
        """
        content = io.BytesIO()
        np.savez_compressed(content, **_arrays(self))
        write_buffer(Path(path), content, overwrite)
        return Path(path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Load a file of ``save``; no code of the file is run.

        Parameters
        ----------
        path : path
            The file.

        Returns
        -------
        CrystalSet

        Raises
        ------
        FileNotFoundError
            When there is no such file.
        ValueError
            When the file is not a set of crystals, is damaged, or has another format version.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(
                f"There is no file of crystals {path}. Is the path correct, relative to the current folder?"
            )
        if not zipfile.is_zipfile(path):
            raise ValueError(
                f"{path} cannot be read as {FORMAT}: it is damaged, or not an .npz file. Make or copy it again."
            )
        try:
            with opened_arrays(path) as file:
                return cls(*_parsed({name: file[name] for name in file.files}, path))
        except (
            ValueError,
            TypeError,
            KeyError,
            IndexError,
            OSError,
            EOFError,
            MemoryError,
            zipfile.BadZipFile,
            zlib.error,
        ) as error:
            raise ValueError(f"{path} cannot be read as {FORMAT}: {error}") from error


def load_crystals(name: str = "crystals") -> CrystalSet:
    """Load a set of crystals that ships with the project, or the set in a file.

    Parameters
    ----------
    name : str
        Name of a shipped set, or a file.

    Returns
    -------
    CrystalSet

    Raises
    ------
    FileNotFoundError, ValueError
        As ``CrystalSet.load``; ValueError when the name is neither a file nor a shipped set.

    Examples
    --------
    >>> load_crystals()["diamond-Si"]
    Material('diamond-Si', 2 atoms, gap 0.6... eV)
    """
    path = Path(name)
    return CrystalSet.load(path if path.suffix or path.is_file() else shipped_file(name, ".npz", "set of crystals"))


def _arrays(crystals: CrystalSet) -> dict[str, Any]:
    """All numbers as flat arrays with the sizes of their parts, everything else as JSON."""
    header = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "provenance": crystals.provenance,
        "materials": [
            {"name": m.name, "prototype": m.prototype, "formula": m.formula, "corners": m.corners} for m in crystals
        ],
    }
    arrays: dict[str, Any] = {
        "header": np.frombuffer(json.dumps(header).encode(), dtype=np.uint8),
        "n_atoms": [len(m.atoms) for m in crystals],
        "numbers": _flat([m.atoms.numbers for m in crystals]).astype(np.int16),
        "positions": _flat([m.atoms.positions for m in crystals]),
        "cells": _flat([np.asarray(m.atoms.cell) for m in crystals]),
    }
    for part in _PARTS:
        bands: list[CrystalBands] = [getattr(m, part) for m in crystals]
        facts = [[b.fermi_energy, b.energy_max, b.n_electrons, b.gap] for b in bands]
        arrays |= {
            f"{part}_shapes": [b.eigenvalues.shape for b in bands],
            f"{part}_kpoints": _flat([b.kpoints for b in bands]),
            # band by band: neighbouring numbers are then similar, and compress better
            f"{part}_eigenvalues": _flat([b.eigenvalues.T for b in bands]).astype(np.float32),
            f"{part}_facts": facts,
        }
    arrays["mesh_weights"] = _flat([_weights(m) for m in crystals])
    return arrays


def _flat(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate([np.zeros(0), *(array.ravel() for array in arrays)])


def _weights(material: Material) -> NDArray[np.float64]:
    if material.mesh.weights is None:
        raise ValueError(
            f"The mesh of {material.name} has no weights. Give the weights of its k-points, which sum to 1; on a full "
            "mesh, each is 1 / number of k-points."
        )
    return material.mesh.weights


def _parsed(arrays: dict[str, NDArray[Any]], path: Path) -> tuple[tuple[Material, ...], dict[str, Any]]:
    if "header" not in arrays:
        raise ValueError(f"it has no header; its arrays are {', '.join(arrays) or 'none'}.")
    lacking = _ARRAYS - set(arrays)
    if lacking:
        raise ValueError(f"it lacks the arrays {', '.join(sorted(lacking))}.")
    if not (np.all((arrays["numbers"] >= 1) & (arrays["numbers"] <= 118)) and np.isfinite(arrays["positions"]).all()):
        raise ValueError("its atoms must have atomic numbers from 1 to 118 and finite positions.")
    header = parsed_json(arrays.pop("header").tobytes(), path, "Its header")
    if header["format"] != FORMAT or header["format_version"] != FORMAT_VERSION:
        raise ValueError(
            f"it is {header['format']!r}, version {header['format_version']}; this version of ldosml reads "
            f"{FORMAT!r}, version {FORMAT_VERSION}."
        )
    named = header["materials"]
    require_unpacked(path, _MATERIAL * len(named), f"Its {len(named):,} crystals")
    n_atoms = arrays["n_atoms"]
    numbers = _divided(arrays["numbers"], n_atoms)
    positions = _divided(arrays["positions"], 3 * n_atoms)
    cells = arrays["cells"].reshape(len(named), 3, 3)
    meshes, paths = (_bands(arrays, part) for part in _PARTS)
    materials = [
        Material(
            facts["name"],
            facts["prototype"],
            facts["formula"],
            Atoms(numbers[i], positions[i].reshape(-1, 3), cell=cells[i], pbc=True),
            meshes[i],
            paths[i],
            tuple((int(index), str(label)) for index, label in facts["corners"]),
        )
        for i, facts in enumerate(named)
    ]
    return tuple(materials), header["provenance"]


def reduced_formula(formula: str) -> str:
    """Unique formula of a composition, in lowest terms and Hill order; ValueError for an invalid formula."""
    return str(Formula(formula).reduce()[0].format("hill"))


def _composition(formula: str, name: str) -> str:
    try:
        return reduced_formula(formula)
    except ValueError as error:
        raise ValueError(f"The formula of {name} must be one like TiAlCu2; got {formula!r}.") from error


def _check_zero(material: Material) -> None:
    """Raise ValueError when mesh and path have different bands at a common k-point."""
    mesh, path = material.mesh, material.path
    apart = path.kpoints[:, None] - mesh.kpoints
    there, here = np.nonzero(np.abs(apart - np.round(apart)).max(axis=2) < 1e-5)
    n = max(1, int(mesh.n_electrons) // 2)
    one, other = (np.sort(b.eigenvalues[k], axis=1)[:, :n] for b, k in ((path, there), (mesh, here)))
    if one.shape != other.shape:  # fewer bands than are filled
        return
    off = float(np.abs(one - other).max(initial=0.0))
    if off > _SAME:
        raise ValueError(
            f"Mesh and path of {material.name} must have the same energy zero: at a common k-point, filled bands "
            f"differ by {off:.3g} eV."
        )


def _check_electrons(material: Material) -> None:
    """Raise ValueError when the bands below the Fermi level of the mesh do not hold the electrons."""
    mesh = material.mesh
    if mesh.weights is None:
        return
    held = 2 * float(mesh.weights @ (mesh.relative < 0).sum(axis=1))
    if abs(held - mesh.n_electrons) > max(1.5, 0.25 * mesh.n_electrons):  # a coarse mesh of a metal is not exact
        raise ValueError(
            f"Below the Fermi level of {material.name}, {mesh.fermi_energy:g} eV, the bands of the mesh hold "
            f"{held:.3g} electrons, but n_electrons is {mesh.n_electrons:g}. Do all energies have the same zero, and "
            "are they in eV?"
        )


def _bands(arrays: dict[str, NDArray[Any]], part: str) -> list[CrystalBands]:
    shapes = arrays[f"{part}_shapes"].reshape(-1, 2)
    kpoints = _divided(arrays[f"{part}_kpoints"], 3 * shapes[:, 0])
    eigenvalues = _divided(arrays[f"{part}_eigenvalues"], shapes[:, 0] * shapes[:, 1])
    weights: Sequence[NDArray[Any] | None] = [None] * len(shapes)
    if part == "mesh":
        weights = _divided(arrays["mesh_weights"], shapes[:, 0])
    return [
        CrystalBands(k.reshape(-1, 3), e.reshape(shape[::-1]).T, w, *facts)
        for k, e, w, shape, facts in zip(kpoints, eigenvalues, weights, shapes, arrays[f"{part}_facts"], strict=True)
    ]


def _divided(flat: NDArray[Any], sizes: NDArray[np.int64]) -> list[NDArray[Any]]:
    if len(flat) != sizes.sum():
        raise ValueError(f"an array of {len(flat)} numbers should hold {sizes.sum()}.")
    return np.split(flat, np.cumsum(sizes)[:-1]) if len(sizes) else []
