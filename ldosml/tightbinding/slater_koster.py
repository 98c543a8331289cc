"""Matrix elements between the orbitals of two atoms: Harrison's universal ones, turned as Slater and Koster say.

W. A. Harrison, *Electronic Structure and the Properties of Solids* (1980) and *Elementary Electronic Structure* (1999):
matrix elements between shells at a distance d are V_llm = eta_llm hbar^2 / (m d^2) among s and p, eta hbar^2 r_d^(3/2)
/ (m d^(7/2)) of d with these, and eta hbar^2 (r_d r_d')^(3/2) / (m d^5) among d, with the same eta for all elements;
the dependence on direction is from Slater and Koster, Phys. Rev. 94, 1498 (1954).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ldosml.units import HBAR2_M

Floats = NDArray[np.float64]

ETAS = {
    "ss sigma": -1.40,
    "sp sigma": 1.84,
    "pp sigma": 3.24,
    "pp pi": -0.81,
    "sd sigma": -3.16,
    "pd sigma": -2.95,
    "pd pi": 1.36,
    "dd sigma": -16.2,
    "dd pi": 8.75,
    "dd delta": 0.0,
}
"""Harrison's eta, the same for all elements."""

SYMMETRIES = ("sigma", "pi", "delta")
"""Symmetries of a bond about its axis."""

SYMMETRY_OF = np.array([SYMMETRIES.index(name.split()[1]) for name in ETAS])
"""Symmetry of each of ``ETAS``, (n_etas,)."""

_P, _D = slice(1, 4), slice(4, 9)
_LIKE = np.array([*range(9), *range(4)])  # excited s and p have the same angular part

_ROOT = np.sqrt(3) / 2
_Q = np.zeros((5, 3, 3))  # n Q n are the real harmonics of l = 2; the sum of their squares is 1
for _place, (_i, _j) in enumerate(((0, 1), (1, 2), (0, 2))):
    _Q[_place, _i, _j] = _Q[_place, _j, _i] = _ROOT
_Q[3], _Q[4] = np.diag([_ROOT, -_ROOT, 0.0]), np.diag([-0.5, -0.5, 1.0])


def with_excited(matrices: Floats) -> Floats:
    """Repeat rows and columns of s and p for the excited s and p: matrices (..., 9, 9) to (..., 13, 13)."""
    return matrices[..., _LIKE[:, None], _LIKE]


def blocks(directions: Floats, distances: Floats, radii: Floats) -> Floats:
    """Contributions of each of ``ETAS`` to the matrix elements between the orbitals of two atoms, eV.

    Orbitals are s, p (x, y, z), d, excited s and p. Parameters: see ``basic_blocks``.

    Returns
    -------
    array (n_etas, n_pairs, 13, 13)
    """
    return with_excited(basic_blocks(directions, distances, radii))


def basic_blocks(directions: Floats, distances: Floats, radii: Floats) -> Floats:
    """Contributions of each of ``ETAS`` to the matrix elements between the orbitals of two atoms, eV.

    Orbitals are s, p (x, y, z) and d; excited s and p have the elements of s and p (``with_excited``).

    Parameters
    ----------
    directions : array (n_pairs, 3)
        Unit vectors from the first atom, whose orbitals are rows, to the second.
    distances : array (n_pairs,)
        Angstrom.
    radii : array (n_pairs, 2)
        Radii of the d shells of both, angstrom.

    Returns
    -------
    array (n_etas, n_pairs, 9, 9)
    """
    found = angular_blocks(directions)
    to_d = distances[:, None] ** -1.5 * radii**1.5  # of the d shell of either atom
    size = np.ones((len(distances), 9, 9))
    size[:, : _D.start, _D] = to_d[:, 1, None, None]
    size[:, _D, : _D.start] = to_d[:, 0, None, None]
    size[:, _D, _D] = (to_d[:, 0] * to_d[:, 1])[:, None, None]
    size *= (HBAR2_M / distances**2)[:, None, None]
    found *= size
    found *= np.array(list(ETAS.values()))[:, None, None, None]
    return found


def angular_blocks(directions: Floats) -> Floats:
    """How the matrix elements of each of ``ETAS`` depend on direction.

    Parameters
    ----------
    directions : array (n_pairs, 3)
        Unit vectors from the first atom, whose orbitals are rows, to the second.

    Returns
    -------
    array (n_etas, n_pairs, 9, 9)
        With the signs of orbitals of odd and even l.
    """
    n = directions
    along = np.einsum("ei,aij,ej->ea", n, _Q, n)  # (n_pairs, 5)
    turned = np.einsum("aij,ej->eai", _Q, n)  # (n_pairs, 5, 3)
    found = np.zeros((len(ETAS), len(n), 9, 9))
    ss, sp, pps, ppp, sd, pds, pdp, dds, ddp, ddd = found
    ss[:, 0, 0] = 1.0
    sp[:, 0, _P] = n
    sp[:, _P, 0] = -n
    sigma = n[:, :, None] * n[:, None, :]
    pps[:, _P, _P] = sigma
    ppp[:, _P, _P] = np.eye(3) - sigma
    sd[:, 0, _D] = sd[:, _D, 0] = along
    sigma = n[:, :, None] * along[:, None, :]
    pi = (2 / np.sqrt(3)) * (turned.transpose(0, 2, 1) - sigma)
    for part, shape in ((pds, sigma), (pdp, pi)):  # (n_pairs, 3, 5)
        part[:, _P, _D] = shape
        part[:, _D, _P] = -shape.transpose(0, 2, 1)
    sigma = along[:, :, None] * along[:, None, :]
    pi = 4 / 3 * (np.einsum("eai,ebi->eab", turned, turned) - sigma)
    for part, shape in ((dds, sigma), (ddp, pi), (ddd, np.eye(5) - sigma - pi)):
        part[:, _D, _D] = shape
    return found
