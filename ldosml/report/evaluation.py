"""The report on an evaluation."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from ldosml._ranges import check_arguments
from ldosml.datasets.noise import label_noise_at, property_noise_at
from ldosml.evaluation import Evaluation
from ldosml.report import spectra
from ldosml.report.derived_properties import DerivedProperties
from ldosml.report.page import save_page
from ldosml.report.parts import Section, listing
from ldosml.report.properties import by_structure_section, properties_section
from ldosml.report.worst_predictions import worst_section


def save_report(
    path: str | os.PathLike[str],
    evaluation: Evaluation,
    *,
    title: str = "Learning the electronic density of states",
    training: Mapping[str, object] | None = None,
    provenance: Mapping[str, object] | None = None,
    label_noise: Mapping[str, object] | None = None,
    smearing_width: float | None = None,
    timings: Mapping[str, float] | None = None,
    sections: Sequence[Section] = (),
    properties: DerivedProperties | None = None,
    overwrite: bool = False,
) -> Path:
    """Save the report of an evaluation as one HTML file. If writing fails, nothing changes.

    Parameters
    ----------
    path : path-like
        The HTML file.
    evaluation : Evaluation
        Predicted and true spectra of the held-out structures.
    title : str
    training : mapping, optional
        Facts about the training (numbers of structures, descriptor, kernel ...), listed row by row under their names.
        Mappings and lists may be nested. Energies, smearing and held-out structures are added from the evaluation.
    provenance : mapping, optional
        Origin of the data, listed in the same way.
    label_noise : mapping, optional
        ``label_noise`` of the dataset. Without it, the label noise is reported as not known.
    smearing_width : float, optional
        Standard deviation of the smearing of the compared spectra, eV. Default: the width stored with the spectra.
    timings : mapping of str to float, optional
        Seconds for each step.
    sections : sequence of Section
        Further sections, placed after the figures of the spectra.
    properties : DerivedProperties, optional
        Properties of the structures of the evaluation, in the same order. Adds the errors of the properties, a table of
        properties by structure, and the worst predictions one by one.
    overwrite : bool
        Replace a file that exists.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    ValueError
        When a loss cannot be normalised, ``label_noise`` is malformed, or ``properties`` belong to other structures.
    FileExistsError
        When the file exists and ``overwrite`` is false.
    OSError
        When the file cannot be written. An existing file stays unchanged.
    """
    check_arguments(smearing_width=smearing_width)
    width = evaluation.predicted.smearing_width if smearing_width is None else smearing_width
    noise = label_noise_at(label_noise, width, evaluation.predicted.grid, evaluation.deviations())
    page = [
        spectra.errors_section(evaluation, noise, width),
        spectra.training_section(evaluation, training or {}, width),
        spectra.figures_section(evaluation, noise),
        *sections,
        *([] if properties is None else _property_sections(evaluation, properties, label_noise, width)),
        spectra.kinds_section(evaluation),
        spectra.structures_section(evaluation),
    ]
    if provenance:
        page.append(Section("Origin of the data", tables=[listing("Records about the data.", provenance)]))
    if timings:
        page.append(spectra.times_section(timings))
    return save_page(Path(path), title, page, overwrite=overwrite)


def _property_sections(
    evaluation: Evaluation, properties: DerivedProperties, label_noise: Mapping[str, object] | None, width: float | None
) -> list[Section]:
    if list(properties.true.names) != list(evaluation.names):
        raise ValueError(
            f"properties must hold the {len(evaluation.names)} structures of the evaluation in the same order; got "
            f"{len(properties.true)} rows. Use the tables from evaluation.properties()."
        )
    return [
        properties_section(properties, property_noise_at(label_noise, width, properties.temperature)),
        by_structure_section(evaluation, properties),
        worst_section(evaluation, properties),
    ]
