"""A report on a trained model: one HTML page that needs no other file and no network."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from ldosml import metrics, plotting
from ldosml._array import to_numpy
from ldosml._files import replacing
from ldosml.pipeline import Evaluation

Cell = str | float | None
"""A text, a number (int or float), or None for what is not known."""


@dataclass(frozen=True)
class Table:
    """Rows under named columns; without names of columns, a list of things (first cell) and what they are.

    ``sortable`` lets the reader sort by pressing the name of a column; ``sorted_by`` is the column by which the rows
    come sorted, largest first.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    sortable: bool = False
    sorted_by: int | None = None

    @property
    def numeric(self) -> list[bool]:
        """Whether each column holds nothing but numbers and what is not known."""
        return [all(not isinstance(cell, str) for cell in column) for column in zip(*self.rows, strict=True)]


@dataclass(frozen=True)
class Picture:
    """A figure and the words under it."""

    title: str
    figure: Figure
    caption: str

    @property
    def source(self) -> str:
        """The figure as a URL that holds the PNG itself."""
        return "data:image/png;base64," + base64.b64encode(plotting.png(self.figure)).decode()


@dataclass(frozen=True)
class Section:
    """A part of the report: a heading, paragraphs, then tables, then pictures."""

    title: str
    paragraphs: Sequence[str] = ()
    tables: Sequence[Table] = ()
    pictures: Sequence[Picture] = ()


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
) -> Path:
    """Write the report of an evaluation; either the whole page appears under ``path``, or nothing changes.

    Parameters
    ----------
    path : path-like
        The HTML file; one that exists is replaced.
    evaluation : Evaluation
        Predictions for the held-out structures beside their reference.
    title : str
    training : mapping
        What was trained on what (numbers of structures, descriptor, kernel ...), shown row by row under these names;
        mappings and lists may be nested. Energies, smearing and held-out structures are added from the evaluation.
    provenance : mapping
        Where the data came from, shown in the same way.
    label_noise : mapping or None
        ``label_noise`` of the dataset, see :func:`label_noise_at`.
    smearing_width : float, optional
        Of the spectra that are compared, eV, standard deviation. Default: as they know it themselves.
    timings : mapping of str to float
        Seconds that each step took.
    sections : sequence of Section
        More to show, after the figures of the spectra.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    ValueError
        When a loss cannot be normalised or ``label_noise`` is malformed.
    OSError
        When the file cannot be written; what was there before is untouched.
    """
    width = evaluation.reference.smearing_width if smearing_width is None else smearing_width
    noise = label_noise_at(label_noise, width)
    page = _render(
        title,
        [
            _errors(evaluation, noise, width),
            _training(evaluation, training, width),
            _figures(evaluation, noise),
            *sections,
            _kinds(evaluation),
            _structures(evaluation),
            Section("Origin of the data", tables=[_listing("What is recorded about the data.", provenance)]),
            _times(timings),
        ],
    )
    return _write(Path(path), page)


def label_noise_at(label_noise: Mapping[str, object] | None, width: float | None) -> dict[str, float] | None:
    """Error of the labels at a smearing width, as fractions of their standard deviation (L/sigma).

    Parameters
    ----------
    label_noise : mapping or None
        {"smearing_width": [...], "ldos": [...], "dos": [...]}, widths in eV; other keys are ignored.
    width : float or None
        eV. Between the widths given, the noise is interpolated linearly; beyond them it is not known.

    Returns
    -------
    {"ldos": float, "dos": float}, or None where the noise is not known.

    Raises
    ------
    ValueError
        When one of the three lists is missing, empty, or of another length than the others.

    Examples
    --------
    >>> noise = {"smearing_width": [0.1, 0.3], "ldos": [0.10, 0.04], "dos": [0.08, 0.02]}
    >>> label_noise_at(noise, 0.2)
    {'ldos': 0.07, 'dos': 0.05}
    >>> label_noise_at(noise, 0.5) is None
    True
    """
    if label_noise is None or width is None:
        return None
    keys = ("smearing_width", "ldos", "dos")
    widths, ldos, dos = (np.atleast_1d(np.asarray(label_noise.get(key, []), dtype=float)) for key in keys)
    if not (widths.shape == ldos.shape == dos.shape and widths.ndim == 1 and widths.size):
        raise ValueError(
            "label_noise must have lists smearing_width, ldos and dos of one length, at least 1; got lengths "
            f"{widths.size}, {ldos.size} and {dos.size}. Pass None where the noise is not known."
        )
    if not widths.min() - 1e-9 <= width <= widths.max() + 1e-9:
        return None
    order = np.argsort(widths)
    return {
        key: round(float(np.interp(width, widths[order], values[order])), 12)
        for key, values in (("ldos", ldos), ("dos", dos))
    }


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _smearing(width: float | None) -> str:
    return "unknown smearing" if width is None else f"a smearing of {width:g} eV"


def _errors(evaluation: Evaluation, noise: Mapping[str, float] | None, width: float | None) -> Section:
    losses, reference = evaluation.losses(), evaluation.reference
    atoms, structures = _count(len(reference), "atom"), _count(reference.n_structures, "held-out structure")
    energies = f"{reference.grid.size:,} energies"
    averages = {
        "ldos": f"all {atoms} of the {structures}, each atom counting once, and {energies}",
        "dos": f"{structures}, each counting once whatever its size, and {energies}",
    }
    rows: list[list[Cell]] = []
    for key, name in (("ldos", "LDOS"), ("dos", "DOS per atom")):
        label = None if noise is None else noise[key]
        loss, baseline = losses[f"{key}_normalized_loss"], losses[f"{key}_mean_spectrum_loss"]
        rows.append([name, loss, baseline, label, losses[f"{key}_rmse"], averages[key]])
    columns = ["spectrum", "L/σ", "mean spectrum", "label noise", "RMSE (states/atom/√eV)", "averaged over"]
    words = (
        "L/σ is the root mean square error divided by the standard deviation of the DFT values over the whole set: 0 "
        "is perfect, and “mean spectrum” is what predicting the mean of these spectra for every row achieves. Both "
        "shrink when energies without states are added: compare on the same energies only. RMSE is the root of the "
        "squared error integrated over energy and averaged over atoms (LDOS) or structures (DOS)."
    )
    table = Table(f"Errors at {_smearing(width)}.", columns, rows)
    return Section("Errors on held-out structures", [words, _noise_words(noise, width)], [table])


def _noise_words(noise: Mapping[str, float] | None, width: float | None) -> str:
    if noise is None:
        return f"Label noise, the error of the DFT values themselves, is not known at {_smearing(width)}."
    return (
        f"Label noise is the error of the DFT values themselves at {_smearing(width)}, as a fraction of the standard "
        "deviation of the values that it was measured on. An error close to it is as small as these data can show."
    )


def _training(evaluation: Evaluation, training: Mapping[str, object], width: float | None) -> Section:
    reference = evaluation.reference
    held_out = {
        "smearing width": "not known" if width is None else f"{width:g} eV (standard deviation)",
        "energies": str(reference.grid),
        "held-out structures": reference.n_structures,
        "atoms in held-out structures": len(reference),
    }
    return Section("What was trained", tables=[_listing("The model and its data.", {**training, **held_out})])


def _figures(evaluation: Evaluation, noise: Mapping[str, float] | None) -> Section:
    spectra = Picture(
        "Worst, median and best prediction",
        plotting.representatives_figure(evaluation),
        "LDOS of the atoms (above) and DOS per atom of the structures (below) with the largest, the median and the "
        "smallest error. Here L/σ averages over the energies of that one atom or structure; σ is that of the whole "
        "set. Atoms are counted from 0.",
    )
    by_energy = Picture(
        "Error at each energy",
        plotting.loss_by_energy_figure(evaluation, noise),
        "Root mean square error at each energy over all atoms (above) and over all structures (below), beside the "
        "standard deviation of the DFT values at that energy, which is the error of predicting the mean spectrum.",
    )
    parity = Picture(
        "Predicted against DFT values",
        plotting.parity_figure(evaluation),
        "Every atom (left) or structure (right) at every energy gives one value. Below, how often each error occurs. "
        "L/σ averages over all of them.",
    )
    return Section("Spectra", pictures=[spectra, by_energy, parity])


def _kinds(evaluation: Evaluation) -> Section:
    """Errors pooled over the structures of each kind: mean squares add up to that of the whole set."""
    reference, predicted = evaluation.reference, evaluation.predicted
    ldos = to_numpy(metrics.normalized_loss(reference, predicted, per="environment"))
    dos = to_numpy(metrics.normalized_loss(*evaluation.dos(), per="structure"))
    kinds = np.asarray(evaluation.kinds, dtype=object)
    rows: list[list[Cell]] = []
    for kind in sorted(set(evaluation.kinds)):
        mine = kinds == kind
        atoms = mine[to_numpy(reference.structure_index)]
        pooled = [float(np.sqrt(np.mean(loss[chosen] ** 2))) for loss, chosen in ((ldos, atoms), (dos, mine))]
        rows.append([kind, int(mine.sum()), int(atoms.sum()), *pooled])
    caption = (
        "LDOS: root mean square over the atoms of the kind and all energies. DOS per atom: over its structures and all "
        "energies. Both in units of the standard deviation σ over the whole set."
    )
    columns = ["kind", "structures", "atoms", "LDOS, L/σ", "DOS per atom, L/σ"]
    return Section("Errors by kind", tables=[Table(caption, columns, rows, sortable=True)])


def _structures(evaluation: Evaluation) -> Section:
    keys = ("name", "kind", "n_atoms", "ldos_loss", "dos_loss")
    worst_first = sorted(evaluation.by_structure(), key=lambda row: -row["ldos_loss"])
    caption = (
        "LDOS: root mean square over the atoms of the structure and all energies. DOS per atom: over all energies. "
        "Both in units of the standard deviation σ over the whole set."
    )
    columns = ["structure", "kind", "atoms", "LDOS, L/σ", "DOS per atom, L/σ"]
    table = Table(caption, columns, [[row[key] for key in keys] for row in worst_first], sortable=True, sorted_by=3)
    return Section("Held-out structures", tables=[table])


def _times(timings: Mapping[str, float]) -> Section:
    rows = [[step, _duration(seconds)] for step, seconds in timings.items()]
    return Section("Times", tables=[Table("Wall time of each step.", ["step", "time"], rows)])


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _listing(caption: str, mapping: Mapping[str, object]) -> Table:
    return Table(caption, [], [[name, value] for name, value in _flat(mapping)])


def _flat(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    """Names and texts of everything in nested mappings; lists of mappings are numbered from 1."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flat(item, f"{name}: {key}" if name else str(key))
    elif isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
        for number, item in enumerate(value, 1):
            yield from _flat(item, f"{name} {number}")
    elif isinstance(value, list | tuple):
        yield name, ", ".join(map(_text, value))
    else:
        yield name, _text(value)


def _text(value: object) -> str:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return " ".join(map(_text, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _cell(value: Cell) -> str:
    """Three decimals, which align in a column, or three digits where those say too little or too much."""
    if not isinstance(value, float) or not np.isfinite(value):
        return _text(value)
    return f"{value:.3f}" if value == 0 or 0.01 <= abs(value) < 1000 else f"{value:#.3g}"


def _render(title: str, sections: Sequence[Section]) -> str:
    loader = PackageLoader("ldosml", ".")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["cell"] = _cell
    return environment.get_template("report.html.j2").render(title=title, sections=sections)


def _write(path: Path, page: str) -> Path:
    with replacing(path) as file:
        file.write(page.encode())
    return path
