"""The options that say which model is fitted, and the model that follows from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ldosml.cli.option_groups import default_of
from ldosml.cli.options import ZeroName, above_zero, an_energy, check_energies

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms

    from ldosml import SOAP, DOSModel, LDOSKernelRidge, SparseLDOSKernelRidge, TightBindingSpectrum
    from ldosml.datasets import LDOSDataset
    from ldosml.descriptors.environments import EnvironmentTransformer

DATA, MODEL = "Data and energies", "Model"  # headings in the help
_LEAVE_OUT = ("leave-one-group-out", "leave-one-out")

KernelName = Literal["matern", "gaussian", "rbf", "polynomial", "linear"]
DescriptorName = Literal["soap", "tight-binding", "soap+tight-binding"]


def _default_weight() -> float:
    from ldosml.descriptors.default import TIGHT_BINDING_WEIGHT

    return TIGHT_BINDING_WEIGHT


class LearnName(StrEnum):
    """What a model learns from: the LDOS of atoms, the total DOS, or both."""

    ldos = "ldos"
    dos = "dos"
    both = "both"


def check_alpha(text: str) -> str:
    """Check the option --alpha, so that it is refused before data are read."""
    try:
        good = text in _LEAVE_OUT or 0 < float(text) < float("inf")
    except ValueError:
        good = False
    if not good:
        raise typer.BadParameter(
            "must be a number above 0 (without regularisation the fit is singular as soon as two environments are "
            f"alike), {' or '.join(_LEAVE_OUT)}; got {text!r}."
        )
    return text


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Which model; without options it is ``DOSModel()``."""

    learn: Annotated[
        LearnName,
        typer.Option(help="Learn from the LDOS of atoms, from the total DOS, or from both.", rich_help_panel=MODEL),
    ] = field(default_factory=default_of("LDOSKernelRidge", "learn"))
    ldos_weight: Annotated[
        float,
        typer.Option(
            callback=above_zero(),
            help="Weight of one atom's LDOS beside one structure's DOS, with --learn both.",
            rich_help_panel=MODEL,
        ),
    ] = field(default_factory=default_of("LDOSKernelRidge", "ldos_weight"))
    descriptor: Annotated[
        DescriptorName | None,
        typer.Option(
            help="SOAP, the spectrum of tight binding, or both. Default: both, or SOAP alone if tight binding lacks an "
            "element of the data.",
            rich_help_panel=MODEL,
        ),
    ] = None
    tight_binding_weight: Annotated[
        float,
        typer.Option(callback=above_zero(), help="Weight of tight binding beside SOAP.", rich_help_panel=MODEL),
    ] = field(default_factory=_default_weight)
    tight_binding_cutoff: Annotated[
        float | None,
        typer.Option(
            callback=above_zero("angstrom"),
            help="Compute tight binding around each atom from the atoms within this radius, angstrom: fast and less "
            "accurate. A model for large cells needs it. Default: the whole structure; 6 if a structure of the data "
            "has more than 200 atoms.",
            rich_help_panel=MODEL,
        ),
    ] = None
    r_cut: Annotated[float, typer.Option(help="Cutoff radius of SOAP, angstrom.", rich_help_panel=MODEL)] = field(
        default_factory=default_of("SOAP", "r_cut")
    )
    n_max: Annotated[int, typer.Option(min=1, help="Number of radial functions of SOAP.", rich_help_panel=MODEL)] = (
        field(default_factory=default_of("SOAP", "n_max"))
    )
    l_max: Annotated[
        int, typer.Option(min=0, max=20, help="Highest angular momentum of SOAP.", rich_help_panel=MODEL)
    ] = field(default_factory=default_of("SOAP", "l_max"))
    atom_sigma: Annotated[
        float,
        typer.Option(
            callback=above_zero("angstrom"), help="Width of the Gaussians of SOAP, angstrom.", rich_help_panel=MODEL
        ),
    ] = field(default_factory=default_of("SOAP", "atom_sigma"))
    whiten: Annotated[bool, typer.Option("--whiten/--no-whiten", help="Whiten SOAP.", rich_help_panel=MODEL)] = True
    kernel: Annotated[KernelName, typer.Option(help="Kernel between two environments.", rich_help_panel=MODEL)] = field(
        default_factory=default_of("LDOSKernelRidge", "kernel")
    )
    degree: Annotated[int, typer.Option(min=1, help="Degree of the polynomial kernel.", rich_help_panel=MODEL)] = field(
        default_factory=default_of("LDOSKernelRidge", "degree")
    )
    gamma: Annotated[
        float,
        typer.Option(
            callback=above_zero(), help="Gamma of the matern, gaussian or polynomial kernel.", rich_help_panel=MODEL
        ),
    ] = field(default_factory=default_of("LDOSKernelRidge", "gamma"))
    alpha: Annotated[
        str,
        typer.Option(
            callback=check_alpha,
            help="Regularisation: a number, leave-one-group-out or leave-one-out.",
            rich_help_panel=MODEL,
        ),
    ] = field(default_factory=default_of("LDOSKernelRidge", "alpha"))
    inducing: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of inducing points; faster for large datasets. Default: all environments.",
            rich_help_panel=MODEL,
        ),
    ] = None
    zero: Annotated[
        ZeroName,
        typer.Option(
            help="Energy zero of the spectra; fermi needs the Fermi level of each structure.", rich_help_panel=DATA
        ),
    ] = field(default_factory=default_of("DOSModel", "zero"))
    low: Annotated[
        float | None,
        typer.Option(
            callback=an_energy,
            help="Lowest energy to learn, eV. Default: three smearing widths below the first states.",
            rich_help_panel=DATA,
        ),
    ] = field(default_factory=default_of("DOSModel", "low"))
    high: Annotated[
        float | None,
        typer.Option(
            callback=an_energy,
            help="Highest energy to learn, eV. Default: up to where every DOS is complete.",
            rich_help_panel=DATA,
        ),
    ] = field(default_factory=default_of("DOSModel", "high"))

    def soap(self) -> SOAP:
        """The SOAP, before it is whitened.

        Raises ParameterError where one of its parameters is out of range.
        """
        from ldosml import SOAP

        soap = SOAP(r_cut=self.r_cut, n_max=self.n_max, l_max=self.l_max, atom_sigma=self.atom_sigma)
        soap.check_parameters()
        return soap

    def regressor(self) -> LDOSKernelRidge | SparseLDOSKernelRidge:
        """The regressor, not fitted."""
        from ldosml import LDOSKernelRidge, SparseLDOSKernelRidge

        options: dict[str, Any] = {
            "alpha": self.alpha if self.alpha in _LEAVE_OUT else float(self.alpha),
            "learn": str(self.learn),
            "ldos_weight": self.ldos_weight,
            "kernel": self.kernel,
            "degree": self.degree,
            "gamma": self.gamma,
        }
        if self.inducing is None:
            return LDOSKernelRidge(**options)
        # n_jobs None: on the workers of --scheduler, in this process without one.
        return SparseLDOSKernelRidge(n_inducing=self.inducing, n_jobs=None, **options)

    def model(self, structures: Sequence[Atoms], *, n_jobs: int | None = None) -> DOSModel:
        """The model for these structures, not fitted; ``n_jobs`` processes compute descriptors.

        Warns with a Caution when tight binding lacks an element.
        """
        # Of the whole, not of its parts: resumed studies know a model by these.
        return self._with(self._descriptor(structures).set_params(n_jobs=n_jobs))

    def soap_model(self) -> DOSModel:
        """The model with SOAP alone, not fitted."""
        return self._with(self._geometry())

    def _with(self, descriptor: EnvironmentTransformer) -> DOSModel:
        from ldosml import DOSModel

        return DOSModel(descriptor, self.regressor(), zero=self.zero, low=self.low, high=self.high)

    def _geometry(self) -> EnvironmentTransformer:
        from ldosml import Whitened

        return Whitened(self.soap()) if self.whiten else self.soap()

    def _regions(self) -> TightBindingSpectrum | None:
        """Tight binding of regions; None unless their radius is given. ParameterError where it is out of range."""
        from ldosml import TightBindingSpectrum
        from ldosml._validation import ParameterError

        if self.tight_binding_cutoff is None:
            return None
        spectrum = TightBindingSpectrum(r_cut=self.tight_binding_cutoff)
        try:
            spectrum.check_parameters()
        except ParameterError as error:  # there is another option --r-cut
            raise ParameterError("tight_binding_cutoff", error.requirement) from error
        return spectrum

    def _descriptor(self, structures: Sequence[Atoms]) -> EnvironmentTransformer:
        from ldosml import Joined
        from ldosml.descriptors.default import default_descriptor, scaled, tight_binding_for

        geometry, weight = self._geometry(), self.tight_binding_weight
        if self.descriptor is None:
            return default_descriptor(structures, geometry=geometry, spectrum=self._regions(), weight=weight)
        if self.descriptor == "soap":
            return geometry
        spectrum = scaled(self._regions() or tight_binding_for(structures))
        both = Joined([geometry, spectrum], weights=[1.0, weight])
        return spectrum if self.descriptor == "tight-binding" else both

    def check(self) -> None:
        """Check options that must fit each other, before data are read.

        Raises ParameterError, which names the one at fault.
        """
        from ldosml._validation import ParameterError

        self.soap()
        self._regions()
        check_energies(self.low, self.high)
        if self.alpha == "leave-one-out" and self.learn != "ldos":
            raise ParameterError(
                "alpha",
                "leave-one-out works only where LDOS alone are learned; give leave-one-group-out, or a number.",
            )

    def require_spectra(self, data: LDOSDataset) -> None:
        """Raise ParameterError when the dataset lacks the LDOS that ``learn`` needs."""
        from ldosml._validation import ParameterError

        if self.learn != "dos" and data.ldos is None:
            raise ParameterError(
                "learn", f"can only be dos: the data hold the total DOS, and no LDOS; got {str(self.learn)!r}."
            )
