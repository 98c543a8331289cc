"""The regressor that the options of ``fit`` ask for."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ldosml import DOSKernelRidge, LDOSKernelRidge, SparseLDOSKernelRidge


class KernelName(StrEnum):
    """Kernels that ``fit`` offers."""

    linear = "linear"
    polynomial = "polynomial"
    gaussian = "gaussian"
    matern = "matern"


class Targets(StrEnum):
    """What ``fit`` learns from."""

    ldos = "ldos"
    dos = "dos"
    both = "both"


def read_alpha(text: str) -> float | str:
    """A number, or the word for how to choose it."""
    try:
        return float(text)
    except ValueError:
        return text  # the regressor says which words it takes


def new_regressor(
    learn: Targets, ldos_weight: float, inducing: int | None, options: Mapping[str, Any]
) -> LDOSKernelRidge | DOSKernelRidge | SparseLDOSKernelRidge:
    """A regressor of ``options`` (alpha and kernel) that learns from what it is told to."""
    from ldosml import DOSKernelRidge, LDOSKernelRidge, SparseLDOSKernelRidge

    if learn is Targets.both and not 0 < ldos_weight < float("inf"):
        raise ValueError(f"--learn both needs an --ldos-weight above 0; got {ldos_weight:g}. Or give --learn dos.")
    if inducing is not None:
        # There the DOS has the weight, and the LDOS one of 1: the same minimum with all terms divided by ldos_weight.
        weight = 1.0 / ldos_weight if learn is Targets.both else 1.0
        alpha = options["alpha"] if isinstance(options["alpha"], str) else options["alpha"] * weight
        given = {**options, "alpha": alpha}
        # n_jobs None: on the workers of --scheduler, in this process without one.
        return SparseLDOSKernelRidge(n_inducing=inducing, targets=learn.value, dos_weight=weight, n_jobs=None, **given)
    if learn is Targets.ldos:
        return LDOSKernelRidge(**options)
    return DOSKernelRidge(ldos_weight=ldos_weight if learn is Targets.both else 0.0, **options)
