"""Counts of scored labels over all batches: flags by group and by reason, and the worst flags."""

from __future__ import annotations

import heapq
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from deepgum._version import __version__
from deepgum.audit.faults import Fault
from deepgum.audit.labels import Place, ScoredLabels
from deepgum.audit.notices.aside import Aside
from deepgum.audit.reasons.base import Reason
from deepgum.audit.reasons.registry import REASONS
from deepgum.audit.scoring.run_table import runs_worst_first
from deepgum.audit.summary import AuditSummary, DataSource, GroupSummary, ReasonCount, Round, RunSummary
from deepgum.audit.targets import Targets
from deepgum.audit.verdict import can_judge, group_verdict, overall_verdict
from deepgum.label_scale import LabelScale
from deepgum.posteriors.kinds.kind_mixture import KindMixture
from deepgum.posteriors.runs.run_level import RunLevel
from deepgum.posteriors.shares import Share
from deepgum.posteriors.spikes import Spikes
from deepgum.posteriors.tabulated import TabulatedDensity
from deepgum.wording import percent

__all__ = ["Flag", "Provenance", "Tally", "worst_of"]

MOST_RUNS = 1000
"""Maximum number of runs in a summary."""


class Flag(NamedTuple):
    """A flagged label, for reports.

    Attributes
    ----------
    id, group : str
    given, suggested : tuple of float
        The label and the suggestion; NaN for a missing value.
    responsibility, mahalanobis : float
    kind : str
        Name of the reason.
    why : str
        Sentence that explains the flag.
    """

    id: str
    group: str
    given: tuple[float, ...]
    suggested: tuple[float, ...]
    responsibility: float
    mahalanobis: float
    kind: str
    why: str


@dataclass(frozen=True)
class Provenance:
    """Origin of the labels and predictions, for a summary.

    Attributes
    ----------
    data : DataSource
    seed : int
    begun : float
        The value of `time.perf_counter()` when the work began, in seconds.
    backbone : str
        Name of the model that predicted the labels.
    history : tuple of Round
    folds : int
    conflicts, unreadable, weights
        See `AuditSummary`.
    notices : tuple of str
        Notices of the reader of the data; the summary adds its own. See `AuditSummary`.
    scale : LabelScale
        The scale in which labels are learned and compared.
    """

    data: DataSource
    seed: int
    begun: float
    backbone: str = "predictions that were given"
    history: tuple[Round, ...] = ()
    folds: int = 0
    conflicts: tuple[tuple[str, ...], ...] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)
    weights: str = ""
    notices: tuple[str, ...] = ()
    scale: LabelScale = LabelScale.IDENTITY


class Tally:
    """A counter of scored labels, batch by batch.

    Parameters
    ----------
    targets : Targets
    posterior : KindMixture
        The mixture that scores the labels.
    reasons : sequence of Reason
        All reasons, in the order in which the summary shows them.
    faults : sequence of Fault or None, one per group, optional
        Faults of the predictions; by default there is none.
    spikes : Spikes, optional
        Labels that are right without a density; by default there are none.
    aside : Aside, optional
        Labels that are set aside; by default there are none.
    unit : float
        Factor that converts residuals to the unit of the labels, for a typical sample.
    worst : int
        Number of flags to keep.
    """

    def __init__(
        self,
        targets: Targets,
        posterior: KindMixture,
        reasons: Sequence[Reason],
        *,
        faults: Sequence[Fault | None] | None = None,
        spikes: Spikes | None = None,
        aside: Aside | None = None,
        unit: float = 1.0,
        worst: int = 10,
    ) -> None:
        self._targets, self._posterior, self._reasons = targets, posterior, reasons
        self._unit, self._most = unit, worst
        g = len(targets.partition)
        self._faults = tuple(faults) if faults is not None else (None,) * g
        self._spikes, self._settled = spikes, np.zeros(g, np.int64)
        self._aside = Aside(targets) if aside is None else aside
        self._marked, self._aside_counts = np.zeros(g, np.int64), np.zeros(len(self._aside), np.int64)
        self._samples, self._labels, self._flags = 0, np.zeros(g, np.int64), np.zeros(g, np.int64)
        self._right = np.zeros(g)
        self._kinds: Counter[str] = Counter()
        self._worst: list[tuple[float, float, int, Flag]] = []
        self._status, self._changes = posterior.status, (False,) * g
        self._runs: list[RunSummary] = []

    def add(
        self,
        labels: ScoredLabels,
        settled: NDArray[np.bool_] | None = None,
        level: RunLevel | None = None,
        marked: NDArray[np.bool_] | None = None,
    ) -> None:
        """Count the labels and flags of a batch.

        `settled` (n, g) are the labels that are right without a density. `level` is given if the runs of all samples
        are known; then there is only one batch. `marked` (n, g) are the labels that are flagged because they may mark a
        missing label.
        """
        if level is not None:
            self._status, self._changes = level.status, level.changes
            judged = [place for place in range(len(self._labels)) if self._can_judge(place)]
            self._runs = runs_worst_first(labels, level.runs, judged)
        if settled is not None:
            self._settled += settled.sum(axis=0)
        self._labels += (~np.isnan(labels.responsibilities)).sum(axis=0)
        self._flags += labels.flags.sum(axis=0)
        flags = labels.flags
        if self._aside:
            self._aside_counts += self._aside.count(labels.given, labels.predicted)
        if marked is not None:
            flags = flags & ~marked
            self._marked += marked.sum(axis=0)
        self._right += np.where(flags, labels.responsibilities, 0.0).sum(axis=0)
        self._kinds.update(labels.kinds.values())
        ranked = [
            (*self._rank(labels, place), _flag(labels, place))
            for place in islice(self._with_reason(labels, flags), self._most)
        ]
        # Equal flags keep their order, as in `worst_first`.
        self._worst = heapq.nsmallest(self._most, [*self._worst, *ranked], key=lambda each: each[:3])
        self._samples += len(labels)

    def _with_reason(self, labels: ScoredLabels, flags: NDArray[np.bool_]) -> Iterator[Place]:
        """Yield the flags, worst first, without groups that cannot be judged.

        `flags` (n, g) are the flags of labels that are no marks. A mark is yielded if a reason of the user explains it.
        """
        for place in labels.worst_first():
            if self._can_judge(place[1]) and (flags[place] or labels.kinds.get(place) not in REASONS):
                yield place

    def _can_judge(self, group: int) -> bool:
        return self._faults[group] is None and can_judge(self._status[group])

    def _rank(self, labels: ScoredLabels, place: Place) -> tuple[float, float, int]:
        row = (self._samples + place[0]) * len(self._targets.partition) + place[1]
        return float(labels.responsibilities[place]), -float(labels.mahalanobis[place]), row

    @property
    def worst(self) -> tuple[Flag, ...]:
        """The flags with the lowest responsibilities, from the lowest up. Groups without a verdict are left out."""
        return tuple(flag for *_, flag in self._worst)

    def summary(self, provenance: Provenance) -> AuditSummary:
        """Return the summary of all batches that were added."""
        posterior, history = self._posterior.base, provenance.history
        groups = tuple(self._group(place, out_of_fold=provenance.folds > 0) for place in range(len(self._labels)))
        share = self._share(groups)
        return AuditSummary(
            data=provenance.data,
            samples=self._samples,
            labels=int(self._labels.sum()),
            flags=int(self._flags.sum()),
            expected_false_flags=float(self._right.sum()),
            share=share,
            verdict=overall_verdict(groups, share, "landmarks" if self._targets.landmarks else "groups"),
            groups=groups,
            reasons=tuple(
                ReasonCount(each.name, each.words, self._kinds[each.name])
                for each in self._reasons
                if self._kinds[each.name]
            ),
            history=history,
            conflicts=provenance.conflicts,
            unreadable=provenance.unreadable,
            backbone=provenance.backbone,
            weights=provenance.weights,
            inliers=", of ".join(filter(None, (posterior.inliers, provenance.scale.words))),
            folds=provenance.folds,
            fits=sum(each.fits for each in history),
            seed=provenance.seed,
            seconds=time.perf_counter() - provenance.begun,
            version=__version__,
            runs=tuple(self._runs[:MOST_RUNS]),
            n_runs=len(self._runs),
            notices=(*provenance.notices, *self._aside.sentences(self._aside_counts)),
        )

    def _share(self, groups: Sequence[GroupSummary]) -> Share | None:
        """Return the share of wrong labels over all groups whose share is known."""
        known = [group for group in groups if group.share is not None]
        total = sum(group.labels - group.marked for group in known)
        if not total:
            return None
        share = self._posterior.share
        if share is not None and not any(self._faults) and not any(self._changes):
            return share.of_part(1 - sum(group.settled for group in known) / total)
        return Share.mean([group.share for group in known], [group.labels - group.marked for group in known])

    def _group(self, place: int, *, out_of_fold: bool) -> GroupSummary:
        posterior, unit = self._posterior.base, self._unit
        status, share = self._status[place], self._posterior.shares[place]
        marked = int(self._marked[place])
        # Labels that may mark a missing label count in no share.
        labels, flags = int(self._labels[place]) - marked, int(self._flags[place]) - marked
        fault, settled, right = self._faults[place], int(self._settled[place]), float(self._right[place])
        remark = "" if self._spikes is None else self._spikes.words(self._targets.partition[place], settled, labels)
        remark = " ".join(filter(None, (self._known_errors(place), remark)))
        if fault is not None:
            share, remark = None, ""
        elif share is not None and settled:
            share = share.of_part(1 - settled / labels)
        if fault is None and self._changes[place] and labels:
            share = _at_least_found(share, (flags - right) / labels)
        covariance = posterior.covariances[place].tolist()
        return GroupSummary(
            name=self._targets.group_names[place],
            labels=labels + marked,
            flags=flags + marked,
            expected_false_flags=right,
            share=share,
            status=status.name,
            verdict=group_verdict(
                status,
                labels=labels,
                flags=flags,
                expected_false_flags=right,
                share=share,
                heavy_tails=posterior.has_heavy_tails(place),
                fault=fault,
                out_of_fold=out_of_fold,
                settled=settled,
                marked=marked,
                remark=remark,
            ),
            prior=posterior.prior(place),
            covariance=tuple(tuple(unit**2 * value for value in row) for row in covariance),
            log_uniform_density=float(posterior.mixture.log_uniform_density_[place])
            - len(covariance) * float(np.log(unit)),
            degrees_of_freedom=posterior.degrees_of_freedom[place],
            exponent=posterior.densities.groups[place].wrong.exponent,
            radius=posterior.radius(place),
            density=TabulatedDensity.of(posterior.density(place), len(self._targets.partition[place])),
            fault="" if fault is None else fault.kind.name,
            settled=settled,
            marked=marked,
        )

    def _known_errors(self, place: int) -> str:
        """Return a sentence on the kinds of wrong labels that were found in a group; empty if there is none."""
        found = [(each.shares[place], each.kind.words) for each in self._posterior.admitted if each.shares[place] > 0]
        parts = []
        for share, words in sorted(found, reverse=True):
            undone = words[0].lower() + words[1:]
            parts.append(f"about {percent(float(share))} % {'' if undone.startswith('with ') else 'if '}{undone}")
        if not parts:
            return ""
        parts[0] = parts[0].replace("about", "About").replace(" % ", " % of the labels fit their predictions ", 1)
        return f"{', '.join(parts[:-1])}, and {parts[-1]}." if len(parts) > 1 else f"{parts[0]}."


def _at_least_found(share: Share | None, found: float) -> Share:
    """Return the share of wrong labels, which is at least the share of flagged labels that are expected to be wrong.

    Runs that the mixture of the first level does not know may have more wrong labels than this mixture counts.
    """
    if share is None:
        return Share.at_least(found, found)
    if found <= share.low:
        return share
    return Share.at_least(found, max(found, share.estimate))


def worst_of(labels: ScoredLabels, most: int = 10) -> tuple[Flag, ...]:
    """Return at most `most` flags: the flags with the lowest responsibilities, from the lowest up."""
    return tuple(_flag(labels, place) for place in labels.worst_first()[:most] if place in labels.kinds)


def _flag(labels: ScoredLabels, place: Place) -> Flag:
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
