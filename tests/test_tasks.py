"""Chunks give the same numbers in one process, in several, and on a cluster that loses a worker."""

import gc
import math
import os
import signal
import threading
import time
from functools import partial

import numpy as np
import pytest
from ase.build import bulk
from joblib import parallel_config

from ldosml import (
    LDOS,
    SOAP,
    DOSModel,
    EnergyGrid,
    LDOSDataset,
    LDOSKernelRidge,
    SparseLDOSKernelRidge,
    on_cluster,
    predict_to,
)
from ldosml._tasks import ordered
from ldosml.cli import main

distributed = pytest.importorskip("distributed")

SMALL = SOAP(r_cut=3.5, n_max=4, l_max=3, batch_size=8)


@pytest.fixture(scope="module")
def cluster():
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": ":0"}
    with distributed.LocalCluster(**options, silence_logs=50) as running:
        yield running


@pytest.fixture(scope="module")
def structures():
    result = [bulk("SiC", "zincblende", a=4.36, cubic=True) * (2, 1, 1) for _ in range(4)]
    for seed, atoms in enumerate(result):
        atoms.rattle(0.1, seed=seed)
    return result


@pytest.fixture(scope="module")
def ldos(structures):
    grid = EnergyGrid.from_range(-2, 2, 0.1, zero="fermi")
    rng = np.random.default_rng(0)
    index = np.repeat(np.arange(4), 16)
    return LDOS(grid, rng.random((64, grid.size)), 0.3, structure_index=index)


def failing_at_three(value):
    if value == 3:
        raise ValueError("three is not to my taste")
    return value


def deadly(flag, value):
    """Kills the process that it runs in, the first time that it comes to 5."""
    if value == 5 and not flag.exists():
        flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return value


def process(_):
    return os.getpid()


# One machine. Functions of the standard library, whose processes start quickly.


@pytest.mark.parametrize(("n_jobs", "most"), [(1, 3), (None, 3), (2, 64)])
def test_items_are_taken_a_few_at_a_time(n_jobs, most):
    taken = []

    def endless():
        while True:
            taken.append(len(taken))
            yield taken[-1]

    results = ordered(partial(pow, 3), endless(), n_jobs=n_jobs)
    assert [next(results) for _ in range(3)] == [1, 3, 9]
    assert len(taken) <= most
    del results


@pytest.mark.parametrize("n_jobs", [1, 2, None])
def test_results_come_in_the_order_of_the_items_and_errors_reach_the_caller(n_jobs):
    assert list(ordered(partial(pow, 3), range(200), n_jobs=n_jobs)) == [3**i for i in range(200)]
    assert list(ordered(partial(pow, 3), [], n_jobs=n_jobs)) == []
    results = ordered(math.factorial, [3, 2, -1, 4], n_jobs=n_jobs)
    with pytest.raises(ValueError, match="negative"):
        list(results)


def test_a_joblib_configuration_is_taken_where_n_jobs_is_none():
    def thread(_):
        time.sleep(0.001)
        return threading.get_ident()

    with parallel_config("threading", n_jobs=2):
        assert threading.get_ident() not in set(ordered(thread, range(40), n_jobs=None))
        assert set(ordered(thread, range(4), n_jobs=1)) == {threading.get_ident()}


# A cluster


def test_order_errors_and_ends_on_a_cluster(cluster):
    with on_cluster(cluster.scheduler_address) as client:
        assert list(ordered(partial(pow, 3), range(50), n_jobs=None)) == [3**i for i in range(50)]
        assert os.getpid() not in set(ordered(process, range(4), n_jobs=None))
        assert set(ordered(process, range(4), n_jobs=1)) == {os.getpid()}
        with pytest.raises(ValueError, match="not to my taste"):
            list(ordered(failing_at_three, range(9), n_jobs=None))
        endless = ordered(partial(pow, 3), iter(int, 1), n_jobs=None)
        assert next(endless) == 1
        endless.close()
        assert client.status == "running"
    assert client.status == "closed"
    assert set(ordered(process, range(4), n_jobs=None)) == {os.getpid()}


def test_what_a_function_holds_is_large_and_shipped_without_a_warning(cluster):
    with distributed.Client(cluster) as client, on_cluster(client):
        large = np.arange(2_000_000.0)  # 16 MB: dask warns of more than 10
        assert list(ordered(partial(_entry, large), range(3), n_jobs=None)) == [0.0, 1.0, 2.0]
        assert client.status == "running"


def _entry(array, index):
    return float(array[index])


def test_a_killed_worker_changes_nothing(cluster, tmp_path):
    flag = tmp_path / "killed"
    with on_cluster(cluster.scheduler_address):
        assert list(ordered(partial(deadly, flag), range(30), n_jobs=None)) == list(range(30))
    assert flag.exists()


def test_a_fit_and_its_predictions_are_those_of_one_process(cluster, structures, ldos, tmp_path):
    model = DOSModel(SMALL, LDOSKernelRidge(1e-3, kernel="polynomial", gamma=1.0))
    serial = model.fit(structures, ldos).predict(structures)
    X = model.descriptor_.transform(structures)
    with on_cluster(cluster.scheduler_address):
        np.testing.assert_array_equal(SMALL.fit(structures).transform(structures), X)
        shared = model.fit(structures, ldos).predict(structures)
        written = predict_to(model, structures, tmp_path / "p.h5", batch_size=10)
    np.testing.assert_allclose(shared.values, serial.values, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(written.data.ldos.values, serial.values, atol=1e-6)


def test_kernels_are_expanded_block_by_block_there(cluster, monkeypatch):
    monkeypatch.setattr("ldosml.regression._kernel._ROWS", 7)
    rng = np.random.default_rng(1)
    X, Y = rng.random((40, 5)), rng.random((40, 3))
    model = LDOSKernelRidge(1e-3, kernel="matern", gamma=1.0).fit(X, Y)
    serial = model.predict(X)
    with on_cluster(cluster.scheduler_address):
        np.testing.assert_allclose(model.predict(X), serial, rtol=1e-10, atol=1e-12)
    with parallel_config("threading", n_jobs=2):
        np.testing.assert_allclose(model.predict(X), serial, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("alpha", [1e-3, "leave-one-group-out"])
def test_normal_equations_are_summed_there(cluster, monkeypatch, alpha):
    rng = np.random.default_rng(2)
    X, Y, index = rng.random((60, 5)), rng.random((60, 3)), np.arange(60) // 4
    given = {"kernel": "matern", "n_inducing": 12, "chunk_size": 8}
    serial = SparseLDOSKernelRidge(alpha, **given, n_jobs=1).fit(X, Y, groups=index)
    shipped = []
    submit = distributed.Client.submit
    monkeypatch.setattr(distributed.Client, "submit", lambda *a, **k: shipped.append(a) or submit(*a, **k))
    with on_cluster(cluster.scheduler_address):
        there = SparseLDOSKernelRidge(alpha, **given, n_jobs=None).fit(X, Y, groups=index)
    assert len(shipped) > 60 // 8
    np.testing.assert_allclose(there.dual_coef_, serial.dual_coef_, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(there.alpha_, serial.alpha_, rtol=1e-10)


def test_the_command_line_runs_there(cluster, make_dataset, tmp_path, capsys):
    make_dataset((3, 3, 2, 3)).save(tmp_path / "d.h5")
    options = ["--r-cut", "3.5", "--n-max", "3", "--l-max", "2", "--low", "-4", "--test-size", "0"]
    address = ["--scheduler", cluster.scheduler_address]
    fitting = ["fit", str(tmp_path / "d.h5"), *options, "-o"]
    assert main([*fitting, str(tmp_path / "there.ldosml"), *address]) == 0
    assert main([*fitting, str(tmp_path / "here.ldosml")]) == 0
    make_dataset((3,)).structures[0].write(tmp_path / "s.xyz")
    predicted = []
    for where, more in (("there", [*address]), ("there", [*address, "--stream"]), ("here", [])):
        output = tmp_path / f"{len(predicted)}.h5"
        assert (
            main(["predict", str(tmp_path / f"{where}.ldosml"), str(tmp_path / "s.xyz"), "-o", str(output), *more]) == 0
        )
        predicted.append(LDOSDataset.load(output).ldos.values)
    np.testing.assert_allclose(predicted[0], predicted[2], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(predicted[1], predicted[2], rtol=1e-6, atol=1e-7)
    capsys.readouterr()
    assert main([*fitting, str(tmp_path / "m.ldosml"), *address, "--jobs", "2"]) == 2
    assert "give one of them" in " ".join(capsys.readouterr().err.split())


# Errors


@pytest.mark.parametrize(
    ("address", "error", "match"),
    [
        ("tcp://127.0.0.1:1", ConnectionError, "No Dask scheduler answers at tcp://127.0.0.1:1 within 0.2 s"),
        ("nonsense", ValueError, "looks like tcp://10.0.0.1:8786; got 'nonsense'"),
        ("foo://127.0.0.1:1", ValueError, "got 'foo://127.0.0.1:1'"),
    ],
)
def test_a_scheduler_that_does_not_answer(address, error, match):
    with pytest.raises(error, match=match), on_cluster(address, timeout=0.2):
        pass


def test_a_client_that_failed_is_collected_at_once():
    """Collected while the next client starts, it waits for a lock that the same thread holds, for ever."""
    # isinstance would ask objects of other packages for __class__, and some warn then.
    known = {id(one) for one in gc.get_objects() if type(one) is distributed.Client}
    gc.disable()
    try:
        with pytest.raises(ConnectionError), on_cluster("tcp://127.0.0.1:1", timeout=0.2):
            pass
        assert [one for one in gc.get_objects() if type(one) is distributed.Client and id(one) not in known] == []
    finally:
        gc.enable()


def test_a_scheduler_without_workers():
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=":0", silence_logs=50) as empty,
        pytest.raises(ConnectionError, match=r"has no worker after 0\.2 s\. Start some: dask worker"),
        on_cluster(empty.scheduler_address, timeout=0.2),
    ):
        pass


def test_a_chunk_that_kills_its_workers_is_given_up(cluster, monkeypatch, tmp_path):
    monkeypatch.setattr(cluster.scheduler, "allowed_failures", 0)
    with on_cluster(cluster.scheduler_address), pytest.raises(ConnectionError, match="on 1 different workers"):
        list(ordered(partial(deadly, tmp_path / "killed"), range(9), n_jobs=None))
