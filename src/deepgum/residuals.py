"""Predictions and residuals of a whole data set, in the order of the samples and in evaluation mode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from deepgum.data.batches import Batch, ordered_batches
from deepgum.data.regression import RegressionData
from deepgum.errors import InvalidDataError, NonFiniteLossError, listing
from deepgum.outputs import as_predictions

__all__ = ["compute_residuals", "evaluating", "predict"]


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a model in evaluation mode, without gradients, in a `with` block; restore its mode at the end."""
    training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train(training)


def predict(
    model: nn.Module,
    data: RegressionData,
    *,
    batch_size: int = 256,
    device: torch.device | str | None = None,
    precision: str = "float32",
    index: Tensor | None = None,
) -> Tensor:
    """Return a model's predictions (n, d) for a data set, on the CPU; row i belongs to sample i.

    Parameters
    ----------
    model : nn.Module
        The network phi, which maps a batch of inputs to (b, d), or to a tuple, dict or object with one such tensor.
    data : RegressionData
        The n samples.
    batch_size : int
        Number of samples per forward pass. This number changes the result only by rounding.
    device : torch.device or str, optional
        Device of the model. The default is the device of the model's first parameter.
    precision : {"float32", "bf16"}
        Precision of the forward pass; the result is always float32.
    index : Tensor (m,) of int64, optional
        The samples to predict; row j of the result belongs to sample index[j]. By default all samples.

    Raises
    ------
    InvalidDataError
        If the network does not return d values per sample, or returns several tensors of which none or several have d
        values per sample; see `deepgum.models.OutputOf`.
    NonFiniteLossError
        If the network returns values that are not finite, because NaN would be treated as a missing label.
    """
    if device is None:
        device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    with evaluating(model), torch.autocast(torch.device(device).type, torch.bfloat16, enabled=precision == "bf16"):
        outputs = [
            _check_outputs(_predictions(model, batch), batch)
            for batch in ordered_batches(data, batch_size, device, index)
        ]
    return torch.cat(outputs)


def _predictions(model: nn.Module, batch: Batch) -> Tensor:
    predictions: Tensor = as_predictions(model(batch.inputs), (len(batch.targets), batch.targets.shape[1]))
    return predictions


def _check_outputs(outputs: Tensor, batch: Batch) -> Tensor:
    if outputs.shape != batch.targets.shape:
        expected, found = tuple(batch.targets.shape), tuple(outputs.shape)
        raise InvalidDataError(
            f"The network should return values of shape {expected}, one row per sample and one column per target. "
            f"Found {found}."
        )
    if not outputs.is_floating_point():
        raise InvalidDataError(f"The network should return floating-point numbers. Found {outputs.dtype}.")
    outputs = outputs.float().cpu()
    spoiled = batch.index[~outputs.isfinite().all(dim=1)].tolist()
    if spoiled:
        raise NonFiniteLossError(
            f"The network's predictions are not finite on {len(spoiled)} samples, at the positions {listing(spoiled)}. "
            "Try a smaller `learning_rate`, and check the inputs of these samples."
        )
    return outputs


def compute_residuals(
    model: nn.Module,
    data: RegressionData,
    *,
    batch_size: int = 256,
    device: torch.device | str | None = None,
    precision: str = "float32",
    index: Tensor | None = None,
) -> Tensor:
    """Return delta = y - phi(x; w), (n, d), in the targets' units; NaN where the label is missing.

    Parameters are the same as in `predict`.
    """
    targets = data.targets if index is None else data.targets[index]
    return targets - predict(model, data, batch_size=batch_size, device=device, precision=precision, index=index)
