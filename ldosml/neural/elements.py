"""Where an element stands in the periodic table, and its atomic levels, so that elements learn from similar ones."""

from __future__ import annotations

import numpy as np
import torch
from ase.data import covalent_radii
from torch import Tensor, nn

from ldosml.neural.atomic import N_ELEMENTS, atomic_shells

_NOBLE = np.array([0, 2, 10, 18, 36, 54, 86, 118])
_LONG = 32  # places of the longest rows


def periodic_table() -> Tensor:
    """Features (119, 45) of elements by atomic number: column of the long table, row, electrons, radius.

    Electrons in s, p, d, f, and (last) s + p are those beyond the noble gas before, as subshells fill in order, in
    parts of what a full one holds; the covalent radius is in angstrom, less 1.3.
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
    """Features (119, 9) of elements by atomic number: of s, p and d, the energy, in 10 eV, whether it is, and radius.

    Of ``atomic_shells``: where bands lie follows from where the levels of the atoms do. Zero where there is no shell.
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
    """Features (n, d) of atomic numbers (n,): linear in those of table and levels, plus what each element adds.

    The latter starts at zero, so that an element that was not trained on is what its place in the table makes it.
    Without the table, every element begins at random, knowing of no other.
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
            nn.init.normal_(self.linear.weight, std=0.3)  # some ten features are not zero: as large as at random

    def forward(self, numbers: Tensor) -> Tensor:
        """Features of each atom."""
        own: Tensor = self.own(numbers)
        return own if self.linear is None else own + self.linear(self.table[numbers])
