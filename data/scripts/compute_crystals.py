"""Compute the crystal set with GPAW, one record per material; the run may be stopped and started again.

    OMP_NUM_THREADS=1 nice /usr/bin/python3 compute_crystals.py ../crystals/records

Needs GPAW (apt-get install gpaw gpaw-data python3-spglib) and the Python that it was installed for, but not ldosml.
Every material has its own process, since GPAW uses one core. Materials that have a record are skipped. A material that
fails is written to failures.log and skipped until its line is removed.

A record holds eigenvalues in eV from the code's zero, rounded to 2^-13 eV, on the irreducible part of the 8x8x8 mesh
and on a path; k-points are fractions of the reciprocal cell of the primitive cell stored with them. Beside the plan,
``--what`` computes distorted copies of crystals that have a record (crystal_copies.py), and known structures
(known_structures.py), on meshes of their own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import numpy as np
import spglib
from ase import Atoms
from crystal_copies import copies, distorted
from crystal_structures import NONMETALS, PROTOTYPES, Material, band_path, crystal, plan, start_volume
from known_structures import Known, known

SETTINGS = {
    "code": "GPAW 22.8",
    "functional": "PBE",
    "spin": "non-magnetic",
    "cutoff": 400.0,  # eV, plane waves
    "mesh": [8, 8, 8],  # with gamma
    "volume_mesh": [4, 4, 4],
    "path_density": 12.0,  # points per inverse angstrom, 2 pi included
    "electron_smearing": 0.1,  # eV, Fermi-Dirac
    "volume_tolerance": 0.02,  # of the energy-volume fit; see fit_volume
    "top": 10.5,  # eV above the Fermi level, up to which every k-point has all its bands
}
COPY_DENSITY = 6.0  # points per inverse angstrom along the paths of copies and known structures
LARGEST_MESH = 64  # irreducible points of a copy, if its mesh has more than 4 points along a vector
VOLUME_STEP = 1.08
RESOLUTION = 2.0**-13  # eV


def _calculator(mesh: list[int], **changes):
    from gpaw import GPAW, PW, FermiDirac

    return GPAW(
        mode=PW(SETTINGS["cutoff"]),
        xc=SETTINGS["functional"],
        kpts={"size": mesh, "gamma": True},
        occupations=FermiDirac(SETTINGS["electron_smearing"]),
        txt=None,
        **changes,
    )


def _energy(material: Material, volume: float) -> float:
    atoms = crystal(material, volume)
    atoms.calc = _calculator(SETTINGS["volume_mesh"], convergence={"density": 1e-3, "eigenstates": 1e-6})
    return atoms.get_potential_energy()


def _parabola(volumes: list[float], energies: list[float]) -> float:
    """Volume of the minimum of a parabola in V^(-2/3) through three points, or nan where it opens downwards."""
    x = np.array(volumes) ** (-2 / 3)
    curvature, slope, _ = np.polyfit(x - x[1], np.array(energies) - energies[1], 2)
    at = x[1] - slope / (2 * curvature)
    return float(at ** (-3 / 2)) if curvature > 0 and at > 0 else float("nan")


def learned_volume(material: Material, folder: Path) -> float:
    """Volume (angstrom^3) predicted from the records in ``folder``; ``fit_volume`` starts there.

    Ridge regression of the logarithm of the volume per atom on prototype and elements; an element counts as another one
    in compounds with a nonmetal. Median error 9 % over 154 crystals, each left out; of ``start_volume`` 20 %.
    """
    known = {m.name: m for m in plan()}
    done = [known[path.stem] for path in sorted(folder.glob("*.npz")) if path.stem in known]
    if len(done) < 60:
        return start_volume(material)
    volumes = [abs(np.linalg.det(np.load(folder / f"{m.name}.npz")["cell"])) / m.n_atoms for m in done]
    words = sorted({word for m in [*done, material] for word in _words(m)})
    table = np.array([[_words(m).get(word, 0.0) for word in words] for m in [*done, material]])
    mean = np.log(volumes).mean()
    kernel = table @ table[:-1].T
    weights = np.linalg.solve(kernel[:-1] + 0.1 * np.eye(len(done)), np.log(volumes) - mean)
    return float(material.n_atoms * np.exp(mean + kernel[-1] @ weights))


def _words(material: Material) -> dict[str, float]:
    """Features of a material for the regression of its volume."""
    kind = "compound" if NONMETALS & set(material.species) else "alloy"
    found = {"all": 1.0, material.prototype: 1.0}
    for symbol, at in zip(material.species, PROTOTYPES[material.prototype][1], strict=True):
        part = len(at) / material.n_atoms
        for word, value in ((symbol, 2 * part), (f"{symbol} in {kind}", part)):
            found[word] = found.get(word, 0.0) + value
    return found


def fit_volume(material: Material, start: float) -> tuple[float, list[float], list[float]]:
    """Volume of least energy, from three volumes 8 % apart whose middle one has the lowest energy.

    The start is often far off, so the three points move by up to four steps at a time. The error of the parabola is
    well below 2 %, the tolerance of the set.
    """
    energies: dict[int, float] = {}
    middle = 0
    for _ in range(15):
        for n in (middle - 1, middle, middle + 1):
            if n not in energies:
                energies[n] = _energy(material, start * VOLUME_STEP**n)
        volumes = [start * VOLUME_STEP**n for n in (middle - 1, middle, middle + 1)]
        values = [energies[n] for n in (middle - 1, middle, middle + 1)]
        if values[1] <= min(values):
            return _parabola(volumes, values), volumes, values
        downhill = 1 if values[2] < values[0] else -1
        goal = np.log(_parabola(volumes, values) / start) / np.log(VOLUME_STEP)
        steps = 3 if np.isnan(goal) else int(np.clip(abs(round(goal) - middle), 1, 4))
        middle += downhill * steps
        if abs(middle) > 14:
            break
    raise RuntimeError(f"no minimum of the energy from {min(energies)} to {max(energies)} steps of volume")


def _guess_bands(n_electrons: float, volume: float, metal: bool) -> int:
    """Number of bands that usually reaches ``top``: occupied bands, and empty ones by volume; fewer with a gap."""
    per_volume, more = (0.18, 5) if metal else (0.11, 4)
    return int(np.ceil(n_electrons / 2 + per_volume * volume + more))


def _eigenvalues(calculator, kpoints: np.ndarray, bands: int) -> np.ndarray:
    from gpaw import Davidson

    fixed = calculator.fixed_density(
        kpts=kpoints,
        symmetry="off",
        nbands=int(1.15 * bands) + 2,  # the last bands of an iterative solver converge slowly
        convergence={"bands": bands, "eigenstates": 1e-3},  # within 1 meV of a tolerance of 1e-8
        eigensolver=Davidson(niter=3),
        txt=None,
    )
    return np.array([fixed.get_eigenvalues(kpt=k) for k in range(len(kpoints))])[:, :bands]


def complete_bands(calculator, kpoints: np.ndarray, corners: np.ndarray, bands: int) -> np.ndarray:
    """Eigenvalues (n_kpoints, n_bands) with every band up to ``top``, cut after the first band wholly above it.

    The number of bands is first estimated at the corners of the path, where bands have their extrema.
    """
    top = calculator.get_fermi_level() + SETTINGS["top"]
    below = int((_eigenvalues(calculator, corners, bands + 3).min(axis=0) <= top).sum())
    bands = below + 2
    for _ in range(5):
        eigenvalues = _eigenvalues(calculator, kpoints, bands)
        lowest = eigenvalues.min(axis=0)
        if lowest[-1] > top:
            return eigenvalues[:, : int(np.argmax(lowest > top)) + 1]
        bands = int(1.25 * bands) + 1
    raise RuntimeError(f"{bands} bands do not reach {SETTINGS['top']} eV above the Fermi level")


def edges(eigenvalues: np.ndarray, n_electrons: float) -> dict[str, float]:
    """Gap and band edges over all given k-points; the gap is zero where bands overlap or a band is half filled."""
    filled = round(n_electrons) // 2
    odd = round(n_electrons) % 2
    vbm, cbm = float(eigenvalues[:, filled - 1].max()), float(eigenvalues[:, filled].min())
    if odd or cbm <= vbm:
        return {"gap": 0.0}
    direct = float((eigenvalues[:, filled] - eigenvalues[:, filled - 1]).min())
    return {"gap": cbm - vbm, "vbm": vbm, "cbm": cbm, "direct_gap": direct}


def _mesh_of_copy(atoms: Atoms) -> list[int]:
    """The mesh of the set, or a coarser one where symmetry is lost."""
    cell = (np.array(atoms.cell), atoms.get_scaled_positions(), atoms.numbers)
    for n in range(8, 4, -1):
        mapping, _ = spglib.get_ir_reciprocal_mesh([n, n, n], cell)
        if len(np.unique(mapping)) <= LARGEST_MESH:
            return [n, n, n]
    return [4, 4, 4]


def self_consistent(atoms: Atoms, mesh: list[int] | None = None) -> Atoms:
    """Attach a calculator and converge the density, on the mesh of the set if none is given."""
    atoms.calc = _calculator(mesh or SETTINGS["mesh"], convergence={"density": 1e-4, "eigenstates": 1e-6})
    atoms.get_potential_energy()
    return atoms


def describe(
    material: Material | Known,
    atoms: Atoms,
    mesh: np.ndarray,
    weights: np.ndarray,
    path_density: float = SETTINGS["path_density"],
) -> tuple[dict[str, np.ndarray], dict[str, object]]:
    """Arrays and metadata of a crystal from ``self_consistent``: its bands on a weighted mesh and on its path."""
    if isinstance(material, Known):
        path, corners = material.path(path_density)
    else:
        path, corners = band_path(material, np.array(atoms.cell), path_density)
    n_electrons = atoms.calc.get_number_of_electrons()
    bands = _guess_bands(n_electrons, atoms.get_volume(), material.expected == "metal")
    ends = np.unique(np.round(path[[index for index, _ in corners]], 9), axis=0)
    eigenvalues = complete_bands(atoms.calc, np.concatenate([mesh, path]), ends, bands)
    arrays = {
        "mesh_kpoints": mesh,
        "mesh_weights": weights,
        "mesh_eigenvalues": _rounded(eigenvalues[: len(mesh)]),
        "path_kpoints": path,
        "path_eigenvalues": _rounded(eigenvalues[len(mesh) :]),
    }
    info = {
        "name": material.name,
        "formula": material.formula,
        "prototype": material.prototype,
        "path_corners": corners,
        "n_electrons": n_electrons,
        "fermi_energy": atoms.calc.get_fermi_level(),
        "energy_max": float(eigenvalues[:, -1].min()),
        **edges(eigenvalues, n_electrons),
    }
    return arrays, info


def compute(
    material: Material | Known, folder: Path
) -> tuple[Atoms, dict[str, np.ndarray], dict[str, object], dict[str, object]]:
    """Crystal, arrays, metadata and settings of one material; the volume of a crystal of the plan is computed."""
    settings, fitted = dict(SETTINGS), {}
    if isinstance(material, Known) or material.copy:
        known_atoms = isinstance(material, Known)
        atoms = material.atoms.copy() if known_atoms else distorted(material, folder)
        settings |= {"path_density": COPY_DENSITY, "mesh": material.mesh() if known_atoms else _mesh_of_copy(atoms)}
        del settings["volume_mesh"], settings["volume_tolerance"]
    else:
        volume, volumes, energies = fit_volume(material, learned_volume(material, folder))
        atoms = crystal(material, volume)
        fitted = {"volumes": np.array(volumes), "energies": np.array(energies)}
    atoms = self_consistent(atoms, settings["mesh"])
    mesh, weights = atoms.calc.get_ibz_k_points(), atoms.calc.get_k_point_weights()
    arrays, info = describe(material, atoms, mesh, weights, settings["path_density"])
    return atoms, arrays | fitted, info, settings


def dated(settings: dict[str, object]) -> dict[str, object]:
    """Processor time, date and settings of this process."""
    return {"seconds": round(time.process_time(), 1), "date": date.today().isoformat(), "settings": settings}


def _rounded(values: np.ndarray) -> np.ndarray:
    return (np.round(values / RESOLUTION) * RESOLUTION).astype(np.float32)


def write_record(path: Path, atoms: Atoms, arrays: dict[str, np.ndarray], info: dict[str, object]) -> None:
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    with open(temporary, "wb") as file:
        np.savez_compressed(
            file,
            numbers=atoms.numbers.astype(np.int16),
            positions=atoms.positions,
            cell=np.array(atoms.cell),
            info=np.frombuffer(json.dumps(info, default=float).encode(), dtype=np.uint8),
            **arrays,
        )
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)


def compute_one(name: str, folder: Path) -> None:
    """Compute one material and write its record; runs in a process of its own."""
    material = next(material for material in [*plan(), *known(), *copies(folder)] if material.name == name)
    atoms, arrays, info, settings = compute(material, folder)
    extra = dated(settings)
    write_record(folder / f"{name}.npz", atoms, arrays, info | extra)
    per_atom = atoms.get_volume() / len(atoms)
    print(f"{name}: {extra['seconds']:.0f} s, gap {info['gap']:.2f} eV, {per_atom:.2f} angstrom^3 per atom", flush=True)


def run(name: str, folder: Path) -> None:
    """Compute one material in a process of its own; write its error, if any, to failures.log.

    Another run on the same folder may have finished the material in the meantime.
    """
    if (folder / f"{name}.npz").exists():
        return
    done = subprocess.run([sys.executable, __file__, str(folder), "--one", name], stderr=subprocess.PIPE, text=True)
    if done.returncode in (0, -2, -9, -15):  # complete, or stopped from outside
        return
    last = (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]
    with open(folder / "failures.log", "a") as log:
        log.write(f"{name}\t{' '.join(last.split())[:500]}\n")
    print(f"{name}: FAILED, see failures.log", flush=True)


def _failed(folder: Path) -> set[str]:
    log = folder / "failures.log"
    return {line.split("\t")[0] for line in log.read_text().splitlines()} if log.exists() else set()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", type=Path)
    parser.add_argument("--workers", type=int, default=2, help="materials computed side by side, one core each")
    parser.add_argument("--prototypes", nargs="+", choices=list(PROTOTYPES), help="only these; all otherwise")
    parser.add_argument("--elements", nargs="+", help="only materials of the plan with one of these; all otherwise")
    parser.add_argument("--what", choices=("plan", "copies", "known"), default="plan", help="what is computed")
    parser.add_argument("--one", help="compute only the material of this name, in this process")
    arguments = parser.parse_args()
    arguments.records.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("OPENBLAS_CORETYPE", "Haswell")  # Debian 12's OpenBLAS is wrong on some newer processors
    if arguments.one:
        compute_one(arguments.one, arguments.records)
        return
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    failed = _failed(arguments.records)
    chosen, elements = set(arguments.prototypes or PROTOTYPES), set(arguments.elements or ())
    wanted = [m for m in plan() if m.prototype in chosen and (not elements or elements & set(m.species))]
    if arguments.what != "plan":
        wanted = known() if arguments.what == "known" else copies(arguments.records)
    todo = [material.name for material in wanted if material.name not in failed]
    with ThreadPoolExecutor(arguments.workers) as pool:
        list(pool.map(lambda name: run(name, arguments.records), todo))


if __name__ == "__main__":
    main()
