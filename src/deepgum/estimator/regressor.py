"""`DeepGUMRegressor`: `fit_deepgum` as a scikit-learn estimator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Self

import numpy as np
import sklearn.exceptions
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from deepgum.checks import check_fraction
from deepgum.data import RegressionData
from deepgum.errors import InvalidDataError, InvalidParameterError, NotFittedError
from deepgum.estimator.cross_fit import fit_cross_fit
from deepgum.estimator.offsets import Offsets
from deepgum.estimator.posterior import JudgedLabels, LabelPosterior
from deepgum.estimator.recipe import (
    CROSS_FIT,
    build_losses,
    build_network,
    build_options,
    build_sgd_options,
    chosen_schedule,
    rename_parameters,
)
from deepgum.estimator.rows import as_inputs, as_inputs_and_labels, as_seed, as_weights, is_usable, split, usable_rows
from deepgum.estimator.scoring import mean_r2
from deepgum.losses import Loss
from deepgum.mixture import GaussianUniformMixture
from deepgum.models import Backbone
from deepgum.residuals import compute_residuals, predict
from deepgum.training import Event, History, check_device, fit_deepgum
from deepgum.training.result import check_training_data
from deepgum.training.verdict import responsibilities_of

__all__ = ["DeepGUMRegressor"]


class DeepGUMRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Regression by a network that finds wrong labels during its training and learns without them.

    This is `fit_deepgum` as a scikit-learn estimator. The estimator can be cloned and pickled, works in pipelines,
    cross-validation and parameter searches, and accepts arrays and data frames.

    Parameters
    ----------
    module : None, torch module, str or callable, optional
        The network.

        - None: a network for tables with two hidden layers of 128 units and a dropout of 0.1, which standardises
          features and labels. With the schedule "cross-fit", the dropout is 0.1 times the part of the labels' variance
          that out-of-fold predictions do not explain.
        - A torch module that maps inputs (b, ...) to predictions (b, d) **in the unit of the labels**. If y has one
          dimension, the predictions are (b, 1). `fit` trains a copy of the module.
        - A callable `module(data, n_outputs)` that returns a torch module for the training data `data.inputs` and
          `data.targets`, or a name, as for `deepgum.build_model`. The outputs are scaled and shifted to the range of
          the labels, and `random_state` determines the initial weights.
    output : str, int or callable, optional
        For a network that gives several tensors: the key, field or position of the predictions, or a function of the
        outputs; see `deepgum.models.OutputOf`. Default: the one tensor that has the shape of the labels.
    groups : {"sample", "landmark", "coordinate"} or list of lists of int, optional
        Columns of y that are right or wrong together. By default the names of the columns of a frame decide: "landmark"
        if they come in pairs of x and y, otherwise "sample".
    schedule : {"auto", "cross-fit", "interleaved", "alternate"}
        The way in which the network and the probabilities of the labels are estimated.

        - "cross-fit" is for the default network only. Labels are judged by networks that were not trained on them, and
          right labels are hardly ever flagged; see the notes.
        - "interleaved" is `fit_deepgum` with one run of SGD and EM after every epoch, with the other options of the
          preset "default".
        - "alternate" is `fit_deepgum` with Algorithm 1 of the paper, which has several runs of SGD, with the other
          options of the preset "alternate".
        - "auto" is "cross-fit" if `module` and `options` are None and there are at least 60 rows with a label, else
          "interleaved".
    first_loss, weighted_loss
        The same as in `DeepGUMOptions`. With the schedule "cross-fit", the first loss is used until a label is flagged,
        but for at most half of the epochs.
    covariance_type
        The same as in `GaussianUniformMixture`. With the schedule "cross-fit", the covariance is always full.
    warmup_epochs : int, optional
        Number of epochs with the first loss. The default is three tenths of `max_epochs`, because a small table has few
        steps per epoch. With the schedule "alternate" and no number, the first training ends by early stopping. The
        schedule "cross-fit" ignores this number.
    max_epochs : int
        Maximum number of epochs of a run of SGD. The schedule "alternate" has one run of SGD per round.
    batch_size : int or "auto"
        Number of rows per step; "auto" is one sixteenth of the rows, but at least 8 and at most 128.
    learning_rate, optimizer, weight_decay, patience, device, precision
        The same as in `SGDOptions`. The schedule "cross-fit" trains in float32 and without patience.
    lr_schedule : {"one-cycle", "cosine", "constant"}
        Schedule of the learning rate (`SGDOptions.schedule`). With "constant" the training can stop early; use it with
        the schedule "alternate".
    validation_fraction : float in [0, 1)
        Share of the rows that is held out to choose the best epoch, unless `fit` gets `X_val` and `y_val`. If the share
        is 0, or too few rows would remain, the best epoch is chosen with the training rows. The schedule "cross-fit"
        needs no held-out rows.
    options : mapping, optional
        Other fields of `DeepGUMOptions`, for example `{"least_weight": 0.1}`. Parameters of the estimator are not
        allowed here. They are options of `fit_deepgum`, and are refused with the schedule "cross-fit".
    random_state : int, RandomState or None
        Seed of the initial weights, the folds or the held-out part, and the order of the rows. An int is the `seed` of
        `fit_deepgum`.
    on_event : callable, optional
        Called with every `EpochRecord` and `RoundRecord`; `print` shows the progress.

    Attributes
    ----------
    module_ : torch module
        The trained network, in evaluation mode. The network maps X minus `feature_offset_` to the predictions minus
        `label_offset_`.
    feature_offset_, label_offset_ : arrays
        Offsets of the columns of X and y. If the median of a column is more than a thousand times the spread of the
        column (for example, seconds since 1970), float32 would lose the differences between the values. The offset is
        then the median. All other offsets are 0. With a torch module, all offsets are 0. With a factory, the offsets of
        X are 0.
    inlier_probability_ : (n, g) array
        Probability that each label given to `fit` is right, one row per row of X and one column per group. A label with
        a probability below 1/2 is probably wrong. If a row has no label in a group, the probability is the prior. With
        the schedule "cross-fit", the probabilities come from the out-of-fold residuals of the chosen epoch.
    reasons_ : (n, g) array of str
        With the schedule "cross-fit", for each label given to `fit` that is flagged and wrong in a known way, how the
        error is undone, for example "Divided by 10". Empty for all other labels, and with the other schedules.
    suggestions_ : array, shape of y
        The label after its error is undone, where there is a reason; NaN elsewhere.
    mixture_ : GaussianUniformMixture
        The mixture of the training residuals. With the schedule "cross-fit", eq. 1 of the out-of-fold residuals divided
        by their scale.
    posterior_ : LabelPosterior or None
        With the schedule "cross-fit", the mixture with the chosen densities, and the scale of residuals as a function
        of the prediction; it gives the probabilities. None with the other schedules.
    history_ : History
        Records of epochs and rounds.
    n_iter_ : int
        Number of epochs of SGD.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : array of str
        Names of the columns of X, if X is a frame.

    Notes
    -----
    A row without labels, or with weight 0, has no influence on the training, but gets an inlier probability. There is
    no `set_output`, because the estimator is not a transformer.

    The schedule "cross-fit" trains six networks side by side: one without each of five folds of the rows, and one on
    all rows. The predictions of the first five for the rows of their folds, which are out-of-fold predictions, choose
    the epoch. Several times during the training, the out-of-fold residuals are divided by their mean size at similar
    predictions, and give the probabilities by a mixture with heavy tails of right labels (`deepgum.posteriors`). If a
    label is flagged, the probabilities are the weights of the labels until the next time. If no label is flagged, the
    weights stay 1. `module_` is the one network on all rows; its weights are a moving average over the last epochs of
    its own training. The training takes about three times the time of a training of the network with one loss.

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
    reasons_: NDArray[np.str_]
    suggestions_: NDArray[np.float64]
    mixture_: GaussianUniformMixture
    posterior_: LabelPosterior | None
    history_: History
    n_iter_: int
    feature_offset_: NDArray[np.float64]
    label_offset_: NDArray[np.float64]
    n_features_in_: int

    def __init__(
        self,
        module: nn.Module | Backbone | str | None = None,
        *,
        output: str | int | Callable[[Any], Tensor] | None = None,
        groups: Any = None,
        schedule: str = "auto",
        first_loss: str | Loss = "cauchy",
        weighted_loss: str = "l1",
        covariance_type: str = "full",
        warmup_epochs: int | None = None,
        max_epochs: int = 50,
        batch_size: int | str = "auto",
        learning_rate: float = 3e-3,
        lr_schedule: str = "one-cycle",
        optimizer: str = "adam",
        weight_decay: float = 0.0,
        patience: int | None = None,
        validation_fraction: float = 0.1,
        options: Mapping[str, Any] | None = None,
        device: str = "cpu",
        precision: str = "float32",
        random_state: int | np.random.RandomState | None = None,
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        self.module = module
        self.output = output
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
        """Train the network, and estimate the probability that each label is right.

        Parameters
        ----------
        X : (n, p) array, frame or sparse matrix; with a `module` also (n, ...)
            Finite features. A sparse matrix is made dense. A uint8 array (n, c, h, w) contains images; the network gets
            the images as floats in [0, 1].
        y : (n,) or (n, d) array or frame
            Labels, some of which may be wrong; NaN for missing labels.
        sample_weight : (n,) array, optional
            Weight of each row in the loss and in the mixture; only the ratios matter. Held-out rows have equal weights.
        X_val, y_val : arrays like X and y, optional
            Held-out rows with which the best epoch is chosen, instead of a part of X. Labels may be wrong or missing.

        Returns
        -------
        DeepGUMRegressor
            The estimator itself.

        Raises
        ------
        InvalidParameterError
            If a parameter is invalid.
        InvalidDataError
            If there are too few data for a training, or the network cannot be used with the data.
        ValueError
            If the checks of scikit-learn refuse X or y.
        NonFiniteLossError
            As soon as a loss is not finite.
        """
        self._target_names = tuple(map(str, getattr(y, "columns", ())))
        features, labels = as_inputs_and_labels(self, X, y, fitting=True)
        if (X_val is None) != (y_val is None):
            missing = "X_val" if X_val is None else "y_val"
            raise InvalidParameterError(missing, "given: `X_val` and `y_val` belong together", None)
        seed = as_seed(self.random_state)
        weights = as_weights(sample_weight, len(labels))
        check_fraction("validation_fraction", self.validation_fraction, open_above=True)
        offsets = Offsets.of(self.module, features, labels, weights)
        data = offsets.data(features, labels, weights)
        train = usable_rows(data)
        validation = None if X_val is None else offsets.data(*as_inputs_and_labels(self, X_val, y_val))
        self.feature_offset_, self.label_offset_ = offsets.features, offsets.labels
        if chosen_schedule(self, len(train)) == CROSS_FIT:
            self._fit_cross_fit(data, train, validation, seed)
        else:
            self._fit_deepgum(data, train, validation, seed)
        return self

    def _fit_deepgum(
        self, data: RegressionData, train: RegressionData, validation: RegressionData | None, seed: int
    ) -> None:
        options, sgd = build_options(self).for_targets(self._target_names), build_sgd_options(self, len(train))
        if validation is None:
            train, validation = split(train, self.validation_fraction, options, seed)
        with rename_parameters(model="module"):
            network = build_network(self.module, self.device, train, seed, self.output)
            result = fit_deepgum(
                network, train, validation, options=options, sgd=sgd, seed=seed, on_event=self.on_event
            )
        assert result.mixture is not None
        self.module_ = result.model
        self.mixture_ = GaussianUniformMixture.from_state_dict(result.mixture.state_dict() | {"array": "numpy"})
        self.posterior_, self._verdict = None, result.verdict
        # Remove the listener, which may not be picklable.
        self.history_ = replace(result.history, listener=None)
        self.n_iter_ = result.epochs
        self.inlier_probability_ = self._posterior(data)
        self.reasons_ = np.full(self.inlier_probability_.shape, "")
        self.suggestions_ = np.full((len(data), *self.label_offset_.shape), np.nan)

    def _fit_cross_fit(
        self, data: RegressionData, train: RegressionData, validation: RegressionData | None, seed: int
    ) -> None:
        losses, sgd = build_losses(self, train.targets), build_sgd_options(self, len(train))
        groups = build_options(self).for_targets(self._target_names).settled_groups
        check_training_data(train, train if validation is None else validation)
        check_device(sgd.device)
        network, history = build_network(None, self.device, train, seed), History(listener=self.on_event)
        result = fit_cross_fit(
            network, train, validation, losses=losses, groups=groups, sgd=sgd, seed=seed, history=history,
            origin=np.atleast_1d(self.label_offset_),
        )  # fmt: skip
        self.module_ = result.network.to(next(network.parameters()).dtype)
        self.posterior_, self.mixture_ = result.posterior, result.posterior.mixture.base.mixture
        self.history_, self.n_iter_ = replace(history, listener=None), len(history.epochs)
        # Rows that were not in the training are judged like new rows.
        judged = self._judge(data, self.posterior_).with_rows(is_usable(data).numpy(), result.judged)
        self.inlier_probability_, self.reasons_ = judged.right, judged.reasons
        self.suggestions_ = judged.suggestions.reshape(len(data), *self.label_offset_.shape) + self.label_offset_

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return predictions in the unit of the y of `fit`: (m,) if y was a vector, (m, d) if y was a matrix.

        Raises
        ------
        NotFittedError
            Before `fit`. The error is also a `NotFittedError` of scikit-learn.
        NonFiniteLossError
            If a prediction is not finite.
        """
        self._check_fitted()
        data, offset = self._offsets.data(as_inputs(self, X)), self.label_offset_
        predictions = predict(self.module_, data, precision=self.precision).double().numpy()
        return np.asarray(predictions.reshape(len(data), *offset.shape) + offset)

    def inlier_probability(self, X: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
        """Return the probability (m, g) that each label is right, from the mixture of the training residuals.

        Raises
        ------
        NotFittedError
            Before `fit`.
        InvalidDataError
            If y and the y of `fit` have different numbers of columns.
        """
        self._check_fitted()
        return self._posterior(self._offsets.data(*self._check_labels(X, y)))

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return the mean of R^2 over the columns of y. Missing labels are ignored.

        A column with fewer than two labels is ignored. If every column is ignored, the score is NaN, with an
        `UndefinedMetricWarning` of scikit-learn. Wrong labels in y lower the score strongly, because errors are
        squared. To choose parameters with labels that may be wrong, use
        `scoring=deepgum.estimator.neg_median_absolute_error`.

        Raises
        ------
        NotFittedError
            Before `fit`.
        InvalidDataError
            If y and the y of `fit` have different numbers of columns, or `sample_weight` does not have one weight per
            row.
        """
        predictions = self.predict(X)
        _, labels = self._check_labels(X, y)
        return mean_r2(labels, predictions, as_weights(sample_weight, len(labels)))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.input_tags.sparse = True
        return tags

    def _check_fitted(self) -> None:
        try:
            check_is_fitted(self, "module_")
        except sklearn.exceptions.NotFittedError as error:
            raise _NotFittedError(str(error)) from None

    def _check_labels(self, X: ArrayLike, y: ArrayLike) -> tuple[NDArray[Any], NDArray[np.float64]]:
        inputs, labels = as_inputs_and_labels(self, X, y)
        expected, found = (int(np.prod(shape)) for shape in (self.label_offset_.shape, labels.shape[1:]))
        if found != expected:
            raise InvalidDataError(f"`y` should have {expected} columns, as in `fit`. Found {found} columns.")
        return inputs, labels.reshape(len(labels), *self.label_offset_.shape)

    @property
    def _offsets(self) -> Offsets:
        return Offsets(self.feature_offset_, self.label_offset_)

    def _posterior(self, data: RegressionData) -> NDArray[np.float64]:
        if self.posterior_ is not None:
            return self._judge(data, self.posterior_).right
        residuals = compute_residuals(self.module_, data, precision=self.precision).double()
        return np.asarray(responsibilities_of(self._verdict, self.mixture_, residuals))

    def _judge(self, data: RegressionData, posterior: LabelPosterior) -> JudgedLabels:
        predictions = predict(self.module_, data, precision=self.precision).double().numpy()
        return posterior.judge(data.targets.double().numpy(), predictions)


class _NotFittedError(NotFittedError, sklearn.exceptions.NotFittedError):  # type: ignore[misc]
    """An error that is both the `NotFittedError` of deepgum and the `NotFittedError` of scikit-learn."""
