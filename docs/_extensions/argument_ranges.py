"""The directive ``argument-ranges``: the table of ``ldosml._ranges``, as definitions."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from ldosml._ranges import RANGES


class ArgumentRanges(SphinxDirective):
    """A table of the names of arguments and what they may be."""

    def run(self) -> list[nodes.Node]:
        """Rows in the order of the table."""
        table, group, body = nodes.table(), nodes.tgroup(cols=2), nodes.tbody()
        group += [nodes.colspec(colwidth=1), nodes.colspec(colwidth=2)]
        group += nodes.thead("", _row("argument", "what it must be"))
        body += [_row(nodes.literal(name, name), allowed.words) for name, allowed in RANGES.items()]
        group += body
        table += group
        return [table]


def _row(*cells: str | nodes.Node) -> nodes.row:
    parts = [nodes.paragraph("", "", nodes.Text(cell) if isinstance(cell, str) else cell) for cell in cells]
    return nodes.row("", *(nodes.entry("", part) for part in parts))


def setup(app: Any) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("argument-ranges", ArgumentRanges)
    return {"parallel_read_safe": True}
