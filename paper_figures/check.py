"""Compare the tables of a fresh run with those kept here; exit code 1 where they differ.

    python paper_figures/make_all.py --folder fresh
    python paper_figures/check.py fresh

Texts must be the same, numbers to 1 % or to 0.002 of the largest of their column and quantity (to 0.002 where that is
above 1), whichever is more: other processors and libraries round differently, which shifts predictions by far less. A
worst atom or structure may become another one where two are nearly as bad, and a saturation radius or its interval may
jump where an error sits at the threshold; such lines are told for a look.
"""

from __future__ import annotations

import csv
import sys
from math import isfinite
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
    scales = _scales(header, tables[1][1:])
    return [
        f"{kept.name}, line {number}, {column}: {new}, kept is {old}"
        for number, lines in enumerate(zip(*tables, strict=True), 1)
        for column, new, old in zip(header, *lines, strict=True)
        if not _alike(new, old, scales.get((_quantity(header, lines[1]), column), 0.0))
    ]


def _quantity(header: list[str], line: list[str]) -> str:
    """What a line is about, where a table has several quantities, which differ in their units."""
    return next((cell for name, cell in zip(header, line, strict=True) if name in ("quantity", "name")), "")


def _scales(header: list[str], lines: list[list[str]]) -> dict[tuple[str, str], float]:
    """Largest number of each quantity and column; 1 at most."""
    scales: dict[tuple[str, str], float] = {}
    for line in lines:
        for column, cell in zip(header, line, strict=True):
            key = _quantity(header, line), column
            scales[key] = min(1.0, max(scales.get(key, 0.0), abs(_number(cell) or 0.0)))
    return scales


def _number(cell: str) -> float | None:
    """The number of a cell; None for a text, and for what is not known."""
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if isfinite(value) else None


def _alike(new: str, old: str, scale: float) -> bool:
    numbers = _number(new), _number(old)
    if None in numbers:
        return new == old
    return abs(numbers[0] - numbers[1]) <= max(ABSOLUTE * scale, RELATIVE * abs(numbers[1]))


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
