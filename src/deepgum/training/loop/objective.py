"""What SGD minimises: eq. 7 for any loss of residuals, and the cross-entropy of Dex."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor, nn

from deepgum.data.batches import Batch
from deepgum.errors import InvalidParameterError, NonFiniteLossError, listing
from deepgum.losses import L1, Loss
from deepgum.losses.cross_entropy import CROSS_ENTROPY, cross_entropy
from deepgum.models import DeepExpectation

__all__ = ["CrossEntropy", "Minimised", "Objective", "check_loss", "minimised", "residual_loss"]


class Minimised(Protocol):
    """The objective of an epoch of SGD: maps a batch and the network's outputs in training mode to a scalar."""

    @property
    def name(self) -> str:
        """Name of the objective in the history."""

    def __call__(self, batch: Batch, outputs: Tensor) -> Tensor:
        """Return the mean loss of the batch, finite and part of the graph.

        Raises
        ------
        NonFiniteLossError
            If the loss or an output is not finite.
        """


@dataclass(frozen=True)
class Objective:
    """A loss of residuals, with weights and scale; a batch's own sample weights multiply its terms.

    Parameters
    ----------
    loss : Loss
        rho of the residuals.
    weights : Tensor (n, d), optional
        Weight of each coordinate of each training sample, by sample index: responsibilities, expanded from groups to
        coordinates; 0 leaves a label out.
    scale : Tensor (d,), optional
        For losses of scaled residuals.
    """

    loss: Loss
    weights: Tensor | None = None
    scale: Tensor | None = None

    @property
    def name(self) -> str:
        """Name of the objective in the history."""
        return _name(self.loss.name, self.weights)

    def __call__(self, batch: Batch, outputs: Tensor) -> Tensor:
        """Return the mean loss of predictions (b, d); weights and scale are mirrored for mirrored samples."""
        scale = self.scale
        if scale is not None:
            scale = batch.per_coordinate(scale.to(outputs))
        weights = _weights_of(batch, self.weights, outputs)
        return _finite(self.loss(batch.targets - outputs, weights=weights, scale=scale), batch, outputs, self.name)


@dataclass(frozen=True)
class CrossEntropy:
    """Minus the log of the softmax at the rounded label: the objective of a `DeepExpectation` (section 4.2).

    A label beyond the whole numbers that the network has outputs for counts as the nearest of them.

    Parameters
    ----------
    model : DeepExpectation
        Maps labels to classes.
    weights : Tensor (n, 1), optional
        Weight of each training sample, by sample index.

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
        of_samples = None if weights is None else weights[:, 0]
        value = cross_entropy(outputs, self.model.classes(batch.targets), observed, of_samples)
        return _finite(value, batch, outputs, self.name)


def check_loss(model: nn.Module, loss: str | Loss) -> None:
    """Refuse a network whose outputs do not suit the loss.

    Raises
    ------
    InvalidParameterError
        If the loss is the cross-entropy and the network is no `DeepExpectation`, or the other way round.
    """
    if (loss == CROSS_ENTROPY) != isinstance(model, DeepExpectation):
        expected = "a loss of residuals" if loss == CROSS_ENTROPY else f"{CROSS_ENTROPY!r}"
        name = loss if isinstance(loss, str) else loss.name
        hint = "The cross-entropy goes with a `DeepExpectation`, every other loss with another network."
        raise InvalidParameterError("loss", f"{expected} for a network of type {type(model).__name__}", name, hint)


def minimised(loss: Loss | str, model: nn.Module, weights: Tensor | None = None) -> Minimised:
    """Return the objective of a loss of residuals, or of the cross-entropy by its name, for a checked network."""
    if isinstance(loss, Loss):
        return Objective(loss, weights)
    assert isinstance(model, DeepExpectation)
    return CrossEntropy(model, weights)


def residual_loss(loss: Loss | str) -> Loss:
    """Return the loss that validation residuals are scored by: for the cross-entropy it is the absolute error.

    Every score is a function of residuals, and the cross-entropy is not; the error in years is what the network is
    trained for.
    """
    return loss if isinstance(loss, Loss) else L1()


def _name(loss: str, weights: Tensor | None) -> str:
    return loss if weights is None else f"weighted {loss}"


def _weights_of(batch: Batch, weights: Tensor | None, outputs: Tensor) -> Tensor | None:
    """Return the weights of the terms of a batch, (b, d) or (b, 1): the given weights times the samples' own."""
    own = None if batch.sample_weight is None else batch.sample_weight[:, None].to(outputs)
    if weights is None:
        return own
    given = batch.per_coordinate(weights[batch.index].to(outputs))
    return given if own is None else given * own


def _finite(value: Tensor, batch: Batch, outputs: Tensor, name: str) -> Tensor:
    # An output of NaN would pass for a missing label, so the loss alone does not show it.
    if value.isfinite() and outputs.isfinite().all():
        return value
    spoiled = batch.index[(~outputs.isfinite()).any(dim=1).cpu()].tolist()
    raise NonFiniteLossError(
        f"The {name} loss became {value.item()} in a batch of {len(batch.index)}, with predictions that are not finite "
        f"for {len(spoiled)} samples (positions {listing(spoiled) or 'none'}). The weights are those of the step "
        "before. Try a smaller `learning_rate`, and look at these samples' inputs."
    )
