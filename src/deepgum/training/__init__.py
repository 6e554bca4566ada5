"""Training with the mixture (in one run of SGD or with Algorithm 1), and training with one loss for comparison."""

from deepgum.training.algorithm import fit_deepgum
from deepgum.training.baselines import fit_loss
from deepgum.training.history import EpochRecord, Event, History, Resumed, RoundRecord
from deepgum.training.methods import METHODS, AnyMethod, Method, check_method, get_method, train_method
from deepgum.training.options import PRESETS, DeepGUMOptions
from deepgum.training.result import TrainingResult, check_network
from deepgum.training.schedules import Alternate, Interleaved
from deepgum.training.sgd_options import SGDOptions, check_device
from deepgum.training.tracker import ResponsibilityTracker

__all__ = [
    "METHODS",
    "PRESETS",
    "Alternate",
    "AnyMethod",
    "DeepGUMOptions",
    "EpochRecord",
    "Event",
    "History",
    "Interleaved",
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
    "get_method",
    "train_method",
]
