"""The directive ``command-reference``: every command of ``ldosml``, read off the program at build."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import typer.main
from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from ldosml.cli import app as program


def commands() -> dict[str, Any]:
    """The commands of ``ldosml`` by name, in the order of its help."""
    return dict(typer.main.get_command(program).commands)


def argument_spelling(parameter: Any) -> str:
    """An argument as the usage line names it. Typer's own spelling depends on its version."""
    name = parameter.name.upper()
    return name if parameter.required else f"[{name}]"


def help_records(command: Any) -> Iterator[tuple[str, str, str]]:
    """Group, spelling and help of each argument and option."""
    context = command.context_class(command, info_name=command.name)
    for parameter in command.params:
        if callable(parameter.default):  # defaults are read off the library only when they are shown
            parameter.default = parameter.default()
        record = parameter.get_help_record(context)
        if record is not None and parameter.name != "help":
            spelling, text = record
            if parameter.param_type_name == "argument":
                yield "Arguments", argument_spelling(parameter), text
            else:
                yield getattr(parameter, "rich_help_panel", None) or "Options", spelling, text


def definitions(records: Iterable[tuple[str, str]]) -> nodes.definition_list:
    """Options with their help below."""
    found = nodes.definition_list(classes=["command-options"])
    for spelling, text in records:
        term = nodes.term("", "", nodes.literal(spelling, spelling))
        found += nodes.definition_list_item("", term, nodes.definition("", nodes.paragraph(text, text)))
    return found


def usage(command: Any) -> str:
    """One line: the arguments of a command, the required options, and that there are others."""
    arguments, options = [], []
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            arguments.append(argument_spelling(parameter))
        elif parameter.required:
            options.append(f"{parameter.opts[0]} {parameter.name.upper()}")
    return " ".join(["ldosml", command.name, *arguments, *options, "[OPTIONS]"])


def command_section(name: str, command: Any) -> nodes.section:
    """What a command does, its usage, its options by group, and its examples."""
    section = nodes.section(ids=[f"ldosml-{name}"], names=[f"ldosml {name}"])
    section += nodes.title("", f"ldosml {name}")
    for paragraph in (command.help or "").split("\n\n"):
        section += nodes.paragraph(paragraph, paragraph)
    line = usage(command)
    section += nodes.literal_block(line, line, language="none")
    groups: dict[str, list[tuple[str, str]]] = {}
    for group, spelling, text in help_records(command):
        groups.setdefault(group, []).append((spelling, text))
    for group, records in groups.items():
        section += nodes.rubric("", group)
        section += definitions(records)
    examples = [line for line in (command.epilog or "").split("\n\n")[1:] if line]
    if examples:
        text = "\n".join(examples)
        section += nodes.rubric("", "Examples")
        section += nodes.literal_block(text, text, language="bash")
    return section


class CommandReference(SphinxDirective):
    """A section for each command."""

    def run(self) -> list[nodes.Node]:
        """Sections, in the order of ``ldosml --help``."""
        return [command_section(name, command) for name, command in commands().items()]


def setup(app: Any) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("command-reference", CommandReference)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
