"""Eigenvalues and PAW weights of one structure by GPAW, in a process of its own like pw.x and projwfc.x.

    OMP_NUM_THREADS=1 /usr/bin/python3 gpaw_bands.py IN.npz OUT.npz

Needs GPAW (apt-get install gpaw gpaw-data) and the Python that it was installed for, but not ldosml. Scripts that use
ldosml call ``compute_bands``, which writes IN (structure and settings) and reads OUT.

There are two steps: a self-consistent run on a coarse mesh with gamma, then a run at fixed density on a denser,
shifted, even mesh without point symmetry. The weight of an atom in a band is the sum of |<projector|band>|^2 over the
projectors of its bound partial waves. Bands of ``semicore`` shells lie far below all others. They are computed, but the
result contains neither these bands nor their electrons.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from espresso import Bands, fermi_level, mesh

PYTHON = "/usr/bin/python3"


@dataclass(frozen=True)
class GPAWSettings:
    """Settings of a calculation; the data file stores them (``asdict``)."""

    cutoff: float = 340.0  # eV, plane waves
    electron_smearing: float = 0.1  # eV, Fermi-Dirac
    scf_k_density: float = 1.5  # points per inverse angstrom, 2 pi included
    dos_k_density: float = 3.0
    density_convergence: float = 1e-3  # electrons per valence electron, self-consistent run
    eigenstate_convergence: float = 1e-1  # eV^2 per valence electron, at fixed density
    top: float = 5.8  # eV above the Fermi level, up to which every k-point has all its bands
    bands_per_volume: float = 0.085  # empty bands per cubic angstrom: the first guess for ``top``
    semicore: tuple[tuple[str, int], ...] = (("Sn", 5),)  # bands per atom that are left out
    semicore_gap: float = 2.0  # eV, least distance to the other bands

    def describe(self) -> dict[str, object]:
        return asdict(self) | {"code": "GPAW 22.8", "functional": "PBE", "weights": "PAW projectors"}


def compute_bands(atoms: Atoms, folder: Path, settings: GPAWSettings) -> Bands:
    """Run this file in ``folder`` (empty, temporary); RuntimeError with the last lines of its output if it fails."""
    np.savez(
        folder / "in.npz",
        numbers=atoms.numbers,
        positions=atoms.positions,
        cell=np.array(atoms.cell),
        pbc=atoms.pbc,
        settings=json.dumps(asdict(settings)),
    )
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_CORETYPE": "Haswell"}  # Debian 12's OpenBLAS; see run_plan.py
    command = [PYTHON, str(Path(__file__).resolve()), "in.npz", "out.npz"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"exit {done.returncode}: " + " | ".join(done.stderr.strip().splitlines()[-3:]))
    with np.load(folder / "out.npz") as file:
        arrays = {key: file[key] for key in ("eigenvalues", "kpoint_weights", "atom_weights")}
        return Bands(**arrays, n_electrons=float(file["n_electrons"]), fermi_energy=float(file["fermi_energy"]))


def _self_consistent(atoms: Atoms, settings: GPAWSettings):
    from gpaw import GPAW, PW, FermiDirac

    calculator = GPAW(
        mode=PW(settings.cutoff),
        xc="PBE",
        kpts={"size": tuple(mesh(atoms, settings.scf_k_density, even=False)), "gamma": True},
        symmetry={"point_group": False},
        occupations=FermiDirac(settings.electron_smearing),
        convergence={"density": settings.density_convergence, "eigenstates": 1e-5, "energy": 1e-3},
        txt="scf.txt",
    )
    calculator.get_potential_energy(atoms)
    return calculator


def _fixed(calculator, settings: GPAWSettings, n_bands: int):
    """All bands at the density of ``calculator``; the last ones are computed but not converged."""
    atoms = calculator.atoms
    return calculator.fixed_density(
        kpts={"size": tuple(mesh(atoms, settings.dos_k_density, even=True)), "gamma": False},
        symmetry={"point_group": False},
        nbands=int(1.04 * n_bands) + 3,
        convergence={"bands": n_bands, "eigenstates": settings.eigenstate_convergence},
        txt="fixed.txt",
    )


def _weights(calculator, n_bands: int) -> np.ndarray:
    """(n_atoms, n_kpoints, n_bands): |P|^2 over the projectors of the bound partial waves of every atom."""
    bound = [np.repeat(np.array(setup.n_j) > 0, 2 * np.array(setup.l_j) + 1) for setup in calculator.wfs.setups]
    per_k = [
        [(np.abs(kpt.P_ani[a][:n_bands, bound[a]]) ** 2).sum(axis=1) for a in range(len(bound))]
        for kpt in sorted(calculator.wfs.kpt_u, key=lambda kpt: kpt.k)
    ]
    return np.array(per_k).transpose(1, 0, 2)


def compute(atoms: Atoms, settings: GPAWSettings) -> dict[str, object]:
    """Arrays of OUT.npz."""
    calculator = _self_consistent(atoms, settings)
    n_electrons = float(calculator.get_number_of_electrons())
    n_bands = int(np.ceil(n_electrons / 2 + settings.bands_per_volume * atoms.get_volume()) + 1)
    for _ in range(5):
        fixed = _fixed(calculator, settings, n_bands)
        kpoint_weights = np.array(fixed.get_k_point_weights())
        eigenvalues = np.array([fixed.get_eigenvalues(kpt=k) for k in range(len(kpoint_weights))])[:, :n_bands]
        fermi = fermi_level(eigenvalues, kpoint_weights, n_electrons, settings.electron_smearing)
        if eigenvalues[:, -1].min() - fermi > settings.top:
            break
        n_bands = int(np.ceil(1.12 * n_bands)) + 1
    else:
        raise RuntimeError(f"{n_bands} bands do not reach {settings.top} eV above the Fermi level")
    lowest = eigenvalues.min(axis=0)
    # One band wholly above the top is enough.
    n_bands = int(np.argmax(lowest - fermi > settings.top)) + 1
    per_atom = dict(settings.semicore)
    deep = sum(per_atom.get(symbol, 0) for symbol in atoms.symbols)
    if deep and lowest[deep] - eigenvalues[:, deep - 1].max() < settings.semicore_gap:
        raise RuntimeError(f"band {deep} and the next one are not {settings.semicore_gap} eV apart")
    return {
        "eigenvalues": eigenvalues[:, deep:n_bands],
        "kpoint_weights": kpoint_weights / kpoint_weights.sum(),
        "atom_weights": _weights(fixed, n_bands)[:, :, deep:],
        "n_electrons": n_electrons - 2 * deep,
        "fermi_energy": fermi,
        "semicore": eigenvalues[:, :deep],
    }


def main() -> None:
    source, target = sys.argv[1:]
    with np.load(source) as file:
        atoms = Atoms(file["numbers"], positions=file["positions"], cell=file["cell"], pbc=file["pbc"])
        settings = json.loads(str(file["settings"]))
    settings["semicore"] = tuple(tuple(pair) for pair in settings["semicore"])
    np.savez(target, **compute(atoms, GPAWSettings(**settings)))


if __name__ == "__main__":
    main()
