"""A small set for the tests of studies: molecules of two elements, whose spectra follow from their distances."""

import numpy as np
from ase import Atoms

from ldosml import SOAP, DOSModel, LDOSDataset, LDOSKernelRidge, Whitened

ENERGIES = np.arange(-50, 46) * 0.1
WIDTH = 0.4  # eV
SMALL = SOAP(r_cut=3.0, n_max=3, l_max=2)
REGRESSOR = LDOSKernelRidge("leave-one-group-out", kernel="matern", alphas=[1e-4, 1e-2, 1.0], gamma=1.0)
MODEL = DOSModel(SMALL, REGRESSOR)
WHITENED = DOSModel(Whitened(SMALL), REGRESSOR)


def molecule(symbols, rng):
    """Atoms about 2 angstrom apart, none periodic."""
    corners = 2.0 * np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1]])
    atoms = Atoms(symbols)
    atoms.positions = corners[: len(atoms)] + rng.uniform(-0.3, 0.3, (len(atoms), 3))
    return atoms


def levels(structures, rng, noise=0.02):
    """Three levels an atom, moved by its surroundings, as (n_environments, n_energies); 2.5 electrons an atom."""
    rows = []
    for atoms in structures:
        distances = atoms.get_all_distances(mic=bool(atoms.pbc.any()))
        near = (np.exp(-0.5 * distances) * (atoms.numbers / 14)[None, :]).sum(axis=1) - atoms.numbers / 14
        for number, shift in zip(atoms.numbers, near + noise * rng.normal(size=len(atoms)), strict=True):
            centres = np.array([-2.0, 0.0, 2.0]) - 0.5 * shift + 0.02 * (number - 10)
            weights = np.array([2.0, 1.0, 2.0]) / (WIDTH * np.sqrt(2 * np.pi))
            rows.append(np.exp(-0.5 * ((ENERGIES[:, None] - centres) / WIDTH) ** 2) @ weights)
    return np.array(rows)


def invented(
    n_groups=8, per_group=2, *, seed=0, symbols=("SiC", "Si2C", "SiC2", "Si2C2"), total=False, below=0, **options
):
    """Groups of molecules of one composition each; ``below`` empty energies before the first of the others."""
    rng = np.random.default_rng(seed)
    count = n_groups * per_group
    structures = [molecule(symbols[(s // per_group) % len(symbols)], rng) for s in range(count)]
    ldos = levels(structures, rng)
    bounds = np.cumsum([0, *map(len, structures)])
    spectra = {"dos": np.add.reduceat(ldos, bounds[:-1])} if total else {"ldos": ldos}
    options = {
        "n_electrons": [2.5 * len(atoms) for atoms in structures],
        "groups": [f"g{seed}-{s // per_group}" for s in range(count)],
        "kinds": ["even" if (s // per_group) % 2 == 0 else "odd" for s in range(count)],
        "smearing_width": WIDTH,
    } | options
    energies = np.arange(-50 - below, 46) * 0.1
    spectra = {name: np.pad(values, ((0, 0), (below, 0))) for name, values in spectra.items()}
    return LDOSDataset.from_arrays(structures, energies, **spectra, **options)
