"""Training of the default network on a table, with weights that come from out-of-fold residuals.

A network memorises a part of its training labels, and the residuals of memorised wrong labels are small. Each label is
therefore judged by a network that is not trained on it. Six networks are trained side by side: one without each of five
folds of the rows, and one on all rows. The first five predict every row out of fold. The network on all rows is the
result.

At first, all labels have the same weight, and the first loss, by default Cauchy's, hardly learns from labels that are
far from the predictions. Several times during the training, the out-of-fold residuals give the probability that each
label is right (`deepgum.estimator.posterior`). If a label is flagged, these probabilities are the weights of the labels
in the losses of all networks until labels are judged again. If no label is flagged, all weights stay 1, and the second
half of the training uses the loss of weighted labels with equal weights. If labels are wrong in a known way
(`deepgum.posteriors.kinds`), for example ten times the right label, networks are taught the expected right label, with
the probability that the label is right or wrong in a known way as its weight. After the last epoch, the labels are
judged once more, and the densities are then chosen among more candidates.

The mean loss of out-of-fold predictions chooses the epoch, so that no rows are held out. Dropout is proportional to the
part of the labels' variance that out-of-fold predictions do not explain: it prevents that networks memorise noise, and
is an obstacle where labels are nearly a function of the features.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from deepgum.data import RegressionData
from deepgum.estimator.posterior import JudgedLabels, LabelPosterior
from deepgum.estimator.stack import NetworkStack, train_stack
from deepgum.estimator.unexplained import unexplained_share
from deepgum.losses import Loss
from deepgum.mixture.partition import Groups, Partition, partition
from deepgum.models.regressor import Regressor
from deepgum.posteriors.densities import StudentT
from deepgum.training import EpochRecord, History, SGDOptions
from deepgum.training.weighting import mixture_record

__all__ = ["LEAST_ROWS", "CrossFit", "fit_cross_fit"]

Values = NDArray[np.float64]

FOLDS = 5
"""Number of folds. With more folds, predictions out of fold are better, and the training takes more time."""

JUDGED_AT = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
"""Shares of the epochs after which labels are judged."""

EARLY_DENSITY = StudentT(3.0)
"""Density of right labels during the training. The choice among several densities takes much more time."""

FIRST_SHARE = 0.5
"""Share of the epochs with the first loss, as long as no label is flagged."""

LEAST_ROWS = 60
"""Minimum number of rows for a training with folds."""


@dataclass(frozen=True, eq=False)
class CrossFit:
    """The result of a training with folds.

    Attributes
    ----------
    network : Regressor
        The network that was trained on all rows, in float32 and in evaluation mode.
    predictions : array (n, d)
        The out-of-fold predictions.
    posterior : LabelPosterior
        The mixture of the out-of-fold residuals.
    judged : JudgedLabels
        The verdict on the labels of the training rows, from their out-of-fold residuals.
    """

    network: Regressor
    predictions: Values
    posterior: LabelPosterior
    judged: JudgedLabels


def fit_cross_fit(
    network: nn.Module,
    train: RegressionData,
    validation: RegressionData | None,
    *,
    losses: tuple[Loss, Loss],
    groups: Groups,
    sgd: SGDOptions,
    seed: int,
    history: History,
    origin: Values | None = None,
) -> CrossFit:
    """Train the default network on a table; see the module docstring.

    Parameters
    ----------
    network : Regressor
        The untrained network, whose backbone is an `MLP`; it does not change.
    train : RegressionData
        Rows with features (n, p) and labels (n, d); NaN for missing labels.
    validation : RegressionData, optional
        If given, the epoch is chosen by the mean loss of the network on all rows, for the validation rows.
    losses : tuple of two losses
        The first loss, for at most half of the epochs, and the loss with the probabilities as weights. The second loss
        chooses the epoch.
    groups : see `GaussianUniformMixture`
    sgd : SGDOptions
    seed : int
        Seed of the folds, the initial weights and the order of the rows.
    history : History
        It gets one record per epoch, and a record of the final mixture.
    origin : array (d,), optional
        The constant that was subtracted from the labels; by default 0.

    Raises
    ------
    NonFiniteLossError
        As soon as a loss is not finite.
    """
    labels = train.targets.double().numpy()
    places = partition(groups, labels.shape[1])

    def judge(predictions: Values) -> _Lesson | None:
        posterior = LabelPosterior.fit(labels, predictions, groups, EARLY_DENSITY, origin=origin)
        judged = posterior.judge(labels, predictions)
        return _Lesson.of(judged, labels, places) if (judged.right < 0.5).any() else None

    training = _Training(network, train, validation, losses, sgd, seed, history)
    training.run(judge)
    begun = time.perf_counter()
    posterior = LabelPosterior.fit(labels, training.predictions, groups, origin=origin)
    judged = posterior.judge(labels, training.predictions)
    flagged = torch.from_numpy(judged.right < 0.5).sum(dim=0)
    history.add(mixture_record(posterior.mixture.base.mixture, flagged, 0, training.score, begun))
    return CrossFit(training.network, training.predictions, posterior, judged)


@dataclass(frozen=True, eq=False)
class _Lesson:
    """The labels that the networks learn after a judgement, and the weights of these labels.

    Attributes
    ----------
    weights : Tensor (n, d)
        Probability that the taught label is right.
    corrections : Tensor (n, d)
        Taught label minus label: 0 unless the label may be wrong in a known way.
    """

    weights: Tensor
    corrections: Tensor

    @classmethod
    def of(cls, judged: JudgedLabels, labels: Values, places: Partition) -> _Lesson:
        weights = np.empty(labels.shape)
        for place, group in enumerate(places):
            weights[:, list(group)] = (judged.usable * judged.trust)[:, [place]]
        corrections = np.nan_to_num(judged.expected - labels)
        return cls(torch.from_numpy(weights).float(), torch.from_numpy(corrections).float())


class _Training:
    """One training side by side of a network on all rows, and of one network without each fold.

    Attributes
    ----------
    network : Regressor
        The network on all rows after the best epoch.
    predictions : array (n, d)
        The out-of-fold predictions after the best epoch.
    score : float
        The score of the best epoch. Only epochs since the last change of the weights are compared.
    """

    network: Regressor
    predictions: Values

    def __init__(
        self,
        network: nn.Module,
        train: RegressionData,
        validation: RegressionData | None,
        losses: tuple[Loss, Loss],
        sgd: SGDOptions,
        seed: int,
        history: History,
    ) -> None:
        device = torch.device(sgd.device)
        self.score = math.inf
        self._first, self._later = losses
        self._sgd, self._history = sgd, history
        self._inputs, self._targets = _tensors(train, device)
        self._validation = None if validation is None else _tensors(validation, device)
        given = torch.ones(len(train)) if train.sample_weight is None else train.sample_weight.float()
        self._given = given[:, None].expand(train.targets.shape).to(device)
        self._weights, self._is_weighted, self._is_first = self._given, False, True
        self._corrections = torch.zeros_like(self._targets)
        self._generator = torch.Generator().manual_seed(seed)
        n = len(train)
        self._folds = torch.randperm(n, generator=self._generator).tensor_split(FOLDS)
        outside = [torch.cat(self._folds[:place] + self._folds[place + 1 :]) for place in range(FOLDS)]
        self._rows = [*outside, torch.arange(n)]
        self._stack = NetworkStack(network, FOLDS + 1, self._generator).to(device)
        self._most_dropout = self._stack.dropout
        self._pace = _relative_slope(self._later, self._first, self._targets - self._stack.centre)

    def run(self, judge: Callable[[Values], _Lesson | None]) -> None:
        """Train, and judge labels by a function that maps out-of-fold predictions (n, d) to a lesson, or to None."""
        judged = {round(share * self._sgd.epochs_max) for share in JUDGED_AT}
        begun = time.perf_counter()

        def loss(residuals: Tensor, batch: Tensor) -> Tensor:
            # The sum over the networks, so that the step of a network is as large as if it were alone.
            residuals = (residuals + self._corrections[batch]).flatten(0, 1)
            weights = self._weights[batch].flatten(0, 1)
            if self._is_first:
                return len(batch) * self._pace * self._first(residuals, weights=weights)
            return len(batch) * self._later(residuals, weights=weights)

        def record(epoch: int, training_loss: float, average: NetworkStack) -> None:
            nonlocal begun
            used = self._first if self._is_first else self._later
            name = f"weighted {used.name}" if self._is_weighted else used.name
            training_loss = training_loss / self._pace if self._is_first else training_loss
            predictions = self._predict(average)
            taught = self._targets + self._corrections
            self._stack.dropout = self._most_dropout * unexplained_share(taught, predictions)
            if epoch in judged:
                self._teach(judge(predictions.double().cpu().numpy()))
            self._is_first = not self._is_weighted and epoch < round(FIRST_SHARE * self._sgd.epochs_max)
            score = self._score(average, predictions)
            better = score < self.score or epoch == 1
            if better:
                self.score, self.network = score, average.member(FOLDS)
                self.predictions = predictions.double().cpu().numpy()
            self._history.add(EpochRecord(name, 0, epoch, training_loss, score, time.perf_counter() - begun, better))
            begun = time.perf_counter()

        train_stack(
            self._stack, self._inputs, self._targets, self._rows, loss, self._sgd, self._generator, on_epoch=record
        )

    def _teach(self, lesson: _Lesson | None) -> None:
        if lesson is None and not self._is_weighted:
            return
        self._is_weighted = lesson is not None
        if lesson is None:
            self._weights, self._corrections = self._given, torch.zeros_like(self._targets)
        else:
            self._weights = self._given * lesson.weights.to(self._given)
            self._corrections = lesson.corrections.to(self._targets)
        self.score = math.inf

    @torch.no_grad()
    def _predict(self, average: NetworkStack) -> Tensor:
        """Return the out-of-fold predictions (n, d) of the averaged networks."""
        predictions = torch.empty_like(self._targets)
        for place, rows in enumerate(self._folds):
            predictions[rows] = average.predict(place, self._inputs[rows])
        return predictions

    @torch.no_grad()
    def _score(self, average: NetworkStack, predictions: Tensor) -> float:
        if self._validation is None:
            return self._later(self._targets + self._corrections - predictions, weights=self._weights).item()
        inputs, targets = self._validation
        return self._later(targets - average.predict(FOLDS, inputs)).item()


def _relative_slope(loss: Loss, other: Loss, residuals: Tensor) -> float:
    """Return the mean slope of a loss at residuals (n, d), divided by that of another loss; 1 if a slope is 0.

    The size of steps depends on earlier gradients. They have the same size before and after a change of the loss if one
    of the losses is multiplied by this number.
    """
    slopes = [each.psi(residuals).abs().mean().item() for each in (loss, other)]
    return slopes[0] / slopes[1] if min(slopes) > 0 else 1.0


def _tensors(data: RegressionData, device: torch.device) -> tuple[Tensor, Tensor]:
    return torch.as_tensor(data.inputs).float().to(device), data.targets.float().to(device)
