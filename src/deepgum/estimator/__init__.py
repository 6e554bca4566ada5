"""The scikit-learn interface of the training."""

from deepgum.estimator.regressor import DeepGUMRegressor
from deepgum.estimator.scoring import neg_median_absolute_error

__all__ = ["DeepGUMRegressor", "neg_median_absolute_error"]
