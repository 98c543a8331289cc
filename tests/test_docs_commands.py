"""The page on commands has every command with its options and its examples."""

import sys
from pathlib import Path

import pytest

pytest.importorskip("sphinx", reason="Sphinx is not installed")

EXTENSIONS = Path(__file__).parents[1] / "docs" / "_extensions"


@pytest.fixture
def reference(monkeypatch):
    monkeypatch.syspath_prepend(str(EXTENSIONS))
    import command_reference

    yield command_reference
    sys.modules.pop("command_reference")


def test_every_command_has_its_options_and_two_examples(reference):
    commands = reference.commands()
    assert len(commands) > 10
    for name, command in commands.items():
        section = reference.command_section(name, command)
        text = section.astext()
        missing = [option for parameter in command.params for option in parameter.opts if option not in text]
        assert set(missing) <= {"--help", "-h"}, name
        assert text.count(f"ldosml {name}") >= 4, name  # title, usage and two examples
        assert command.help.split("\n\n")[0] in text


def test_defaults_are_values(reference):
    text = reference.command_section("fit", reference.commands()["fit"]).astext()
    assert "[default: matern]" in text
    assert "<function" not in text
    assert "ldosml fit DATASET --output OUTPUT [OPTIONS]" in text
