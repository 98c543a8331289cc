"""Predictions of any size: computed in chunks, written to a file as they come, read back in parts."""

from ldosml.streaming.predicting import predict_to
from ldosml.streaming.reading import Prediction

__all__ = ["Prediction", "predict_to"]
