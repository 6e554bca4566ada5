"""The validation scores for the early stop of SGD and for the end of Algorithm 1."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from deepgum.errors import IdentifiabilityWarning
from deepgum.losses import Loss
from deepgum.mixture import GaussianUniformMixture, Partition
from deepgum.processes import SOLO, Processes

__all__ = ["SCORE_TOL", "Criterion", "held_out_log_likelihood", "mean_loss", "median_absolute_error", "trimmed_loss"]

Criterion = Callable[[Tensor], float]
"""A function that maps the residuals (n, d) of the validation set to a score; lower is better."""

SCORE_TOL = 1e-3
"""Tolerance of EM for the held-out likelihood.

It is large to save time after every epoch, and is sufficient, because the likelihood is flat near its maximum.
"""


def mean_loss(loss: Loss, weights: Tensor | None = None) -> Criterion:
    """Return the score function that computes the mean of a loss, with the same weights (n, d) in every epoch."""
    return lambda residuals: loss(residuals, weights=weights).item()


def median_absolute_error(residuals: Tensor) -> float:
    """Return the median absolute residual over all observed coordinates.

    This is the score for a loss of scaled residuals. The value of such a loss cannot be the score, because the scale
    decreases during the training, and values in different epochs are not comparable.
    """
    return residuals.abs().nanmedian().item()


def trimmed_loss(loss: Loss, shares: Tensor, groups: Partition) -> Criterion:
    """Return the score function that computes the mean of a loss, without the largest residuals of each group.

    For each group of coordinates, the score omits the samples whose mean loss in this group is largest **among all
    samples**. The share of omitted samples is the same in every epoch; the samples can differ. (The authors' code sorts
    along the other axis, and so omits coordinates of each sample.)

    Parameters
    ----------
    loss : Loss
        A loss in fixed units.
    shares : Tensor (g,)
        Share of samples to omit in each group, in [0, 1], among the samples with a label in the group.
    groups : tuple of tuples of int
        The coordinates of each of the g groups.

    Examples
    --------
    >>> from deepgum.losses import L1
    >>> residuals = torch.tensor([[1.0, 9.0], [-2.0, 1.0], [50.0, 2.0], [3.0, float("nan")]])
    >>> without_50 = trimmed_loss(L1(), torch.tensor([0.25, 0.0]), ((0,), (1,)))
    >>> without_50(residuals)  # (1 + 2 + 3 + 9 + 1 + 2) / 6
    3.0
    """

    def score(residuals: Tensor) -> float:
        terms, observed = loss.rho(residuals), ~residuals.isnan()
        kept = observed.clone()
        for share, coordinates in zip(shares.tolist(), groups, strict=True):
            columns = list(coordinates)
            seen = observed[:, columns].sum(dim=1)
            # Use the mean over observed coordinates, so that missing labels do not make a sample's loss smaller.
            size = torch.where(seen > 0, terms[:, columns].sum(dim=1) / seen, -torch.inf)
            left_out = size.argsort(descending=True, stable=True)[: round(share * int((seen > 0).sum()))]
            kept[left_out[:, None], torch.tensor(columns)] = False
        return (torch.where(kept, terms, 0.0).sum() / kept.sum().clamp(min=1)).item()

    return score


def held_out_log_likelihood(mixture: GaussianUniformMixture, processes: Processes = SOLO) -> Criterion:
    """Return the score function that computes minus the mean log-likelihood (eq. 1) per sample, under the best mixture.

    The score fits the few parameters of the mixture to the validation residuals themselves; the network does not train
    on the validation set. The mixture of the training residuals cannot be used: a network fits its training labels more
    closely than validation labels, so in later rounds the Gaussian is too narrow for the validation set, and the score
    is too high.

    Parameters
    ----------
    mixture : GaussianUniformMixture
        The settings of the mixture, which is fitted for each score.
    processes : Processes, optional
        The processes that share the residuals; all processes get the same score.
    """

    def score(residuals: Tensor) -> float:
        with warnings.catch_warnings():
            # Without outliers, or with outliers only, the parameters are not identifiable, but the likelihood is.
            warnings.simplefilter("ignore", IdentifiabilityWarning)
            mixture.fit(residuals, processes=processes)
        own = mixture.log_likelihood(residuals).sum()
        total, n = processes.sum(torch.stack([own, own.new_tensor(len(residuals))])).tolist()
        return -float(total) / float(n)

    return score
