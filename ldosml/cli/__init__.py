"""The command line: ``ldosml demo | info | import | fit | predict | properties | report | search``, and the studies.

Those are ``ldosml sweep | learning-curve | smearing | compare | errors | transfer``. On crystals, by neural models:
``ldosml bands | dos | fermi-surface | train-occupancy``.

Results go to standard output (``--json``: one JSON object), progress and errors to standard error. Exit codes: 0 done,
1 the input or the disk is at fault (the message says what and what to do), 2 the command was misspelt, or an option
has a value that can never be right.
"""

from __future__ import annotations

from collections.abc import Sequence

from ldosml.cli import bands, commands, contests, curves, deriving, dos, fermi_surface, searching, train_occupancy  # noqa: F401  each adds its commands
from ldosml.cli.display import messages
from ldosml.cli.options import app
from ldosml.cli.wording import in_options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit code (see the module's docstring)."""
    try:
        app(args=None if arguments is None else list(arguments), prog_name="ldosml")
    except SystemExit as stop:
        return int(stop.code or 0)
    except (ValueError, TypeError, OSError, ImportError, MemoryError, FloatingPointError) as error:
        messages.print(f"ldosml: {in_options(error)}", style="red", soft_wrap=True)
        return 1
    return 0
