"""Thermodynamics of the electrons: energy, entropy, heat capacity, susceptibility.

Every function takes spectra, and the chemical potential mu of their structures at the given temperatures from
``chemical_potential``. For an LDOS the result has one row for each atom. The atoms of a structure add up to the result
of its DOS, because they share its mu.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, get_args

from ldosml._array import Array, Numbers, like, namespace, to_numpy
from ldosml._ranges import check_arguments
from ldosml._validation import check_choice
from ldosml.properties._inputs import Temperatures, check_within, n_structures, per_structure, potentials
from ldosml.properties.block import Block
from ldosml.properties.quadrature import Moment, Quadrature, in_order, integrate, rules
from ldosml.properties.reach import Quantity, check_reach
from ldosml.spectra import DOS, LDOS
from ldosml.units import (
    BOHR_MAGNETON,
    BOLTZMANN,
    MILLIJOULES_PER_MOLE,
    MOLAR_SUSCEPTIBILITY,
    SI_SUSCEPTIBILITY,
)

Zero = Literal["grid", "mu"]
"""The energy that counts as zero: the zero of the grid, or the chemical potential."""


def electron_count(spectra: DOS | LDOS, mu: Array, temperature: Numbers, *, quadrature: Quadrature = "auto") -> Array:
    """Number of electrons, N = integral of D f de (equation A1 of the LDOS paper).

    Parameters
    ----------
    spectra : DOS or LDOS
        states/eV, both spins.
    mu : float or array (n_structures,), or (n_structures, n_temperatures) for an array of temperatures
        Chemical potential, eV in the zero of the grid.
    temperature : float or array (n_temperatures,)
        K, above zero.
    quadrature : {"auto", "trapezoid", "gauss", "linear", "forced-trapezoid"}
        See ``ldosml.properties.quadrature``.

    Returns
    -------
    array (n_rows,), or (n_rows, n_temperatures) for an array of temperatures
        Electrons. A row is a structure, or an atom of an LDOS.

    Warns
    -----
    TruncatedDOSWarning
        If states beyond the grid would hold electrons that move mu by more than kT/100; it says how many.
    NegativeDOSWarning
        If more than a hundredth of a DOS is negative.

    Raises
    ------
    ValueError
        If shapes do not match, a temperature is not above zero, or the trapezoid is asked for below kT = step.
    """
    check_arguments(mu=mu, temperature=temperature)
    return _Thermal(spectra, mu, temperature, quadrature, "electrons").moments("count")[0]


def band_energy(
    spectra: DOS | LDOS,
    mu: Array,
    temperature: Numbers,
    *,
    relative_to: Zero = "grid",
    quadrature: Quadrature = "auto",
) -> Array:
    """Sum of the energies of the electrons, U = integral of e D f de (equation A3 of the LDOS paper).

    With ``relative_to="mu"`` it is U - mu N, which does not depend on the zero of energy.

    Parameters
    ----------
    spectra : DOS or LDOS
        states/eV, both spins.
    mu : float or array (n_structures,), or (n_structures, n_temperatures) for an array of temperatures
        Chemical potential, eV in the zero of the grid.
    temperature : float or array (n_temperatures,)
        K, above zero.
    relative_to : {"grid", "mu"}
        The energy that counts as zero: the zero of the grid, or the chemical potential.
    quadrature : {"auto", "trapezoid", "gauss", "linear", "forced-trapezoid"}
        See ``ldosml.properties.quadrature``.

    Returns
    -------
    array (n_rows,), or (n_rows, n_temperatures) for an array of temperatures
        eV. A row is a structure, or an atom of an LDOS.

    Warns
    -----
    TruncatedDOSWarning
        If states beyond the grid would hold electrons that move mu by more than kT/100; it says how many.
    NegativeDOSWarning
        If more than a hundredth of a DOS is negative.

    Raises
    ------
    ValueError
        If shapes do not match, a temperature is not above zero, or the trapezoid is asked for below kT = step.
    """
    check_arguments(mu=mu, temperature=temperature)
    check_choice("relative_to", relative_to, get_args(Zero))
    thermal = _Thermal(spectra, mu, temperature, quadrature, "electrons")
    if relative_to == "mu":
        return thermal.moments("energy")[0]
    energy, count = thermal.moments("energy", "count")
    return energy + thermal.row_mu * count


def entropy(spectra: DOS | LDOS, mu: Array, temperature: Numbers, *, quadrature: Quadrature = "auto") -> Array:
    """Electronic entropy, S = -k_B integral of D (f ln f + (1-f) ln(1-f)) de.

    Parameters
    ----------
    spectra : DOS or LDOS
        states/eV, both spins.
    mu : float or array (n_structures,), or (n_structures, n_temperatures) for an array of temperatures
        Chemical potential, eV in the zero of the grid.
    temperature : float or array (n_temperatures,)
        K, above zero.
    quadrature : {"auto", "trapezoid", "gauss", "linear", "forced-trapezoid"}
        See ``ldosml.properties.quadrature``.

    Returns
    -------
    array (n_rows,), or (n_rows, n_temperatures) for an array of temperatures
        eV/K. A row is a structure, or an atom of an LDOS.

    Warns
    -----
    TruncatedDOSWarning
        If states beyond the grid would have more than a hundredth of the entropy; it says how much.
    NegativeDOSWarning
        If more than a hundredth of a DOS is negative.

    Raises
    ------
    ValueError
        If shapes do not match, a temperature is not above zero, or the trapezoid is asked for below kT = step.
    """
    check_arguments(mu=mu, temperature=temperature)
    return BOLTZMANN * _Thermal(spectra, mu, temperature, quadrature, "entropy").moments("entropy")[0]


def free_energy(
    spectra: DOS | LDOS,
    mu: Array,
    temperature: Numbers,
    *,
    relative_to: Zero = "grid",
    quadrature: Quadrature = "auto",
) -> Array:
    """Electronic free energy, F = U - T S.

    N. D. Mermin, Phys. Rev. 137, A1441 (1965). With ``relative_to="mu"`` it is the grand potential, U - T S - mu N.

    Parameters
    ----------
    spectra : DOS or LDOS
        states/eV, both spins.
    mu : float or array (n_structures,), or (n_structures, n_temperatures) for an array of temperatures
        Chemical potential, eV in the zero of the grid.
    temperature : float or array (n_temperatures,)
        K, above zero.
    relative_to : {"grid", "mu"}
        The energy that counts as zero: the zero of the grid, or the chemical potential.
    quadrature : {"auto", "trapezoid", "gauss", "linear", "forced-trapezoid"}
        See ``ldosml.properties.quadrature``.

    Returns
    -------
    array (n_rows,), or (n_rows, n_temperatures) for an array of temperatures
        eV. A row is a structure, or an atom of an LDOS.

    Warns
    -----
    TruncatedDOSWarning
        If states beyond the grid would have more than a hundredth of the electrons or entropy; it says how much.
    NegativeDOSWarning
        If more than a hundredth of a DOS is negative.

    Raises
    ------
    ValueError
        If shapes do not match, a temperature is not above zero, or the trapezoid is asked for below kT = step.
    """
    check_arguments(mu=mu, temperature=temperature)
    check_choice("relative_to", relative_to, get_args(Zero))
    thermal = _Thermal(spectra, mu, temperature, quadrature, "electrons", "entropy")
    energy, disorder, count = thermal.moments("energy", "entropy", "count")
    grand = energy - thermal.row_kT * disorder
    return grand if relative_to == "mu" else grand + thermal.row_mu * count


def heat_capacity(spectra: DOS | LDOS, mu: Array, temperature: Numbers, *, quadrature: Quadrature = "auto") -> Array:
    """Electronic heat capacity at fixed number of electrons, C = dU/dT = (J_2 - J_1^2/J_0)/T.

    J_n = integral of (e - mu)^n D (-df/de) de. Equation A4 of the LDOS paper does not say how mu depends on T. Here mu
    keeps the number of electrons, d mu/dT = -J_1/(T J_0); at fixed mu the result would depend on the zero of energy.
    The share of an atom i is (J_2i - J_1i J_1/J_0)/T. For T -> 0, C -> gamma T: see ``sommerfeld_coefficient``.

    Parameters
    ----------
    spectra : DOS or LDOS
        states/eV, both spins.
    mu : float or array (n_structures,), or (n_structures, n_temperatures) for an array of temperatures
        Chemical potential, eV in the zero of the grid.
    temperature : float or array (n_temperatures,)
        K, above zero.
    quadrature : {"auto", "trapezoid", "gauss", "linear", "forced-trapezoid"}
        See ``ldosml.properties.quadrature``.

    Returns
    -------
    array (n_rows,), or (n_rows, n_temperatures) for an array of temperatures
        eV/K. A row is a structure, or an atom of an LDOS.

    Warns
    -----
    TruncatedDOSWarning
        If states beyond the grid would have more than a hundredth of the heat capacity; it says how much.
    NegativeDOSWarning
        If more than a hundredth of a DOS is negative.

    Raises
    ------
    ValueError
        If shapes do not match, a temperature is not above zero, or the trapezoid is asked for below kT = step.
    """
    check_arguments(mu=mu, temperature=temperature)
    thermal = _Thermal(spectra, mu, temperature, quadrature, "heat capacity")
    j1, j2 = thermal.moments("j1", "j2")
    return BOLTZMANN * spread_of(j2, j1 * thermal.drift(), thermal.prepared) / thermal.row_kT


def pauli_susceptibility(
    spectra: DOS | LDOS, mu: Array, temperature: Numbers, *, quadrature: Quadrature = "auto"
) -> Array:
    """Pauli susceptibility of a cell, chi = mu_B^2 J_0 (equation A9 of the LDOS paper).

    J_0 = integral of D (-df/de) de, which goes to D(E_F) for T -> 0. ``volume_susceptibility`` and
    ``molar_susceptibility`` give it in other units.

    Parameters
    ----------
    spectra : DOS or LDOS
        states/eV, both spins.
    mu : float or array (n_structures,), or (n_structures, n_temperatures) for an array of temperatures
        Chemical potential, eV in the zero of the grid.
    temperature : float or array (n_temperatures,)
        K, above zero.
    quadrature : {"auto", "trapezoid", "gauss", "linear", "forced-trapezoid"}
        See ``ldosml.properties.quadrature``.

    Returns
    -------
    array (n_rows,), or (n_rows, n_temperatures) for an array of temperatures
        eV/T^2. A row is a structure, or an atom of an LDOS.

    Warns
    -----
    TruncatedDOSWarning
        If states beyond the grid would have more than a hundredth of the susceptibility; it says how much.
    NegativeDOSWarning
        If more than a hundredth of a DOS is negative.

    Raises
    ------
    ValueError
        If shapes do not match, a temperature is not above zero, or the trapezoid is asked for below kT = step.
    """
    check_arguments(mu=mu, temperature=temperature)
    return BOHR_MAGNETON**2 * _Thermal(spectra, mu, temperature, quadrature, "susceptibility").moments("j0")[0]


def volume_susceptibility(
    spectra: DOS | LDOS, mu: Array, temperature: Numbers, volumes: Array, *, quadrature: Quadrature = "auto"
) -> Array:
    """Pauli susceptibility in SI units, mu_0 mu_B^2 J_0/V.

    It is 6.746e-4 for 1 state/eV/angstrom^3.

    Parameters
    ----------
    spectra : DOS or LDOS
        states/eV, both spins.
    mu : float or array (n_structures,), or (n_structures, n_temperatures) for an array of temperatures
        Chemical potential, eV in the zero of the grid.
    temperature : float or array (n_temperatures,)
        K, above zero.
    volumes : float or array (n_structures,)
        Volumes of the cells, angstrom^3.
    quadrature : {"auto", "trapezoid", "gauss", "linear", "forced-trapezoid"}
        See ``ldosml.properties.quadrature``.

    Returns
    -------
    array (n_rows,), or (n_rows, n_temperatures) for an array of temperatures
        Dimensionless; for an LDOS, the part of each atom in the susceptibility of its cell. A row is a structure, or an
        atom of an LDOS.

    Warns
    -----
    TruncatedDOSWarning
        If states beyond the grid would have more than a hundredth of the susceptibility; it says how much.
    NegativeDOSWarning
        If more than a hundredth of a DOS is negative.

    Raises
    ------
    ValueError
        If shapes do not match, a temperature is not above zero, or the trapezoid is asked for below kT = step.
    """
    check_arguments(mu=mu, temperature=temperature, volumes=volumes)
    thermal = _Thermal(spectra, mu, temperature, quadrature, "susceptibility")
    volume = per_structure("volumes", volumes, spectra, (n_structures(spectra),), "n_structures")
    if not bool(namespace(volume).all(volume > 0)):
        raise ValueError("volumes must be above zero, in angstrom^3; a cell that is not periodic has none.")
    row_volume = thermal.rows(volume[:, None])
    return SI_SUSCEPTIBILITY * thermal.moments("j0")[0] / row_volume


def molar_susceptibility(
    spectra: DOS | LDOS, mu: Array, temperature: Numbers, *, quadrature: Quadrature = "auto"
) -> Array:
    """Pauli susceptibility in cgs units, N_A mu_B^2 J_0.

    It is 3.233e-5 emu/mol for 1 state/eV.

    Parameters
    ----------
    spectra : DOS or LDOS
        states/eV, both spins.
    mu : float or array (n_structures,), or (n_structures, n_temperatures) for an array of temperatures
        Chemical potential, eV in the zero of the grid.
    temperature : float or array (n_temperatures,)
        K, above zero.
    quadrature : {"auto", "trapezoid", "gauss", "linear", "forced-trapezoid"}
        See ``ldosml.properties.quadrature``.

    Returns
    -------
    array (n_rows,), or (n_rows, n_temperatures) for an array of temperatures
        emu for a mole of cells, or of atoms. A row is a structure, or an atom of an LDOS.

    Warns
    -----
    TruncatedDOSWarning
        If states beyond the grid would have more than a hundredth of the susceptibility; it says how much.
    NegativeDOSWarning
        If more than a hundredth of a DOS is negative.

    Raises
    ------
    ValueError
        If shapes do not match, a temperature is not above zero, or the trapezoid is asked for below kT = step.
    """
    check_arguments(mu=mu, temperature=temperature)
    return MOLAR_SUSCEPTIBILITY * _Thermal(spectra, mu, temperature, quadrature, "susceptibility").moments("j0")[0]


def dos_at_fermi_level(spectra: DOS | LDOS, fermi_energy: Array) -> Array:
    """The interpolated DOS at an energy, D(E_F).

    Parameters
    ----------
    spectra : DOS or LDOS
        states/eV, both spins.
    fermi_energy : float or array (n_structures,)
        eV in the zero of the grid: ``fermi_level(...).energy``, or a chemical potential.

    Returns
    -------
    array (n_rows,)
        states/eV.

    Raises
    ------
    ValueError
        If ``fermi_energy`` is not on the grid, or shapes do not match.
    """
    check_arguments(fermi_energy=fermi_energy)
    energy = per_structure("fermi_energy", fermi_energy, spectra, (n_structures(spectra),), "n_structures")
    prepared = Block.of(spectra)
    check_within("fermi_energy", energy, prepared.grid)
    return prepared.rows.density(prepared.of_rows(energy)[:, None])[:, 0]


def sommerfeld_coefficient(spectra: DOS | LDOS, fermi_energy: Array) -> Array:
    """Sommerfeld coefficient, gamma = pi^2/3 k_B^2 D(E_F): the slope of the heat capacity for T -> 0.

    It is 2.3571 mJ/mol/K^2 for 1 state/eV.

    Parameters
    ----------
    spectra : DOS or LDOS
        states/eV, both spins.
    fermi_energy : float or array (n_structures,)
        eV in the zero of the grid: ``fermi_level(...).energy``, or a chemical potential.

    Returns
    -------
    array (n_rows,)
        mJ/mol/K^2, for a mole of cells, or of atoms of an LDOS.

    Raises
    ------
    ValueError
        If ``fermi_energy`` is not on the grid, or shapes do not match.
    """
    check_arguments(fermi_energy=fermi_energy)
    return SOMMERFELD * dos_at_fermi_level(spectra, fermi_energy)


SOMMERFELD = math.pi**2 / 3 * BOLTZMANN**2 * MILLIJOULES_PER_MOLE
"""gamma of 1 state/eV, mJ/mol/K^2."""


class _Thermal:
    """Spectra, chemical potentials and temperatures of one property, and its moments."""

    def __init__(
        self, spectra: DOS | LDOS, mu: Array, temperature: Numbers, quadrature: Quadrature, *quantities: Quantity
    ) -> None:
        self.temperatures = Temperatures.of(temperature)
        self.mu = potentials(spectra, mu, self.temperatures)
        self.prepared = Block.of(spectra)
        self.quadrature = quadrature
        check_reach(self.prepared, self.mu, self.temperatures.kT, quantities)

    def rows(self, values: Array) -> Array:
        """Values of structures (n_structures, n_temperatures or 1), repeated for each row."""
        return self.temperatures.shaped(self.prepared.of_rows(values))

    @property
    def row_mu(self) -> Array:
        return self.rows(self.mu)

    @property
    def row_kT(self) -> Array:
        return self.temperatures.shaped(like(self.mu, self.temperatures.kT)[None, :])

    def moments(self, *wanted: Moment) -> list[Array]:
        """Moments of the rows."""
        kT, xp = self.temperatures.kT, namespace(self.mu)
        blocks = self.prepared.map(
            lambda part, block: moments_of(block, block.of_rows(self.mu[part, :]), kT, wanted, self.quadrature), len(kT)
        )
        return [self.temperatures.shaped(xp.concat([block[name] for block in blocks], axis=0)) for name in wanted]

    def drift(self) -> Array:
        """J_1/J_0 of the structure of each row, -d mu/d ln T, eV."""
        whole = self.prepared.without_shares()
        kT = self.temperatures.kT
        blocks = whole.map(
            lambda part, block: drift_of(moments_of(block, self.mu[part, :], kT, ("j0", "j1"), self.quadrature)),
            len(kT),
        )
        return self.rows(namespace(self.mu).concat(blocks, axis=0))


def moments_of(
    block: Block, mu: Array, kT: Array, wanted: Sequence[Moment], quadrature: Quadrature
) -> dict[Moment, Array]:
    """Moments of the rows of a block, (n_rows, n_temperatures), by the rule of each temperature; ``mu`` is per row."""
    xp, columns = namespace(mu), []
    parts = []
    for rule, places in rules(quadrature, to_numpy(kT), block.grid.step, block.width).items():
        some = xp.stack([mu[:, place] for place in places], axis=1)
        parts.append(integrate(rule, block.rows, some, to_numpy(kT)[places], wanted))
        columns += places
    return {name: in_order(columns, xp.concat([part[name] for part in parts], axis=1)) for name in wanted}


def spread_of(j2: Array, shifted: Array, prepared: Block) -> Array:
    """J_2 - J_1^2/J_0 of rows, ``shifted`` being J_1^2/J_0; never negative for a structure, but perhaps for an atom."""
    spread = j2 - shifted
    return spread if prepared.shares is not None else namespace(spread).clip(spread, 0.0, None)


def drift_of(moments: dict[Moment, Array]) -> Array:
    """J_1/J_0; zero where J_0 is zero, in a wide gap."""
    xp = namespace(moments["j0"])
    some = moments["j0"] > 0
    return xp.where(some, moments["j1"], 0.0 * moments["j1"]) / xp.where(
        some, moments["j0"], xp.ones_like(moments["j0"])
    )
