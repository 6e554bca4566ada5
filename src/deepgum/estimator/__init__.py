"""The scikit-learn face of the training; thin, no logic of its own."""

from deepgum.estimator.regressor import DeepGUMRegressor

__all__ = ["DeepGUMRegressor"]
