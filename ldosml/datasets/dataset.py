"""Structures with their densities of states, and what is known about each."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike, NDArray

from ldosml import _html
from ldosml._array import to_numpy
from ldosml._files import sole_writer
from ldosml._ranges import check_arguments
from ldosml._validation import ParameterError, check_choice, check_finite, check_indices, check_json, check_shape
from ldosml.array_files import real_numbers
from ldosml.dataset_file import read_fields, refusing, write_fields
from ldosml.datasets import export
from ldosml.datasets._arrays import as_dos, as_ldos, copied, fermi_levels, for_each, valence_electrons
from ldosml.datasets._checks import (
    check_label_noise,
    check_labels,
    check_numbers,
    check_rows,
    check_structures,
    check_unique,
    check_width,
)
from ldosml.datasets.alignment import broadened_range, common_grid
from ldosml.datasets.concatenation import concatenate
from ldosml.datasets.fields import arguments_from, fields_of
from ldosml.datasets.splits import Seed, group_folds, split_by_group
from ldosml.energy import EnergyGrid, Zero
from ldosml.spectra import DOS, LDOS
from ldosml.stored_ldos import StoredLDOS

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure
    from pymatgen.electronic_structure.dos import Dos
    from xarray import Dataset

_PICTURED = 50  # structures that stand for all others in a picture; their LDOS may have to be read from a file


@dataclass(frozen=True, eq=False, repr=False)
class LDOSDataset:
    """Structures, the LDOS of their atoms or their DOS (or both), and where it all came from.

    Immutable: every method that changes something gives a new dataset. Usually made by ``from_arrays`` or ``load``.

    Parameters
    ----------
    structures : list of ase.Atoms
    stored_ldos : LDOS, StoredLDOS or None
        What the property ``ldos`` gives, loaded or not. None where only the total DOS is known.
    stored_dos : DOS or None
        What the property ``dos`` gives, where the DOS is not the sum of the LDOS; otherwise None.
    n_electrons : array (n_structures,)
        Valence electrons; NaN where not known.
    fermi_energy : array (n_structures,)
        As the DFT code gave it, eV in the grid's zero; NaN where not known.
    energy_max : array (n_structures,)
        eV in the grid's zero. Above it the number of bands cuts the DOS off: nothing is trained or evaluated there.
        It lies three smearing widths below the lowest top band. Infinite where not known.
    names, kinds, groups : list of str
        The name of each structure, used once; its kind (phase, material), which splits hold in proportion; and its
        group, such as its trajectory, which splits keep together.
    provenance : dict
        Code, functional, cutoff, k-density, script, date ...: anything that JSON can hold.
    label_noise : dict, optional
        {"smearing_width": [...], "ldos": [...], "dos": [...]}: RMSE of the labels at several smearing widths (eV) as
        fractions of their standard deviation. It may hold other entries.
    projected_dos : DOS, optional
        Sum of the atoms' projections before they were scaled to add up to the DOS.
    stored_spin_difference : LDOS or DOS, optional
        Spectra of spin up minus spectra of spin down: a row for each atom if there is an LDOS. See ``of_spin``.

    Raises
    ------
    ValueError, TypeError
        When a field has the wrong type, length or values; the message names it.

    Examples
    --------
    >>> dimer = Atoms("Si2", positions=[[0, 0, 0], [0, 0, 2.35]])
    >>> data = LDOSDataset.from_arrays([dimer], [-1.0, 0.0, 1.0], ldos=[[2, 1, 0], [1, 1, 0]], n_electrons={"Si": 4})
    >>> data.dos.values
    array([[3., 2., 0.]])
    >>> data.n_electrons
    array([8.])
    """

    structures: list[Atoms]
    stored_ldos: LDOS | StoredLDOS | None
    stored_dos: DOS | None
    n_electrons: NDArray[np.float64]
    fermi_energy: NDArray[np.float64]
    energy_max: NDArray[np.float64]
    names: list[str]
    kinds: list[str]
    groups: list[str]
    provenance: dict[str, Any] = field(default_factory=dict)
    label_noise: dict[str, list[float]] | None = None
    projected_dos: DOS | None = None
    stored_spin_difference: LDOS | DOS | None = None

    def __post_init__(self) -> None:
        """Check every field."""
        for name in ("names", "kinds", "groups"):
            self._set(name, check_labels(name, getattr(self, name), len(self)))
        check_structures(self.structures, self.names)
        check_unique(self.names)
        self._set("n_electrons", check_numbers("n_electrons", self.n_electrons, self.names, unknown=np.nan, least=0))
        self._set("fermi_energy", check_numbers("fermi_energy", self.fermi_energy, self.names, unknown=np.nan))
        self._set("energy_max", check_numbers("energy_max", self.energy_max, self.names, unknown=np.inf))
        check_json("provenance", self.provenance)
        check_label_noise(self.label_noise)
        self._set("provenance", deepcopy(self.provenance))  # the caller may change what he gave
        self._set("label_noise", deepcopy(self.label_noise))
        if self.stored_ldos is None and self.stored_dos is None:
            raise ValueError("A dataset needs ldos, dos, or both; got neither.")
        for name, spectra in self._spectra():
            per_atom = name == "ldos" or (name == "spin_difference" and self.stored_ldos is not None)
            check_rows(name, len(spectra), self.structures, per_atom=per_atom)
            spectra.grid.require_match(self.grid, f"{name} and the other spectra")
        if self.stored_ldos is not None and not np.array_equal(self.stored_ldos.n_atoms, self.n_atoms):
            raise ValueError("structure_index of ldos does not follow the atoms of the structures one after another.")

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def _spectra(self) -> Iterator[tuple[str, LDOS | StoredLDOS | DOS]]:
        for name, spectra in (
            ("ldos", self.stored_ldos),
            ("dos", self.stored_dos),
            ("projected_dos", self.projected_dos),
            ("spin_difference", self.stored_spin_difference),
        ):
            if spectra is not None:
                yield name, spectra

    @classmethod
    def from_arrays(
        cls,
        structures: Sequence[Atoms],
        energies: ArrayLike,
        *,
        ldos: ArrayLike | None = None,
        dos: ArrayLike | None = None,
        projected_dos: ArrayLike | None = None,
        zero: Zero = "fermi",
        fermi_energy: ArrayLike | None = None,
        n_electrons: ArrayLike | Mapping[str, float] | None = None,
        energy_max: ArrayLike | None = None,
        names: Sequence[str] | None = None,
        kinds: Sequence[str] | None = None,
        groups: Sequence[str] | None = None,
        smearing_width: float | None = None,
        provenance: Mapping[str, Any] | None = None,
        label_noise: Mapping[str, Any] | None = None,
    ) -> LDOSDataset:
        """Make a dataset from arrays of any program.

        Parameters
        ----------
        structures : sequence of ase.Atoms
            Copied, without calculators.
        energies : array (n_energies,)
            eV, ascending in equal steps, one axis for all structures.
        ldos : array (n_environments, n_energies), optional
            states/eV/atom, both spins; rows atom by atom, structure by structure.
        dos, projected_dos : array (n_structures, n_energies), optional
            states/eV, both spins. Give ``dos`` where there is no ``ldos`` or where its sum is not the DOS.
        zero : {"fermi", "average_potential", "vacuum", "code"}
            What an energy of zero is.
        fermi_energy, energy_max : array (n_structures,) or float, optional
            eV in that zero. Default of ``fermi_energy``: 0 for the zero "fermi", where it must be 0; otherwise
            not known.
        n_electrons : array (n_structures,), or dict, optional
            Valence electrons of each structure, or of each element: ``{"Si": 4}``.
        names, kinds, groups : sequence of str, optional
            Defaults: "structure-0" and so on; all of one kind; each structure its own group.
        smearing_width : float, optional
            Standard deviation of the Gaussian that smeared the spectra, eV.
        provenance, label_noise : dict, optional
            As in the class.

        Returns
        -------
        LDOSDataset

        Raises
        ------
        ValueError, TypeError
            When lengths do not agree, energies are not uniform, an entry is NaN or no real number, or the zero is the
            Fermi level and ``fermi_energy`` is not 0; the message names the field.
        """
        check_arguments(smearing_width=smearing_width)
        structures = [copied(atoms) for atoms in structures]
        if np.ndim(energies) != 1:
            raise ValueError(
                f"energies must be one axis for all structures, (n_energies,); got shape {np.shape(energies)}. "
                "Interpolate the spectra to one grid first."
            )
        grid = EnergyGrid.from_array(real_numbers("energies", energies), zero)
        if smearing_width is not None:
            smearing_width = check_width("smearing_width", smearing_width)
        count = len(structures)
        names = check_labels("names", [f"structure-{i}" for i in range(count)] if names is None else names, count)
        check_structures(structures, names)
        return cls(
            structures,
            None if ldos is None else as_ldos(ldos, grid, smearing_width, structures, names),
            None if dos is None else as_dos("dos", dos, grid, smearing_width, structures, names),
            valence_electrons(n_electrons, structures),
            fermi_levels(fermi_energy, zero, names),
            for_each("energy_max", np.inf if energy_max is None else energy_max, count),
            names,
            ["unspecified"] * count if kinds is None else check_labels("kinds", kinds, count),
            list(names) if groups is None else check_labels("groups", groups, count),
            dict(provenance or {}),
            None if label_noise is None else dict(label_noise),
            None
            if projected_dos is None
            else as_dos("projected_dos", projected_dos, grid, smearing_width, structures, names),
        )

    @classmethod
    def from_runs(
        cls,
        paths: Sequence[str | os.PathLike[str]] | str | os.PathLike[str],
        *,
        smearing_width: float = 0.1,
        step: float = 0.05,
        groups: Literal["folder", "run"] | Sequence[str] = "folder",
    ) -> LDOSDataset:
        """Read the output of DFT runs.

        Eigenvalues and projections are smeared where the code wrote them, otherwise what it printed. See
        ``ldosml.readers`` for the codes. Runs that cannot be read are left out, with a warning.

        Parameters
        ----------
        paths : path or sequence of paths
            Files of runs, and folders, which are walked. Each run is one structure, named by its folder.
        smearing_width, step : float
            Standard deviation of the whole smearing, and step of the energies, eV.
        groups : {"folder", "run"} or sequence of str
            What splits keep together: runs whose folders lie in one folder, nothing, or as listed.

        Returns
        -------
        LDOSDataset
            In the codes' own zero, with ``fermi_energy``. The LDOS adds up to the DOS, ``projected_dos`` tells how much
            of it the code had projected, and ``of_spin`` gives the spins of spin-polarised runs. The LDOS is left out
            where a run has none.

        Raises
        ------
        ValueError
            When no run can be read, or ``smearing_width`` is below a third of the step.

        Warns
        -----
        UnreadRunWarning
            When runs cannot be read.
        ContradictoryRunWarning
            When numbers of a run contradict each other, or runs differ in what they have.
        """
        check_arguments(smearing_width=smearing_width, step=step)
        from ldosml.datasets.runs import import_runs

        given = [paths] if isinstance(paths, str | os.PathLike) else paths
        return import_runs(given, smearing_width=smearing_width, step=step, groups=groups).dataset

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> LDOSDataset:
        """Open a dataset file.

        The LDOS is read on first use, and only for the structures that are still selected then.

        Parameters
        ----------
        path : path
            A file that ``save``, ``LDOS.save`` or ``predict_to`` wrote, .h5.

        Returns
        -------
        LDOSDataset

        Raises
        ------
        FileNotFoundError
            When there is no such file.
        ValueError
            When it is not a dataset of this format, or damaged; the message names the field at fault.
        """
        fields = read_fields(path)
        with refusing(path):
            return cls(**arguments_from(fields))

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write a dataset file: either the whole file appears, or nothing changes.

        Parameters
        ----------
        path : path
            The file, .h5. Spectra are stored in float32.
        overwrite : bool
            Replace the file where it exists.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        FileExistsError
            When the file exists and ``overwrite`` is false.
        OSError
            When it cannot be written (disk full, no permission).
        """
        return write_fields(path, fields_of(self), overwrite=overwrite)

    @cached_property
    def ldos(self) -> LDOS | None:
        """The atoms' shares of the DOS, loaded on first use; None where only the total DOS is known."""
        if isinstance(self.stored_ldos, StoredLDOS):
            values, width = self.stored_ldos.load(), self.stored_ldos.smearing_width
            return LDOS(self.grid, values, width, self.structure_index, self.numbers)
        return self.stored_ldos

    @cached_property
    def dos(self) -> DOS:
        """The densities of states: those stored, otherwise the sums of the LDOS."""
        if self.stored_dos is not None:
            return self.stored_dos
        assert self.ldos is not None  # one of the two is there, as __post_init__ checked
        return self.ldos.total()

    def of_spin(self, spin: Literal["up", "down"]) -> LDOSDataset:
        """The spectra of one spin of spin-polarised runs.

        Parameters
        ----------
        spin : {"up", "down"}

        Returns
        -------
        LDOSDataset
            Its spectra say their ``spin``. ``n_electrons`` is not known.

        Raises
        ------
        ValueError
            When the dataset holds no spins.
        """
        difference = self.stored_spin_difference
        if difference is None:
            raise ValueError("The dataset holds no spins; import spin-polarised runs, apart from others, to have them.")
        check_choice("spin", spin, ("up", "down"))
        sign = 1 if spin == "up" else -1

        def half(spectra: Any) -> Any:
            own = type(spectra) is type(difference)
            rows = difference.values if own else difference.total().values  # type: ignore[union-attr]  # an LDOS
            return replace(spectra, values=(spectra.values + sign * rows) / 2, spin=spin)

        return replace(
            self,
            stored_ldos=None if self.ldos is None else half(self.ldos),
            stored_dos=None if self.stored_dos is None else half(self.stored_dos),
            projected_dos=None,
            stored_spin_difference=None,
            n_electrons=np.full(len(self), np.nan),
        )

    @property
    def grid(self) -> EnergyGrid:
        """The energies."""
        return next(self._spectra())[1].grid

    @property
    def smearing_width(self) -> float | None:
        """Standard deviation of the Gaussian that smeared the spectra, eV; None where not known."""
        return next(self._spectra())[1].smearing_width

    @property
    def n_atoms(self) -> NDArray[np.int64]:
        """Number of atoms of each structure, (n_structures,)."""
        return np.array([len(atoms) for atoms in self.structures], dtype=np.int64)

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Atomic numbers of all atoms, (n_environments,)."""
        return np.concatenate([atoms.numbers for atoms in self.structures]).astype(np.int64)

    @property
    def structure_index(self) -> NDArray[np.int64]:
        """The structure that each environment belongs to, (n_environments,)."""
        return np.repeat(np.arange(len(self)), self.n_atoms)

    def __len__(self) -> int:
        """Count the structures."""
        return len(self.structures)

    def select(self, indices: Sequence[int] | Sequence[bool] | NDArray[Any] | slice) -> LDOSDataset:
        """Keep some structures, in the order given.

        Parameters
        ----------
        indices : sequence of int, mask (n_structures,) of bool, or slice
            Each structure once at most.

        Returns
        -------
        LDOSDataset

        Raises
        ------
        TypeError, ValueError, IndexError
            For anything else, a mask of another length or no structure at all, and a structure that is not there.
        """
        chosen = check_indices(indices, len(self))
        # Rows that are in memory already are not read again.
        ldos = self.__dict__.get("ldos", self.stored_ldos)
        return replace(
            self,
            structures=[self.structures[i] for i in chosen],
            stored_ldos=None if ldos is None else ldos.select(chosen),
            stored_dos=_select(self.stored_dos, chosen),
            projected_dos=_select(self.projected_dos, chosen),
            stored_spin_difference=_select(self.stored_spin_difference, chosen),
            n_electrons=self.n_electrons[chosen],
            fermi_energy=self.fermi_energy[chosen],
            energy_max=self.energy_max[chosen],
            names=[self.names[i] for i in chosen],
            kinds=[self.kinds[i] for i in chosen],
            groups=[self.groups[i] for i in chosen],
        )

    def split(self, test_size: float = 0.2, random_state: Seed = 0) -> tuple[LDOSDataset, LDOSDataset]:
        """Split into a training and a test set by whole groups, each kind in about the same proportion.

        Parameters
        ----------
        test_size : float
            Fraction of the structures to hold out, met as nearly as whole groups allow.
        random_state : int, numpy.random.Generator or None
            Seed of the draw.

        Returns
        -------
        train, test : LDOSDataset

        Raises
        ------
        ValueError
            When ``test_size`` is not between 0 and 1, or there is one group only.
        """
        check_arguments(test_size=test_size, random_state=random_state)
        train, test = split_by_group(self.kinds, self.groups, test_size, random_state)
        return self.select(train), self.select(test)

    def folds(
        self, n_splits: int = 5, random_state: int | None = 0
    ) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Give the folds of a cross-validation by whole groups, stratified by kind.

        Parameters
        ----------
        n_splits : int
            Number of folds.
        random_state : int or None
            Seed of the draw.

        Returns
        -------
        list of (train, test)
            Indices of structures, (n_train,) and (n_test,). Every structure is in one test part.

        Raises
        ------
        ValueError
            When there are fewer groups than folds.
        """
        check_arguments(n_splits=n_splits, random_state=random_state)
        return group_folds(self.kinds, self.groups, n_splits, random_state)

    def change_spectra(self, change: Callable[[Any], Any], **fields: Any) -> LDOSDataset:
        """Give the dataset with all its spectra changed alike, and other fields as given.

        Parameters
        ----------
        change : callable
            From an LDOS or DOS to another of the same rows.
        **fields
            Fields of the dataset to replace.

        Returns
        -------
        LDOSDataset
        """
        return replace(
            self,
            stored_ldos=None if self.ldos is None else change(self.ldos),
            stored_dos=None if self.stored_dos is None else change(self.stored_dos),
            projected_dos=None if self.projected_dos is None else change(self.projected_dos),
            stored_spin_difference=(
                None if self.stored_spin_difference is None else change(self.stored_spin_difference)
            ),
            **fields,
        )

    def broaden_to(self, width: float) -> LDOSDataset:
        """Broaden all spectra to a smearing width; ``energy_max`` sinks accordingly.

        Beyond the stored energies a spectrum counts as zero. So at each end of the grid where some DOS is above 1e-4
        of its maximum, the spectra would come out too low within ``3 * sqrt(width**2 - present**2)`` of the end. The
        grid of the whole dataset loses these energies. States beyond a gap at an end are not noticed: store such
        energies, too.

        Parameters
        ----------
        width : float
            Standard deviation of the whole smearing, eV.

        Returns
        -------
        LDOSDataset

        Raises
        ------
        TypeError, ValueError
            When ``width`` is no positive number, when the present width is not known or is larger, or when no energies
            would be left.
        """
        check_arguments(width=width)
        width = check_width("width", width)
        present = self.smearing_width
        # A DOS that ends at a top band is complete up to three smearing widths below it.
        sunk = self.energy_max if present is None else self.energy_max - 3 * (width - present)
        low, high = broadened_range(self.dos, width)
        return self.change_spectra(lambda spectra: spectra.broaden_to(width).cut(low, high), energy_max=sunk)

    def refer_to(
        self,
        zero: Zero = "fermi",
        low: float | None = None,
        high: float | None = None,
        *,
        zeros: ArrayLike | None = None,
    ) -> LDOSDataset:
        """Move every structure to another zero of energy, onto one grid that all of them cover.

        Parameters
        ----------
        zero : {"fermi", "average_potential", "vacuum", "code"}
            The new zero. If it is the present one, the energies are only cut.
        low, high : float, optional
            eV against the new zero. Default: from the larger of three smearing widths and ten steps below the lowest
            energy at which a DOS exceeds 1e-4 of its maximum, to the lowest ``energy_max``, on multiples of the step.
        zeros : array (n_structures,), optional
            Energy of the new zero, eV in the present one. For "fermi" the default is ``fermi_energy``.

        Returns
        -------
        LDOSDataset
            With ``fermi_energy`` and ``energy_max`` against the new zero.

        Raises
        ------
        ValueError
            When a zero is not known, when ``low`` is not below ``high``, or when ``high`` is above the ``energy_max``
            of a structure, above which its DOS is not complete. The message names the structure and the largest
            ``high``.
        """
        check_arguments(low=low, high=high, zeros=zeros)
        shift = self._zeros(zero, zeros)
        grid = common_grid(self.dos, shift, self.energy_max, self.names, zero, low, high)
        cut_only = zero == self.grid.zero and not shift.any()
        return self.change_spectra(
            lambda spectra: spectra.cut(grid.start, grid.stop) if cut_only else spectra.refer_to(shift, grid),
            fermi_energy=self.fermi_energy - shift,
            energy_max=self.energy_max - shift,
        )

    def complete_range(self, zero: Zero = "fermi", *, zeros: ArrayLike | None = None) -> tuple[float, float]:
        """The energies at which the spectra of all structures are stored and complete.

        Parameters
        ----------
        zero, zeros
            As for ``refer_to``.

        Returns
        -------
        low, high : float
            eV against that zero: the range that ``refer_to`` accepts.

        Raises
        ------
        ValueError
            When a zero is not known.
        """
        check_arguments(zeros=zeros)
        shift = self._zeros(zero, zeros)
        ends = np.minimum(self.grid.stop, self.energy_max)
        return float((self.grid.start - shift).max()), float((ends - shift).min())

    def _zeros(self, zero: Zero, zeros: ArrayLike | None) -> NDArray[np.float64]:
        check_choice("zero", zero, get_args(Zero))
        if zeros is not None:
            values = np.asarray(zeros, dtype=float)
            check_shape("zeros", values, (len(self),), "n_structures")
            check_finite("zeros", values)
            return values
        if zero == self.grid.zero:
            return np.zeros(len(self))
        if zero != "fermi":
            raise ParameterError(
                "zero",
                f"cannot be {zero!r}: the energies are relative to {self.grid.zero!r}, and a dataset does not hold the "
                "new zero. Choose another zero, or give its energy in each structure (zeros).",
            )
        if np.isnan(self.fermi_energy).any():
            name = self.names[int(np.argmax(np.isnan(self.fermi_energy)))]
            raise ParameterError(
                "zero",
                f"cannot be 'fermi': the fermi_energy of structure {name!r} is not known. Choose another zero, import "
                "the structure with its fermi_energy, or leave it out.",
            )
        return self.fermi_energy

    @classmethod
    def concatenate(cls, datasets: Sequence[LDOSDataset]) -> LDOSDataset:
        """Join datasets of the same energies, zero and smearing.

        Parameters
        ----------
        datasets : sequence of LDOSDataset

        Returns
        -------
        LDOSDataset
            The provenance of several origins becomes ``{"parts": [...]}``. ``label_noise`` is kept where all agree,
            ``projected_dos`` where all have it.

        Raises
        ------
        ValueError
            When the datasets differ; the message names the field. ``join_alike`` joins datasets that differ in their
            energies.
        """
        return concatenate(datasets)

    def append(self, other: LDOSDataset) -> LDOSDataset:
        """Give this dataset with the structures of another one after its own; see ``concatenate``.

        Parameters
        ----------
        other : LDOSDataset

        Returns
        -------
        LDOSDataset
            The structures of this dataset, then the structures of the other.
        """
        return self.concatenate([self, other])

    def append_to(self, path: str | os.PathLike[str]) -> Path:
        """Add the structures of this dataset to a dataset file, which is made if it is missing.

        Processes that do so at the same time wait for each other, so that nothing is lost.

        Parameters
        ----------
        path : path
            The file, .h5. It is written anew: give many structures at a time.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        ValueError
            When the file is damaged, or differs from this dataset; see ``concatenate``.
        OSError
            When it cannot be written; what was there before is untouched.
        """
        path = Path(path)
        with sole_writer(path, wait=True):
            return (self.load(path).append(self) if path.exists() else self).save(path, overwrite=True)

    def to_ase(self) -> list[Atoms]:
        """Copies of the structures with their spectra, see :func:`ldosml.datasets.export.to_ase`.

        Returns
        -------
        list of Atoms
        """
        return export.to_ase(self)

    def to_xarray(self) -> Dataset:
        """Everything as one labelled ``xarray.Dataset``, see :func:`ldosml.datasets.export.to_xarray`.

        Returns
        -------
        xarray.Dataset
        """
        return export.to_xarray(self)

    def to_pymatgen(self) -> list[tuple[Structure, Dos]]:
        """Give pymatgen's structures and DOS, see :func:`ldosml.datasets.export.to_pymatgen`.

        Returns
        -------
        list of tuple
            pymatgen's Structure and Dos of each structure.
        """
        return export.to_pymatgen(self)

    def summary(self) -> dict[str, Any]:
        """Counts and sizes.

        Returns
        -------
        dict
            Numbers and texts that JSON can hold.
        """
        n_atoms = self.n_atoms
        elements = Counter(symbol for atoms in self.structures for symbol in atoms.symbols)
        return {
            "structures": len(self),
            "environments": int(n_atoms.sum()),
            "groups": len(set(self.groups)),
            "kinds": dict(sorted(Counter(self.kinds).items())),
            "elements": dict(sorted(elements.items())),
            "smallest_structure": int(n_atoms.min()),
            "largest_structure": int(n_atoms.max()),
            "spectra": "LDOS" if self.stored_dos is None else "DOS" if self.stored_ldos is None else "LDOS and DOS",
            "grid": str(self.grid),
            "smearing_width": self.smearing_width,
        }

    def __repr__(self) -> str:
        """Tell in one line what is in it."""
        known = self.summary()
        width = "unknown smearing" if self.smearing_width is None else f"smeared by {self.smearing_width:g} eV"
        kinds = ", ".join(f"{count} {kind}" for kind, count in known["kinds"].items())
        return (
            f"LDOSDataset({known['spectra']} of {len(self)} structures ({kinds}) in {known['groups']} groups, "
            f"{known['environments']} environments of {', '.join(known['elements'])}; {self.grid}; {width})"
        )

    def _repr_html_(self) -> str:
        """What a notebook shows: the facts of the repr, and the DOS of some structures; no other rows are loaded."""
        known = self.summary()
        facts = {
            "spectra": known["spectra"],
            "structures": f"{len(self)} in {known['groups']} groups, of {_span(self.n_atoms)} atoms",
            "kinds": ", ".join(f"{count} {kind}" for kind, count in known["kinds"].items()),
            "environments": ", ".join(f"{count} {symbol}" for symbol, count in known["elements"].items()),
            **self.grid.facts(),
            "smearing": "not known" if self.smearing_width is None else f"{self.smearing_width:g} eV",
        }
        rows = _html.few_rows(len(self), _PICTURED)
        dos = to_numpy(self.select(rows).dos.values) / self.n_atoms[rows, None]
        picture = _html.spectra(self.grid.energies, dos, len(self), "structure", "states/eV/atom")
        return _html.page("LDOSDataset", facts, picture)


def _span(sizes: NDArray[np.int64]) -> str:
    return f"{sizes.min()}" if sizes.min() == sizes.max() else f"{sizes.min()} to {sizes.max()}"


def _select(dos: Any, chosen: NDArray[np.int64]) -> Any:
    """Structures of a DOS or an LDOS, or None."""
    if dos is None:
        return None
    if isinstance(dos, LDOS):
        return dos.select(chosen)
    return replace(dos, values=dos.values[chosen], n_atoms=None if dos.n_atoms is None else dos.n_atoms[chosen])
