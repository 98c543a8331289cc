r"""Errors of spectra; each says over what it averages.

The normalised loss is L/sigma of equation 15 of Aryanpour and Sadeghi (2025): L^2 = <(g - g_ref)^2>,
sigma^2 = <(g_ref - <g_ref>)^2>, where <> averages over energies and over the rows of the set. 0 is perfect, and 1 is
what the best constant achieves. RMSE in eV^-1/2 is that of the papers on the total DOS (Ben Mahmoud et al.,
Phys. Rev. B 102, 235130 (2020)): an integral over energy, not an average.
"""

from __future__ import annotations

from typing import Literal, get_args

from ldosml._array import Array, like, namespace
from ldosml._validation import check_choice, check_shape
from ldosml.spectra import DOS, LDOS

Per = Literal["set", "structure", "environment"]
Scale = Literal["set", "own"]


def normalized_loss(true: LDOS | DOS, predicted: LDOS | DOS, *, per: Per = "set", scale: Scale = "set") -> Array:
    """L/sigma of LDOS, or of DOS per atom (equation 15 of the LDOS paper).

    Parameters
    ----------
    true, predicted : LDOS or DOS
        On the same grid and for the same atoms. A DOS that knows its numbers of atoms is compared per atom, so that a
        large structure does not outweigh a small one.
    per : {"set", "structure", "environment"}
        One number for the whole set; or (n_structures,), each the root mean square over its atoms and energies; or
        (n_environments,), each the root mean square over the energies. A DOS has one row per structure.
    scale : {"set", "own"}
        Divide by the standard deviation over the whole set, or over the structure's (environment's) own spectrum.

    Raises
    ------
    ValueError
        When grids or shapes differ, or the true spectra are constant.
    """
    check_choice("per", per, get_args(Per))
    check_choice("scale", scale, get_args(Scale))
    g_ref, g = _aligned(true, predicted)
    xp = namespace(g_ref, g)
    squared = (g - g_ref) ** 2
    variance = (g_ref - xp.mean(g_ref)) ** 2
    if not float(xp.mean(variance)) > 0:
        raise ValueError("The true spectra are constant: a loss cannot be normalised by their zero deviation.")
    if per == "set":
        return float(xp.sqrt(xp.mean(squared) / xp.mean(variance)))
    if per == "environment" and isinstance(true, DOS):
        raise ValueError('A DOS has no environments; use per="structure", or compare LDOS.')
    loss = _row_means(squared, true, per)
    if scale == "set":
        return xp.sqrt(loss / xp.mean(variance))
    return xp.sqrt(loss / _own_variance(g_ref, true, per))


def rmse(true: LDOS | DOS, predicted: LDOS | DOS, *, per: Per = "set") -> Array:
    """Root of the integrated squared error, eV^-1/2 (times states per atom).

    RMSE^2 = < integral (g - g_ref)^2 dE >, averaged over the rows named by ``per`` (see ``normalized_loss``):
    structures for a DOS, which is compared per atom where it knows its numbers of atoms, environments for an LDOS.
    """
    check_choice("per", per, get_args(Per))
    g_ref, g = _aligned(true, predicted)
    xp = namespace(g_ref, g)
    length = true.grid.step * true.grid.size
    squared = (g - g_ref) ** 2 * length
    if per == "set":
        return float(xp.sqrt(xp.mean(squared)))
    return xp.sqrt(_row_means(squared, true, per))


def _aligned(true: LDOS | DOS, predicted: LDOS | DOS) -> tuple[Array, Array]:
    if type(true) is not type(predicted):
        raise ValueError(f"Cannot compare a {type(true).__name__} with a {type(predicted).__name__}.")
    true.grid.require_match(predicted.grid, "True and predicted spectra")
    check_shape("predicted values", predicted.values, true.values.shape, true._axes)
    if isinstance(true, DOS) and true.n_atoms is not None:
        scale = like(true.values, true.n_atoms)[:, None]
        return true.values / scale, predicted.values / scale
    return true.values, predicted.values


def _row_means(values: Array, spectra: LDOS | DOS, per: Per) -> Array:
    """Mean over energies and, per structure, over its atoms."""
    xp = namespace(values)
    rows = xp.mean(values, axis=1)
    if isinstance(spectra, DOS) or per == "environment":
        return rows
    return xp.stack([xp.mean(rows[spectra.rows(s)]) for s in range(spectra.n_structures)])


def _own_variance(g_ref: Array, spectra: LDOS | DOS, per: Per) -> Array:
    mean = _row_means(g_ref, spectra, per)
    return _row_means(g_ref * g_ref, spectra, per) - mean * mean
