"""The part of the labels' variance that predictions do not explain."""

from __future__ import annotations

from torch import Tensor

from deepgum.scale import MAD_TO_STD, mad_scale

__all__ = ["unexplained_share"]


def unexplained_share(labels: Tensor, predictions: Tensor) -> float:
    """Return the squared ratio of the scale of residuals to the scale of labels, at most 1: the mean over the columns.

    The scales are medians, so that wrong labels hardly change them.

    Parameters
    ----------
    labels, predictions : Tensors (n, d)
        NaN marks a missing label.

    Examples
    --------
    >>> import torch
    >>> labels = torch.tensor([[1.0], [2.0], [3.0], [4.0], [500.0]])
    >>> round(unexplained_share(labels, labels + 0.5), 2), unexplained_share(labels, 0 * labels)
    (0.25, 1.0)
    """
    residuals = MAD_TO_STD * (labels - predictions).abs().nanmedian(dim=0).values
    return float((residuals / mad_scale(labels)).clamp(max=1.0).square().mean())
