"""The evidence for kinds of wrong labels: how much more probable a kind makes each label than no kind.

Let B(y) be the density of label y in the mixture of right labels and labels that are wrong anyhow. A label that is
wrong in the way k has the density

    K_k(y) = f(T_k(y)) |T_k'(y)| 1[harm_k(y)] / m_k

Here f is the density of right labels, and T_k undoes the error. An error does harm if it changes the residual by at
least one scale of right labels; otherwise the label counts as right. m_k is the share of labels to which the error
would do harm. The shares p_k of all labels that are wrong in the way k are estimated by EM in

    p(y) = (1 - sum_k p_k) B(y) + sum_k p_k K_k(y)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from deepgum.posteriors.group_mixtures import GroupMixtures
from deepgum.posteriors.kinds.base import Kind
from deepgum.posteriors.kinds.comparison import Comparison

__all__ = ["Shares", "fit_shares", "log_ratio"]

Values = NDArray[np.float64]
Mask = NDArray[np.bool_]

HARM = 1.0
"""Least change of a residual, in Mahalanobis distances of right labels, that makes a label wrong."""

_LEAST_HARMED = 0.01
_LEAST_LOG_RATIO = -12.0
"""Smaller ratios do not change any probability, and are set to 0."""

_ITERATIONS = 200
_TOLERANCE = 1e-7


def log_ratio(kind: Kind, comparison: Comparison, mixtures: GroupMixtures, log_base: Values | None = None) -> Values:
    """Return log K_k(y) - log B(y) for each label (n, g); see the module docstring.

    `log_base` (n, g) is log B(y), if it is known.

    Examples
    --------
    >>> from deepgum.posteriors.densities import Gaussian
    >>> from deepgum.posteriors.group_mixtures import GroupMixture
    >>> from deepgum.posteriors.kinds.conversions import Factor
    >>> from deepgum.posteriors.power_law import PowerLaw
    >>> right = GroupMixture(0.9, torch.eye(1, dtype=torch.float64), Gaussian(), PowerLaw(1.0, 100.0))
    >>> comparison = Comparison.of(np.array([[9.0], [90.0]]), np.array([[90.0], [90.0]]), ((0,),))
    >>> log_ratio(Factor(10.0), comparison, GroupMixtures.of([right], [(0,)])).ravel().round(1)
    array([ 9., -inf])
    """
    own, changed = comparison.residuals, kind.undo(comparison.given, comparison)
    slope = comparison.log_slope_of
    with np.errstate(all="ignore"):
        after = comparison.residuals_of(changed)
        jacobian = slope(changed) - slope(comparison.given) + kind.log_change(comparison.given, comparison)
        jacobian = comparison.by_group(jacobian)
        error = comparison.residuals_of(kind.inverse.undo(comparison.predicted, comparison))
        truth = comparison.residuals_of(comparison.predicted)
    # The kind explains a group only if each coordinate with a label also has a label after the error is undone.
    missing = np.isnan(own)
    possible = missing | np.isfinite(after)
    after = np.where(missing, np.nan, np.where(possible, after, 0.0))
    possible_groups = np.stack([possible[:, list(c)].all(axis=1) for c in comparison.partition], axis=1)
    harmed = _distance(error, truth, mixtures) >= HARM
    share = np.maximum(harmed.sum(axis=0) / np.maximum(comparison.labelled.sum(axis=0), 1), _LEAST_HARMED)
    does_harm = _distance(after, own, mixtures) >= HARM
    right = mixtures.log_right(torch.from_numpy(after)).numpy()
    if log_base is None:
        log_base = mixtures.log_density(torch.from_numpy(own)).numpy()
    ratio = right + jacobian - log_base - np.log(share)
    is_used = comparison.labelled & possible_groups & does_harm & np.isfinite(ratio)
    return np.where(is_used & (ratio > _LEAST_LOG_RATIO), ratio, -np.inf)


def _distance(first: Values, second: Values, mixtures: GroupMixtures) -> Values:
    """Return the Mahalanobis distances (n, g) between residuals (n, d); 0 where a residual is unknown."""
    known = np.isfinite(first) & np.isfinite(second)
    pair = (torch.from_numpy(np.where(known, each, np.nan)) for each in (first, second))
    return np.asarray(np.nan_to_num(mixtures.distance_between(*pair).numpy()))


@dataclass(frozen=True, eq=False)
class Shares:
    """Shares of labels that are wrong in some ways, and the gain of the log-likelihood over no such label.

    Attributes
    ----------
    shares : array (K,)
        p_k for each kind.
    log_likelihood : float
        The log-likelihood with these kinds, minus the log-likelihood without kinds.
    """

    shares: Values
    log_likelihood: float


def fit_shares(ratios: Values, n: float, weight: Values | None = None) -> Shares:
    """Estimate the shares of K kinds among n labels by EM.

    Parameters
    ----------
    ratios : array (K, m)
        K_k(y) / B(y) of the m labels for which at least one ratio is above 0.
    n : float
        Number of all labels, at least m. For the other labels, all ratios are 0.
    weight : array (m,), optional
        Weights of the labels in the fit, by default 1. `n` is then the sum of all weights.

    Examples
    --------
    >>> fit_shares(np.full((1, 10), 1e6), 100).shares.round(3)
    array([0.1])
    """
    count, m = ratios.shape
    if not count or not m:
        return Shares(np.zeros(count), 0.0)
    each = np.ones(m) if weight is None else weight
    rest = n - each.sum()
    shares = np.full(count, min(0.05, m / n) / count)
    for _ in range(_ITERATIONS):
        total = 1 - shares.sum() + shares @ ratios
        before, shares = shares, np.maximum(shares * ((ratios / total) @ each) / n, 0.1 / n / count)
        shares = shares * min(1.0, (1 - 1 / n) / shares.sum())
        if np.abs(shares - before).max() < _TOLERANCE:
            break
    none = 1 - shares.sum()
    gain = each @ np.log(none + shares @ ratios) + rest * np.log(none)
    return Shares(shares, float(gain))
