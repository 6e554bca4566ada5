"""What SGD minimises (eq. 7 and its relatives), and the validation scores that stop it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from deepgum.data.batches import Batch
from deepgum.errors import IdentifiabilityWarning, NonFiniteLossError, listing
from deepgum.losses import Loss
from deepgum.mixture import GaussianUniformMixture

__all__ = ["Criterion", "Objective", "held_out_log_likelihood", "mean_loss", "median_absolute_error"]

Criterion = Callable[[Tensor], float]
"""From the residuals (n, d) of the validation set to a score; lower is better."""


@dataclass(frozen=True)
class Objective:
    """A loss, with what it needs to know of each sample.

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
        return self.loss.name if self.weights is None else f"weighted {self.loss.name}"

    def __call__(self, batch: Batch, predictions: Tensor) -> Tensor:
        """Return the mean loss of a batch; weights and scale are mirrored where the sample is."""
        weights = self.weights
        if weights is not None:
            weights = batch.per_coordinate(weights[batch.index].to(predictions))
        scale = self.scale
        if scale is not None:
            scale = batch.per_coordinate(scale.to(predictions))
        value = self.loss(batch.targets - predictions, weights=weights, scale=scale)
        # A prediction of NaN would pass for a missing label, so the loss alone does not show it.
        if not (value.isfinite() and predictions.isfinite().all()):
            spoiled = batch.index[(~predictions.isfinite()).any(dim=1).cpu()].tolist()
            raise NonFiniteLossError(
                f"The {self.name} loss became {value.item()} in a batch of {len(batch.index)}, with predictions that "
                f"are not finite on {len(spoiled)} samples (positions {listing(spoiled) or 'none'}). The weights are "
                "those of the step before. Try a smaller `learning_rate`, and look at these samples' inputs."
            )
        return value


def mean_loss(loss: Loss, weights: Tensor | None = None) -> Criterion:
    """Score by a loss in fixed units with fixed weights (n, d) of the validation samples."""
    return lambda residuals: loss(residuals, weights=weights).item()


def median_absolute_error(residuals: Tensor) -> float:
    """Score by the median |delta| over all observed coordinates.

    For losses of scaled residuals, whose own value is in units that shrink while training goes on.
    """
    return residuals.abs().nanmedian().item()


def held_out_log_likelihood(mixture: GaussianUniformMixture) -> Criterion:
    """Score by minus the mean log-likelihood a sample (eq. 1), under the mixture that fits the residuals best.

    The mixture's few parameters are fitted to the very residuals that are scored: what is held out is the network. A
    mixture of the training residuals would not do. A network fits its training labels more closely than others, so the
    Gaussian of a later round is too narrow for the validation set, and the round would be punished for it.

    Parameters
    ----------
    mixture : GaussianUniformMixture
        The kind of mixture; fitted anew for each score.
    """

    def score(residuals: Tensor) -> float:
        with warnings.catch_warnings():
            # A validation set without outliers, or with nothing else, still has a likelihood.
            warnings.simplefilter("ignore", IdentifiabilityWarning)
            mixture.fit(residuals)
        return -mixture.log_likelihood(residuals).sum(dim=1).mean().item()

    return score
