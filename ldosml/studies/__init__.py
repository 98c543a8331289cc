"""Studies of a dataset by cross-validation that leaves out whole trajectories.

Every study takes a ``DOSModel``, not fitted, and a ``Setup``. Its result has ``records()``, a tidy table. Finished work
is kept in a log, so a study that was killed continues where it stopped.
"""

from ldosml.studies.comparison import RegressorComparison, compare_regressors, regressors_by_learn
from ldosml.studies.error_table import ErrorTable, error_table
from ldosml.studies.errors import Errors
from ldosml.studies.folds import predict_left_out
from ldosml.studies.learning_curve import LearningCurve, learning_curve, spaced_sizes
from ldosml.studies.setup import Setup
from ldosml.studies.smearing_study import SmearingStudy, common_energies, smearing_study
from ldosml.studies.sweep import CutoffSweep, saturation_radius, sweep_cutoffs
from ldosml.studies.transfer import Transfer, transfer

__all__ = [
    "CutoffSweep",
    "ErrorTable",
    "Errors",
    "LearningCurve",
    "RegressorComparison",
    "Setup",
    "SmearingStudy",
    "Transfer",
    "common_energies",
    "compare_regressors",
    "error_table",
    "learning_curve",
    "predict_left_out",
    "regressors_by_learn",
    "saturation_radius",
    "smearing_study",
    "spaced_sizes",
    "sweep_cutoffs",
    "transfer",
]
