"""`DeepGUMRegressor`: `fit_deepgum` in scikit-learn's habits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np
import sklearn.exceptions
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted
from torch import nn

from deepgum.data import RegressionData
from deepgum.errors import InvalidDataError, InvalidParameterError, NotFittedError
from deepgum.estimator.offsets import Offsets
from deepgum.estimator.recipe import build_network, build_options, build_sgd_options, renamed
from deepgum.estimator.rows import as_inputs, as_inputs_and_labels, as_seed, as_weights, split, that_teach
from deepgum.estimator.scoring import mean_r2
from deepgum.mixture import GaussianUniformMixture
from deepgum.models import Backbone
from deepgum.residuals import compute_residuals, predict
from deepgum.training import Event, History, fit_deepgum

__all__ = ["DeepGUMRegressor"]


class DeepGUMRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Regression by a network that finds wrong labels while it is trained, and learns without them.

    `fit_deepgum` in scikit-learn's habits: it clones, pickles, goes into pipelines, cross-validation and searches, and
    takes arrays and frames.

    Parameters
    ----------
    module : None, torch module, str or callable, optional
        The network.

        - None: for tables, two hidden layers of 128 with a tenth dropped out. Features and labels are standardised
          inside.
        - A torch module: maps inputs (b, ...) to predictions (b, d) **in the labels' own unit**, (b, 1) for a y of one
          dimension. A copy of it is trained.
        - A callable `module(data, n_outputs)` that makes a torch module, or a name, as for `deepgum.build_model`:
          `data.inputs` and `data.targets` are what it is to be trained on. Its outputs are moved and scaled to where
          the labels lie, and its initial weights come from `random_state`.
    groups : {"sample", "landmark", "coordinate"} or list of lists of int
        Columns of y that are right or wrong together.
    schedule : {"interleaved", "alternate"}
        EM after every epoch of one run of SGD; or Algorithm 1 of the paper, which costs several runs. The other choices
        are those of the presets "default" and "alternate".
    first_loss, weighted_loss, covariance_type
        As for `DeepGUMOptions`.
    warmup_epochs : int, optional
        Epochs of the first loss. By default three tenths of `max_epochs`, for a small table has few steps an epoch;
        with the schedule "alternate", until they stop early.
    max_epochs : int
        Epochs of SGD (of a round, with the schedule "alternate").
    batch_size : int or "auto"
        Rows a step; by default a sixteenth of them, but from 8 to 128.
    learning_rate, optimizer, weight_decay, patience, device, precision
        As for `SGDOptions`.
    lr_schedule : {"one-cycle", "cosine", "constant"}
        Of the learning rate; `SGDOptions.schedule`. "constant" stops early, and suits the schedule "alternate".
    validation_fraction : float in [0, 1)
        Share of the rows that is held out to choose the best epoch, where `fit` is not given others. With 0, or where
        too few rows would be left, the rows that are trained on choose.
    options : mapping, optional
        Other fields of `DeepGUMOptions`: `{"widening": 1.0}`. Those that are parameters cannot be given a second time.
    random_state : int, RandomState or None
        Of the initial weights, the held-out part and the order of the rows. An int is the `seed` of `fit_deepgum`.
    on_event : callable, optional
        Called with every `EpochRecord` and `RoundRecord`: `print` shows progress.

    Attributes
    ----------
    module_ : torch module
        The trained network, in evaluation mode. It takes X less `feature_offset_`, and `label_offset_` is to be added
        to what it gives.
    feature_offset_, label_offset_ : arrays
        0, except for columns that lie further from zero than a thousand times their spread, as times in seconds since
        1970 do. What these differ by would not outlast float32: their median is taken away before. Not with a torch
        module, which predicts in the unit of y, and of features only without any `module`.
    inlier_probability_ : (n, g) array
        Probability that each label given to `fit` is right, a row a row of X and a column a group; below 1/2 it is more
        likely wrong. A row without any label of a group has the prior.
    mixture_ : GaussianUniformMixture
        Of the training residuals.
    history_ : History
        Epochs and rounds.
    n_iter_ : int
        Epochs trained.
    n_features_in_ : int
        Columns of X.
    feature_names_in_ : array of str
        Their names, where X was a frame.

    Notes
    -----
    A row without label, or with weight 0, is as if it were not there, but that it gets its posterior. `set_output` is
    for what transforms, and this does not.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(300, 3))
    >>> y = 10 * X[:, 0] + rng.normal(size=300)
    >>> y[::5] = rng.uniform(-100, 100, size=60)  # every fifth label is wrong
    >>> model = DeepGUMRegressor(random_state=0).fit(X, y)
    >>> wrong = model.inlier_probability_[:, 0] < 0.5
    >>> bool(wrong[::5].mean() > 0.8), bool(wrong.sum() < 70)
    (True, True)
    """

    module_: nn.Module
    inlier_probability_: NDArray[np.float64]
    mixture_: GaussianUniformMixture
    history_: History
    n_iter_: int
    feature_offset_: NDArray[np.float64]
    label_offset_: NDArray[np.float64]
    n_features_in_: int

    def __init__(
        self,
        module: nn.Module | Backbone | str | None = None,
        *,
        groups: Any = "sample",
        schedule: str = "interleaved",
        first_loss: str = "cauchy",
        weighted_loss: str = "l1",
        covariance_type: str = "full",
        warmup_epochs: int | None = None,
        max_epochs: int = 50,
        batch_size: int | str = "auto",
        learning_rate: float = 3e-3,
        lr_schedule: str = "one-cycle",
        optimizer: str = "adam",
        weight_decay: float = 0.0,
        patience: int = 5,
        validation_fraction: float = 0.1,
        options: Mapping[str, Any] | None = None,
        device: str = "cpu",
        precision: str = "float32",
        random_state: int | np.random.RandomState | None = None,
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        self.module = module
        self.groups = groups
        self.schedule = schedule
        self.first_loss = first_loss
        self.weighted_loss = weighted_loss
        self.covariance_type = covariance_type
        self.warmup_epochs = warmup_epochs
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.lr_schedule = lr_schedule
        self.optimizer = optimizer
        self.weight_decay = weight_decay
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.options = options
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.on_event = on_event

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
    ) -> Self:
        """Train the network, and tell which labels are probably wrong.

        Parameters
        ----------
        X : (n, p) array or frame; with a `module` also (n, ...)
            Finite. Bytes (n, c, h, w) are images, which the network gets as floats from 0 to 1.
        y : (n,) or (n, d) array or frame
            Labels, some of which may be wrong; NaN where one is missing.
        sample_weight : (n,) array, optional
            How much each row counts, in the loss and in the mixture; only the ratios matter. Held-out rows count alike.
        X_val, y_val : arrays like X and y, optional
            What chooses the best epoch, instead of a part of X. Its labels may be wrong or missing as well.

        Returns
        -------
        DeepGUMRegressor
            The estimator itself.

        Raises
        ------
        InvalidParameterError
            If a parameter cannot be worked with.
        InvalidDataError
            If the data cannot be trained on, or the network does not fit them. What scikit-learn finds wrong with X and
            y is a ValueError of its own.
        NonFiniteLossError
            As soon as a loss is not finite.
        """
        features, labels = as_inputs_and_labels(self, X, y, fitting=True)
        if (X_val is None) != (y_val is None):
            missing = "X_val" if X_val is None else "y_val"
            raise InvalidParameterError(missing, "given, as the other of `X_val` and `y_val` is", None)
        options, seed = build_options(self), as_seed(self.random_state)
        weights = as_weights(sample_weight, len(labels))
        offsets = Offsets.of(self.module, features, labels, weights)
        data = offsets.data(features, labels, weights)
        train = that_teach(data)
        sgd = build_sgd_options(self, len(train))
        if X_val is None:
            train, validation = split(train, self.validation_fraction, options, seed)
        else:
            validation = offsets.data(*as_inputs_and_labels(self, X_val, y_val))
        with renamed(model="module"):
            network = build_network(self.module, self.device, train, seed)
            result = fit_deepgum(
                network, train, validation, options=options, sgd=sgd, seed=seed, on_event=self.on_event
            )
        assert result.mixture is not None
        self.module_ = result.model
        self.mixture_ = GaussianUniformMixture.from_state_dict(result.mixture.state_dict() | {"array": "numpy"})
        # A listener need not be picklable.
        self.history_ = replace(result.history, listener=None)
        self.n_iter_ = result.epochs
        self.feature_offset_, self.label_offset_ = offsets.features, offsets.labels
        self.inlier_probability_ = self._posterior(data)
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return predictions (m,) or (m, d), as y was in `fit`, in its unit.

        Raises
        ------
        NotFittedError
            Before `fit`; scikit-learn's and this library's at once.
        NonFiniteLossError
            If a prediction is not finite.
        """
        self._check_fitted()
        data, offset = self._offsets.data(as_inputs(self, X)), self.label_offset_
        predictions = predict(self.module_, data, precision=self.precision).double().numpy()
        return np.asarray(predictions.reshape(len(data), *offset.shape) + offset)

    def inlier_probability(self, X: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
        """Return the probability (m, g) that each label is right, by the mixture of the training residuals.

        Raises
        ------
        NotFittedError
            Before `fit`.
        InvalidDataError
            If y has not as many columns as in `fit`.
        """
        self._check_fitted()
        return self._posterior(self._offsets.data(*self._labelled(X, y)))

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return R^2, the mean over the columns of y, of each over the labels that are there.

        A column of fewer than two labels takes no part; where there is no other, the score is NaN, with scikit-learn's
        `UndefinedMetricWarning`. Every wrong label in y lowers it, by its square. To choose parameters by labels that
        cannot be trusted, take `scoring=deepgum.estimator.neg_median_absolute_error`.

        Raises
        ------
        NotFittedError
            Before `fit`.
        InvalidDataError
            If y has not as many columns as in `fit`, or `sample_weight` not a weight a row.
        """
        predictions = self.predict(X)
        _, labels = self._labelled(X, y)
        return mean_r2(labels, predictions, as_weights(sample_weight, len(labels)))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _check_fitted(self) -> None:
        try:
            check_is_fitted(self, "module_")
        except sklearn.exceptions.NotFittedError as error:
            raise _NotFittedError(str(error)) from None

    def _labelled(self, X: ArrayLike, y: ArrayLike) -> tuple[NDArray[Any], NDArray[np.float64]]:
        inputs, labels = as_inputs_and_labels(self, X, y)
        expected, found = (int(np.prod(shape)) for shape in (self.label_offset_.shape, labels.shape[1:]))
        if found != expected:
            raise InvalidDataError(f"`y` should have {expected} columns, as in `fit`. Found {found}.")
        return inputs, labels.reshape(len(labels), *self.label_offset_.shape)

    @property
    def _offsets(self) -> Offsets:
        return Offsets(self.feature_offset_, self.label_offset_)

    def _posterior(self, data: RegressionData) -> NDArray[np.float64]:
        residuals = compute_residuals(self.module_, data, precision=self.precision)
        return self.mixture_.responsibilities(residuals.numpy())


class _NotFittedError(NotFittedError, sklearn.exceptions.NotFittedError):  # type: ignore[misc]
    """What both libraries raise."""
