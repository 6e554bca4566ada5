"""Deep regression that finds wrong labels and learns without them.

- `fit_deepgum` trains a network on partly wrong labels, and estimates the probability that each label is right.
  `ResponsibilityTracker` does the same in your own training loop. `DeepGUMRegressor` is an estimator for scikit-learn,
  and `deepgum.lightning.DeepGUMCallback` is a callback for Lightning.
- `score_labels` scores labels with the predictions of any model. `audit_labels` makes out-of-fold predictions itself,
  and scores labels with these predictions.
- `GaussianUniformMixture` is the mixture alone, fitted to residuals.

Other public names are in the subpackages, for example `deepgum.losses`, `deepgum.data` and `deepgum.evaluation`. A name
is imported at its first use, so the import of the package is fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from deepgum._version import __version__

if TYPE_CHECKING:
    from deepgum.audit import Scored as Scored
    from deepgum.audit import audit_labels as audit_labels
    from deepgum.audit import score_labels as score_labels
    from deepgum.data import IndexedDataset as IndexedDataset
    from deepgum.data import RegressionData as RegressionData
    from deepgum.errors import DeepGUMError as DeepGUMError
    from deepgum.estimator import DeepGUMRegressor as DeepGUMRegressor
    from deepgum.mixture import GaussianUniformMixture as GaussianUniformMixture
    from deepgum.mixture import MixtureStatus as MixtureStatus
    from deepgum.models import build_model as build_model
    from deepgum.training import DeepGUMOptions as DeepGUMOptions
    from deepgum.training import ResponsibilityTracker as ResponsibilityTracker
    from deepgum.training import SGDOptions as SGDOptions
    from deepgum.training import TrainingResult as TrainingResult
    from deepgum.training import fit_deepgum as fit_deepgum
    from deepgum.training import fit_loss as fit_loss

_MODULES = {
    "DeepGUMError": "deepgum.errors",
    "DeepGUMOptions": "deepgum.training",
    "DeepGUMRegressor": "deepgum.estimator",
    "GaussianUniformMixture": "deepgum.mixture",
    "IndexedDataset": "deepgum.data",
    "MixtureStatus": "deepgum.mixture",
    "RegressionData": "deepgum.data",
    "ResponsibilityTracker": "deepgum.training",
    "SGDOptions": "deepgum.training",
    "Scored": "deepgum.audit",
    "TrainingResult": "deepgum.training",
    "audit_labels": "deepgum.audit",
    "build_model": "deepgum.models",
    "fit_deepgum": "deepgum.training",
    "fit_loss": "deepgum.training",
    "score_labels": "deepgum.audit",
}

__all__ = ["__version__", *sorted(_MODULES)]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULES[name]), name)
    # The next access finds the stored value and does not call this function.
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
