"""Losses with a scale that is computed from the labels."""

from __future__ import annotations

from torch import Tensor

from deepgum.losses import Cauchy, Loss, get_loss
from deepgum.scale import mad_scale
from deepgum.training.options import DeepGUMOptions

__all__ = ["label_loss", "label_spread"]


def label_spread(targets: Tensor) -> float | None:
    """Return the spread of labels (n, d): the median of the coordinates' MAD scales. None if there are no labels.

    Examples
    --------
    >>> import torch
    >>> label_spread(torch.tensor([[-1.0, float("nan")], [0.0, float("nan")], [1.0, float("nan")]]))
    1.4826
    """
    labelled = targets[:, ~targets.isnan().all(dim=0)]
    return mad_scale(labelled).median().item() if labelled.numel() else None


def label_loss(loss: str | Loss, options: DeepGUMOptions, spread: float | None) -> Loss:
    """Return `loss` itself if it is a `Loss`, else the loss of this name.

    Only the name "cauchy" uses `spread`, the spread of the labels.
    """
    if isinstance(loss, Loss):
        return loss
    if loss != Cauchy.name:
        return get_loss(loss)
    return Cauchy.for_spread(spread) if options.cauchy_scale is None else Cauchy(options.cauchy_scale)
