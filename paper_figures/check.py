"""Compare the tables of a fresh run with the tables in paper_figures/output; exit code 1 where they differ.

    python benchmarks/run.py paper_figures --folder FRESH
    python paper_figures/check.py FRESH

Texts must be the same. Numbers may differ by 1 %, or by 0.002 of the largest number of their column and quantity (by
0.002 where that number is above 1), whichever is more: other processors and libraries round differently, which changes
predictions by much less. The worst atom or structure may change where two are nearly as bad. A saturation radius or its
interval may jump where an error is close to the threshold. Look at such lines.
"""

from __future__ import annotations

import argparse
import csv
import sys
from math import isfinite
from pathlib import Path

HERE = Path(__file__).resolve().parent
RELATIVE, ABSOLUTE = 0.01, 0.002


def differences(fresh: Path, kept: Path) -> list[str]:
    """Say where a fresh and a kept table differ, one line per value."""
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
    """The quantity of a line, in tables of several quantities, which have different units."""
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
    """The number of a cell; None for a text, and for an unknown value."""
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fresh", type=Path, metavar="FRESH", help="folder of a fresh run")
    fresh = {path.name: path for path in parser.parse_args().fresh.rglob("*.csv")}
    kept = {path.name: path for path in (HERE / "output").glob("*.csv")}
    lines = [
        f"{name}: only in {'the fresh run' if name in fresh else 'output/'}" for name in sorted(set(fresh) ^ set(kept))
    ]
    for name in sorted(set(fresh) & set(kept)):
        lines += differences(fresh[name], kept[name])
    print("\n".join([*lines, f"{len(set(fresh) & set(kept))} tables compared, {len(lines)} differences"]))
    sys.exit(bool(lines) or not kept)


if __name__ == "__main__":
    main()
