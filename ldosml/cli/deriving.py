"""The commands that derive properties, and judge a saved model by them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from ldosml.cli.display import Stages, cautioning, emit, messages, results, table
from ldosml.cli.judging import derive, report_errors, write_evaluation
from ldosml.cli.options import (
    AsJson,
    Electrons,
    Jobs,
    Overwrite,
    Smearing,
    Temperature,
    above_zero,
    above_zero_kelvin,
    an_energy,
    app,
    check_folder,
    check_range,
    open_dataset,
    refuse_existing,
    valence,
)

if TYPE_CHECKING:
    from ldosml.datasets import LDOSDataset
    from ldosml.pipeline import DOSModel
    from ldosml.properties import PropertyTable
    from ldosml.spectra import DOS, LDOS


class QuadratureName(StrEnum):
    """Rules of integration."""

    auto = "auto"
    trapezoid = "trapezoid"
    gauss = "gauss"
    linear = "linear"
    forced_trapezoid = "forced-trapezoid"


@app.command()
def properties(
    source: Annotated[
        str,
        typer.Argument(
            help="A model (.ldosml) to predict the structures with; or a dataset (.h5), the name of a shipped one, or "
            "an .npz with energies and dos, or ldos and n_atoms, such as predict writes."
        ),
    ],
    structures: Annotated[
        Path | None, typer.Argument(help="Structures for a model, any format that ASE reads.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write: .csv, .json or .h5. Default: none.")
    ] = None,
    temperature: Annotated[
        list[float] | None,
        typer.Option("--temperature", "-T", callback=above_zero_kelvin, help="K; repeat for each."),
    ] = None,
    atoms: Annotated[bool, typer.Option("--atoms", help="Each atom's share, a row an atom.")] = False,
    electrons: Electrons = None,
    n_electrons: Annotated[
        list[float] | None,
        typer.Option(
            callback=above_zero(), help="Valence electrons of the structures; repeat for each, or once for all."
        ),
    ] = None,
    photon_max: Annotated[
        float | None, typer.Option(min=0.0, help="Add the absorption up to this photon energy, eV (.json and .h5).")
    ] = None,
    smearing: Smearing = None,
    quadrature: Annotated[QuadratureName, typer.Option(help="Rule of integration.")] = QuadratureName.auto,
    jobs: Jobs = 1,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Derive everything that follows from a DOS: Fermi level, energies, heat capacity, susceptibility, gap ...

    Valence electrons are those of the dataset or of the model's training data, unless they are given here.
    """
    from ldosml.properties import derive_properties, photon_axis
    from ldosml.properties.table import check_ending

    if output is not None:
        check_ending(output)
        refuse_existing(output, overwrite)
        if any(output.absolute() == Path(read).absolute() for read in (source, structures) if read is not None):
            raise ValueError(f"{output} is what the properties are derived from; give another name to write to.")
    stages = Stages()
    found = _found(source, structures, smearing, jobs, stages)
    spectra = found.of(atoms)
    axis = photon_axis(spectra.grid)
    with stages(f"Deriving properties of {len(found.dos)} structures"), cautioning() as cautions:
        derived = derive_properties(
            spectra,
            _electron_numbers(found, electrons, n_electrons),
            np.array(temperature or [300.0]),
            names=found.names,
            photon_energies=None if photon_max is None else axis[axis <= photon_max],
            quadrature=quadrature.value,
        )
    derived.facts.update(source=source, cautions=cautions)
    if output is not None:
        derived.save(output, overwrite=overwrite)
    emit(
        {"file": None if output is None else str(output), **derived.to_dict()},
        as_json,
        lambda: _show(derived, output),
    )


@dataclass(frozen=True, eq=False)
class _Found:
    """Spectra to derive from, and what is known of their structures."""

    dos: DOS
    ldos: LDOS | None
    names: list[str] | None
    numbers: NDArray[np.int64] | None
    n_electrons: NDArray[np.float64] | None

    def of(self, atoms: bool) -> DOS | LDOS:
        """The spectra of atoms, or of structures."""
        if not atoms:
            return self.dos
        if self.ldos is None:
            raise ValueError("--atoms needs the LDOS of every atom; there is total DOS only.")
        return self.ldos


def _found(source: str, structures: Path | None, smearing: float | None, jobs: int, stages: Stages) -> _Found:
    from ldosml.datasets import read_spectra

    if structures is not None:
        if smearing is not None:
            raise typer.BadParameter(
                "--smearing broadens stored spectra; a model predicts at the width that it was fitted at."
            )
        return _predicted(Path(source), structures, jobs, stages)
    if source.endswith(".npz"):
        read = read_spectra(source)
        dos, ldos = read.dos, read.ldos
        if smearing is not None:
            dos, ldos = dos.broaden_to(smearing), None if ldos is None else ldos.broaden_to(smearing)
        return _Found(dos, ldos, None, read.numbers, read.n_electrons)
    if source.endswith(".ldosml"):
        raise typer.BadParameter("A model needs structures to predict: ldosml properties MODEL STRUCTURES.")
    with stages(f"Reading {source}"):
        data = open_dataset(source)
        data = data if smearing is None else data.broaden_to(smearing)
    # Above energy_max a DOS is not complete; Fermi levels are lined up where they are known.
    aligned = data.refer_to("fermi" if np.isfinite(data.fermi_energy).all() else data.grid.zero)
    return _Found(aligned.dos, aligned.ldos, aligned.names, aligned.numbers, aligned.n_electrons)


def _predicted(model: Path, structures: Path, jobs: int, stages: Stages) -> _Found:
    from ldosml import DOSModel
    from ldosml.structure_files import read_structures

    loaded = DOSModel.load(model)
    loaded.descriptor_.set_params(n_jobs=jobs)
    frames = read_structures(structures)
    with stages(f"Predicting {len(frames)} structures"):
        ldos = loaded.predict(frames)
    names = [str(atoms.info.get("name", f"{structures.stem}-{place}")) for place, atoms in enumerate(frames)]
    known = loaded.n_electrons(frames) if loaded.training_.get("valence_electrons") else None
    return _Found(ldos.total(), ldos, names, np.concatenate([atoms.numbers for atoms in frames]), known)


def _electron_numbers(
    found: _Found, electrons: list[str] | None, n_electrons: list[float] | None
) -> NDArray[np.float64]:
    if electrons and n_electrons:
        raise typer.BadParameter("Give --electrons or --n-electrons, not both.")
    if n_electrons:
        if len(n_electrons) not in (1, len(found.dos)):
            raise ValueError(f"--n-electrons must be given once, or for each of {len(found.dos)} structures.")
        return np.broadcast_to(np.array(n_electrons), (len(found.dos),))
    if electrons:
        return _from_valence(found, valence(electrons))
    if found.n_electrons is None or not np.isfinite(found.n_electrons).all():
        raise ValueError(
            "The numbers of valence electrons are not known: give --electrons for each element, as Si=4, or "
            "--n-electrons."
        )
    return found.n_electrons


def _from_valence(found: _Found, each: dict[str, float]) -> NDArray[np.float64]:
    from ase.data import atomic_numbers

    unknown = sorted(set(each) - set(atomic_numbers))
    if unknown:
        raise ValueError(f"--electrons: there is no element {', '.join(unknown)}.")
    n_atoms = found.dos.n_atoms
    if found.numbers is None or n_atoms is None:
        raise ValueError(
            "--electrons needs the elements of the atoms, which this file does not tell: use --n-electrons."
        )
    table = {atomic_numbers[symbol]: count for symbol, count in each.items()}
    missing = sorted({int(z) for z in found.numbers} - set(table))
    if missing:
        raise ValueError(f"--electrons says nothing of the elements of atomic number {missing}.")
    from ldosml._array import to_numpy

    counts = np.array([table[int(z)] for z in found.numbers])
    return np.add.reduceat(counts, np.concatenate([[0], np.cumsum(to_numpy(n_atoms))[:-1]]).astype(int))


def _show(derived: PropertyTable, output: Path | None) -> None:
    rows = []
    for name, values in derived.columns.items():
        columns = [values] if values.ndim == 1 else list(values.T)
        kelvin = [""] if values.ndim == 1 else [f"{t:g}" for t in derived.temperatures]
        for text, column in zip(kelvin, columns, strict=True):
            known = column[np.isfinite(column)]
            if known.size:
                numbers = [f"{v:.5g}" for v in (known.mean(), known.min(), known.max())]
                label = f"{name.replace('_', ' ')}{derived.unit(name) and f' ({derived.unit(name)})'}"
                rows.append([label, text, *numbers, str(known.size)])
    what = "atoms" if derived.structure_index is not None else "structures"
    title = f"{len(derived)} {what}; {derived.facts['energies']}"
    results.print(table(title, ("property", "T (K)", "mean", "minimum", "maximum", "of"), rows))
    if output is not None:
        results.print(f"wrote {output}", soft_wrap=True)


@app.command()
def report(
    model: Annotated[Path, typer.Argument(help="A model that fit or demo has written, .ldosml.")],
    dataset: Annotated[
        str | None,
        typer.Argument(help="Dataset to judge it by (.h5, or a shipped one). Default: what it was trained on."),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for report.html and figures.")] = Path(
        "ldosml-report"
    ),
    temperature: Temperature = 300.0,
    low: Annotated[
        float | None, typer.Option(callback=an_energy, help="Lowest energy at which spectra are judged, eV.")
    ] = None,
    high: Annotated[
        float | None, typer.Option(callback=an_energy, help="Highest energy at which spectra are judged, eV.")
    ] = None,
    jobs: Jobs = 1,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Judge a saved model: errors beside the label noise, spectra, derived properties, the worst cases; one HTML page.

    By the dataset that it was trained on, it is judged on the structures that were held out then; by any other, on all.
    """
    from ldosml import DOSModel

    check_range(low, high)
    check_folder(output)
    if (output / "report.html").exists():
        refuse_existing(output / "report.html", overwrite)
    stages = Stages()
    loaded = DOSModel.load(model)
    loaded.descriptor_.set_params(n_jobs=jobs)
    name = dataset if dataset is not None else _trained_on(loaded)
    with stages(f"Reading {name}"):
        data = open_dataset(name)
        if loaded.smearing_width_ is not None:
            data = data.broaden_to(loaded.smearing_width_)
    data = _held_out(loaded, name, data)
    with stages(f"Predicting {len(data)} structures"):
        evaluation = loaded.evaluate(data)
    with stages("Deriving properties"):
        derived = derive(evaluation, temperature)
    evaluation = evaluation.cut(low, high)
    with stages("Drawing figures and writing the report"):
        output.mkdir(parents=True, exist_ok=True)
        title = f"{model.name} judged by {name}"
        files = write_evaluation(output, title, loaded, evaluation, derived, data, stages.seconds)
    report_errors(evaluation, derived, data, stages, files, as_json)


def _trained_on(model: DOSModel) -> str:
    name = model.training_.get("dataset")
    if name is None:
        raise ValueError("This model does not say which dataset it was trained on: name one to judge it by.")
    return str(name)


def _held_out(model: DOSModel, name: str, data: LDOSDataset) -> LDOSDataset:
    """The structures that the model has not seen, where it was trained on this dataset."""
    known: Any = model.training_.get("dataset")
    if known is None or (name != known and Path(name).absolute() != Path(str(known)).absolute()):
        messages.print(f"Judging by all {len(data)} structures: the model was trained on {known or 'other data'}.")
        return data
    split = model.training_.get("split")
    if not split or not split["test_size"]:
        raise ValueError(f"The model was trained on all of {name}; name another dataset to judge it by.")
    train, test = data.split(**split)
    if len(train) != model.training_["n_structures"]:
        raise ValueError(
            f"{name} has changed since the model was trained on {model.training_['n_structures']} of its structures "
            f"(now {len(train)}): which it has seen is not known. Fit it again, or name another dataset."
        )
    return test
