"""Outputs of DFT codes: structures, bands and densities of states."""

from ldosml.readers.codes import READERS, Failure, FoundRun, Reader, find_runs, read_run
from ldosml.readers.facts import RunFacts, facts_of
from ldosml.readers.levels import Levels, levels_of, spectra_of
from ldosml.readers.run import PrintedDOS, ProjectedBands, ReaderError, Run

__all__ = [
    "READERS",
    "Failure",
    "FoundRun",
    "Levels",
    "PrintedDOS",
    "ProjectedBands",
    "Reader",
    "ReaderError",
    "Run",
    "RunFacts",
    "facts_of",
    "find_runs",
    "levels_of",
    "read_run",
    "spectra_of",
]
