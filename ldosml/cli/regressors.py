"""The regressor that the options of ``fit`` ask for."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import typer

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


LEAVE_OUT = ("leave-one-group-out", "leave-one-out")


def read_alpha(text: str) -> float | str:
    """A number, or the word for how to choose it."""
    return text if text in LEAVE_OUT else float(text)


def check_alpha(text: str) -> str:
    """Check the option, so that it is refused before data are read."""
    try:
        value = read_alpha(text)
    except ValueError:
        value = float("nan")
    if not isinstance(value, str) and not 0 < value < float("inf"):
        raise typer.BadParameter(
            "must be a number above 0 (without regularisation the fit is singular as soon as two environments are "
            f"alike), {' or '.join(LEAVE_OUT)}; got {text!r}."
        )
    return text


def check_leave_out(alpha: str, *, single_atoms: bool) -> None:
    """Refuse to choose alpha by leaving out atoms where not all that is learned from is of ``single_atoms``."""
    if alpha == "leave-one-out" and not single_atoms:
        raise typer.BadParameter(
            "--alpha leave-one-out leaves out single atoms, and total DOS, of which there is one a structure, is to be "
            "learned: give --alpha leave-one-group-out, or a number."
        )


def new_regressor(
    learn: Targets, ldos_weight: float, inducing: int | None, options: Mapping[str, Any]
) -> LDOSKernelRidge | DOSKernelRidge | SparseLDOSKernelRidge:
    """A regressor of ``options`` (alpha and kernel) that learns from what it is told to."""
    from ldosml import DOSKernelRidge, LDOSKernelRidge, SparseLDOSKernelRidge

    if learn is Targets.both and not 0 < ldos_weight < float("inf"):
        raise typer.BadParameter(
            f"--learn both needs an --ldos-weight above 0; got {ldos_weight:g}. Or give --learn dos."
        )
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
