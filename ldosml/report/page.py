"""From sections to a file: one HTML page that needs no other file and no network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from ldosml._files import replacing
from ldosml.report.parts import NONE, Cell, Section, cell_text


def write_page(path: Path, title: str, sections: Sequence[Section]) -> Path:
    """Write the page; either all of it appears under ``path``, or nothing changes.

    Raises OSError when it cannot be written.
    """
    page = render(title, sections).encode()
    with replacing(path) as file:
        file.write(page)
    return path


def render(title: str, sections: Sequence[Section]) -> str:
    """The page as text, everything in it escaped."""
    environment = Environment(
        loader=PackageLoader("ldosml.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cell"] = cell_text
    environment.tests["missing"] = _is_missing
    return environment.get_template("page.html.j2").render(title=title, sections=sections)


def _is_missing(value: Cell) -> bool:
    """Whether a cell says that there is no number."""
    return value is None or value == NONE or (isinstance(value, float) and bool(np.isnan(value)))
