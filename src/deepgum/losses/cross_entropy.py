"""The cross-entropy of a softmax over whole numbers, the only loss here that is not a loss of residuals."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

__all__ = ["CROSS_ENTROPY", "cross_entropy"]

CROSS_ENTROPY: Final = "cross-entropy"
"""Name of the cross-entropy, which is not in the registry: its inputs are the logits of a `DeepExpectation`."""


def cross_entropy(logits: Tensor, classes: Tensor, observed: Tensor, weights: Tensor | None = None) -> Tensor:
    """Return the weighted mean cross-entropy, normalised like the losses of residuals.

    Parameters
    ----------
    logits : Tensor of shape (n, k)
    classes : Tensor of int64 of shape (n,)
    observed : Tensor of bool of shape (n,)
        True for samples with a label.
    weights : Tensor of shape (n,), optional

    Returns
    -------
    Tensor of shape ()
        The weighted sum over the observed samples, divided by the number of observed samples.

    Examples
    --------
    >>> known = torch.tensor([True, False])
    >>> cross_entropy(torch.zeros(2, 4), torch.tensor([0, 3]), known)  # log 4
    tensor(1.3863)
    """
    terms = nn.functional.cross_entropy(logits, classes, reduction="none")
    terms = torch.where(observed, terms, 0.0)
    if weights is not None:
        terms = terms * weights
    return terms.sum() / observed.sum().clamp(min=1)
