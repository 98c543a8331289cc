"""The reference of the site has every public name, and its recipes name files that exist."""

import importlib
import re
from pathlib import Path

import pytest
from test_docstrings import PACKAGES

ROOT = Path(__file__).parents[1]
API = ROOT / "docs" / "api"

PACKAGES_AT_ROOT = {path.parent.name for path in (ROOT / "ldosml").glob("*/__init__.py")} | {"metrics"}
PAGES = {page.stem: page.read_text() for page in API.glob("*.rst")}


def listed():
    """Dotted names in the autosummary tables of the reference, by what they are written in."""
    names = set()
    for text in PAGES.values():
        module = ""
        for line in text.splitlines():
            if found := re.match(r"\.\. module:: (\S+)", line):
                module = found[1]
            elif (found := re.match(r"   ([\w.]+)$", line)) and module:
                names.add(found[1] if found[1].startswith("ldosml.") else f"{module}.{found[1]}")
    return names


def exported(package):
    module = importlib.import_module(package)
    names = getattr(module, "__all__", None)
    if names is None:
        names = [name for name, found in vars(module).items() if getattr(found, "__module__", None) == package]
    return {name for name in names if not name.startswith("_")}


def found_in(package, name, names):
    """A name may be listed in its package or, if the root exports the same object, at the root."""
    value = getattr(importlib.import_module(package), name)
    places = {entry for entry in names if entry.rsplit(".", 1)[1] == name}
    return any(resolved(place) is value for place in places)


def resolved(name):
    module, last = name.rsplit(".", 1)
    return getattr(importlib.import_module(module), last)


@pytest.mark.parametrize("package", [*PACKAGES, "ldosml.descriptors", "ldosml.metrics", "ldosml.regression"])
def test_every_public_name_is_in_the_reference(package):
    if package == "ldosml.neural":
        pytest.importorskip("torch")
    names = listed()
    wanted = exported(package) - (PACKAGES_AT_ROOT if package == "ldosml" else set())
    assert wanted
    assert [name for name in sorted(wanted) if not found_in(package, name, names)] == []


def test_every_listed_name_exists():
    names = listed()
    assert len(names) > 150
    for name in sorted(names):
        if name.startswith("ldosml.neural."):
            continue  # importing it needs torch; the build of the site imports all
        assert resolved(name) is not None


def test_every_page_of_the_reference_is_in_its_index():
    assert set(re.findall(r"^   (\w+)$", PAGES["index"], flags=re.MULTILINE)) == set(PAGES) - {"index"} | {"ranges"}


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "development").glob("*.md")), ids=lambda page: page.stem)
def test_files_of_the_pages_on_development_exist(page):
    files = r"`((?:ldosml|docs|tests|examples|data|\.ci)/[\w./-]+|[a-zA-Z]+\.(?:cfg|toml|md))`"
    named = re.findall(files, page.read_text())
    generated = {"docs/_build/index.html"}
    assert [name for name in named if not (ROOT / name).exists() and name not in generated] == []
