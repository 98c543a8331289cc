"""Work in chunks: the same function on every item, on one core, on several, or on the workers of a Dask cluster.

On one machine joblib runs the chunks. On a cluster the client of ``joblib.parallel_config("dask", client=...)`` does,
without joblib in between: joblib keeps what it ships on single workers only, so that the loss of one is an error.
"""

from __future__ import annotations

import gc
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager, suppress
from functools import cache, partial
from itertools import islice
from threading import Thread
from time import monotonic, sleep
from typing import Any, TypeVar

from joblib import Parallel, delayed, effective_n_jobs, parallel_config
from joblib.parallel import get_active_backend

from ldosml._ranges import check_arguments
from ldosml._validation import ParameterError

Item = TypeVar("Item")
Result = TypeVar("Result")

# Chunks that wait at a time, for each process: enough that none idles, few enough that all fit in memory.
_AHEAD = 32
_AHEAD_ON_A_CLUSTER = 4

_MOST_JOBS = 1024

_PATIENCE = 60.0
"""How long to wait for a cluster that lost all workers or its scheduler, s: a batch system may start new ones."""


def ordered(function: Callable[[Item], Result], items: Iterable[Item], *, n_jobs: int | None = 1) -> Iterator[Result]:
    """Give ``function`` of each item, in the order of the items, as they become ready.

    Sums over the results are the same on any number of processes, since the order is. Items are taken, and results
    kept, a few for each process at a time. ``n_jobs`` None takes what the surrounding ``joblib.parallel_config`` or
    ``on_cluster`` says, 1 where there is none; 1 stays in this process. On a cluster any other number means all of it,
    ``function`` is shipped once, and a chunk whose worker dies runs again on another.
    """
    if n_jobs is not None and not (n_jobs == -1 or 1 <= n_jobs <= _MOST_JOBS):
        raise ParameterError(
            "n_jobs", f"must be a number of processes from 1 to {_MOST_JOBS}, or -1 for one per core; got {n_jobs}."
        )
    client = getattr(get_active_backend()[0], "client", None)
    if client is not None and n_jobs != 1:
        return _on_workers(client, function, items)
    if n_jobs == 1 or effective_n_jobs(n_jobs) == 1:
        return map(function, items)
    return _on_this_machine(function, items, n_jobs)


def _on_this_machine(function: Callable[[Item], Result], items: Iterable[Item], n_jobs: int | None) -> Iterator[Result]:
    remaining, task = iter(items), delayed(partial(_in_child_of, os.getpid(), function))
    size = _AHEAD * int(effective_n_jobs(n_jobs))
    # Items are chunks already: joblib's own batches of them would leave a process idle at the end.
    with Parallel(n_jobs=n_jobs, return_as="generator", batch_size=1, pre_dispatch="4*n_jobs") as pool:
        while window := list(islice(remaining, size)):
            results = pool(map(task, window))
            try:
                for result in results:  # noqa: UP028  "yield from" would close the results, of which joblib warns
                    yield result
            except BrokenExecutor as error:
                raise ChildProcessError(
                    "A process that computed a chunk was killed, mostly since memory ran out. Use fewer processes "
                    "(n_jobs), or smaller chunks (batch_size)."
                ) from error
            finally:
                deque(_rest(results), maxlen=0)


def _rest(results: Iterator[Result]) -> Iterator[Result]:
    """What is left of the results; nothing of a pool that broke."""
    with suppress(BrokenExecutor):
        yield from results


def _in_child_of(parent: int, function: Callable[[Item], Result], item: Item) -> Result:
    """Give ``function(item)`` in the process ``parent``, or in a child of it, which ends with it."""
    if os.getppid() == parent:
        _end_with(parent)
    return function(item)


@cache  # one thread a process
def _end_with(parent: int) -> None:
    """End this process soon after its parent: a parent that is killed by SIGKILL cannot end its children."""

    def watch() -> None:
        while os.getppid() == parent:
            sleep(1)
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def _on_workers(client: Any, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    from dask import config

    # A task of its own rather than data laid on a worker: what a lost worker held is made again from the graph.
    with config.set({"distributed.admin.large-graph-warning-threshold": "1TB"}):
        shipped = client.submit(partial(_given, function), pure=False)
    lost = _losses()
    limit = _AHEAD_ON_A_CLUSTER * max(1, sum(client.nthreads().values()))
    waiting: deque[Any] = deque()
    try:
        for item in items:
            waiting.append(client.submit(_apply, shipped, item, pure=False))
            if len(waiting) == limit:
                yield _result(client, waiting.popleft())
        while waiting:
            yield _result(client, waiting.popleft())
    except lost as error:
        raise ConnectionError(
            f"The cluster gave up on a chunk ({error}). Workers that are killed mostly lack memory: give them more, or "
            "make chunks smaller (batch_size). Or the scheduler is gone."
        ) from error
    finally:
        client.cancel([shipped, *waiting])


def _result(client: Any, future: Any) -> Any:
    """The result of a chunk; ConnectionError when the cluster was without worker or scheduler for ``_PATIENCE`` s."""
    last = monotonic()
    while not future.done():
        with suppress(TimeoutError):  # of waiting, or of the task: the last line raises the latter
            return future.result(timeout=1.0)
        if _has_workers(client):
            last = monotonic()
        elif monotonic() - last > _PATIENCE:
            raise ConnectionError(
                f"The Dask cluster at {client.scheduler.address} has had no worker, or no scheduler, for {_PATIENCE:g} "
                "s. Start them again, with more memory if they were killed; what was written stays."
            )
    return future.result()


def _has_workers(client: Any) -> bool:
    """Whether the scheduler answers and has a worker."""
    if client.status != "running":
        return False
    try:
        return bool(client.sync(client.scheduler.identity, callback_timeout=5.0)["workers"])
    except (OSError, TimeoutError):
        return False


def _losses() -> tuple[type[Exception], ...]:
    """What results raise whose workers died several times over, or whose scheduler is gone."""
    from distributed import KilledWorker
    from distributed.client import FutureCancelledError

    return KilledWorker, FutureCancelledError


def _given(function: Callable[[Item], Result]) -> Callable[[Item], Result]:
    return function


def _apply(function: Callable[[Item], Result], item: Item) -> Result:
    return function(item)


@contextmanager
def on_cluster(scheduler: Any, *, timeout: float = 10.0) -> Iterator[Any]:
    """Run what can run in chunks on the workers of a Dask cluster.

    That is: descriptors and kernel predictions of estimators whose ``n_jobs`` is None (the default), the normal
    equations of fits with inducing points, and :func:`ldosml.predict_to`. One process gives the same numbers. Workers
    need ldosml installed; give each one thread, since SOAP holds Python's lock.

    Parameters
    ----------
    scheduler : str or distributed.Client
        Address of the scheduler, such as "tcp://10.0.0.1:8786", or a client that is connected to it.
    timeout : float
        How long to wait for the scheduler, and for its first worker, s.

    Yields
    ------
    distributed.Client

    Raises
    ------
    ConnectionError
        When the scheduler does not answer, or has no worker.
    ValueError
        When the address is malformed.
    ImportError
        When dask.distributed is not installed.

    Examples
    --------
    >>> with on_cluster("tcp://127.0.0.1:1", timeout=0.1):
    ...     pass
    Traceback (most recent call last):
        ...
    ConnectionError: No Dask scheduler answers at tcp://127.0.0.1:1 within 0.1 s. Is it running, ...
    """
    check_arguments(timeout=timeout)
    client = _connect(scheduler, timeout) if isinstance(scheduler, str) else scheduler
    try:
        _require_worker(client, timeout)
        with parallel_config("dask", client=client):
            yield client
    finally:
        if isinstance(scheduler, str):
            client.close()


def _connect(address: str, timeout: float) -> Any:
    try:
        from distributed import Client
    except ImportError as error:
        raise ImportError('A cluster needs dask.distributed: pip install "ldosml[scale]".') from error
    try:
        return Client(address, timeout=timeout, set_as_default=False)  # type: ignore[no-untyped-call]
    except ValueError as error:
        failure: Exception = ValueError(
            f"A scheduler's address looks like tcp://10.0.0.1:8786; got {address!r}: {error}."
        )
    except OSError:
        failure = ConnectionError(
            f"No Dask scheduler answers at {address} within {timeout:g} s. Is it running, and is that the address that "
            "it printed when it started?"
        )
    # A client that failed stops its loop when it is collected. If that happens while the next client starts its own, it
    # waits for a lock that the same thread holds, for ever. So it is collected here, and no traceback keeps it.
    gc.collect()
    raise failure


def _require_worker(client: Any, timeout: float) -> None:
    try:
        client.wait_for_workers(1, timeout=timeout)
    except TimeoutError as error:
        raise ConnectionError(
            f"The Dask scheduler at {client.scheduler.address} has no worker after {timeout:g} s. Start some: "
            "dask worker ADDRESS --nthreads 1."
        ) from error
