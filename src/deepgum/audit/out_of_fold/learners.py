"""Learners of an audit: networks trained by `fit_deepgum`, or any scikit-learn estimator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from deepgum.audit.out_of_fold.features import Features
from deepgum.audit.out_of_fold.teaching import Teaching
from deepgum.data.regression import RegressionData
from deepgum.data.splits import split_validation
from deepgum.errors import InvalidDataError, InvalidParameterError
from deepgum.mixture import partition
from deepgum.mixture.partition import Groups
from deepgum.residuals import predict
from deepgum.training import DeepGUMOptions, Event, SGDOptions, fit_deepgum

__all__ = ["EstimatorLearner", "NetworkLearner", "check_regressor", "validation_share"]

Values = NDArray[np.float64]
Rows = NDArray[np.int64]

VALIDATION = 0.1
_LEAST_RIGHT = 10, 0.1
"""Minimum number and minimum share of unflagged labels. With fewer, the flags are ignored."""
_LEAST_VALIDATION = 10
"""Minimum number of validation samples, minus the number of coordinates of a group. The mixture is fitted to the
residuals of these samples."""


def validation_share(rows: int, widest: int) -> float:
    """Return the share of validation samples: a tenth, or up to a third if there are few samples.

    Parameters
    ----------
    rows : int
        Number of samples.
    widest : int
        Number of coordinates of the largest group.

    Examples
    --------
    >>> validation_share(5000, widest=2), validation_share(40, widest=2), validation_share(12, widest=2)
    (0.1, 0.3, 0.3333333333333333)
    """
    return max(VALIDATION, min(1 / 3, (_LEAST_VALIDATION + widest) / rows))


@dataclass(frozen=True, eq=False)
class NetworkLearner:
    """A learner that trains a new network for each fold, by robust training without the flagged labels.

    Attributes
    ----------
    data : RegressionData
        All samples.
    build : callable
        ``build(data, seed)`` returns an untrained network for the samples `data`. `seed` is the seed of the weights.
    options : DeepGUMOptions
    sgd : SGDOptions
    keep_together : tuple of str, length n, optional
        One value per sample. Samples with the same value are all in the training part or all in the validation part.
    on_event : callable, optional
        See `fit_deepgum`.
    """

    data: RegressionData
    build: Callable[[RegressionData, int], nn.Module]
    options: DeepGUMOptions
    sgd: SGDOptions
    keep_together: tuple[str, ...] | None = None
    on_event: Callable[[Event], None] | None = None

    is_robust: ClassVar[bool] = True

    def predict(self, train: Rows, teaching: Teaching | None, seed: int) -> Values:
        """Train a network and return its predictions (n, d) for all samples; see `Learner`."""
        data, groups = self.data, self.options.for_targets(self.data.target_names).settled_groups
        if teaching is not None:
            targets = data.targets
            if teaching.labels is not None:
                targets = torch.as_tensor(teaching.labels, dtype=targets.dtype)
            data = data.with_targets(_without_flagged(targets, teaching.usable, groups, train))
        rows = train[data.targets[train].isfinite().any(dim=1).numpy()]
        if not len(rows):
            raise InvalidDataError("Some samples of each fold should have labels. Found none.")
        values = None if self.keep_together is None else [self.keep_together[row] for row in rows.tolist()]
        widest = max(map(len, partition(groups, data.targets.shape[1])))
        kept, validation = split_validation(len(rows), validation_share(len(rows), widest), seed, values)
        parts = data.subset(rows[kept.numpy()]), data.subset(rows[validation.numpy()])
        model = self.build(parts[0], seed)
        result = fit_deepgum(model, *parts, options=self.options, sgd=self.sgd, seed=seed, on_event=self.on_event)
        predicted = predict(result.model, self.data, device=self.sgd.device, precision=self.sgd.precision)
        return predicted.numpy().astype(np.float64)


def _without_flagged(targets: torch.Tensor, responsibilities: Values, groups: Groups, train: Rows) -> torch.Tensor:
    """Return the targets with NaN in place of flagged labels. A group with too few unflagged labels is unchanged."""
    kept = targets.clone()
    for place, columns in enumerate(partition(groups, targets.shape[1])):
        flagged = np.flatnonzero(responsibilities[:, place] < 0.5)
        kept[flagged[:, None], list(columns)] = torch.nan
        given, left = (int(each[train][:, list(columns)].isfinite().any(dim=1).sum()) for each in (targets, kept))
        least, share = _LEAST_RIGHT
        if left < max(least, share * given):
            kept[:, list(columns)] = targets[:, list(columns)]
    return kept


def check_regressor(regressor: Any) -> None:
    """Refuse an object that is no regressor with the interface of scikit-learn. None stands for the default regressor.

    Raises
    ------
    InvalidParameterError
        If the object is a class, or lacks `fit`, `predict` or `get_params`.
    """
    parts = ("fit", "predict", "get_params")
    if regressor is None or (not isinstance(regressor, type) and all(hasattr(regressor, part) for part in parts)):
        return
    expected = "a regressor with the interface of scikit-learn: `fit`, `predict` and `get_params`"
    hint = "Pass an object, not the class: add `()`." if isinstance(regressor, type) else ""
    raise InvalidParameterError("regressor", expected, regressor, hint)


@dataclass(frozen=True, eq=False)
class EstimatorLearner:
    """A learner that fits a clone of an estimator for each fold.

    The weight of a row in the fit is the lowest probability of the row that a label is right. In the first round, all
    weights are 1.

    Attributes
    ----------
    estimator : regressor
        An object with the interface of scikit-learn: `fit(X, y, sample_weight=...)`. If `fit` takes no weights, flagged
        rows are left out, unless too few rows would remain.
    features : Features
        Rows in the form that the estimator takes.
    targets : array (n, d)
        Labels. Rows with a missing label are left out.
    """

    estimator: Any
    features: Features
    targets: Values

    is_robust: ClassVar[bool] = False

    def predict(self, train: Rows, teaching: Teaching | None, seed: int) -> Values:
        """Fit a clone of the estimator and return its predictions (n, d) for all samples; see `Learner`."""
        # Imported late, because it takes a second.
        from sklearn.base import clone
        from sklearn.utils.validation import has_fit_parameter

        rows = train[~np.isnan(self.targets[train]).any(axis=1)]
        weights = None if teaching is None else teaching.weights[rows].min(axis=1)
        weighted = has_fit_parameter(self.estimator, "sample_weight")
        if weights is not None and not weighted:
            least, share = _LEAST_RIGHT
            right = weights > 0.5
            rows, weights = rows[right] if right.sum() >= max(least, share * len(rows)) else rows, None
        if len(rows) < 2:
            raise InvalidDataError(f"A fold should leave at least 2 rows with labels to fit. Found {len(rows)}.")
        estimator = clone(self.estimator)
        if "random_state" in estimator.get_params():
            estimator.set_params(random_state=seed % (2**31))
        labels = (self.targets if teaching is None or teaching.labels is None else teaching.labels)[rows]
        labels = labels[:, 0] if labels.shape[1] == 1 else labels
        try:
            # Weights are equal in the first round, because some estimators fit differently with and without weights.
            weights = np.ones(len(rows)) if weights is None and weighted else weights
            given = {} if weights is None else {"sample_weight": weights}
            estimator.fit(self.features.take(rows), labels, **given)
            predicted = np.asarray(estimator.predict(self.features.X), dtype=np.float64)
        except Exception as error:  # a regressor of the user may raise anything
            expected = "a regressor that accepts these features and labels"
            hint = f"It was fitted to {len(rows)} rows. Its error: {type(error).__name__}: {error}"
            raise InvalidParameterError("regressor", expected, self.estimator, hint) from error
        if predicted.size != self.targets.size or len(predicted) != len(self.targets):
            expected = f"a regressor that predicts {self.targets.shape[1]} numbers per row, for all rows"
            hint = f"Its predictions have the shape {predicted.shape}."
            raise InvalidParameterError("regressor", expected, self.estimator, hint)
        wrong = int((~np.isfinite(predicted.reshape(self.targets.shape)).all(axis=1)).sum())
        if wrong:
            expected = "a regressor that predicts finite numbers"
            hint = f"It predicts NaN or infinity for {wrong} of {len(predicted)} rows."
            raise InvalidParameterError("regressor", expected, self.estimator, hint)
        return predicted.reshape(self.targets.shape)
