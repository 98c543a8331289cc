"""What a release tells about itself, in setup.cfg, CITATION.cff, CHANGELOG.md and the conda recipe, agrees."""

import re
import tomllib
from configparser import ConfigParser
from datetime import date
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import ldosml

ROOT = Path(__file__).parents[1]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text())
RECIPE = yaml.safe_load((ROOT / ".ci" / "recipe" / "recipe.yaml").read_text())
SETUP = ConfigParser()
SETUP.read(ROOT / "setup.cfg")
CONDA_NAMES = {"matplotlib": "matplotlib-base", "torch": "pytorch", "dask": "dask-core"}
"""Packages that conda-forge names differently."""


def lines(section, option):
    """Entries of a list in setup.cfg."""
    return SETUP[section][option].split("\n")[1:]


def bounds(requirements):
    """Name on conda-forge and bounds of each of setup.cfg's requirements."""
    parsed = map(Requirement, requirements)
    return {CONDA_NAMES.get(one.name, one.name): one.specifier for one in parsed}


def conda_bounds(entries):
    """Name and bounds of each entry of the recipe but Python."""
    split = [entry.partition(" ") for entry in entries if not entry.startswith("python ")]
    return {name: SpecifierSet(specifier) for name, _, specifier in split}


@pytest.fixture(scope="module")
def newest_change():
    """Version of the newest entry of CHANGELOG.md, and its date or "not yet released"."""
    return re.search(r"^## (\S+) \((.+)\)$", (ROOT / "CHANGELOG.md").read_text(), flags=re.MULTILINE).groups()


def test_one_version(newest_change):
    assert SETUP["metadata"]["version"] == "attr: ldosml.__version__"
    assert CITATION["version"] == ldosml.__version__
    assert RECIPE["context"]["version"] == ldosml.__version__
    assert newest_change[0] == ldosml.__version__


def test_one_date(newest_change):
    """CITATION.cff has the date of the newest entry of CHANGELOG.md, and none before the release."""
    when = newest_change[1]
    assert CITATION.get("date-released") == (None if when == "not yet released" else date.fromisoformat(when))


def test_one_licence_and_summary():
    assert CITATION["license"] == SETUP["metadata"]["license_expression"] == RECIPE["about"]["license"]
    assert SETUP["metadata"]["description"] == RECIPE["about"]["summary"]
    assert (ROOT / RECIPE["about"]["license_file"]).is_file()


def test_recipe_requires_what_setup_cfg_requires():
    assert conda_bounds(RECIPE["requirements"]["run"]) == bounds(lines("options", "install_requires"))


def test_recipe_constrains_what_extras_install():
    extras = [line for extra in ("neural", "scale", "dft") for line in lines("options.extras_require", extra)]
    assert conda_bounds(RECIPE["requirements"]["run_constraints"]) == bounds(extras)


def test_recipe_builds_as_pyproject_toml_says():
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    host = {"pip": SpecifierSet()} | bounds(wanted)
    assert conda_bounds(RECIPE["requirements"]["host"]) == host
    assert RECIPE["build"]["python"]["entry_points"] == lines("options.entry_points", "console_scripts")


def test_lowest_python():
    """The recipe, the linters and the classifiers start from the version of Python that setup.cfg requires."""
    lowest = SETUP["options"]["python_requires"].removeprefix(">=")
    named = re.findall(r"Python :: (3\.\d+)", SETUP["metadata"]["classifiers"])
    assert named[0] == lowest
    assert RECIPE["context"]["python_min"] == lowest
    assert SETUP["mypy"]["python_version"] == lowest
    target = tomllib.loads((ROOT / "ruff.toml").read_text())["target-version"]
    assert target == "py" + lowest.replace(".", "")


def test_every_package_is_installed():
    folders = {file.parent.relative_to(ROOT) for file in (ROOT / "ldosml").rglob("__init__.py")}
    packages = {".".join(folder.parts) for folder in folders}
    assert set(lines("options", "packages")) == packages | {"ldosml.shipped"}


def test_references_are_papers_that_the_package_cites():
    code = "\n".join(file.read_text() for file in (ROOT / "ldosml").rglob("*.py"))
    first_authors = [reference["authors"][0]["family-names"] for reference in CITATION["references"]]
    assert len(first_authors) >= 4
    assert [name for name in first_authors if name not in code] == []
