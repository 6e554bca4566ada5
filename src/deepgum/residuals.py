"""Predictions and residuals of a whole data set, in index order, in evaluation mode."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from deepgum.data.batches import Batch, ordered_batches
from deepgum.data.regression import RegressionData
from deepgum.errors import InvalidDataError, NonFiniteLossError, listing

__all__ = ["compute_residuals", "evaluating", "predict", "unrolled", "wrapped"]


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model in evaluation mode without gradients, and back to the mode it had."""
    training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train(training)


def predict(
    model: nn.Module,
    data: RegressionData,
    *,
    batch_size: int = 256,
    device: torch.device | str | None = None,
    precision: str = "float32",
    index: Tensor | None = None,
) -> Tensor:
    """Return the predictions (n, d) of a model for a data set, on the CPU, row i for sample i.

    Parameters
    ----------
    model : nn.Module
        phi: maps a batch of inputs to (b, d).
    data : RegressionData
        Of n samples.
    batch_size : int
        Samples in one forward pass; without influence on the result beyond rounding.
    device : torch.device or str, optional
        Where the model is; by default where its first parameter is.
    precision : {"float32", "bf16"}
        Of the forward pass; the result is float32 in either.
    index : Tensor (m,) of int64, optional
        The samples to predict for, row j for sample index[j]; by default all.

    Raises
    ------
    InvalidDataError
        If the network does not give d values a sample.
    NonFiniteLossError
        If it gives values that are not finite. They would be taken for missing labels.
    """
    if device is None:
        device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    with evaluating(model), torch.autocast(torch.device(device).type, torch.bfloat16, enabled=precision == "bf16"):
        outputs = [_checked(model(batch.inputs), batch) for batch in ordered_batches(data, batch_size, device, index)]
    return torch.cat(outputs)


def _checked(outputs: Tensor, batch: Batch) -> Tensor:
    if outputs.shape != batch.targets.shape:
        expected, found = tuple(batch.targets.shape), tuple(outputs.shape)
        raise InvalidDataError(
            f"The network should give values of shape {expected}: a row a sample, a column a coordinate. Found {found}."
        )
    outputs = outputs.float().cpu()
    spoiled = batch.index[~outputs.isfinite().all(dim=1)].tolist()
    if spoiled:
        raise NonFiniteLossError(
            f"The network's predictions are not finite on {len(spoiled)} samples, at the positions {listing(spoiled)}. "
            "Try a smaller `learning_rate`, and look at these samples' inputs."
        )
    return outputs


def compute_residuals(
    model: nn.Module,
    data: RegressionData,
    *,
    batch_size: int = 256,
    device: torch.device | str | None = None,
    precision: str = "float32",
    index: Tensor | None = None,
) -> Tensor:
    """Return delta = y - phi(x; w), (n, d), in the targets' units; NaN where the label is missing.

    Parameters as of `predict`.
    """
    targets = data.targets if index is None else data.targets[index]
    return targets - predict(model, data, batch_size=batch_size, device=device, precision=precision, index=index)


def wrapped(residuals: NDArray[np.float64], periods: Sequence[float] | None) -> NDArray[np.float64]:
    """Return residuals (n, d) the short way round: from -P / 2 to P / 2 in the columns with a period P above 0.

    Examples
    --------
    >>> wrapped(np.array([[179.0 - -179.0, 7.0]]), (360.0, 0.0))
    array([[-2.,  7.]])
    """
    if periods is None:
        return residuals
    period = np.asarray(periods, dtype=np.float64)
    turns = np.where(period > 0, np.round(residuals / np.where(period > 0, period, 1.0)), 0.0)
    return np.where(period > 0, residuals - period * turns, residuals)


def unrolled(labels: NDArray[np.float64], periods: Sequence[float] | None) -> NDArray[np.float64]:
    """Return labels (n, d) with periods moved by whole turns to within half a turn of their mean direction.

    A network, or any other regressor, that learns angles about 180 degrees would otherwise be torn between the ends.

    Examples
    --------
    >>> unrolled(np.array([[170.0], [178.0], [-170.0]]), (360.0,)).ravel().round(6)
    array([170., 178., 190.])
    """
    moved = labels.copy()
    for column, period in enumerate(periods or ()):
        if period:
            turn = 2 * math.pi / period
            angles = turn * labels[:, column]
            centre = math.atan2(np.nanmean(np.sin(angles)), np.nanmean(np.cos(angles))) / turn
            moved[:, column] = centre + wrapped(labels[:, [column]] - centre, (period,))[:, 0]
    return moved
