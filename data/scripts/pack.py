"""Pack the records of a set into one dataset file, such as those that ship with the project.

    python data/scripts/pack.py silicon

Reads data/silicon/records and writes data/silicon.h5; all sets of sets.py work the same way. Run it in an environment
with ldosml (or with PYTHONPATH=. at the top of the repository). The label noise comes from noise/label_noise.json
beside the folder of the records, where this file exists.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from records import SMEARING_WIDTH, read_record
from sets import SETS, Set

from ldosml.datasets import LDOSDataset

RESOLUTION = 2.0**-11  # states/eV/atom; far below the label noise, and the file becomes a third smaller
MARGIN = 3.0  # eV kept below the first states and above the largest energy_max: room for wider smearing

Record = tuple[Any, np.ndarray, np.ndarray, dict[str, Any]]


def complete_up_to(info: dict[str, Any], cap: float | None) -> float:
    """``energy_max`` of the packed structure: the record's, or ``cap`` eV above its Fermi level if that is lower."""
    return info["energy_max"] if cap is None else min(info["energy_max"], info["fermi_energy"] + cap)


def energy_window(records: Sequence[Record], energies: np.ndarray, cap: float | None) -> tuple[int, slice]:
    """Energies from a margin below the lowest states to a margin above the largest ``energy_max``.

    The lowest states are also found relative to the Fermi level: with that zero, the energies of every structure must
    reach down to the lowest states of all. Returns how many empty energies to add below the energies of the records,
    and which energies of the records to keep.
    """
    start = [int(np.flatnonzero(ldos.any(axis=0))[0]) for _, ldos, _, _ in records]
    if min(start) == 0:
        raise SystemExit(f"A record has states at {energies[0]} eV, where the records begin: some are cut off.")
    first = energies[start]
    fermi = np.array([info["fermi_energy"] for *_, info in records])
    low = min(first.min(), fermi.min() + (first - fermi).min()) - MARGIN
    high = max(complete_up_to(info, cap) for *_, info in records) + MARGIN
    inside = np.flatnonzero((low - 1e-9 <= energies) & (high + 1e-9 >= energies))
    below = max(0, int(np.ceil((energies[0] - low) / (energies[1] - energies[0]) - 1e-9)))
    return below, slice(int(inside[0]), int(inside[-1]) + 1)


def cut(values: np.ndarray, window: tuple[int, slice]) -> np.ndarray:
    """Spectra on the energies of :func:`energy_window`, rounded."""
    below, inside = window
    return rounded(np.pad(values[:, inside], ((0, 0), (below, 0))))


def rounded(values: np.ndarray) -> np.ndarray:
    """Multiples of ``RESOLUTION``, which compress well and whose sums over atoms are exact in float32."""
    return np.round(values / RESOLUTION) * RESOLUTION


def provenance(records: Sequence[Record], one: Set) -> dict[str, Any]:
    dates = sorted({info["date"] for *_, info in records})
    cap = {} if one.energy_cap is None else {"energy_max": f"at most {one.energy_cap} eV above the Fermi level"}
    return {
        **one.provenance,
        **cap,
        "date": [dates[0], dates[-1]],
        "structures": len(records),
        "environments": sum(len(atoms) for atoms, *_ in records),
        "spin": "both spins in every value",
        "resolution": RESOLUTION,
    }


def pack(records: Sequence[Record], one: Set, label_noise: dict[str, Any] | None) -> LDOSDataset:
    """One dataset, energies against the code's own zero."""
    window = energy_window(records, one.energies, one.energy_cap)
    below, inside = window
    kept = one.energies[inside]
    step = one.energies[1] - one.energies[0]
    infos = [info for *_, info in records]
    return LDOSDataset.from_arrays(
        [atoms for atoms, *_ in records],
        np.round(np.concatenate([kept[0] - step * np.arange(below, 0, -1), kept]), 2),
        ldos=cut(np.concatenate([ldos for _, ldos, _, _ in records]), window),
        projected_dos=cut(np.array([projected for _, _, projected, _ in records]), window),
        zero="code",
        fermi_energy=[info["fermi_energy"] for info in infos],
        n_electrons=[info["n_electrons"] for info in infos],
        energy_max=[complete_up_to(info, one.energy_cap) for info in infos],
        names=[info["name"] for info in infos],
        kinds=[info["kind"] for info in infos],
        groups=[info["group"] for info in infos],
        smearing_width=SMEARING_WIDTH,
        provenance=provenance(records, one),
        label_noise=label_noise,
    )


def read_noise(path: Path) -> dict[str, Any] | None:
    """The part of the label noise that reports need; its details by structure stay in the JSON file."""
    if not path.exists():
        return None
    found = json.loads(path.read_text())
    keys = ("smearing_width", "ldos", "ldos_by_element", "dos", "by_energy", "properties", "structures", "remark")
    return {key: found[key] for key in keys if key in found}


def projected_fraction(dataset: LDOSDataset, low: float, high: float) -> np.ndarray:
    """Fraction of the states from ``low`` to ``high`` (eV from E_F) that the projection contains, by structure.

    Structures without states there, or with incomplete bands there, are left out.
    """
    energies = dataset.dos.grid.energies - dataset.fermi_energy[:, None]
    inside = (energies >= low) & (energies <= high)
    projected, all_states = ((spectra.values * inside).sum(axis=1) for spectra in (dataset.projected_dos, dataset.dos))
    counted = (all_states > 0) & (dataset.energy_max >= dataset.fermi_energy + high)
    return projected[counted] / all_states[counted]


def median_seconds(records: Sequence[Record]) -> dict[int, float]:
    """Median time for a structure by number of atoms, s."""
    sizes = sorted({len(atoms) for atoms, *_ in records})
    return {n: float(np.median([info["seconds"] for atoms, _, _, info in records if len(atoms) == n])) for n in sizes}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", choices=SETS)
    parser.add_argument(
        "--records", type=Path, help="folder with one .npz file per structure; default: data/SET/records"
    )
    parser.add_argument("--output", type=Path, help="the dataset file, which is replaced; default: data/SET.h5")
    parser.add_argument("--as-in", type=Path, help="pack only the structures of this dataset")
    arguments = parser.parse_args()
    one = SETS[arguments.set]
    folder, output = arguments.records or one.records, arguments.output or one.packed
    paths = sorted(folder.glob("*.npz"), key=lambda path: path.stem)
    if arguments.as_in:
        wanted = set(LDOSDataset.load(arguments.as_in).names)
        paths = [path for path in paths if path.stem in wanted]
    if not paths:
        raise SystemExit(f"There are no records (*.npz) in {folder}.")
    records = [read_record(path) for path in paths]
    dataset = pack(records, one, read_noise(folder.parent / "noise" / "label_noise.json"))
    dataset.save(output, overwrite=True)
    size = output.stat().st_size
    print(dataset)
    print("median seconds by number of atoms:", median_seconds(records))
    for low, high in ((-12.0, 0.0), (3.5, 4.5)):
        part = projected_fraction(dataset, low, high)
        print(f"projected, E_F{low:+g} to {high:+g} eV: {part.mean():.3f} (from {part.min():.3f} to {part.max():.3f})")
    print(f"{output}: {size / 1e6:.2f} MB, {size / len(dataset.numbers):.0f} bytes per environment")


if __name__ == "__main__":
    main()
