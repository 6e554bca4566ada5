"""Training of the default network on a table, with weights that come from out-of-fold residuals.

A network memorises a part of its training labels, and the residuals of memorised wrong labels are small. Each label is
therefore judged by a network that was not trained on it. The first pass trains four networks side by side: one without
each of three folds, and one on all rows. The first three predict every row out of fold. The mean loss of these
predictions also chooses the epoch, so that no rows are held out. The network on all rows is the result.

In the first pass, all labels have the same weight. The out-of-fold residuals then give the probability that each label
is right (`deepgum.estimator.posterior`). If no label is flagged, the first pass is also the last one. Otherwise a
second pass starts from new weights, and the loss of each label is weighted by the probability that the label is right.
The second pass needs out-of-fold predictions for the choice of the epoch only, so it trains two networks: one without
one of the folds, and one on all rows.
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
from deepgum.estimator.posterior import LabelPosterior
from deepgum.estimator.stack import NetworkStack, train_stack
from deepgum.losses import Loss
from deepgum.mixture.partition import Groups, partition
from deepgum.models.regressor import Regressor
from deepgum.posteriors.densities import StudentT
from deepgum.training import EpochRecord, History, SGDOptions
from deepgum.training.weighting import mixture_record

__all__ = ["LEAST_ROWS", "CrossFit", "fit_cross_fit"]

FOLDS = 3
"""Number of folds. With more folds, the networks of the first pass take more time."""

JUDGED_AT = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
"""Shares of the epochs of the first pass after which labels are judged for the first time, and again."""

EARLY_DENSITY = StudentT(3.0)
"""Density of right labels within the first pass. The choice among several densities takes much more time."""

LEAST_ROWS = 60
"""Minimum number of rows for a training with folds."""


@dataclass(frozen=True, eq=False)
class CrossFit:
    """The result of a training with folds.

    Attributes
    ----------
    network : Regressor
        The network that was trained on all rows, in float32 and in evaluation mode.
    posterior : LabelPosterior
    responsibilities : array (n, g)
        Probability that each label of the training rows is right, from out-of-fold residuals. If there was a second
        pass, these probabilities were its weights.
    """

    network: Regressor
    posterior: LabelPosterior
    responsibilities: NDArray[np.float64]


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
        The loss of the first pass, and the loss of the second pass.
    groups : see `GaussianUniformMixture`
    sgd : SGDOptions
    seed : int
        Seed of the folds, the initial weights and the order of the rows.
    history : History
        It gets one record per epoch, and one record of the mixture per pass; the number of the pass is the round.

    Raises
    ------
    NonFiniteLossError
        As soon as a loss is not finite.
    """
    labels = train.targets.double().numpy()
    given = torch.ones(len(train), 1) if train.sample_weight is None else train.sample_weight[:, None].float()

    def weights(right: NDArray[np.float64]) -> Tensor:
        columns = torch.empty(train.targets.shape)
        for place, group in enumerate(partition(groups, train.targets.shape[1])):
            columns[:, list(group)] = torch.from_numpy(right[:, [place]]).float()
        return columns * given

    def judge(predictions: NDArray[np.float64]) -> Tensor | None:
        posterior = LabelPosterior.fit(labels, predictions, groups, EARLY_DENSITY)
        right = posterior.responsibilities(labels - predictions, predictions)
        return weights(right) if (right < 0.5).any() else None

    first = _Pass(network, train, validation, losses[0], given.expand(train.targets.shape), sgd, seed, 0, FOLDS)
    first.run(history, judge)
    begun = time.perf_counter()
    posterior = LabelPosterior.fit(labels, first.predictions, groups)
    right = posterior.responsibilities(labels - first.predictions, first.predictions)
    flags = torch.from_numpy(right < 0.5)
    history.add(mixture_record(posterior.mixture.mixture, flags.sum(dim=0), 0, first.score, begun))
    if not flags.any():
        return CrossFit(first.network, posterior, right)
    second = _Pass(network, train, validation, losses[1], weights(right), sgd, seed, 1, 1)
    second.run(history)
    return CrossFit(second.network, posterior, right)


class _Pass:
    """One training side by side of a network on all rows, and of networks without one of the first `held_out` folds.

    Attributes
    ----------
    network : Regressor
        The network on all rows after the best epoch.
    predictions : array (n, d)
        The out-of-fold predictions after the best epoch; NaN for rows outside the first `held_out` folds.
    score : float
        The score of the best epoch: the mean loss of out-of-fold predictions, or of the validation rows.
    """

    network: Regressor
    predictions: NDArray[np.float64]

    def __init__(
        self,
        network: nn.Module,
        train: RegressionData,
        validation: RegressionData | None,
        loss: Loss,
        weights: Tensor,
        sgd: SGDOptions,
        seed: int,
        number: int,
        held_out: int,
    ) -> None:
        self.score = math.inf
        self._loss, self._sgd, self._validation = loss, sgd, validation
        self._number = number
        device = torch.device(sgd.device)
        self._inputs, self._targets = (
            torch.as_tensor(each).float().to(device) for each in (train.inputs, train.targets)
        )
        self._weights = weights.to(device)
        n, generator = len(train), torch.Generator().manual_seed(2 * seed + number)
        folds = torch.randperm(n, generator=generator).tensor_split(FOLDS)
        # The rows of the networks for training, and the rows that these networks predict out of fold.
        self._held_out = folds[:held_out]
        self._rows = [torch.cat(folds[:place] + folds[place + 1 :]) for place in range(held_out)] + [torch.arange(n)]
        self._generator = generator
        self._stack = NetworkStack(network, len(self._rows), generator).to(device)

    def run(self, history: History, judge: Callable[[NDArray[np.float64]], Tensor | None] | None = None) -> None:
        begun = time.perf_counter()
        judged = [round(share * self._sgd.epochs_max) for share in JUDGED_AT]

        def loss(residuals: Tensor, batch: Tensor) -> Tensor:
            # The mean over all networks, times their number, so that the step of a network is as large as if alone.
            return len(residuals) * self._loss(residuals.flatten(0, 1), weights=self._weights[batch].flatten(0, 1))

        def record(epoch: int, training_loss: float, average: NetworkStack) -> None:
            nonlocal begun
            score, predictions = self._evaluate(average)
            if judge is not None and epoch in judged:
                found = judge(predictions.double().cpu().numpy())
                if found is not None:
                    self._weights = found.to(self._weights)
                    score, _ = self._evaluate(average)
                    self.score = math.inf
            better = score < self.score or epoch == 1
            if better:
                self.score, self.network = score, average.member(len(self._held_out))
                self.predictions = predictions.double().cpu().numpy()
            name = self._loss.name if self._number == 0 else f"weighted {self._loss.name}"
            seconds = time.perf_counter() - begun
            history.add(EpochRecord(name, self._number, epoch, training_loss, score, seconds, better))
            begun = time.perf_counter()

        train_stack(
            self._stack, self._inputs, self._targets, self._rows, loss, self._sgd, self._generator, on_epoch=record
        )

    @torch.no_grad()
    def _evaluate(self, average: NetworkStack) -> tuple[float, Tensor]:
        """Return the pair (score, out-of-fold predictions (n, d)) of the averaged networks."""
        predictions = torch.full_like(self._targets, torch.nan)
        for place, rows in enumerate(self._held_out):
            predictions[rows] = average.predict(place, self._inputs[rows])
        if self._validation is None:
            return self._loss(self._targets - predictions, weights=self._weights).item(), predictions
        inputs, targets = (
            torch.as_tensor(each).float().to(predictions.device)
            for each in (self._validation.inputs, self._validation.targets)
        )
        return self._loss(targets - average.predict(len(self._held_out), inputs)).item(), predictions
