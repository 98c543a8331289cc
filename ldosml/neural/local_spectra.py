"""Local spectra of Hamiltonians with their derivative, which exists also where levels are degenerate.

The spectrum of atom i at the energy E is a diagonal block of a function of the Hamiltonian, 2 sum_k w_k sum_(mu in i)
[g(E - H_k)]_(mu mu) with a Gaussian g. The derivative of a matrix function has divided differences between eigenvalues
(Daleckii and Krein; N. J. Higham, *Functions of Matrices* (2008), theorem 3.11). Derivatives of single eigenvectors,
which do not exist where levels are degenerate, do not occur.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable

from ldosml.tightbinding.hamiltonian import N_ORBITALS
from ldosml.tightbinding.local_spectrum import frontier_energies

_FAR = 7.0  # widths beyond which a Gaussian is zero
_NEAR = 1e-4  # widths; the error of either formula of a divided difference is below 1e-8 there


def local_spectra(hamiltonians: Tensor, weights: Tensor, n_electrons: float, energies: Tensor, width: float) -> Tensor:
    """Smeared local spectra, relative to the Fermi level of the smeared states.

    Parameters
    ----------
    hamiltonians : Tensor (n_kpoints, n_orbitals, n_orbitals)
        Hermitian, eV; real or complex, double precision.
    weights : Tensor (n_kpoints,)
        Of the k-points; their sum is 1.
    n_electrons : float
        Electrons of the cell.
    energies : Tensor (n_energies,)
        Relative to the Fermi level, eV.
    width : float
        Gaussian width, eV.

    Returns
    -------
    Tensor (n_atoms, n_energies)
        States/eV, both spins. The Fermi level moves with the Hamiltonians, also in the derivative.
    """
    found: Tensor = _LocalSpectra.apply(hamiltonians, weights, n_electrons, energies, width)
    return found


class _LocalSpectra(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: FunctionCtx, hamiltonians: Tensor, weights: Tensor, n_electrons: float, energies: Tensor, width: float
    ) -> Tensor:
        states, vectors = torch.linalg.eigh(hamiltonians)  # (n_kpoints, n), (n_kpoints, n, n)
        n_kpoints, n = states.shape
        electrons = (2 * weights)[:, None].expand(n_kpoints, n)
        frontier = frontier_energies(states.numpy().ravel(), electrons.numpy().ravel(), n_electrons, width)
        squares = (vectors * vectors.conj()).real.reshape(n_kpoints, -1, N_ORBITALS, n)
        shares = (electrons[:, None] * squares.sum(dim=2)).transpose(0, 1)  # (n_atoms, n_kpoints, n)
        off = states - 0.5 * sum(frontier)
        inside = (off > energies[0] - _FAR * width) & (off < energies[-1] + _FAR * width)
        gaussians, _ = _gaussians(off[inside], energies, width)
        ctx.save_for_backward(states, vectors, electrons, shares, inside, energies)
        ctx.frontier, ctx.width = frontier, width
        return shares[:, inside] @ gaussians

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, gradient: Tensor) -> tuple[Tensor, None, None, None, None]:
        states, vectors, electrons, shares, inside, energies = ctx.saved_tensors
        width, frontier = ctx.width, ctx.frontier
        gaussians, slopes = _gaussians(states[inside] - 0.5 * sum(frontier), energies, width)
        # The loss is to first order a sum over atoms of traces tr P_i h_i(H), h_i(x) = sum_E gradient_i(E) g(E - x):
        # with h_i and its derivative at the eigenvalues, energies need no further sum. The divided difference between
        # near levels is the mean of both derivatives.
        h, slope = torch.zeros_like(shares), torch.zeros_like(shares)
        h[:, inside], slope[:, inside] = gradient @ gaussians.T, gradient @ slopes.T
        differences, means = (_of_first(f, vectors) for f in (h, slope))
        steps = states[:, :, None] - states[:, None, :]
        alike = steps.abs() < _NEAR * width
        quotients = (differences - differences.mH) / steps.masked_fill(alike, 1.0)
        inner = torch.where(alike, 0.5 * (means + means.mH), quotients)
        inner *= electrons[:, :1, None]
        at_fermi = sum(_normalized(electrons * torch.exp(-0.5 * ((edge - states) / width) ** 2)) for edge in frontier)
        inner.diagonal(dim1=1, dim2=2).sub_(0.5 * (shares * slope).sum() * at_fermi)
        return vectors @ inner @ vectors.mH, None, None, None, None


def _gaussians(states: Tensor, energies: Tensor, width: float) -> tuple[Tensor, Tensor]:
    """g(E - x) of states x, (n_states, n_energies), 1/eV, and its derivative with x."""
    u = (energies - states[:, None]) / width
    value = torch.exp(-0.5 * u * u) / (width * np.sqrt(2 * np.pi))
    return value, u * value / width


def _of_first(f: Tensor, vectors: Tensor) -> Tensor:
    """Sum over atoms of f_i(a) <a|P_i|b>, (n_kpoints, n, n), with P_i the projection on the orbitals of the atom i."""
    scaled = f.transpose(0, 1).repeat_interleave(N_ORBITALS, dim=1) * vectors
    return scaled.mH @ vectors


def _normalized(x: Tensor) -> Tensor:
    return x / x.sum()
