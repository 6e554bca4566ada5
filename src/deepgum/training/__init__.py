"""Training: SGD, the losses to compare with, and the mixture beside it, in one run or by Algorithm 1."""

from deepgum.training.algorithm import fit_deepgum
from deepgum.training.baselines import fit_loss
from deepgum.training.history import EpochRecord, Event, History, Resumed, RoundRecord
from deepgum.training.methods import METHODS, Method, check_method, train_method
from deepgum.training.options import PRESETS, DeepGUMOptions
from deepgum.training.result import TrainingResult, check_network
from deepgum.training.sgd_options import SGDOptions, check_device
from deepgum.training.tracker import ResponsibilityTracker

__all__ = [
    "METHODS",
    "PRESETS",
    "DeepGUMOptions",
    "EpochRecord",
    "Event",
    "History",
    "Method",
    "ResponsibilityTracker",
    "Resumed",
    "RoundRecord",
    "SGDOptions",
    "TrainingResult",
    "check_device",
    "check_method",
    "check_network",
    "fit_deepgum",
    "fit_loss",
    "train_method",
]
