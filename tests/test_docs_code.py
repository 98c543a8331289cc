"""The Python blocks of every page of the documentation run, block after block, as a reader would paste them.

The blocks of a page share their names, and an empty folder. What must not run is marked as bash or text. Functions,
scripts and pages that the text names must exist.
"""

import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

import ldosml

DOCS = Path(__file__).parents[1] / "docs"

BLOCK = re.compile(r"^```(?:python|\{code-block\} python)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)
ROLE = re.compile(r"\{(?:func|class|meth|mod|data|attr)\}`~?(ldosml[\w.]*)`")
MODULE = re.compile(r"`([a-z_]+\.py)`")
FILE = re.compile(r"`((?:ldosml|benchmarks|paper_figures|crystal_figures|data|examples)/[\w./-]+\.(?:py|md))\b")
ON_A_PART, PART = ("index.md",), slice(None, None, 12)
"""Pages whose blocks fit the whole silicon set, which takes minutes."""
WRITTEN = [page for folder in ("concepts", "theory", "howto") for page in sorted((DOCS / folder).glob("*.md"))]


def named(page):
    return page.relative_to(DOCS).as_posix()


def pages():
    """Pages with Python blocks; folders whose names begin with _ are made by Sphinx."""
    there = [page for page in sorted(DOCS.glob("**/*.md")) if not named(page).startswith("_")]
    return [page for page in there if BLOCK.search(page.read_text())]


def needs_torch(code):
    return re.search(r"\bneural\b|\btorch\b", code) is not None


def skip_without_torch():
    for name in ("torch", "safetensors", "spglib", "skimage"):
        if find_spec(name) is None:
            pytest.skip(f"{name} is not installed")


@pytest.mark.parametrize("page", pages(), ids=named)
def test_python_blocks_run(page, tmp_path, monkeypatch):
    blocks = BLOCK.findall(page.read_text())
    if needs_torch("\n".join(blocks)):
        skip_without_torch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    if named(page) in ON_A_PART:
        whole = ldosml.load_dataset
        monkeypatch.setattr(ldosml, "load_dataset", lambda *names, **options: whole(*names, **options).select(PART))
    names = {"__name__": "page"}
    for number, block in enumerate(blocks, 1):
        exec(compile(block, f"{page.name}, Python block {number}", "exec"), names)


def find(path):
    """The object with a dotted name; a function wins over the module of its name."""
    first, *rest = path.split(".")
    found, known = import_module(first), first
    for name in rest:
        known = f"{known}.{name}"
        found = getattr(found, name) if hasattr(found, name) else import_module(known)
    return found


@pytest.mark.parametrize("page", WRITTEN, ids=named)
def test_what_a_page_names_exists(page):
    text = page.read_text()
    roles = set(ROLE.findall(text))
    if any(needs_torch(role) for role in roles):
        skip_without_torch()
    for role in roles:
        assert callable(find(role)), role
    assert [file for file in FILE.findall(text) if not (DOCS.parent / file).exists()] == []
    modules = {path.name for path in (DOCS.parent / "ldosml").rglob("*.py")}
    assert set(MODULE.findall(text)) <= modules
    linked = re.findall(r"\]\(((?:\.\./)?[\w/-]+\.md)\)", text)
    assert [link for link in linked if not (page.parent / link).exists()] == []
