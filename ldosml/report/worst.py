"""The section that shows the worst predictions, one structure after the other."""

from __future__ import annotations

from ldosml import plotting
from ldosml.evaluation import Evaluation
from ldosml.plotting import property_name
from ldosml.report.derived import DerivedProperties
from ldosml.report.parts import NONE, Cell, Picture, Section, Table, count
from ldosml.report.properties import number_or_none

_SHOWN = 5


def worst_section(evaluation: Evaluation, properties: DerivedProperties) -> Section:
    """The structures whose DOS was predicted worst, each with its spectra and properties, the worst first."""
    rows = evaluation.by_structure()
    ranked = sorted(range(len(rows)), key=lambda s: -rows[s]["dos_loss"])[:_SHOWN]
    words = (
        f"The DOS per atom with the largest errors, {len(ranked)} of {len(rows)}, the worst first. Press a line to see "
        "the spectra and properties of that structure."
    )
    titles = [
        f"{row['name']} ({row['kind']}, {count(row['n_atoms'], 'atom')}): L/σ of its DOS {row['dos_loss']:.3f}"
        for row in rows
    ]
    folded = [_structure_section(titles[s], evaluation, properties, s) for s in ranked]
    return Section("Worst predictions", [words], folded=folded)


def _structure_section(title: str, evaluation: Evaluation, properties: DerivedProperties, structure: int) -> Section:
    picture = Picture(
        "Spectra",
        plotting.structure_figure(evaluation, structure, _levels(properties, structure)),
        "DOS per atom of the structure (above) and LDOS of the atom with the largest error in it (below). Vertical "
        "lines are the chemical potentials of the two DOS. σ is that of the whole set; atoms are counted from 0.",
    )
    return Section(title, tables=[_properties_table(properties, structure)], pictures=[picture])


def _levels(properties: DerivedProperties, structure: int) -> tuple[float, float] | None:
    if "chemical_potential" not in properties.columns:
        return None
    tables = properties.true, properties.predicted
    true, predicted = (t.column("chemical_potential", properties.temperature)[structure] for t in tables)
    return float(true), float(predicted)


def _properties_table(properties: DerivedProperties, structure: int) -> Table:
    rows: list[list[Cell]] = []
    for name in properties.columns:
        pair = properties.pair(name)
        values = float(pair.true[structure]), float(pair.predicted[structure])
        temperature = properties.temperature if properties.depends_on_temperature(name) else None
        difference = values[1] - values[0]
        rows.append([property_name(name, temperature), pair.unit, *map(number_or_none, (*values, difference))])
    caption = f"Properties of its DOS. “{NONE}”: this DOS has no such thing."
    return Table(caption, ["property", "unit", "DFT", "predicted", "difference"], rows)
