"""Regression by classification: a softmax over whole numbers, whose expected value is the prediction (Dex)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from deepgum.checks import check_count
from deepgum.errors import InvalidDataError
from deepgum.outputs import as_predictions

__all__ = ["MOST_CLASSES", "DeepExpectation"]

MOST_CLASSES = 1000
"""Maximum number of whole numbers that the labels may span. With more classes, most would have hardly any sample."""


class DeepExpectation(nn.Module):
    """Deep expectation (Dex) of Rothe et al., section 4.2 of the paper: one output for each whole number of years.

    The output depends on the mode, as in torch's detection models. In training mode the output is the logits (b, k),
    for the cross-entropy. In evaluation mode the output is the expected value sum_j p_j a_j of the softmax, (b, 1), in
    the targets' unit. The code for residuals, the mixture, scores and predictions uses evaluation mode, and so needs no
    special case.

    Parameters
    ----------
    backbone : nn.Module
        Network that maps inputs to logits (b, k).
    first, last : int
        The smallest and the largest whole number; k = last - first + 1, at least 2.

    Raises
    ------
    InvalidParameterError
        If `last` is not above `first`.

    Examples
    --------
    >>> model = DeepExpectation(nn.Linear(3, 4), first=20, last=23)
    >>> model(torch.zeros(2, 3)).shape, model.eval()(torch.zeros(2, 3)).shape
    (torch.Size([2, 4]), torch.Size([2, 1]))
    """

    values: Tensor

    def __init__(self, backbone: nn.Module, first: int, last: int) -> None:
        super().__init__()
        check_count("last", last, least=first + 1)
        self.backbone = backbone
        self.register_buffer("values", torch.arange(first, last + 1, dtype=torch.float32))

    @classmethod
    def for_targets(cls, backbone: nn.Module, targets: Tensor) -> DeepExpectation:
        """Return a network with the range of the training targets (n, 1); NaN marks a missing target.

        Raises
        ------
        InvalidDataError
            See `span`.
        """
        return cls(backbone, *cls.span(targets))

    @staticmethod
    def span(targets: Tensor) -> tuple[int, int]:
        """Return the smallest and the largest rounded label of training targets (n, 1).

        Raises
        ------
        InvalidDataError
            If the targets have more than one coordinate or no label, or if the labels span only one whole number or
            more than `MOST_CLASSES` whole numbers.

        Examples
        --------
        >>> DeepExpectation.span(torch.tensor([[19.8], [float("nan")], [61.0]]))
        (20, 61)
        """
        if targets.ndim != 2 or targets.shape[1] != 1:
            raise InvalidDataError(
                f"Deep expectation should have targets of one coordinate, (n, 1). Found {tuple(targets.shape)}."
            )
        labels = targets[targets.isfinite()]
        if not len(labels):
            raise InvalidDataError("Deep expectation should have at least one label. Found none.")
        first, last = (int(limit.round().item()) for limit in labels.aminmax())
        if not 2 <= last - first + 1 <= MOST_CLASSES:
            raise InvalidDataError(
                f"Deep expectation should have labels that span 2 to {MOST_CLASSES} whole numbers, one class each. "
                f"Found labels from {labels.min().item():g} to {labels.max().item():g}. Use another unit of the labels."
            )
        return first, last

    @classmethod
    def n_outputs(cls, targets: Tensor) -> int:
        """Return k, the number of outputs of a backbone for these targets."""
        first, last = cls.span(targets)
        return last - first + 1

    def classes(self, targets: Tensor) -> Tensor:
        """Return the class (b,) of each target (b, 1): its rounded value, clipped to the range.

        The class of NaN is arbitrary.
        """
        return (targets[:, 0].nan_to_num().round() - self.values[0]).clamp(0, len(self.values) - 1).long()

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs (b, ...) to logits (b, k) in training mode, and to expected values (b, 1) in evaluation mode.

        The outputs are float32.

        Raises
        ------
        InvalidDataError
            If the backbone does not give k outputs.
        """
        expected = (inputs.shape[0], len(self.values))
        logits: Tensor = as_predictions(self.backbone(inputs), expected).float()
        if tuple(logits.shape) != expected:
            raise InvalidDataError(f"The backbone should give logits {expected}. Found {tuple(logits.shape)}.")
        if self.training:
            return logits
        # A product and a sum: mixed precision would round a matrix product to bfloat16.
        return (logits.softmax(dim=1) * self.values).sum(dim=1, keepdim=True)
