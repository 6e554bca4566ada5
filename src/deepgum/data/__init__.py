"""Data sets in their published formats, corruption, splits, and the cache of decoded crops."""

from deepgum.data.corruption import Corruption, corrupt
from deepgum.data.digits import load_digits_landmarks
from deepgum.data.lfw_net import load_lfw_net
from deepgum.data.mirror import Mirror
from deepgum.data.regression import RegressionData
from deepgum.data.splits import split_validation

__all__ = [
    "Corruption",
    "Mirror",
    "RegressionData",
    "corrupt",
    "load_digits_landmarks",
    "load_lfw_net",
    "split_validation",
]
