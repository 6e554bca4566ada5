"""`KindMixture`: the probability that each label is right, and that it is wrong in each of several known ways."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from deepgum.mixture import MixtureStatus
from deepgum.posteriors.inliers import AUTO, Inliers
from deepgum.posteriors.kinds.base import Kind
from deepgum.posteriors.kinds.choice import choose_kinds
from deepgum.posteriors.kinds.comparison import Comparison
from deepgum.posteriors.kinds.evidence import fit_shares, log_ratio
from deepgum.posteriors.kinds.registry import kinds_for
from deepgum.posteriors.kinds.whose_error import WhoseError
from deepgum.posteriors.label_mixture import LabelMixture
from deepgum.posteriors.shares import Share
from deepgum.posteriors.skew import Skew
from deepgum.progress import Progress

__all__ = ["Admitted", "KindMixture", "KindPosterior"]

Values = NDArray[np.float64]

REFITS = 3
"""Maximum number of refits of right labels after kinds were admitted."""

REPLICATES = 100
"""Number of replicates of the bootstrap."""

MOST_UNEXPLAINED = 0.1
"""The share of wrong labels has an upper bound if at most this part of them is wrong in no known way."""

MOST_CELLS = 1_000_000
"""With more labels, no kinds are tried, because the evidence for each kind takes as much memory as all labels."""

LEAST_SHARE = 0.8
"""A kind is named if it has at least this part of the probability that the label is wrong."""

MOST_POOLED = 20
"""With more groups, the shares of kinds are the same in all groups."""


@dataclass(frozen=True, eq=False)
class Admitted:
    """A kind that the data prove.

    Attributes
    ----------
    kind : Kind
    shares : array (g,)
        Share of the labels of each group in which the label, or the prediction, is wrong in this way.
    whose : mapping of int to WhoseError
        For some groups, what tells whether the label or the prediction is wrong. In other groups, it is the label.
    """

    kind: Kind
    shares: Values
    whose: Mapping[int, WhoseError] = field(default_factory=dict)

    def label_is_wrong(self, comparison: Comparison) -> Values:
        """Return the probability (n, g) that the label has the error, given that the label or the prediction has it."""
        result = np.ones(comparison.labelled.shape)
        if not self.whose:
            return result
        undone = self.kind.undo(comparison.given, comparison)
        change = self.kind.log_change(comparison.given, comparison)
        for place, whose in self.whose.items():
            (column,) = comparison.partition[place]
            rows = np.flatnonzero(comparison.labelled[:, place])
            result[rows, place] = whose.label_is_wrong(
                comparison.given[rows, column], undone[rows, column], change[rows, column]
            )
        return result


@dataclass(frozen=True, eq=False)
class KindPosterior:
    """Probabilities of labels.

    Attributes
    ----------
    right : array (n, g)
        Probability that the label is right; NaN where a label is missing.
    kinds : array (K, n, g)
        Probability that the label is wrong in the way of each admitted kind. The rest, 1 - right - kinds, is the
        probability that the label is wrong for no known reason.
    """

    right: Values
    kinds: Values

    @property
    def known(self) -> Values:
        """Probability (n, g) that the label is wrong in a known way."""
        return np.asarray(self.kinds.sum(axis=0))

    @property
    def named(self) -> NDArray[np.intp]:
        """Number (n, g) of the kind that has at least `LEAST_SHARE` of the probability of a wrong label, or -1."""
        if not len(self.kinds):
            return np.full(self.right.shape, -1, dtype=np.intp)
        wrong = np.maximum(1 - self.right, 1e-300)
        return np.where(self.kinds.max(axis=0) >= LEAST_SHARE * wrong, self.kinds.argmax(axis=0), -1)


@dataclass(frozen=True, eq=False)
class KindMixture:
    """The mixture of right labels, labels that are wrong in known ways, and labels that are wrong anyhow.

    Attributes
    ----------
    base : LabelMixture
        The mixture of right labels and labels that are wrong anyhow. It is fitted to the residuals after all known
        errors are undone. Without admitted kinds, it is fitted to the residuals, and its posteriors are unchanged.
    admitted : tuple of Admitted
        The kinds that the data prove.
    counted : tuple of Share or None, one per group
        Share of labels that are wrong in known ways; empty without admitted kinds.
    labels : tuple of int
        Number of labels of each group, for the share over all groups; empty without admitted kinds.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> truth = rng.uniform(50, 100, size=(1000, 1))
    >>> given = truth + rng.normal(size=(1000, 1))
    >>> given[:50] /= 10  # a digit was lost
    >>> comparison = Comparison.of(given, truth, ((0,),))
    >>> mixture = KindMixture.fit(comparison)
    >>> [(each.kind.words, each.shares.round(2)) for each in mixture.admitted]
    [('Multiplied by 10', array([0.05]))]
    >>> bool(mixture.posterior(comparison).right[:50].max() < 0.01)
    True
    """

    base: LabelMixture
    admitted: tuple[Admitted, ...] = ()
    counted: tuple[Share | None, ...] = ()
    labels: tuple[int, ...] = ()

    @classmethod
    def fit(
        cls,
        comparison: Comparison,
        *,
        residuals: Values | None = None,
        inliers: Inliers = AUTO,
        intervals: bool = True,
        seed: int = 0,
        taught: bool = False,
        kinds: Sequence[Kind] | None = None,
        is_trusted: bool = True,
        on_progress: Progress | None = None,
    ) -> KindMixture:
        """Fit the mixture.

        Parameters
        ----------
        comparison : Comparison
            Labels and predictions.
        residuals : array (n, d), optional
            The residuals to which the mixture is fitted; NaN where a label is left out of the fit. By default, all
            residuals of `comparison`.
        inliers, intervals, seed, on_progress : see `LabelMixture.fit`
        taught, kinds, is_trusted : see `with_kinds`
        """
        residuals = comparison.residuals if residuals is None else residuals
        common: Any = {"inliers": inliers, "intervals": intervals, "seed": seed}
        base = LabelMixture.fit(residuals, _groups(comparison), on_progress=on_progress, **common)
        return cls(base).with_kinds(
            comparison, residuals=residuals, taught=taught, kinds=kinds, is_trusted=is_trusted, **common
        )

    def with_kinds(
        self,
        comparison: Comparison,
        *,
        residuals: Values | None = None,
        inliers: Inliers = AUTO,
        taught: bool = False,
        kinds: Sequence[Kind] | None = None,
        is_trusted: bool = True,
        intervals: bool = True,
        seed: int = 0,
    ) -> KindMixture:
        """Return the mixture with the kinds that the data prove; this mixture if there are none.

        Labels with a lost digit are all too small, so they may look like the long side of skewed right labels. If there
        are no kinds beside skewed right labels, kinds are tried beside symmetric ones. They must explain the long side.

        Parameters
        ----------
        comparison : Comparison
            All labels to which this mixture is fitted, or a part of them.
        residuals, inliers, intervals, seed : see `fit`
        taught : bool
            Whether the predictions come from a learner that was taught labels with known errors undone; see
            `kinds_for`.
        kinds : sequence of Kind, optional
            The kinds that are tried; by default those of `kinds_for`.
        is_trusted : bool
            Whether the predictions have no known fault; see `choose_kinds`.
        """
        residuals = comparison.residuals if residuals is None else residuals
        comparison = comparison.with_labels(np.where(np.isnan(residuals), np.nan, comparison.given))
        kinds = kinds_for(comparison, taught=taught) if kinds is None else kinds
        common: Any = {"kinds": kinds, "inliers": inliers, "intervals": intervals, "seed": seed}
        found = self._with_kinds(comparison, residuals, taught=taught, is_trusted=is_trusted, **common)
        if found.admitted or not self.base.densities.skews:
            return found
        base = LabelMixture.fit(
            residuals, _groups(comparison), inliers=inliers, intervals=False, seed=seed, may_be_skewed=False
        )
        found = KindMixture(base)._with_kinds(
            comparison, residuals, taught=taught, is_trusted=is_trusted, may_be_skewed=False, **common
        )
        return found if found.admitted and found._explains(self.base.densities.skews, comparison) else self

    def _explains(self, skews: Mapping[int, Skew], comparison: Comparison) -> bool:
        """Return whether most errors of known kinds move residuals to the long sides of skewed residuals."""
        probabilities, long, total = self.posterior(comparison).kinds, 0.0, 0.0
        for each, probability in zip(self.admitted, probabilities, strict=True):
            with np.errstate(all="ignore"):
                moved = comparison.residuals - comparison.residuals_of(each.kind.undo(comparison.given, comparison))
            for place, columns in enumerate(comparison.partition):
                if columns[0] in skews:
                    weight = np.nan_to_num(probability[:, place])
                    total += float(weight.sum())
                    long += float(weight[moved[:, columns[0]] * skews[columns[0]].slant > 0].sum())
        return long > total / 2

    def _with_kinds(
        self,
        comparison: Comparison,
        residuals: Values,
        *,
        kinds: Sequence[Kind],
        inliers: Inliers,
        taught: bool,
        is_trusted: bool,
        intervals: bool,
        seed: int,
        may_be_skewed: bool = True,
    ) -> KindMixture:
        """Return the mixture with the kinds that the data prove; this mixture if there are none."""
        groups = _groups(comparison)
        current, rng = self, np.random.default_rng(seed)
        for number in range(REFITS):
            admitted = current._choose(kinds, comparison, is_trusted=is_trusted)
            if not admitted:
                return self
            is_last = number == REFITS - 1 or [each.kind for each in admitted] == [
                each.kind for each in current.admitted
            ]
            found = KindMixture(current.base, admitted)
            undone = found._undone(comparison, residuals, rng)
            base = LabelMixture.fit(
                undone,
                groups,
                inliers=inliers,
                intervals=intervals and is_last,
                seed=seed,
                may_be_skewed=may_be_skewed,
            )
            # Residuals of known errors are farther away than all residuals to which `base` is fitted.
            reaching = base.densities.reaching(torch.from_numpy(comparison.residuals))
            current = KindMixture(replace(base, densities=reaching), admitted)
            if is_last:
                break
        admitted = current._choose([each.kind for each in current.admitted], comparison, is_trusted=is_trusted)
        if not admitted:
            return self
        current = KindMixture(current.base, admitted)._with_owners(comparison)
        if not intervals:
            return current
        labels = tuple(comparison.labelled.sum(axis=0).tolist())
        return replace(current, counted=current._count(comparison, rng, taught=taught), labels=labels)

    @cached_property
    def status(self) -> tuple[MixtureStatus, ...]:
        """The outcome of the fit of each group; `CONVERGED` if a kind of wrong label was found in the group."""
        found = sum((each.shares for each in self.admitted), np.zeros(len(self.base.status)))
        return tuple(
            MixtureStatus.CONVERGED if share > 0 else status
            for share, status in zip(found, self.base.status, strict=True)
        )

    @cached_property
    def shares(self) -> tuple[Share | None, ...]:
        """The share of wrong labels in each group; None if it cannot be estimated."""
        if not self.counted:
            return self.base.shares
        return tuple(map(_sum_of_shares, self.base.shares, self.counted))

    @property
    def share(self) -> Share | None:
        """The share of wrong labels in all groups together; None if it cannot be estimated."""
        return Share.mean(self.shares, self.labels) if self.counted else self.base.share

    def _count(self, comparison: Comparison, rng: np.random.Generator, *, taught: bool) -> tuple[Share | None, ...]:
        """Return the share of labels of each group that are wrong in known ways, with an interval by the bootstrap.

        There is no upper bound if the predictions come from a learner that was taught the labels, because it may have
        learned wrong labels.
        """
        ratios = [np.exp(np.minimum(log_ratio(e.kind, comparison, self.base.densities), 700)) for e in self.admitted]
        wrong = [each.label_is_wrong(comparison) for each in self.admitted]
        counted: list[Share | None] = []
        for place in range(len(comparison.partition)):
            used = [number for number, each in enumerate(self.admitted) if each.shares[place]]
            if not used:
                counted.append(None)
                continue
            some, whose = (np.stack([each[number][:, place] for number in used]) for each in (ratios, wrong))
            seen = (some > 0).any(axis=0)
            some, whose, n = some[:, seen], whose[:, seen], int(comparison.labelled[:, place].sum())
            estimate = _share_of_labels(some, whose, n, np.ones(some.shape[1]))
            draws = []
            for _ in range(REPLICATES):
                weight = rng.poisson(np.ones(some.shape[1])).astype(np.float64)
                rest = float(rng.poisson(max(n - some.shape[1], 0)))
                draws.append(_share_of_labels(some, whose, max(weight.sum() + rest, 1.0), weight))
            low, high = np.quantile(draws, (0.025, 0.975))
            low, high = min(float(low), estimate), max(float(high), estimate)
            counted.append(Share.at_least(low, estimate) if taught else Share(estimate, low, high))
        return tuple(counted)

    def _choose(self, kinds: Sequence[Kind], comparison: Comparison, *, is_trusted: bool) -> tuple[Admitted, ...]:
        """Return the kinds that the data prove, given the mixture of right labels."""
        g = len(comparison.partition)
        if comparison.labelled.size > MOST_CELLS:
            return ()
        usable = [place for place in range(g) if self._is_usable(place)]
        is_pooled = comparison.landmarks or g > MOST_POOLED
        pools = [usable] if is_pooled and usable else [[place] for place in usable]
        shares: dict[Kind, Values] = {}
        for pool in pools:
            chosen, found = choose_kinds(kinds, comparison, self.base.densities, pool, is_trusted=is_trusted)
            for kind, share in zip(chosen, found.shares, strict=True):
                shares.setdefault(kind, np.zeros(g))[pool] = share
        return tuple(Admitted(kind, shares[kind]) for kind in kinds if kind in shares)

    def _with_owners(self, comparison: Comparison) -> KindMixture:
        """Return this mixture with estimates of who makes errors that models make too; see `WhoseError`."""
        posterior, admitted = self.posterior(comparison), []
        for each, probability in zip(self.admitted, posterior.kinds, strict=True):
            whose = {}
            for place, columns in enumerate(comparison.partition):
                if not each.kind.is_made_by_predictors or len(columns) > 1 or not each.shares[place]:
                    continue
                given, rows = comparison.given[:, columns[0]], np.flatnonzero(probability[:, place] > 0.01)
                undone = each.kind.undo(comparison.given, comparison)[rows, columns[0]]
                change = each.kind.log_change(comparison.given, comparison)[rows, columns[0]]
                right = np.nan_to_num(posterior.right[:, place])
                whose[place] = WhoseError.fit(given, right, given[rows], undone, change, probability[rows, place])
            admitted.append(replace(each, whose=whose))
        return replace(self, admitted=tuple(admitted))

    def _is_usable(self, place: int) -> bool:
        status = self.base.status[place]
        return self.base.chosen[place] and status in (MixtureStatus.CONVERGED, MixtureStatus.NO_OUTLIERS)

    def _undone(self, comparison: Comparison, residuals: Values, rng: np.random.Generator) -> Values:
        """Return the residuals (n, d) of the labels, with known errors undone.

        Each label is converted by a kind with the probability of the kind, so that the residuals have the distribution
        of the residuals of right labels.
        """
        posterior = self.posterior(comparison)
        draw = rng.random(posterior.right.shape)
        residuals, below = residuals.copy(), np.zeros_like(draw)
        for each, probability in zip(self.admitted, posterior.kinds, strict=True):
            is_drawn = (draw >= below) & (draw < below + probability)
            below = below + probability
            if is_drawn.any():
                after = comparison.residuals_of(each.kind.undo(comparison.given, comparison))
                columns = comparison.by_column(is_drawn)
                residuals[columns] = after[columns]
        return np.where(np.isnan(comparison.residuals), np.nan, residuals)

    def posterior(self, comparison: Comparison) -> KindPosterior:
        """Return the probabilities of labels."""
        right = self.base.responsibilities(comparison.residuals)
        if not self.admitted:
            return KindPosterior(right, np.zeros((0, *right.shape)))
        densities = self.base.densities
        # Without a mixture, only flagged labels are wrong anyhow. Other large residuals are hard samples, and are no
        # more suspicious than labels that a known kind would explain.
        found = sum((each.shares for each in self.admitted), np.zeros(right.shape[1]))
        is_plain = (found > 0) & [status is MixtureStatus.NO_OUTLIERS for status in self.base.status]
        right = np.where(is_plain & (right >= 0.5), 1.0, right)
        with np.errstate(divide="ignore"):
            logs = np.stack(
                [np.log(each.shares) + log_ratio(each.kind, comparison, densities) for each in self.admitted]
            )
        top = np.maximum(logs.max(axis=0), 0.0)
        weights, rest = np.exp(logs - top), (1 - found) * np.exp(-top)
        total = weights.sum(axis=0) + rest
        kinds = weights / total
        wrong = np.stack([each.label_is_wrong(comparison) for each in self.admitted])
        return KindPosterior(right * (rest / total) + ((1 - wrong) * kinds).sum(axis=0), wrong * kinds)

    def expected(self, comparison: Comparison, posterior: KindPosterior, convert: Callable[[Values], Values]) -> Values:
        """Return the expected right labels (n, d), given that labels are right or wrong in a known way.

        Parameters
        ----------
        comparison : Comparison
        posterior : KindPosterior
            The probabilities of these labels.
        convert : callable
            ``convert(labels)`` converts labels (n, d) to the unit of the result, in which the mean is taken.
        """
        usable = posterior.right + posterior.known
        terms = [(posterior.right, comparison.given)]
        for each, probability in zip(self.admitted, posterior.kinds, strict=True):
            terms.append((probability, each.kind.undo(comparison.given, comparison)))
        result = np.zeros_like(comparison.given)
        for probability, labels in terms:
            share = np.divide(probability, usable, out=np.zeros_like(usable), where=usable > 0)
            weight = comparison.by_column(np.nan_to_num(share))
            result += np.where(weight > 0, weight * convert(labels), 0.0)
        own = convert(comparison.given)
        return np.where(comparison.by_column(posterior.known) > 0, result, own)


def _share_of_labels(ratios: Values, whose: Values, n: float, weight: Values) -> float:
    """Return the share of labels that are wrong in known ways, without errors of predictions; see `fit_shares`."""
    shares = fit_shares(ratios, n, weight).shares[:, None]
    probabilities = shares * ratios / (1 - shares.sum() + (shares * ratios).sum(axis=0))
    return float((probabilities * whose).sum(axis=0) @ weight / n)


def _sum_of_shares(other: Share | None, known: Share | None) -> Share | None:
    """Return the share of labels that are wrong in known ways, or wrong anyhow.

    The sum has an upper bound only if known kinds explain nearly all wrong labels.
    """
    if known is None:
        return other
    if other is None:
        return Share.at_least(known.low, known.estimate)
    rest = 1 - known.estimate
    estimate, low = known.estimate + rest * other.estimate, known.low + rest * other.low
    if known.is_two_sided and rest * other.estimate <= MOST_UNEXPLAINED * estimate:
        return Share(estimate, low, min(1.0, known.high + rest * other.estimate))
    return Share.at_least(low, estimate)


def _groups(comparison: Comparison) -> list[list[int]]:
    return [list(columns) for columns in comparison.partition]
