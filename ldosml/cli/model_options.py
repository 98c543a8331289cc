"""The options that say which model is fitted, and the model that follows from them."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from ldosml.cli.options import ZeroName, above_zero, an_energy

if TYPE_CHECKING:
    from ldosml import SOAP, DOSModel, LDOSKernelRidge, SparseLDOSKernelRidge

_ENERGIES, _MODEL = "Data and energies", "Model"
LEAVE_OUT = ("leave-one-group-out", "leave-one-out")


class KernelName(StrEnum):
    """Kernels."""

    matern = "matern"
    gaussian = "gaussian"
    rbf = "rbf"
    polynomial = "polynomial"
    linear = "linear"


class LearnName(StrEnum):
    """What a model learns from: the LDOS of atoms, the total DOS, or both."""

    ldos = "ldos"
    dos = "dos"
    both = "both"


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


def check_leave_out(alpha: str, *, only_ldos: bool) -> None:
    """Refuse to choose alpha by leaving out atoms where DOS are learned."""
    if alpha == "leave-one-out" and not only_ldos:
        raise typer.BadParameter(
            "--alpha leave-one-out works only with --learn ldos: give --alpha leave-one-group-out, or a number."
        )


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Which model; the defaults are those of ``DOSModel()``, ``SOAP()`` and ``LDOSKernelRidge()``."""

    learn: Annotated[
        LearnName,
        typer.Option(help="Learn from the LDOS of atoms, from the total DOS, or from both.", rich_help_panel=_MODEL),
    ] = LearnName.ldos
    ldos_weight: Annotated[
        float,
        typer.Option(
            callback=above_zero(),
            help="Weight of an atom's LDOS beside a structure's DOS, with --learn both.",
            rich_help_panel=_MODEL,
        ),
    ] = 10.0
    r_cut: Annotated[float, typer.Option(help="Cutoff radius of SOAP, angstrom.", rich_help_panel=_MODEL)] = 6.0
    n_max: Annotated[int, typer.Option(min=1, help="Radial functions of SOAP.", rich_help_panel=_MODEL)] = 8
    l_max: Annotated[int, typer.Option(min=0, max=20, help="Highest degree of SOAP.", rich_help_panel=_MODEL)] = 6
    atom_sigma: Annotated[
        float,
        typer.Option(
            callback=above_zero("angstrom"), help="Width of SOAP's Gaussians, angstrom.", rich_help_panel=_MODEL
        ),
    ] = 0.5
    whiten: Annotated[
        bool, typer.Option("--whiten/--no-whiten", help="Whiten the descriptor.", rich_help_panel=_MODEL)
    ] = True
    kernel: Annotated[KernelName, typer.Option(help="Kernel between two environments.", rich_help_panel=_MODEL)] = (
        KernelName.matern
    )
    degree: Annotated[int, typer.Option(min=1, help="Degree of a polynomial kernel.", rich_help_panel=_MODEL)] = 2
    gamma: Annotated[
        float,
        typer.Option(
            callback=above_zero(), help="Gamma of a matern, gaussian or polynomial kernel.", rich_help_panel=_MODEL
        ),
    ] = 0.3
    alpha: Annotated[
        str,
        typer.Option(
            callback=check_alpha,
            help="Regularisation: a number, leave-one-group-out or leave-one-out.",
            rich_help_panel=_MODEL,
        ),
    ] = "leave-one-group-out"
    inducing: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of inducing points; faster for large datasets. Default: all environments.",
            rich_help_panel=_MODEL,
        ),
    ] = None
    zero: Annotated[
        ZeroName,
        typer.Option(
            help="Energy zero to learn at; fermi needs the Fermi level of each structure.", rich_help_panel=_ENERGIES
        ),
    ] = ZeroName.fermi
    high: Annotated[
        float | None,
        typer.Option(
            callback=an_energy,
            help="Highest energy to learn, eV. Default: up to where every DOS is complete.",
            rich_help_panel=_ENERGIES,
        ),
    ] = None

    def soap(self) -> SOAP:
        """The SOAP, before it is whitened."""
        from ldosml import SOAP

        return SOAP(r_cut=self.r_cut, n_max=self.n_max, l_max=self.l_max, atom_sigma=self.atom_sigma)

    def regressor(self, learn: str | None = None) -> LDOSKernelRidge | SparseLDOSKernelRidge:
        """The regressor, learning from ``learn`` instead of the option where that is given."""
        from ldosml import LDOSKernelRidge, SparseLDOSKernelRidge

        options: dict[str, Any] = {
            "alpha": read_alpha(self.alpha),
            "learn": self.learn.value if learn is None else learn,
            "ldos_weight": self.ldos_weight,
            "kernel": self.kernel.value,
            "degree": self.degree,
            "gamma": self.gamma,
        }
        if self.inducing is None:
            return LDOSKernelRidge(**options)
        # n_jobs None: on the workers of --scheduler, in this process without one.
        return SparseLDOSKernelRidge(n_inducing=self.inducing, n_jobs=None, **options)

    def model(self, learn: str | None = None, *, low: float | None = None, n_jobs: int | None = None) -> DOSModel:
        """The model, not fitted; ``n_jobs`` processes compute descriptors."""
        from ldosml import DOSModel, Whitened

        soap = self.soap().set_params(n_jobs=n_jobs)
        descriptor = Whitened(soap) if self.whiten else soap
        return DOSModel(descriptor, self.regressor(learn), zero=self.zero.value, low=low, high=self.high)


def with_options(
    options: type[ModelOptions], *, without: tuple[str, ...] = ()
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the fields of a dataclass as options, but those ``without``; it takes them as ``options``."""

    def changed(command: Callable[..., None]) -> Callable[..., None]:
        own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.name != "options"]
        hints = get_type_hints(options, include_extras=True)
        shared = [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default,
                annotation=hints[field.name],
            )
            for field in dataclasses.fields(options)
            if field.name not in without
        ]
        named = {parameter.name for parameter in own}

        @wraps(command)
        def run(**given: Any) -> None:
            chosen = options(**{name: value for name, value in given.items() if name not in named})
            command(**{name: value for name, value in given.items() if name in named}, options=chosen)

        parameters = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own] + shared
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return run

    return changed
