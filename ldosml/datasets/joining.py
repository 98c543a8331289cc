"""Several datasets made one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ldosml._array import to_numpy
from ldosml.datasets.dataset import LDOSDataset
from ldosml.datasets.matching import make_alike
from ldosml.energy import Zero
from ldosml.smearing import same_width
from ldosml.spectra import DOS, LDOS


def join(datasets: Sequence[LDOSDataset]) -> LDOSDataset:
    """Put the structures of several datasets one after another, see ``LDOSDataset.concatenate``."""
    if not datasets:
        raise ValueError("datasets is empty; pass at least one.")
    first = datasets[0]
    for other in datasets[1:]:
        _require_like(first, other)
    return LDOSDataset(
        [atoms for data in datasets for atoms in data.structures],
        _join_ldos(datasets),
        _join_dos([data.dos for data in datasets]) if any(data.stored_dos is not None for data in datasets) else None,
        n_electrons=np.concatenate([data.n_electrons for data in datasets]),
        fermi_energy=np.concatenate([data.fermi_energy for data in datasets]),
        energy_max=np.concatenate([data.energy_max for data in datasets]),
        names=[name for data in datasets for name in data.names],
        kinds=[kind for data in datasets for kind in data.kinds],
        groups=[group for data in datasets for group in data.groups],
        provenance=_join_provenance(datasets),
        label_noise=first.label_noise if all(data.label_noise == first.label_noise for data in datasets) else None,
        projected_dos=_join_dos([data.projected_dos for data in datasets]),
    )


def join_alike(
    datasets: Sequence[LDOSDataset],
    smearing_width: float | None = None,
    zero: Zero | None = None,
    labels: Sequence[str] | None = None,
) -> LDOSDataset:
    """Join datasets of different smearing, zero of energy or grid, brought to common ground first.

    Parameters and errors are those of ``make_alike``; ``label_noise`` is kept where all agree.

    Examples
    --------
    >>> from ase import Atoms
    >>> one, other = (
    ...     LDOSDataset.from_arrays([Atoms("H")], [-1, 0, 1, 2], dos=[[0, 1, 0, 0]], names=[name], smearing_width=0.1)
    ...     for name in ("a", "b")
    ... )
    >>> join_alike([one, other.broaden_to(0.5)]).smearing_width
    0.5
    """
    return join(make_alike(datasets, smearing_width, zero, labels))


def _require_like(first: LDOSDataset, other: LDOSDataset) -> None:
    if first.grid.zero != other.grid.zero:
        raise ValueError(f"zero differs: {first.grid.zero!r} and {other.grid.zero!r}. Bring both to one by refer_to.")
    if not first.grid.matches(other.grid):
        raise ValueError(f"grid differs: {first.grid}, and {other.grid}. Cut or resample one of them.")
    widths = [data.smearing_width for data in (first, other)]
    if not same_width(*widths):
        raise ValueError(f"smearing_width differs: {widths[0]} and {widths[1]} eV. Bring both to one by broaden_to.")
    if (first.stored_ldos is None) != (other.stored_ldos is None):
        raise ValueError("ldos differs: one dataset has it, another only the total DOS. Join those that have it.")


def _join_ldos(datasets: Sequence[LDOSDataset]) -> LDOS | None:
    parts = [data.ldos for data in datasets if data.ldos is not None]
    if not parts:
        return None
    counts = np.concatenate([data.n_atoms for data in datasets])
    return LDOS(
        parts[0].grid,
        np.concatenate([to_numpy(part.values) for part in parts]),
        parts[0].smearing_width,
        np.repeat(np.arange(len(counts)), counts),
        np.concatenate([data.numbers for data in datasets]),
    )


def _join_dos(parts: Sequence[DOS | None]) -> DOS | None:
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    n_atoms = [part.n_atoms for part in known if part.n_atoms is not None]
    return DOS(
        known[0].grid,
        np.concatenate([to_numpy(part.values) for part in known]),
        known[0].smearing_width,
        None if len(n_atoms) < len(known) else np.concatenate([to_numpy(count) for count in n_atoms]),
    )


def _join_provenance(datasets: Sequence[LDOSDataset]) -> dict[str, Any]:
    """One provenance where all agree; otherwise the list of the different ones."""
    parts: list[dict[str, Any]] = []
    for data in datasets:
        joined = set(data.provenance) == {"parts"}
        parts += [part for part in (data.provenance["parts"] if joined else [data.provenance]) if part not in parts]
    return parts[0] if len(parts) == 1 else {"parts": parts}
