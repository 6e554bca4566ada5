"""Whose error it is: the label's, or the prediction's.

Estimators of tempo, of pitch or of size make errors of a factor two themselves. If the label is half of the prediction,
then either the label was halved, or the prediction was doubled. The values of all labels tell which is more probable.
With the density q of right labels, the label y is wrong with the odds

    w q(T(y)) |T'(y)|  to  (1 - w) q(y)

T(y) is the right label if the label is wrong, and y is the right label if the prediction is wrong. EM estimates w, the
share of such differences in which the label is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["WhoseError"]

Values = NDArray[np.float64]

_ITERATIONS = 100
_BLOCK = 4096
MOST_LABELS = 2000
"""Maximum number of labels whose values estimate the density of right labels."""


@dataclass(frozen=True, eq=False)
class WhoseError:
    """The density of right labels of a target, and the share of differences in which the label is wrong.

    Attributes
    ----------
    values : array (m,)
        Right labels.
    bandwidth : float
        Standard deviation of the kernel of the density.
    share : float
        w.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> tempo = rng.normal(170, 5, size=500)
    >>> halved = np.full(20, 85.0)  # the prediction is near 170
    >>> whose = WhoseError.fit(tempo, np.ones(500), halved, 2 * halved, np.full(20, np.log(2)), np.ones(20))
    >>> bool(whose.label_is_wrong(np.array([85.0]), np.array([170.0]), np.log([2.0]))[0] > 0.99)
    True
    """

    values: Values
    bandwidth: float
    share: float

    @classmethod
    def fit(
        cls, labels: Values, right: Values, given: Values, undone: Values, log_change: Values, weight: Values
    ) -> WhoseError:
        """Estimate the density and the share.

        Parameters
        ----------
        labels, right : arrays (n,)
            Labels, and the probabilities that they are right.
        given, undone, log_change, weight : arrays (m,)
            Labels that may have the error, the labels after the error is undone, log |T'|, and the probability that the
            label or the prediction has the error.
        """
        kept = np.sort(labels[right > 0.5])
        if len(kept) > MOST_LABELS:
            kept = kept[np.linspace(0, len(kept) - 1, MOST_LABELS).round().astype(np.intp)]
        spread = float(np.std(kept)) if len(kept) > 1 else 1.0
        low, high = np.quantile(kept, (0.25, 0.75)) if len(kept) else (0.0, 1.0)
        narrow = min(spread, float(high - low) / 1.349) or spread or 1.0
        found = cls(kept, 0.9 * narrow * max(len(kept), 1) ** -0.2, 0.5)
        odds = found._log_odds(given, undone, log_change)
        share, total = 0.5, max(float(weight.sum()), 1e-12)
        for _ in range(_ITERATIONS):
            wrong = 1 / (1 + np.exp(-np.clip(odds + np.log(share / (1 - share)), -700, 700)))
            share = float(np.clip((weight @ wrong + 0.5) / (total + 1), 1e-3, 1 - 1e-3))
        return cls(found.values, found.bandwidth, share)

    def label_is_wrong(self, given: Values, undone: Values, log_change: Values) -> Values:
        """Return the probabilities (m,) that the label is wrong and not the prediction."""
        odds = self._log_odds(given, undone, log_change) + np.log(self.share / (1 - self.share))
        return np.asarray(1 / (1 + np.exp(-np.clip(odds, -700, 700))))

    def _log_odds(self, given: Values, undone: Values, log_change: Values) -> Values:
        return np.log(self._density(undone)) + log_change - np.log(self._density(given))

    def _density(self, points: Values) -> Values:
        """Return the density (m,) of right labels, at least that of one label over the whole range."""
        n = max(len(self.values), 1)
        width = float(np.ptp(self.values)) if len(self.values) > 1 else 1.0
        result = np.empty(len(points))
        for start in range(0, len(points), _BLOCK):
            scaled = (points[start : start + _BLOCK, None] - self.values) / self.bandwidth
            kernel = np.exp(-0.5 * np.square(scaled)).sum(axis=1) / (n * self.bandwidth * np.sqrt(2 * np.pi))
            result[start : start + _BLOCK] = kernel
        return np.asarray(result + 1 / n / (width + self.bandwidth))
