"""Interatomic networks that were trained before, whose weights come with their packages: the features of each layer.

Nothing is downloaded. The packages are the extra ``pretrained``; they are imported when a network is first used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from io import StringIO
from threading import Lock
from typing import Any

import numpy as np
from ase import Atoms
from ase.geometry import complete_cell
from numpy.typing import NDArray

from ldosml._array import Device
from ldosml.neighbors import find_neighbors

TRAINED_ON = frozenset(range(1, 95)) - {84, 85, 86, 87, 88}
"""Atomic numbers of the Materials Project's trajectories, by which both networks were trained: H to Pu without Po, At,
Rn, Fr and Ra. CHGNet has weights for these five too, but they never changed from their random start."""

_VACUUM = 1.0
"""Angstrom, beyond the cutoff, between an atom and the images that the box gives it."""

# Hooks and the data of a call belong to one call at a time; Dask runs tasks in threads.
_ONE_AT_A_TIME = Lock()

LayerFeatures = Callable[[Sequence[Atoms]], NDArray[np.float32]]
"""From structures to the features of all layers side by side, (n_atoms, n_features), atom by atom."""


@dataclass(frozen=True)
class PretrainedNetwork:
    """What is known of a network before it is loaded.

    Parameters
    ----------
    package : str
        Name of its package.
    n_layers : int
        Layers whose features are given.
    n_channels : int
        Features of a layer.
    cutoff : float
        Distance up to which two atoms exchange messages, angstrom.
    n_convolutions : int
        How often they do.
    load : callable
        From a device to its ``LayerFeatures``.
    """

    package: str
    n_layers: int
    n_channels: int
    cutoff: float
    n_convolutions: int
    load: Callable[[Device], LayerFeatures]

    @property
    def reach(self) -> float:
        """Distance up to which an atom contributes to the features of another, angstrom."""
        return self.cutoff * self.n_convolutions


def chgnet(device: Device) -> LayerFeatures:
    """Load CHGNet 0.3.0 (B. Deng et al., Nat. Mach. Intell. 5, 1031 (2023)): 64 features after embedding and layers."""
    import torch
    from chgnet.model.model import CHGNet
    from pymatgen.core.structure import Structure

    with redirect_stdout(StringIO()):  # it prints how many parameters it has
        network = CHGNet.load(use_device=device, verbose=False).eval()
    # The features of an atom without neighbours are as well defined as the features of the others.
    network.graph_converter.set_isolated_atom_response("ignore")

    def graph(atoms: Atoms) -> Any:
        boxed = in_box(atoms, float(network.graph_converter.atom_graph_cutoff))
        structure = Structure(boxed.cell.array, boxed.numbers, boxed.positions, coords_are_cartesian=True)
        result = network.graph_converter(structure)
        for each in (result.atom_frac_coord, result.lattice):
            each.requires_grad_(False)
        return result.to(device)

    def features(structures: Sequence[Atoms]) -> NDArray[np.float32]:
        kept: list[Any] = []
        layers = [network.atom_embedding, *network.atom_conv_layers]
        hooks = [layer.register_forward_hook(lambda module, given, result: kept.append(result)) for layer in layers]
        try:
            with torch.no_grad():
                network([graph(atoms) for atoms in structures], task="e")
        finally:
            for hook in hooks:
                hook.remove()
        rows: NDArray[np.float32] = torch.cat(kept, dim=1).cpu().numpy()
        return rows

    return features


def sevennet(device: Device) -> LayerFeatures:
    """Load SevenNet-0 of July 2024 (Y. Park et al., J. Chem. Theory Comput. 20, 4857 (2024)): 128 scalars a layer."""
    import sevenn._keys as keys
    import torch
    from sevenn.util import model_from_checkpoint

    network = model_from_checkpoint("7net-0")[0].to(device).eval()
    cutoff = float(network.cutoff)

    def features(structures: Sequence[Atoms]) -> NDArray[np.float32]:
        first, edges, vectors = 0, [], []
        for atoms in structures:
            i, j, between = find_neighbors("ijD", atoms, cutoff)
            edges.append(np.stack([i, j]) + first)
            vectors.append(between)
            first += len(atoms)
        numbers = np.concatenate([atoms.numbers for atoms in structures])
        data = {
            keys.ATOMIC_NUMBERS: torch.as_tensor(numbers, dtype=torch.int64, device=device),
            keys.EDGE_IDX: torch.as_tensor(np.concatenate(edges, axis=1), dtype=torch.int64, device=device),
            keys.EDGE_VEC: torch.as_tensor(np.concatenate(vectors), dtype=torch.float32, device=device),
        }
        kept = []
        with torch.no_grad():
            # What follows the last gate is the energy and its gradient.
            data = network._preprocess(data)
            for name, module in network.named_children():
                data = module(data)
                if name.endswith("_equivariant_gate"):
                    scalars = module.gate.irreps_out.count("0e")
                    kept.append(data[keys.NODE_FEATURE][:, :scalars])
                    if len(kept) == NETWORKS["sevenn"].n_layers:
                        break
        rows: NDArray[np.float32] = torch.cat(kept, dim=1).cpu().numpy()
        return rows

    return features


NETWORKS = {
    "chgnet": PretrainedNetwork("chgnet", 5, 64, 6.0, 4, chgnet),
    "sevenn": PretrainedNetwork("sevenn", 5, 128, 5.0, 5, sevennet),
}


def installed(name: str) -> str:
    """Give the package of a network and its version, "chgnet 0.4.2"; ImportError where it is missing."""
    package = NETWORKS[name].package
    try:
        return f"{package} {metadata.version(package)}"
    except metadata.PackageNotFoundError:
        raise _missing(name, f"{package} is missing", package) from None


def check_device(device: str) -> None:
    """Raise ImportError where PyTorch is missing, RuntimeError where "cuda" is asked for and there is no GPU."""
    if device == "cpu":
        return
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            "PretrainedFeatures needs PyTorch, which is missing. Install it by\n    pip install 'ldosml[pretrained]'",
            name=error.name,
        ) from error
    if not torch.cuda.is_available():
        raise RuntimeError(
            'device="cuda" of PretrainedFeatures found no usable NVIDIA GPU, or PyTorch is a build without CUDA. Check '
            'nvidia-smi and CUDA_VISIBLE_DEVICES, or set device="cpu".'
        )


def layer_features(name: str, device: Device, structures: Sequence[Atoms]) -> NDArray[np.float32]:
    """Compute the features of all layers of a network, (n_atoms, n_features), for structures in one batch."""
    with _ONE_AT_A_TIME:
        return _loaded(name, device)(structures)


@lru_cache(maxsize=4)
def _loaded(name: str, device: Device) -> LayerFeatures:
    try:
        return NETWORKS[name].load(device)
    except ImportError as error:
        raise _missing(name, f"{error}", error.name) from error


def _missing(name: str, what: str, module: str | None) -> ImportError:
    return ImportError(
        f'PretrainedFeatures("{name}") cannot load its network: {what}. Install what it needs by\n'
        "    pip install 'ldosml[pretrained]'",
        name=module,
    )


def in_box(atoms: Atoms, cutoff: float) -> Atoms:
    """Give the atoms in a cell that repeats along all directions, with vacuum along those that did not.

    Images beyond the vacuum are farther away than ``cutoff``, so that no message of the network comes from there.
    """
    open_axes = np.flatnonzero(~atoms.pbc)
    cell = atoms.cell.array.copy()
    cell[open_axes] = 0.0
    cell = complete_cell(cell)  # type: ignore[no-untyped-call]  # open axes: unit vectors, normal to all others
    for axis in open_axes:
        cell[axis] *= np.ptp(atoms.positions @ cell[axis]) + cutoff + _VACUUM
    boxed = Atoms(numbers=atoms.numbers, positions=atoms.positions, cell=cell, pbc=True)
    # The network computes in single precision: its rounding grows with the distance from the origin.
    boxed.wrap()  # type: ignore[no-untyped-call]
    return boxed
