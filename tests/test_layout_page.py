"""The page on the layout of the code names what exists, and its figure shows the layers that are checked."""

import re
import runpy
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
PACKAGE = DOCS.parent / "ldosml"


def test_files_of_the_page_exist():
    named = re.findall(r"`((?:\w+/)*\w+\.py|\w+/)`", (DOCS / "layout.md").read_text())
    assert len(named) > 6
    missing = [name for name in named if not ((PACKAGE / name).exists() or (DOCS.parent / name).exists())]
    assert missing == []


def test_every_module_is_in_the_figure():
    layers = runpy.run_path(str(DOCS / "layers.py"))["layers"]()
    shown = [name for layer in layers for name in layer]
    there = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert sorted(shown) == sorted(there - {"__init__", "shipped"})
    drawn = (DOCS / "layers.svg").read_text()
    assert all(name in drawn for name in shown)
