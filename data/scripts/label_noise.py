"""Label noise: the change of the labels on a denser k-mesh, an estimate of the least error that a model can reach.

    OMP_NUM_THREADS=1 nice python label_noise.py silicon

Some structures of the set (see sets.py) are computed again on a mesh of twice the density (eight times the k-points),
with one record each in data/silicon/noise, and compared with the records of the set. ``--summary`` only compares the
records that exist. The results go to label_noise.json beside the records.

The noise is the root mean square change of LDOS (also by element) and of DOS per atom, as a fraction of their standard
deviation (equation 15 of Aryanpour and Sadeghi, 2025), pooled over the structures. Each spectrum has its zero at its
own Fermi level. The energies run from the set's ``noise_bottom`` to the energy up to which both spectra are complete,
at most E_F + 5 eV. For keys that end in ``same_zero``, both spectra have their zero at the Fermi level of the finer
mesh. ``by_energy`` holds the root mean square change in states/eV/atom, in bins of 0.25 eV, from below all states to
the energy up to which every structure is complete.
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
    """LDOS of a record, broadened to ``width``, with the zero of energy at ``zero``."""
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
# Folders of the records on the set's mesh and on the finer one.
Folders = tuple[Path, Path]


def _pair(one: Set, spectra: Folders, zeros: Folders, name: str, width: float, bottom: float) -> Pair:
    """Spectra of both folders from ``bottom`` up, aligned at the Fermi levels of the records in ``zeros``."""
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
    """Root mean square change in each energy bin; None where some structure is incomplete."""
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
    """Properties of one record, per atom; the zero of energy is its own Fermi level."""
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
    parser.add_argument(
        "--records", type=Path, help="folder with one .npz file per structure; default: data/SET/records"
    )
    parser.add_argument("--noise", type=Path, help="folder of the records on the finer mesh; default: data/SET/noise")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--summary", action="store_true", help="compare existing records only")
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
