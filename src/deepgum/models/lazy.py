"""Lazy layers of torch: their weights are made by the first batch, which shows the number of inputs."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import UninitializedBuffer, is_lazy

from deepgum.data.batches import ordered_batches
from deepgum.data.regression import RegressionData
from deepgum.errors import InvalidDataError

__all__ = ["copy_of", "initialise"]


def copy_of(network: nn.Module) -> nn.Module:
    """Return a deep copy of a network that may have lazy layers. Torch itself cannot copy their buffers.

    Examples
    --------
    >>> is_lazy(copy_of(nn.LazyBatchNorm1d()).running_mean)
    True
    """
    make: Any = UninitializedBuffer  # torch's type hints lack two arguments
    made = {id(each): make(device=each.device, dtype=each.dtype) for each in network.buffers() if is_lazy(each)}
    copied: nn.Module = copy.deepcopy(network, made)
    return copied


def initialise(network: nn.Module, data: RegressionData, seed: int, device: torch.device | str = "cpu") -> None:
    """Make the weights of lazy layers in place, from the first sample of the data. Other networks do not change.

    The seed determines the weights; the state of the global generator is restored. This must happen outside of
    inference mode: weights that are made in that mode cannot be trained.

    Raises
    ------
    InvalidDataError
        If the network cannot take the inputs.

    Examples
    --------
    >>> data = RegressionData.from_arrays(torch.zeros(4, 3), torch.zeros(4, 1))
    >>> network = nn.LazyLinear(2)
    >>> initialise(network, data, seed=0)
    >>> network.weight.shape
    torch.Size([2, 3])
    """
    if not any(map(is_lazy, [*network.parameters(), *network.buffers()])):
        return
    (batch,) = ordered_batches(data.subset([0]), 1, device)
    training = network.training
    network.eval()
    try:
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(seed)
            network(batch.inputs.clone())
    except Exception as error:  # a network of the user may raise anything
        shape = tuple(batch.inputs.shape)
        raise InvalidDataError(f"The network cannot take inputs of shape {shape}: {error}") from error
    finally:
        network.train(training)
