"""The validation scores that stop SGD and the alternation."""

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
"""Maps the residuals (n, d) of the validation set to a score; lower is better."""

SCORE_TOL = 1e-3
"""Tolerance of EM for a held-out likelihood: it is flat at its maximum, and is computed after every epoch."""


def mean_loss(loss: Loss, weights: Tensor | None = None) -> Criterion:
    """Score by a loss in fixed units with fixed weights (n, d) of the validation samples."""
    return lambda residuals: loss(residuals, weights=weights).item()


def median_absolute_error(residuals: Tensor) -> float:
    """Score by the median |delta| over all observed coordinates.

    It is for losses of scaled residuals, whose own value is in a unit that shrinks during the training.
    """
    return residuals.abs().nanmedian().item()


def trimmed_loss(loss: Loss, shares: Tensor, groups: Partition) -> Criterion:
    """Score by the mean loss without each group's largest residuals.

    A group of coordinates is left out in the samples where its mean loss is largest **among all samples**: the same
    share of samples in every epoch, not the same samples. (The authors' code sorts along the other axis, and so leaves
    out coordinates of each sample.)

    Parameters
    ----------
    loss : Loss
        In fixed units.
    shares : Tensor (g,)
        Share of each group's observed samples to leave out, in [0, 1].
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
            # The mean over the observed coordinates: a group that is observed in part is not smaller for that.
            size = torch.where(seen > 0, terms[:, columns].sum(dim=1) / seen, -torch.inf)
            left_out = size.argsort(descending=True, stable=True)[: round(share * int((seen > 0).sum()))]
            kept[left_out[:, None], torch.tensor(columns)] = False
        return (torch.where(kept, terms, 0.0).sum() / kept.sum().clamp(min=1)).item()

    return score


def held_out_log_likelihood(mixture: GaussianUniformMixture, processes: Processes = SOLO) -> Criterion:
    """Score by minus the mean log-likelihood per sample (eq. 1), under the mixture that fits the residuals best.

    The mixture's few parameters are fitted to the same residuals that are scored; only the network is held out. The
    mixture of the training residuals is not usable here: a network fits its training labels more closely than others,
    so the Gaussian of a later round is too narrow for the validation set, and the round would get a worse score for it.

    Parameters
    ----------
    mixture : GaussianUniformMixture
        The kind of mixture; fitted anew for each score.
    processes : Processes, optional
        The processes that share the residuals; all get the same score.
    """

    def score(residuals: Tensor) -> float:
        with warnings.catch_warnings():
            # A validation set without outliers, or with outliers only, still has a likelihood.
            warnings.simplefilter("ignore", IdentifiabilityWarning)
            mixture.fit(residuals, processes=processes)
        own = mixture.log_likelihood(residuals).sum()
        total, n = processes.sum(torch.stack([own, own.new_tensor(len(residuals))])).tolist()
        return -float(total) / float(n)

    return score
