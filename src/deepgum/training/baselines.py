"""The baselines of DeepGUM: training with one loss in one run of SGD, and the training data of the oracle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from deepgum.data.regression import RegressionData
from deepgum.errors import InvalidDataError
from deepgum.losses import L2, Loss, get_loss
from deepgum.losses.cross_entropy import CROSS_ENTROPY
from deepgum.mixture import partition
from deepgum.models import OutputOf
from deepgum.residuals import compute_residuals
from deepgum.scale import mad_scale
from deepgum.training.history import Event, History
from deepgum.training.job import Training
from deepgum.training.loop.criterion import Criterion, mean_loss, median_absolute_error
from deepgum.training.loop.objective import BatchLoss, Objective, build_objective, check_loss, residual_loss
from deepgum.training.loop.sgd import run_sgd
from deepgum.training.options import Groups
from deepgum.training.result import TrainingResult, check_network, check_training_data
from deepgum.training.sgd_options import SGDOptions
from deepgum.training.state.journal import Journal, lock_checkpoint

__all__ = ["WARMUP_EPOCHS", "fit_loss", "without_labels"]

WARMUP_EPOCHS = 3
"""Number of epochs with L2 before the first epoch with a loss of scaled residuals (section 4 of the paper)."""


def fit_loss(
    model: nn.Module,
    train: RegressionData,
    validation: RegressionData,
    *,
    loss: str | Loss | type[Loss],
    groups: Groups = "sample",
    sgd: SGDOptions | None = None,
    seed: int = 0,
    output: str | int | Callable[[Any], Tensor] | None = None,
    on_event: Callable[[Event], None] | None = None,
    checkpoint: Path | None = None,
) -> TrainingResult:
    """Train a network with one loss, in one run of SGD.

    With a loss of scaled residuals (Huber, Biweight), the training begins with 3 epochs of L2. The scale of each
    coordinate is the MAD of the training residuals, computed again after each epoch. The validation score for early
    stopping is

    - for a loss of scaled residuals, the median absolute error, because the scale decreases during the training, and
      values of the loss in different epochs are not comparable;
    - for the cross-entropy (Dex), the mean absolute error of the expected value; the paper does not define this score;
    - for every other loss, the loss itself.

    Parameters
    ----------
    model : nn.Module
        phi(x; w); trained in place. The cross-entropy needs a `DeepExpectation`.
    train, validation : RegressionData
        The training set and the validation set. In each set, labels may be wrong or missing (NaN).
    loss : str, Loss or class
        A name in `deepgum.losses.LOSSES`, "cross-entropy", the path "package.module:name" of a custom loss, or a loss
        object, for example `Cauchy(scale=2.0)` for labels in years. The name "cauchy" stands for the Cauchy loss with a
        scale for landmarks.
    groups : {"sample", "landmark", "coordinate"} or list of lists of int
        Coordinates that the outlier rule of the loss flags together.
    sgd, seed, output, on_event, checkpoint
        The same as in `fit_deepgum`.

    Returns
    -------
    TrainingResult
        A result without a mixture. The flags come from the outlier rule of the loss. L2, L1 and the cross-entropy have
        no outlier rule, so their flags are None.

    Raises
    ------
    InvalidParameterError
        Before any training, if the loss lacks a required attribute or method, or the network's outputs do not suit the
        loss.
    InvalidDataError
        Before any training, if the data cannot be used.
    NonFiniteLossError
        As soon as a loss is not finite.
    CheckpointError, DiskFullError
        The same as in `fit_deepgum`.
    """
    sgd = sgd or SGDOptions()
    model = model if output is None else OutputOf(model, output)
    chosen = CROSS_ENTROPY if loss == CROSS_ENTROPY else get_loss(loss)
    scaled = chosen if isinstance(chosen, Loss) and chosen.needs_scale else None
    check_training_data(train, validation)
    check_loss(model, chosen)
    check_network(model, train, sgd, seed)
    groups_of_coordinates = partition(groups, train.targets.shape[1])
    training, history = Training(model, train, validation, chosen, sgd, seed), History(listener=on_event)

    def training_residuals() -> Tensor:
        return compute_residuals(model, train, device=sgd.device, precision=sgd.precision)

    def objective(epoch: int) -> BatchLoss:
        if scaled is None:
            return build_objective(chosen, model)
        if epoch <= WARMUP_EPOCHS:
            return Objective(L2())
        return Objective(scaled, scale=mad_scale(training_residuals()))

    criterion: Criterion = mean_loss(residual_loss(chosen)) if scaled is None else median_absolute_error
    with lock_checkpoint(checkpoint):
        journal = Journal.of(training, history, checkpoint)
        run_sgd(
            training,
            objective,
            criterion,
            torch.Generator().manual_seed(seed),
            journal,
            epochs_min=0 if scaled is None else WARMUP_EPOCHS,
        )
    residuals = training_residuals()
    scale = None if scaled is None else mad_scale(residuals)
    flags = None
    if isinstance(chosen, Loss):
        flags = chosen.outliers(residuals, scale=scale, partition=groups_of_coordinates)
    return TrainingResult(
        model=model.eval(),
        residuals=residuals,
        responsibilities=None,
        flags=flags,
        mixture=None,
        history=history,
        seconds=journal.seconds,
    )


def without_labels(data: RegressionData, wrong: Tensor) -> RegressionData:
    """Return the training data of the oracle: a copy in which wrong labels are missing.

    Parameters
    ----------
    data : RegressionData
        Data with d coordinates.
    wrong : Tensor (n, u) of bool
        True for wrong labels. Each column stands for d / u adjacent coordinates: a landmark, a coordinate or a sample.

    Raises
    ------
    InvalidDataError
        If `wrong` does not have n rows, or u does not divide d.
    """
    n, d = data.targets.shape
    if wrong.ndim != 2 or len(wrong) != n or wrong.shape[1] == 0 or d % wrong.shape[1]:
        raise InvalidDataError(
            f"`wrong` should have shape ({n}, u), where u divides {d}. Found shape {tuple(wrong.shape)}."
        )
    mask = wrong.repeat_interleave(d // wrong.shape[1], dim=1)
    return data.with_targets(data.targets.masked_fill(mask, float("nan")))
