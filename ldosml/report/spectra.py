"""Sections about the predicted spectra and their errors."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ldosml import metrics, plotting
from ldosml._array import to_numpy
from ldosml.evaluation import NAMES, Evaluation, Spectrum
from ldosml.plotting.labels import RMSE_UNIT
from ldosml.progress import duration
from ldosml.report.parts import Cell, Picture, Section, Table, count, listing


def _smearing(width: float | None) -> str:
    return "unknown smearing" if width is None else f"a smearing of {width:g} eV"


def errors_section(evaluation: Evaluation, noise: Mapping[str, float], width: float | None) -> Section:
    """Errors over the whole set, beside the errors of the mean spectrum and the label noise."""
    losses, predicted = evaluation.losses(), evaluation.predicted
    atoms, structures = count(len(predicted), "atom"), count(predicted.n_structures, "held-out structure")
    energies = f"{predicted.grid.size:,} energies"
    averages = {
        "ldos": f"{atoms} of {structures}, equal weight for each atom, and {energies}",
        "dos": f"{structures}, equal weight whatever their size, and {energies}",
    }
    rows: list[list[Cell]] = []
    for key in evaluation.compared():
        loss, baseline = losses[f"{key}_normalized_loss"], losses[f"{key}_mean_spectrum_loss"]
        rows.append([NAMES[key], loss, baseline, noise.get(key), losses[f"{key}_rmse"], averages[key]])
    columns = ["spectrum", "L/σ", "mean spectrum", "label noise", f"RMSE ({RMSE_UNIT})", "average over"]
    words = (
        "L/σ is the root mean square error divided by the standard deviation σ of the DFT values over the whole set; 0 "
        "is perfect. “Mean spectrum” is the L/σ of always predicting the mean of these spectra. Both become smaller "
        "when energies without states are added, so compare models on the same energies only. RMSE is the root of the "
        "squared error, integrated over energy and averaged over atoms (LDOS) or structures (DOS)."
    )
    table = Table(f"Errors at {_smearing(width)}.", columns, rows)
    return Section("Errors on held-out structures", [words, _noise_words(noise, width)], [table])


def _noise_words(noise: Mapping[str, float], width: float | None) -> str:
    if not noise:
        return f"The label noise, the error of the DFT values themselves, is not known at {_smearing(width)}."
    return (
        f"Label noise is the error of the DFT values themselves at {_smearing(width)}, as a fraction of σ. It covers "
        "these energies if the dataset has it by energy, otherwise the energies at which it was measured. These data "
        "cannot show errors smaller than the label noise."
    )


def training_section(evaluation: Evaluation, training: Mapping[str, object], width: float | None) -> Section:
    """Training data and model, and the held-out data."""
    predicted = evaluation.predicted
    held_out = {
        "smearing width": "not known" if width is None else f"{width:g} eV (standard deviation)",
        "energies": str(predicted.grid),
        "held-out structures": predicted.n_structures,
        "atoms in held-out structures": len(predicted),
    }
    return Section("Model and data", tables=[listing("Training and held-out data.", {**training, **held_out})])


def figures_section(evaluation: Evaluation, noise: Mapping[str, float]) -> Section:
    """Spectra, errors by energy, and parity."""
    spectra = Picture(
        "Worst, median and best prediction",
        plotting.representatives_figure(evaluation),
        "LDOS of the atoms (above, if the true LDOS is known) and DOS per atom of the structures (below) with the "
        "largest, the median and the smallest error. Here L/σ averages over the energies of one atom or structure. σ "
        "is the standard deviation over the whole set. Atoms are counted from 0.",
    )
    by_energy = Picture(
        "Error at each energy",
        plotting.loss_by_energy_figure(evaluation, noise),
        "Root mean square error at each energy over all atoms (LDOS) and over all structures (DOS). The standard "
        "deviation of the DFT values at that energy is the error of always predicting the mean spectrum.",
    )
    parity = Picture(
        "Predicted against DFT values",
        plotting.parity_figure(evaluation),
        "Each atom (LDOS) or structure (DOS) has one value at each energy. The lower panels count the errors. L/σ "
        "averages over all values.",
    )
    return Section("Spectra", pictures=[spectra, by_energy, parity])


def kinds_section(evaluation: Evaluation) -> Section:
    """Errors of each kind of structure. Weighted mean squares add up to the mean square of the whole set."""
    compared = evaluation.compared()
    per: dict[Spectrum, metrics.Per] = {"ldos": "environment", "dos": "structure"}
    losses = {key: to_numpy(metrics.normalized_loss(*pair, per=per[key])) for key, pair in compared.items()}
    kinds = np.asarray(evaluation.kinds, dtype=object)
    rows: list[list[Cell]] = []
    for kind in sorted(set(evaluation.kinds)):
        mine = kinds == kind
        atoms = mine[to_numpy(evaluation.predicted.structure_index)]
        chosen = {"ldos": atoms, "dos": mine}
        pooled = [float(np.sqrt(np.mean(loss[chosen[key]] ** 2))) for key, loss in losses.items()]
        rows.append([kind, int(mine.sum()), int(atoms.sum()), *pooled])
    caption = (
        "LDOS: root mean square error over the atoms of the kind and all energies. DOS per atom: over the structures "
        "of the kind and all energies. In units of the standard deviation σ over the whole set."
    )
    columns = ["kind", "structures", "atoms", *[f"{NAMES[key]}, L/σ" for key in compared]]
    return Section("Errors by kind", tables=[Table(caption, columns, rows, sortable=True)])


def structures_section(evaluation: Evaluation) -> Section:
    """Errors of each structure, the worst first."""
    compared = evaluation.compared()
    losses = [f"{key}_loss" for key in compared]
    worst_first = sorted(evaluation.by_structure(), key=lambda row: -float(row[losses[0]]))
    caption = (
        "LDOS: root mean square error over the atoms of the structure and all energies. DOS per atom: over all "
        "energies. In units of the standard deviation σ over the whole set."
    )
    columns = ["structure", "kind", "atoms", *[f"{NAMES[key]}, L/σ" for key in compared]]
    keys = ("name", "kind", "n_atoms", *losses)
    table = Table(caption, columns, [[row[key] for key in keys] for row in worst_first], sortable=True, sorted_by=3)
    return Section("Held-out structures", tables=[table])


def times_section(timings: Mapping[str, float]) -> Section:
    """Wall time of each step."""
    rows = [[step, duration(seconds)] for step, seconds in timings.items()]
    return Section("Times", tables=[Table("Wall time of each step.", ["step", "time"], rows)])
