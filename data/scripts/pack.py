"""Pack the records of the silicon set into the dataset file that ships with the project.

    python data/scripts/pack_silicon.py data/silicon/records data/silicon.h5

Run it from an environment in which ldosml is installed (or with PYTHONPATH=. at the top of the repository). The
label noise, where it was measured, is read from noise/label_noise.json beside the folder of the records.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from espresso import Settings
from records import ENERGIES, SMEARING_WIDTH, read_record
from silicon_structures import SEED

from ldosml.datasets import LDOSDataset

RESOLUTION = 2.0**-11  # states/eV/atom; far below the label noise, and the file becomes a third smaller
MARGIN = 3.0  # eV kept below the first states and above the largest energy_max: room for wider smearing

Record = tuple[Any, np.ndarray, np.ndarray, dict[str, Any]]


def energy_window(records: Sequence[Record]) -> slice:
    """From a margin below the lowest states to a margin above the largest ``energy_max``.

    "Lowest" also against the Fermi level: with that as zero, the energies of every structure must reach down to the
    first states of all.
    """
    first = np.array([ENERGIES[np.flatnonzero(ldos.any(axis=0))[0]] for _, ldos, _, _ in records])
    fermi = np.array([info["fermi_energy"] for *_, info in records])
    low = min(first.min(), fermi.min() + (first - fermi).min()) - MARGIN
    high = max(info["energy_max"] for *_, info in records) + MARGIN
    if ENERGIES[0] > low + 1e-9:
        raise SystemExit(f"The records begin at {ENERGIES[0]} eV, and {low:.2f} eV are needed.")
    inside = np.flatnonzero((low - 1e-9 <= ENERGIES) & (high + 1e-9 >= ENERGIES))
    return slice(int(inside[0]), int(inside[-1]) + 1)


def rounded(values: np.ndarray) -> np.ndarray:
    """Multiples of ``RESOLUTION``, which compress well and whose sums over atoms are exact in float32."""
    return np.round(values / RESOLUTION) * RESOLUTION


def provenance(records: Sequence[Record]) -> dict[str, Any]:
    dates = sorted({info["date"] for *_, info in records})
    return Settings().describe() | {
        "seeds": f"numpy.random.default_rng([{SEED}, number of the trajectory in data/scripts/silicon_structures.py])",
        "scripts": "data/scripts/compute_silicon.py, data/scripts/pack_silicon.py",
        "date": [dates[0], dates[-1]],
        "structures": len(records),
        "environments": sum(len(atoms) for atoms, *_ in records),
        "spin": "both spins in every value",
        "weights": "Loewdin, divided by their sum over the atoms in each band, so that the LDOS add up to the DOS",
        "resolution": RESOLUTION,
        "units": {"resolution": "states/eV/atom", "cutoffs, conv_thr, diago_thr_init": "Ry", "k densities": "angstrom"},
    }


def pack(records: Sequence[Record], label_noise: dict[str, Any] | None) -> LDOSDataset:
    """One dataset, energies against the code's own zero."""
    window = energy_window(records)
    infos = [info for *_, info in records]
    return LDOSDataset.from_arrays(
        [atoms for atoms, *_ in records],
        ENERGIES[window],
        ldos=rounded(np.concatenate([ldos for _, ldos, _, _ in records])[:, window]),
        projected_dos=rounded(np.array([projected for _, _, projected, _ in records])[:, window]),
        reference="code",
        fermi_energy=[info["fermi_energy"] for info in infos],
        n_electrons=[info["n_electrons"] for info in infos],
        energy_max=[info["energy_max"] for info in infos],
        names=[info["name"] for info in infos],
        kinds=[info["kind"] for info in infos],
        groups=[info["group"] for info in infos],
        smearing_width=SMEARING_WIDTH,
        provenance=provenance(records),
        label_noise=label_noise,
    )


def read_noise(path: Path) -> dict[str, Any] | None:
    """What reports need of the label noise; its details by structure stay in the JSON file."""
    if not path.exists():
        return None
    found = json.loads(path.read_text())
    return {key: found[key] for key in ("smearing_width", "ldos", "dos", "properties", "structures")}


def projected_fraction(dataset: LDOSDataset, low: float, high: float) -> np.ndarray:
    """Part of each structure's states from ``low`` to ``high`` (eV against E_F) that the orbitals hold."""
    at_fermi = dataset.refer_to("fermi", low, high)
    return at_fermi.projected_dos.values.sum(axis=1) / at_fermi.dos.values.sum(axis=1)


def median_seconds(records: Sequence[Record]) -> dict[int, float]:
    """Median time of a structure by number of atoms, s."""
    sizes = sorted({len(atoms) for atoms, *_ in records})
    return {n: float(np.median([info["seconds"] for atoms, _, _, info in records if len(atoms) == n])) for n in sizes}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", type=Path, help="the folder with one .npz file a structure")
    parser.add_argument("output", type=Path, help="the dataset file; replaced where it exists")
    parser.add_argument("--as-in", type=Path, help="pack only the structures that this dataset holds")
    arguments = parser.parse_args()
    paths = sorted(arguments.records.glob("*.npz"), key=lambda path: path.stem)
    if arguments.as_in:
        wanted = set(LDOSDataset.read(arguments.as_in).names)
        paths = [path for path in paths if path.stem in wanted]
    if not paths:
        raise SystemExit(f"There are no records (*.npz) in {arguments.records}.")
    noise = arguments.records.parent / "noise" / "label_noise.json"
    records = [read_record(path) for path in paths]
    dataset = pack(records, read_noise(noise))
    dataset.write(arguments.output, overwrite=True)
    size = arguments.output.stat().st_size
    print(dataset)
    print("median seconds by number of atoms:", median_seconds(records))
    for low, high in ((-12.0, 0.0), (3.5, 4.5)):
        part = projected_fraction(dataset, low, high)
        print(
            f"projected, E_F{low:+g} to E_F{high:+g} eV: {part.mean():.3f} (from {part.min():.3f} to {part.max():.3f})"
        )
    print(f"{arguments.output}: {size / 1e6:.2f} MB, {size / len(dataset.numbers):.0f} bytes an environment")


if __name__ == "__main__":
    main()
