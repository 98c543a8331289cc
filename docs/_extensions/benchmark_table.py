"""A directive that shows one table of a benchmark, with the machine and the date, from the script's own result file.

    ```{benchmark} silicon_folds
    :table: Errors by smearing width
    :columns: width (eV); model; LDOS; DOS per atom
    ```

The file is ``benchmarks/output/silicon_folds.json``, which the script wrote. Without ``:table:`` all its tables are
shown, without ``:columns:`` all columns. A table or a column that the file lacks is an error of the build.
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


def load(name: str, folder: Path = OUTPUT) -> dict[str, Any]:
    """The result file of a script; ValueError where there is none."""
    path = folder / f"{name}.json"
    if not path.exists():
        raise ValueError(f"There is no {path.name}: run benchmarks/{name}.py --folder benchmarks/output.")
    return json.loads(path.read_text())


def choose(rows: list[dict[str, Any]], columns: list[str]) -> tuple[list[str], list[list[str]]]:
    """Header and cells of the chosen columns, or of all; ValueError where a column is unknown."""
    known = list(rows[0])
    unknown = [name for name in columns if name not in known]
    if unknown:
        raise ValueError(f"The table has no column {', '.join(unknown)}; it has {', '.join(known)}.")
    header = columns or known
    return header, [[cell(row.get(name)) for name in header] for row in rows]


def cell(value: Any) -> str:
    """Four significant digits of a number, lists by commas, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(cell(item) for item in value)
    return str(value)


def origin(results: dict[str, Any]) -> str:
    """The command, machine, versions and date of a result file, in one line."""
    given = " ".join(_option(name, value) for name, value in results["options"].items() if value not in (None, False))
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    command = f"benchmarks/{results['script']}.py {given}".strip()
    return f"{command} — {results['hardware']}; {versions}; {results['date'][:10]}"


def _option(name: str, value: Any) -> str:
    """An option as it is typed."""
    text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return f"--{name.replace('_', '-')}" if value is True else f"--{name.replace('_', '-')} {text}"


class BenchmarkTable(SphinxDirective):
    """See the module."""

    required_arguments = 1
    option_spec: ClassVar = {
        "table": directives.unchanged_required,
        "columns": directives.unchanged_required,
    }

    def run(self) -> list[nodes.Node]:
        """Make the tables, and the line that says where they come from."""
        name = self.arguments[0]
        self.env.note_dependency(str(OUTPUT / f"{name}.json"))
        try:
            results = load(name)
            tables = results["tables"]
            wanted = self.options.get("table")
            if wanted is not None and wanted not in tables:
                raise ValueError(f"{name}.json has no table {wanted!r}; it has {', '.join(map(repr, tables))}.")
            columns = [part.strip() for part in self.options.get("columns", "").split(";") if part.strip()]
            made: list[nodes.Node] = []
            for title, rows in tables.items():
                if wanted in (None, title):
                    made.append(_table(title, *choose(rows, columns)))
        except ValueError as error:
            raise self.error(str(error)) from error
        line = nodes.paragraph("", "", nodes.emphasis("", origin(results)), classes=["benchmark-origin"])
        return [*made, line]


def _table(title: str, header: list[str], cells: list[list[str]]) -> nodes.Node:
    group = nodes.tgroup(cols=len(header))
    group += [nodes.colspec(colwidth=1) for _ in header]
    group += nodes.thead("", _row(header))
    group += nodes.tbody("", *[_row(row) for row in cells])
    table = nodes.table("", nodes.title("", title), group)
    return nodes.container("", table, classes=["pst-scrollable-table-container"])


def _row(texts: list[str]) -> nodes.row:
    return nodes.row("", *[nodes.entry("", nodes.paragraph("", text)) for text in texts])


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directive."""
    app.add_directive("benchmark", BenchmarkTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
