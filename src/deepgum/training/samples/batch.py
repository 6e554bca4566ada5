"""Checks of batches, labels and weights in a custom training loop, with the error messages."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from deepgum.errors import InvalidDataError, NonFiniteLossError, listing
from deepgum.outputs import described, tensors_in

__all__ = [
    "check_batch",
    "check_finite",
    "check_finite_residuals",
    "check_index",
    "check_targets",
    "check_weights",
    "check_width",
    "one_tensor",
]

WRAP = "Wrap the data set in `deepgum.IndexedDataset`, which adds the index to every item."
BROADCAST = (
    "Targets (b,) minus predictions (b, 1) have shape (b, b). Give targets and predictions the same shape, for example "
    "with `targets[:, None]`."
)


def check_batch(
    predictions: Any,
    targets: Any,
    index: Any,
    n_samples: int,
    name: str = "predictions",
    width: int | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return predictions and targets as (b, d), and indices as (b,) on the CPU.

    Points (b, l, 2) become (b, 2 l).

    Raises
    ------
    InvalidDataError
        If predictions or targets are not one tensor, there are no indices, an index is out of range, shapes differ, or
        the number of coordinates is not `width`.
    """
    known = check_index(index, n_samples)
    predictions, targets = (
        _as_rows(one_tensor(each, values)) for each, values in ((name, predictions), ("targets", targets))
    )
    expected = (len(known), width or (predictions.shape[1] if predictions.ndim == 2 else "d"))
    if tuple(predictions.shape) != expected:
        hint = f" {BROADCAST}" if name == "residuals" else ""
        raise InvalidDataError(
            f"`{name}` should have shape {expected}, one row per sample. Found {tuple(predictions.shape)}.{hint}"
        )
    if targets.shape != predictions.shape:
        raise InvalidDataError(
            f"`targets` should have shape {tuple(predictions.shape)}, the shape of the network's predictions. "
            f"Found {tuple(targets.shape)}. The network needs one output for every coordinate of the targets."
        )
    return predictions, targets.to(predictions.device, torch.float32), known


def one_tensor(name: str, values: Any) -> Tensor:
    """Return predictions, targets or residuals as a tensor, from a tensor, an array, a list, or a dict with one entry.

    Raises
    ------
    InvalidDataError
        If there is no tensor, or there are several. The message lists them.

    Examples
    --------
    >>> one_tensor("predictions", {"points": torch.zeros(2)})
    tensor([0., 0.])
    """
    found = tensors_in(values)
    if len(found) == 1:
        return next(iter(found.values()))
    if found and name == "residuals":
        raise InvalidDataError(f"`residuals` should be one tensor (m, d). Found {described(values)}.")
    if found or values is None:
        call = {"targets": 'loss(predictions, batch["points"], index)'}.get(
            name, 'loss(outputs["points"], targets, index)'
        )
        raise InvalidDataError(
            f"`{name}` should be one tensor (b, d). Found {described(values)}. Pass the one that is meant: "
            f"`tracker.{call}`, with its own name."
        )
    try:
        array = np.asarray(values)
        # A list may hold None for a missing label.
        array = array.astype(np.float64) if array.dtype == object and array.ndim else array
        tensor: Tensor = torch.as_tensor(array)
        return tensor
    except (TypeError, ValueError) as error:
        raise InvalidDataError(
            f"`{name}` should be one tensor (b, d) of numbers. Found {type(values).__name__}: {error}."
        ) from error


def _as_rows(values: Tensor) -> Tensor:
    if values.ndim == 1:
        return values[:, None]
    return values.flatten(1) if values.ndim > 2 else values


def check_width(residuals: Any, width: int | None) -> Tensor:
    """Return residuals as (m, d).

    Raises
    ------
    InvalidDataError
        If the number of coordinates is not `width`.
    """
    rows = _as_rows(one_tensor("residuals", residuals))
    if rows.ndim != 2 or rows.shape[1] != (width or rows.shape[1]):
        raise InvalidDataError(
            f"`residuals` should have shape (m, {width or 'd'}), one row per sample. Found {tuple(rows.shape)}. "
            f"{BROADCAST}"
        )
    return rows


def check_finite(value: Tensor, predictions: Tensor, targets: Tensor, index: Tensor, name: str, epoch: int) -> None:
    """Check that the loss and the predictions are finite, before a step of the optimiser.

    Raises
    ------
    NonFiniteLossError
        If the loss or a prediction is not finite. The message has the indices of the samples and the epoch.
    """
    # A prediction of NaN looks like a missing label and does not change the loss, so predictions are checked as well.
    if value.isfinite() and predictions.isfinite().all():
        return
    bad, infinite = (index[rows.any(dim=1).cpu()].tolist() for rows in (~predictions.isfinite(), targets.isinf()))
    if bad:
        problem, hint = "Predictions are not finite", "Try a smaller learning rate, and check these samples' inputs."
    elif infinite:
        problem, hint = "Labels are infinite", "Use NaN for missing labels."
    else:
        problem, hint = f"The {name} loss became {value.item()}", "Look for labels that are far out of range."
    rows = bad or infinite or index.tolist()
    raise NonFiniteLossError(
        f"{problem} in epoch {epoch}, for {len(rows)} of the {len(index)} samples of a batch "
        f"(indices {listing(rows)}). The network keeps the weights of the previous step. {hint}"
    )


def check_finite_residuals(residuals: Tensor, index: Tensor, known: Tensor, epoch: int) -> None:
    """Check that residuals are finite, or NaN for missing labels.

    A label is not missing if its last known residual is finite.

    Raises
    ------
    NonFiniteLossError
        If a residual is infinite, or is NaN although its label is not missing. The message has the indices of the
        samples and the epoch.
    """
    rows = index[(residuals.isinf() | (residuals.isnan() & ~known.isnan())).any(dim=1)].tolist()
    if rows:
        raise NonFiniteLossError(
            f"Residuals are not finite in epoch {epoch}, for {len(rows)} samples that have a label (indices "
            f"{listing(rows)}). Only missing labels can have the residual NaN. Check the predictions of these samples."
        )


def check_index(index: Any, n_samples: int) -> Tensor:
    """Return indices as int64 (b,) on the CPU.

    Raises
    ------
    InvalidDataError
        If there are no indices, or if they are not whole numbers from 0 to n - 1.
    """
    if index is None:
        raise InvalidDataError(f"`index` should have the indices of the samples of the batch. Found none. {WRAP}")
    numbers = _whole_numbers(index)
    if numbers.ndim != 1 or numbers.is_floating_point() or numbers.is_complex() or numbers.dtype == torch.bool:
        raise InvalidDataError(
            "`index` should be whole numbers (b,), one per sample. "
            f"Found {numbers.dtype} of shape {tuple(numbers.shape)}. {WRAP}"
        )
    numbers = numbers.detach().to("cpu", torch.int64)
    outside = numbers[(numbers < 0) | (numbers >= n_samples)]
    if len(outside):
        raise InvalidDataError(
            f"`index` should be from 0 to {n_samples - 1}, because the tracker has {n_samples} samples. "
            f"Found {listing(outside.tolist())}."
        )
    return numbers


def _whole_numbers(index: Any) -> Tensor:
    """Return indices as a tensor. Refuse names of files, and everything else that is no list of numbers."""
    if isinstance(index, str | bytes | dict):
        index = [index]
    names = [each for each in index if isinstance(each, str | bytes)] if isinstance(index, list | tuple) else []
    if isinstance(index, np.ndarray) and index.dtype.kind in "USO":
        names = index.ravel().tolist()
    if names:
        raise InvalidDataError(
            f"`index` should be whole numbers, the positions of the samples in the data set. Found texts: "
            f"{listing(names, most=3)}. {WRAP} Or give the tracker the names of all "
            "samples: `ResponsibilityTracker(len(names), ids=names)`."
        )
    try:
        numbers: Tensor = torch.as_tensor(index)
        return numbers
    except (TypeError, ValueError, RuntimeError) as error:
        raise InvalidDataError(
            f"`index` should be whole numbers (b,), one per sample. Found {type(index).__name__}: {error}. {WRAP}"
        ) from error


def check_targets(targets: Any, n_samples: int) -> Tensor:
    """Return all labels as (n, d).

    Raises
    ------
    InvalidDataError
        If the shape is wrong, or a label is infinite in float32, the type of the residuals.
    """
    labels = _as_rows(one_tensor("targets", targets))
    if labels.ndim != 2 or len(labels) != n_samples:
        raise InvalidDataError(
            f"`targets` should have shape ({n_samples}, d), one row per sample. Found {tuple(labels.shape)}."
        )
    infinite = labels.to(torch.float32).isinf().any(dim=1).nonzero().flatten().tolist()
    if infinite:
        raise InvalidDataError(
            f"`targets` should be finite in float32, or NaN if missing. Found {len(infinite)} samples with infinite "
            f"targets: {listing(infinite)}."
        )
    return labels


def check_weights(sample_weight: Tensor, n_samples: int) -> Tensor:
    """Return the sample weights on the CPU.

    Raises
    ------
    InvalidDataError
        If the shape is wrong, or a weight is negative, or not finite in float32, the type of the loss.
    """
    weights = torch.as_tensor(sample_weight).cpu()
    if weights.ndim != 1 or len(weights) != n_samples:
        raise InvalidDataError(
            f"`sample_weight` should have shape ({n_samples},), one per sample. Found {tuple(weights.shape)}."
        )
    wrong = (~weights.to(torch.float32).isfinite() | (weights < 0)).nonzero().flatten().tolist()
    if wrong:
        raise InvalidDataError(
            f"`sample_weight` should be finite in float32 and at least 0. Found {len(wrong)} samples with other "
            f"weights: {listing(wrong)}."
        )
    return weights
