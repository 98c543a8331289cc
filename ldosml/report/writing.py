"""The report as a whole."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from ldosml.datasets.noise import label_noise_at, property_noise_at
from ldosml.evaluation import Evaluation
from ldosml.report import spectra
from ldosml.report.derived import DerivedProperties
from ldosml.report.page import write_page
from ldosml.report.parts import Section, listing
from ldosml.report.properties import by_structure_section, properties_section
from ldosml.report.worst import worst_section


def write_report(
    path: str | os.PathLike[str],
    evaluation: Evaluation,
    *,
    title: str = "Learning the electronic density of states",
    training: Mapping[str, object],
    provenance: Mapping[str, object],
    label_noise: Mapping[str, object] | None,
    smearing_width: float | None = None,
    timings: Mapping[str, float],
    sections: Sequence[Section] = (),
    properties: DerivedProperties | None = None,
) -> Path:
    """Write the report of an evaluation; either the whole page appears under ``path``, or nothing changes.

    Parameters
    ----------
    path : path-like
        The HTML file; one that exists is replaced.
    evaluation : Evaluation
        Predictions for the held-out structures beside their true.
    title : str
    training : mapping
        What was trained on what (numbers of structures, descriptor, kernel ...), shown row by row under these names;
        mappings and lists may be nested. Energies, smearing and held-out structures are added from the evaluation.
    provenance : mapping
        Where the data came from, shown in the same way.
    label_noise : mapping or None
        ``label_noise`` of the dataset, see :func:`label_noise_at` and :func:`property_noise_at`.
    smearing_width : float, optional
        Of the spectra that are compared, eV, standard deviation. Default: as they know it themselves.
    timings : mapping of str to float
        Seconds that each step took.
    sections : sequence of Section
        More to show, after the figures of the spectra.
    properties : DerivedProperties, optional
        Of the structures of the evaluation, in the same order. Adds how well they are predicted, a table of them by
        structure, and the worst predictions one by one.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    ValueError
        When a loss cannot be normalised, ``label_noise`` is malformed, or ``properties`` are of other structures.
    OSError
        When the file cannot be written; what was there before is untouched.
    """
    width = evaluation.predicted.smearing_width if smearing_width is None else smearing_width
    noise = label_noise_at(label_noise, width, evaluation.predicted.grid, evaluation.deviations())
    page = [
        spectra.errors_section(evaluation, noise, width),
        spectra.training_section(evaluation, training, width),
        spectra.figures_section(evaluation, noise),
        *sections,
        *([] if properties is None else _property_sections(evaluation, properties, label_noise, width)),
        spectra.kinds_section(evaluation),
        spectra.structures_section(evaluation),
        Section("Origin of the data", tables=[listing("What is recorded about the data.", provenance)]),
        spectra.times_section(timings),
    ]
    return write_page(Path(path), title, page)


def _property_sections(
    evaluation: Evaluation, properties: DerivedProperties, label_noise: Mapping[str, object] | None, width: float | None
) -> list[Section]:
    if list(properties.true.names) != list(evaluation.names):
        raise ValueError(
            f"properties must be of the {len(evaluation.names)} structures of the evaluation, in the same order; got "
            f"{len(properties.true)} rows. Derive them from both spectra of evaluation.dos(), with its names."
        )
    return [
        properties_section(properties, property_noise_at(label_noise, width, properties.temperature)),
        by_structure_section(evaluation, properties),
        worst_section(evaluation, properties),
    ]
