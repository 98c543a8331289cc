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

_TOLD = (ValueError, TypeError, OSError, ImportError, MemoryError, ArithmeticError, zipfile.BadZipFile, zlib.error)


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
    except _TOLD as error:
        text = str(error)
        if isinstance(error, MemoryError) and not text.endswith("."):  # not of ldosml, which says what to do
            text = f"Out of memory: {text or 'an array does not fit'}. Use fewer structures, energies or k-points."
        messages.print("\n".join([f"ldosml: {text}", *getattr(error, "__notes__", ())]), style="red", soft_wrap=True)
        return 1
    return 0
