"""A search for settings within each training part, against fixed settings, on the same folds; paired, with intervals.

    python benchmarks/search_silicon.py [--data FOLDER]

Nested: for each of five folds of a part of the silicon set (``reference_sets.py``; trajectories whole) a search among
``default_candidates`` runs within the training part only. Its best setting is fitted there and evaluated on the test
part. The test structures do not influence that choice. But the list of candidates was made with the leave-out errors of
the whole set known, so a little optimism remains. The other rows are one setting each for all folds, chosen with the
whole set known. The data of --data influenced no choice.

L/sigma of equation 15 of the LDOS paper, pooled over the folds, from E_F - 14 to E_F + 5 eV. The intervals are the 2.5
and 97.5 percentiles of the difference from the first row, on the same structures, over 10,000 bootstrap samples of
whole trajectories. Settings found at 0.3 eV are also used at 0.5 eV. --data adds si_vasp_ldos. --logs: a folder from
which searches continue after a kill.
"""

from pathlib import Path
from time import perf_counter

import machine
from paired_folds import compare
from reference_sets import QUICK_FRACTION, add_vasp_option, load_part, load_vasp, vasp_folds

from ldosml import SOAP, Joined, LDOSKernelRidge, Whitened
from ldosml.search import search_settings

LOW, HIGH = -14.0, 5.0
SEARCHED = "searched within each training part"
FIXED = {
    "plain SOAP, matern 1.0": (SOAP(), LDOSKernelRidge(gamma=1.0)),
    "same SOAP, whitened (default)": (Whitened(SOAP()), LDOSKernelRidge()),
    "larger SOAP, whitened": (Whitened(SOAP(r_cut=6.0, n_max=12, l_max=9, atom_sigma=0.4)), LDOSKernelRidge()),
    "two SOAPs, whitened": (
        Whitened(
            Joined([
                SOAP(r_cut=3.0, n_max=8, l_max=6, atom_sigma=0.3),
                SOAP(r_cut=8.0, n_max=12, l_max=9, atom_sigma=0.4),
            ])
        ),
        LDOSKernelRidge(),
    ),
}  # fmt: skip


def searched(results: machine.Results, data, folds, logs: Path | None, **options) -> list:
    """Find the best setting of each training part."""
    settings = []
    for number, (train, _) in enumerate(folds):
        start, log = perf_counter(), None if logs is None else logs / f"fold-{number}.jsonl"
        found = search_settings(data.select(train), low=LOW, high=HIGH, log=log, **options)
        settings.append((found.model.descriptor, found.model.regressor))
        row = {"fold": number, "seconds": perf_counter() - start, "LDOS left out": found.best["ldos_loss"]}
        results.add("searches within training parts", row | {"setting": found.expression})
    return settings


def search_whole(results: machine.Results, data, logs: Path | None, **options) -> None:
    """Add the table of a search on the whole set."""
    found = search_settings(data, low=LOW, high=HIGH, log=None if logs is None else logs / "whole.jsonl", **options)
    names = ("descriptor", "regressor", "n_structures", "ldos_loss", "dos_loss", "seconds")
    for row in found.records:
        results.add("search on the whole set", {name: row[name] for name in names})


def main(arguments=None) -> None:
    parser = machine.parser(__doc__)
    parser.add_argument("--logs", type=Path)
    add_vasp_option(parser)
    given = parser.parse_args(arguments)
    results, n_splits = machine.Results(__file__, given), 2 if given.quick else 5
    data = load_part(*[QUICK_FRACTION] * given.quick, smearing_width=0.3)
    settings = {name: [setting] * n_splits for name, setting in list(FIXED.items())[: 2 if given.quick else None]}
    folds = data.folds(n_splits, random_state=0)
    few = {"descriptor": [SOAP()], "regressor": [each[0][1] for each in settings.values()]}
    options = {"candidates": few, "factor": 1} if given.quick else {}
    if given.logs is not None:
        given.logs.mkdir(parents=True, exist_ok=True)
    search_whole(results, data, given.logs, **options)
    nested = {**settings, SEARCHED: searched(results, data, folds, given.logs, **options)}
    if given.quick:
        compare(results, "silicon, 0.3 eV", data, folds, nested, LOW, HIGH)
        return
    for width in (0.3, 0.5):
        compare(results, f"silicon, {width} eV", load_part(smearing_width=width), folds, nested, LOW, HIGH)
    if given.data is not None:
        frames = load_vasp(given.data)
        compare(results, "si_vasp_ldos, its own smearing", frames, vasp_folds(frames), settings, LOW, HIGH)


if __name__ == "__main__":
    main()
