"""The Python blocks of every page of the documentation run, block after block, as a reader would paste them.

The blocks of a page share their names, and an empty folder. What must not run is marked as bash or text.
"""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"

NOT_RUN = {DOCS / "layout.md"}  # its walk fits the whole silicon set, which takes a minute
BLOCK = re.compile(r"^```(?:python|\{code-block\} python)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)


def pages():
    """Pages with Python blocks; folders whose names begin with _ are made by Sphinx."""
    there = [page for page in sorted(DOCS.glob("**/*.md")) if not page.relative_to(DOCS).as_posix().startswith("_")]
    return [page for page in there if page not in NOT_RUN and BLOCK.search(page.read_text())]


def needs_torch(code):
    return re.search(r"\bneural\b|\btorch\b", code) is not None


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(DOCS).as_posix())
def test_python_blocks_run(page, tmp_path, monkeypatch):
    blocks = BLOCK.findall(page.read_text())
    if needs_torch("\n".join(blocks)):
        for name in ("torch", "safetensors", "spglib", "skimage"):
            if find_spec(name) is None:
                pytest.skip(f"{name} is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    names = {"__name__": "page"}
    for number, block in enumerate(blocks, 1):
        exec(compile(block, f"{page.name}, Python block {number}", "exec"), names)
