"""What all outputs of VASP share: its functionals, its smearing, and k-points that are no mesh."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from ldosml.readers.run import ReaderError

_GGA = {"PE": "PBE", "PS": "PBEsol", "RP": "RPBE", "91": "PW91", "CA": "LDA", "AM": "AM05", "RE": "revPBE"}


def is_true(parameters: Mapping[str, str], name: str, default: str = "F") -> bool:
    """Whether a tag that is T or F, 1 or 0 is set."""
    return parameters.get(name, default).strip(". ").upper()[:1] in ("T", "1")


def functional(parameters: Mapping[str, str]) -> str:
    """Name of the functional by the tags METAGGA, LHFCALC and GGA; without any it is the potentials' own."""
    meta = parameters.get("METAGGA", "--").strip()
    if meta.strip("-") and is_true(parameters, "LMETAGGA", "T"):
        return meta
    gga = parameters.get("GGA", "--").strip().upper()
    name = _GGA.get(gga, gga.strip("-") or "as the potentials (POTCAR)")
    if is_true(parameters, "LHFCALC"):
        return f"hybrid on {name}, AEXX {parameters.get('AEXX', '0.25').strip()}"
    return name


def smearing(parameters: Mapping[str, str]) -> tuple[str, float | None]:
    """Smearing in words, and the standard deviation of a Gaussian (eV): 0 for tetrahedra, None for other functions.

    VASP's Gaussian is exp(-(E / SIGMA)^2), so its standard deviation is SIGMA / sqrt(2).
    """
    method, width = int(float(parameters.get("ISMEAR", "1"))), float(parameters.get("SIGMA", "0.2"))
    if method in (-4, -5, -14, -15):
        return "tetrahedra", 0.0
    if method == 0:
        return f"Gaussian, SIGMA {width:g} eV", width / math.sqrt(2)
    if method == -1:
        return f"Fermi-Dirac, SIGMA {width:g} eV", None
    return f"ISMEAR {method}, SIGMA {width:g} eV", None


def refuse_lines(path: Path, lines: bool) -> None:
    """Raise ReaderError where the k-points lie along lines."""
    if lines:
        raise ReaderError(
            f"{path} holds bands along lines of k-points, which have no weights in a DOS. Give the run on a mesh."
        )
