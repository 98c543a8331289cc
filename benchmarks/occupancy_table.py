"""Table 1 of Park et al. (kRESForge) for our model and for baselines.

    python benchmarks/occupancy_table.py [MODEL] [--folder FOLDER] [--write-worst 5]

MODEL is a shipped model (default: crystals), or a file of ``ldosml train-occupancy``, which contains the split of the
crystals. Thresholds of the gap are chosen on validation crystals, and so are the parameters of the baselines (see
occupancy_baselines.py). The factors of the scaled DOS are fitted on training and validation crystals. The values of
Park et al. are for other crystals, so they only show the usual size. Intervals are from a bootstrap over compositions
of the test part. The results are written to FOLDER as JSON, as Markdown tables and as a figure of the calibration.
"""

import argparse
import time
from pathlib import Path

import machine
import numpy as np
from occupancy_baselines import AveragedKernel, ClassPrior, NearestCrystal, TightBindingAlone

from ldosml.datasets import CrystalSet, crystal_parts
from ldosml.energy import EnergyGrid
from ldosml.kresolved import KResolvedOccupancy, OccupancyScores, choose_threshold, evaluate_occupancies, fit_dos_scale
from ldosml.kresolved.evaluation import Estimate, composition_draws, estimates_table, score_dos, score_gaps, true_dos
from ldosml.neural import load_crystal_model
from ldosml.plotting import reliability_figure, save_figure
from ldosml.tables import save_json

PAPER = {
    "gap: MAE (eV)": 0.39,
    "gap: MAE of non-metals (eV)": 0.97,
    "gap: r": 0.80,
    "metal or not: accuracy": 0.90,
    "metal or not: F1 of non-metals": 0.89,
    "DOS raw: MAE (states/eV)": 2.73,
    "DOS raw: r": 0.66,
    "DOS scaled: MAE (states/eV)": 2.64,
    "DOS scaled: r": 0.66,
}
WIDTHS = (0.0, 0.2)  # eV
WIDTHS_OF_LABELS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2)  # eV
N_DRAWS = 1000
TRUE = "true occupancies: "
NAMES = ("training", "validation", "test")

Occupancies = list[KResolvedOccupancy]
Parts = tuple[CrystalSet, CrystalSet, CrystalSet]


def on_mesh(model, crystals: CrystalSet, **options) -> Occupancies:
    """Predict on the mesh of each crystal."""
    meshes = [m.mesh for m in crystals]
    kpoints, weights = [bands.kpoints for bands in meshes], [bands.weights for bands in meshes]
    return model.predict(crystals.crystals, kpoints, weights=weights, **options)


def along_path(model, crystals: CrystalSet, **options) -> Occupancies:
    """Predict along the path of each crystal."""
    return model.predict(crystals.crystals, [m.path.kpoints for m in crystals], **options)


def evaluate(model, parts: Parts, **options) -> dict[str, OccupancyScores]:
    """Scores of the test part for each way to choose the threshold, by its name."""
    training, validation, test = parts
    before, aside, found = (on_mesh(model, part, **options) for part in parts)
    aside_path, found_path = (along_path(model, part, **options) for part in (validation, test))
    scale = fit_dos_scale([*training, *validation], [*before, *aside])
    scores = {}
    statistics = ("max", "sum", "anywhere") if found[0].anywhere is not None else ("max", "sum")
    for statistic in statistics:
        for criterion in ("mae", "accuracy"):
            threshold = choose_threshold(validation, aside, aside_path, statistic=statistic, criterion=criterion)
            scores[f"{statistic}, {criterion}"] = evaluate_occupancies(
                test, found, found_path, threshold=threshold, scale=scale, smearing_widths=WIDTHS, n_draws=N_DRAWS
            )
    return scores


def fit_prior(parts: Parts, grid: EnergyGrid) -> ClassPrior:
    """Class prior over mesh and path together, as in the training of a model."""
    training = parts[0]
    return ClassPrior(grid).fit(training.crystals, training.bands)


def fit_nearest(parts: Parts, grid: EnergyGrid) -> NearestCrystal:
    """Nearest crystal, with the width of labels that gives the smallest log loss on validation crystals."""
    training = parts[0]
    model = NearestCrystal(grid=grid).fit(training.crystals, [m.mesh for m in training], training.gaps)
    return with_best_width(model, parts[1])


def with_best_width(model, validation: CrystalSet):
    """The model with the ``width`` that gives the smallest log loss on validation crystals."""
    losses = []
    for width in WIDTHS_OF_LABELS:
        model.width = width
        found = on_mesh(model, validation), along_path(model, validation)
        scores = evaluate_occupancies(validation, *found, smearing_widths=(), n_draws=1)
        losses.append(scores.estimates["log loss of a bin"].value)
    model.width = WIDTHS_OF_LABELS[int(np.argmin(losses))]
    return model


def evaluate_kernel(parts: Parts, grid: EnergyGrid) -> tuple[dict[str, Estimate], dict]:
    """Errors of the kernel on averaged SOAP, and its chosen parameters."""
    (*known, test), dos = parts, [[true_dos(m, grid) for m in part] for part in parts[:2]]
    training, validation = ((part.crystals, one, part.gaps) for part, one in zip(known, dos, strict=True))
    model = AveragedKernel().fit(*training, validation)
    draws = composition_draws(test, N_DRAWS)
    estimates = score_gaps(test.gaps, model.predict_gaps(test.crystals), draws)
    for width in WIDTHS:
        estimates |= score_dos(test, model.predict_dos(test.crystals), draws, width, "counted")
    chosen = {"gamma_dos": model.dos_.gamma, "gamma_gap": model.gap_.gamma, "metal_below": float(model.metal_below_)}
    return estimates, chosen


def worst(scores: OccupancyScores, n: int) -> dict[str, list[str]]:
    """Names of the ``n`` crystals with the best, median and worst DOS."""
    names = scores.ranked()
    middle = max(0, (len(names) - n) // 2)
    return {"best": names[:n], "median": names[middle : middle + n], "worst": names[-n:]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="crystals", help="file, or name of a shipped model")
    parser.add_argument("--folder", type=Path, default=Path(__file__).resolve().parent / "results")
    parser.add_argument(
        "--write-worst", type=int, default=0, metavar="N", help="print the N best, median and worst crystals"
    )
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    model = load_crystal_model(given.model, device=given.device)
    parts = crystal_parts(model)
    print(machine.describe(), *(f"{len(p)} {name}: {p}" for name, p in zip(NAMES, parts, strict=True)), sep="\n")
    start = time.perf_counter()
    ours = evaluate(model, parts, allow_unknown=True)
    seconds = time.perf_counter() - start
    nearest = fit_nearest(parts, model.grid_)
    bound = with_best_width(TightBindingAlone(model.network_.tight_binding, grid=model.grid_), parts[1])
    baselines = {
        "class prior": evaluate(fit_prior(parts, model.grid_), parts),
        "nearest crystal": evaluate(nearest, parts),
        "tight binding alone": evaluate(bound, parts),
    }
    kernel, chosen = evaluate_kernel(parts, model.grid_)
    main_ones = {"ours": ours["anywhere, mae" if "anywhere, mae" in ours else "max, mae"]} | {
        name: one["max, mae"] for name, one in baselines.items()
    }
    # The width of labels that is best for log loss would close gaps, so these models predict gaps separately.
    draws = composition_draws(parts[2], N_DRAWS)
    for name, gaps in (
        ("nearest crystal", nearest.predict_gaps(parts[2].crystals)),
        ("tight binding alone", bound.predict_gaps(parts[2])),
    ):
        main_ones[name].estimates.update(score_gaps(parts[2].gaps, gaps, draws))
    columns = {"Park et al.": {name: Estimate(value) for name, value in PAPER.items()}}
    columns |= {name: without_true_occupancies(one) for name, one in main_ones.items()} | {"averaged kernel": kernel}
    columns["true occupancies"] = from_true_occupancies(main_ones["ours"])
    tables = (
        f"{estimates_table(columns)}\n\nThresholds of ours, chosen on validation crystals:\n\n{thresholds_table(ours)}"
    )
    print(f"\n{tables}")
    named = worst(ours["max, mae"], given.write_worst) if given.write_worst else {}
    for which, names in named.items():
        print(f"{which} by the error of the DOS: {', '.join(names)}")
    print(f"{seconds:.0f} s for the predictions of our model and their evaluation")
    given.folder.mkdir(parents=True, exist_ok=True)
    report = {
        "machine": machine.describe(),
        "model": Path(given.model).stem,
        "split": model.training_["split"],
        "parts": {name: part.names for name, part in zip(NAMES, parts, strict=True)},
        "ours": {name: one.to_dict() for name, one in ours.items()},
        **{model: {name: one.to_dict() for name, one in found.items()} for model, found in baselines.items()},
        "widths of labels": {"nearest crystal": nearest.width, "tight binding alone": bound.width},
        "averaged kernel": {name: one.to_dict() for name, one in kernel.items()} | chosen,
        "by DOS error": named,
    }
    save_json(given.folder / "occupancy_table.json", report, overwrite=True)
    (given.folder / "occupancy_table.md").write_text(f"{given.model}; {machine.describe()}\n\n{tables}\n")
    figure = reliability_figure(main_ones)
    save_figure(figure, given.folder / "occupancy_table_reliability", overwrite=True)
    print("Written to", given.folder)


def without_true_occupancies(scores: OccupancyScores) -> dict[str, Estimate]:
    return {name: one for name, one in scores.estimates.items() if not name.startswith(TRUE)}


def from_true_occupancies(scores: OccupancyScores) -> dict[str, Estimate]:
    """Errors of gaps from the true occupancies."""
    return {name.removeprefix(TRUE): one for name, one in scores.estimates.items() if name.startswith(TRUE)}


def thresholds_table(scores: dict[str, OccupancyScores]) -> str:
    """Gap errors by statistic and criterion of the threshold."""
    columns = {}
    for name, one in scores.items():
        gaps = {row: value for row, value in one.estimates.items() if row.startswith(("gap", "metal"))}
        columns[name] = {"threshold": Estimate(one.threshold.threshold), **gaps}
    return estimates_table(columns)


if __name__ == "__main__":
    main()
