"""Predictions of any size: computed in chunks, written to a file as they come, read back in parts."""

from ldosml.streaming.prediction import Prediction
from ldosml.streaming.prediction_run import predict_to

__all__ = ["Prediction", "predict_to"]
