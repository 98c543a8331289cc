"""Warnings about the DOS that a property was computed from."""

from __future__ import annotations

import os
import sys
import warnings

from ldosml._validation import Caution


class SpectrumWarning(Caution):
    """The result is correct for the given DOS, but the DOS may be wrong.

    ``warnings.simplefilter("error", SpectrumWarning)`` turns these warnings into errors.
    """


class TruncatedDOSWarning(SpectrumWarning):
    """The grid ends too early: below it there are states, or above it states that are occupied at this temperature."""


class NegativeDOSWarning(SpectrumWarning):
    """More than a hundredth of a spectrum is negative; ``nonnegative(dos)`` was used instead."""


class FermiLevelWarning(SpectrumWarning):
    """The Fermi level that the electrons give is not the level that came with the DOS."""


class HiddenGapWarning(SpectrumWarning):
    """A gap cannot be told: tails of the smeared bands fill it, and make the properties at the Fermi level."""


class DopingWarning(SpectrumWarning):
    """Electrons that a gap has no states for are so few that they count as none."""


class SpinConventionWarning(FermiLevelWarning):
    """The DOS below the Fermi level holds half or twice the electrons: it may count one spin only, or spins twice."""


def caution(message: str, category: type[SpectrumWarning]) -> None:
    """Warn at the line outside this package that asked for the property."""
    package = os.path.dirname(__file__)
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(package):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
