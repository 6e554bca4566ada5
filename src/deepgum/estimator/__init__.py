"""The scikit-learn face of the training; thin, no logic of its own."""

from deepgum.estimator.regressor import DeepGUMRegressor
from deepgum.estimator.scoring import neg_median_absolute_error

__all__ = ["DeepGUMRegressor", "neg_median_absolute_error"]
