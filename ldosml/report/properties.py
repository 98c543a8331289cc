"""Sections about properties that are derived from the predicted spectra."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ldosml import plotting
from ldosml.evaluation import Evaluation
from ldosml.plotting.labels import NO_VARIATION, power_of_ten, property_name, unit_text
from ldosml.properties.comparison import Comparison
from ldosml.properties.table import PropertyTable
from ldosml.report.derived_properties import PRINCIPAL, DerivedProperties
from ldosml.report.parts import NONE, NOT_DERIVED, Cell, Picture, Section, Table, count

_ALWAYS_KNOWN = ("n_electrons", "negative_weight")  # given as input, or told in a paragraph
_BY_STRUCTURE = (
    "fermi_level",
    "band_energy",
    "heat_capacity",
    "dos_at_fermi_level",
    "pauli_susceptibility",
    "band_gap",
)
_AT_THE_ZERO = ("fermi_level", "chemical_potential")  # hardly vary where the DFT Fermi level is the energy zero

ABSENCE_WORDS = (
    f"“{NONE}”: this DOS does not have the property. “{NOT_DERIVED}”: the predicted DOS does not hold all electrons "
    "within its energies."
)


def number_or_none(value: float, derived: bool = True, note: str = "") -> Cell:
    """Cell of a property of one structure, or the reason why there is no number."""
    if not derived:
        return NOT_DERIVED
    return (note or NONE) if np.isnan(value) else float(value)


def note_of(table: PropertyTable, name: str, row: int) -> str:
    """Why a row has no number in a column, where the table says so."""
    return table.notes[name][row] if name in table.notes else ""


def properties_section(properties: DerivedProperties, noise: Mapping[str, float]) -> Section:
    """Errors of the properties of predicted spectra, in words, numbers and figures.

    ``noise`` is the error of the labels, in the units of the properties, where it is known.
    """
    principal = properties.comparisons()
    others = [name for name in properties.columns if name not in (*PRINCIPAL, *_ALWAYS_KNOWN)]
    table = _losses_table(properties, [*principal, *properties.comparisons(others)], noise)
    cautions = [f"Caution: {text}" for text in properties.cautions]
    paragraphs = [_comparison_words(properties), _negative_words(properties), *cautions]
    pictures = _pictures(principal) if principal else []
    return Section("Properties derived from the DOS", list(filter(None, paragraphs)), [table], pictures)


def by_structure_section(evaluation: Evaluation, properties: DerivedProperties) -> Section:
    """Properties of every structure, DFT and predicted side by side."""
    shown = [name for name in _BY_STRUCTURE if name in properties.columns]
    pairs = [properties.pair(name) for name in shown]
    losses = [row["dos_loss"] for row in evaluation.by_structure()]
    rows: list[list[Cell]] = []
    for s in sorted(range(len(losses)), key=lambda s: -losses[s]):
        derived = bool(properties.derived[s])
        values = [
            cell
            for name, pair in zip(shown, pairs, strict=True)
            for cell in (
                number_or_none(pair.true[s], note=note_of(properties.true, name, s)),
                number_or_none(pair.predicted[s], derived, note_of(properties.predicted, name, s)),
            )
        ]
        rows.append([evaluation.names[s], losses[s], *values])
    groups = [("", 2)]
    for name, pair in zip(shown, pairs, strict=True):
        temperature = properties.temperature if properties.depends_on_temperature(name) else None
        groups.append((f"{property_name(name, temperature)}{pair.unit and f' ({pair.unit})'}", 2))
    columns = ["structure", "DOS, L/σ", *["DFT", "predicted"] * len(shown)]
    caption = f"Properties of the DFT DOS and of the predicted DOS. {ABSENCE_WORDS}"
    table = Table(caption, columns, rows, sortable=True, sorted_by=1, groups=groups)
    return Section("Properties by structure", tables=[table])


def _comparison_words(properties: DerivedProperties) -> str:
    return (
        "Properties are computed in the same way from the predicted DOS and from the DFT DOS, each with its own "
        f"chemical potential, at {properties.temperature:g} K where they depend on temperature. Extensive properties "
        "are per atom. L/σ is the root mean square error divided by the standard deviation of the DFT values over "
        "these structures: 0 is perfect, and always predicting the mean gives 1. A property that only some structures "
        "have, such as a band gap, is compared where both DOS have it."
    )


def _negative_words(properties: DerivedProperties) -> str:
    if "negative_weight" not in properties.predicted.columns:
        return ""
    weight = properties.predicted.column("negative_weight", properties.temperature)
    if not np.nanmax(weight, initial=0) > 0:
        return "No predicted DOS is negative at any energy."
    median, largest = (
        f"{v:.3f}" if v >= 0.001 else "less than 0.001" for v in (np.nanmedian(weight), np.nanmax(weight))
    )
    return (
        "Negative values of a predicted DOS were set to zero before its properties were computed. This removed "
        f"{median} states per atom in the median, and at most {largest}, in "
        f"{properties.predicted.names[int(np.nanargmax(weight))]}."
    )


def _losses_table(
    properties: DerivedProperties, comparisons: Sequence[Comparison], noise: Mapping[str, float]
) -> Table:
    columns = [
        "property",
        "unit",
        "L/σ",
        "RMSE",
        "label noise",
        "bias",
        "σ of DFT",
        "structures",
        "note",
    ]
    caption = (
        "Label noise is an estimate of the RMSE of the DFT values themselves. Bias is the mean of predicted - DFT "
        "values. σ is the standard deviation of the DFT values. All are in the unit of the row."
    )
    rows = [_losses_row(properties, c, noise.get(c.name)) for c in comparisons]
    return Table(caption, columns, rows, sortable=True)


def _losses_row(properties: DerivedProperties, comparison: Comparison, noise: float | None) -> list[Cell]:
    exponent = power_of_ten(comparison.true, comparison.predicted)
    scale = 10.0**exponent
    loss = comparison.normalized_loss
    return [
        property_name(comparison.name, comparison.temperature),
        unit_text(comparison.unit, exponent),
        loss if np.isfinite(loss) else NO_VARIATION,
        comparison.rmse / scale,
        None if noise is None else noise / scale,
        comparison.bias / scale,
        comparison.sigma / scale,
        len(comparison.true),
        "; ".join(_notes(properties, comparison, noise)),
    ]


def _notes(properties: DerivedProperties, comparison: Comparison, noise: float | None) -> list[str]:
    """Reasons to read a row with care."""
    notes = []
    if comparison.name in _AT_THE_ZERO and properties.true.facts.get("zero") == "fermi":
        notes.append("energy zero is the DFT Fermi level, so σ is small: use the RMSE")
    elif noise is not None and comparison.sigma <= noise:
        notes.append("σ does not exceed the label noise: use the RMSE")
    failed = int((~properties.derived).sum())
    lacking = len(properties.derived) - failed - len(comparison.true)
    if failed:
        notes.append(f"{count(failed, 'prediction')} {NOT_DERIVED}")
    if lacking:
        notes.append(f"{count(lacking, 'structure')} without it")
    return notes


def _pictures(comparisons: Sequence[Comparison]) -> list[Picture]:
    parity = Picture(
        "Properties: predicted against DFT values",
        plotting.property_parity_figure(comparisons),
        "Each point is a structure. On the line a prediction is exact. A spectrum has one value for each structure and "
        "photon energy; colours show the number of values. The lower panels count the errors.",
    )
    losses = Picture(
        "Losses by property",
        plotting.property_losses_figure(comparisons),
        "L/σ of each property: 0 is perfect, and always predicting the mean of the DFT values gives 1.",
    )
    return [parity, losses]
