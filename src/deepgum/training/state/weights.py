"""What training changes of a network, kept and given back; and what it leaves alone."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

__all__ = ["Weights"]


class Weights:
    """A copy of all that training may change: the parameters that are trained, and every buffer.

    Frozen parameters stay where they are, so a copy of a large network of which the head is trained is small.

    Parameters
    ----------
    model : nn.Module
        Copied as it is now.

    Attributes
    ----------
    copies : dict of str to Tensor
        By the names that the model gives its parameters and buffers.

    Examples
    --------
    >>> model = nn.Linear(1, 1)
    >>> kept = Weights(model)
    >>> before = model.weight.item()
    >>> _ = nn.init.constant_(model.weight, 7.0)
    >>> kept.restore(model)
    >>> model.weight.item() == before
    True
    """

    def __init__(self, model: nn.Module) -> None:
        self.copies = {name: tensor.detach().clone() for name, tensor in _changing(model)}

    def take(self, model: nn.Module) -> None:
        """Copy the model as it is now, into the memory of the copy before."""
        for name, tensor in _changing(model):
            self.copies[name].copy_(tensor.detach())

    def restore(self, model: nn.Module) -> None:
        """Give the model back what was copied last."""
        with torch.no_grad():
            for name, tensor in _changing(model):
                tensor.copy_(self.copies[name])


def _changing(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from ((name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad)
    yield from model.named_buffers()
