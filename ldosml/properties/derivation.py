"""All scalar properties in one pass over the spectra."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from ldosml._array import Array, Numbers, as_float64, index_like, like, namespace, spread, to_numpy
from ldosml._ranges import check_arguments
from ldosml._validation import check_positive
from ldosml.properties._inputs import Temperatures, electrons
from ldosml.properties.block import Block
from ldosml.properties.completeness import check_counts
from ldosml.properties.doping import doping_of, warn_of_lost_doping
from ldosml.properties.gap import carrier_densities, default_edges, hidden_gap
from ldosml.properties.given_level import check_level, given_levels
from ldosml.properties.level import TOLERANCE
from ldosml.properties.optics import absorption_spectrum
from ldosml.properties.potential import potentials_of
from ldosml.properties.quadrature import ALL_MOMENTS, Quadrature, choose
from ldosml.properties.quantities import PER_ATOM, PER_CELL
from ldosml.properties.reach import Quantity, check_reach
from ldosml.properties.repair import negative_weight, nonnegative
from ldosml.properties.shape import moments_of_some
from ldosml.properties.spectrum_warnings import HiddenGapWarning, caution
from ldosml.properties.table import PropertyTable
from ldosml.properties.thermodynamics import SOMMERFELD, drift_of, moments_of, spread_of
from ldosml.spectra import DOS, LDOS
from ldosml.units import BOHR_MAGNETON, BOLTZMANN


def derive_properties(
    spectra: DOS | LDOS,
    n_electrons: Numbers,
    temperatures: Numbers,
    *,
    fermi_energy: Numbers | None = None,
    doping: Numbers = 0.0,
    volumes: Numbers | None = None,
    names: Sequence[str] | None = None,
    photon_energies: Numbers | None = None,
    spin_conserving: bool = False,
    quadrature: Quadrature = "auto",
    tolerance: float = TOLERANCE,
) -> PropertyTable:
    """All properties of every structure, or of every atom, at every temperature.

    This is faster than one function after another, because intermediate results are shared. The numbers are the same.

    Parameters
    ----------
    spectra : DOS or LDOS
        states/eV, both spins. For an LDOS, the rows of the table are the atoms and their shares of each property.
    n_electrons : float or array (n_structures,)
        Valence electrons of each structure.
    temperatures : float or array (n_temperatures,)
        K, above zero.
    fermi_energy : float or array (n_structures,), optional
        The level that came with the DOS, eV in the zero of the grid; NaN where not known. Default: 0 eV if the zero of
        the grid is the Fermi level. It is only compared with the level from ``n_electrons``, which all properties use.
    doping, volumes
        As for ``chemical_potential``. ``fermi_level`` and the edges of the gap are of the crystal without doping.
    names : sequence of str (n_structures,), optional
        Names of the structures. Default: "0", "1", ...
    photon_energies : array (n_photon_energies,), optional
        eV. If given, the absorption at these energies is computed for all temperatures.
    spin_conserving : bool, default=False
        As for ``absorption_spectrum``.
    quadrature : {"auto", "trapezoid", "gauss", "linear", "forced-trapezoid"}
        See ``ldosml.properties.quadrature``.
    tolerance : float
        As for ``chemical_potential``.

    Returns
    -------
    PropertyTable
        On the host. Energies are in the zero of the grid. A table of atoms has no numbers of electrons, no gaps and no
        carriers, which belong to structures.

    Warns
    -----
    FermiLevelWarning
        If the level from ``n_electrons`` differs from the level given by more than the larger of the grid's step, the
        smearing and the lowest kT, and both are not in one gap. The one warning for all structures names the levels of
        the worst, the states below each, and the likely cause: ``SpinConventionWarning`` if it is one spin.
    HiddenGapWarning
        If tails of smeared bands fill a gap, see ``hidden_gap``. Its ``band_gap`` is NaN, and ``notes`` say why.
    TruncatedDOSWarning, NegativeDOSWarning
        See ``ldosml.properties.spectrum_warnings``.

    Raises
    ------
    ValueError
        As ``chemical_potential``; if ``fermi_energy`` is not on the grid.

    Examples
    --------
    >>> from ldosml import EnergyGrid
    >>> grid = EnergyGrid.from_range(-9.0, 9.0, 0.05, zero="fermi")
    >>> dos = DOS(grid, 2 * np.exp(-((grid.energies / 3) ** 2))[None, :], smearing_width=0.3)
    >>> table = derive_properties(dos, n_electrons=5.3, temperatures=[10.0, 300.0])
    >>> table.column("chemical_potential", 300.0).round(4), table.column("dos_at_fermi_level").round(4)
    (array([-0.0086]), array([2.]))
    """
    check_arguments(
        n_electrons=n_electrons,
        temperatures=temperatures,
        fermi_energy=fermi_energy,
        doping=doping,
        volumes=volumes,
        photon_energies=photon_energies,
        tolerance=tolerance,
    )
    kelvin, number = Temperatures.of(temperatures), electrons(spectra, n_electrons)
    check_positive("tolerance", tolerance)
    repaired = nonnegative(spectra)
    prepared = Block.of(repaired)
    given = given_levels(prepared, fermi_energy)
    added = doping_of(spectra, doping, volumes)
    check_counts(prepared, number + namespace(added).clip(added, 0.0, None), tolerance, given)
    blocks = prepared.map(
        lambda part, block: _derived(block, number[part], added[part], kelvin.kT, quadrature, tolerance),
        len(kelvin.kT),
    )
    thermal = {name: namespace(number).concat([block.columns[name] for block in blocks]) for name in blocks[0].columns}
    mu = namespace(number).concat([block.mu for block in blocks])
    check_reach(prepared, mu, kelvin.kT, get_args(Quantity))
    level = namespace(number).concat([block.level for block in blocks])
    warn_of_lost_doping([block.count for block in blocks], number)
    in_gap = namespace(number).concat([block.count[1] for block in blocks])
    check_level(prepared, number, level, in_gap, given, float(kelvin.kT.min()), tolerance)
    whole = DOS(prepared.grid, prepared.whole, repaired.smearing_width)
    gaps, notes = _gaps(whole, level)
    columns = {
        **_given(spectra, number),
        "fermi_level": prepared.of_rows(level),
        "valence_edge": prepared.of_rows(gaps["valence_edge"]),
        "conduction_edge": prepared.of_rows(gaps["conduction_edge"]),
        **thermal,
        **_sommerfeld(spectra, thermal["dos_at_fermi_level"]),
        **_shapes(repaired),
    }
    if isinstance(repaired, DOS):
        columns |= {"band_gap": gaps["band_gap"], **_carriers(repaired, gaps, mu, kelvin)}
    if photon_energies is not None:
        photon_energies = to_numpy(as_float64("photon_energies", photon_energies))
        absorbed = absorption_spectrum(
            repaired,
            mu,
            temperature=kelvin.kelvin,
            photon_energies=photon_energies,
            spin_conserving=spin_conserving,
        )
    return PropertyTable(
        kelvin.kelvin,
        {name: np.array(to_numpy(values), dtype=np.float64) for name, values in columns.items()},
        _names(spectra, names),
        _n_atoms(spectra),
        None if isinstance(spectra, DOS) else to_numpy(spectra.structure_index),
        photon_energies,
        {} if photon_energies is None else {"absorption_spectrum": to_numpy(absorbed)},
        _facts(spectra, kelvin, quadrature, tolerance),
        {"band_gap": notes} if isinstance(repaired, DOS) and any(notes) else {},
    )


@dataclass(frozen=True, eq=False)
class _Columns:
    """Columns of the rows of some structures, and the levels and chemical potentials of these structures."""

    columns: dict[str, Array]
    level: Array
    mu: Array
    count: tuple[Array, Array]


def _derived(
    block: Block, number: Array, added: Array, kT: NDArray[np.float64], quadrature: Quadrature, tolerance: float
) -> _Columns:
    solved = potentials_of(block, number, added, kT, quadrature, tolerance)
    mu = solved.mu
    row_mu = block.of_rows(mu)
    found = moments_of(block, row_mu, kT, ALL_MOMENTS, quadrature)
    whole = found if block.index is None else moments_of(block.without_shares(), mu, kT, ("j0", "j1"), quadrature)
    thermal = like(mu, kT)[None, :]
    band_energy = found["energy"] + row_mu * found["count"]
    heat = BOLTZMANN * spread_of(found["j2"], found["j1"] * block.of_rows(drift_of(whole)), block) / thermal
    columns = {
        "dos_at_fermi_level": block.rows.density(block.of_rows(solved.level)[:, None])[:, 0],
        "chemical_potential": row_mu,
        "band_energy": band_energy,
        "band_energy_from_mu": found["energy"],
        "entropy": BOLTZMANN * found["entropy"],
        "free_energy": band_energy - thermal * found["entropy"],
        "heat_capacity": heat,
        "pauli_susceptibility": BOHR_MAGNETON**2 * found["j0"],
    }
    return _Columns(columns, solved.level, mu, solved.count)


def _given(spectra: DOS | LDOS, number: Array) -> dict[str, Array]:
    """Electrons and negative weight of structures; for atoms, the negative weight of each LDOS."""
    if isinstance(spectra, DOS):
        return {"n_electrons": number, "negative_weight": negative_weight(spectra)}
    return {"negative_weight": negative_weight(DOS(spectra.grid, spectra.values))}


def _sommerfeld(spectra: DOS | LDOS, at_level: Array) -> dict[str, Array]:
    """The coefficient per mole of cells, and per mole of atoms where the number of atoms is known."""
    gamma = SOMMERFELD * at_level
    if isinstance(spectra, LDOS):
        return {PER_ATOM: gamma}
    return {PER_CELL: gamma} | ({} if spectra.n_atoms is None else {PER_ATOM: gamma / like(gamma, spectra.n_atoms)})


def _shapes(repaired: DOS | LDOS) -> dict[str, Array]:
    """Center and width of the bands; NaN for an atom whose shares add up to nothing."""
    shape = moments_of_some(repaired)
    return {"band_center": shape.center, "band_width": shape.width}


def _gaps(whole: DOS, level: Array) -> tuple[dict[str, Array], list[str]]:
    """Gap and edges of structures, (n_structures,), and why some have none, in words; one warning for hidden gaps."""
    xp = namespace(level)
    low, high = default_edges(whole, level)
    low, high = (xp.where(xp.isfinite(edge), edge, xp.nan * xp.ones_like(edge)) for edge in (low, high))
    metal, hidden = low == high, hidden_gap(whole, level)
    nothing = xp.nan * low
    gap = xp.where(hidden, nothing, xp.where(metal, xp.zeros_like(low), high - low))
    edges = {"valence_edge": xp.where(metal, nothing, low), "conduction_edge": xp.where(metal, nothing, high)}
    words = f"not resolvable (smearing {whole.smearing_width or 0.0:g} eV)"
    rows = to_numpy(hidden)
    if rows.any():
        _warn_of_hidden(np.flatnonzero(rows), words)
    unknown = np.isnan(to_numpy(gap))
    notes = [words if none else "wider than the grid" if nan else "" for none, nan in zip(rows, unknown, strict=True)]
    return {**edges, "band_gap": gap}, notes


def _warn_of_hidden(rows: NDArray[np.int64], words: str) -> None:
    others = f" and {rows.size - 1} more" if rows.size > 1 else ""
    caution(
        f"The gap of structure {int(rows[0])}{others} is {words}: the DOS at the Fermi level is made by the tails of "
        "the bands at either side. D(E_F), Sommerfeld coefficient, heat capacity and susceptibility are then those "
        "of the smearing, not of the material. Use a smaller smearing.",
        HiddenGapWarning,
    )


def _carriers(repaired: DOS, gaps: dict[str, Array], mu: Array, kelvin: Temperatures) -> dict[str, Array]:
    """Carriers around the middle of each gap; NaN without one, or if it reaches the end of the grid."""
    xp = namespace(mu)
    some = gaps["band_gap"] > 0
    rows = np.flatnonzero(to_numpy(some))
    none = xp.nan * mu
    if not rows.size:
        return {"electrons": none, "holes": none}
    chosen = index_like(mu, rows)
    few = DOS(repaired.grid, xp.take(repaired.values, chosen, axis=0), repaired.smearing_width)
    division = xp.take((gaps["valence_edge"] + gaps["conduction_edge"]) / 2, chosen)
    carriers = carrier_densities(few, xp.take(mu, chosen, axis=0), kelvin.kelvin, division=division)
    electrons, holes = (
        xp.where(some[:, None], spread(n, rows, len(repaired), axis=0), none)
        for n in (carriers.electrons, carriers.holes)
    )
    return {"electrons": electrons, "holes": holes}


def _names(spectra: DOS | LDOS, names: Sequence[str] | None) -> list[str]:
    count = spectra.n_structures if isinstance(spectra, LDOS) else len(spectra)
    structures = [str(place) for place in range(count)] if names is None else [str(name) for name in names]
    if len(structures) != count:
        raise ValueError(f"names must have one name for each of the {count} structures; got {len(structures)}.")
    if isinstance(spectra, DOS):
        return structures
    return [f"{name}:{atom}" for name, n in zip(structures, spectra.n_atoms, strict=True) for atom in range(n)]


def _n_atoms(spectra: DOS | LDOS) -> NDArray[np.int64] | None:
    if isinstance(spectra, LDOS) or spectra.n_atoms is None:
        return None
    return to_numpy(spectra.n_atoms).astype(np.int64)


def _facts(spectra: DOS | LDOS, kelvin: Temperatures, quadrature: Quadrature, tolerance: float) -> dict[str, Any]:
    grid, width = spectra.grid, spectra.smearing_width
    return {
        "energies": str(grid),
        "zero": grid.zero,
        "smearing_width": None if width is None else float(width),
        "quadrature": [choose(quadrature, float(thermal), grid.step, width or 0.0) for thermal in kelvin.kT],
        "tolerance": float(tolerance),
    }
