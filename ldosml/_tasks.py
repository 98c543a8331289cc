"""Work in chunks: the same function on every item, on one core, on several, or on a cluster.

joblib runs the chunks: in this process, in others on the machine, or wherever a ``joblib.parallel_config`` says, which
is how they reach the workers of a Dask cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from joblib import Parallel, delayed

Item = TypeVar("Item")
Result = TypeVar("Result")


def ordered(function: Callable[[Item], Result], items: Iterable[Item], *, n_jobs: int | None = 1) -> Iterator[Result]:
    """Give ``function`` of each item, in the order of the items, as they become ready.

    Sums over the results are the same on any number of processes, since the order is. ``n_jobs`` None takes what the
    surrounding ``joblib.parallel_config`` says, 1 where there is none.
    """
    results: Iterator[Result] = Parallel(n_jobs=n_jobs, return_as="generator")(
        delayed(function)(item) for item in items
    )
    return results
