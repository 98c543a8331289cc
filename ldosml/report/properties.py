"""Sections about properties that are derived from the predicted spectra."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ldosml import plotting
from ldosml.evaluation import Evaluation
from ldosml.plotting import property_name, unit_text
from ldosml.properties.comparison import Comparison
from ldosml.report.derived import PRINCIPAL, DerivedProperties
from ldosml.report.parts import NONE, Cell, Picture, Section, Table

_ALWAYS_KNOWN = ("n_electrons", "negative_weight")  # given, or said in words
_BY_STRUCTURE = (
    "fermi_level",
    "band_energy",
    "heat_capacity",
    "dos_at_fermi_level",
    "pauli_susceptibility",
    "band_gap",
)

_FERMI_WORDS = (
    " Energies are against the Fermi level of DFT, whose own σ is therefore no more than what smearing moves it by: of "
    "the Fermi level, read the RMSE."
)


def number_or_none(value: float) -> Cell:
    """A property of one structure; ``none`` where it has no such thing."""
    return NONE if np.isnan(value) else float(value)


def properties_section(properties: DerivedProperties, noise: Mapping[str, float]) -> Section:
    """How far properties of predicted spectra are from those of the true spectra, in words, numbers and figures.

    ``noise`` is what the labels alone are wrong by, in the units of the properties, where known.
    """
    principal = properties.comparisons()
    others = [name for name in properties.columns if name not in (*PRINCIPAL, *_ALWAYS_KNOWN)]
    table = _losses_table([*principal, *properties.comparisons(others)], noise)
    cautions = [f"Caution: {text}" for text in properties.cautions]
    paragraphs = [_comparison_words(properties), _negative_words(properties), *cautions]
    pictures = _pictures(principal) if principal else []
    return Section("Properties derived from the DOS", list(filter(None, paragraphs)), [table], pictures)


def by_structure_section(evaluation: Evaluation, properties: DerivedProperties) -> Section:
    """Properties of every structure, true and predicted side by side."""
    shown = [name for name in _BY_STRUCTURE if name in properties.columns]
    pairs = [properties.pair(name) for name in shown]
    losses = [row["dos_loss"] for row in evaluation.by_structure()]
    rows: list[list[Cell]] = []
    for s in sorted(range(len(losses)), key=lambda s: -losses[s]):
        values = [number_or_none(side[s]) for pair in pairs for side in (pair.true, pair.predicted)]
        rows.append([evaluation.names[s], losses[s], *values])
    groups = [("", 2)]
    for name, pair in zip(shown, pairs, strict=True):
        temperature = properties.temperature if properties.depends_on_temperature(name) else None
        groups.append((f"{property_name(name, temperature)}{pair.unit and f' ({pair.unit})'}", 2))
    columns = ["structure", "DOS, L/σ", *["DFT", "predicted"] * len(shown)]
    caption = "Properties of the DFT DOS and of the predicted DOS. “none”: this DOS has no such thing."
    table = Table(caption, columns, rows, sortable=True, sorted_by=1, groups=groups)
    return Section("Properties by structure", tables=[table])


def _comparison_words(properties: DerivedProperties) -> str:
    return (
        "Properties of the predicted DOS beside those of the DFT DOS, computed in the same way, each DOS with its own "
        f"chemical potential; at {properties.temperature:g} K where they depend on temperature. What grows with the "
        "number of atoms is given per atom. L/σ is the root mean square error divided by the standard deviation of "
        "the DFT values over these structures: 0 is perfect, and 1 is what predicting their mean achieves. What only "
        "some structures have, such as a band gap, is compared where both DOS have it."
        f"{_FERMI_WORDS if properties.true.facts.get('true') == 'fermi' else ''}"
    )


def _negative_words(properties: DerivedProperties) -> str:
    if "negative_weight" not in properties.predicted.columns:
        return ""
    weight = properties.predicted.column("negative_weight", properties.temperature)
    if not weight.max() > 0:
        return "None of the predicted DOS is negative anywhere."
    median, largest = (f"{v:.3f}" if v >= 0.001 else "less than 0.001" for v in (np.median(weight), weight.max()))
    return (
        f"Where a predicted DOS is negative it was cut off before its properties were computed: {median} states per "
        f"atom in the median, and {largest} at most, in {properties.predicted.names[int(weight.argmax())]}."
    )


def _losses_table(comparisons: Sequence[Comparison], noise: Mapping[str, float]) -> Table:
    columns = ["property", "unit", "temperature", "L/σ", "RMSE", "label noise", "bias", "σ of DFT", "structures"]
    caption = (
        "Label noise is the RMSE that the DFT values have themselves, an estimate of the floor. Bias is the mean of "
        "predicted - DFT values; σ the standard deviation of the DFT values. All are in the unit given."
    )
    return Table(caption, columns, [_losses_row(c, noise.get(c.name)) for c in comparisons], sortable=True)


def _losses_row(comparison: Comparison, noise: float | None) -> list[Cell]:
    exponent = plotting.power_of_ten(_values(comparison))
    scale = 10.0**exponent
    return [
        property_name(comparison.name),
        unit_text(comparison.unit, exponent),
        "any" if comparison.temperature is None else f"{comparison.temperature:g} K",
        comparison.normalized_loss,
        comparison.rmse / scale,
        None if noise is None else noise / scale,
        comparison.bias / scale,
        comparison.sigma / scale,
        len(comparison.true),
    ]


def _values(comparison: Comparison) -> NDArray[np.float64]:
    return np.concatenate([comparison.true.ravel(), comparison.predicted.ravel()])


def _pictures(comparisons: Sequence[Comparison]) -> list[Picture]:
    parity = Picture(
        "Properties: predicted against DFT values",
        plotting.property_parity_figure(comparisons),
        "Each point is a structure; on the line a prediction is exact. Of spectra, every structure at every photon "
        "energy gives one value, and colours count these. Below, how often each error occurs.",
    )
    losses = Picture(
        "Losses by property",
        plotting.property_losses_figure(comparisons),
        "L/σ of each property: 0 is perfect, and 1 is what predicting the mean of the DFT values achieves.",
    )
    return [parity, losses]
