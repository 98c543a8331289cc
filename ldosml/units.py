"""Constants in the units used inside (eV, angstrom, kelvin, tesla), from CODATA by way of scipy."""

from __future__ import annotations

from scipy import constants

BOLTZMANN: float = constants.physical_constants["Boltzmann constant in eV/K"][0]
"""Boltzmann's constant, eV/K."""

BOHR_MAGNETON: float = constants.physical_constants["Bohr magneton in eV/T"][0]
"""The Bohr magneton, eV/T."""

HBAR2_M: float = constants.hbar**2 / constants.m_e / constants.e * 1e20
"""hbar^2 / m of the free electron, eV angstrom^2."""

MILLIJOULES_PER_MOLE: float = 1000 * constants.eV * constants.Avogadro
"""1 eV a cell in mJ a mole of cells."""

SI_SUSCEPTIBILITY: float = constants.mu_0 * constants.physical_constants["Bohr magneton"][0] ** 2 / constants.eV * 1e30
"""mu_0 mu_B^2 (angstrom^3 eV): turns states/eV/angstrom^3 into the dimensionless volume susceptibility of the SI."""

MOLAR_SUSCEPTIBILITY: float = SI_SUSCEPTIBILITY * 1e-24 * constants.Avogadro / (4 * constants.pi)
"""N_A mu_B^2 (emu/mol eV): turns states/eV a cell into the molar susceptibility in cgs units, cm^3 (emu) a mole."""

PER_CUBIC_CENTIMETRE: float = 1e24
"""1/angstrom^3 in 1/cm^3."""
