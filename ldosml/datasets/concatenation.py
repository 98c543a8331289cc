"""Datasets one after another."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ldosml._array import to_numpy
from ldosml.smearing import same_width
from ldosml.spectra import DOS, LDOS

if TYPE_CHECKING:
    from ldosml.datasets.dataset import LDOSDataset


def concatenate(datasets: Sequence[LDOSDataset]) -> LDOSDataset:
    """Put the structures of several datasets one after another, see ``LDOSDataset.concatenate``."""
    if not datasets:
        raise ValueError("datasets is empty; pass at least one.")
    first = datasets[0]
    for other in datasets[1:]:
        _require_like(first, other)
    total = any(data.stored_dos is not None for data in datasets)
    return replace(
        first,
        structures=[atoms for data in datasets for atoms in data.structures],
        stored_ldos=_join_ldos(datasets),
        stored_dos=_join_dos([data.dos for data in datasets]) if total else None,
        n_electrons=np.concatenate([data.n_electrons for data in datasets]),
        fermi_energy=np.concatenate([data.fermi_energy for data in datasets]),
        energy_max=np.concatenate([data.energy_max for data in datasets]),
        names=[name for data in datasets for name in data.names],
        kinds=[kind for data in datasets for kind in data.kinds],
        groups=[group for data in datasets for group in data.groups],
        provenance=_join_provenance(datasets),
        label_noise=first.label_noise if all(data.label_noise == first.label_noise for data in datasets) else None,
        projected_dos=_join_dos([data.projected_dos for data in datasets]),
        stored_spin_difference=_join_spins(datasets),
    )


def code_of(data: LDOSDataset) -> str | None:
    """Name of the code by the provenance, or of all codes, without versions; None where it does not tell one."""
    return ", ".join(sorted(codes_in(data.provenance))) or None


def codes_in(provenance: object) -> set[str]:
    """Names of the codes in a provenance, without versions."""
    if isinstance(provenance, list):
        return {name for part in provenance for name in codes_in(part)}
    if not isinstance(provenance, dict):
        return set()
    own = {re.sub(r"(^|[\s.,]+)v?\d.*$", "", str(provenance["code"]))} - {""} if "code" in provenance else set()
    return own | codes_in(provenance.get("runs")) | codes_in(provenance.get("parts"))


def _require_like(first: LDOSDataset, other: LDOSDataset) -> None:
    if first.grid.zero != other.grid.zero:
        raise ValueError(f"zero differs: {first.grid.zero!r} and {other.grid.zero!r}. Bring both to one by refer_to.")
    codes = [code_of(data) for data in (first, other)]
    if first.grid.zero == "code" and None not in codes and codes[0] != codes[1]:
        raise ValueError(
            f"zero differs: it is the code's own, of {codes[0]} and of {codes[1]}. Bring both to the Fermi level by "
            "refer_to('fermi'), or join them by join_alike."
        )
    if not first.grid.matches(other.grid):
        raise ValueError(f"grid differs: {first.grid}, and {other.grid}. Cut or resample one of them.")
    widths = [data.smearing_width for data in (first, other)]
    if not same_width(*widths):
        raise ValueError(f"smearing_width differs: {widths[0]} and {widths[1]} eV. Broaden the narrower one first.")
    if (first.stored_ldos is None) != (other.stored_ldos is None):
        raise ValueError("ldos differs: one dataset has it, another only the total DOS. Join datasets that have it.")


def _join_ldos(datasets: Sequence[LDOSDataset]) -> LDOS | None:
    parts = [data.ldos for data in datasets if data.ldos is not None]
    return _join_rows(parts, datasets) if parts else None


def _join_spins(datasets: Sequence[LDOSDataset]) -> LDOS | DOS | None:
    """Differences of the spins where all have them."""
    parts = [data.stored_spin_difference for data in datasets]
    rows = [part for part in parts if isinstance(part, LDOS)]
    if len(rows) == len(parts):
        return _join_rows(rows, datasets)
    return _join_dos([part if isinstance(part, DOS) else None for part in parts])


def _join_rows(parts: Sequence[LDOS], datasets: Sequence[LDOSDataset]) -> LDOS:
    counts = np.concatenate([data.n_atoms for data in datasets])
    return LDOS(
        parts[0].grid,
        np.concatenate([to_numpy(part.values) for part in parts]),
        parts[0].smearing_width,
        np.repeat(np.arange(len(counts)), counts),
        np.concatenate([data.numbers for data in datasets]),
        spin=parts[0].spin,
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
        spin=known[0].spin,
    )


def _join_provenance(datasets: Sequence[LDOSDataset]) -> dict[str, Any]:
    """One provenance where all agree; otherwise the list of the different ones."""
    parts: list[dict[str, Any]] = []
    for data in datasets:
        joined = set(data.provenance) == {"parts"}
        parts += [part for part in (data.provenance["parts"] if joined else [data.provenance]) if part not in parts]
    return parts[0] if len(parts) == 1 else {"parts": parts}
