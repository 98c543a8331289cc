"""Table I of Bandformer: errors of six bands around the Fermi level, and of the gap, for crystals outside the fit.

    OMP_NUM_THREADS=1 python benchmarks/bandformer.py [--models FOLDER] [--parts test] [--crystals crystals]

Every model predicts six bands of the same crystals at the same 256 k-points of the closed path of Latimer and Munro.
The true bands are those of DFT, interpolated to these k-points by star functions; the second table is the error of this
interpolation, from k-points that are left out. Two networks are fitted on the training part, and saved into the folder
of the results: the "small" preset, which starts at tight binding, and the same end to end, without tight binding as in
the paper. The validation part chose their settings and epochs. FOLDER contains networks of an earlier run. A further
model is one more function in ``main``: it gets a ``Question`` and gives six bands. The paper's values are for other
crystals, 52,861 of the Materials Project, so they only show the usual size.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import machine
import numpy as np

from ldosml.datasets import CrystalSet, Material, load_crystals, split_crystals
from ldosml.kresolved import CrystalBands, interpolate_bands
from ldosml.neural import (
    BandTransformer,
    BandTransformerConfig,
    Crystal,
    PathBands,
    TightBindingRegressor,
    best_epoch,
    load_crystal_model,
    path_bands,
)
from ldosml.neural.band_transformer_targets import around_fermi_level
from ldosml.neural.crystals import Floats, point_group
from ldosml.neural.inputs import place_bands
from ldosml.neural.tight_binding_regressor import MESH, mesh_bands
from ldosml.tightbinding import TightBinding

PAPER = {
    "all": {"centre": 0.072, "dispersion": 0.084, "energy": 0.117},
    "non-metals": {"centre": 0.071, "dispersion": 0.067, "energy": 0.103, "gap": 0.164},
    "metals": {"centre": 0.072, "dispersion": 0.103, "energy": 0.133},
}
GROUPS = ("all", "metals", "non-metals")
N_BANDS, HALF = 6, 3
NETWORKS = {
    "bandformer": ({}, {}),
    "bandformer-end-to-end": ({"tight_binding": "none"}, {"learning_rate": 2e-3, "n_epochs": 40}),
}
"""Changes of the preset, and of the parameters of ``BandTransformer``."""
TINY = BandTransformerConfig(d=16, n_layers=1, n_blocks=1)
WHOLE_LINES = "a whole line of the path"
EVERY_OTHER = "every other k-point of the path"


@dataclass(frozen=True, eq=False)
class Question:
    """What a model is asked: six bands of a crystal along the path of ``true``.

    ``n_below`` is the number of electrons in the bands up to the third one, if these were full. A model with other core
    shells finds the same bands by it.
    """

    crystal: Crystal
    true: PathBands
    n_below: int
    n_electrons: float


Model = Callable[[Question], Floats]
"""Gives six bands (n_kpoints, 6), eV against the Fermi level; NaN for bands that it does not have."""


def questions(part: CrystalSet) -> list[Question]:
    return [question(crystal, bands) for crystal, bands in place_bands(part.crystals, part.bands)]


def question(crystal: Crystal, bands: CrystalBands) -> Question:
    held = int((np.sort(bands.centred().relative, axis=1).min(axis=0) < 0).sum())
    return Question(crystal, path_bands(crystal, bands, n_bands=N_BANDS), 2 * held, bands.n_electrons)


def transformer(model: BandTransformer) -> Model:
    """The fitted network."""

    def bands(asked: Question) -> Floats:
        (found,) = model.predict([asked.crystal], allow_unknown=True)
        assert np.allclose(found.path.kpoints, asked.true.path.kpoints)
        return found.bands

    return bands


def bound_bands(bind: Callable[[Crystal], TightBinding], own: bool) -> Model:
    """Tight binding; which bands are meant is told by DFT (``n_below``), or is its ``own`` count of held bands."""

    def bands(asked: Question) -> Floats:
        model = bind(asked.crystal)
        mesh = mesh_bands(model, asked.crystal, MESH)
        zero = mesh.fermi_level(model.n_electrons)
        along = model.eigenvalues(asked.true.path.kpoints) - zero
        lowest = np.minimum(along.min(axis=0), mesh.energies.min(axis=(0, 1, 2)) - zero)
        held = int((lowest < 0).sum()) if own else round((asked.n_below - asked.n_electrons + model.n_electrons) / 2)
        return six(along, held)

    return bands


def six(bands: Floats, held: int) -> Floats:
    """Three bands up to band ``held`` and three above; NaN where there are none."""
    padded = np.pad(bands, ((0, 0), (HALF, HALF)), constant_values=np.nan)
    return padded[:, held : held + N_BANDS]


def mean_bands(network: BandTransformer) -> Model:
    """The mean centre of each band over the training crystals of a network, without dispersion."""
    centers = network.network_.scale[0].cpu().double().numpy()
    return lambda asked: np.tile(centers, (len(asked.true), 1))


def errors(asked: Question, bands: Floats, counted: Floats) -> dict[str, float]:
    """Mean absolute errors of one crystal over the ``counted`` bands, eV; the gap is of all bands."""
    true, found = asked.true.bands[:, counted], bands[:, counted]
    centre = np.abs(found.mean(axis=0) - true.mean(axis=0)).mean()
    dispersion = np.abs((found - found.mean(axis=0)) - (true - true.mean(axis=0))).mean()
    gap = abs(PathBands(asked.true.path, bands).gap - asked.true.gap)
    return {"centre": centre, "dispersion": dispersion, "energy": np.abs(found - true).mean(), "gap": gap}


def belongs(asked: Question, group: str) -> bool:
    return group == "all" or (group == "metals") == (asked.true.gap == 0)


def add_errors(results: machine.Results, title: str, part: list[Question], predicted: dict[str, list[Floats]]) -> None:
    """Table I for each model: over the bands that it has, and over the bands that all models have."""
    known = [np.isfinite(asked.true.centers) for asked in part]
    each = {name: [np.isfinite(bands.mean(axis=0)) for bands in found] for name, found in predicted.items()}
    common = [np.logical_and.reduce([k, *(has[i] for has in each.values())]) for i, k in enumerate(known)]
    for what, masks in (("bands of each model", None), ("bands that all models have", common)):
        for name, found in predicted.items():
            chosen = masks or [k & has for k, has in zip(known, each[name], strict=True)]
            rows = [errors(*case) for case in zip(part, found, chosen, strict=True)]
            metal = [PathBands(a.true.path, b).gap == 0 for a, b in zip(part, found, strict=True)]
            right = [m == (asked.true.gap == 0) for m, asked in zip(metal, part, strict=True)]
            share = np.concatenate(chosen).sum() / np.concatenate(known).sum()
            for group in GROUPS:
                of = [i for i, asked in enumerate(part) if belongs(asked, group)]
                row = {"model": name, "crystals": group, "n": len(of), "bands": float(share)}
                for quantity in rows[0]:
                    values = np.array([rows[i][quantity] for i in of])
                    row[f"{quantity}: MAE (eV)"] = float(values.mean()) if len(of) else None
                    row[f"{quantity}: median (eV)"] = float(np.median(values)) if len(of) else None
                row["metal or not: accuracy"] = float(np.mean([right[i] for i in of])) if of else None
                results.add(f"{title}, {what}", row)
    for group, values in PAPER.items():
        row = {"crystals": group} | {
            f"{name}: MAE (eV)": values.get(name) for name in ("centre", "dispersion", "energy", "gap")
        }
        results.add(f"{title}, the paper's values, for other crystals", row)


def left_out(material: Material, way: str) -> Floats:
    """Errors of interpolated bands at k-points of the path that are left out, (n_errors, 6), eV, NaN without a band."""
    ((crystal, bands),) = place_bands([material.atoms], [material.bands])
    columns, known = around_fermi_level(bands.centred(), N_BANDS)
    n_mesh, n = len(material.mesh), len(bands)
    corners = [n_mesh + index for index, _ in material.corners]
    found = []
    for out in _parts(n_mesh, n, corners, way):
        kept = np.setdiff1d(np.arange(n), out)
        bent = interpolate_bands(bands.kpoints[kept], columns[kept][:, known], crystal.cell, point_group(crystal))
        errors_ = np.full((len(out), N_BANDS), np.nan)
        errors_[:, known] = np.abs(np.sort(bent(bands.kpoints[out]), axis=1) - columns[out][:, known])
        found.append(errors_)
    return np.concatenate(found)


def _parts(n_mesh: int, n: int, corners: list[int], way: str) -> list[Floats]:
    """Indices of the k-points that are left out together; corners stay."""
    if way == EVERY_OTHER:
        return [np.setdiff1d(np.arange(n_mesh + 1, n, 2), corners)]
    lines = [np.arange(a + 1, b) for a, b in pairwise(corners)]
    return [line for line in lines if len(line)]


def add_interpolation(results: machine.Results, crystals: list[Material]) -> None:
    names = ["third below", "second below", "highest held", "first above", "second above", "third above"]
    for way in (EVERY_OTHER, WHOLE_LINES):
        found = np.concatenate([left_out(material, way) for material in crystals])
        for name, column in [*zip(names, found.T, strict=True), ("all", found.ravel())]:
            column = column[np.isfinite(column)]
            row = {"left out": way, "band": name, "errors": len(column)}
            row |= {"median (eV)": float(np.median(column)), "mean (eV)": float(column.mean())}
            row["95 % (eV)"] = float(np.percentile(column, 95))
            results.add("error of the interpolation", row)


def network(given: argparse.Namespace, name: str, training: CrystalSet, validation: CrystalSet) -> BandTransformer:
    """One of ``NETWORKS``, from the folder of models, or fitted and saved into the folder of results."""
    if given.models:
        return BandTransformer.load(given.models / f"{name}.safetensors")
    changes, options = NETWORKS[name]
    config = replace(TINY if given.quick else BandTransformerConfig.preset("small"), **changes)
    given.folder.mkdir(parents=True, exist_ok=True)
    model = BandTransformer(config, **options, checkpoint=given.folder / f"{name}.checkpoint")
    if given.quick:
        model.set_params(n_epochs=2)
    model.fit(
        training.crystals,
        training.bands,
        validation=(validation.crystals, validation.bands),
        progress=lambda epoch: print(epoch, flush=True),
    )
    model.save(given.folder / f"{name}.safetensors", overwrite=True)
    return model


def learned(given: argparse.Namespace, training: CrystalSet, validation: CrystalSet) -> TightBindingRegressor:
    """Learned tight binding, from a file, or trained."""
    if given.bands:
        model = load_crystal_model(given.bands)
        if not isinstance(model, TightBindingRegressor) or model.training_["names"] != training.names:
            raise SystemExit(f"{given.bands} was not trained on the training part of {given.crystals}.")
        return model
    model = TightBindingRegressor(n_networks=1, n_epochs=1) if given.quick else TightBindingRegressor()
    return model.fit(training.crystals, training.bands, validation=(validation.crystals, validation.bands))


def fit_row(name: str, model: BandTransformer, training: CrystalSet, seconds: float | None) -> dict[str, object]:
    """How one network was fitted; the time only where it was fitted here."""
    best = best_epoch(model.history_)
    row = {"network": name, "crystals": len(training), "epochs": len(model.history_), "best epoch": best.number}
    row |= {"training loss (eV)": best.training_loss, "validation loss (eV)": best.validation_loss}
    return row | {"weights": sum(value.numel() for value in model.network_.parameters()), "seconds": seconds}


def main(arguments=None) -> None:
    parser = machine.parser(__doc__)
    parser.add_argument("--models", type=Path, help="folder of fitted networks; default: fit them")
    parser.add_argument(
        "--bands", help="file of learned tight binding, trained on the same crystals; default: train it (an hour)"
    )
    parser.add_argument("--parts", nargs="+", default=["validation", "test"], choices=["validation", "test"])
    parser.add_argument("--crystals", default="crystals", help="file, or name of the set that ships with ldosml")
    given = parser.parse_args(arguments)
    results = machine.Results(__file__, given)
    training, validation, test = split_crystals(load_crystals(given.crystals))
    if given.quick:
        training, validation, test = (part[np.arange(4)] for part in (training, validation, test))
    add_interpolation(results, [*validation, *test])
    models: dict[str, Model] = {}
    for name in NETWORKS:
        seconds, fitted = machine.timed(lambda name=name: network(given, name, training, validation))
        results.add("fit", fit_row(name, fitted, training, None if given.models else seconds))
        models[name] = transformer(fitted)
    bound = learned(given, training, validation)

    def fitted_bands(crystal: Crystal) -> TightBinding:
        return TightBinding(crystal.atoms(), bound.network_.tight_binding)

    def learned_bands(crystal: Crystal) -> TightBinding:
        return bound.tight_binding(crystal.atoms(), allow_unknown=True)

    models |= {
        "learned tight binding": bound_bands(learned_bands, own=False),
        "learned tight binding, bands by its own count": bound_bands(learned_bands, own=True),
        "fitted tight binding": bound_bands(fitted_bands, own=False),
        "fitted tight binding, bands by its own count": bound_bands(fitted_bands, own=True),
        "mean centre of each band": mean_bands(fitted),
    }
    for name, part in (("validation", validation), ("test", test)):
        if name in given.parts:
            asked = questions(part)
            add_errors(results, name, asked, {title: [model(q) for q in asked] for title, model in models.items()})


if __name__ == "__main__":
    main()
