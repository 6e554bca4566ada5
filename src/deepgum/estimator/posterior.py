"""The probability that a label is right, from its out-of-fold residual and its prediction."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray

from deepgum.estimator.prediction_scale import PredictionScale
from deepgum.estimator.unexplained import unexplained_share
from deepgum.mixture.fitting import responsibilities_without_verdict
from deepgum.mixture.partition import Groups, Partition, partition
from deepgum.posteriors.inliers import AUTO, Inliers
from deepgum.posteriors.kinds.comparison import Comparison
from deepgum.posteriors.kinds.kind_mixture import KindMixture
from deepgum.posteriors.kinds.registry import kinds_for
from deepgum.posteriors.kinds.trust import trust_of_values

__all__ = ["JudgedLabels", "LabelPosterior"]

Values = NDArray[np.float64]

COMMON_SHARE = 0.25
"""A value that at least this share of the labels has is common: for example 0 hours of work, or the cap of a scale."""

LEAST_ROWS = 30
"""Minimum number of labels without a common value. With fewer labels, the common value is used like all others."""


MOST_UNEXPLAINED = 0.5
"""A kind that cannot be told from its decoys is admitted only if predictions explain more of the labels' variance."""


@dataclass(frozen=True, eq=False)
class JudgedLabels:
    """The verdict on n labels of d columns in g groups.

    Attributes
    ----------
    right : array (n, g)
        Probability that the label is right; the prior where a group has no label.
    usable : array (n, g)
        Probability that the label is right, or wrong in a known way.
    expected : array (n, d)
        The expected right label, given that the label is right or wrong in a known way: the label itself where no known
        error is possible.
    trust : array (n, g)
        Factor of the weight of the label in a training; see `deepgum.posteriors.kinds.trust`.
    reasons : array (n, g) of str
        For a flagged label that is wrong in a known way, how the error is undone: "Divided by 10"; otherwise empty.
    suggestions : array (n, d)
        The label after its error is undone, where there is a reason; otherwise NaN.
    """

    right: Values
    usable: Values
    expected: Values
    trust: Values
    reasons: NDArray[np.str_]
    suggestions: Values

    def with_rows(self, rows: NDArray[np.bool_], others: JudgedLabels) -> JudgedLabels:
        """Return this verdict with the verdict on other labels, of the same posterior, in the rows of a mask (n,)."""
        parts = []
        for part in fields(self):
            values = getattr(self, part.name).copy()
            values[rows] = getattr(others, part.name)
            parts.append(values)
        return JudgedLabels(*parts)


@dataclass(frozen=True, eq=False)
class LabelPosterior:
    """A mixture of residuals that are divided by a scale, and this scale as a function of the prediction.

    If many labels have the same value, their residuals are nearly 0 or all equal, and the residuals of the other labels
    would look like those of wrong labels. The mixture is therefore fitted without the labels of a common value.

    Attributes
    ----------
    mixture : KindMixture
        The mixture of residuals divided by the scale, with the kinds of wrong labels that the data prove. Its verdict
        can be that no label is wrong.
    scale : PredictionScale
    origin : array (d,)
        The labels and predictions are given minus this constant. Kinds of wrong labels, such as a lost digit, need the
        labels themselves.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> predictions = rng.uniform(size=(1000, 1))
    >>> labels = predictions + 0.1 * rng.normal(size=(1000, 1))
    >>> labels[:200] = rng.uniform(-3, 4, size=(200, 1))
    >>> posterior = LabelPosterior.fit(labels, predictions, "sample")
    >>> flags = posterior.judge(labels, predictions).right[:, 0] < 0.5
    >>> bool(flags[:200].mean() > 0.8), bool(flags[200:].mean() < 0.01)
    (True, True)
    """

    mixture: KindMixture
    scale: PredictionScale
    origin: Values

    @classmethod
    def fit(
        cls,
        labels: Values,
        predictions: Values,
        groups: Groups,
        inliers: Inliers = AUTO,
        *,
        origin: Values | None = None,
    ) -> LabelPosterior:
        """Fit the scale and the mixture to labels (n, d), NaN for missing ones, and out-of-fold predictions (n, d).

        `inliers` are the densities of right labels that are tried; see `LabelMixture.fit`. `origin` (d,) was subtracted
        from the labels; by default 0. Only kinds that are compared with decoys are tried. Networks are taught what they
        predict, so that a kind without decoys, such as the opposite sign of labels around 0, would prove itself.
        """
        d = labels.shape[1]
        origin, places, is_common = np.zeros(d) if origin is None else origin, partition(groups, d), _is_common(labels)
        residuals = np.where(is_common, np.nan, labels - predictions)
        first = PredictionScale.of(residuals, predictions, _without_verdict(residuals, places))
        right = _without_verdict(residuals / first(predictions), places)
        scale = PredictionScale.of(residuals, predictions, right)
        compared = _compare(labels, predictions, scale, origin, places)
        fitted = np.where(is_common, np.nan, compared.residuals)
        unexplained = unexplained_share(torch.from_numpy(labels), torch.from_numpy(predictions))
        kinds = [each for each in kinds_for(compared, taught=True) if each.decoys()]
        mixture = KindMixture.fit(
            compared,
            residuals=fitted,
            inliers=inliers,
            intervals=False,
            taught=True,
            kinds=kinds,
            is_trusted=unexplained < MOST_UNEXPLAINED,
        )
        return cls(mixture, scale, origin)

    def judge(self, labels: Values, predictions: Values) -> JudgedLabels:
        """Return the verdict on labels (n, d), NaN for missing ones, given predictions (n, d)."""
        compared = _compare(labels, predictions, self.scale, self.origin, self.mixture.base.densities.partition)
        posterior, admitted = self.mixture.posterior(compared), self.mixture.admitted
        named = np.where(posterior.right < 0.5, posterior.named, -1)
        reasons = np.array([*(each.kind.words for each in admitted), ""])[named]
        suggestions = np.full_like(labels, np.nan)
        for number, each in enumerate(admitted):
            undone = each.kind.undo(compared.given, compared) - self.origin
            suggestions = np.where(compared.by_column(named == number), undone, suggestions)
        found = sum((each.shares for each in admitted), np.zeros(len(compared.partition)))
        priors = [(1 - share) * self.mixture.base.prior(group) for group, share in enumerate(found)]
        right = np.where(np.isnan(posterior.right), priors, posterior.right)
        return JudgedLabels(
            right,
            right + posterior.known,
            self.mixture.expected(compared, posterior, lambda given: given - self.origin) if admitted else labels,
            trust_of_values(labels, posterior, compared) if admitted else np.ones_like(right),
            reasons,
            suggestions,
        )


def _compare(
    labels: Values, predictions: Values, scale: PredictionScale, origin: Values, places: Partition
) -> Comparison:
    """Return the comparison of labels with predictions, both minus the origin, with residuals divided by the scale."""
    sizes = scale(predictions)
    return Comparison(
        labels + origin,
        predictions + origin,
        places,
        lambda given: (given - origin - predictions) / sizes,
        lambda given: np.broadcast_to(-np.log(sizes), given.shape),
    )


def _is_common(labels: Values) -> NDArray[np.bool_]:
    """Return a mask (n, d) of the labels that have the most frequent value of their column, if it is common."""
    mask = np.zeros(labels.shape, dtype=bool)
    for column, values in enumerate(labels.T):
        seen = ~np.isnan(values)
        found, counts = np.unique(values[seen], return_counts=True)
        if len(found) and counts.max() >= COMMON_SHARE * seen.sum() and seen.sum() - counts.max() >= LEAST_ROWS:
            mask[:, column] = values == found[counts.argmax()]
    return mask


def _without_verdict(residuals: Values, places: Partition) -> Values:
    """Return the responsibilities (n, d) of eq. 1, repeated for each column of a group; 0 for missing labels."""
    right = np.zeros_like(residuals)
    for group in places:
        values = residuals[:, list(group)]
        seen = ~np.isnan(values).any(axis=1)
        if seen.sum() > len(group):
            found = responsibilities_without_verdict(torch.from_numpy(values[seen])).numpy()
            for column in group:
                right[seen, column] = found
    return right
