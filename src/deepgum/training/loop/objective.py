"""What SGD minimises: eq. 7 and its relatives, and the cross-entropy of Dex."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from deepgum.data.batches import Batch
from deepgum.errors import InvalidParameterError, NonFiniteLossError, listing
from deepgum.losses import L1, Loss
from deepgum.losses.kinds import CROSS_ENTROPY
from deepgum.models import DeepExpectation

__all__ = ["CrossEntropy", "Minimised", "Objective", "check_loss", "minimised", "residual_loss"]


class Minimised(Protocol):
    """What an epoch of SGD minimises: from a batch and the network's outputs in training mode to a scalar."""

    @property
    def name(self) -> str:
        """What is minimised, in words."""

    def __call__(self, batch: Batch, outputs: Tensor) -> Tensor:
        """Return the mean loss of the batch, finite and in the graph.

        Raises
        ------
        NonFiniteLossError
            If the loss or an output is not finite.
        """


@dataclass(frozen=True)
class Objective:
    """A loss of residuals, with what it needs to know of each sample; a batch's own sample weights multiply its terms.

    Parameters
    ----------
    loss : Loss
        rho of the residuals.
    weights : Tensor (n, d), optional
        Weight of each coordinate of each training sample, by sample index: responsibilities, expanded from groups to
        coordinates; 0 leaves a label out.
    scale : Tensor (d,), optional
        For losses that work on scaled residuals.
    """

    loss: Loss
    weights: Tensor | None = None
    scale: Tensor | None = None

    @property
    def name(self) -> str:
        """What is minimised, in words."""
        return _name(self.loss.name, self.weights)

    def __call__(self, batch: Batch, outputs: Tensor) -> Tensor:
        """Return the mean loss of predictions (b, d); weights and scale are mirrored where the sample is."""
        scale = self.scale
        if scale is not None:
            scale = batch.per_coordinate(scale.to(outputs))
        weights = _weights_of(batch, self.weights, outputs)
        return _finite(self.loss(batch.targets - outputs, weights=weights, scale=scale), batch, outputs, self.name)


@dataclass(frozen=True)
class CrossEntropy:
    """Minus the log of the softmax at the rounded label: what `DeepExpectation` is trained by (section 4.2).

    It is normalised as the losses of residuals are: the weighted sum over the samples that have a label, divided by
    their number. A label beyond the whole numbers that the network knows counts as the nearest of them.

    Parameters
    ----------
    model : DeepExpectation
        Knows which class a label is.
    weights : Tensor (n, 1), optional
        Weight of each training sample, by sample index.

    Examples
    --------
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
        """What is minimised, in words."""
        return _name(CROSS_ENTROPY, self.weights)

    def __call__(self, batch: Batch, outputs: Tensor) -> Tensor:
        """Return the mean cross-entropy of logits (b, k)."""
        observed = ~batch.targets[:, 0].isnan()
        terms = nn.functional.cross_entropy(outputs, self.model.classes(batch.targets), reduction="none")
        terms = torch.where(observed, terms, 0.0)
        weights = _weights_of(batch, self.weights, outputs)
        if weights is not None:
            terms = terms * weights[:, 0]
        return _finite(terms.sum() / observed.sum().clamp(min=1), batch, outputs, self.name)


def check_loss(model: nn.Module, loss: str | Loss) -> None:
    """Refuse a network whose outputs are not what the loss is of.

    Raises
    ------
    InvalidParameterError
        If the loss is the cross-entropy and the network no `DeepExpectation`, or the other way round.
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
    """Return the loss by which validation residuals are judged: for the cross-entropy the absolute error.

    Residuals are what every score is taken of, and the cross-entropy is none of them; the error in years is what it is
    trained for.
    """
    return loss if isinstance(loss, Loss) else L1()


def _name(loss: str, weights: Tensor | None) -> str:
    return loss if weights is None else f"weighted {loss}"


def _weights_of(batch: Batch, weights: Tensor | None, outputs: Tensor) -> Tensor | None:
    """Return what weights the terms of a batch, (b, d) or (b, 1): the given weights times the samples' own."""
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
        f"on {len(spoiled)} samples (positions {listing(spoiled) or 'none'}). The weights are those of the step "
        "before. Try a smaller `learning_rate`, and look at these samples' inputs."
    )
