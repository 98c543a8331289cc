"""The page on one crystal that a neural model was asked about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from ldosml.plotting.labels import property_name
from ldosml.properties.table import PropertyTable
from ldosml.report.page import save_page
from ldosml.report.parts import Cell, Picture, Section, Table, listing
from ldosml.report.properties import number_or_none

_BANDS = (
    "How probable it is that a state lies at an energy, along a path between corners of the Brillouin zone; beside it, "
    "the DOS of a mesh. Blurred bands are what the model does not know better; but one state has at most about 0.6 "
    "in a bin, since the model was taught that states are uncertain by two thirds of one."
)
_PROPERTIES = (
    "They follow from the predicted DOS, whose states begin {:g} eV below the Fermi level: electrons and energies "
    "are of these states alone. Fermi level and chemical potential are those of this DOS, against the zero that the "
    "model puts all energies against. The gap and its edges, which the model knows better than its DOS does, are "
    "above; carriers in a gap, which hang on its last hundredth of an eV, are left out."
)
LEFT_OUT = ("negative_weight", "valence_edge", "conduction_edge", "band_gap", "electrons", "holes")
"""Of the columns: a predicted DOS is nowhere negative, and one whose edges are blurred has too small a gap, and by far
too many carriers."""


def write_crystal_report(
    path: Path,
    *,
    title: str,
    facts: Mapping[str, object],
    bands: Figure,
    properties: PropertyTable,
    lowest: float,
    cautions: Sequence[str] = (),
) -> Path:
    """Write the page; either all of it appears under ``path``, or nothing changes.

    Parameters
    ----------
    path : pathlib.Path
        One that exists is replaced.
    title : str
    facts : mapping
        What is known of the crystal, its gap among it, shown row by row under these names.
    bands : matplotlib.figure.Figure
        Occupancies along a path, and the DOS.
    properties : PropertyTable
        Of this one crystal, at one temperature.
    lowest : float
        Energy at which its DOS begins, eV against the Fermi level.
    cautions : sequence of str
        What was warned of while they were derived.

    Raises
    ------
    OSError
        When it cannot be written.
    """
    shown = properties.per_atom()
    temperature = float(shown.temperatures[0])
    rows: list[list[Cell]] = [
        [_name(name, values.ndim > 1, temperature), number_or_none(_without_noise(values.ravel()[0])), shown.unit(name)]
        for name, values in shown.columns.items()
        if name not in LEFT_OUT
    ]
    table = Table("What grows with the number of atoms is per atom.", ["property", "value", "unit"], rows)
    words = [_PROPERTIES.format(-lowest), *(f"Caution: {text}" for text in cautions)]
    listed = listing(
        "Energies are against the Fermi level; k-points in fractions of reciprocal lattice vectors.", facts
    )
    sections = [
        Section("Bands and DOS", pictures=[Picture("Probability of a state, and DOS", bands, _BANDS)]),
        Section("The crystal", tables=[listed]),
        Section("Properties derived from the DOS", words, [table]),
    ]
    return save_page(path, title, sections, overwrite=True)


def _without_noise(value: float) -> float:
    """Zero for what is left of cancelled sums, as the entropy of an insulator."""
    return 0.0 if abs(value) < 1e-15 else value


def _name(name: str, thermal: bool, temperature: float) -> str:
    if name == "n_electrons":
        return "electrons in these states"
    return property_name(name, temperature if thermal else None)
