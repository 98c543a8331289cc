"""How far the labels move when the k-mesh of the spectra is doubled: an estimate of what a model can reach.

    OMP_NUM_THREADS=1 nice python label_noise.py ../silicon/records ../silicon/noise

computes the structures below again on a mesh of twice the density (eight times the k-points), one record each, and
compares with the records of the set. ``--summary`` only compares what is there. Writes noise/label_noise.json: the root
mean square change of LDOS and of DOS per atom as a fraction of their standard deviation (equation 15 of Aryanpour and
Sadeghi, 2025), pooled over the structures, each aligned at its own Fermi level, from E_F - 14 eV up to the energy to
which both are complete, at most E_F + 5 eV.
"""

from __future__ import annotations

import argparse
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from espresso import Settings, compute_bands
from records import ENERGIES, SMEARING_WIDTH, read_record
from run_plan import compute

from ldosml.energy import EnergyGrid
from ldosml.properties import derive_properties, photon_axis
from ldosml.report import PRINCIPAL
from ldosml.spectra import LDOS

NAMES = (
    "diamond-2-000-0",
    "diamond-2-001-0",
    "beta-tin-4-000-0",
    "beta-tin-8-000-0",
    "diamond-8-000-0",
    "diamond-8-001-0",
    "liquid-16-000-0",
    "amorphous-16-000-0",
    "amorphous-16-001-0",
    "diamond-16-000-0",
)
WIDTHS = (0.1, 0.2, 0.3, 0.5)
TOP = 5.0  # eV above the Fermi level
TEMPERATURE = 300.0  # K, of the properties
PHOTONS = 4.0  # eV, up to which absorption is compared


def recompute(records: Path, folder: Path, workers: int) -> None:
    settings = replace(Settings(), dos_k_density=2 * Settings().dos_k_density)
    with ThreadPoolExecutor(workers) as pool:
        jobs = []
        for name in NAMES:
            if (records / f"{name}.npz").exists() and not (folder / f"{name}.npz").exists():
                atoms, _, _, info = read_record(records / f"{name}.npz")
                atoms.info = {key: info[key] for key in ("name", "kind", "group")}
                jobs.append(pool.submit(compute, atoms, folder, partial(compute_bands, settings=settings)))
        for job in jobs:
            job.result()


def _aligned(path: Path, width: float, bottom: float = -14.0) -> LDOS:
    """The record's LDOS broadened to ``width``, its zero at the record's own Fermi level."""
    atoms, values, _, info = read_record(path)
    top = info["energy_max"] - info["fermi_energy"] - 3 * (width - SMEARING_WIDTH)
    ldos = LDOS(
        EnergyGrid.from_array(ENERGIES, "code"),
        values.astype(float),
        SMEARING_WIDTH,
        structure_index=np.zeros(len(atoms), dtype=int),
    )
    grid = EnergyGrid.from_range(bottom, min(TOP, np.floor(top / 0.05) * 0.05), 0.05, "fermi")
    return ldos.broaden_to(width).refer_to(np.array([info["fermi_energy"]]), grid)


def _pair(records: Path, folder: Path, name: str, width: float) -> tuple[np.ndarray, np.ndarray]:
    coarse, fine = (_aligned(path / f"{name}.npz", width) for path in (records, folder))
    n = min(coarse.grid.size, fine.grid.size)
    return coarse.values[:, :n], fine.values[:, :n]


def _loss(pairs: list[tuple[np.ndarray, np.ndarray]]) -> float:
    coarse, fine = (np.concatenate([pair[side].ravel() for pair in pairs]) for side in (0, 1))
    return float(np.sqrt(np.mean((coarse - fine) ** 2)) / fine.std())


def _properties(path: Path, width: float) -> dict[str, np.ndarray]:
    """Properties of one record, per atom; whatever depends on the zero of energy, against its own Fermi level."""
    info = read_record(path)[3]
    ldos = _aligned(path, width, bottom=-16.0)
    electrons = info["n_electrons"]
    photons = photon_axis(ldos.grid)
    photons = photons[photons <= PHOTONS]
    table = derive_properties(ldos.total(), electrons, TEMPERATURE, photon_energies=photons).per_atom()
    found = {name: table.column(name) for name in PRINCIPAL if name in table.columns}
    spectra = {name: table.spectrum(name) for name in PRINCIPAL if name in table.spectra}
    return {**found, **spectra, "fermi_level": found["fermi_level"] + info["fermi_energy"]}


def _property_noise(records: Path, folder: Path, names: list[str], width: float) -> dict[str, float]:
    changes: dict[str, list[float]] = {name: [] for name in PRINCIPAL}
    for name in names:
        coarse, fine = (_properties(path / f"{name}.npz", width) for path in (records, folder))
        for key, values in coarse.items():
            changes[key].append(float(np.mean((values - fine[key]) ** 2)))
    return {key: float(f"{np.sqrt(np.mean(squares)):.4g}") for key, squares in changes.items()}


def summarize(records: Path, folder: Path) -> dict[str, object]:
    names = [name for name in NAMES if (folder / f"{name}.npz").exists()]
    result: dict[str, object] = {"structures": names, "smearing_width": list(WIDTHS), "ldos": [], "dos": []}
    for width in WIDTHS:
        pairs = [_pair(records, folder, name, width) for name in names]
        means = [(coarse.mean(axis=0), fine.mean(axis=0)) for coarse, fine in pairs]
        result["ldos"].append(round(_loss(pairs), 4))
        result["dos"].append(round(_loss(means), 4))
    noise = [_property_noise(records, folder, names, width) for width in WIDTHS]
    rmse = {name: [one[name] for one in noise] for name in PRINCIPAL}
    result["properties"] = {"temperature": TEMPERATURE, "rmse": rmse}
    result["dos_by_structure_at_0.3"] = {
        name: round(_loss([tuple(side.mean(axis=0) for side in _pair(records, folder, name, 0.3))]), 4)
        for name in names
    }
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", type=Path)
    parser.add_argument("noise", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--summary", action="store_true", help="compare what is there, compute nothing")
    arguments = parser.parse_args()
    arguments.noise.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("OPENBLAS_CORETYPE", "Haswell")
    if not arguments.summary:
        recompute(arguments.records, arguments.noise, arguments.workers)
    result = summarize(arguments.records, arguments.noise)
    path = arguments.noise / "label_noise.json"
    path.with_suffix(".tmp").write_text(json.dumps(result, indent=2) + "\n")
    path.with_suffix(".tmp").rename(path)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
