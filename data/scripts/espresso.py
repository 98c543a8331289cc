"""Eigenvalues and Loewdin weights of one structure by Quantum ESPRESSO (pw.x, then projwfc.x).

There are two steps, since the density converges on a coarse mesh and the density of states does not: a self-consistent
run, then a run at fixed potential on a denser, shifted mesh. Written for Quantum ESPRESSO 6.7 and norm-conserving or
ultrasoft pseudopotentials of the package ``quantum-espresso-data``.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from ase import Atoms
from ase.units import Hartree, Rydberg
from scipy.optimize import brentq
from scipy.special import expit

PSEUDO_DIR = "/usr/share/espresso/pseudo"


@dataclass(frozen=True)
class Settings:
    """Settings of a calculation, in the units of the code's manual; the data file stores them (``asdict``)."""

    pseudopotentials: tuple[tuple[str, str], ...] = (("Si", "Si.pbe-rrkj.UPF"),)
    valence: tuple[tuple[str, int], ...] = (("Si", 4),)
    ecutwfc: float = 16.0  # Ry
    ecutrho: float | None = None  # Ry; None: four times ecutwfc
    electron_smearing: float = 0.1  # eV, Fermi-Dirac
    scf_k_density: float = 2.5  # points per inverse angstrom, 2 pi included
    dos_k_density: float = 4.0
    dos_mesh_even: bool = True  # even divisions of the shifted mesh; odd ones also have points on zone faces
    conv_thr: float = 1e-5  # Ry
    diago_thr_init: float = 1e-4  # Ry
    diago_david_ndim: int = 3  # see compare_settings.py; 4 crashes with Debian 12's OpenBLAS
    bands_per_occupied: float = 2.2
    bands_per_occupied_small: float = 3.0  # cells of up to 4 atoms
    bands_per_volume: float = 0.0  # more, for each cubic angstrom of the cell: states in vacuum

    def describe(self) -> dict[str, object]:
        return asdict(self) | {"code": "Quantum ESPRESSO 6.7", "functional": "PBE", "weights": "Loewdin"}


@dataclass(frozen=True)
class Bands:
    """Eigenvalues of one structure and the weight of each atom in each band.

    eigenvalues (n_kpoints, n_bands) in eV from the code's own zero; kpoint_weights (n_kpoints,) of sum 1;
    atom_weights (n_atoms, n_kpoints, n_bands) as projected, before they are divided by their sum.
    """

    eigenvalues: np.ndarray
    kpoint_weights: np.ndarray
    atom_weights: np.ndarray
    n_electrons: float
    fermi_energy: float


def mesh(atoms: Atoms, density: float, even: bool) -> np.ndarray:
    """Monkhorst-Pack divisions with ``density`` points per inverse angstrom (2 pi included, as in ASE)."""
    lengths = 2 * np.pi * np.sqrt((np.array(atoms.cell.reciprocal()) ** 2).sum(axis=1))
    divisions = np.where(atoms.pbc, np.maximum(1, np.ceil(lengths * density - 1e-9)), 1).astype(int)
    return np.where(even & atoms.pbc, 2 * np.ceil(divisions / 2), divisions).astype(int)


def n_bands(n_electrons: float, atoms: Atoms, settings: Settings) -> int:
    factor = settings.bands_per_occupied_small if len(atoms) <= 4 else settings.bands_per_occupied
    return int(np.ceil(factor * n_electrons / 2 + settings.bands_per_volume * atoms.get_volume() - 1e-9))


def pw_input(atoms: Atoms, settings: Settings, step: str, bands: int) -> str:
    """The text of a pw.x input; ``step`` is "scf" or "nscf"."""
    species = dict(settings.pseudopotentials)
    density = settings.scf_k_density if step == "scf" else settings.dos_k_density
    divisions = mesh(atoms, density, step == "nscf" and settings.dos_mesh_even)
    shift = [int(step == "nscf" and n > 1) for n in divisions]
    rho = f"ecutrho = {settings.ecutrho}" if settings.ecutrho else ""
    lines = [
        f"&control calculation = '{step}', prefix = 'x', outdir = './out', pseudo_dir = '{PSEUDO_DIR}',",
        "  disk_io = 'low', verbosity = 'low' /",
        f"&system ibrav = 0, nat = {len(atoms)}, ntyp = {len(set(atoms.symbols))}, nbnd = {bands},",
        f"  ecutwfc = {settings.ecutwfc}, {rho}",
        "  nosym = .true., occupations = 'smearing', smearing = 'fermi-dirac',",
        f"  degauss = {settings.electron_smearing / Rydberg:.10f} /",
        f"&electrons conv_thr = {settings.conv_thr:.1e}, electron_maxstep = 200,",
        f"  diago_thr_init = {settings.diago_thr_init:.1e}, diago_david_ndim = {settings.diago_david_ndim} /",
        "ATOMIC_SPECIES",
    ]
    if step == "scf":
        lines[7] = f"  mixing_beta = 0.5, diago_david_ndim = {settings.diago_david_ndim} /"
    lines += [f"  {s} 1.0 {species[s]}" for s in sorted(set(atoms.symbols))]
    lines += ["CELL_PARAMETERS angstrom", *(" ".join(f"{x:.10f}" for x in row) for row in np.array(atoms.cell))]
    lines += ["ATOMIC_POSITIONS angstrom"]
    lines += [f"{s} " + " ".join(f"{x:.10f}" for x in r) for s, r in zip(atoms.symbols, atoms.positions, strict=True)]
    if (divisions == 1).all():  # with gamma alone the wave functions are real, which halves time and memory
        return "\n".join([*lines, "K_POINTS gamma"]) + "\n"
    lines += ["K_POINTS automatic", " ".join(str(n) for n in [*divisions, *shift])]
    return "\n".join(lines) + "\n"


def _run(command: list[str], folder: Path, name: str, timeout: float | None) -> str:
    with open(folder / f"{name}.in") as stdin, open(folder / f"{name}.out", "w") as out:
        done = subprocess.run(command, stdin=stdin, stdout=out, stderr=subprocess.STDOUT, cwd=folder, timeout=timeout)
    text = (folder / f"{name}.out").read_text(errors="replace")
    if done.returncode or "JOB DONE" not in text:
        raise RuntimeError(f"{name} failed (exit {done.returncode}): " + " | ".join(text.splitlines()[-8:]))
    return text


def _read_eigenvalues(xml: Path) -> tuple[np.ndarray, np.ndarray]:
    root = ElementTree.parse(xml).getroot()
    blocks = root.findall(".//band_structure/ks_energies")
    energies = np.array([[float(x) for x in block.find("eigenvalues").text.split()] for block in blocks])
    weights = np.array([float(block.find("k_point").get("weight")) for block in blocks])
    return energies * Hartree, weights / weights.sum()


def _read_projections(xml: Path, owner: np.ndarray, n_atoms: int) -> np.ndarray:
    """|<atomic orbital|band>|^2 summed over each atom's orbitals: (n_atoms, n_kpoints, n_bands)."""
    per_k = []
    for block in ElementTree.parse(xml).getroot().iter("PROJS"):
        rows = []
        for orbital in block:
            values = np.array(orbital.text.split(), dtype=float)
            rows.append(values[0::2] ** 2 + values[1::2] ** 2)
        squared = np.array(rows)
        if len(squared) != len(owner):
            raise RuntimeError(f"{len(squared)} orbitals in {xml.name}, {len(owner)} in the output of projwfc.x")
        per_k.append([squared[owner == atom].sum(axis=0) for atom in range(n_atoms)])
    return np.array(per_k).transpose(1, 0, 2)


def fermi_level(eigenvalues: np.ndarray, kpoint_weights: np.ndarray, n_electrons: float, kt: float) -> float:
    """Fermi level at which Fermi-Dirac occupations of width ``kt`` (eV) hold ``n_electrons`` (spin-paired bands)."""

    def excess(mu: float) -> float:
        return float(2 * (kpoint_weights[:, None] * expit((mu - eigenvalues) / kt)).sum() - n_electrons)

    return float(brentq(excess, eigenvalues.min() - 1, eigenvalues.max() + 1, xtol=1e-10))


def compute_bands(
    atoms: Atoms, folder: Path, settings: Settings, launcher: tuple[str, ...] = (), timeout: float | None = None
) -> Bands:
    """Run the three programs in ``folder`` (empty, temporary). ``launcher``, e.g. mpirun, precedes each command.

    Raises RuntimeError with the last lines of the output when a program fails.
    """
    pools = ["-nk", "2"] if "-np" in launcher else []
    n_electrons = float(sum(dict(settings.valence)[s] for s in atoms.symbols))
    for step in ("scf", "nscf"):
        bands = n_bands(n_electrons, atoms, settings) if step == "nscf" else _scf_bands(n_electrons)
        (folder / f"{step}.in").write_text(pw_input(atoms, settings, step, bands))
        _run([*launcher, "pw.x", *pools], folder, step, timeout)
    (folder / "projwfc.in").write_text(
        "&projwfc outdir = './out', prefix = 'x', degauss = 0.01, DeltaE = 0.5, filproj = 'proj' /\n"
    )
    listing = _run([*launcher, "projwfc.x", *pools], folder, "projwfc", timeout)
    owner = np.array([int(a) - 1 for a in re.findall(r"state #\s*\d+: atom\s*(\d+)", listing)])
    save = folder / "out" / "x.save"
    eigenvalues, kpoint_weights = _read_eigenvalues(save / "data-file-schema.xml")
    atom_weights = _read_projections(save / "atomic_proj.xml", owner, len(atoms))
    fermi = fermi_level(eigenvalues, kpoint_weights, n_electrons, settings.electron_smearing)
    return Bands(eigenvalues, kpoint_weights, atom_weights, n_electrons, fermi)


def _scf_bands(n_electrons: float) -> int:
    """Number of bands for occupations smeared by 0.1 eV: a fifth more than filled bands, at least four more."""
    return int(np.ceil(n_electrons / 2 + max(4, 0.1 * n_electrons)))
