"""Fixtures that several test files share."""

import os
import pickle
from pathlib import Path
from types import SimpleNamespace

import array_api_compat
import numpy as np
import pytest
import strict_device
from ase import Atoms

from ldosml.datasets import LDOSDataset


@pytest.fixture(scope="session")
def real_data():
    """The folder of data that others computed, which the project does not ship."""
    folder = Path(os.environ.get("LDOSML_REAL_DATA", Path(__file__).parents[2] / "shared" / "real"))
    if not folder.is_dir():
        pytest.skip(f"no folder {folder} with others' data (set LDOSML_REAL_DATA)")
    return folder


@pytest.fixture
def elsewhere(monkeypatch):
    """Cross-validations of studies go through pickles, as if to other processes, which would take seconds to start.

    Gives the list of the ``n_jobs`` that they were sent with.
    """
    sent = []

    def ordered(function, items, *, n_jobs):
        for item in items:
            sent.append(n_jobs)
            there, task = pickle.loads(pickle.dumps((function, item)))
            yield pickle.loads(pickle.dumps(there(task)))

    monkeypatch.setattr("ldosml.studies.cross_validation._tasks", SimpleNamespace(ordered=ordered))
    return sent


def gaussian(energies, centre, width):
    return np.exp(-0.5 * ((energies - centre) / width) ** 2) / (width * np.sqrt(2 * np.pi))


@pytest.fixture(scope="session")
def make_dataset():
    """Make a dataset whose spectra are known in closed form: two Gaussian levels for each atom."""

    def levels(structure, atom):
        """Two energies of an atom against its structure's Fermi level, and the electrons in each."""
        return ((-2.0 - 0.1 * atom - 0.03 * structure, 2.0), (1.0 + 0.1 * atom, 1.5))

    def exact(dataset, energies, width, start=0):
        rows = []
        for s, atoms in enumerate(dataset.structures, start):
            rows += [sum(n * gaussian(energies, c, width) for c, n in levels(s, a)) for a in range(len(atoms))]
        return np.array(rows)

    def make(n_atoms=(2, 3, 1, 2, 2, 3), *, width=0.3, step=0.05, stop=5.0, start=0, total=False, **options):
        count = len(n_atoms)
        fermi = 0.3 * np.arange(start, start + count) - 0.4
        energies = np.arange(round((stop + 7.0) / step) + 1) * step - 7.0
        structures = [
            Atoms(
                [14, 14, 6][:n],
                positions=np.arange(3 * n).reshape(n, 3) + 0.1 * s,
                cell=[4, 5, 6 + s],
                pbc=[1, 1, s % 2],
            )
            for s, n in enumerate(n_atoms)
        ]
        ldos = np.array(
            [
                sum(n * gaussian(energies, c + fermi[s], width) for c, n in levels(s + start, a))
                for s in range(count)
                for a in range(n_atoms[s])
            ]
        )
        options = {
            "zero": "code",
            "fermi_energy": fermi,
            "n_electrons": 2.0 * np.array(n_atoms),
            "energy_max": fermi + 3.0 + 0.01 * np.arange(count),
            "names": [f"s{i}" for i in range(start, start + count)],
            "kinds": ["odd" if i % 2 else "even" for i in range(count)],
            "groups": [f"g{(i + start) // 2}" for i in range(count)],
            "smearing_width": width,
            "provenance": {"code": "closed form", "k_density": 4.0},
        } | options
        if total:
            bounds = np.concatenate([[0], np.cumsum(n_atoms)])[:-1]
            return LDOSDataset.from_arrays(structures, energies, dos=np.add.reduceat(ldos, bounds), **options)
        return LDOSDataset.from_arrays(structures, energies, ldos=ldos, **options)

    make.exact = exact
    return make


def cupy_on_a_gpu():
    """CuPy's namespace, where there is a GPU to run it on."""
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed")
    try:
        cupy.cuda.runtime.getDevice()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        pytest.skip(f"CuPy finds no GPU: {error}")
    return array_api_compat.array_namespace(cupy.empty(0))


@pytest.fixture(params=["numpy", "array_api_strict", "torch", pytest.param("cupy", marks=pytest.mark.gpu)])
def xp(request):
    """An array API namespace; the same lines must run on each.

    That of array-api-strict makes its arrays on a device that is not the host, as CuPy does: NumPy cannot read them,
    and they cannot be combined with arrays made without a device.
    """
    if request.param == "array_api_strict":
        yield strict_device.namespace()
    elif request.param == "cupy":
        yield cupy_on_a_gpu()
    elif request.param == "torch":
        torch = pytest.importorskip("torch", reason="torch is not installed")
        default = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        torch.set_warn_always(True)  # not only once in a process, whichever test comes first
        yield array_api_compat.array_namespace(torch.empty(0))
        torch.set_default_dtype(default)
        torch.set_warn_always(False)
    else:
        yield array_api_compat.array_namespace(np.empty(0))
