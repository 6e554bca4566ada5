"""The sums of scored labels, a batch at a time: what is flagged in each group, and which flags are the worst."""

from __future__ import annotations

import heapq
from itertools import islice
from typing import NamedTuple

import numpy as np

from deepgum._version import __version__
from deepgum.audit.labels import Reason, ScoredLabels
from deepgum.audit.summary import AuditSummary, DataSource, GroupSummary
from deepgum.audit.targets import Targets
from deepgum.audit.verdict import can_tell, group_verdict, overall_verdict
from deepgum.posteriors.label_mixture import LabelMixture
from deepgum.posteriors.tabulated import TabulatedDensity

__all__ = ["Flag", "Tally", "worst_of"]


class Flag(NamedTuple):
    """One flagged label, to be shown.

    Attributes
    ----------
    id, group : str
    given, suggested : tuple of float
        The values of the group, NaN where there is none.
    responsibility, mahalanobis : float
    kind : Reason
    why : str
    """

    id: str
    group: str
    given: tuple[float, ...]
    suggested: tuple[float, ...]
    responsibility: float
    mahalanobis: float
    kind: Reason
    why: str


class Tally:
    """Adds up scored labels.

    Parameters
    ----------
    targets : Targets
    mixture : LabelMixture
        That the labels are scored by.
    worst : int
        How many flags to remember.
    """

    def __init__(self, targets: Targets, mixture: LabelMixture, worst: int = 10) -> None:
        self._targets, self._mixture, self._most = targets, mixture, worst
        g = len(targets.partition)
        self._samples, self._labels, self._flags = 0, np.zeros(g, np.int64), np.zeros(g, np.int64)
        self._right = np.zeros(g)
        self._worst: list[tuple[float, float, int, Flag]] = []

    def add(self, labels: ScoredLabels) -> None:
        """Add labels that are not in it yet."""
        self._labels += (~np.isnan(labels.responsibilities)).sum(axis=0)
        self._flags += labels.flags.sum(axis=0)
        self._right += np.where(labels.flags, labels.responsibilities, 0.0).sum(axis=0)
        meant = (place for place in labels.worst_first() if can_tell(self._mixture.status[place[1]]))
        ranked = [(*self._rank(labels, place), _flag(labels, place)) for place in islice(meant, self._most)]
        # Of equals the first comes first, as in `worst_first`.
        self._worst = heapq.nsmallest(self._most, [*self._worst, *ranked], key=lambda each: each[:3])
        self._samples += len(labels)

    def _rank(self, labels: ScoredLabels, place: tuple[int, int]) -> tuple[float, float, int]:
        row = (self._samples + place[0]) * len(self._targets.partition) + place[1]
        return float(labels.responsibilities[place]), -float(labels.mahalanobis[place]), row

    @property
    def worst(self) -> tuple[Flag, ...]:
        """The flags of the least probable labels, the least first; none of groups of which nothing can be told."""
        return tuple(flag for *_, flag in self._worst)

    def summary(self, data: DataSource, *, seed: int, seconds: float) -> AuditSummary:
        """Return all that is known but the labels themselves.

        Parameters
        ----------
        data : DataSource
        seed : int
        seconds : float
        """
        mixture = self._mixture
        groups = tuple(self._group(place) for place in range(len(self._labels)))
        return AuditSummary(
            data=data,
            samples=self._samples,
            labels=int(self._labels.sum()),
            flags=int(self._flags.sum()),
            expected_false_flags=float(self._right.sum()),
            share=mixture.share,
            verdict=overall_verdict(groups, mixture.share),
            groups=groups,
            backbone="predictions that were given",
            inliers=mixture.inliers,
            seed=seed,
            seconds=seconds,
            version=__version__,
        )

    def _group(self, place: int) -> GroupSummary:
        mixture = self._mixture
        status, share, fitted = mixture.status[place], mixture.shares[place], mixture.mixture
        labels, flags, right = int(self._labels[place]), int(self._flags[place]), float(self._right[place])
        return GroupSummary(
            name=self._targets.group_names[place],
            labels=labels,
            flags=flags,
            expected_false_flags=right,
            share=share,
            status=status.name,
            verdict=group_verdict(
                status,
                labels=labels,
                flags=flags,
                expected_false_flags=right,
                share=share,
                heavy_tails=mixture.has_heavy_tails(place),
            ),
            prior=mixture.prior(place),
            covariance=tuple(map(tuple, mixture.covariances[place].tolist())),
            log_uniform_density=float(fitted.log_uniform_density_[place]),
            degrees_of_freedom=mixture.degrees_of_freedom[place],
            exponent=mixture.densities.groups[place].wrong.exponent,
            radius=mixture.radius(place),
            density=TabulatedDensity.of(mixture.density(place), len(self._targets.partition[place])),
        )


def worst_of(labels: ScoredLabels, most: int = 10) -> tuple[Flag, ...]:
    """Return the flags of the least probable labels, the least probable first."""
    return tuple(_flag(labels, place) for place in labels.worst_first()[:most] if place in labels.kinds)


def _flag(labels: ScoredLabels, place: tuple[int, int]) -> Flag:
    row, group = place
    columns = list(labels.partition[group])
    return Flag(
        id=labels.ids[row],
        group=labels.group_names[group],
        given=tuple(labels.given[row, columns].tolist()),
        suggested=tuple(labels.suggested[row, columns].tolist()),
        responsibility=float(labels.responsibilities[place]),
        mahalanobis=float(labels.mahalanobis[place]),
        kind=labels.kinds[place],
        why=labels.why[place],
    )
