"""Skewed residuals of right labels: the mode of the residuals, and a scale for each of its two sides.

The residuals of right labels are skewed if labels have a limit on one side only: prices, incomes, counts. A learner
predicts the mean, so the most frequent residual is not 0. Let m be the mode, and g the slant, between -1 and 1:

    u = (r - m) / (1 + g)  if r > m,        u = (r - m) / (1 - g)  if r < m

If u has a symmetric density p, then r has the density p(u), because the two factors have the mean 1 (the two-piece
density of Fechner). So a residual is made symmetric first, and all that follows needs no other formula.

Wrong labels that are all too small look like skew, but only far from the mode. Two rules keep them apart. First, the
density of wrong labels in this module has a height for each side, so that wrong labels of one side need no skew of
right labels. Second, the skew must be visible among the labels near the mode. For these labels, the likelihood is the
conditional one, given that a label is near.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepgum.posteriors.densities import Density
from deepgum.scale import MAD_TO_STD

__all__ = ["Skew", "find_skews", "symmetric"]

Values = NDArray[np.float64]

MOST_SLANT = 0.6
"""Maximum of |g|: one side is then four times as wide as the other."""

NEAR = 2.0
"""A label is near the mode if it is at most this number of scales away."""

EVIDENCE = 2.0
"""Both likelihoods must gain (log n) / 2 plus this number."""

MOST_STEP = 0.5
"""Maximum step of rounded residuals, in standard deviations. Coarser residuals do not show whether they are skewed."""

LEAST_ROWS = 100
"""Minimum number of labels of a target whose skew is estimated."""

MOST_ROWS = 4000
"""Maximum number of residuals in the estimate. They are evenly spread from the lowest to the highest."""

MOST_GROUPS = 20
"""With more groups, no skew is estimated, because it would take too long."""

_ITERATIONS = 60
_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Skew:
    """The mode of the residuals of right labels, and how much wider the upper side is.

    Attributes
    ----------
    mode : float
        m, in the unit of the residuals.
    slant : float
        g, between -`MOST_SLANT` and `MOST_SLANT`. If it is above 0, the upper side is wider.

    Examples
    --------
    >>> skew = Skew(mode=-1.0, slant=0.5)
    >>> skew.symmetric(torch.tensor([-2.0, -1.0, 2.0])), skew.words
    (tensor([-2.,  0.,  2.]), 'skewed: the upper side 3 times as wide')
    """

    mode: float
    slant: float

    def symmetric(self, residuals: Tensor) -> Tensor:
        """Return u for each residual, in the shape of the residuals; see the module docstring."""
        away = residuals - self.mode
        return away / torch.where(away > 0, 1 + self.slant, 1 - self.slant)

    @property
    def words(self) -> str:
        """The skew in words, for summaries."""
        wider = (1 + abs(self.slant)) / (1 - abs(self.slant))
        return f"skewed: the {'upper' if self.slant > 0 else 'lower'} side {wider:.2g} times as wide"


def symmetric(residuals: Tensor, skews: Mapping[int, Skew]) -> Tensor:
    """Return residuals (n, d) with the columns of `skews` made symmetric; the same tensor if there is no skew."""
    if not skews:
        return residuals
    result = residuals.clone()
    for column, skew in skews.items():
        result[:, column] = skew.symmetric(residuals[:, column])
    return result


def find_skews(
    residuals: Tensor,
    partition: Sequence[Sequence[int]],
    densities: Sequence[Density],
    resolution: Tensor | None = None,
) -> dict[int, Skew]:
    """Return the skew of each column (n,) of residuals (n, d) that is clearly skewed.

    Only groups of one coordinate can be skewed. `densities` are the candidates for right labels, and `resolution` (d,)
    is the variance of rounding errors; see `deepgum.posteriors.rounding`.

    Examples
    --------
    >>> from deepgum.posteriors.densities import Gaussian
    >>> rng = np.random.default_rng(0)
    >>> right, wrong = np.exp(0.5 * rng.normal(size=(2, 1000, 1))), rng.uniform(-9, 9, size=(2, 200, 1))
    >>> found = find_skews(torch.from_numpy(np.concatenate([right[0], wrong[0]])), [(0,)], [Gaussian()])
    >>> found[0].slant > 0.4
    True
    >>> normal = torch.from_numpy(np.concatenate([rng.normal(size=(1000, 1)), -np.abs(wrong[1])]))
    >>> find_skews(normal, [(0,)], [Gaussian()])
    {}
    """
    if len(partition) > MOST_GROUPS:
        return {}
    found = {}
    for columns in partition:
        if len(columns) == 1:
            rounding = 0.0 if resolution is None else float(resolution[columns[0]])
            skew = _find_skew(residuals[:, columns[0]].numpy(), densities, math.sqrt(12 * rounding))
            if skew is not None:
                found[columns[0]] = skew
    return found


def _find_skew(residuals: Values, densities: Sequence[Density], step: float) -> Skew | None:
    values = np.sort(residuals[~np.isnan(residuals)])
    if len(values) > MOST_ROWS:
        values = values[np.linspace(0, len(values) - 1, MOST_ROWS).round().astype(np.intp)]
    deviation = MAD_TO_STD * float(np.median(np.abs(values))) if len(values) >= LEAST_ROWS else 0.0
    if deviation <= 0 or step > MOST_STEP * deviation:
        return None
    plain, skewed = (
        max((_fit(values, _TwoPiece.start(values, deviation, density), slants) for density in densities), key=_score)
        for slants in (False, True)
    )
    near = np.abs(values - plain.mode) <= NEAR * plain.scale
    needed = [0.5 * math.log(max(count, 2)) + EVIDENCE for count in (len(values), int(near.sum()))]
    gains = [
        skewed.log_likelihood - plain.log_likelihood,
        skewed.log_likelihood_near(values[near], plain) - plain.log_likelihood_near(values[near], plain),
    ]
    if any(gain <= least for gain, least in zip(gains, needed, strict=True)):
        return None
    return Skew(skewed.mode, skewed.slant)


@dataclass(frozen=True)
class _TwoPiece:
    """A mixture of a two-piece density of right labels, and a uniform density of wrong labels for each side of 0.

    Attributes
    ----------
    density : Density
    mode, slant, scale : float
        Parameters of right labels.
    prior : float
        Share of right labels.
    upper : float
        Share of the wrong labels that are above 0.
    low, high : float
        Range of wrong labels.
    log_likelihood : float
    """

    density: Density
    mode: float
    slant: float
    scale: float
    prior: float
    upper: float
    low: float
    high: float
    log_likelihood: float = -math.inf

    @classmethod
    def start(cls, values: Values, deviation: float, density: Density) -> _TwoPiece:
        low, high = min(float(values[0]), -deviation), max(float(values[-1]), deviation)
        return cls(density, 0.0, 0.0, deviation, 0.95, 0.5, low, high)

    def log_terms(self, values: Values) -> tuple[Values, Values, Values]:
        """Return the logs (n,) of the densities of right and wrong labels, and the squared distances (n,)."""
        squared = np.square(Skew(self.mode, self.slant).symmetric(torch.from_numpy(values)).numpy() / self.scale)
        density = self.density.log_density(torch.from_numpy(squared), 1).numpy()
        right = math.log(self.prior / self.scale) + density
        above, below = math.log(self.upper / self.high), math.log((1 - self.upper) / -self.low)
        return right, math.log1p(-self.prior) + np.where(values > 0, above, below), squared

    def log_likelihood_near(self, values: Values, near: _TwoPiece) -> float:
        """Return the log-likelihood of values, given that they are near the mode of `near`."""
        right, wrong, _ = self.log_terms(values)
        edges = np.array([near.mode - NEAR * near.scale, near.mode + NEAR * near.scale])
        low, high = self._cdf(edges)
        return float(np.logaddexp(right, wrong).sum() - len(values) * math.log(high - low))

    def _cdf(self, values: Values) -> Values:
        """Return the distribution function of the mixture."""
        skew = Skew(self.mode, self.slant)
        squared = np.square(skew.symmetric(torch.from_numpy(values)).numpy() / self.scale)
        half = 0.5 * self.density.cdf(squared, 1)
        right = np.where(
            values > self.mode,
            0.5 * (1 - self.slant) + (1 + self.slant) * half,
            (1 - self.slant) * (0.5 - half),
        )
        below = (1 - self.upper) * (1 - np.clip(values / self.low, 0, 1))
        return np.asarray(
            self.prior * right + (1 - self.prior) * (below + self.upper * np.clip(values / self.high, 0, 1))
        )


def _score(fitted: _TwoPiece) -> float:
    return fitted.log_likelihood


def _fit(values: Values, start: _TwoPiece, slants: bool) -> _TwoPiece:
    """Fit the mixture by EM; without `slants`, right labels are symmetric around their mode.

    Given the weights w of EM, the best slant has a closed form: ((1 + g) / (1 - g))^3 is the sum of w (r - m)^2 above
    the mode divided by the sum below.
    """
    now, n = start, len(values)
    for _ in range(_ITERATIONS):
        right, wrong, squared = now.log_terms(values)
        total = np.logaddexp(right, wrong)
        before, now = now.log_likelihood, replace(now, log_likelihood=float(total.sum()))
        if now.log_likelihood - before < _TOLERANCE:
            break
        posterior = np.exp(right - total)
        weight = posterior * now.density.em_weight(torch.from_numpy(squared), 1).numpy()
        side = np.where(values > now.mode, 1 + now.slant, 1 - now.slant)
        share = weight / side**2
        mode = float(share @ values / share.sum())
        squares = weight * (values - mode) ** 2
        above, below = (max(float(squares[part].sum()), 1e-300) for part in (values > mode, values <= mode))
        ratio = (above / below) ** (1 / 3)
        slant = min(max((ratio - 1) / (ratio + 1), -MOST_SLANT), MOST_SLANT) if slants else 0.0
        mass = (weight if now.density.has_mean_weight_1 else posterior).sum()
        variance = (above / (1 + slant) ** 2 + below / (1 - slant) ** 2) / mass
        doubt = 1 - posterior
        now = replace(
            now,
            mode=mode,
            slant=slant,
            scale=max(math.sqrt(variance), 1e-6 * start.scale),
            prior=min(max(float(posterior.mean()), 0.5 / n), 1 - 0.5 / n),
            # Half a label on each side, so that no side is impossible.
            upper=float((doubt[values > 0].sum() + 0.5) / (doubt.sum() + 1)),
        )
    return now
