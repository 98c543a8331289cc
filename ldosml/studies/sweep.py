"""Cutoff sweeps: the error of the LDOS against the radius of the environment (figure 1 of the LDOS paper)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid

from ldosml._journal import Record
from ldosml._plots import drawn
from ldosml._ranges import check_arguments
from ldosml._validation import check_choice, check_shape
from ldosml.bootstrap import group_draws, interval
from ldosml.datasets import LDOSDataset
from ldosml.descriptors import SOAP, Precomputed, Whitened
from ldosml.fragments import CutMode
from ldosml.neighbors import find_neighbors
from ldosml.pipeline import DOSModel
from ldosml.regression import LDOSKernelRidge
from ldosml.search import SearchedModel
from ldosml.search.expression import expression
from ldosml.search.scores import check_closed_form
from ldosml.studies._table import Tabulated
from ldosml.studies.cross_validation import known_as
from ldosml.studies.errors import Errors
from ldosml.studies.folds import DescriptorRows, Learner, cropped_rows
from ldosml.studies.noise import Floor, noise_floor
from ldosml.studies.setup import Setup

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TUNABLE = ("n_max", "l_max", "atom_sigma")
"""Parameters of SOAP that a sweep may choose at each radius."""

_ROUNDING = 1e-8  # angstrom; neighbours on the sphere count, as in a fragment

TOLERANCE = 0.05
"""No radius larger than the saturation radius lowers the error by more than this fraction."""


@dataclass(frozen=True, eq=False, repr=False)
class CutoffSweep(Tabulated):
    """Errors of LDOS at several cutoff radii.

    Parameters
    ----------
    errors : dict of Errors
        By (mode, radius); modes "complete" and "sharp" as in ``ldosml.cut_fragments``, radii in angstrom, ascending.
    neighbors : dict of float
        By radius: the mean number of neighbours of an atom within it.
    groups : list of str
        Group of each structure.
    noise : dict of float
        L/sigma of the label noise, by quantity; see ``noise_floor``.
    settings : dict of list of str
        By (mode, radius): the model of every fold as a Python expression, if it was searched; otherwise empty.
    """

    errors: dict[tuple[str, float], Errors]
    neighbors: dict[float, float]
    groups: list[str]
    noise: Floor
    settings: dict[tuple[str, float], list[str]]

    def _facts(self) -> dict[str, object]:
        return {
            "radii": f"{', '.join(f'{r:g}' for r in self.radii)} Å",
            "fragments": ", ".join(self.modes),
            "elements": ", ".join(self.elements),
            "structures": len(self.groups),
        }

    def plot(self, ax: Axes | None = None, *, element: str | None = None) -> Figure | None:
        """Draw L/sigma of the LDOS against the radius; see ``plotting.sweep_figure``.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Draw one element here, and leave the legend to you.
        element : str, optional
            Draw this element only. Default: every element without ``ax``, the first with ``ax``.

        Returns
        -------
        matplotlib.figure.Figure or None
            None with ``ax``.

        Raises
        ------
        ValueError
            When ``element`` is not one of ``elements``.
        """
        figure: Figure | None = drawn(self, ax, element=element)
        return figure

    @property
    def radii(self) -> list[float]:
        """Cutoff radii, angstrom, ascending."""
        return sorted({r_cut for _, r_cut in self.errors})

    @property
    def modes(self) -> list[str]:
        """Ways of cropping, in the order given."""
        return list(dict.fromkeys(mode for mode, _ in self.errors))

    @property
    def elements(self) -> list[str]:
        """Symbols of the elements of the centres."""
        return next(iter(self.errors.values())).elements

    def losses(self, mode: str, element: str, weights: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """L/sigma of the LDOS of an element at each radius.

        Parameters
        ----------
        mode : {"complete", "sharp"}
        element : str
        weights : array (n_structures,), optional
            How often each structure counts.

        Returns
        -------
        array (n_radii,)
        """
        counts = np.ones(len(self.groups)) if weights is None else weights
        losses: NDArray[np.float64] = self._losses(mode, element, counts[None, :])[0]
        return losses

    def _losses(self, mode: str, element: str, draws: NDArray[np.float64]) -> NDArray[np.float64]:
        """L/sigma for many draws of structures, (n_draws, n_radii)."""
        return np.stack([self.errors[mode, r].losses(f"ldos {element}", draws) for r in self.radii], axis=1)

    def records(self) -> list[Record]:
        """L/sigma, neighbours and setting of each mode, radius, element and fold; "all" is all folds together.

        Returns
        -------
        list of dict
            One row for each.
        """
        rows = []
        for (mode, r_cut), errors in self.errors.items():
            for element in errors.elements:
                name = f"ldos {element}"
                shared = {"mode": mode, "r_cut": r_cut, "element": element}
                for fold, loss in errors.pooled_and_by_fold(name).items():
                    chosen = self.settings[mode, r_cut]
                    rows.append(
                        {
                            **shared,
                            "fold": fold,
                            "ldos_loss": loss,
                            "mean_spectrum_loss": errors.mean_loss[name],
                            "label_noise": self.noise.get(name),
                            "mean_neighbors": self.neighbors[r_cut],
                            "setting": chosen[int(fold)] if chosen and fold != "all" else "",
                        }
                    )
        return rows

    def saturation(self, mode: str, *, n_draws: int = 500, random_state: int = 0) -> list[Record]:
        """Saturation radius of each element: no larger radius lowers the error by more than ``TOLERANCE``.

        Parameters
        ----------
        mode : {"complete", "sharp"}
        n_draws : int
            Draws of the bootstrap.
        random_state : int
            Seed of the draws.

        Returns
        -------
        list of dict
            One row for each element, in angstrom: ``r_sat`` from all folds together; ``low`` and ``high``, its 95 %
            interval from a bootstrap over groups; ``folds``, the radius of each fold. If ``r_sat`` is the largest
            radius, the sweep did not reach saturation; if it is the smallest, the saturation radius may be smaller.

        Raises
        ------
        ValueError
            When the sweep does not have the mode.
        """
        check_arguments(n_draws=n_draws, random_state=random_state)
        check_choice("mode", mode, self.modes)
        draws = group_draws(self.groups, n_draws, random_state)
        fold = next(iter(self.errors.values())).fold
        alone = np.array([fold == f for f in np.unique(fold)], dtype=np.float64)
        rows = []
        for element in self.elements:
            whole, drawn, folds = (
                [saturation_radius(self.radii, losses) for losses in self._losses(mode, element, each)]
                for each in (np.ones((1, len(fold))), draws, alone)
            )
            low, high = interval(drawn)
            rows.append({"mode": mode, "element": element, "r_sat": whole[0], "low": low, "high": high, "folds": folds})
        return rows


def saturation_radius(radii: Sequence[float], losses: NDArray[np.float64], tolerance: float = TOLERANCE) -> float:
    """Find the smallest radius such that no larger radius lowers the loss by more than ``tolerance``.

    Parameters
    ----------
    radii : sequence of float
        Ascending, angstrom.
    losses : array (n_radii,)
    tolerance : float
        Fraction of the loss, in [0, 1).

    Returns
    -------
    float
        Angstrom; NaN if a loss is not finite.

    Raises
    ------
    ValueError
        When there is no radius, the radii do not ascend, the number of losses is another, or the tolerance is not in
        [0, 1).

    Examples
    --------
    >>> saturation_radius([2, 3, 4, 5], np.array([1.0, 0.5, 0.41, 0.40]))
    4.0
    """
    check_arguments(radii=radii, tolerance=tolerance)
    check_shape("losses", np.asarray(losses), (len(radii),), "n_radii")
    if not len(radii) or (np.diff(radii) <= 0).any():
        raise ValueError(f"radii must ascend, at least one; got {list(radii)}.")
    if not 0 <= tolerance < 1:
        raise ValueError(f"tolerance must be a fraction from 0 up to 1; got {tolerance!r}.")
    losses = np.asarray(losses, dtype=np.float64)
    if not np.isfinite(losses).all():
        return float("nan")
    best_beyond = np.minimum.accumulate(losses[::-1])[::-1]
    return float(radii[int(np.argmax(losses * (1 - tolerance) <= best_beyond))])


def sweep_cutoffs(
    data: LDOSDataset,
    radii: Sequence[float],
    model: DOSModel,
    *,
    modes: Sequence[CutMode] = ("complete", "sharp"),
    tune: Mapping[str, Sequence[Any]] | None = None,
    setup: Setup | None = None,
) -> CutoffSweep:
    """Cross-validate a model at several cutoff radii.

    Parameters
    ----------
    data : LDOSDataset
        A dataset with LDOS.
    radii : sequence of float
        Angstrom, each above 1.
    model : DOSModel
        Its descriptor must be SOAP or whitened SOAP; ``r_cut`` is set to each radius.
    modes : sequence of {"complete", "sharp"}
        Where fragments end: where the SOAP no longer depends on an atom, or at the radius (equation 9 of the LDOS
        paper).
    tune : mapping, optional
        Values to choose from, for parameters of SOAP ("n_max", "l_max", "atom_sigma") and of the regressor (such as
        "gamma"). They are chosen at every radius and in every fold, by leaving out trajectories of the training part;
        alpha is chosen in the same way. None: the values of ``model``.
    setup : Setup, optional
        Its ``temperature`` is not used.

    Returns
    -------
    CutoffSweep

    Raises
    ------
    ValueError
        When the dataset has no LDOS; there is no radius or no mode; SOAP refuses a radius; a mode is unknown; ``tune``
        is empty, or names alpha or a parameter that neither SOAP nor the regressor has; or ``Setup.folds`` raises it.
    TypeError
        When the descriptor is neither SOAP nor whitened SOAP; or with ``tune``, when the regressor has no leave-out
        error in closed form.
    """
    check_arguments(radii=radii)
    setup = replace(Setup() if setup is None else setup, temperature=None)
    if data.ldos is None:
        raise ValueError("A cutoff sweep needs LDOS, one row per atom; this dataset has total DOS only.")
    ordered = sorted({float(r) for r in radii})
    if not ordered or not modes:
        raise ValueError(f"A sweep needs at least one radius and one mode; got {len(ordered)} and {len(modes)}.")
    for mode in modes:
        check_choice("mode", mode, get_args(CutMode))
    soap = soap_of(model)
    for r_cut in ordered:
        clone(soap).set_params(r_cut=r_cut).fit(data.structures)  # a bad radius raises an error before the long work
    folds = setup.folds(data)
    choices = _choices(model, tune)
    steps = [(mode, r_cut) for r_cut in ordered for mode in dict.fromkeys(modes)]
    validations = [
        setup.validation({"mode": mode, "r_cut": r_cut}, partial(_prepare, data, model, r_cut, mode, choices), folds)
        for mode, r_cut in steps
    ]
    values = {name: [str(value) for value in given] for name, given in (tune or {}).items()}
    records = setup.run("sweep", data, validations, model=known_as(model), tune=values)
    names = [(str(mode), r_cut) for mode, r_cut in steps]
    errors = {name: Errors.from_record(record) for name, record in zip(names, records, strict=True)}
    found = {name: [_of_soap(one) for one in record["settings"]] for name, record in zip(names, records, strict=True)}
    noise = noise_floor(data, next(iter(errors.values())), data.smearing_width, None)
    return CutoffSweep(errors, _mean_neighbors(data, ordered), list(data.groups), noise, found)


def soap_of(model: DOSModel) -> SOAP:
    """The SOAP within a model.

    Raises TypeError when its descriptor is neither SOAP nor whitened SOAP.
    """
    white = _whitened(model)
    descriptor = model.descriptor if white is None else white.descriptor
    descriptor = SOAP() if descriptor is None else descriptor
    if not isinstance(descriptor, SOAP):
        raise TypeError(
            f"A cutoff sweep sets r_cut of SOAP or Whitened(SOAP), so the descriptor must be one of them; got "
            f"{type(descriptor).__name__}."
        )
    return descriptor


Choice = tuple[dict[str, Any], dict[str, Any]]
"""Parameters of SOAP, and parameters of the regressor."""


def _regressor_of(model: DOSModel) -> Any:
    """A copy of the model's regressor, not fitted."""
    return LDOSKernelRidge() if model.regressor is None else clone(model.regressor)


def _choices(model: DOSModel, tune: Mapping[str, Sequence[Any]] | None) -> list[Choice]:
    """All combinations to choose from; none without ``tune``."""
    if tune is None:
        return []
    regressor = _regressor_of(model)
    check_closed_form(regressor)
    unknown = set(tune) - set(TUNABLE) - set(regressor.get_params())
    if unknown or not tune or "alpha" in tune:
        raise ValueError(
            f"tune takes {', '.join(TUNABLE)} and parameters of {type(regressor).__name__} except alpha, which is "
            f"chosen from its alphas; got {', '.join(sorted(unknown or tune)) or 'nothing'}."
        )
    return [
        ({k: v for k, v in one.items() if k in TUNABLE}, {k: v for k, v in one.items() if k not in TUNABLE})
        for one in ParameterGrid(tune)
    ]


def _whitened(model: DOSModel) -> Whitened | None:
    """The whitened descriptor of a model; None if its descriptor is not whitened. The default is whitened."""
    if model.descriptor is None:
        return Whitened(SOAP())
    return model.descriptor if isinstance(model.descriptor, Whitened) else None


def _prepare(
    data: LDOSDataset, model: DOSModel, r_cut: float, mode: CutMode, choices: Sequence[Choice]
) -> tuple[LDOSDataset, Learner, DescriptorRows | None]:
    """Data, model and descriptors of one radius; with ``choices``, the model is a search and computes descriptors."""
    template = clone(soap_of(model)).set_params(r_cut=r_cut)
    if not choices:
        learner = clone(_whitened(model) or template)
        return data, model, DescriptorRows(cropped_rows(data.structures, template, mode), learner)
    structures, candidates = [atoms.copy() for atoms in data.structures], []  # type: ignore[no-untyped-call]
    for of_soap, of_regressor in choices:
        soap = clone(template).set_params(**of_soap)
        name = expression(soap)
        if name not in structures[0].arrays:
            bounds = np.cumsum([len(atoms) for atoms in structures[:-1]])
            for atoms, rows in zip(structures, np.split(cropped_rows(structures, soap, mode), bounds), strict=True):
                atoms.arrays[name] = rows
        white = _whitened(model)
        descriptor = Precomputed(name) if white is None else clone(white).set_params(descriptor=Precomputed(name))
        regressor = _regressor_of(model).set_params(**of_regressor)
        candidates.append({"descriptor": [descriptor], "regressor": [regressor]})
    search = SearchedModel(candidates, zero=model.zero, low=model.low, high=model.high)
    return replace(data, structures=structures), search, None


def _of_soap(setting: str) -> str:
    """The expression of a model, with the SOAP in place of the precomputed rows."""
    return re.sub(r"""Precomputed\(key=(['"])(.*?)\1\)""", r"\2", setting)


def _mean_neighbors(data: LDOSDataset, radii: Sequence[float]) -> dict[float, float]:
    """Mean number of atoms within each radius of an atom."""
    counts = np.zeros(len(radii))
    for atoms in data.structures:
        distances = find_neighbors("d", atoms, radii[-1] + _ROUNDING)
        counts += [np.count_nonzero(distances <= r_cut + _ROUNDING) for r_cut in radii]
    return dict(zip(radii, (counts / len(data.numbers)).tolist(), strict=True))
