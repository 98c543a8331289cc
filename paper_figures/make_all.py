"""Make every figure and table, one after another; those whose data are missing are listed at the end.

python paper_figures/make_all.py [--part 0.3] [--folder FOLDER] [--jobs 2]
"""

import time
from importlib import import_module

import settings

SCRIPTS = (*(f"figure_{number}" for number in range(1, 8)), "table_1", "smearing", "transfer")


def main() -> None:
    """Run the scripts and print the time of each."""
    run, lines = settings.options(__doc__), []
    begin = time.perf_counter()
    for name in SCRIPTS:
        settings.report(f"== {name}")
        start = time.perf_counter()
        try:
            import_module(name).make(run)
            told = ""
        except settings.MissingSetError as error:
            told = f"  skipped: {error}"
        lines.append(f"{name:10} {time.perf_counter() - start:6.0f} s{told}")
    print("\n".join(lines))
    print(f"{'all':10} {time.perf_counter() - begin:6.0f} s")
    if run.missing:
        print(f"without {', '.join(sorted(run.missing))}, which do not ship with this version")


if __name__ == "__main__":
    main()
