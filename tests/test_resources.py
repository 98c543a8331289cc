"""What a fit will need, and what there is of it."""

import logging
import tracemalloc

import numpy as np
import psutil
import pytest

from ldosml import LDOSKernelRidge, resources
from ldosml.cli import main
from ldosml.resources import EIGH_LIMIT, available_memory, plan_kernel_fit

GB = 10**9
PAPER = (23_778, 252, 400)  # set A of the LDOS paper at 80 %


@pytest.fixture
def memory(monkeypatch):
    """Say how much memory is free, as far as the plan knows."""
    return lambda size: monkeypatch.setattr(resources, "available_memory", lambda: int(size))


def test_a_cholesky_fit_needs_little_more_than_its_matrix(memory):
    memory(20 * GB)
    plan = plan_kernel_fit(*PAPER)
    assert plan.route == "cholesky"
    assert 8 * 23_778**2 < plan.bytes < 1.2 * 8 * 23_778**2


@pytest.mark.parametrize(
    ("free", "route"), [(18, "eigh"), (12, "eigh in less memory"), (7, "cholesky per alpha")], ids=str
)
def test_several_alphas_take_the_fastest_way_that_fits(memory, free, route):
    memory(free * GB)
    assert plan_kernel_fit(*PAPER, 20).route == route


def test_eigenvectors_stop_where_the_integers_of_lapack_do(memory):
    memory(200 * GB)
    assert plan_kernel_fit(EIGH_LIMIT, 252, 400, 20).route == "eigh"
    assert plan_kernel_fit(EIGH_LIMIT + 1, 252, 400, 20).route == "cholesky per alpha"
    with pytest.raises(ValueError, match=r"solver='eigh' works up to 32,766 rows.*got 32,767. Use solver='cholesky'"):
        plan_kernel_fit(EIGH_LIMIT + 1, 252, 400, 20, solver="eigh")
    assert plan_kernel_fit(1000, 252, 400, 20, solver="cholesky").route == "cholesky per alpha"


def test_a_fit_that_memory_does_not_hold_is_refused_with_what_would_fit(memory):
    memory(3 * GB)
    with pytest.raises(MemoryError) as refused:
        plan_kernel_fit(*PAPER, 20)
    message = str(refused.value)
    assert "A kernel of 23,778 rows with 400 energies and 20 alphas needs at least 5.19 GB" in message
    assert "3 GB of memory are free" in message
    assert "one number for alpha with precision='float32' (2.85 GB)" in message
    assert "SparseLDOSKernelRidge" in message
    memory(6 * GB)
    with pytest.raises(MemoryError, match=r"solver='cholesky' \(5.19 GB\); one number for alpha \(4.89 GB\)"):
        plan_kernel_fit(*PAPER, 20, solver="eigh")
    memory(1 * GB)
    with pytest.raises(MemoryError, match=r"1 GB of memory are free\. With inducing points"):
        plan_kernel_fit(*PAPER)


def test_an_estimator_refuses_before_it_computes(memory):
    X, Y = np.random.default_rng(0).normal(size=(200, 3)), np.zeros((200, 2))
    memory(100_000)
    with pytest.raises(MemoryError, match="A kernel of 200 rows with 2 energies needs at least"):
        LDOSKernelRidge(0.1, kernel="polynomial", gamma=1.0).fit(X, Y)
    with pytest.raises(MemoryError, match="and 20 alphas"):
        LDOSKernelRidge("leave-one-out", kernel="polynomial", gamma=1.0).plan(2_000, 3, 2)


def test_a_matrix_larger_than_the_device_is_streamed_from_the_host(memory):
    memory(60 * GB)
    n, device = 60_000, 8 * GB
    plan = plan_kernel_fit(n, 252, 400, in_place=False, device_memory=device)
    assert plan.route == "streamed"
    assert plan.bytes == pytest.approx(8 * (n**2 / 2 + 3 * n * 400), rel=0.05)
    assert plan.panel >= 128
    assert 8 * n * (3 * 400 + 5 * plan.panel) <= device
    assert plan_kernel_fit(n, 252, 400, 20, in_place=False, device_memory=device).route == "streamed per alpha"
    whole = plan_kernel_fit(n, 252, 400, in_place=False, device_memory=80 * GB)
    assert (whole.route, whole.panel) == ("cholesky", 0)
    with pytest.raises(MemoryError):  # not even the targets
        plan_kernel_fit(n, 252, 400, in_place=False, device_memory=GB // 2)


@pytest.mark.parametrize(
    ("options", "fit"),
    [
        ({"alpha": 0.1}, {}),
        ({"alpha": 0.1, "precision": "float32"}, {}),
        ({"alpha": "leave-one-out", "solver": "eigh"}, {}),
        ({"alpha": "leave-one-out", "solver": "cholesky", "alphas": [0.01, 1.0]}, {}),
    ],
    ids=["cholesky", "float32", "eigh", "cholesky per alpha"],
)
def test_a_fit_stays_within_its_plan(options, fit):
    n, n_features, n_energies = 900, 6, 40
    rng = np.random.default_rng(1)
    X, Y = rng.normal(size=(n, n_features)), rng.normal(size=(n, n_energies))
    model = LDOSKernelRidge(kernel="gaussian", **options)
    planned = model.plan(n, n_features, n_energies).bytes
    tracemalloc.start()
    model.fit(X, Y, **fit)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < planned


def test_long_fits_are_announced_and_short_ones_are_not(memory, caplog, monkeypatch):
    memory(20 * GB)
    monkeypatch.setattr(resources, "speeds", lambda: (5e10, 4e10, 1e10))
    with caplog.at_level(logging.INFO, logger="ldosml"):
        plan_kernel_fit(500, 252, 400).announce()
        assert not caplog.records
        plan_kernel_fit(*PAPER).announce()
    (record,) = caplog.records
    assert record.getMessage() == (
        "Kernel of 23,778 rows, 400 energies, by cholesky: about 4.89 GB of 20 GB free, roughly 2.07 min."
    )


def test_speeds_are_those_of_this_machine_and_measured_once():
    first = resources.speeds()
    assert all(1e7 < speed < 1e15 for speed in first)
    assert resources.speeds() is first


def test_options_that_are_not_known():
    with pytest.raises(ValueError, match="solver must be one of 'auto', 'eigh', 'cholesky'; got 'lu'"):
        LDOSKernelRidge(solver="lu", alpha=1e-3, kernel="polynomial", gamma=1.0).fit(np.eye(3), np.eye(3))
    with pytest.raises(ValueError, match="precision must be one of 'float64', 'float32'; got 'half'"):
        LDOSKernelRidge(precision="half", alpha=1e-3, kernel="polynomial", gamma=1.0).fit(np.eye(3), np.eye(3))


def write_group(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)


def write_process(root, text):
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(text)


def test_memory_left_by_control_groups_of_version_2(tmp_path):
    write_process(tmp_path, "0::/slice/job\n")
    mount = tmp_path / "sys/fs/cgroup"
    write_group(
        mount / "slice/job", {"memory.max": "max\n", "memory.current": "7\n", "memory.stat": "inactive_file 0\n"}
    )
    write_group(
        mount / "slice",
        {"memory.max": "1000000\n", "memory.current": "700000\n", "memory.stat": "anon 5\ninactive_file 100000\n"},
    )
    assert available_memory(tmp_path) == 400_000


def test_memory_left_by_control_groups_of_version_1(tmp_path):
    write_process(tmp_path, "9:name=systemd:/x\n4:memory:/job\n0::/\n")
    files = {
        "memory.limit_in_bytes": "500000\n",
        "memory.usage_in_bytes": "450000\n",
        "memory.stat": "inactive_file 1\ntotal_inactive_file 30000\n",
    }
    write_group(tmp_path / "sys/fs/cgroup/memory/job", files)
    assert available_memory(tmp_path) == 80_000


def test_memory_without_control_groups(tmp_path):
    assert 0 < available_memory(tmp_path) <= psutil.virtual_memory().total
    assert 0 < available_memory() <= psutil.virtual_memory().total


def test_the_command_line_tells_the_plan_first_and_refuses_what_does_not_fit(capsys, tmp_path, make_dataset, memory):
    make_dataset((2, 3, 2, 2, 2, 3)).save(tmp_path / "d.h5")
    command = ["fit", str(tmp_path / "d.h5"), "-o", str(tmp_path / "m.ldosml"), "--r-cut", "3.5", "--n-max", "2"]
    assert main([*command, "--test-size", "0", "--low", "-4"]) == 0
    said = " ".join(capsys.readouterr().err.split())
    assert "Si: Kernel of 12 rows, 241 energies and 20 alphas, by eigh: about" in said
    assert said.index("Si: Kernel") < said.index("Fitting")
    memory(1000)
    assert main([*command, "--overwrite"]) == 1
    assert "rows with 241 energies and 20 alphas needs at least" in capsys.readouterr().err


@pytest.mark.parametrize(("learn", "rows"), [("dos", 6), ("both", 20)])
def test_the_plan_of_structural_learning_counts_structures(capsys, tmp_path, make_dataset, learn, rows):
    make_dataset((2, 3, 2, 2, 2, 3)).save(tmp_path / "d.h5")
    command = ["fit", str(tmp_path / "d.h5"), "-o", str(tmp_path / "m.ldosml"), "--r-cut", "3.5", "--n-max", "2"]
    assert main([*command, "--test-size", "0", "--low", "-4", "--learn", learn]) == 0
    assert f"All elements: Kernel of {rows} rows" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("n", [-5, 0, 2.5, np.nan, np.inf, 1e300])
def test_no_plan_of_senseless_sizes(n):
    with pytest.raises(ValueError, match="n must be"):
        resources.plan_kernel_fit(n, 5, 5)
