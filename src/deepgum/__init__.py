"""Deep regression that finds wrong labels and learns without them.

`fit_deepgum` trains a network on labels some of which are wrong, and gives the probability of being right for each;
`score_labels` does the same for the predictions of any model, and `GaussianUniformMixture` for residuals. The names
below are loaded when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deepgum.audit import audit_labels as audit_labels
    from deepgum.audit import score_labels as score_labels
    from deepgum.data import ArrayBatches as ArrayBatches
    from deepgum.data import Corruption as Corruption
    from deepgum.data import EpochSampler as EpochSampler
    from deepgum.data import IndexedDataset as IndexedDataset
    from deepgum.data import Mirror as Mirror
    from deepgum.data import ParquetBatches as ParquetBatches
    from deepgum.data import RegressionData as RegressionData
    from deepgum.data import corrupt as corrupt
    from deepgum.data import load_digits_landmarks as load_digits_landmarks
    from deepgum.data import load_lfw_net as load_lfw_net
    from deepgum.data import split_validation as split_validation
    from deepgum.estimator import DeepGUMRegressor as DeepGUMRegressor
    from deepgum.estimator import neg_median_absolute_error as neg_median_absolute_error
    from deepgum.evaluation import detection_scores as detection_scores
    from deepgum.evaluation import failure_rate as failure_rate
    from deepgum.evaluation import mae as mae
    from deepgum.evaluation import nme as nme
    from deepgum.evaluation import paired_wilcoxon as paired_wilcoxon
    from deepgum.evaluation import rmse as rmse
    from deepgum.losses import L1 as L1
    from deepgum.losses import L2 as L2
    from deepgum.losses import Biweight as Biweight
    from deepgum.losses import Cauchy as Cauchy
    from deepgum.losses import Huber as Huber
    from deepgum.losses import get_loss as get_loss
    from deepgum.mixture import GaussianUniformMixture as GaussianUniformMixture
    from deepgum.mixture import MixtureStatus as MixtureStatus
    from deepgum.models import build_model as build_model
    from deepgum.residuals import compute_residuals as compute_residuals
    from deepgum.residuals import predict as predict
    from deepgum.scale import mad_scale as mad_scale
    from deepgum.training import METHODS as METHODS
    from deepgum.training import DeepGUMOptions as DeepGUMOptions
    from deepgum.training import ResponsibilityTracker as ResponsibilityTracker
    from deepgum.training import SGDOptions as SGDOptions
    from deepgum.training import TrainingResult as TrainingResult
    from deepgum.training import fit_deepgum as fit_deepgum
    from deepgum.training import fit_loss as fit_loss
    from deepgum.training import train_method as train_method

from deepgum._version import __version__

_HOMES = {
    "deepgum.audit": ("audit_labels", "score_labels"),
    "deepgum.data": (
        "ArrayBatches",
        "Corruption",
        "EpochSampler",
        "IndexedDataset",
        "Mirror",
        "ParquetBatches",
        "RegressionData",
        "corrupt",
        "load_digits_landmarks",
        "load_lfw_net",
        "split_validation",
    ),
    "deepgum.estimator": ("DeepGUMRegressor", "neg_median_absolute_error"),
    "deepgum.evaluation": ("detection_scores", "failure_rate", "mae", "nme", "paired_wilcoxon", "rmse"),
    "deepgum.losses": ("L1", "L2", "Biweight", "Cauchy", "Huber", "get_loss"),
    "deepgum.mixture": ("GaussianUniformMixture", "MixtureStatus"),
    "deepgum.models": ("build_model",),
    "deepgum.residuals": ("compute_residuals", "predict"),
    "deepgum.scale": ("mad_scale",),
    "deepgum.training": (
        "METHODS",
        "DeepGUMOptions",
        "ResponsibilityTracker",
        "SGDOptions",
        "TrainingResult",
        "fit_deepgum",
        "fit_loss",
        "train_method",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = ["__version__", *sorted(_HOME_OF)]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME_OF[name]), name)
    # Kept, so that it is looked up once.
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
