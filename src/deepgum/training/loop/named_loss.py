"""The losses that options name, in the labels' own unit."""

from __future__ import annotations

from torch import Tensor

from deepgum.losses import Cauchy, Loss, get_loss
from deepgum.scale import mad_scale
from deepgum.training.options import DeepGUMOptions

__all__ = ["CAUCHY_SHARE", "label_spread", "named_loss"]

CAUCHY_SHARE = 0.25
"""Scale of the Cauchy loss as a share of the labels' spread: well inside it, and not so far in that nothing pulls."""


def label_spread(targets: Tensor) -> float | None:
    """Return how far labels (n, d) spread: the median of their MAD scales over the coordinates; None if there are none.

    Examples
    --------
    >>> import torch
    >>> label_spread(torch.tensor([[-1.0, float("nan")], [0.0, float("nan")], [1.0, float("nan")]]))
    1.4826
    """
    labelled = targets[:, ~targets.isnan().all(dim=0)]
    return mad_scale(labelled).median().item() if labelled.numel() else None


def named_loss(name: str, options: DeepGUMOptions, spread: float | None) -> Loss:
    """Return the loss of residuals of that name, for labels that spread so far."""
    if name != "cauchy":
        return get_loss(name)
    scale = options.cauchy_scale
    # Without any label there is nothing to scale.
    return Cauchy(CAUCHY_SHARE * (1.0 if spread is None else spread) if scale is None else scale)
