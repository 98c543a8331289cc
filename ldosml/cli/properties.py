"""The command ``ldosml properties``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ldosml.cli.display import Page, Stages, cautioning, emit, table
from ldosml.cli.number_lists import FORMS, read_positive
from ldosml.cli.option_groups import with_groups
from ldosml.cli.options import (
    FRAMES,
    Electrons,
    Jobs,
    Overwrite,
    PrintOptions,
    Smearing,
    Species,
    above_zero,
    app,
    elements_of_types,
    open_dataset,
    refuse_existing,
    valence,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from ase import Atoms
    from numpy.typing import NDArray

    from ldosml.properties import PropertyTable
    from ldosml.spectra import DOS, LDOS

_ROOM = "300"  # K


@app.command(
    examples=(
        "ldosml properties silicon -T 300:3000:300 -o silicon.csv",
        "ldosml properties silicon.ldosml new.xyz --atoms -o new.json",
    )
)
@with_groups
def properties(
    source: Annotated[
        str,
        typer.Argument(
            help="A model (.ldosml) that predicts the structures; or a dataset (.h5), the name of a shipped one, or an "
            ".npz with energies and dos, or ldos and n_atoms, such as predict writes."
        ),
    ],
    structures: Annotated[
        Path | None,
        typer.Argument(help=f"Structures for a model, in any format that ASE reads. {FRAMES}"),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write: .csv, .json or .h5. Default: none.")
    ] = None,
    temperature: Annotated[
        list[str] | None,
        typer.Option(
            "--temperature", "-T", metavar="NUMBERS", help=f"Temperatures, K: {FORMS}; may be repeated. Default: 300."
        ),
    ] = None,
    atoms: Annotated[bool, typer.Option("--atoms", help="Give the share of each atom, a row per atom.")] = False,
    electrons: Electrons = None,
    n_electrons: Annotated[
        list[float] | None,
        typer.Option(
            callback=above_zero(),
            help="Valence electrons of a structure; repeat for each structure, or once for all. "
            "Default: as the data say.",
        ),
    ] = None,
    doping: Annotated[
        float | None,
        typer.Option(help="Electrons added, in the unit of --doping-unit; negative: holes. Default: none."),
    ] = None,
    doping_unit: Annotated[
        Literal["cm-3", "cell"],
        typer.Option(help="Unit of the doping: cm^-3, which needs the cells of the structures, or electrons a cell."),
    ] = "cm-3",
    tolerance: Annotated[
        float | None,
        typer.Option(
            callback=above_zero(),
            help="Fraction of the electrons by which n-electrons may differ from a count that ends in a gap; the "
            "level in the gap is then used. Default: 1e-6.",
        ),
    ] = None,
    photon_max: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="Add the absorption spectrum up to this photon energy, eV (.json and .h5 only). Default: none.",
        ),
    ] = None,
    spin_conserving: Annotated[
        bool, typer.Option("--spin-conserving", help="Count only pairs of states of one spin in the absorption: half.")
    ] = False,
    smearing: Smearing = None,
    species: Species = None,
    quadrature: Annotated[
        Literal["auto", "trapezoid", "gauss", "linear", "forced-trapezoid"],
        typer.Option(help="Integration over energy; auto chooses the rule by temperature, energy step and smearing."),
    ] = "auto",
    jobs: Jobs = 1,
    overwrite: Overwrite = False,
    *,
    printing: PrintOptions,
) -> None:
    """Compute properties such as the heat capacity from a DOS.

    They are Fermi level, energies, entropy, heat capacity, susceptibility, Sommerfeld coefficient and band gap.

    The number of valence electrons comes from the dataset, or from the training data of the model, unless given here.
    """
    from ldosml.properties import derive_properties, photon_axis
    from ldosml.properties.level import TOLERANCE

    kelvin = read_positive("--temperature", temperature or [_ROOM], "K")
    if output is not None:
        _check_output(output, (source, structures), overwrite)
    stages = Stages()
    found = _found(source, structures, species, smearing, jobs, stages)
    spectra = found.of(atoms)
    axis = photon_axis(spectra.grid)
    with stages(f"Deriving properties of {len(found.dos)} structures"), cautioning() as cautions:
        derived = derive_properties(
            spectra,
            _electron_numbers(found, electrons, n_electrons),
            kelvin,
            fermi_energy=found.fermi_energy,
            doping=0.0 if doping is None else doping,
            volumes=None if doping is None or doping_unit == "cell" else found.cells(),
            tolerance=TOLERANCE if tolerance is None else tolerance,
            names=found.names,
            photon_energies=None if photon_max is None else axis[axis <= photon_max],
            spin_conserving=spin_conserving,
            quadrature=quadrature,
        )
    derived.facts.update(source=source, cautions=cautions)
    if output is not None:
        derived.save(output, overwrite=overwrite)
    result = {"file": None if output is None else str(output), **derived.to_dict()}
    emit(result, printing, lambda: _page(derived, output))


def _check_output(output: Path, sources: tuple[str | Path | None, ...], overwrite: bool) -> None:
    """Refuse before the work is done, not after."""
    from ldosml.properties.table import check_ending
    from ldosml.structure_files import split_index

    check_ending(output)
    refuse_existing(output, overwrite)
    if any(output.absolute() == split_index(source)[0].absolute() for source in sources if source is not None):
        raise ValueError(f"{output} is the input; give another name to write to.")


@dataclass(frozen=True, eq=False)
class _Found:
    """Spectra to derive from, and what is known of their structures."""

    dos: DOS
    ldos: LDOS | None
    names: list[str] | None
    numbers: NDArray[np.int64] | None
    n_electrons: NDArray[np.float64] | None
    fermi_energy: NDArray[np.float64] | None = None
    volumes: NDArray[np.float64] | None = None

    def cells(self) -> NDArray[np.float64]:
        """Volumes of the cells, angstrom^3."""
        if self.volumes is None or not (self.volumes > 0).all():
            raise ValueError(
                "--doping is in cm^-3 and needs the volume of every cell, which this source does not hold: give a "
                "dataset, or a model with structures, of periodic cells; or use --doping-unit cell."
            )
        return self.volumes

    def of(self, atoms: bool) -> DOS | LDOS:
        """The spectra of atoms, or of structures."""
        if not atoms:
            return self.dos
        if self.ldos is None:
            raise ValueError("--atoms needs the LDOS of every atom; the file holds total DOS only.")
        return self.ldos


def _found(
    source: str, structures: Path | None, species: str | None, smearing: float | None, jobs: int, stages: Stages
) -> _Found:
    if structures is not None:
        if smearing is not None:
            raise typer.BadParameter(
                "--smearing broadens stored spectra; a model predicts at the width it was fitted at."
            )
        return _predicted(Path(source), structures, species, jobs, stages)
    if source.endswith(".ldosml"):
        raise typer.BadParameter("A model needs structures to predict: ldosml properties MODEL STRUCTURES.")
    return _from_arrays(source, smearing) if source.endswith(".npz") else _from_dataset(source, smearing, stages)


def _from_arrays(source: str, smearing: float | None) -> _Found:
    from ldosml.datasets import read_spectra

    read = read_spectra(source)
    dos, ldos = read.dos, read.ldos
    if smearing is not None:
        dos, ldos = dos.broaden_to(smearing), None if ldos is None else ldos.broaden_to(smearing)
    return _Found(dos, ldos, None, read.numbers, read.n_electrons, read.fermi_energy)


def _from_dataset(source: str, smearing: float | None, stages: Stages) -> _Found:
    import numpy as np

    with stages(f"Reading {source}"):
        data = open_dataset(source)
        data = data if smearing is None else data.broaden_to(smearing)
    # Above energy_max a DOS is not complete. Where all Fermi levels are known, they are the zero.
    aligned = data.refer_to("fermi" if np.isfinite(data.fermi_energy).all() else data.grid.zero)
    known = None if aligned.grid.zero == "fermi" else aligned.fermi_energy
    return _Found(
        aligned.dos, aligned.ldos, aligned.names, aligned.numbers, aligned.n_electrons, known, _volumes(data.structures)
    )


def _predicted(model: Path, structures: Path, species: str | None, jobs: int, stages: Stages) -> _Found:
    import numpy as np

    from ldosml import DOSModel
    from ldosml.structure_files import read_frames, split_index

    loaded = DOSModel.load(model)
    loaded.descriptor_.set_params(n_jobs=jobs)
    placed = read_frames(structures, species=elements_of_types(species))
    frames = list(placed.values())
    with stages(f"Predicting {len(frames)} structures"):
        ldos = loaded.predict(frames)
    stem = split_index(structures)[0].stem
    names = [str(atoms.info.get("name", f"{stem}-{place}")) for place, atoms in placed.items()]
    known = loaded.n_electrons(frames) if loaded.training_.get("valence_electrons") else None
    numbers = np.concatenate([atoms.numbers for atoms in frames])
    return _Found(ldos.total(), ldos, names, numbers, known, volumes=_volumes(frames))


def _volumes(structures: Sequence[Atoms]) -> NDArray[np.float64]:
    """Volumes of the cells, angstrom^3; 0 where a structure is not periodic in three directions."""
    import numpy as np

    return np.array([abs(np.linalg.det(np.array(atoms.cell))) if atoms.pbc.all() else 0.0 for atoms in structures])


def _electron_numbers(
    found: _Found, electrons: list[str] | None, n_electrons: list[float] | None
) -> NDArray[np.float64]:
    import numpy as np

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
    import numpy as np
    from ase.data import atomic_numbers

    from ldosml._array import to_numpy

    unknown = sorted(set(each) - set(atomic_numbers))
    if unknown:
        raise ValueError(f"--electrons: there is no element {', '.join(unknown)}.")
    n_atoms = found.dos.n_atoms
    if found.numbers is None or n_atoms is None:
        raise ValueError(
            "--electrons needs the elements of the atoms, which this file does not hold: use --n-electrons."
        )
    table = {atomic_numbers[symbol]: count for symbol, count in each.items()}
    missing = sorted({int(z) for z in found.numbers} - set(table))
    if missing:
        raise ValueError(f"--electrons lacks the elements of atomic number {missing}.")
    counts = np.array([table[int(z)] for z in found.numbers])
    return np.add.reduceat(counts, np.concatenate([[0], np.cumsum(to_numpy(n_atoms))[:-1]]).astype(int))


def _page(derived: PropertyTable, output: Path | None) -> Page:
    what = "atoms" if derived.structure_index is not None else "structures"
    title = f"Properties of {len(derived)} {what}"
    rows = [row for name in derived.columns for row in _rows(derived, name)]
    lacking = any(row[-1] != str(len(derived)) for row in rows)
    columns = ("property", "T (K)", "unit", "mean", "minimum", "maximum", *([what] if lacking else []))
    share = "Extensive properties are per cell." if what == "structures" else "Each atom has its share."
    from ldosml.plotting.labels import property_name

    words = [f"{share} Derived from {derived.facts['energies']}."]
    words += [f"{property_name(name)} of {count} of {len(derived)}: {text}." for name, text, count in derived.noted()]
    shown = table(title, columns, [row[: len(columns)] for row in rows], n_keys=2)
    return Page([shown], words=words, files=[] if output is None else [output])


def _rows(derived: PropertyTable, name: str) -> list[list[str]]:
    """A row for each temperature, where the property is known of any structure; the last cell is of how many."""
    import numpy as np

    from ldosml.plotting.labels import power_of_ten, property_name, unit_text

    values = derived.columns[name]
    exponent = power_of_ten(values)
    columns = [values] if values.ndim == 1 else list(values.T)
    kelvin = [""] if values.ndim == 1 else [f"{t:g}" for t in derived.temperatures]
    rows = []
    for text, column in zip(kelvin, columns, strict=True):
        known = column[np.isfinite(column)] / 10.0**exponent
        if known.size:
            numbers = [f"{v:.4g}" for v in (known.mean(), known.min(), known.max())]
            rows.append([property_name(name), text, unit_text(derived.unit(name), exponent), *numbers, str(known.size)])
    return rows
