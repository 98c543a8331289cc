"""The estimator of learned tight binding: bands of any crystal at any k-point."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike
from sklearn.utils.validation import check_is_fitted

from ldosml._files import replacing
from ldosml._validation import Caution, ParameterError
from ldosml.kresolved import CrystalBands, edge_bands, gamma_mesh
from ldosml.kresolved.evaluation.gaps import SMALLEST_GAP, is_metal
from ldosml.kresolved.meshes import irreducible, on_mesh
from ldosml.kresolved.model_files import BAND_FORMAT
from ldosml.kresolved.tetrahedra import MeshBands
from ldosml.neural.band_examples import BandExample, make_band_example
from ldosml.neural.band_objective import BandLoss, BandObjective
from ldosml.neural.correction_network import CorrectionConfig, CorrectionEnsemble, CorrectionNetwork
from ldosml.neural.crystal_estimator import CrystalEstimator, Given
from ldosml.neural.crystals import Crystal, Floats, check_kpoints, mesh_shape, point_group, structure_type
from ldosml.neural.epochs import Epoch
from ldosml.neural.inputs import (
    GivenCrystal,
    Placed,
    check_elements,
    check_sequence,
    describe,
    one_each,
)
from ldosml.neural.learned_binding import LearnedBinding
from ldosml.neural.optimization import Optimizer, Progress, Schedule, check_whole, train
from ldosml.neural.tensor_files import load_fitted
from ldosml.neural.tight_binding import known_shells
from ldosml.neural.tight_binding_fit import fit_tight_binding
from ldosml.structure_checks import check_sites
from ldosml.tightbinding import TightBinding, TightBindingParameters
from ldosml.tightbinding.corrections import CorrectedTightBinding

MESH = 8
"""Number of k-points along each reciprocal lattice vector for the Fermi level."""


class TightBindingRegressor(CrystalEstimator):
    """Learn tight binding whose parameters depend on the surroundings of each atom and each bond.

    Tight binding with Harrison's matrix elements is fitted to the bands of the training crystals; then a network learns
    corrections of its parameters: levels, overlaps and fields of each atom, and a factor of each matrix element of each
    bond. Bands follow by diagonalisation, so they have the symmetry of the crystal, hold the electrons exactly, and are
    known at any k-point. Several networks that differ in their first weights give a spread.

    Parameters
    ----------
    config : CorrectionConfig, optional
        Architecture of the networks. Default: ``CorrectionConfig()``.
    start : TightBindingParameters, optional
        To which corrections are added. Default: fitted to the training crystals (``fit_tight_binding``).
    n_networks : int
        Number of networks.
    n_epochs : int
        Largest number of passes over the crystals.
    batch_size, kpoints_per_crystal : int
        Crystals in one step, and k-points of each of them: the edges of a gap, and others at random.
    learning_rate, weight_decay : float
        Parameters of the optimizer.
    optimizer : {"adamw", "adam"}
    schedule : {"cosine", "plateau", "constant"}
        Schedule of the learning rate.
    patience : int or None
        Stop when the validation loss has not improved for this number of epochs.
    validation_fraction : float
        Fraction of the crystals that is held out to choose the best epoch, unless ``fit`` gets validation crystals.
        Crystals of one formula stay together. 0: keep the last epoch.
    validation_kpoints : int
        Number of k-points of each validation crystal.
    gap_weight : float
        Weight of the error of the gap; the error of the bands has weight 1. See ``band_loss``.
    penalty : float
        Weight of the mean squares of corrections.
    random_state : int
        Seed of weights, draws and held-out crystals.
    checkpoint : path or None
        File that is saved after every epoch, with the number of the network after its name, and the fitted parameters
        to begin with, with "start" after it. A fit continues from them.

    Attributes
    ----------
    network_ : CorrectionEnsemble
        The trained ``networks``, and ``tight_binding``, to which their corrections are added.
    elements_ : tuple of int
        Atomic numbers in the training crystals.
    structure_types_ : tuple of str
        Space group and Wyckoff positions of the training crystals (``structure_type``).
    gap_errors_ : dict
        Of the validation crystals, or else of the training crystals: mean absolute error of the gap of "metals" and
        "non-metals", eV, None without any, and the fraction that is "misjudged" as metal or not.
    history_ : list of list of Epoch
        Losses of every epoch of each network.
    training_ : dict
        Description of the training data, saved with the model.

    Examples
    --------
    >>> from ase.build import bulk
    >>> bands = CrystalBands([[0, 0, 0], [0.5, 0, 0]], [[-5.0, 16.0], [1.0, 17.0]], None, 0.0, 15.0, 1.0, 0.0)
    >>> model = TightBindingRegressor(start=TightBindingParameters.fitted(), n_networks=1, n_epochs=1)
    >>> model = model.set_params(validation_fraction=0).fit([bulk("Na")], [bands])
    >>> model.predict([bulk("Na")], [[0, 0, 0]])
    [CrystalBands(1 k-points, no weights; 13 bands; gap 0.00 eV)]
    """

    _format = BAND_FORMAT
    _not_saved = ("checkpoint", "start")  # the start is saved with the weights

    def __init__(
        self,
        config: CorrectionConfig | None = None,
        *,
        start: TightBindingParameters | None = None,
        n_networks: int = 3,
        n_epochs: int = 100,
        batch_size: int = 4,
        kpoints_per_crystal: int = 8,
        learning_rate: float = 3e-3,
        optimizer: Optimizer = "adamw",
        weight_decay: float = 1e-2,
        schedule: Schedule = "cosine",
        patience: int | None = None,
        validation_fraction: float = 0.1,
        validation_kpoints: int = 16,
        gap_weight: float = 0.3,
        penalty: float = 1e-4,
        random_state: int = 0,
        checkpoint: str | os.PathLike[str] | None = None,
    ) -> None:
        self.config = config
        self.start = start
        self.n_networks = n_networks
        self.n_epochs = n_epochs
        self.batch_size = batch_size
        self.kpoints_per_crystal = kpoints_per_crystal
        self.learning_rate = learning_rate
        self.optimizer = optimizer
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.validation_kpoints = validation_kpoints
        self.gap_weight = gap_weight
        self.penalty = penalty
        self.random_state = random_state
        self.checkpoint = checkpoint

    def fit(
        self,
        crystals: Sequence[GivenCrystal],
        bands: Sequence[CrystalBands],
        *,
        validation: Given | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Train on crystals and their bands.

        Parameters
        ----------
        crystals : sequence of Atoms or Crystal
            In the primitive cell to which the k-points of their bands refer.
        bands : sequence of CrystalBands
            One for each crystal. Join the bands on the mesh and along the path (``CrystalBands.joined``).
        validation : (crystals, bands), optional
            Crystals that choose the best epoch. Default: a part of the crystals, see ``validation_fraction``.
        progress : callable, optional
            Called with each ``Epoch`` of each network, after its checkpoint is saved.

        Returns
        -------
        TightBindingRegressor
            The fitted model itself.

        Raises
        ------
        TypeError, ValueError
            When parameters or bands are invalid, a crystal is invalid (see ``standardized``) or not in a primitive
            cell, no crystal has the electrons of its bands, or the checkpoint belongs to another fit.
        FloatingPointError
            When the loss becomes NaN or infinite.

        Warns
        -----
        Caution
            When crystals are left out, since tight binding has no levels of their elements, or another number of
            electrons: the difference must be a whole number of filled shells.
        """
        settings, loss = self._settings(), BandLoss(**self._named(BandLoss))
        check_whole("n_networks", self.n_networks, 1)
        config = CorrectionConfig() if self.config is None else self.config
        given, held_out = self._parts(crystals, bands, validation)
        start = _complete(self._start(given))
        training, validated = (_examples(part, start) for part in (given, held_out))
        if not training:
            raise ValueError("No training crystal can be used: their numbers of electrons do not match tight binding.")
        networks, history = [], []
        for number in range(self.n_networks):
            network = CorrectionNetwork(config, self.random_state + number)
            objective = BandObjective(network, training, validated, loss)
            own = replace(settings, random_state=self.random_state + number)
            history.append(train(objective, own, checkpoint=self._checkpoint(number), progress=progress))
            networks.append(network.eval())
        self.network_, self.history_ = CorrectionEnsemble(networks), history
        self.network_.tight_binding = start
        self._trained_on(given)
        self.structure_types_ = tuple(sorted({structure_type(crystal) for crystal, _ in given}))
        self.gap_errors_ = self._gap_errors(held_out or given)
        return self

    def _start(self, given: Sequence[Placed]) -> TightBindingParameters:
        """The parameters to begin with: given, of the fit that a checkpoint continues, or fitted to the crystals."""
        if self.start is not None:
            return self.start
        # Another machine would fit them slightly differently, so a checkpoint keeps them.
        path = None if self.checkpoint is None else Path(f"{os.fspath(self.checkpoint)}.start")
        if path is not None and path.exists():
            return TightBindingParameters.from_json(json.loads(path.read_text()))
        found = fit_tight_binding([c for c, _ in given], [b for _, b in given], self.random_state)
        if path is not None:
            with replacing(path, overwrite=True) as file:
                file.write(json.dumps(found.to_json()).encode())
        return found

    def _gap_errors(self, placed: Sequence[Placed]) -> dict[str, float | None]:
        known = [pair for pair in placed if known_shells(pair[0])]
        true = np.array([bands.gap for _, bands in known])
        found = np.array([self._predict_one(crystal, bands.kpoints, None).gap for crystal, bands in known])
        metal, found_metal = is_metal(true), is_metal(found)
        errors: dict[str, float | None] = {
            name: float(np.abs(found - true)[chosen].mean()) if chosen.any() else None
            for name, chosen in (("metals", metal), ("non-metals", ~metal))
        }
        return {**errors, "misjudged": float((metal != found_metal).mean())}

    def tight_binding(
        self, atoms: Atoms, *, network: int | None = None, allow_unknown: bool = False
    ) -> CorrectedTightBinding:
        """Tight binding of one structure.

        Parameters
        ----------
        atoms : ase.Atoms
            In any cell, periodic or not.
        network : int, optional
            One of the networks. Default: the mean corrections of all.
        allow_unknown : bool
            Also for elements that are not in the training crystals, with a warning. The model then only uses their
            atomic levels and their places in the periodic table.

        Returns
        -------
        CorrectedTightBinding
            eV against the vacuum of free atoms.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        TypeError, ValueError
            As ``TightBinding``; when elements are unknown, or there is no such network.
        """
        binding = self.binding(network)
        check_sites([atoms], ["the structure"])
        check_elements([atoms], self.elements_, allow_unknown, "bands")
        return binding(atoms)

    def binding(self, network: int | None = None) -> LearnedBinding:
        """What makes the tight binding of any structure, for ``local_moments``.

        Parameters
        ----------
        network : int, optional
            One of the networks. Default: the mean corrections of all.

        Returns
        -------
        LearnedBinding

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            When there is no such network.
        """
        check_is_fitted(self)
        networks = list(self.network_.networks)
        if network is not None and network not in range(len(networks)):
            raise ParameterError("network", f"must be one of the {len(networks)} networks, from 0; got {network!r}.")
        chosen = networks if network is None else [networks[network]]
        return LearnedBinding(self.network_.tight_binding, cast(list[CorrectionNetwork], chosen))

    def predict(
        self,
        crystals: Sequence[GivenCrystal],
        kpoints: ArrayLike | Sequence[ArrayLike],
        *,
        weights: ArrayLike | Sequence[ArrayLike] | None = None,
        allow_unknown: bool = False,
    ) -> list[CrystalBands]:
        """Predict the bands of crystals.

        Parameters
        ----------
        crystals : sequence of Atoms or Crystal
            In any cell.
        kpoints : array (n_kpoints, 3), or a sequence of them, one for each crystal
            Fractions of the reciprocal lattice vectors of the cell in which each crystal is given. In the result they
            refer to the standardised primitive cell, in the same order.
        weights : array (n_kpoints,), or a sequence of them, optional
            Weights of a mesh, which the result keeps.
        allow_unknown : bool
            See ``tight_binding``.

        Returns
        -------
        list of CrystalBands
            One for each crystal; the Fermi level and the gap are from a mesh of 8 x 8 x 8 k-points and the given ones.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError
            When k-points have the wrong shape, a crystal is invalid (see ``standardized``), or has unknown elements.
        """
        check_is_fitted(self)
        described = [describe(crystal) for crystal in check_sequence(crystals)]
        kpoints_of = one_each("kpoints", kpoints, len(described), ndim=2)
        weights_of = [None] * len(described) if weights is None else one_each("weights", weights, len(described), 1)
        check_elements([crystal for crystal, _ in described], self.elements_, allow_unknown, "bands")
        return [
            self._predict_one(crystal, check_kpoints(k) @ to_primitive.T, w)
            for (crystal, to_primitive), k, w in zip(described, kpoints_of, weights_of, strict=True)
        ]

    def _predict_one(self, crystal: Crystal, kpoints: Floats, weights: ArrayLike | None) -> CrystalBands:
        model = self.binding()(crystal.atoms())
        mesh = mesh_bands(model, crystal, MESH)
        found = model.eigenvalues(kpoints)
        return filled_bands(mesh, kpoints, found, weights, model.n_electrons)

    def _checkpoint(self, number: int) -> Path | None:
        if self.checkpoint is None:
            return None
        path = Path(self.checkpoint)
        return path.with_name(f"{path.name}.{number}")

    def _spec(self) -> dict[str, Any]:
        return {
            "parameters": {"config": asdict(self.network_.networks[0].config)},
            "structure_types": list(self.structure_types_),
            "gap_errors": self.gap_errors_,
            "history": [[asdict(epoch) for epoch in one] for one in self.history_],
        }

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Load a model from a file of ``save``.

        Parameters
        ----------
        path : path

        Returns
        -------
        TightBindingRegressor

        Raises
        ------
        FileNotFoundError
            When there is no such file.
        ValueError
            When the file is not such a model, is damaged, or has another format version.
        """
        return load_fitted(Path(path), cls._format, cls._from_spec, "cpu")

    @classmethod
    def _from_spec(cls, spec: Mapping[str, Any]) -> Self:
        given = dict(spec["parameters"])
        config = CorrectionConfig(**given.pop("config"))
        model = cls(config, **given)
        model.network_ = CorrectionEnsemble([CorrectionNetwork(config) for _ in range(model.n_networks)])
        model._restore(spec)
        model.structure_types_ = tuple(spec["structure_types"])
        model.gap_errors_ = dict(spec["gap_errors"])
        model.history_ = [[Epoch(**epoch) for epoch in one] for one in spec["history"]]
        return model


def mesh_bands(model: TightBinding, crystal: Crystal, n: int) -> MeshBands:
    """Bands on a mesh of ``n`` k-points along each reciprocal lattice vector, from its irreducible part.

    Across a vacuum, the mesh has one k-point.
    """
    kpoints, _ = gamma_mesh(mesh_shape(crystal, n))
    chosen, _, inverse = irreducible(kpoints, point_group(crystal))
    return MeshBands(on_mesh(kpoints, model.eigenvalues(chosen)[inverse]), crystal.cell)


def filled_bands(
    mesh: MeshBands, kpoints: Floats, found: Floats, weights: ArrayLike | None, n_electrons: float
) -> CrystalBands:
    """Bands at k-points with the Fermi level and the gap over them and a mesh."""
    fermi, gap = mesh.fermi_level(n_electrons), 0.0
    if abs(n_electrons / 2 - round(n_electrons / 2)) < 1e-6:
        everywhere = np.concatenate([mesh.energies.reshape(-1, found.shape[1]), found])
        valence, conduction = edge_bands(everywhere, n_electrons)
        gap = float(conduction.min() - valence.max())
        gap = 0.0 if gap < SMALLEST_GAP else gap
        if gap:
            fermi = 0.5 * float(conduction.min() + valence.max())
    given = None if weights is None else np.asarray(weights, dtype=np.float64)
    return CrystalBands(kpoints, found, given, fermi, float(found[:, -1].min()), n_electrons, gap)


def _complete(given: TightBindingParameters) -> TightBindingParameters:
    """Parameters; elements that have none get ``TightBindingParameters.start``."""
    start = TightBindingParameters.start()
    values = ((f.name, getattr(given, f.name), getattr(start, f.name)) for f in fields(given))
    return TightBindingParameters(**{name: np.where(np.isnan(own), other, own) for name, own, other in values})


def _examples(placed: Sequence[Placed], start: TightBindingParameters) -> list[BandExample]:
    """Examples of crystals; a warning tells those that have none."""
    found = [make_band_example(crystal, bands, start) if known_shells(crystal) else None for crystal, bands in placed]
    lost = [crystal.formula for (crystal, _), one in zip(placed, found, strict=True) if one is None]
    if lost:
        warnings.warn(
            f"{len(lost)} crystals are left out, since tight binding has no levels of their elements, or another "
            f"number of electrons: {', '.join(lost[:5])}.",
            Caution,
            stacklevel=3,
        )
    return [one for one in found if one is not None]
