"""The program that the commands belong to. A value that the library refuses becomes an error of the option."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand

INTERRUPTED = 130
"""Exit code after Ctrl-C, as of a shell."""

_OPTIONS = {
    "n_electrons": "electrons",
    "n_inducing": "inducing",
    "n_jobs": "jobs",
    "n_splits": "folds",
    "random_state": "seed",
    "smearing_width": "smearing",
}
"""Options by arguments of the library, where their names differ."""


_SHOWN = 3  # inputs that a message names


class Command(TyperCommand):
    """A command whose defaults may be functions, and whose options are named where the library refuses a value."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Show defaults as values; they are read off the library only now, since importing it takes a second."""
        for parameter in self.params:
            if callable(parameter.default):
                parameter.default = parameter.default()
        super().format_help(ctx, formatter)

    def invoke(self, ctx: Any) -> Any:
        """Run the command.

        Raises typer.BadParameter where the library raises a ParameterError for what an option gave. Other errors get a
        note with the inputs of the command, unless they name one.
        """
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise typer.Exit(INTERRUPTED) from error  # typer's own handling gives 1, as for an error of the input
        except Exception as error:
            option, text = self._at_fault(error)
            if option is not None:
                raise typer.BadParameter(text, ctx=ctx, param=option) from error
            if (inputs := self._inputs(ctx.params)) and not any(Path(name).name in text for name in inputs):
                error.add_note(f"Input: {', '.join(inputs[:_SHOWN])}{', ...' if len(inputs) > _SHOWN else ''}")
            raise

    def _inputs(self, given: Mapping[str, Any]) -> list[str]:
        """Files and names of sets that the command was given."""
        found: list[str] = []
        for parameter in self.params:
            value = given.get(parameter.name or "")
            if parameter.param_type_name == "argument" and value is not None:
                found += map(str, value if isinstance(value, list | tuple) else [value])
        return found

    def _at_fault(self, error: BaseException) -> tuple[Any, str]:
        """The option whose value was refused, and why; None where no option is at fault."""
        from ldosml._validation import ParameterError

        text, cause = str(error), error
        while not isinstance(cause, ParameterError):
            if cause.__cause__ is None:
                return None, text
            cause = cause.__cause__
        if cause is error:
            text = cause.requirement
        options = {option.name: option for option in self.params}
        name = cause.parameter
        return options.get(name, options.get(_OPTIONS.get(name, ""))), text


def shown_examples(examples: Sequence[str]) -> str:
    """Command lines as they end a help, each on a line of its own."""
    return "\n\n".join(["Examples:", *examples])


class Program(typer.Typer):
    """A program of such commands."""

    def command(self, name: str | None = None, *, examples: Sequence[str] = (), **options: Any) -> Callable[[Any], Any]:
        """Add a function as a command, with its docstring as the help.

        Parameters
        ----------
        name : str, optional
            Default: the name of the function.
        examples : sequence of str
            Command lines that end the help.
        **options
            As for ``typer.Typer.command``.
        """

        def add(function: Callable[..., None]) -> Any:
            paragraphs = inspect.cleandoc(function.__doc__ or "").split("\n\n")
            told = "\n\n".join(
                " ".join(paragraph.split()) for paragraph in paragraphs
            )  # each on one line, to be wrapped
            shown = shown_examples(examples) if examples else None
            return super(Program, self).command(name, cls=Command, help=told, epilog=shown, **options)(function)

        return add
