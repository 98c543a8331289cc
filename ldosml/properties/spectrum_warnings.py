"""Warnings of this package: what must be known of a result besides its numbers."""

from __future__ import annotations

import os
import sys
import warnings


class Caution(UserWarning):
    """What all of them are; the command line shows them with the result, and writes them into summaries."""


class SpectrumWarning(Caution):
    """The number that was returned is right for the DOS given, and the DOS may not be.

    ``warnings.simplefilter("error", SpectrumWarning)`` makes errors of them.
    """


class TruncatedDOSWarning(SpectrumWarning):
    """States that matter lie beyond the grid: occupied ones at this temperature above it, or any below it."""


class NegativeDOSWarning(SpectrumWarning):
    """More than a hundredth of a spectrum is negative; what was used instead is ``nonnegative(dos)``."""


class SpinConventionWarning(SpectrumWarning):
    """Up to the Fermi level the DOS holds half or twice the electrons: it may count one spin only, or each twice."""


def caution(message: str, category: type[SpectrumWarning]) -> None:
    """Warn at the line outside this package that asked for the property."""
    package = os.path.dirname(__file__)
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(package):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
