"""The share of wrong labels of each run, as a second level of the posterior.

The first level has one share p of wrong labels for all runs, and gives each label a probability w to be wrong. If the
share of the run is s instead, the density of the label changes by the factor

    c(s) = (1 - w) (1 - s) / (1 - p) + w s / p

and the odds of the label are multiplied by the odds of s divided by the odds of p. So the second level needs the
probabilities of the first level only, whatever mixture they come from.

A run is good with the probability 1 - b, and then has the share a. A bad run has any share between a and 1, all of them
equally probable. a and b are estimated by EM from the products of c over the labels of each run (empirical Bayes). The
second level is admitted if the log-likelihood exceeds that of one share for all runs by more than (log R) / 2 + 1, for
R runs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepgum.posteriors.runs.run_names import Runs

__all__ = ["NODES", "RunShares", "log_likelihood"]

Values = NDArray[np.float64]

NODES = (np.arange(50) + 0.5) / 50
"""Shares of bad runs over which the posterior is averaged."""

_ITERATIONS = 200
_TOLERANCE = 1e-6
_SMALLEST = 1e-300


@dataclass(frozen=True, eq=False)
class RunShares:
    """Shares of wrong labels by run.

    Attributes
    ----------
    overall : float
        p: the share of wrong labels of all runs.
    good : float
        a: the share of wrong labels in good runs.
    is_bad : array (R,)
        Probability that each run is bad.
    weights : array (R, 1 + K)
        Posterior of the share of each run: of the share of good runs, and of the K shares in `NODES`.
    gain : float
        The log-likelihood minus that of one share for all runs.

    Examples
    --------
    >>> runs = Runs.of([row // 20 for row in range(400)])
    >>> wrong = np.where(np.arange(400) % 20 == 0, 0.9, 0.01)
    >>> RunShares.fit(wrong, runs) is None  # one wrong label in each run
    True
    >>> wrong = np.where(np.arange(400) < 20, 0.6, 0.01)
    >>> shares = RunShares.fit(wrong, runs)
    >>> shares.is_bad.round(2)[:3], shares.wrong(wrong, runs)[[0, 20]].round(2)
    (array([1., 0., 0.]), array([1., 0.]))
    """

    overall: float
    good: float
    is_bad: Values
    weights: Values
    gain: float

    @classmethod
    def fit(cls, wrong: Values, runs: Runs) -> RunShares | None:
        """Estimate the shares of runs from the probabilities (n,) that labels are wrong; NaN where a label is missing.

        Returns None if the data do not prove that shares differ.
        """
        known = ~np.isnan(wrong)
        overall = float(wrong[known].mean()) if known.any() else 0.0
        if not 0 < overall < 1:
            return None
        n_labels = runs.sums(known.astype(np.float64))
        seen = n_labels > 0
        of_nodes = np.stack([log_likelihood(wrong, share, overall, runs) for share in NODES], axis=1)
        good, bad = overall / 2, 0.1
        for _ in range(_ITERATIONS):
            log_terms = _log_terms(wrong, runs, of_nodes, overall, good, bad)
            total = np.logaddexp.reduce(log_terms, axis=1)
            weights = np.exp(log_terms - total[:, None])
            is_good = weights[:, 0]
            posterior = _given_share(wrong, good, overall)
            errors = runs.sums(np.where(known, posterior, 0.0))
            before = good, bad
            bad = float(np.clip(1 - is_good[seen].mean(), 0.01 / seen.sum(), 0.99))
            good = float(
                np.clip((is_good @ errors) / max(float(is_good @ n_labels), _SMALLEST), 0.5 / n_labels.sum(), 0.9)
            )
            if max(abs(good - before[0]), abs(bad - before[1])) < _TOLERANCE:
                break
        gain = float(total[seen].sum())
        if gain <= math.log(max(int(seen.sum()), 2)) / 2 + 1:
            return None
        return cls(overall, good, 1 - is_good, weights, gain)

    def wrong(self, wrong: Values, runs: Runs) -> Values:
        """Return the probabilities (n,) that labels are wrong, given those of the first level."""
        result = np.zeros_like(wrong)
        for number, share in enumerate((self.good, *NODES.tolist())):
            result += self.weights[runs.numbers, number] * _given_share(wrong, share, self.overall)
        # The weights of a run sum to 1 up to rounding.
        return np.clip(result, 0.0, 1.0)


def _given_share(wrong: Values, share: float, overall: float) -> Values:
    """Return the probabilities (n,) that labels are wrong if the share of wrong labels is `share`, not `overall`."""
    one, other = wrong * (share / overall), (1 - wrong) * ((1 - share) / (1 - overall))
    return np.asarray(one / (one + other))


def log_likelihood(wrong: Values, share: float, overall: float, runs: Runs) -> Values:
    """Return the sums (R,) of log c(share) over the labels of each run; see the module docstring.

    `wrong` (n,) are the probabilities that labels are wrong if the share is `overall`; NaN where a label is missing.
    """
    factor = (1 - wrong) * ((1 - share) / (1 - overall)) + wrong * (share / overall)
    return runs.sums(np.log(np.where(np.isnan(factor), 1.0, np.maximum(factor, _SMALLEST))))


def _log_terms(wrong: Values, runs: Runs, of_nodes: Values, overall: float, good: float, bad: float) -> Values:
    """Return the logs (R, 1 + K) of prior times likelihood, for a good run and for bad runs of each share."""
    above = good < NODES
    of_bad = np.where(above, of_nodes + math.log(bad / above.sum()), -np.inf)
    of_good = log_likelihood(wrong, good, overall, runs) + math.log1p(-bad)
    return np.concatenate([of_good[:, None], of_bad], axis=1)
