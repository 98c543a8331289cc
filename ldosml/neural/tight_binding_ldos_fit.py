"""Fit of the parameters of tight binding to one's own LDOS: to what its spectrum tells a regression."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from ase import Atoms
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ldosml._array import to_numpy
from ldosml._ranges import check_arguments
from ldosml._validation import ParameterError, check_positive, check_shape
from ldosml.descriptors import TightBindingSpectrum
from ldosml.neural.local_spectra import local_spectra
from ldosml.spectra import LDOS
from ldosml.tightbinding import TightBinding, TightBindingParameters
from ldosml.tightbinding.hamiltonian import SHELL_OF, ByOrbital, Orbitals, hamiltonian
from ldosml.tightbinding.local_spectrum import shifted_mesh
from ldosml.tightbinding.parameters import BY_SHELL
from ldosml.tightbinding.shells import N_ELEMENTS, SHELLS
from ldosml.tightbinding.slater_koster import with_excited

_SCALES = {"shifts": 1.0, "pulls": 0.3, "strengths": 0.3, "slopes": 0.5, "overlaps": 0.02, "factors": 0.2}
"""Changes of parameters that count alike, for the steps and for the penalty: about what another fit would change."""

_RATE, _ALPHA_RATE, _LAST = 0.05, 0.2, 0.05  # of Adam; the rates fall to a fraction _LAST along a cosine
_ALPHA = 1e-4  # start of the regularisation
_GAMMA = 0.3  # of the kernel, as in LDOSKernelRidge
_KEPT = 1e-6  # fraction of the variance of the targets that is left out


def fit_tight_binding_to_ldos(
    structures: Sequence[Atoms],
    ldos: LDOS,
    groups: ArrayLike,
    *,
    spectrum: TightBindingSpectrum | None = None,
    k_density: float = 1.5,
    n_steps: int = 30,
    share: float = 1.0,
    penalty: float = 1e-4,
    random_state: int = 0,
) -> TightBindingParameters:
    r"""Fit the parameters to the error of a regression that learns the LDOS from the spectrum of tight binding.

    The loss is the squared L/sigma of kernel ridge regression (the kernel of ``LDOSKernelRidge``, one fit for each
    element) when each group is left out, in closed form, plus a penalty on changes:

    .. math::
        \frac{1}{N \sigma^2} \sum_g \left|(M^{-1})_{gg}^{-1} (M^{-1} Y)_g\right|^2
        + p \sum_j \frac{(\theta_j - \theta_j^0)^2}{s_j^2}, \qquad M = K(\theta) + \alpha

    The spectra need not come close to the LDOS: what counts is which environments they tell apart. The optimizer is
    Adam; alpha is fitted with the parameters.

    Parameters
    ----------
    structures : sequence of ase.Atoms
    ldos : LDOS
        Of all atoms, relative to the Fermi level of each structure, on the energies that are to be learned:
        ``data.refer_to("fermi", low, high).ldos``.
    groups : array (n_structures,)
        What is left out together, ``data.groups``; at least two.
    spectrum : TightBindingSpectrum, optional
        Its energies, width, and parameters, from which the fit starts. The fit diagonalises, whatever its ``r_cut``.
        Default: ``TightBindingSpectrum()``.
    k_density : float
        Points of the mesh per inverse angstrom. Fewer than the descriptor has save time; with far fewer, cells of a few
        atoms are fitted to the noise of the mesh.
    n_steps : int
    share : float
        Fraction of the groups in each step, drawn at random; below 1 for large sets.
    penalty : float
        p. The scales s are from 0.02 (overlaps) to 1 (shifts).
    random_state : int
        Seed of the groups that are drawn.

    Returns
    -------
    TightBindingParameters
        Changed for the elements of the structures, and in the factors that all elements share. NaN for all other
        elements, since the factors do not suit them.

    Raises
    ------
    ValueError
        When shapes do not match, a parameter is out of range, there are fewer than two groups, or an element has no
        parameters to start from.
    TypeError
        For anything but ase.Atoms.

    Examples
    --------
    >>> import ldosml
    >>> data = ldosml.load_dataset("tin-chalcogenides").select(slice(None, None, 16))
    >>> targets = data.refer_to("fermi", -14.0, 4.9).ldos
    >>> fitted = fit_tight_binding_to_ldos(data.structures, targets, data.groups, k_density=0.5, n_steps=1)
    >>> fitted.missing([16, 34, 50, 14])
    ['Si']
    """
    check_arguments(k_density=k_density, n_steps=n_steps, share=share, penalty=penalty, random_state=random_state)
    spectrum = TightBindingSpectrum() if spectrum is None else spectrum
    _check(structures, ldos, groups, k_density, n_steps, share, penalty)
    start = TightBindingParameters.fitted() if spectrum.parameters is None else spectrum.parameters
    energies = torch.from_numpy(spectrum.fit(structures).energies_)
    terms = [StructureTerms.of(atoms, start, k_density) for atoms in structures]
    left_out = LeftOut(structures, ldos, np.asarray(groups))
    values = _Values(start, np.unique(left_out.numbers))
    log_alpha = torch.tensor(np.log(_ALPHA), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam(
        [{"params": values.changes(), "lr": _RATE}, {"params": [log_alpha], "lr": _ALPHA_RATE}], betas=(0.9, 0.95)
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: _LAST + (1 - _LAST) * 0.5 * (1 + np.cos(np.pi * step / n_steps))
    )
    random = np.random.default_rng(random_state)
    for _ in range(n_steps):
        chosen = left_out.some(share, random)
        flat = values.flat()
        rows = torch.cat([terms[s].spectra(flat, energies, spectrum.width) for s in chosen])
        loss = left_out.loss(rows, chosen, torch.exp(log_alpha)) + penalty * values.squares()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return values.parameters()


def _check(
    structures: Sequence[Atoms],
    ldos: LDOS,
    groups: ArrayLike,
    k_density: float,
    n_steps: int,
    share: float,
    penalty: float,
) -> None:
    check_shape("groups", np.asarray(groups), (len(structures),), "n_structures")
    check_shape("ldos", ldos.values, (sum(map(len, structures)), None), "n_atoms of all structures, n_energies")
    if len(np.unique(np.asarray(groups))) < 2:
        raise ValueError("A fit to the error of groups left out needs at least two groups; got one.")
    check_positive("k_density", k_density, "1/angstrom")
    if n_steps < 1:
        raise ParameterError("n_steps", f"must be at least 1; got {n_steps!r}.")
    if not 0 < share <= 1:
        raise ParameterError("share", f"must be above 0, up to 1; got {share!r}.")
    if not 0 <= penalty < np.inf:
        raise ParameterError("penalty", f"must be zero or a positive number; got {penalty!r}.")


def flat_tensors(given: TightBindingParameters) -> TightBindingParameters:
    """Tensors (119 x 5,), (119,) and (n_etas,), with zeros for NaN."""
    tensors = {f.name: torch.from_numpy(np.nan_to_num(getattr(given, f.name)).ravel()) for f in fields(given)}
    return TightBindingParameters(**tensors)


class _Values:
    """Parameters as changes of a start, in units of ``_SCALES``, of some elements."""

    def __init__(self, start: TightBindingParameters, elements: NDArray[np.int64]) -> None:
        self._start, self._elements = start, elements
        by_shell = (elements[:, None] * len(SHELLS) + np.arange(len(SHELLS))).ravel()
        places = {"factors": np.arange(len(start.factors)), "pulls": elements}
        self._places = {name: torch.from_numpy(places.get(name, by_shell)) for name in _SCALES}
        self._changes = {
            name: torch.zeros(len(place), dtype=torch.float64, requires_grad=True)
            for name, place in self._places.items()
        }

    def changes(self) -> list[Tensor]:
        return list(self._changes.values())

    def flat(self) -> TightBindingParameters:
        """As ``flat_tensors``, with the changes."""
        start = flat_tensors(self._start)
        return TightBindingParameters(
            **{
                name: getattr(start, name).index_add(0, self._places[name], _SCALES[name] * change)
                for name, change in self._changes.items()
            }
        )

    def squares(self) -> Tensor:
        return torch.stack([(change**2).sum() for change in self._changes.values()]).sum()

    def parameters(self) -> TightBindingParameters:
        flat = self.flat()
        found = {f.name: getattr(flat, f.name).detach().numpy() for f in fields(flat)}
        others = np.setdiff1d(np.arange(N_ELEMENTS), self._elements)
        for name in BY_SHELL:
            found[name] = found[name].reshape(N_ELEMENTS, len(SHELLS))
            found[name][others] = np.nan
        found["pulls"][others] = 0.0
        return TightBindingParameters(**found)


@dataclass(frozen=True, eq=False)
class StructureTerms:
    """What the Hamiltonians of one structure are made of, as tensors.

    Parameters
    ----------
    waves : Tensor (n_pairs, n_kpoints)
        Phases.
    weights : Tensor (n_kpoints,)
    pairs : Tensor (2, n_pairs)
    logs : Tensor (n_pairs,)
    blocks : Tensor (n_etas, n_pairs, 9, 9)
    orbitals : Orbitals
    n_electrons : float
    """

    waves: Tensor
    weights: Tensor
    pairs: Tensor
    logs: Tensor
    blocks: Tensor
    orbitals: Orbitals
    n_electrons: float

    @classmethod
    def of(cls, atoms: Atoms, start: TightBindingParameters, k_density: float) -> StructureTerms:
        """Terms of one structure on a shifted mesh."""
        model = TightBinding(atoms, start)
        kpoints, weights = shifted_mesh(atoms, k_density)
        terms, given = model.pair_terms(), model.orbitals
        return cls(
            torch.from_numpy(np.exp(2j * np.pi * terms.shifts @ kpoints.T)),
            torch.from_numpy(weights),
            torch.from_numpy(np.stack([terms.first, terms.second])),
            torch.from_numpy(terms.logs),
            torch.from_numpy(terms.blocks),
            Orbitals(*(torch.from_numpy(array) for array in (given.levels, given.shell_of, given.neighbors))),
            model.n_electrons,
        )

    def spectra(self, given: TightBindingParameters, energies: Tensor, width: float) -> Tensor:
        """Local spectra (n_atoms, n_energies); matrices are made again for the derivative, to save memory."""
        tensors = [getattr(given, f.name) for f in fields(given)]
        matrices: Tensor = checkpoint(self._hamiltonians, *tensors, use_reentrant=False)
        return local_spectra(matrices, self.weights, self.n_electrons, energies, width)

    def _hamiltonians(self, *tensors: Tensor) -> Tensor:
        given = TightBindingParameters(*tensors)
        size = len(SHELL_OF)
        slopes = 0.5 * given.slopes[self.orbitals.shell_of].reshape(-1, size)  # (n_atoms, 13)
        first, second = self.pairs
        mean = slopes[first][:, :, None] + slopes[second][:, None, :]
        hopping = with_excited(torch.tensordot(torch.exp(given.factors), self.blocks, dims=1))
        hopping = (1 + self.logs[:, None, None] * mean) * hopping  # (n_pairs, 13, 13)
        n, n_kpoints = len(slopes), self.waves.shape[1]
        parts = self.waves[:, :, None] * hopping.reshape(-1, 1, size * size)
        sums = torch.zeros(n * n, n_kpoints, size * size, dtype=parts.dtype).index_add(0, first * n + second, parts)
        elements = sums.reshape(n, n, n_kpoints, size, size).permute(2, 0, 3, 1, 4)
        elements = elements.reshape(n_kpoints, n * size, n * size)
        return hamiltonian(elements, ByOrbital.of(self.orbitals, given), torch)


class LeftOut:
    """LDOS of all atoms, and the error of its regression when groups are left out."""

    def __init__(self, structures: Sequence[Atoms], ldos: LDOS, groups: NDArray[np.generic]) -> None:
        self._bounds = np.concatenate([[0], np.cumsum([len(atoms) for atoms in structures])])
        self.numbers = np.concatenate([atoms.numbers for atoms in structures]).astype(np.int64)
        self._of_structure = np.unique(groups, return_inverse=True)[1]
        self._groups = np.repeat(self._of_structure, np.diff(self._bounds))
        values = to_numpy(ldos.values).astype(np.float64)
        self._variance = values.var() * values.shape[1]  # of an atom, as in L/sigma
        for z in np.unique(self.numbers):
            values[self.numbers == z] -= values[self.numbers == z].mean(axis=0)
        self._values = torch.from_numpy(_rotated(values))

    def some(self, share: float, random: np.random.Generator) -> NDArray[np.int64]:
        """Structures of a share of the groups."""
        n_groups = int(self._of_structure.max()) + 1
        kept = random.permutation(n_groups)[: max(2, round(share * n_groups))]
        return np.flatnonzero(np.isin(self._of_structure, kept))

    def loss(self, rows: Tensor, chosen: NDArray[np.int64], alpha: Tensor) -> Tensor:
        """Squared L/sigma of the atoms of some structures, whose descriptors are ``rows``."""
        places = np.concatenate([np.arange(self._bounds[s], self._bounds[s + 1]) for s in chosen])
        squares = []
        for z in np.unique(self.numbers[places]):
            own = np.flatnonzero(self.numbers[places] == z)
            squares.append(self._squares(rows[own], places[own], alpha))
        return torch.stack(squares).sum() / (len(places) * self._variance)

    def _squares(self, rows: Tensor, places: NDArray[np.int64], alpha: Tensor) -> Tensor:
        """Sum of the squared errors of atoms of one element, each predicted without its group."""
        inverse = torch.linalg.inv(_kernel(rows) + alpha * torch.eye(len(rows), dtype=rows.dtype))
        duals = inverse @ self._values[places]
        groups = self._groups[places]
        parts = [np.flatnonzero(groups == group) for group in np.unique(groups)]
        errors = [torch.linalg.solve(inverse[part][:, part], duals[part]) for part in parts]
        return (torch.cat(errors) ** 2).sum()


def _kernel(rows: Tensor) -> Tensor:
    """Matern kernel of rows that are scaled to mean squared length 1 about their mean."""
    rows = rows - rows.mean(dim=0)
    rows = rows / torch.sqrt((rows**2).sum(dim=1).mean().clamp(min=1e-12))  # zero for one atom alone
    squares = (rows**2).sum(dim=1)
    distances = torch.sqrt(3 * _GAMMA * (squares[:, None] + squares - 2 * rows @ rows.T).clamp(min=1e-12))
    return (1 + distances) * torch.exp(-distances)


def _rotated(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Principal components, which have the same squared errors as the spectra and are fewer."""
    left, singular, _ = np.linalg.svd(values, full_matrices=False)
    rest = 1 - np.cumsum(singular**2) / (singular**2).sum()
    n_kept = int(np.searchsorted(-rest, -_KEPT)) + 1
    found: NDArray[np.float64] = left[:, :n_kept] * singular[:n_kept]
    return found
