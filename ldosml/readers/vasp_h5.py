"""VASP's vaspout.h5."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from ldosml.file_sizes import check_hdf5, open_unpacked
from ldosml.readers._text import required, unfinished
from ldosml.readers.run import PrintedDOS, ProjectedBands, ReaderError, Run
from ldosml.readers.vasp import functional, is_true, refuse_lines, smearing


def read_vaspout(path: Path) -> Run:
    """Read a vaspout.h5, plain or compressed.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Run

    Raises
    ------
    ReaderError
        When the file is cut off, its k-points lie along lines, or it has no structure, eigenvalues or DOS.
    """
    with unfinished(path), open_unpacked(path) as stream:
        try:
            file = h5py.File(stream, "r")
        except OSError as error:
            raise ReaderError(f"{path} is cut off or not HDF5 ({error}). Did the run end?") from error
        with file:
            check_hdf5(file, path)
            return _run(path, file)


def _run(path: Path, file: h5py.File) -> Run:
    tags = {name: _text(value[()]) for name, value in file.get("input/incar", {}).items()}
    mode = _text(file["input/kpoints/mode"][()]) if "input/kpoints/mode" in file else ""
    refuse_lines(path, mode.lower().startswith("l"))
    spinor = is_true(tags, "LSORBIT") or is_true(tags, "LNONCOLLINEAR")
    structure = _structure(path, file)
    bands, printed = _bands(file, spinor), _printed(file, spinor, smearing(tags)[1])
    version = (
        ".".join(_text(file[f"version/{part}"][()]) for part in ("major", "minor", "patch"))
        if "version" in file
        else ""
    )
    return Run(
        path,
        f"VASP {version}".strip(),
        structure,
        float(_value(file, "results/electron_eigenvalues/nelectrons", np.nan)),
        float(_value(file, "results/electron_dos/efermi", np.nan)),
        bands,
        printed,
        {
            "functional": functional(tags),
            "cutoff (eV)": float(tags.get("ENCUT", "nan")),
            "electron smearing": smearing(tags)[0],
        },
    )


def _text(value: Any) -> str:
    return value.decode().strip() if isinstance(value, bytes) else str(value)


def _value(file: h5py.File, name: str, default: Any = None) -> Any:
    return file[name][()] if name in file else default


def _structure(path: Path, file: h5py.File) -> Atoms:
    names = ("ion_types", "number_ion_types", "lattice_vectors", "position_ions", "scale")
    found = {name: required(path, _value(file, f"results/positions/{name}"), f"positions ({name})") for name in names}
    counts, positions = np.asarray(found["number_ion_types"]), np.asarray(found["position_ions"])
    if counts.min(initial=0) < 0 or counts.sum() != len(positions):
        raise ReaderError(f"{path} counts {int(counts.sum()):,} atoms, but holds {len(positions):,} positions.")
    symbols = [
        _text(symbol).split("_")[0]
        for symbol, count in zip(found["ion_types"], counts, strict=True)
        for _ in range(int(count))
    ]
    scale = float(found["scale"])
    volume = abs(np.linalg.det(found["lattice_vectors"]))
    # A negative scale is the volume.
    factor = scale if scale > 0 else (-scale / volume) ** (1 / 3)
    return Atoms(symbols, cell=factor * found["lattice_vectors"], scaled_positions=positions, pbc=True)


def _bands(file: h5py.File, spinor: bool) -> ProjectedBands | None:
    group = file.get("results/electron_eigenvalues")
    if group is None:
        return None
    energies = np.asarray(group["eigenvalues"])
    projections = None
    if "results/projectors/par" in file:
        par = file["results/projectors/par"]  # (spin or component, ion, orbital, k-point, band)
        rows = [np.asarray(par[spin]).sum(axis=1, dtype=np.float32) for spin in range(len(energies))]
        projections = np.stack(rows, axis=1)
    return ProjectedBands(
        energies,
        np.asarray(group["kpoints_symmetry_weight"], dtype=float),
        projections,
        np.asarray(group["fermiweights"]),
        spinor,
    )


def _printed(file: h5py.File, spinor: bool, width: float | None) -> PrintedDOS | None:
    group = file.get("results/electron_dos")
    if group is None or "dos" not in group:
        return None
    dos: NDArray[np.float64] = np.asarray(group["dos"])
    n_spins = 1 if spinor else len(dos)
    pdos = None
    if "dospar" in group:
        pdos = np.asarray(group["dospar"])[:n_spins].sum(axis=2).transpose(1, 0, 2)
    return PrintedDOS(np.asarray(group["energies"]), dos[:n_spins], np.asarray(group["dosi"])[:n_spins], pdos, width)
