"""Errors of gaps, of metal or not, and of the DOS: learned tight binding, its start, and the network of occupancies.

    python benchmarks/band_errors.py [MODEL] [--part test] [--occupancy crystals]

MODEL is a shipped model (default: tight-binding), or a file of ``ldosml train-bands``, which contains the split of the
crystals. Each set of crystals has its own tables. All are at the k-points of DFT (mesh and path). Gaps of bands are
between the highest filled and lowest empty band at these and on a mesh of 8 x 8 x 8; gaps of occupancies are read as
their model chose it. The DOS is counted in bins of 0.078 eV on the mesh, smeared by 0.2 eV or not. The log loss is that
of the presence of states in bins; for lines every state is a Gaussian, whose width was chosen on the validation
crystals. "Each network, and their mean" averages these probabilities, and gaps, over the networks, so it is blurred
where they differ. Six bands around the Fermi level are those of ``bandformer.py``. Intervals are from a bootstrap over
compositions.
"""

import machine
import numpy as np
from ase import Atoms
from bandformer import add_errors, bound_bands, questions

from ldosml.datasets import CrystalSet, Material, crystal_parts, load_crystals
from ldosml.kresolved import CrystalBands, KResolvedOccupancy, energy_bins, evaluate_occupancies
from ldosml.kresolved.evaluation import composition_draws, score_gaps
from ldosml.neural import (
    Crystal,
    TightBindingRegressor,
    load_crystal_model,
    primitive_kpoints,
    standardized,
)
from ldosml.neural.tight_binding_regressor import MESH, filled_bands, mesh_bands
from ldosml.tightbinding import TightBinding

GRID = energy_bins(256)
WIDTHS = (0.05, 0.1, 0.2, 0.4)  # eV
Bands = list[CrystalBands]  # of one crystal, by one model or several
KEPT = (
    "log loss of a bin",
    "DOS counted: MAE (states/eV/atom)",
    "DOS counted, smeared by 0.2 eV: MAE (states/eV/atom)",
)


def both_parts(material: Material) -> tuple[np.ndarray, np.ndarray]:
    """k-points of mesh and path in the standardised cell, and the weights of the former."""
    kpoints = np.concatenate([material.mesh.kpoints, material.path.kpoints])
    return primitive_kpoints(material.atoms, kpoints), material.mesh.weights


def predicted(material: Material, bound: TightBinding) -> CrystalBands:
    """Bands of one tight binding at the k-points of mesh and path."""
    kpoints, _ = both_parts(material)
    mesh = mesh_bands(bound, standardized(material.atoms), MESH)
    return filled_bands(mesh, kpoints, bound.eigenvalues(kpoints), None, bound.n_electrons)


def occupancies(material: Material, several: Bands, width: float) -> tuple[KResolvedOccupancy, KResolvedOccupancy]:
    """Mean occupancies of bins of several bands, blurred by ``width`` (eV), on the mesh and along the path."""
    _, weights = both_parts(material)
    cell, n = standardized(material.atoms).cell, len(weights)
    counts = np.mean([bands.labels(GRID, "counts") for bands in several], axis=0)
    presence = np.mean([bands.labels(GRID, "soft", width) for bands in several], axis=0)
    anywhere = np.mean([bands.anywhere(GRID, "soft", width) for bands in several], axis=0)
    return tuple(
        KResolvedOccupancy(GRID, several[0].kpoints[part], presence[part], cell, w, counts[part], anywhere)
        for part, w in ((slice(0, n), weights), (slice(n, None), None))
    )


def band_scores(part: CrystalSet, found: list[Bands], width: float) -> dict[str, object]:
    """Scores of predicted bands, and the mean of several gaps."""
    gaps = [float(np.mean([bands.gap for bands in several])) for several in found]
    mesh, path = zip(*(occupancies(m, b, width) for m, b in zip(part, found, strict=True)), strict=True)
    scores = evaluate_occupancies(part, mesh, path, smearing_widths=(0.0, 0.2), n_draws=1000).estimates
    draws = composition_draws(part, 1000)
    return score_gaps(part.gaps, gaps, draws) | {name: scores[name] for name in KEPT}


def best_width(part: CrystalSet, found: list[Bands]) -> float:
    """The blur with the smallest log loss, eV."""
    losses = []
    for width in WIDTHS:
        mesh, path = zip(*(occupancies(m, b, width) for m, b in zip(part, found, strict=True)), strict=True)
        scores = evaluate_occupancies(part, mesh, path, smearing_widths=(), n_draws=1)
        losses.append(scores.estimates["log loss of a bin"].value)
    return WIDTHS[int(np.argmin(losses))]


def row(name: str, part: CrystalSet, scores: dict, seconds: float) -> dict[str, object]:
    gapped = int((part.gaps > 0).sum())
    found = {"model": name, "crystals": len(part), "with a gap": gapped}
    for key, one in scores.items():
        found[key] = one.value
        found[f"{key}, from"], found[f"{key}, to"] = one.low, one.high
    return found | {"seconds": seconds}


def cell_of(one: Material | Crystal) -> Atoms:
    """The standardised primitive cell."""
    return one.atoms() if isinstance(one, Crystal) else standardized(one.atoms).atoms()


def parts_by_set(part: CrystalSet, names: list[str]) -> dict[str, CrystalSet]:
    """Crystals of a part by the set that they are from; of one set, the part."""
    if len(names) == 1:
        return {names[0]: part}
    sets = {name: set(load_crystals(name).names) for name in names}
    found = {name: part[np.array([m.name in known for m in part])] for name, known in sets.items()}
    return {name: one for name, one in found.items() if len(one)}


def main(arguments=None) -> None:
    parser = machine.parser(__doc__)
    parser.add_argument("model", nargs="?", default="tight-binding", help="file, or name of a shipped model")
    parser.add_argument("--part", choices=("validation", "test"), default="test")
    parser.add_argument("--occupancy", default="crystals", help="model of occupancies with the same split, or none")
    given = parser.parse_args(arguments)
    results, model = machine.Results(__file__, given), load_crystal_model(given.model)
    assert isinstance(model, TightBindingRegressor)
    _, validation, test = crystal_parts(model)
    chosen = parts_by_set(test if given.part == "test" else validation, model.training_["crystals"])
    if given.quick:
        validation, chosen = validation[np.arange(3)], {name: part[np.arange(3)] for name, part in chosen.items()}

    def learned(one: Material | Crystal, network: int | None = None) -> TightBinding:
        return model.tight_binding(cell_of(one), network=network, allow_unknown=True)

    def fitted(one: Material | Crystal) -> TightBinding:
        return TightBinding(cell_of(one), model.network_.tight_binding)

    binds = {"fitted tight binding": fitted, "learned tight binding": learned}
    numbers = range(len(model.network_.networks))
    ways = {
        "fitted tight binding": lambda one: [predicted(one, fitted(one))],
        "learned tight binding": lambda one: [predicted(one, learned(one))],
        "each network of it, and their mean": lambda one: [predicted(one, learned(one, n)) for n in numbers],
    }
    widths = {name: best_width(validation, [way(m) for m in validation]) for name, way in ways.items()}
    for set_name, part in chosen.items():
        found = {}
        for name, way in ways.items():
            seconds, found[name] = machine.timed(lambda way=way, part=part: [way(m) for m in part])
            scores = row(name, part, band_scores(part, found[name], widths[name]), seconds)
            results.add(f"{given.part} part of {set_name}", scores | {"blur in the log loss (eV)": widths[name]})
        for one, (bands,) in zip(part, found["learned tight binding"], strict=True):
            crystal = {"crystal": one.name, "of": set_name, "gap (eV)": one.gap, "predicted (eV)": bands.gap}
            results.add("crystals", crystal)
        asked, six = questions(part), {}
        for name, bind in binds.items():
            six[name] = [bound_bands(bind, own=False)(one) for one in asked]
        add_errors(results, f"{given.part} part of {set_name}", asked, six)
        if given.occupancy != "none":
            add_occupancies(results, given, set_name, part)
        for n in numbers:
            own = [several[n].gap for several in found["each network of it, and their mean"]]
            gaps = score_gaps(part.gaps, own, composition_draws(part, 1000))
            results.add(f"each network, {set_name}", {"network": n + 1} | {key: one.value for key, one in gaps.items()})


def add_occupancies(results: machine.Results, given, set_name: str, part: CrystalSet) -> None:
    """Scores of the network of occupancies on the same crystals, if it has the same split."""
    model = load_crystal_model(given.occupancy)
    meshes = [m.mesh for m in part]

    def predict():
        mesh = model.predict(
            part.crystals, [b.kpoints for b in meshes], weights=[b.weights for b in meshes], allow_unknown=True
        )
        return mesh, model.predict(part.crystals, [m.path.kpoints for m in part], allow_unknown=True)

    seconds, (mesh, path) = machine.timed(predict)
    scores = evaluate_occupancies(part, mesh, path, threshold=model.gap_threshold_, n_draws=1000).estimates
    kept = {name: one for name, one in scores.items() if name in KEPT or name.startswith(("gap", "metal"))}
    results.add(f"{given.part} part of {set_name}", row("network of occupancies", part, kept, seconds))


if __name__ == "__main__":
    main()
