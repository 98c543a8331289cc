"""A directive that shows tables of a benchmark, with the machine and the date, from the script's own result file.

    ```{benchmark} silicon_folds
    :table: L/sigma by smearing width
    :titles: Silicon, five folds
    :columns: width (eV) as smearing (eV); model; LDOS; DOS as DOS per atom
    ```

The file is ``benchmarks/output/silicon_folds.json``, which the script wrote. All options may be left out:

- ``table``: the table's title, or the start of the titles of several tables; otherwise all tables are shown.
- ``titles``: what to show as titles, in the order of the tables, split by semicolons.
- ``columns``: the columns, split by semicolons; "A as B" shows column A under the name B.
- ``join``: one table of all; a first column of this name has what follows ``table`` in each title.
- ``spread``: "A; B" makes a column of each value of A, with the values of B in the cells.

A table or a column that the file lacks is an error of the build. The line with the machine and the date stands below
the first tables that a page takes from a file.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).resolve().parents[2]
OUTPUT = ROOT / "benchmarks" / "output"
Rows = list[dict[str, Any]]


def load(name: str, folder: Path = OUTPUT) -> dict[str, Any]:
    """The result file of a script; ValueError where there is none."""
    path = folder / f"{name}.json"
    if not path.exists():
        raise ValueError(f"There is no {path.name}: run benchmarks/{name}.py --folder benchmarks/output.")
    return json.loads(path.read_text())


def find(tables: dict[str, Rows], title: str) -> dict[str, Rows]:
    """The table of this title, or else all whose titles start so; ValueError where there is none."""
    if title in tables:
        return {title: tables[title]}
    found = {each: rows for each, rows in tables.items() if each.startswith(title)}
    if not found:
        raise ValueError(f"No table's title is, or starts with, {title!r}; there are {', '.join(map(repr, tables))}.")
    return found


def entitle(tables: dict[str, Rows], titles: list[str]) -> dict[str, Rows]:
    """The same tables under other titles; ValueError unless there is one for each."""
    if len(titles) != len(tables):
        raise ValueError(f"There are {len(titles)} titles for the {len(tables)} tables {', '.join(map(repr, tables))}.")
    return dict(zip(titles, tables.values(), strict=True))


def join(tables: dict[str, Rows], start: str, name: str) -> Rows:
    """The rows of all tables; column ``name`` has what follows ``start`` in the title of each."""
    return [{name: title.removeprefix(start).strip(), **row} for title, rows in tables.items() for row in rows]


def spread(rows: Rows, across: str, value: str) -> Rows:
    """One row for each entry of the first column; a column for each entry of ``across`` has its ``value``."""
    choose(rows, [across, value])
    first = next(iter(rows[0]))
    made: dict[Any, dict[str, Any]] = {}
    for row in rows:
        made.setdefault(row[first], {first: row[first]})[row[across]] = row[value]
    return list(made.values())


def choose(rows: Rows, columns: list[str]) -> tuple[list[str], list[list[str]]]:
    """Header and cells of the chosen columns, or of all; ValueError where a column is unknown."""
    known = list(rows[0])
    pairs = [(name, shown or name) for name, _, shown in (column.partition(" as ") for column in columns or known)]
    unknown = [name for name, _ in pairs if name not in known]
    if unknown:
        raise ValueError(f"The table has no column {', '.join(unknown)}; it has {', '.join(known)}.")
    return [shown for _, shown in pairs], [[cell(row.get(name)) for name, _ in pairs] for row in rows]


def cell(value: Any) -> str:
    """Four significant digits of a number, all digits before the point, lists by commas, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float) and 1e4 <= abs(value) < 1e9:
        return f"{value:,.0f}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(cell(item) for item in value)
    return str(value)


def origin(results: dict[str, Any]) -> str:
    """The file, date, machine and versions of a result file, in one line; its options are what the tables show."""
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    return f"{results['script']}.json, {results['date'][:10]}: {results['hardware']}; {versions}"


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(";") if part.strip()]


def wanted(tables: dict[str, Rows], options: dict[str, str]) -> dict[str, Rows]:
    """The tables as the options of the directive ask for them."""
    start = options.get("table", "")
    tables = find(tables, start)
    if "join" in options:
        tables = {start.rstrip(": "): join(tables, start, options["join"])}
    if "spread" in options:
        across, value = _parts(options["spread"])
        tables = {title: spread(rows, across, value) for title, rows in tables.items()}
    return entitle(tables, _parts(options["titles"])) if "titles" in options else tables


class BenchmarkTable(SphinxDirective):
    """See the module."""

    required_arguments = 1
    option_spec: ClassVar = dict.fromkeys(
        ("table", "titles", "columns", "join", "spread"), directives.unchanged_required
    )

    def run(self) -> list[nodes.Node]:
        """Make the tables, and the line that says where they come from."""
        name = self.arguments[0]
        self.env.note_dependency(str(OUTPUT / f"{name}.json"))
        try:
            results = load(name)
            columns = _parts(self.options.get("columns", ""))
            made: list[nodes.Node] = [
                _table(title, *choose(rows, columns)) for title, rows in wanted(results["tables"], self.options).items()
            ]
        except ValueError as error:
            raise self.error(str(error)) from error
        told = self.env.temp_data.setdefault("benchmark-origins", set())
        if name not in told:
            told.add(name)
            made.append(nodes.paragraph("", "", nodes.emphasis("", origin(results)), classes=["benchmark-origin"]))
        return made


def _table(title: str, header: list[str], cells: list[list[str]]) -> nodes.Node:
    group = nodes.tgroup(cols=len(header))
    group += [nodes.colspec(colwidth=1) for _ in header]
    group += nodes.thead("", _row(header))
    group += nodes.tbody("", *[_row(row) for row in cells])
    table = nodes.table("", nodes.title("", title), group)
    return nodes.container("", table, classes=["pst-scrollable-table-container"])


def _row(texts: list[str]) -> nodes.row:
    return nodes.row("", *[_entry(text) for text in texts])


def _entry(text: str) -> nodes.entry:
    number = text[:1] in [*"+-0123456789"] and " " not in text  # which a line shall not break at its sign
    return nodes.entry("", nodes.paragraph("", text), classes=["benchmark-number"] if number else [])


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directive."""
    app.add_directive("benchmark", BenchmarkTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
