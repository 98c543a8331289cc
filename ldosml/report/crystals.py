"""The page on one crystal that a neural model was asked about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from ldosml.plotting import property_name
from ldosml.properties.table import PropertyTable
from ldosml.report.page import write_page
from ldosml.report.parts import Cell, Picture, Section, Table, listing
from ldosml.report.properties import number_or_none

_BANDS = (
    "How probable it is that a state lies at an energy, along a path between corners of the Brillouin zone; beside it, "
    "the DOS of a mesh. Blurred bands are what the model does not know better."
)
_PROPERTIES = (
    "They follow from the predicted DOS, whose states begin 10 eV below the Fermi level: electrons and energies are of "
    "these states alone."
)


def write_crystal_report(
    path: Path,
    *,
    title: str,
    facts: Mapping[str, object],
    bands: Figure,
    properties: PropertyTable,
    cautions: Sequence[str] = (),
) -> Path:
    """Write the page; either all of it appears under ``path``, or nothing changes.

    Parameters
    ----------
    path : pathlib.Path
        One that exists is replaced.
    title : str
    facts : mapping
        What is known of the crystal, shown row by row under these names.
    bands : matplotlib.figure.Figure
        Occupancies along a path, and the DOS.
    properties : PropertyTable
        Of this one crystal, at one temperature.
    cautions : sequence of str
        What was warned of while they were derived.

    Raises
    ------
    OSError
        When it cannot be written.
    """
    temperature = float(properties.temperatures[0])
    rows: list[list[Cell]] = [
        [property_name(name, temperature if values.ndim > 1 else None), number_or_none(values.ravel()[0]), unit]
        for name, values in properties.columns.items()
        for unit in [properties.unit(name)]
    ]
    table = Table("Of the primitive cell.", ["property", "value", "unit"], rows)
    words = [_PROPERTIES, *(f"Caution: {text}" for text in cautions)]
    sections = [
        Section("Bands and DOS", pictures=[Picture("Bands and DOS", bands, _BANDS)]),
        Section("The crystal", tables=[listing("Energies in eV against the Fermi level, lengths in angstrom.", facts)]),
        Section("Properties derived from the DOS", words, [table]),
    ]
    return write_page(path, title, sections)
