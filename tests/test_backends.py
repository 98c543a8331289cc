"""The same numbers wherever the arrays live, and nothing of a fit through the host.

A GPU is stood in for by array-api-strict's second device (see strict_device.py): the host cannot read what lies there.
"""

import ast
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import array_api_compat
import array_api_strict
import numpy as np
import pytest
import scipy.linalg
import strict_device
from ase.build import bulk
from sklearn.base import clone
from sklearn.linear_model import Ridge

from ldosml import (
    LDOS,
    SOAP,
    Cumulative,
    DOSModel,
    EnergyGrid,
    LDOSKernelRidge,
    LDOSRidge,
    Pointwise,
    PrincipalComponents,
    RepresentedRegressor,
    SparseLDOSKernelRidge,
    _array,
    solvers,
)
from ldosml._array import to_numpy

RNG = np.random.default_rng(5)
N_FEATURES, N_ENERGIES = 6, 9
PER_ENERGY = np.logspace(-4, 0, N_ENERGIES)
CHOSEN = "leave-one-group-out"

ESTIMATORS = [
    LDOSRidge(1e-2),
    LDOSRidge(PER_ENERGY),
    LDOSRidge("leave-one-out"),
    LDOSRidge(CHOSEN),
    LDOSKernelRidge(1e-3, kernel="polynomial", gamma=1.0),
    LDOSKernelRidge(PER_ENERGY, kernel="gaussian", gamma=1.0),
    LDOSKernelRidge("leave-one-out", kernel="matern", gamma=1.0),
    LDOSKernelRidge(CHOSEN, alphas=[1e-4, 1e-2, 1.0], kernel="polynomial", gamma=1.0),
    RepresentedRegressor(LDOSKernelRidge(CHOSEN, kernel="polynomial", gamma=1.0), Cumulative(0.1)),
    RepresentedRegressor(LDOSKernelRidge(1e-3, kernel="polynomial", gamma=1.0), PrincipalComponents(4)),
    LDOSRidge(1e-2, learn="dos"),
    LDOSRidge(CHOSEN, learn="dos"),
    LDOSKernelRidge(1e-2, learn="dos", kernel="polynomial", gamma=1.0),
    LDOSKernelRidge(CHOSEN, learn="both", ldos_weight=0.5, kernel="polynomial", gamma=1.0),
    RepresentedRegressor(LDOSKernelRidge(1e-2, learn="dos", kernel="polynomial", gamma=1.0), Cumulative(0.1)),
    SparseLDOSKernelRidge(1e-2, n_inducing=12, kernel="polynomial", gamma=1.0),
    SparseLDOSKernelRidge(CHOSEN, n_inducing=12, kernel="gaussian", selection="cur", gamma=1.0),
]
"""Every estimator that fits arrays."""


def data(n):
    X = RNG.normal(size=(n, N_FEATURES))
    X /= np.linalg.norm(X, axis=1)[:, None]
    return X, np.sin(3 * X @ RNG.normal(size=(N_FEATURES, N_ENERGIES))), np.arange(n) % 7


def name(value):
    """A short name of an estimator, for a test."""
    if isinstance(value, RepresentedRegressor):
        return f"{name(value.regressor)}-{type(value.representation).__name__}"
    if hasattr(value, "alpha"):
        return f"{type(value).__name__}-{value.alpha if np.ndim(value.alpha) == 0 else 'per energy'}"
    return None


def fitted(estimator, X, Y, index):
    """Fit on the LDOS ``Y``, on its sums, or on both: whatever the estimator learns from."""
    learn = getattr(estimator, "regressor", estimator).learn
    if learn == "ldos":
        return clone(estimator).fit(X, Y, groups=index)
    dos = _array.sum_by_index(Y, index, 7)
    if learn == "dos":
        return clone(estimator).fit(X, dos, structure_index=index)
    return clone(estimator).fit(X, Y, dos=dos, structure_index=index)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=name)
def test_fits_and_predicts_the_same_as_numpy(xp, estimator):
    X, Y, index = data(30)
    expected = fitted(estimator, X, Y, index).predict(X[:5] + 0.1)
    predicted = fitted(estimator, xp.asarray(X), xp.asarray(Y), index).predict(xp.asarray(X[:5] + 0.1))
    assert array_api_compat.device(predicted) == array_api_compat.device(xp.asarray(X))
    np.testing.assert_allclose(to_numpy(predicted), expected, atol=1e-9)


@pytest.fixture
def crossings(monkeypatch):
    """Count what leaves the device: whole arrays, which only ``to_numpy`` can move, and single numbers."""
    counted = {"arrays": 0, "numbers": 0}
    strict = type(array_api_strict.asarray(0.0))

    def counting(method, what):
        def call(self, *arguments, **options):
            counted[what] += self.device == strict_device.DEVICE
            return method(self, *arguments, **options)

        return call

    for method in ("to_device", "__array__", "__dlpack__"):
        monkeypatch.setattr(strict, method, counting(getattr(strict, method), "arrays"))
    for method in ("__float__", "__int__", "__bool__", "__index__"):
        monkeypatch.setattr(strict, method, counting(getattr(strict, method), "numbers"))
    return counted


def fit_and_predict(estimator, n):
    xp = strict_device.namespace()
    X, Y, index = data(n)
    fitted(estimator, xp.asarray(X), xp.asarray(Y), index).predict(xp.asarray(X))


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=name)
def test_nothing_of_a_fit_passes_through_the_host(crossings, estimator):
    fit_and_predict(estimator, 20)
    few = crossings["numbers"]
    fit_and_predict(estimator, 60)
    assert crossings["arrays"] == 0
    # Single numbers do, where something is decided by them: a few for each fit and point chosen, whatever its size.
    assert crossings["numbers"] - few == few < 20 + 5 * getattr(estimator, "n_inducing", 0)


def test_the_count_notices_copies(crossings):
    array = strict_device.namespace().asarray([1.0])
    to_numpy(array)
    with pytest.raises(RuntimeError, match="Can't convert array on the"):
        np.asarray(array)
    float(array[0])
    assert crossings == {"arrays": 2, "numbers": 1}


def test_torch_fits_in_double_precision_whatever_its_default():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    assert torch.get_default_dtype() == torch.float32
    X, Y, index = data(30)
    for estimator in ESTIMATORS:
        predicted = fitted(estimator, torch.asarray(X), torch.asarray(Y), index).predict(torch.asarray(X))
        np.testing.assert_allclose(to_numpy(predicted), fitted(estimator, X, Y, index).predict(X), atol=1e-9)


def test_arrays_in_two_places_are_refused(xp):
    X, Y, _ = data(10)
    ridge = LDOSRidge(alpha=1e-3).fit(xp.asarray(X), xp.asarray(Y))
    other = array_api_strict if array_api_compat.is_numpy_array(xp.asarray(X)) else np
    with pytest.raises(TypeError, match=r"X is an array of \w+ on .*, but Y one of \w+ on"):
        LDOSRidge(alpha=1e-3).fit(xp.asarray(X), other.asarray(Y))
    with pytest.raises(TypeError, match=r"X is an array of .* but what was fitted one of .* Move one to the other"):
        ridge.predict(other.asarray(X))


def test_two_devices_of_one_library_are_refused():
    X, Y, _ = data(10)
    with pytest.raises(TypeError, match=r"array_api_strict on .*device1.*, but Y one of array_api_strict on .*CPU"):
        LDOSRidge(alpha=1e-3).fit(strict_device.namespace().asarray(X), array_api_strict.asarray(Y))


def test_repeated_environments_say_what_to_do_in_every_namespace(xp):
    X, Y, _ = data(10)
    with pytest.raises(np.linalg.LinAlgError, match="Raise alpha"):
        LDOSKernelRidge(1e-18, kernel="polynomial", gamma=1.0).fit(
            xp.asarray(np.tile(X, (4, 1))), xp.asarray(np.tile(Y, (4, 1)))
        )


class TestWhatOnlyCuPyRuns:
    """Its branches with SciPy's solver and array-api-strict in its place: they cannot be run without a GPU."""

    matrix = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.2], [0.5, 0.2, 2.0]])
    rhs = np.arange(6.0).reshape(3, 2)

    @pytest.fixture
    def states(self, monkeypatch):
        """What is set by ``cupyx.errstate``, which by default lets failed factorisations pass."""
        set_to = []

        class Errstate:
            def __init__(self, linalg):
                set_to.append(linalg)

            def __enter__(self):
                return self

            def __exit__(self, *error):
                set_to.append("left")

        def solve_triangular(a, b, trans=0, lower=False, overwrite_b=False):
            host = scipy.linalg.solve_triangular(to_numpy(a), to_numpy(b), trans=trans, lower=lower)
            return strict_device.namespace().asarray(host)

        linalg = ModuleType("cupyx.scipy.linalg")
        linalg.solve_triangular = solve_triangular
        monkeypatch.setitem(sys.modules, "cupyx", SimpleNamespace(errstate=Errstate))
        monkeypatch.setitem(sys.modules, "cupyx.scipy", ModuleType("cupyx.scipy"))
        monkeypatch.setitem(sys.modules, "cupyx.scipy.linalg", linalg)
        monkeypatch.setattr(array_api_compat, "is_cupy_namespace", lambda xp: xp is array_api_strict)
        return set_to

    def test_solve(self, states):
        xp = strict_device.namespace()
        solved = solvers.solve_kernel(xp.asarray(self.matrix), xp.asarray(self.rhs), 0.5)
        expected = np.linalg.solve(self.matrix + 0.5 * np.eye(3), self.rhs)
        np.testing.assert_allclose(to_numpy(solved), expected, rtol=1e-13)
        assert states == ["raise", "left"]

    def test_a_matrix_that_is_not_positive_definite(self, states):
        xp = strict_device.namespace()
        with pytest.raises(np.linalg.LinAlgError):
            solvers.solve_kernel(xp.asarray(-self.matrix), xp.asarray(self.rhs), 0.5)
        assert states == ["raise", "left"]


GRID = EnergyGrid.from_range(-5, 5, 0.1, zero="fermi")
SMALL = SOAP(r_cut=3.5, n_max=4, l_max=3)


@pytest.fixture(scope="module")
def structures():
    return [bulk("SiC", "zincblende", a=a) for a in np.linspace(4.2, 4.5, 6)]


def invented(xp=np):
    values = np.random.default_rng(0).uniform(0, 1, (12, GRID.size))
    return LDOS(GRID, xp.asarray(values), 0.3, structure_index=np.repeat(np.arange(6), 2))


@pytest.fixture
def strict_gpu(monkeypatch):
    """Let "cuda" mean the second device of array-api-strict."""
    monkeypatch.setattr(_array, "_cuda", strict_device.namespace)


@pytest.mark.parametrize(
    "regressor",
    [
        None,
        LDOSRidge(1e-2),
        RepresentedRegressor(LDOSKernelRidge(CHOSEN, alphas=[1e-3, 1.0], kernel="polynomial", gamma=1.0), Pointwise()),
        RepresentedRegressor(LDOSKernelRidge(1e-3, kernel="polynomial", gamma=1.0), PrincipalComponents(3)),
        LDOSKernelRidge(CHOSEN, learn="both", ldos_weight=0.5, kernel="polynomial", gamma=1.0),
    ],
    ids=["default", "ridge", "chosen", "components", "joint"],
)
def test_a_model_on_the_device_predicts_on_it_and_answers_in_numpy(strict_gpu, structures, regressor, tmp_path):
    expected = DOSModel(SMALL, regressor).fit(structures, invented()).predict(structures).values
    model = DOSModel(SMALL, regressor, device="cuda").fit(structures, invented())
    regressor = getattr(model.regressors_[14], "regressor_", model.regressors_[14])
    assert regressor.target_mean_.device == strict_device.DEVICE
    predicted = model.predict(structures).values
    assert type(predicted) is np.ndarray
    np.testing.assert_allclose(predicted, expected, atol=1e-10)
    path = model.save(tmp_path / "m.ldosml")
    for device in ("cpu", "cuda"):
        loaded = DOSModel.load(path, device=device)
        np.testing.assert_allclose(loaded.predict(structures).values, expected, atol=1e-10)
        regressor = getattr(loaded.regressors_[6], "regressor_", loaded.regressors_[6])
        assert (type(regressor.target_mean_) is np.ndarray) == (device == "cpu")


def test_without_a_device_the_spectra_say_where(xp, structures):
    expected = DOSModel(SMALL).fit(structures, invented()).predict(structures).values
    model = DOSModel(SMALL).fit(structures, invented(xp))
    place = array_api_compat.device(xp.asarray(0.0))
    assert array_api_compat.device(model.regressors_[14].target_mean_) == place
    np.testing.assert_allclose(model.predict(structures).values, expected, atol=1e-9)
    assert type(model.predict(structures).values) is np.ndarray
    on_the_host = DOSModel(SMALL, Ridge(), device="cpu").fit(structures, invented(xp))
    assert type(on_the_host.regressors_[14].coef_) is np.ndarray


class TestMissingDevices:
    def refused(self, structures, error, message, device="cuda"):
        with pytest.raises(error, match=message):
            DOSModel(SMALL, device=device).fit(structures, invented())

    def test_unknown(self, structures):
        self.refused(structures, ValueError, "device must be None, 'cpu' or 'cuda'; got 'gpu'", "gpu")

    def test_no_cupy(self, structures, monkeypatch):
        monkeypatch.setitem(sys.modules, "cupy", None)
        self.refused(structures, ImportError, r'needs CuPy.*pip install "ldosml\[gpu\]".*cupy-cuda12x.*device="cpu"')

    def test_no_gpu(self, structures, monkeypatch):
        def getDevice():
            raise RuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected")

        runtime = SimpleNamespace(runtime=SimpleNamespace(getDevice=getDevice))
        monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(cuda=runtime))
        self.refused(structures, RuntimeError, "no usable NVIDIA GPU: cudaErrorNoDevice.*nvidia-smi")


ROOT = Path(__file__).parents[1]


def of_type(kind):
    """Names that a class of ``_array_type`` gives its instances."""
    tree = ast.parse((ROOT / "ldosml/_array_type.py").read_text())
    (found,) = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name == kind]
    names = {node.name for node in found.body if isinstance(node, ast.FunctionDef)}
    return names | {node.target.id for node in found.body if isinstance(node, ast.AnnAssign)}


def test_arrays_of_every_library_are_of_the_type(xp):
    array = xp.asarray([[1.0, 2.0]])
    assert len(of_type("Array")) > 30
    assert not [name for name in of_type("Array") if not hasattr(array, name)]
    # Few libraries have these two; the code asks for the library before it uses them.
    assert not [
        name for name in of_type("Namespace") - {"cuda", "Device"} if not hasattr(_array.namespace(array), name)
    ]


TYPED = """
import numpy as np
from numpy.typing import NDArray
from ldosml._array import Array, index_like, like, namespace, to_numpy

def take(a: Array) -> Array:
    return namespace(a).sum(a @ a.T, axis=0) + a[0, :]

def good(a: NDArray[np.float64], b: np.ndarray, c: NDArray[np.int64], d: NDArray[np.bool_]) -> None:
    take(a), take(b), take(c), take(d), take(take(a)), take(like(a, [1.0])), to_numpy([1.0])

def bad(e: list[float], f: float, g: str, h: Array | None) -> None:
    take(e)
    take(f)
    take(g)
    take(h)
    take(take(h if h is not None else like(h, e)).sum())
    to_numpy(h)
"""


def test_a_type_checker_tells_arrays_from_what_is_none(tmp_path):
    script = tmp_path / "use.py"
    script.write_text(TYPED)
    # NumPy's types are written for the Pythons that it runs on; the one that setup.cfg names may be older.
    python = "--python-version={}.{}".format(*sys.version_info)
    # Before NumPy 2.2, strict mypy refuses the bare np.ndarray in good.
    command = [sys.executable, "-m", "mypy", "--config-file=setup.cfg", python, "--allow-any-generics", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    errors = [line for line in done.stdout.splitlines() if "use.py" in line and ": error:" in line]
    lines = [int(line.split("use.py:")[1].split(":")[0]) for line in errors]
    assert sorted(set(lines)) == [13, 14, 15, 16, 17, 18], done.stdout
