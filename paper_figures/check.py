"""Compare the tables of a fresh run with those kept here; exit code 1 where they differ.

    python paper_figures/make_all.py --folder fresh
    python paper_figures/check.py fresh

Texts must be the same, numbers to 1 % or 0.002, whichever is more: other processors and libraries round differently,
which shifts predictions by far less. A worst atom or structure may become another one where two are nearly as bad, and
a saturation radius or its interval may jump where an error sits at the threshold; such lines are told for a look.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
RELATIVE, ABSOLUTE = 0.01, 0.002


def differences(fresh: Path, kept: Path) -> list[str]:
    """Say where two tables differ, a line a value; the first is that of the fresh run."""
    tables = []
    for path in (fresh, kept):
        with path.open(newline="") as file:
            tables.append(list(csv.reader(file)))
    if tables[0][0] != tables[1][0] or len(tables[0]) != len(tables[1]):
        return [f"{kept.name}: {len(tables[0])} lines of {tables[0][0]}, kept are {len(tables[1])} of {tables[1][0]}"]
    header = tables[1][0]
    return [
        f"{kept.name}, line {number}, {column}: {new}, kept is {old}"
        for number, lines in enumerate(zip(*tables, strict=True), 1)
        for column, new, old in zip(header, *lines, strict=True)
        if not _alike(new, old)
    ]


def _alike(new: str, old: str) -> bool:
    try:
        return abs(float(new) - float(old)) <= max(ABSOLUTE, RELATIVE * abs(float(old))) or new == old
    except ValueError:
        return new == old


def main() -> None:
    """Compare every table."""
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    fresh, kept = (
        {path.name: path for path in (folder / "output").glob("*.csv")} for folder in (Path(sys.argv[1]), HERE)
    )
    lines = [
        f"{name}: only in {'the fresh run' if name in fresh else 'output/'}" for name in sorted(set(fresh) ^ set(kept))
    ]
    for name in sorted(set(fresh) & set(kept)):
        lines += differences(fresh[name], kept[name])
    print("\n".join([*lines, f"{len(set(fresh) & set(kept))} tables compared, {len(lines)} differences"]))
    sys.exit(bool(lines) or not kept)


if __name__ == "__main__":
    main()
