"""The command line. ``ldosml --help`` lists the commands; each is in the module of its name.

Results go to standard output (``--json``: one JSON object), progress and errors to standard error. Exit codes: 0 done,
1 input, disk, memory or cluster are at fault (the message says what and what to do), 2 the command or the value of an
option is, 130 interrupted by Ctrl-C.
"""

from __future__ import annotations

import os
import sys
import zipfile
import zlib
from collections.abc import Sequence

# Each module adds its command; the help lists them in this order.
# isort: off
from ldosml.cli import demo, info, import_, fit, predict, properties, report, search  # noqa: F401
from ldosml.cli import sweep, learning_curve, smearing, compare, errors, transfer  # noqa: F401
from ldosml.cli import bands, dos, fermi_surface, train_bands, train_occupancy  # noqa: F401

# isort: on
from ldosml.cli.display import messages
from ldosml.cli.options import app
from ldosml.cli.program import INTERRUPTED


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; gives the exit code (see the docstring of the module)."""
    try:
        app(args=None if arguments is None else list(arguments), prog_name="ldosml")
        sys.stdout.flush()
    except SystemExit as stop:
        code = int(stop.code or 0)
        if code == INTERRUPTED:
            messages.print("ldosml: Interrupted. Commands that keep a log, a checkpoint or a .part go on with it.")
        return code
    except BrokenPipeError:
        # Who read the output, such as head, has ended. Nothing is to be written to it any more, nor when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except MemoryError as error:
        why = str(error) or "an array does not fit"
        messages.print(f"ldosml: Out of memory: {why}. Use --inducing, fewer structures or energies.", style="red")
        return 1
    except (ValueError, TypeError, OSError, ImportError, ArithmeticError, zipfile.BadZipFile, zlib.error) as error:
        text = "\n".join([str(error), *getattr(error, "__notes__", ())])
        messages.print(f"ldosml: {text}", style="red", soft_wrap=True)
        return 1
    return 0
