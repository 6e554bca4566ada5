"""The scores of a table larger than memory: the mixture is fitted to a stream, the scores written batch by batch."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from deepgum.audit.image_sizes import ImageSizes
from deepgum.audit.labels import ScoredLabels, write_parts
from deepgum.audit.posterior import LabelMixture
from deepgum.audit.spool import Spool
from deepgum.audit.summary import AuditSummary, DataSource
from deepgum.audit.table_rows import IdColumn
from deepgum.audit.tally import Flag, Tally
from deepgum.audit.targets import Targets
from deepgum.audit.why import with_reasons

__all__ = ["Work", "score_stream"]


@dataclass(frozen=True)
class Work:
    """What is to be done with the rows of a table; see `score_table`."""

    targets: Targets
    data: DataSource
    out: Path | None
    inliers: str
    seed: int
    on_stage: Callable[[str], None] | None

    def say(self, sentence: str) -> None:
        """Tell whoever wants to know that something long begins."""
        if self.on_stage is not None:
            self.on_stage(sentence)


def score_stream(spool: Spool, ids: IdColumn, work: Work) -> tuple[AuditSummary, tuple[Flag, ...]]:
    """Score the rows of a spool and write the scores to `work.out`, if it is a file.

    Returns
    -------
    AuditSummary
    tuple of Flag
        The least probable labels.
    """
    started = time.perf_counter()
    targets = work.targets
    work.say("Fitting the mixture ...")
    residuals = spool.residuals(targets)
    mixture = LabelMixture.fit_batches(residuals, targets.partition, inliers=work.inliers, seed=work.seed)
    tally, unreadable = Tally(targets, mixture), ImageSizes(Path(work.data.root), [])

    def parts() -> Iterator[ScoredLabels]:
        for rows in spool:
            sizes = None if rows.images is None else ImageSizes(Path(work.data.root), rows.images)
            labels = targets.scored(mixture, ids.of(rows), rows.given, rows.predicted)
            labels = with_reasons(labels, targets, mixture, sizes)
            tally.add(labels)
            unreadable.unreadable += [] if sizes is None else sizes.unreadable
            yield labels

    work.say("Scoring the labels ...")
    if work.out is not None:
        write_parts(work.out, parts())
    else:
        deque(parts(), maxlen=0)
    unreadable.warn()
    summary = tally.summary(work.data, seed=work.seed, seconds=time.perf_counter() - started)
    return summary, tally.worst
