"""What a batch of a loop must be, what all labels and weights must be, and what is said when they are not."""

from __future__ import annotations

import torch
from torch import Tensor

from deepgum.errors import InvalidDataError, NonFiniteLossError, listing

__all__ = [
    "check_batch",
    "check_finite",
    "check_finite_residuals",
    "check_index",
    "check_width",
    "checked_targets",
    "checked_weights",
]

WRAP = "Wrap the data set in `deepgum.IndexedDataset`: its items end with their index."
BROADCAST = "Targets (b,) less predictions (b, 1) are (b, b): give both the same shape, for example `targets[:, None]`."


def check_batch(
    predictions: Tensor,
    targets: Tensor,
    index: Tensor | None,
    n_samples: int,
    name: str = "predictions",
    width: int | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return predictions and targets as (b, d) and indices as (b,) on the CPU, or say what is wrong with them.

    Raises
    ------
    InvalidDataError
        Without indices, with indices out of range, if shapes differ, or if there are other than `width` coordinates.
    """
    known = check_index(index, n_samples)
    predictions, targets = (each[:, None] if each.ndim == 1 else each for each in (predictions, targets))
    expected = (len(known), width or (predictions.shape[1] if predictions.ndim == 2 else "d"))
    if tuple(predictions.shape) != expected:
        hint = f" {BROADCAST}" if name == "residuals" else ""
        raise InvalidDataError(
            f"`{name}` should have shape {expected}, a row a sample. Found {tuple(predictions.shape)}.{hint}"
        )
    if targets.shape != predictions.shape:
        raise InvalidDataError(
            f"`targets` should have shape {tuple(predictions.shape)}, as the network's predictions have. "
            f"Found {tuple(targets.shape)}. A network needs an output for every coordinate of the targets."
        )
    return predictions, targets.to(predictions.device, torch.float32), known


def check_width(residuals: Tensor, width: int | None) -> Tensor:
    """Return residuals as (m, d), or say that they are of another number of coordinates than the labels.

    Raises
    ------
    InvalidDataError
    """
    residuals = residuals[:, None] if residuals.ndim == 1 else residuals
    if residuals.ndim != 2 or residuals.shape[1] != (width or residuals.shape[1]):
        raise InvalidDataError(
            f"`residuals` should have shape (m, {width or 'd'}), a row a sample. Found {tuple(residuals.shape)}. "
            f"{BROADCAST}"
        )
    return residuals


def check_finite(value: Tensor, predictions: Tensor, targets: Tensor, index: Tensor, name: str, epoch: int) -> None:
    """Refuse a loss or predictions that are not finite, before a step spoils the weights.

    Raises
    ------
    NonFiniteLossError
        With the samples' indices, and the epoch.
    """
    # A prediction of NaN would pass for a missing label, so the loss alone does not show it.
    if value.isfinite() and predictions.isfinite().all():
        return
    bad, infinite = (index[rows.any(dim=1).cpu()].tolist() for rows in (~predictions.isfinite(), targets.isinf()))
    if bad:
        what, remedy = "Predictions are not finite", "Try a smaller learning rate, and look at these samples' inputs."
    elif infinite:
        what, remedy = "Labels are infinite", "Mark what is not known by NaN."
    else:
        what, remedy = f"The {name} loss became {value.item()}", "Look for labels that are far out of range."
    rows = bad or infinite or index.tolist()
    raise NonFiniteLossError(
        f"{what} in epoch {epoch}, for {len(rows)} of the {len(index)} samples of a batch (indices {listing(rows)}). "
        f"The weights are those of the step before. {remedy}"
    )


def check_finite_residuals(residuals: Tensor, index: Tensor, known: Tensor, epoch: int) -> None:
    """Refuse residuals that are infinite, or NaN where there was one, since the label is there.

    Raises
    ------
    NonFiniteLossError
        With the samples' indices, and the epoch.
    """
    rows = index[(residuals.isinf() | (residuals.isnan() & ~known.isnan())).any(dim=1)].tolist()
    if rows:
        raise NonFiniteLossError(
            f"Residuals are not finite in epoch {epoch}, for {len(rows)} samples that have a label (indices "
            f"{listing(rows)}). NaN is for labels that are missing; look at these samples' predictions."
        )


def check_index(index: Tensor | None, n_samples: int) -> Tensor:
    """Return indices as int64 (b,) on the CPU.

    Raises
    ------
    InvalidDataError
        If there are none, or if they are no whole numbers from 0 to n - 1.
    """
    if index is None:
        raise InvalidDataError(f"`index` should say which samples these are. Found none. {WRAP}")
    index = torch.as_tensor(index)
    if index.ndim != 1 or index.is_floating_point() or index.is_complex() or index.dtype == torch.bool:
        raise InvalidDataError(
            "`index` should be whole numbers (b,), one a sample. "
            f"Found {index.dtype} of shape {tuple(index.shape)}. {WRAP}"
        )
    index = index.detach().to("cpu", torch.int64)
    outside = index[(index < 0) | (index >= n_samples)]
    if len(outside):
        raise InvalidDataError(
            f"`index` should be from 0 to {n_samples - 1}: the tracker was made for {n_samples} samples. "
            f"Found {listing(outside.tolist())}."
        )
    return index


def checked_targets(targets: Tensor, n_samples: int) -> Tensor:
    """Return all labels as (n, d), or say what is wrong with them.

    Raises
    ------
    InvalidDataError
    """
    targets = torch.as_tensor(targets)
    targets = targets[:, None] if targets.ndim == 1 else targets
    if targets.ndim != 2 or len(targets) != n_samples:
        raise InvalidDataError(
            f"`targets` should have shape ({n_samples}, d): those of all samples. Found {tuple(targets.shape)}."
        )
    infinite = targets.isinf().any(dim=1).nonzero().flatten().tolist()
    if infinite:
        raise InvalidDataError(
            f"`targets` should be finite, or NaN where missing. Found {len(infinite)} samples with infinite ones: "
            f"{listing(infinite)}."
        )
    return targets


def checked_weights(sample_weight: Tensor, n_samples: int) -> Tensor:
    """Return the samples' weights on the CPU, or say what is wrong with them.

    Raises
    ------
    InvalidDataError
    """
    weights = torch.as_tensor(sample_weight).cpu()
    if weights.ndim != 1 or len(weights) != n_samples:
        raise InvalidDataError(
            f"`sample_weight` should have shape ({n_samples},), one a sample. Found {tuple(weights.shape)}."
        )
    wrong = (~weights.isfinite() | (weights < 0)).nonzero().flatten().tolist()
    if wrong:
        raise InvalidDataError(
            f"`sample_weight` should be finite and at least 0. Found {len(wrong)} samples where it is not: "
            f"{listing(wrong)}."
        )
    return weights
