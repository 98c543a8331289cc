"""Questions about a dataset, each answered by cross-validation that leaves out whole trajectories."""

from ldosml.studies.errors import Errors
from ldosml.studies.folding import predict_left_out

__all__ = ["Errors", "predict_left_out"]
