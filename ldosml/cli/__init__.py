"""The command line. ``ldosml --help`` lists the commands; each is in the module of its name.

Results go to standard output (``--json``: one JSON object), progress and errors to standard error. Exit codes: 0 done,
1 the input or the disk is at fault (the message says what and what to do), 2 the command or the value of an option is.
"""

from __future__ import annotations

from collections.abc import Sequence

# Each module adds its command; the help lists them in this order.
# isort: off
from ldosml.cli import demo, info, import_, fit, predict, properties, report, search  # noqa: F401
from ldosml.cli import sweep, learning_curve, smearing, compare, errors, transfer  # noqa: F401
from ldosml.cli import bands, dos, fermi_surface, train_bands, train_occupancy  # noqa: F401

# isort: on
from ldosml.cli.display import messages
from ldosml.cli.options import app


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit code (see the docstring of the module)."""
    try:
        app(args=None if arguments is None else list(arguments), prog_name="ldosml")
    except SystemExit as stop:
        return int(stop.code or 0)
    except (ValueError, TypeError, OSError, ImportError, MemoryError, FloatingPointError) as error:
        text = "\n".join([str(error), *getattr(error, "__notes__", ())])
        messages.print(f"ldosml: {text}", style="red", soft_wrap=True)
        return 1
    return 0
