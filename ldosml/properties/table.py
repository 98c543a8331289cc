"""Table of derived properties of many structures at many temperatures, and its files."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from ldosml import _html
from ldosml._files import refuse_existing, write_buffer
from ldosml._plots import drawn
from ldosml._ranges import check_arguments
from ldosml._seal import seal
from ldosml.properties.quantities import PER_CELL, QUANTITIES
from ldosml.tables import save_json, save_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from pandas import DataFrame


@dataclass(frozen=True, eq=False, repr=False)
class PropertyTable:
    """Properties of many structures or atoms at many temperatures, as ``derive_properties`` gives them.

    Parameters
    ----------
    temperatures : array (n_temperatures,)
        K.
    columns : dict of str to array
        (n_rows,) for properties that do not depend on temperature, (n_rows, n_temperatures) for the others. Units are
        in ``QUANTITIES``. NaN if a row does not have the property: the edges and carriers of a metal, whose
        ``band_gap`` is 0. For all others ``band_gap`` is ``conduction_edge - valence_edge``.
    names : list of str
        Names of the structures; for atoms, with their place in the structure.
    n_atoms : array (n_rows,), optional
        Atoms of each structure.
    structure_index : array (n_rows,), optional
        Structure of each row, if the rows are atoms.
    photon_energies : array (n_photon_energies,), optional
        eV, of ``spectra``.
    spectra : dict of str to array (n_rows, n_temperatures, n_photon_energies)
        Absorption, if it was asked for.
    facts : dict
        How it was computed: energies, smearing, quadrature of every temperature; as JSON can hold it.
    notes : dict of str to list of str (n_rows,)
        By column: why a row has no number, "" for all others. A gap that the smearing hides is "not resolvable
        (smearing 0.3 eV)".

    Examples
    --------
    >>> table = PropertyTable(np.array([300.0]), {"band_energy": np.array([[-8.5]])}, ["silicon"])
    >>> list(table.records())
    [{'structure': 'silicon', 'temperature': 300.0, 'band_energy': -8.5}]
    """

    temperatures: NDArray[np.float64]
    columns: dict[str, NDArray[np.float64]]
    names: list[str]
    n_atoms: NDArray[np.int64] | None = None
    structure_index: NDArray[np.int64] | None = None
    photon_energies: NDArray[np.float64] | None = None
    spectra: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.names)

    def __repr__(self) -> str:
        """Describe the table in one line."""
        rows = "structures" if self.structure_index is None else "atoms"
        kelvin = ", ".join(f"{t:g}" for t in self.temperatures)
        return f"PropertyTable({len(self)} {rows}; {kelvin} K; {', '.join([*self.columns, *self.spectra])})"

    def _repr_html_(self) -> str:
        """What a notebook shows: mean and range of every property over the rows, and the mean spectra."""
        facts = {
            "rows": f"{len(self)} {'structures' if self.structure_index is None else 'atoms'}",
            "temperatures": f"{', '.join(f'{t:g}' for t in self.temperatures)} K",
        }
        rows = []
        for name, values in self.columns.items():
            thermal = values.ndim > 1
            for place, column in enumerate(values.T if thermal else [values]):
                known = column[np.isfinite(column)]
                kelvin = f"{self.temperatures[place]:g}" if thermal else ""
                if known.size:
                    rows.append([name, self.unit(name), kelvin, known.mean(), known.min(), known.max(), len(known)])
        lacking = [name for name, values in self.columns.items() if not np.isfinite(values).any()]
        facts |= {f"{name} in {count} rows": text for name, text, count in self.noted()}
        if lacking:
            facts["no row has"] = ", ".join(lacking)
        columns = ["property", "unit", "K", "mean", "smallest", "largest", "rows that have it"]
        pictures = []
        for name, spectra in self.spectra.items():
            if self.photon_energies is not None and len(self):
                at = {f"{name}, {t:g} K": spectra[:, place].mean(axis=0) for place, t in enumerate(self.temperatures)}
                pictures.append(_html.curves(self.photon_energies, at, self.unit(name)))
        return _html.page("PropertyTable", facts, _html.table(columns, rows, most=60), *pictures)

    def plot(self, name: str, ax: Axes | None = None, *, temperature: float | None = None) -> Figure | None:
        """Draw one property of all rows.

        A property at several temperatures is drawn against temperature, and spectra against the photon energy: a curve
        for each of up to six rows; of more their mean, and the range of the middle 90 %. Other properties are drawn as
        a bar for each of up to 20 rows, and as a histogram of more.

        Parameters
        ----------
        name : str
            Name of a column, or of spectra.
        ax : matplotlib.axes.Axes, optional
            Draw here, and leave the legend to you.
        temperature : float, optional
            K, one of the table: draw the values at this temperature. Needed for spectra at several temperatures.

        Returns
        -------
        matplotlib.figure.Figure or None
            None with ``ax``.

        Raises
        ------
        ValueError
            When the table has no such property or temperature, or no row has a value.
        """
        check_arguments(temperature=temperature)
        figure: Figure | None = drawn(self, ax, name=name, temperature=temperature)
        return figure

    def column(self, name: str, temperature: float | None = None) -> NDArray[np.float64]:
        """One property of all rows.

        Parameters
        ----------
        name : str
            Name of the column.
        temperature : float, optional
            K, one of the table. Not needed if the property does not depend on it, or the table has only one
            temperature.

        Returns
        -------
        array (n_rows,)

        Raises
        ------
        ValueError
            If the table has no such column or temperature.
        """
        check_arguments(temperature=temperature)
        if name not in self.columns:
            raise ValueError(f"The table has no {name!r}; it has {', '.join(self.columns)}.")
        values = self.columns[name]
        return values if values.ndim == 1 else values[:, self._place(temperature)]

    def unit(self, name: str) -> str:
        """Unit of a column or of spectra; with "/atom" if the values belong to atoms.

        Parameters
        ----------
        name : str
            Name of the column, or of the spectra.

        Returns
        -------
        str
        """
        unit = QUANTITIES[name].unit
        if self.structure_index is None and not self.facts.get("per_atom"):
            return unit
        if name in self.spectra:
            # Half the pairs of an atom's states with all others; or, divided, pairs per atom squared.
            return f"{unit}/atom" if self.structure_index is not None else f"{unit}/atom^2"
        if not QUANTITIES[name].extensive:
            return unit
        return f"{unit}/atom" if unit else "1/atom"

    def spectrum(self, name: str, temperature: float | None = None) -> NDArray[np.float64]:
        """One kind of spectra at one temperature.

        Parameters
        ----------
        name : str
            Name of the spectra.
        temperature : float, optional
            K, one of the table. Not needed if the table has only one.

        Returns
        -------
        array (n_rows, n_photon_energies)

        Raises
        ------
        ValueError
            If the table has no such spectra or temperature.
        """
        check_arguments(temperature=temperature)
        if name not in self.spectra:
            raise ValueError(f"The table has no spectra {name!r}; ask derive_properties for photon_energies.")
        return self.spectra[name][:, self._place(temperature), :]

    def _place(self, temperature: float | None) -> int:
        if temperature is None and len(self.temperatures) == 1:
            return 0
        known = ", ".join(f"{t:g}" for t in self.temperatures)
        wanted = np.nan if temperature is None else temperature
        found = np.flatnonzero(np.isclose(self.temperatures, wanted, rtol=1e-9))
        if not found.size:
            raise ValueError(f"temperature must be one of {known} K; got {temperature}.")
        return int(found[0])

    def per_atom(self) -> PropertyTable:
        """Divide what grows with the number of atoms by that number.

        Returns
        -------
        PropertyTable
            The table itself if its rows are atoms, or it is per atom already.

        Raises
        ------
        ValueError
            If the numbers of atoms are not known.
        """
        if self.structure_index is not None or self.facts.get("per_atom"):
            return self
        if self.n_atoms is None:
            raise ValueError("This table does not know the numbers of atoms: make the DOS with n_atoms=....")
        columns = {
            name: values / self.n_atoms.reshape((-1,) + (1,) * (values.ndim - 1))
            if QUANTITIES[name].extensive
            else values
            for name, values in self.columns.items()
            if name != PER_CELL
        }
        squared = (self.n_atoms**2)[:, None, None]  # pairs of states
        spectra = {name: values / squared for name, values in self.spectra.items()}
        return PropertyTable(
            self.temperatures,
            columns,
            self.names,
            self.n_atoms,
            photon_energies=self.photon_energies,
            spectra=spectra,
            facts={**self.facts, "per_atom": True},
            notes=self.notes,
        )

    def spread(self, rows: NDArray[np.bool_], names: list[str], n_atoms: NDArray[np.int64] | None) -> PropertyTable:
        """Put the rows of this table at their places among more structures.

        Parameters
        ----------
        rows : array (n_structures,) of bool
            True at the places of this table's rows.
        names : list of str (n_structures,)
            Names of all structures.
        n_atoms : array (n_structures,) of int, or None
            Atoms of all structures.

        Returns
        -------
        PropertyTable
            NaN for all other structures.

        Raises
        ------
        ValueError
            If the rows of this table are atoms.
        """
        if self.structure_index is not None:
            raise ValueError("Only a table of structures can be spread over more structures; this one is of atoms.")

        def placed(values: NDArray[np.float64]) -> NDArray[np.float64]:
            result = np.full((len(rows), *values.shape[1:]), np.nan)
            result[rows] = values
            return result

        columns, spectra = (
            {name: placed(values) for name, values in each.items()} for each in (self.columns, self.spectra)
        )
        notes = {name: np.full(len(rows), "", dtype=object) for name in self.notes}
        for name, texts in self.notes.items():
            notes[name][rows] = texts
        noted = {name: list(texts) for name, texts in notes.items()}
        return replace(self, columns=columns, names=names, n_atoms=n_atoms, spectra=spectra, notes=noted)

    def records(self) -> Iterator[dict[str, Any]]:
        """Tidy rows, one for each row and temperature.

        Yields
        ------
        dict
            Numbers and texts by name; None instead of NaN. ``notes`` follow as texts, under ``band_gap_note``.
        """
        for row, name in enumerate(self.names):
            first: dict[str, Any] = {"structure": name}
            if self.n_atoms is not None:
                first["n_atoms"] = int(self.n_atoms[row])
            for place, temperature in enumerate(self.temperatures):
                cells = {
                    name: _number(values[row] if values.ndim == 1 else values[row, place])
                    for name, values in self.columns.items()
                }
                notes = {f"{name}_note": texts[row] or None for name, texts in self.notes.items()}
                yield {**first, "temperature": float(temperature), **cells, **notes}

    def noted(self) -> list[tuple[str, str, int]]:
        """Count the notes.

        Returns
        -------
        list of tuple
            Name of the column, note, and number of rows that have it.
        """
        return [
            (name, text, texts.count(text))
            for name, texts in self.notes.items()
            for text in dict.fromkeys(texts)
            if text
        ]

    def to_pandas(self) -> DataFrame:
        """A tidy table, one line for each row and temperature.

        Returns
        -------
        pandas.DataFrame
            With the units of the columns in ``.attrs["units"]``.
        """
        from pandas import DataFrame

        frame = DataFrame.from_records(list(self.records()))
        frame.attrs["units"] = {name: self.unit(name) for name in self.columns}
        return frame

    def to_dict(self) -> dict[str, Any]:
        """Everything in the table, in types that JSON can hold.

        Returns
        -------
        dict
            Arrays as nested lists, None instead of NaN.
        """
        return {
            "names": list(self.names),
            **{
                name: getattr(self, name).tolist()
                for name in ("n_atoms", "structure_index", "temperatures", "photon_energies")
                if getattr(self, name) is not None
            },
            "columns": {name: _nested(values) for name, values in self.columns.items()},
            "spectra": {name: _nested(values) for name, values in self.spectra.items()},
            "units": {name: self.unit(name) for name in [*self.columns, *self.spectra]},
            "facts": self.facts,
            "notes": self.notes,
        }

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the table; either the whole file appears, or nothing changes.

        Parameters
        ----------
        path : path
            .csv: the tidy rows, with the unit in square brackets after the name of a column, without spectra.
            .json: all of ``to_dict``, with null for NaN.
            .h5: everything; an array for each column with its ``unit``, and ``facts`` as JSON in an attribute.
        overwrite : bool
            Replace an existing file.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        ValueError
            When ``path`` has another ending, or a table without rows is saved as CSV.
        FileExistsError
            When the file exists and ``overwrite`` is false.
        OSError
            When the file cannot be written.
        """
        path = Path(path)
        check_ending(path)
        if path.suffix == ".csv":
            return save_table(path, self._rows_with_units(), overwrite=overwrite)
        if path.suffix == ".json":
            return save_json(path, self.to_dict(), overwrite=overwrite)
        refuse_existing(path, overwrite)
        buffer = io.BytesIO()  # HDF5 cannot close a file cleanly on a full disk
        with h5py.File(buffer, "w") as file:
            self._fill(file)
        seal(buffer)
        write_buffer(path, buffer, overwrite)
        return path

    def _rows_with_units(self) -> list[dict[str, Any]]:
        units = {"temperature": "K", **{name: self.unit(name) for name in self.columns}}
        return [
            {f"{name} [{units[name]}]" if units.get(name) else name: value for name, value in record.items()}
            for record in self.records()
        ]

    def _fill(self, file: h5py.File) -> None:
        file.attrs["format"] = "ldosml property table"
        file.attrs["facts"] = json.dumps(self.facts)
        file.create_dataset("names", data=[str(name) for name in self.names], dtype=h5py.string_dtype())
        for name in ("n_atoms", "structure_index", "temperatures", "photon_energies"):
            if getattr(self, name) is not None:
                file[name] = getattr(self, name)
        for name, texts in self.notes.items():
            file.create_dataset(f"notes/{name}", data=texts, dtype=h5py.string_dtype())
        for group, arrays in (("columns", self.columns), ("spectra", self.spectra)):
            for name, values in arrays.items():
                file.create_dataset(f"{group}/{name}", data=values).attrs["unit"] = self.unit(name)


def check_ending(path: str | os.PathLike[str]) -> None:
    """Raise ValueError unless ``PropertyTable.save`` knows the ending of ``path``."""
    if Path(path).suffix not in (".csv", ".json", ".h5"):
        raise ValueError(f"Properties are written to .csv, .json or .h5; got {Path(path).name!r}.")


def _number(value: Any) -> float | None:
    return None if np.isnan(value) else float(value)


def _nested(values: NDArray[np.float64]) -> Any:
    """Nested lists, with None for NaN, which JSON does not know."""
    if values.ndim > 1:
        return [_nested(row) for row in values]
    return [_number(value) for value in values]
