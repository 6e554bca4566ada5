"""Copies of the weights that training changes."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

__all__ = ["Weights"]


class Weights:
    """A copy of the trained parameters and all buffers of a model.

    Frozen parameters are not copied, so the copy is small if only the head of a large network is trained.

    Parameters
    ----------
    model : nn.Module
        The model whose weights are copied.

    Attributes
    ----------
    copies : dict of str to Tensor
        The copies. The keys are the names of the parameters and buffers.

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
        self.copies = {name: tensor.detach().clone() for name, tensor in _trained_tensors(model)}

    def update(self, model: nn.Module) -> None:
        """Overwrite the copies with the present weights of the model."""
        for name, tensor in _trained_tensors(model):
            self.copies[name].copy_(tensor.detach())

    def restore(self, model: nn.Module) -> None:
        """Set the weights of the model to the copies."""
        with torch.no_grad():
            for name, tensor in _trained_tensors(model):
                tensor.copy_(self.copies[name])


def _trained_tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from ((name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad)
    yield from model.named_buffers()
