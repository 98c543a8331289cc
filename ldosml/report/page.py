"""From sections to a file: one HTML page that needs no other files and no network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from ldosml._files import replacing
from ldosml.report.parts import Section, cell_text, is_missing


def save_page(path: Path, title: str, sections: Sequence[Section], *, overwrite: bool = False) -> Path:
    """Save the page. If writing fails, nothing changes.

    Raises
    ------
    FileExistsError
        When the file exists and ``overwrite`` is false.
    OSError
        When the file cannot be written.
    """
    page = render(title, sections).encode()
    with replacing(path, overwrite) as file:
        file.write(page)
    return path


def render(title: str, sections: Sequence[Section]) -> str:
    """The page as text, with all content escaped."""
    environment = Environment(
        loader=PackageLoader("ldosml.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cell"] = cell_text
    environment.tests["missing"] = is_missing
    return environment.get_template("page.html.j2").render(title=title, sections=sections)
