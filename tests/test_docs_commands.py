"""The page on commands has every command with its options and its examples."""

import re
import sys
from pathlib import Path

import pytest

nodes = pytest.importorskip("docutils.nodes", reason="Sphinx is not installed")
pytest.importorskip("sphinx", reason="Sphinx is not installed")

EXTENSIONS = Path(__file__).parents[1] / "docs" / "_extensions"


@pytest.fixture
def reference(monkeypatch):
    monkeypatch.syspath_prepend(str(EXTENSIONS))
    import command_reference

    yield command_reference
    sys.modules.pop("command_reference")


def spelled(parameter, terms):
    """Whether one of the terms is the argument, or has every spelling of the option."""
    if parameter.param_type_name == "argument":
        return {parameter.name.upper(), f"[{parameter.name.upper()}]"} & set(terms)
    return any(set(parameter.opts) <= set(re.split(r"[ ,/]+", term)) for term in terms)


def test_every_command_has_its_options_and_two_examples(reference):
    commands = reference.commands()
    assert len(commands) > 10
    for name, command in commands.items():
        section = reference.command_section(name, command)
        text = section.astext()
        terms = [term.astext() for term in section.findall(nodes.term)]
        for parameter in command.params:
            if parameter.name != "help":
                assert spelled(parameter, terms), (name, parameter.opts)
        assert text.count(f"ldosml {name}") >= 4, name  # title, usage and two examples
        assert command.help.split("\n\n")[0] in text


def test_defaults_are_values(reference):
    text = reference.command_section("fit", reference.commands()["fit"]).astext()
    assert "[default: matern]" in text
    assert "<function" not in text
    assert "ldosml fit DATASET --output OUTPUT [OPTIONS]" in text
