"""`RunLevel`: the second level of the posterior, for labels that come in runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deepgum.mixture import MixtureStatus
from deepgum.posteriors.kinds.comparison import Comparison
from deepgum.posteriors.kinds.kind_mixture import MOST_POOLED, KindMixture, KindPosterior
from deepgum.posteriors.runs.run_names import Runs
from deepgum.posteriors.runs.run_offsets import RunOffsets
from deepgum.posteriors.runs.run_shares import RunShares

__all__ = ["RunLevel"]

Values = NDArray[np.float64]

_MIXTURES = (MixtureStatus.CONVERGED, MixtureStatus.ITERATION_LIMIT)


@dataclass(frozen=True, eq=False)
class RunLevel:
    """The probabilities of labels, given the runs of the samples.

    Attributes
    ----------
    runs : Runs
    posterior : KindPosterior
        The probabilities of the labels of all samples. Where the data prove nothing about runs, they are those of the
        first level, to the last bit.
    shares : tuple of RunShares or None, one per group
        The shares of wrong labels by run; None if the data do not prove that shares differ.
    offsets : RunOffsets or None
        The runs that are off; None if there is none.
    drifted : array (n, g)
        Probability that the label is wrong by the offset of its run.
    status : tuple of MixtureStatus, one per group
        The outcome of the fit; `CONVERGED` if a run is off.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> truth = rng.normal(size=(900, 1))
    >>> given = truth + 0.1 * rng.normal(size=(900, 1))
    >>> given[:30] = truth[:30] + rng.normal(size=(30, 1))  # the first run is noisy
    >>> comparison = Comparison.of(given, truth, ((0,),))
    >>> mixture = KindMixture.fit(comparison)
    >>> before = mixture.posterior(comparison)
    >>> level = RunLevel.fit(mixture, comparison, before, Runs.of([row // 30 for row in range(900)]), [0])
    >>> [int((each.right[:30] < 0.5).sum()) for each in (before, level.posterior)]
    [25, 30]
    """

    runs: Runs
    posterior: KindPosterior
    shares: tuple[RunShares | None, ...]
    offsets: RunOffsets | None
    drifted: Values
    status: tuple[MixtureStatus, ...]

    @classmethod
    def fit(
        cls, mixture: KindMixture, comparison: Comparison, posterior: KindPosterior, runs: Runs, groups: Sequence[int]
    ) -> RunLevel:
        """Estimate the second level.

        Parameters
        ----------
        mixture : KindMixture
        comparison : Comparison
        posterior : KindPosterior
            The probabilities of the first level.
        runs : Runs
        groups : sequence of int
            The groups in which labels can be judged. The others stay as they are.
        """
        # A share of wrong labels that is not proven is not divided among runs.
        mixed = [place for place in groups if mixture.status[place] in _MIXTURES]
        is_pooled = comparison.landmarks or len(comparison.partition) > MOST_POOLED
        pools = [mixed] if is_pooled and mixed else [[place] for place in mixed]
        shares: list[RunShares | None] = [None] * len(comparison.partition)
        right = posterior.right
        for pool in pools:
            wrong, repeated = (1 - right[:, pool]).ravel(), runs.repeated(len(pool))
            found = RunShares.fit(wrong, repeated)
            if found is None:
                continue
            right = right.copy()
            right[:, pool] = 1 - found.wrong(wrong, repeated).reshape(-1, len(pool))
            for place in pool:
                shares[place] = found
        if right is not posterior.right:
            posterior = KindPosterior(right, posterior.kinds * _ratio(1 - right, 1 - posterior.right))
        # Labels that are wrong in a known way say nothing about the offset of their run.
        is_known = comparison.by_column(posterior.known > 0.5)
        others = comparison.with_labels(np.where(is_known, np.nan, comparison.given))
        offsets = RunOffsets.fit(others, mixture.base, runs, groups)
        drifted, status = np.zeros_like(right), list(mixture.status)
        if offsets is not None:
            is_off = _by_group(offsets.is_off, comparison)
            after = others.residuals_of(offsets.undone(others.given, runs))
            of_labels = np.where(others.labelled, is_off[runs.numbers], 0.0)
            fits = mixture.base.responsibilities(np.where(np.isfinite(after), after, np.nan))
            drifted = of_labels * np.nan_to_num(fits)
            posterior = KindPosterior(posterior.right * (1 - of_labels), posterior.kinds * (1 - of_labels))
            status = [
                MixtureStatus.CONVERGED if found else each
                for found, each in zip(np.any(is_off > 0.5, axis=0).tolist(), status, strict=True)
            ]
        return cls(runs, posterior, tuple(shares), offsets, drifted, tuple(status))

    @property
    def changes(self) -> tuple[bool, ...]:
        """For each group, whether the second level changes the probabilities of its labels."""
        is_off = np.any(self.drifted > 0, axis=0).tolist()
        return tuple(share is not None or off for share, off in zip(self.shares, is_off, strict=True))


def _ratio(after: Values, before: Values) -> Values:
    """Return after / before; 1 where a value before is 0 or unknown."""
    return np.divide(after, before, out=np.ones_like(before), where=before > 0)


def _by_group(values: Values, comparison: Comparison) -> Values:
    """Return the values (R, g) of groups of one target, from those (R, d) of targets; 0 for the other groups."""
    columns = [group[0] for group in comparison.partition]
    return np.where([len(group) == 1 for group in comparison.partition], values[:, columns], 0.0)
