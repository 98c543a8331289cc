"""How far an atom sees: the error of its LDOS against the radius around it (figure 1 of the LDOS paper)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, get_args

import numpy as np
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid

from ldosml._journal import Record
from ldosml._validation import check_choice, check_positive
from ldosml.datasets import LDOSDataset
from ldosml.descriptors import SOAP
from ldosml.fragments import CutMode
from ldosml.pipeline import DOSModel
from ldosml.regression import LDOSKernelRidge
from ldosml.search import SearchedModel
from ldosml.search.scores import check_closed_form
from ldosml.search.spelling import spelled
from ldosml.studies._tabulated import Tabulated
from ldosml.studies.errors import Errors, group_draws, interval
from ldosml.studies.folding import Learner, cropped_rows, with_precomputed, with_rows
from ldosml.studies.noise import Floor, noise_floor
from ldosml.studies.settings import Setup
from ldosml.whitening import Whitened

TUNABLE = ("n_max", "l_max", "atom_sigma")
"""Parameters of SOAP that a sweep may choose anew at each radius."""

TOLERANCE = 0.05
"""Beyond the saturation radius no radius lowers the error by more than this fraction."""


@dataclass(frozen=True, eq=False)
class CutoffSweep(Tabulated):
    """Errors of LDOS at several cutoff radii.

    Parameters
    ----------
    errors : dict of Errors
        By (mode, radius); modes "complete" and "sharp" as in ``ldosml.cut_fragments``, radii in angstrom, ascending.
    neighbors : dict of float
        Mean number of atoms within each radius of an atom.
    groups : list of str
        Of each structure.
    noise : dict of float
        L/sigma of the labels' noise, by quantity; see ``noise_floor``.
    settings : dict of list of str
        The setting of every fold by (mode, radius), where it was searched.
    """

    errors: dict[tuple[str, float], Errors]
    neighbors: dict[float, float]
    groups: list[str]
    noise: Floor
    settings: dict[tuple[str, float], list[str]]

    @property
    def radii(self) -> list[float]:
        """Angstrom, ascending."""
        return sorted({r_cut for _, r_cut in self.errors})

    @property
    def modes(self) -> list[str]:
        """Ways of cropping, in the order asked for."""
        return list(dict.fromkeys(mode for mode, _ in self.errors))

    @property
    def elements(self) -> list[str]:
        """Symbols of the centres."""
        return next(iter(self.errors.values())).elements

    def losses(self, mode: str, element: str, weights: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """L/sigma of an element's LDOS at each radius, (n_radii,); ``weights`` (n_structures,) count structures."""
        return np.array([self.errors[mode, r].loss(f"ldos {element}", weights) for r in self.radii])

    def records(self) -> list[Record]:
        """A row a mode, radius, element and fold (and "all": pooled): L/sigma, neighbours, and the setting used."""
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
        """The radius beyond which no other lowers the error by more than ``TOLERANCE``, a row an element.

        ``r_sat`` of the pooled errors; ``low`` and ``high``, its 95 % interval from a bootstrap over groups; ``folds``,
        that of each fold alone. Angstrom. Where ``r_sat`` is the largest radius, saturation was not reached within the
        sweep.
        """
        draws = group_draws(self.groups, n_draws, random_state)
        fold = next(iter(self.errors.values())).fold
        rows = []
        for element in self.elements:
            found = [saturation_radius(self.radii, self.losses(mode, element, weights)) for weights in draws]
            low, high = interval(found)
            alone = [
                saturation_radius(self.radii, self.losses(mode, element, (fold == f).astype(float)))
                for f in np.unique(fold)
            ]
            r_sat = saturation_radius(self.radii, self.losses(mode, element))
            rows.append({"mode": mode, "element": element, "r_sat": r_sat, "low": low, "high": high, "folds": alone})
        return rows


def saturation_radius(radii: Sequence[float], losses: NDArray[np.float64], tolerance: float = TOLERANCE) -> float:
    """Give the smallest radius whose loss no larger radius lowers by more than ``tolerance``, angstrom.

    NaN where a loss is not known.

    Examples
    --------
    >>> saturation_radius([2, 3, 4, 5], np.array([1.0, 0.5, 0.41, 0.40]))
    4.0
    """
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
        With LDOS.
    radii : sequence of float
        Angstrom, each above 1.
    model : DOSModel
        Its descriptor, SOAP or whitened SOAP, gets each radius in turn.
    modes : sequence of {"complete", "sharp"}
        Where fragments end: where the SOAP stops noticing, or at the radius itself (equation 9 of the LDOS paper).
    tune : mapping, optional
        Parameters of SOAP ("n_max", "l_max", "atom_sigma") and of the regressor (such as "gamma") with the values to
        choose among at every radius and in every fold, by leaving out trajectories of the training part. None: as they
        are in ``model``.
    setup : Setup, optional

    Raises
    ------
    ValueError
        When there is no LDOS, a radius or mode is refused, ``tune`` names what neither SOAP nor the regressor has; and
        as ``Setup.folds``.
    TypeError
        When the descriptor is another, or is to be tuned with a regressor whose leave-out error is not known in closed
        form.
    """
    setup = Setup() if setup is None else setup
    if data.ldos is None:
        raise ValueError("A sweep of cutoffs judges LDOS, one row per atom; this dataset holds total DOS only.")
    ordered = sorted({float(r) for r in radii})
    if not ordered:
        raise ValueError("A sweep needs at least one radius; got none.")
    for mode in modes:
        check_choice("mode", mode, get_args(CutMode))
    for r_cut in ordered:
        check_positive("radius", r_cut, "angstrom")
    folds = setup.folds(data)
    soap = soap_of(model)
    choices = _choices(model, soap, tune)
    steps = [(mode, r_cut) for r_cut in ordered for mode in modes]
    validations = [
        setup.validation({"mode": mode, "r_cut": r_cut}, partial(_prepare, data, model, r_cut, mode, choices), folds)
        for mode, r_cut in steps
    ]
    values = {name: [str(value) for value in given] for name, given in (tune or {}).items()}
    records = setup.run("sweep", data, validations, model=spelled(model), tune=values)
    names = [(str(mode), r_cut) for mode, r_cut in steps]
    errors = {name: Errors.from_record(record) for name, record in zip(names, records, strict=True)}
    found = {name: list(record["settings"]) for name, record in zip(names, records, strict=True)}
    noise = noise_floor(data, next(iter(errors.values())), data.smearing_width, None)
    return CutoffSweep(errors, _mean_neighbors(data, ordered), list(data.groups), noise, found)


def soap_of(model: DOSModel) -> SOAP:
    """The SOAP within a model.

    Raises TypeError when its descriptor is neither SOAP nor whitened SOAP.
    """
    descriptor = model.descriptor.descriptor if isinstance(model.descriptor, Whitened) else model.descriptor
    descriptor = SOAP() if descriptor is None else descriptor
    if not isinstance(descriptor, SOAP):
        raise TypeError(
            f"A sweep of cutoffs needs SOAP or Whitened(SOAP) as descriptor, whose r_cut it sets; got "
            f"{type(descriptor).__name__}."
        )
    return descriptor


Choice = tuple[dict[str, Any], dict[str, Any]]
"""Parameters of SOAP, and of the regressor."""


def _choices(model: DOSModel, soap: SOAP, tune: Mapping[str, Sequence[Any]] | None) -> list[Choice]:
    """All combinations to choose among; none where nothing is tuned."""
    if tune is None:
        return []
    regressor = LDOSKernelRidge() if model.regressor is None else model.regressor
    check_closed_form(regressor)
    unknown = set(tune) - set(TUNABLE) - set(regressor.get_params())
    if unknown or not tune:
        raise ValueError(
            f"tune takes {', '.join(TUNABLE)} and parameters of {type(regressor).__name__}; got "
            f"{', '.join(sorted(unknown)) or 'nothing'}."
        )
    return [
        ({k: v for k, v in one.items() if k in TUNABLE}, {k: v for k, v in one.items() if k not in TUNABLE})
        for one in ParameterGrid(tune)
    ]


def _prepare(
    data: LDOSDataset, model: DOSModel, r_cut: float, mode: CutMode, choices: Sequence[Choice]
) -> tuple[LDOSDataset, Learner]:
    """Data with the rows of one radius, and the model, or a search among models, that takes them."""
    template = clone(soap_of(model)).set_params(r_cut=r_cut)
    if not choices:
        return with_rows(data, cropped_rows(data.structures, template, mode)), with_precomputed(model)
    candidates = []
    for of_soap, of_regressor in choices:
        soap = clone(template).set_params(**of_soap)
        name = spelled(soap)
        if name not in data.structures[0].arrays:
            data = with_rows(data, cropped_rows(data.structures, soap, mode), name)
        changed = with_precomputed(model, name)
        regressor = clone(model.regressor) if model.regressor is not None else LDOSKernelRidge(kernel="matern")
        candidates.append({"descriptor": [changed.descriptor], "regressor": [regressor.set_params(**of_regressor)]})
    return data, SearchedModel(candidates, reference=model.reference, low=model.low, high=model.high)


def _mean_neighbors(data: LDOSDataset, radii: Sequence[float]) -> dict[float, float]:
    """Mean number of atoms within each radius of an atom."""
    counts = np.zeros(len(radii))
    for atoms in data.structures:
        distances = neighbor_list("d", atoms, radii[-1])  # type: ignore[no-untyped-call]
        counts += [np.count_nonzero(distances <= r_cut) for r_cut in radii]
    return dict(zip(radii, (counts / len(data.numbers)).tolist(), strict=True))
