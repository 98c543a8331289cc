"""Embedding of elements by their place in the periodic table and their atomic levels: similar elements are close."""

from __future__ import annotations

import numpy as np
import torch
from ase.data import covalent_radii
from torch import Tensor, nn

from ldosml.tightbinding.shells import N_ELEMENTS, atomic_shells

_NOBLE = np.array([0, 2, 10, 18, 36, 54, 86, 118])
_LONG = 32  # length of the longest rows


def periodic_table() -> Tensor:
    """Features (119, 45) of elements by atomic number: column of the long table, row, electrons, radius.

    Electrons in s, p, d, f, and (last) s + p are those beyond the previous noble gas, in the regular order of filling,
    as fractions of a full subshell; the covalent radius is in angstrom, minus 1.3.
    """
    rows = np.zeros((N_ELEMENTS, _LONG + 7 + 4 + 2))
    for number in range(1, N_ELEMENTS):
        row = int(np.searchsorted(_NOBLE, number))  # from 1
        beyond, length = number - _NOBLE[row - 1], _NOBLE[row] - _NOBLE[row - 1]
        column = beyond - 1 if beyond <= 2 and number != 2 else _LONG - (length - beyond) - 1
        s = min(beyond, 2)
        f = min(max(beyond - 2, 0), 14) if length == _LONG else 0
        d = min(max(beyond - s - f, 0), 10) if length >= 18 else 0
        p = beyond - s - f - d
        filled = (s / 2, p / 6, d / 10, f / 14)
        rows[number, [column, _LONG + row - 1]] = 1.0
        rows[number, _LONG + 7 :] = (*filled, covalent_radii[number] - 1.3, (s + p) / 8)
    return torch.from_numpy(rows.astype(np.float32))


def atomic_levels() -> Tensor:
    """Features (119, 9) of elements by atomic number: for s, p and d the energy in 10 eV, 1 if bound, and the radius.

    They are from ``atomic_shells``; zero where the shell is not bound.
    """
    rows = np.zeros((N_ELEMENTS, 9))
    for number, shells in atomic_shells().items():
        rows[number] = [
            value
            for shell in shells
            for value in ((0.0, 0.0, 0.0) if shell is None else (shell.energy / 10, 1.0, shell.radius))
        ]
    return torch.from_numpy(rows.astype(np.float32))


class ElementEmbedding(nn.Module):
    """Features (n, d) of atomic numbers (n,): a linear map of table and levels, plus a vector for each element.

    The vectors start at zero, so that an element without training data is described by its place in the table. Without
    the table, the vectors start at random.
    """

    table: Tensor

    def __init__(self, d: int, periodic: bool) -> None:
        super().__init__()
        self.own = nn.Embedding(N_ELEMENTS, d)
        self.linear: nn.Module | None = None
        if periodic:
            self.register_buffer("table", torch.cat([periodic_table(), atomic_levels()], dim=1), persistent=False)
            self.linear = nn.Linear(self.table.shape[1], d)
            nn.init.zeros_(self.own.weight)
            nn.init.normal_(self.linear.weight, std=0.3)  # about ten features are not zero

    def forward(self, numbers: Tensor) -> Tensor:
        """Features of each atom."""
        own: Tensor = self.own(numbers)
        return own if self.linear is None else own + self.linear(self.table[numbers])
