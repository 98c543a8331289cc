"""Data of several scripts: parts of the shipped silicon set, and frames of silicon that others computed with VASP."""

import argparse
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.model_selection import GroupKFold

from ldosml import SOAP, LDOSDataset, import_dataset, load_dataset
from ldosml.metrics import normalized_loss

FRACTION = 0.4
QUICK_FRACTION = 0.05


def load_part(fraction: float = FRACTION, **options) -> LDOSDataset:
    """Take the first trajectories of each kind and size; see ``load_dataset``.

    Dense kernels are compared on 40 % (252 structures): many fits of the whole set would take hours.
    """
    data = load_dataset("silicon", **options)
    families = Counter(group.rpartition("-")[0] for group in set(data.groups))
    parts = [group.rpartition("-") for group in data.groups]
    return data.select([int(number) < round(fraction * families[family]) for family, _, number in parts])


def add_vasp_option(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    """Offer --data, the folder that holds ``si_vasp_ldos``."""
    parser.add_argument("--data", type=Path, required=required, help="folder that holds si_vasp_ldos (not shipped)")


def load_vasp(folder: Path) -> LDOSDataset:
    """Read si_vasp_ldos/structures.xyz and ldos.npz: 240 frames of deepmodeling/deepmd-kit, examples/dos.

    ldos.npz holds energies (250,), eV against E_F, and ldos (2400, 250), states/eV/atom. The frames have no
    trajectories: each is its own group.
    """
    folder = folder / "si_vasp_ldos"
    return import_dataset(folder / "structures.xyz", folder / "ldos.npz", energy_max=5.0)


def vasp_folds(data: LDOSDataset) -> list[tuple[np.ndarray, np.ndarray]]:
    """Five shuffled folds of structures."""
    return list(GroupKFold(5, shuffle=True, random_state=0).split(data.names, groups=np.arange(len(data))))


@dataclass(frozen=True)
class Environments:
    """Plain SOAP and LDOS of all atoms of a dataset, from E_F - 14 to E_F + 5 eV, and folds of their rows.

    Parameters
    ----------
    X : ndarray (n_environments, n_features)
    Y : ndarray (n_environments, n_energies)
    index, groups : ndarray (n_environments,)
        Structure and trajectory of each row.
    folds : list of (train, test)
        Rows.
    """

    X: np.ndarray
    Y: np.ndarray
    index: np.ndarray
    groups: np.ndarray
    folds: list[tuple[np.ndarray, ...]]

    @classmethod
    def of(cls, data: LDOSDataset, folds) -> "Environments":
        """Compute the descriptors of a dataset; the folds are of its structures."""
        data = data.refer_to("fermi", -14, 5)
        index = np.asarray(data.structure_index)
        rows = [tuple(np.flatnonzero(np.isin(index, part)) for part in fold) for fold in folds]
        X = SOAP().fit_transform(data.structures)
        return cls(X, data.ldos.values, index, np.asarray(data.groups)[index], rows)

    def losses(self, predicted: np.ndarray) -> dict[str, float]:
        """L/sigma of LDOS and of DOS per atom (equation 15 of the LDOS paper)."""
        true_dos, predicted_dos = self._per_atom(self.Y), self._per_atom(predicted)
        return {
            "LDOS": float(normalized_loss(self.Y, predicted)),
            "DOS per atom": float(normalized_loss(true_dos, predicted_dos)),
        }

    def _per_atom(self, values: np.ndarray) -> np.ndarray:
        total = np.zeros((self.index.max() + 1, values.shape[1]))
        np.add.at(total, self.index, values)
        return total / np.bincount(self.index)[:, None]


def random_environments(index: np.ndarray, n_features: int = 252, n_energies: int = 400):
    """Make descriptors of unit length, alike within a structure, and targets that a kernel can learn, with noise.

    Parameters
    ----------
    index : ndarray (n_environments,)
        The structure of each environment.

    Returns
    -------
    X : ndarray (n_environments, n_features)
    Y : ndarray (n_environments, n_energies)
        The noise grows with the energy.
    """
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(index.max() + 1, 10))[index] + 0.3 * rng.normal(size=(len(index), 10))
    X = latent @ rng.normal(size=(10, n_features)) + 0.2 * rng.normal(size=(len(index), n_features))
    X /= np.linalg.norm(X, axis=1)[:, None]
    Y = (X @ rng.normal(size=(n_features, n_energies))) ** 2
    Y += np.linspace(0.01, 1, n_energies) * rng.normal(size=Y.shape)
    return X, Y
