"""Features of interatomic networks that were trained on many materials before."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Literal, Self, get_args

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from ldosml import _tasks
from ldosml._array import Device
from ldosml._ranges import check_attributes
from ldosml._validation import check_choice, check_finite
from ldosml.descriptors.environments import (
    Environments,
    EnvironmentTransformer,
    atoms_of,
    check_environments,
    n_centers,
)
from ldosml.descriptors.pretrained_networks import (
    NETWORKS,
    TRAINED_ON,
    PretrainedNetwork,
    check_device,
    installed,
    layer_features,
)
from ldosml.fragments import Fragment
from ldosml.regions import Region

NetworkName = Literal["chgnet", "sevenn"]
"""Networks whose weights come with their packages."""


class PretrainedFeatures(EnvironmentTransformer):
    """What a network that was trained on energies and forces of many materials holds of an atom after each layer.

    "chgnet" is CHGNet 0.3.0 (B. Deng et al., Nat. Mach. Intell. 5, 1031 (2023)): 64 numbers after the embedding and
    after each of 4 convolutions, 320 in all. "sevenn" is SevenNet-0 (Y. Park et al., J. Chem. Theory Comput. 20, 4857
    (2024)): 128 scalars after each of 5 convolutions, 640 in all. Both learned from the Materials Project's
    trajectories, of 89 elements: H to Pu without Po, At, Rn, Fr and Ra.

    The features do not change, but for single precision, when the structure is rotated, moved, reordered or repeated.
    SevenNet's may differ between a structure and its mirror image. The numbers have different scales, so put the
    descriptor into ``Whitened``. Molecules, wires and slabs are put into a box whose vacuum is wider than the cutoff,
    so that they do not see their images.

    It needs the extra ``pretrained``, which brings the weights: nothing is downloaded at run time. Features of another
    version of the package may be other features. A fitted descriptor, in a saved model too, refuses to compute them.

    Parameters
    ----------
    network : {"chgnet", "sevenn"}
    device : {"cpu", "cuda"}
        Where the network computes.
    n_jobs : int, optional
        Number of processes, each of which loads the network; the result does not depend on it. None: one, or what the
        surrounding ``on_cluster`` or ``joblib.parallel_config`` says. PyTorch has threads of its own.
    batch_size : int
        Largest number of atoms in a batch. An atom takes up to 0.6 MB in CHGNet, 1.2 MB in SevenNet (copper). A
        structure, fragment or region of more atoms is a batch of its own.

    Attributes
    ----------
    package_ : str
        Package and version of the features, "chgnet 0.4.2".
    n_features_out_ : int

    Notes
    -----
    Two atoms exchange messages up to 6 (CHGNet) or 5 (SevenNet) angstrom, once in each of 4 or 5 convolutions. So an
    atom contributes up to ``reach``: 24 or 25 angstrom. A region or fragment cut there holds thousands of atoms, all of
    which are computed for the sake of its centres. Whole structures are computed once, and are never cut here.

    Examples
    --------
    >>> from ldosml import DOSModel, Whitened
    >>> model = DOSModel(Whitened(PretrainedFeatures("chgnet")))
    """

    def __init__(
        self,
        network: NetworkName = "chgnet",
        device: Device = "cpu",
        n_jobs: int | None = None,
        batch_size: int = 500,
    ) -> None:
        self.network = network
        self.device = device
        self.n_jobs = n_jobs
        self.batch_size = batch_size

    def fit(self, structures: Environments, y: object = None) -> Self:
        """Note the version of the package. Nothing is learned from the structures.

        Parameters
        ----------
        structures : ase.Atoms, Fragment, Region, or iterable of one of them
        y : object
            Not used.

        Returns
        -------
        PretrainedFeatures
            This object, fitted.

        Raises
        ------
        ValueError
            When there is nothing to fit, positions are not finite, the network was not trained on an element, or a
            parameter is out of its range.
        TypeError
            For anything but ase.Atoms, Fragment or Region.
        ImportError
            When the network's package is not installed.
        """
        facts = self._checked_parameters()
        _check_elements(check_environments(structures))
        self.package_ = installed(self.network)
        self.n_features_out_ = facts.n_layers * facts.n_channels
        return self

    def transform(self, structures: Environments) -> NDArray[np.float64]:
        """Compute the features of every atom of every structure, or of the centres of every fragment or region.

        Parameters
        ----------
        structures : ase.Atoms, Fragment, Region, or iterable of one of them
            Periodic where their ``pbc`` says so. Fragments and regions must have been cut at ``reach`` or further out.

        Returns
        -------
        ndarray (n_environments, n_features_out) of float64
            Atom by atom, structure by structure.

        Raises
        ------
        ValueError
            When there are no structures, positions are not finite, two atoms are in one place, the network was not
            trained on an element, a fragment or region is too small, or the package or its version is
            another than at ``fit``.
        TypeError
            For anything but ase.Atoms, Fragment or Region.
        ImportError
            When the network's package is not installed.
        RuntimeError
            When ``device`` is "cuda" and there is no GPU.
        """
        check_is_fitted(self)
        self._checked_parameters()
        self._check_version()
        check_device(self.device)
        listed = check_environments(structures)
        _check_elements(listed)
        self._check_reach(listed)
        task = partial(_centers_of_batch, self.network, self.device)
        X = np.concatenate([*_tasks.ordered(task, _batches(listed, int(self.batch_size)), n_jobs=self.n_jobs)])
        check_finite(f"features of {self.network}", X, "Two atoms may be in one place.")
        return X

    @property
    def reach(self) -> float:
        """Distance from a centre up to which atoms contribute, angstrom: cutoff times number of convolutions."""
        return self._checked_parameters().reach

    def get_feature_names_out(self, input_features: object = None) -> NDArray[np.object_]:
        """Name the features: "chgnet-0-12" is number 12 after the first layer, CHGNet's embedding.

        Parameters
        ----------
        input_features : object
            Not used.

        Returns
        -------
        ndarray (n_features_out,) of str
        """
        check_is_fitted(self)
        facts = self._checked_parameters()
        places = [(layer, channel) for layer in range(facts.n_layers) for channel in range(facts.n_channels)]
        return np.asarray([f"{self.network}-{layer}-{channel}" for layer, channel in places], dtype=object)

    def check_parameters(self) -> None:
        """Check the parameters, as ``fit`` does.

        Raises
        ------
        ValueError
            When a parameter is out of its range.
        """
        self._checked_parameters()

    def _checked_parameters(self) -> PretrainedNetwork:
        """Check the parameters, and give the facts of the network."""
        check_choice("network of PretrainedFeatures", self.network, list(NETWORKS))
        check_choice("device of PretrainedFeatures", self.device, get_args(Device))
        check_attributes(self)
        return NETWORKS[self.network]

    def _check_version(self) -> None:
        """Refuse to give features of another package or version than at the fit."""
        here = installed(self.network)
        if here != self.package_:
            package, _, version = self.package_.partition(" ")
            raise ValueError(
                f"PretrainedFeatures was fitted with {self.package_}; here is {here}. Its features may be others. "
                f"Install the former (pip install {package}=={version}), or fit again."
            )

    def _check_reach(self, listed: list[Any]) -> None:
        what = f'PretrainedFeatures("{self.network}")'
        for item in listed:
            if isinstance(item, Fragment):
                item.require_radius(self.reach, what)
            elif isinstance(item, Region) and item.radius < self.reach:
                raise ValueError(
                    f"{what} reaches {self.reach:g} angstrom; the region was cut at {item.radius:g}. Cut it again with "
                    "radius=descriptor.reach."
                )


def _check_elements(listed: list[Any]) -> None:
    for position, item in enumerate(listed):
        unknown = sorted(set(atoms_of(item).numbers.tolist()) - TRAINED_ON)
        if unknown:
            raise ValueError(
                "The networks were trained on H to Pu without Po, At, Rn, Fr and Ra; item "
                f"{position} contains {', '.join(chemical_symbols[number] for number in unknown)}. Use SOAP."
            )


def _batches(listed: list[Any], size: int) -> Iterator[list[Any]]:
    """Put structures, fragments or regions together until they have ``size`` atoms."""
    batch: list[Any] = []
    held = 0
    for item in listed:
        count = len(atoms_of(item))
        if batch and held + count > size:
            yield batch
            batch, held = [], 0
        batch.append(item)
        held += count
    yield batch


def _centers_of_batch(network: str, device: Device, batch: list[Any]) -> NDArray[np.float64]:
    """Compute the rows of the centres of one batch, (n_centers, n_features)."""
    structures: list[Atoms] = [atoms_of(item) for item in batch]
    features = layer_features(network, device, structures)
    starts = np.cumsum([0, *(len(atoms) for atoms in structures)])
    rows = np.concatenate([start + np.arange(n_centers(item)) for start, item in zip(starts, batch, strict=False)])
    centers: NDArray[np.float64] = features[rows].astype(np.float64)
    return centers
