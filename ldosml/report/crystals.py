"""The report on the predicted electronic structure of one crystal: one HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from matplotlib.figure import Figure

from ldosml._ranges import check_arguments
from ldosml.plotting.labels import property_name
from ldosml.properties.table import PropertyTable
from ldosml.report.page import save_page
from ldosml.report.parts import Cell, Picture, Section, Table, listing
from ldosml.report.properties import number_or_none

Source = Literal["bands", "occupancies", "moments"]

_LINES = (
    "Left: bands along a path through the Brillouin zone; the shade is the standard deviation of the networks. Right: "
    "DOS on a mesh, by linear tetrahedra."
)
_OF_LINES = (
    "These properties follow from the DOS of the predicted bands, which holds all valence electrons of the model. The "
    "Fermi level and the chemical potential are relative to the Fermi level of the bands. Gap and edges are read off "
    "the bands: see above. Carrier densities are left out, because they would need the gap to a hundredth of an eV."
)
_BANDS = (
    "Left: probability of a state in each energy bin, along a path through the Brillouin zone. Right: DOS on a mesh. "
    "Bands are blurred where the prediction is uncertain. Even a certain state has a probability of at most about 0.6 "
    "in one bin, because the training labels are broadened by two thirds of a bin."
)
_PROPERTIES = (
    "These properties follow from the predicted DOS, which begins {:g} eV below the Fermi level; electrons and "
    "energies are of its states only. Fermi level and chemical potential are computed from this DOS, relative to the "
    "energy zero of the model. The gap and its edges are predicted separately, and more accurately: see above. Carrier "
    "densities are left out, because they would need the gap to a hundredth of an eV."
)
_DOS = "DOS by moments of the tight binding around each atom, smeared."
_OF_MOMENTS = (
    "These properties follow from the smeared DOS, which holds all valence electrons of the model. Fermi level and "
    "chemical potential are relative to the Fermi level of the model. Carrier densities are left out, because they "
    "would need the gap to a hundredth of an eV."
)
_PICTURES: dict[Source, tuple[str, str, str]] = {
    "bands": ("Bands and DOS", "Bands, and DOS", _LINES),
    "occupancies": ("Bands and DOS", "Probability of a state, and DOS", _BANDS),
    "moments": ("DOS", "DOS", _DOS),
}
LEFT_OUT = ("negative_weight", "valence_edge", "conduction_edge", "band_gap", "electrons", "holes")
"""Columns that are not shown: a predicted DOS is never negative, and its blurred edges give too small a gap and far too
many carriers."""


def save_crystal_report(
    path: Path,
    *,
    title: str,
    facts: Mapping[str, object],
    picture: Figure,
    properties: PropertyTable,
    source: Source,
    lowest: float,
    cautions: Sequence[str] = (),
) -> Path:
    """Save the page; an incomplete page never appears under ``path``.

    Parameters
    ----------
    path : pathlib.Path
        An existing file is replaced.
    title : str
        Title of the page.
    facts : mapping
        Rows of the table on the crystal, including its gap, by name.
    picture : matplotlib.figure.Figure
        Bands or occupancies along a path, and the DOS, or this alone.
    properties : PropertyTable
        Properties of this one crystal, at one temperature.
    source : {"bands", "occupancies", "moments"}
        Of the DOS: bands as lines, probabilities in energy bins, or moments.
    lowest : float
        Lowest energy of the DOS, eV against the Fermi level.
    cautions : sequence of str
        Warnings to show with the properties.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    OSError
        When the file cannot be written.
    """
    check_arguments(lowest=lowest)
    shown = properties.per_atom()
    temperature = float(shown.temperatures[0])
    rows: list[list[Cell]] = [
        [_name(name, values.ndim > 1, temperature), number_or_none(_without_noise(values.ravel()[0])), shown.unit(name)]
        for name, values in shown.columns.items()
        if name not in LEFT_OUT
    ]
    table = Table("Extensive properties are per atom.", ["property", "value", "unit"], rows)
    explained = {"bands": _OF_LINES, "occupancies": _PROPERTIES.format(-lowest), "moments": _OF_MOMENTS}
    words = [explained[source], *(f"Caution: {text}" for text in cautions)]
    listed = listing(
        "Energies are relative to the Fermi level; k-points are fractions of the reciprocal lattice vectors.", facts
    )
    heading, title_of, caption = _PICTURES[source]
    sections = [
        Section(heading, pictures=[Picture(title_of, picture, caption)]),
        Section("The crystal", tables=[listed]),
        Section("Properties derived from the DOS", words, [table]),
    ]
    return save_page(path, title, sections, overwrite=True)


def _without_noise(value: float) -> float:
    """Zero for rounding errors, for instance of the entropy of an insulator."""
    return 0.0 if abs(value) < 1e-15 else value


def _name(name: str, thermal: bool, temperature: float) -> str:
    if name == "n_electrons":
        return "electrons in these states"
    return property_name(name, temperature if thermal else None)
