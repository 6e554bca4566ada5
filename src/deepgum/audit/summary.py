"""The summary of an audit or of scores, in numbers and words: the head of the report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from deepgum.errors import InvalidParameterError
from deepgum.mixture import MixtureStatus
from deepgum.posteriors.shares import Share
from deepgum.posteriors.tabulated import TabulatedDensity
from deepgum.storage.decoding import decoding, read_json
from deepgum.storage.disk import write_atomically
from deepgum.storage.nested import build
from deepgum.storage.upgrade import upgraded_options

__all__ = ["AuditSummary", "DataSource", "GroupSummary", "ReasonCount", "Round", "RunSummary"]

FORMAT = "deepgum-audit 1"

_FEW_GROUPS, _WORST_GROUPS = 12, 6
"""Largest number of groups that a short text lists, and the number of groups that it lists if there are more."""


@dataclass(frozen=True)
class GroupSummary:
    """One group of labels (a landmark, a coordinate, or all labels of a sample) and the mixture of its residuals.

    Attributes
    ----------
    name : str
    labels, flags : int
        Number of labels, and number of flagged labels.
    expected_false_flags : float
        Expected number of flagged labels that are right.
    share : Share or None
        Share of wrong labels; None where the mixture cannot estimate it.
    status : str
        Name of a `deepgum.MixtureStatus`.
    verdict : str
        The result in words.
    prior : float
        pi of eq. 1: the prior probability that a label is right.
    covariance : tuple of tuples of float
        Sigma of eq. 1, (k, k), for residuals in the unit of the labels.
    log_uniform_density : float
        Log of the uniform density of eq. 1.
    degrees_of_freedom : float or None
        Degrees of freedom, if the density of right labels is Student's t; None for a Gaussian or another density.
    exponent, radius : float or None
        b (`exponent`) and R (`radius`) of the density of wrong labels; see `deepgum.posteriors.power_law`. R is in
        standard deviations of right labels.
    density : TabulatedDensity or None
        Table of the density of right labels; None for a Gaussian or Student's t.
    fault : str
        Name of a `deepgum.audit.faults.FaultKind`: why the predictions cannot judge the labels of this group.
        Empty if they can.
    settled : int
        Number of labels that are right without a density; see `deepgum.posteriors.spikes`.
    marked : int
        Number of flagged labels with a value that may mark a missing label. They count in no share and in no verdict;
        see `deepgum.audit.notices`.
    """

    name: str
    labels: int
    flags: int
    expected_false_flags: float
    share: Share | None
    status: str
    verdict: str
    prior: float
    covariance: tuple[tuple[float, ...], ...]
    log_uniform_density: float
    degrees_of_freedom: float | None = None
    exponent: float | None = None
    radius: float | None = None
    density: TabulatedDensity | None = None
    fault: str = ""
    settled: int = 0
    marked: int = 0

    def __post_init__(self) -> None:
        rows = self.covariance
        if not rows or any(len(row) != len(rows) or row[i] < 0 for i, row in enumerate(rows)):
            raise InvalidParameterError("covariance", "a square matrix without negative variances", rows)

    @property
    def has_remark(self) -> bool:
        """Whether the verdict tells more than the numbers of labels and flags, and the share, tell."""
        plain = self.status in (MixtureStatus.CONVERGED.name, MixtureStatus.NO_OUTLIERS.name)
        return self.share is None or not plain or self.fault != "" or self.settled > 0


@dataclass(frozen=True)
class ReasonCount:
    """A reason: its name, its description in words, and the number of flags with this reason."""

    name: str
    words: str
    flags: int


@dataclass(frozen=True)
class RunSummary:
    """The labels of one run: a day, a batch, a sensor, an annotator or a source.

    Attributes
    ----------
    name : str
    labels, flags : int
        Number of labels that can be judged, and number of flagged labels.
    share : Share
        Share of wrong labels in the run, with a lower bound.
    reason : str
        The name of the most frequent reason of the flags; empty if no label is flagged.
    """

    name: str
    labels: int
    flags: int
    share: Share
    reason: str


@dataclass(frozen=True)
class Round:
    """A round of an audit: numbers of fits, flags and changed flags, share of wrong labels, and duration in seconds."""

    round: int
    fits: int
    flags: int
    changed: int
    share: float | None
    seconds: float


@dataclass(frozen=True)
class DataSource:
    """Where the data of an audit are and how to read them, so that a later command can show and correct the labels.

    Attributes
    ----------
    name : str
        A key of `deepgum.data.sets.registry.DATASETS`, the path of a plug-in, or "arrays".
    path : str
        The folder of the data, or the file of a table; empty if there is neither folder nor file.
    options : mapping
        Options of the data set.
    root : str
        The folder of the image files; empty if inputs are not image files.
    landmarks : bool
        Whether labels are coordinates of landmarks, x y x y ..., in pixels of the image file.
    unit : str
        Unit of the labels, for messages and reports: "px", "years".
    swap_pairs : tuple of (int, int)
        Pairs of left and right landmarks.
    skeleton : tuple of (int, int)
        Pairs of landmarks that a line connects in pictures; empty in summaries of version 0.1.0.
    """

    name: str
    path: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    root: str = ""
    landmarks: bool = False
    unit: str = ""
    swap_pairs: tuple[tuple[int, int], ...] = ()
    skeleton: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        for name in ("path", "root"):
            if "\0" in getattr(self, name):
                raise InvalidParameterError(name, "a path, which has no null character", getattr(self, name))


@dataclass(frozen=True)
class AuditSummary:
    """The result of an audit or of scores, without the labels themselves.

    Attributes
    ----------
    data : DataSource
    samples, labels, flags : int
        Numbers of samples, labels and flagged labels. All labels of one group in one sample count as one label; missing
        labels do not count.
    expected_false_flags : float
        Expected number of flagged labels that are right, computed from the posteriors.
    share : Share or None
        Share of wrong labels; None where the mixture cannot estimate it.
    verdict : str
        The result in words.
    groups : tuple of GroupSummary
    reasons : tuple of ReasonCount
        The reasons of the flagged labels, from the lowest rank up; empty in summaries of version 0.1.0.
    history : tuple of Round
    conflicts : tuple of tuples of str
        Ids of identical samples with different labels, one tuple for each group of identical samples.
    unreadable : mapping of str to str
        Error message for each sample that could not be read.
    backbone, inliers : str
        The origin of the predictions (`backbone`) and the chosen density of right labels (`inliers`), in words.
    runs : tuple of RunSummary
        The runs, from the largest share of wrong labels down, at most 1,000; empty if the runs are unknown.
    n_runs : int
        Number of all runs.
    notices : tuple of str
        Sentences on the data, which a reader must know before the verdict: each says what was found, and the option to
        type. Empty in summaries of earlier versions.
    weights : str
        The SHA-256 of the file of weights with which the networks began; empty if there is none, or in summaries of
        version 0.1.0.
    folds, fits, seed : int
    seconds : float
    version : str
        Version of deepgum that wrote the summary.
    """

    data: DataSource
    samples: int
    labels: int
    flags: int
    expected_false_flags: float
    share: Share | None
    verdict: str
    groups: tuple[GroupSummary, ...]
    reasons: tuple[ReasonCount, ...] = ()
    history: tuple[Round, ...] = ()
    conflicts: tuple[tuple[str, ...], ...] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)
    backbone: str = ""
    inliers: str = "Gaussian"
    folds: int = 0
    fits: int = 0
    seed: int = 0
    seconds: float = 0.0
    version: str = ""
    weights: str = ""
    runs: tuple[RunSummary, ...] = ()
    n_runs: int = 0
    notices: tuple[str, ...] = ()

    @property
    def flagged_runs(self) -> tuple[RunSummary, ...]:
        """The runs of `runs` that have flagged labels."""
        return tuple(run for run in self.runs if run.flags)

    @property
    def noun(self) -> str:
        """The word for the groups of labels, in the plural: landmarks or groups."""
        return "landmarks" if self.data.landmarks else "groups"

    @property
    def shown_groups(self) -> tuple[GroupSummary, ...]:
        """The groups for a short text: all of a few groups in their order, otherwise those with the most flags, from
        the most down.

        Examples
        --------
        >>> flags = [*range(13), 5]
        >>> groups = [GroupSummary(f"p{n}", 9, n, 0.0, None, "", "", 1.0, ((1.0,),), 0.0) for n in flags]
        >>> summary = AuditSummary(DataSource("arrays"), 9, 126, 83, 0.0, None, "", tuple(groups))
        >>> [group.name for group in summary.shown_groups]
        ['p12', 'p11', 'p10', 'p9', 'p8', 'p7']
        """
        if len(self.groups) <= _FEW_GROUPS:
            return self.groups
        return tuple(sorted(self.groups, key=lambda group: -group.flags)[:_WORST_GROUPS])

    @property
    def other_groups(self) -> str:
        """A sentence on the groups that are not in `shown_groups`; empty if there is none."""
        shown = self.shown_groups
        flags = self.flags - sum(group.flags for group in shown)
        others = len(self.groups) - len(shown)
        words = "no flagged label" if not flags else f"{flags:,} flagged label{'s' if flags > 1 else ''}"
        return f"And {others:,} more {self.noun}, with {words}." if others else ""

    def other_runs(self, shown: int) -> str:
        """Return a sentence on the runs that are not among the first `shown` of `flagged_runs`.

        Examples
        --------
        >>> run = RunSummary("monday", 30, 0, Share.at_least(0.0, 0.0), "")
        >>> summary = AuditSummary(DataSource("arrays"), 30, 30, 0, 0.0, None, "", (), runs=(run,), n_runs=1)
        >>> summary.other_runs(0)
        'No label of the only run is flagged.'
        """
        others = self.n_runs - shown
        if not others:
            return ""
        which = "1 other run" if others == 1 else f"{others:,} other runs"
        if len(self.flagged_runs) > shown or len(self.runs) < self.n_runs:
            return f"And {which}."
        if not shown:
            which = "only run" if others == 1 else f"{others:,} runs"
            return f"No label of the {which} is flagged."
        return f"No label of the {which.removeprefix('1 ')} is flagged."

    def write(self, path: Path) -> None:
        """Write a JSON file atomically."""
        with write_atomically(path) as temporary:
            text = json.dumps({"format": FORMAT, **asdict(self)}, indent=2, ensure_ascii=False, allow_nan=False)
            temporary.write_text(text + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> AuditSummary:
        """Read a file that `write` wrote.

        Raises
        ------
        InvalidDataError
            If the file does not exist or is no summary.
        """
        content = "the summary of an audit"
        values = read_json(path, content)
        with decoding(path, content):
            if values.pop("format") != FORMAT:
                raise ValueError(f"its format should be {FORMAT!r}")
            data = values.get("data")
            if isinstance(data, dict) and isinstance(data.get("options"), dict):
                data["options"] = upgraded_options(str(data.get("name")), data["options"])
            summary: AuditSummary = build(cls, values)
            return summary
