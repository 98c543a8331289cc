"""How far the labels move when the k-mesh of the spectra is doubled: an estimate of what a model can reach.

    OMP_NUM_THREADS=1 nice python label_noise.py silicon

computes the structures that sets.py names for the set again on a mesh of twice the density (eight times the k-points),
one record each in data/silicon/noise, and compares with the records of the set. ``--summary`` only compares what is
there. Writes label_noise.json beside them: the root mean square change of LDOS, also by element, and of DOS per atom as
a fraction of their standard deviation (equation 15 of Aryanpour and Sadeghi, 2025), pooled over the structures, each
aligned at its own Fermi level, from the set's ``noise_bottom`` up to the energy to which both are complete, at most
E_F + 5 eV. Keys that end in ``same_zero``: the same with both spectra aligned at the Fermi level of the finer mesh, so
that only the spectra differ. ``by_energy``: the root mean square change itself, states/eV/atom, in bins of 0.25 eV from
below all states up to where every structure is complete.
"""

from __future__ import annotations

import argparse
import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from records import SMEARING_WIDTH, read_record
from run_plan import compute
from sets import SETS, Set

from ldosml.energy import EnergyGrid
from ldosml.properties import derive_properties, photon_axis
from ldosml.report import PRINCIPAL
from ldosml.spectra import LDOS

WIDTHS = (0.1, 0.2, 0.3, 0.5)
TOP = 5.0  # eV above the Fermi level
BIN = 0.25  # eV, of the change by energy
TEMPERATURE = 300.0  # K, of the properties
PHOTONS = 4.0  # eV, up to which absorption is compared


def recompute(one: Set, records: Path, folder: Path, workers: int) -> None:
    with ThreadPoolExecutor(workers) as pool:
        jobs = []
        for name in one.noise_names:
            if (records / f"{name}.npz").exists() and not (folder / f"{name}.npz").exists():
                atoms, _, _, info = read_record(records / f"{name}.npz")
                atoms.info = {key: info[key] for key in ("name", "kind", "group")}
                jobs.append(pool.submit(compute, atoms, folder, one.code(2.0), one.energies))
        for job in jobs:
            job.result()


def _fermi_energy(path: Path) -> float:
    return float(read_record(path)[3]["fermi_energy"])


def _aligned(path: Path, energies: np.ndarray, width: float, bottom: float, zero: float) -> LDOS:
    """The record's LDOS broadened to ``width``, its zero at ``zero``, a Fermi level."""
    atoms, values, _, info = read_record(path)
    top = info["energy_max"] - zero - 3 * (width - SMEARING_WIDTH)
    ldos = LDOS(
        EnergyGrid.from_array(energies, "code"),
        values.astype(float),
        SMEARING_WIDTH,
        structure_index=np.zeros(len(atoms), dtype=int),
    )
    grid = EnergyGrid.from_range(bottom, min(TOP, np.floor(top / 0.05) * 0.05), 0.05, "fermi")
    return ldos.broaden_to(width).refer_to(np.array([zero]), grid)


# LDOS of one structure, on the set's mesh and on the finer one.
Pair = tuple[np.ndarray, np.ndarray]
# Of the records on the set's mesh and on the finer one.
Folders = tuple[Path, Path]


def _pair(one: Set, spectra: Folders, zeros: Folders, name: str, width: float, bottom: float) -> Pair:
    """Spectra of two folders from ``bottom`` on, aligned at the Fermi levels that the records of two folders give."""
    file = f"{name}.npz"
    coarse, fine = (
        _aligned(folder / file, one.energies, width, bottom, _fermi_energy(zero / file))
        for folder, zero in zip(spectra, zeros, strict=True)
    )
    n = min(coarse.grid.size, fine.grid.size)
    return coarse.values[:, :n], fine.values[:, :n]


def _mean(pair: Pair) -> Pair:
    """DOS per atom."""
    return pair[0].mean(axis=0, keepdims=True), pair[1].mean(axis=0, keepdims=True)


def _loss(pairs: list[Pair]) -> float:
    coarse, fine = (np.concatenate([pair[side].ravel() for pair in pairs]) for side in (0, 1))
    return float(np.sqrt(np.mean((coarse - fine) ** 2)) / fine.std())


def _by_element(pairs: list[Pair], symbols: list[np.ndarray]) -> dict[str, list[Pair]]:
    """The atoms of each element alone."""
    return {
        element: [
            (coarse[one == element], fine[one == element])
            for (coarse, fine), one in zip(pairs, symbols, strict=True)
            if element in one
        ]
        for element in sorted({str(symbol) for one in symbols for symbol in one})
    }


def _binned(pairs: list[Pair], n_bins: int) -> list[float | None]:
    """Root mean square change in each bin of energies; None beyond where some structure ends."""
    each = round(BIN / 0.05)
    n = min(coarse.shape[1] for coarse, _ in pairs) // each
    changes = np.concatenate([(coarse - fine)[:, : n * each] for coarse, fine in pairs])
    values = np.sqrt(np.mean(changes.reshape(-1, n, each) ** 2, axis=(0, 2)))
    return [round(float(value), 5) for value in values] + [None] * (n_bins - n)


def _by_energy(one: Set, folders: Folders, names: list[str], symbols: list[np.ndarray]) -> dict[str, object]:
    found: dict[str, list[list[float | None]]] = {}
    n_bins = round((TOP - one.states_bottom) / BIN)
    for width in WIDTHS:
        pairs = [_pair(one, folders, folders, name, width, one.states_bottom) for name in names]
        elements = {f"ldos {element}": own for element, own in _by_element(pairs, symbols).items()}
        for key, rows in {"ldos": pairs, "dos": [_mean(pair) for pair in pairs], **elements}.items():
            found.setdefault(key, []).append(_binned(rows, n_bins))
    return {"start": one.states_bottom, "step": BIN, **found}


def _properties(one: Set, path: Path, width: float) -> dict[str, np.ndarray]:
    """Properties of one record, per atom; whatever depends on the zero of energy, against its own Fermi level."""
    info = read_record(path)[3]
    ldos = _aligned(path, one.energies, width, one.states_bottom, info["fermi_energy"])
    electrons = info["n_electrons"]
    photons = photon_axis(ldos.grid)
    photons = photons[photons <= PHOTONS]
    table = derive_properties(ldos.total(), electrons, TEMPERATURE, photon_energies=photons).per_atom()
    found = {name: table.column(name) for name in PRINCIPAL if name in table.columns}
    spectra = {name: table.spectrum(name) for name in PRINCIPAL if name in table.spectra}
    return {**found, **spectra, "fermi_level": found["fermi_level"] + info["fermi_energy"]}


def _property_noise(one: Set, records: Path, folder: Path, names: list[str], width: float) -> dict[str, float]:
    changes: dict[str, list[float]] = {name: [] for name in PRINCIPAL}
    for name in names:
        coarse, fine = (_properties(one, path / f"{name}.npz", width) for path in (records, folder))
        for key, values in coarse.items():
            changes[key].append(float(np.mean((values - fine[key]) ** 2)))
    return {key: float(f"{np.sqrt(np.mean(squares)):.4g}") for key, squares in changes.items()}


def summarize(one: Set, records: Path, folder: Path) -> dict[str, object]:
    names = [name for name in one.noise_names if (folder / f"{name}.npz").exists()]
    if not names:
        raise SystemExit(f"There is nothing to compare with in {folder}.")
    symbols = [np.array(read_record(records / f"{name}.npz")[0].get_chemical_symbols()) for name in names]
    both = (records, folder)
    bottom = one.noise_bottom
    pairs = {width: [_pair(one, both, both, name, width, bottom) for name in names] for width in WIDTHS}
    same_zero = {width: [_pair(one, both, (folder, folder), name, width, bottom) for name in names] for width in WIDTHS}
    by_element = [_by_element(pairs[width], symbols) for width in WIDTHS]
    noise = [_property_noise(one, records, folder, names, width) for width in WIDTHS]
    result: dict[str, object] = {
        "structures": names,
        "smearing_width": list(WIDTHS),
        "ldos": [round(_loss(pairs[width]), 4) for width in WIDTHS],
        "ldos_by_element": {
            element: [round(_loss(own[element]), 4) for own in by_element] for element in by_element[0]
        },
        "dos": [round(_loss([_mean(pair) for pair in pairs[width]]), 4) for width in WIDTHS],
        "ldos_same_zero": [round(_loss(same_zero[width]), 4) for width in WIDTHS],
        "dos_same_zero": [round(_loss([_mean(pair) for pair in same_zero[width]]), 4) for width in WIDTHS],
        "properties": {
            "temperature": TEMPERATURE,
            "rmse": {name: [each[name] for each in noise] for name in PRINCIPAL},
        },
        "by_energy": _by_energy(one, both, names, symbols),
        "dos_by_structure_at_0.3": {
            name: round(_loss([_mean(pair)]), 4) for name, pair in zip(names, pairs[0.3], strict=True)
        },
    }
    if one.noise_remark:
        result["remark"] = one.noise_remark
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", choices=[name for name, one in SETS.items() if one.noise_names])
    parser.add_argument("--records", type=Path, help="the folder with one .npz file a structure; data/SET/records")
    parser.add_argument("--noise", type=Path, help="where the finer ones are; data/SET/noise")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--summary", action="store_true", help="compare what is there, compute nothing")
    arguments = parser.parse_args()
    one = SETS[arguments.set]
    records, folder = arguments.records or one.records, arguments.noise or one.noise
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("OPENBLAS_CORETYPE", "Haswell")
    if not arguments.summary:
        recompute(one, records, folder, arguments.workers)
    result = summarize(one, records, folder)
    path = folder / "label_noise.json"
    text = re.sub(r"\[[^][{}]*\]", lambda found: " ".join(found[0].split()), json.dumps(result, indent=2))
    path.with_suffix(".tmp").write_text(text + "\n")
    path.with_suffix(".tmp").rename(path)
    print(text)


if __name__ == "__main__":
    main()
