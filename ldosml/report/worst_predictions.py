"""The section that shows the worst predictions, one structure after the other."""

from __future__ import annotations

from ldosml import plotting
from ldosml.evaluation import Evaluation
from ldosml.plotting.labels import property_name
from ldosml.report.derived_properties import DerivedProperties
from ldosml.report.parts import Cell, Picture, Section, Table, count
from ldosml.report.properties import ABSENCE_WORDS, note_of, number_or_none

_SHOWN = 5


def worst_section(evaluation: Evaluation, properties: DerivedProperties) -> Section:
    """Spectra and properties of the structures with the largest errors of the DOS, the worst first."""
    rows = evaluation.by_structure()
    ranked = sorted(range(len(rows)), key=lambda s: -rows[s]["dos_loss"])[:_SHOWN]
    words = (
        f"The {len(ranked)} of {count(len(rows), 'structure')} with the largest error of the DOS per atom, the worst "
        "first. Open a line to see the spectra and properties of the structure."
    )
    titles = [
        f"{row['name']} ({row['kind']}, {count(row['n_atoms'], 'atom')}): L/σ of the DOS {row['dos_loss']:.3f}"
        for row in rows
    ]
    folded = [_structure_section(titles[s], evaluation, properties, s) for s in ranked]
    return Section("Worst predictions", [words], folded=folded)


def _structure_section(title: str, evaluation: Evaluation, properties: DerivedProperties, structure: int) -> Section:
    picture = Picture(
        "Spectra",
        plotting.structure_figure(evaluation, structure, _levels(properties, structure)),
        "DOS per atom of the structure (above) and LDOS of its worst predicted atom (below). Vertical lines are the "
        "chemical potentials of the two DOS. σ is the standard deviation over the whole set. Atoms are counted from 0.",
    )
    return Section(title, tables=[_properties_table(properties, structure)], pictures=[picture])


def _levels(properties: DerivedProperties, structure: int) -> tuple[float, float] | None:
    if "chemical_potential" not in properties.columns:
        return None
    tables = properties.true, properties.predicted
    true, predicted = (t.column("chemical_potential", properties.temperature)[structure] for t in tables)
    return float(true), float(predicted)


def _properties_table(properties: DerivedProperties, structure: int) -> Table:
    derived = bool(properties.derived[structure])
    rows: list[list[Cell]] = []
    for name in properties.columns:
        pair = properties.pair(name)
        true, predicted = float(pair.true[structure]), float(pair.predicted[structure])
        temperature = properties.temperature if properties.depends_on_temperature(name) else None
        notes = [note_of(table, name, structure) for table in (properties.true, properties.predicted)]
        values = (
            number_or_none(true, note=notes[0]),
            number_or_none(predicted, derived, notes[1]),
            number_or_none(predicted - true, derived),
        )
        rows.append([property_name(name, temperature), pair.unit, *values])
    caption = f"Properties of the DOS of this structure. {ABSENCE_WORDS}"
    return Table(caption, ["property", "unit", "DFT", "predicted", "difference"], rows)
