"""The objectives of SGD: eq. 7 for any loss of residuals, and the cross-entropy of Dex."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

from deepgum.data.batches import Batch
from deepgum.errors import InvalidParameterError, NonFiniteLossError, listing
from deepgum.losses import L1, Loss
from deepgum.losses.cross_entropy import CROSS_ENTROPY, cross_entropy
from deepgum.models import DeepExpectation

__all__ = ["BatchLoss", "CrossEntropy", "Objective", "build_objective", "check_loss", "residual_loss"]


class BatchLoss(Protocol):
    """The objective of an epoch of SGD. It maps a batch, and the network's outputs for this batch, to a scalar."""

    @property
    def name(self) -> str:
        """Name of the objective in the history."""

    def __call__(self, batch: Batch, outputs: Tensor) -> Tensor:
        """Return the mean loss of the batch, with its gradient graph.

        Raises
        ------
        NonFiniteLossError
            If the loss or an output is not finite.
        """


@dataclass(frozen=True)
class Objective:
    """A loss of residuals with optional weights and scale. Weights are multiplied by sample weights of the data.

    Parameters
    ----------
    loss : Loss
        The loss of residuals, rho.
    weights : Tensor (n, d), optional
        Weight of each coordinate of each training sample, from the responsibility of the coordinate's group. A weight
        of 0 excludes a label.
    scale : Tensor (d,), optional
        Scale of each coordinate, for losses of scaled residuals.
    """

    loss: Loss
    weights: Tensor | None = None
    scale: Tensor | None = None

    @property
    def name(self) -> str:
        """Name of the objective in the history."""
        return _name(self.loss.name, self.weights)

    def __call__(self, batch: Batch, outputs: Tensor) -> Tensor:
        """Return the mean loss of predictions (b, d). For mirrored samples, the weights and the scale are mirrored."""
        scale = self.scale
        if scale is not None:
            scale = batch.per_coordinate(scale.to(outputs))
        weights = _weights_of(batch, self.weights, outputs)
        return _check_finite(
            self.loss(batch.targets - outputs, weights=weights, scale=scale), batch, outputs, self.name
        )


@dataclass(frozen=True)
class CrossEntropy:
    """The cross-entropy of a `DeepExpectation` (section 4.2): minus the log of the softmax at the rounded label.

    A label outside the range of the network's classes counts as the nearest class.

    Parameters
    ----------
    model : DeepExpectation
        The network, which maps labels to classes.
    weights : Tensor (n, 1), optional
        Weight of each training sample.

    Examples
    --------
    >>> import torch
    >>> from deepgum.data.batches import ordered_batches
    >>> from deepgum.data.regression import RegressionData
    >>> data = RegressionData.from_arrays(torch.zeros(3, 1), [[20.0], [float("nan")], [23.4]])
    >>> (batch,) = ordered_batches(data, 3)
    >>> CrossEntropy(DeepExpectation(nn.Identity(), 20, 23))(batch, torch.zeros(3, 4))  # log 4
    tensor(1.3863)
    """

    model: DeepExpectation
    weights: Tensor | None = None

    @property
    def name(self) -> str:
        """Name of the objective in the history."""
        return _name(CROSS_ENTROPY, self.weights)

    def __call__(self, batch: Batch, outputs: Tensor) -> Tensor:
        """Return the mean cross-entropy of logits (b, k)."""
        observed, weights = ~batch.targets[:, 0].isnan(), _weights_of(batch, self.weights, outputs)
        sample_weights = None if weights is None else weights[:, 0]
        value = cross_entropy(outputs, self.model.classes(batch.targets), observed, sample_weights)
        return _check_finite(value, batch, outputs, self.name)


def check_loss(model: nn.Module, loss: str | Loss) -> None:
    """Refuse a network whose outputs do not suit the loss.

    Raises
    ------
    InvalidParameterError
        If the loss is the cross-entropy and the network is not a `DeepExpectation`, or vice versa.
    """
    if (loss == CROSS_ENTROPY) != isinstance(model, DeepExpectation):
        expected = "a loss of residuals" if loss == CROSS_ENTROPY else f"{CROSS_ENTROPY!r}"
        name = loss if isinstance(loss, str) else loss.name
        hint = "The cross-entropy needs a `DeepExpectation`; every other loss needs another network."
        raise InvalidParameterError("loss", f"{expected} for a network of type {type(model).__name__}", name, hint)


def build_objective(loss: Loss | str, model: nn.Module, weights: Tensor | None = None) -> BatchLoss:
    """Return the objective for `loss`: a loss of residuals, or the string "cross-entropy".

    The errors are the same as in `check_loss`.
    """
    if isinstance(loss, Loss):
        return Objective(loss, weights)
    assert isinstance(model, DeepExpectation)
    return CrossEntropy(model, weights)


def residual_loss(loss: Loss | str) -> Loss:
    """Return the loss for validation residuals: L1 if `loss` is the cross-entropy, else `loss` itself.

    The cross-entropy is not a function of residuals, but every validation score is.
    """
    return loss if isinstance(loss, Loss) else L1()


def _name(loss: str, weights: Tensor | None) -> str:
    return loss if weights is None else f"weighted {loss}"


def _weights_of(batch: Batch, weights: Tensor | None, outputs: Tensor) -> Tensor | None:
    """Return the weights of a batch, (b, d) or (b, 1): `weights` times the sample weights of the data."""
    own = None if batch.sample_weight is None else batch.sample_weight[:, None].to(outputs)
    if weights is None:
        return own
    given = batch.per_coordinate(weights[batch.index].to(outputs))
    return given if own is None else given * own


def _check_finite(value: Tensor, batch: Batch, outputs: Tensor, name: str) -> Tensor:
    # An output of NaN looks like a missing label and does not change the loss, so the outputs are checked as well.
    if value.isfinite() and outputs.isfinite().all():
        return value
    spoiled = batch.index[(~outputs.isfinite()).any(dim=1).cpu()].tolist()
    raise NonFiniteLossError(
        f"The {name} loss became {value.item()} in a batch of {len(batch.index)}, with predictions that are not finite "
        f"for {len(spoiled)} samples (positions {listing(spoiled) or 'none'}). The network keeps the weights of the "
        "previous step. Try a smaller `learning_rate`, and check the inputs of these samples."
    )
