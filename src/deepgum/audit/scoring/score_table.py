"""Scores of a table of labels and predictions. The table may be longer than memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepgum.audit.labels import ScoredLabels, write_parts
from deepgum.audit.notices.aside import Aside
from deepgum.audit.reasons.base import Reason
from deepgum.audit.reasons.evidence import Evidence
from deepgum.audit.reasons.registry import all_reasons
from deepgum.audit.scoring.image_sizes import ImageSizes
from deepgum.audit.scoring.pairs import Pair
from deepgum.audit.scoring.pipeline import ArrayPredictions, Batch, score_predictions, the_only
from deepgum.audit.scoring.spool import Spool
from deepgum.audit.scoring.survey import Survey
from deepgum.audit.scoring.table_rows import IdColumn, Layout, Rows, read_rows
from deepgum.audit.scoring.tally import Flag, Provenance
from deepgum.audit.summary import AuditSummary, DataSource
from deepgum.audit.targets import Targets
from deepgum.checks import check_count
from deepgum.data.cell_format import CellFormat, MissingMarks
from deepgum.data.image_reading import ImageReading
from deepgum.data.swap_pairs import Swap
from deepgum.errors import InvalidParameterError, listing
from deepgum.mixture.partition import Groups
from deepgum.posteriors.inliers import AUTO, Inliers, candidates
from deepgum.posteriors.kinds.kind_mixture import KindMixture
from deepgum.posteriors.label_mixture import LabelMixture
from deepgum.posteriors.runs.run_names import Runs
from deepgum.posteriors.spikes import Spikes
from deepgum.progress import Progress
from deepgum.storage.output import check_file

__all__ = ["ScoredTable", "score_table"]

Values = NDArray[np.float64]

IN_MEMORY = 2_000_000
"""Maximum number of labels plus predictions of a table that is scored in memory. A longer table is streamed."""


@dataclass(frozen=True, eq=False)
class ScoredTable:
    """The scores of a table.

    Attributes
    ----------
    summary : AuditSummary
        The estimated share of wrong labels, and a verdict in words.
    worst : tuple of Flag
        The flagged labels with the lowest responsibilities, at most ten, from the lowest up. Groups without a verdict
        are left out.
    labels : ScoredLabels or None
        All labels; None for a table that does not fit into memory.
    pairs : tuple of Pair
        The columns of labels and predictions.
    """

    summary: AuditSummary
    worst: tuple[Flag, ...]
    labels: ScoredLabels | None
    pairs: tuple[Pair, ...]


def score_table(
    path: Path,
    *,
    pred: Sequence[str] = (),
    target: Sequence[str] = (),
    groups: Groups | None = None,
    id: str | None = None,
    image: str | None = None,
    runs: str | None = None,
    features: Sequence[str] = (),
    apply_orientation: bool = False,
    periods: Mapping[str, float] | None = None,
    swap_pairs: Swap = (),
    unit: str = "",
    missing: Any = (),
    decimal: str = ".",
    thousands: str = "",
    out: Path | None = None,
    inliers: Inliers = AUTO,
    seed: int = 0,
    reasons: Sequence[Reason | type[Reason] | str] = (),
    in_memory: int = IN_MEMORY,
    on_stage: Callable[[str], None] | None = None,
    on_progress: Progress | None = None,
) -> ScoredTable:
    r"""Return the probability that each label of a table is right, given the predictions in the same table.

    See `score_labels`.

    Parameters
    ----------
    path : Path
        A CSV or Parquet file; `deepgum.data.columns.read_columns` reads the file.
    pred, target : sequences of str
        Columns of predictions (`pred`) and of labels (`target`), or patterns with a star. By default, the names of the
        columns decide. See `find_pairs`.
    groups : see `score_labels`, optional
        If the columns of x and y of a landmark are not next to each other, they are first sorted by their names.
    id : str, optional
        Column of unique names of the samples; by default the column ``id``. If there is no such column, the names are
        the image files. If there is no `image` column either, the names are the positions of the rows.
    image : str, optional
        Column of image files, relative to the folder of the table. For flagged samples, the size of the image is read.
    runs : str, optional
        Column of runs, whose labels may be wrong together: a day, a batch, a sensor, an annotator or a source. See
        `score_labels`. The table must fit in memory.
    features : sequence of str
        Columns that a report shows beside a flagged label, with patterns and ranges. They change no score, and are
        neither labels nor predictions.
    apply_orientation : bool
        Whether landmarks are in pixels of the images turned as their files say (EXIF). By default it is not known which
        of both they are in: a label is outside of an image if it is outside of both, and a report shows images as they
        are stored.
    periods, swap_pairs, unit, inliers, seed, reasons
        See `score_labels`. The keys of `periods` are names of targets. A long table is scored in batches, and a reason
        is then applied to one batch at a time.
    missing : number, str, point, or list of them
        What marks a missing label, in addition to empty cells and the usual words (NA, null, None, #N/A, ...): a number
        ``-9999``, a word ``"?"``, or for landmarks a point ``(0, 0)``. Several numbers are a list: ``[0, -1]``.
    decimal, thousands : str
        The decimal separator and the separator of thousands of numbers in text.
    out : Path, optional
        File for the scores, with one row per sample and group, in the order of the table. The format is CSV if the name
        ends in .csv, otherwise Parquet. An existing file is replaced, unless it is the table itself.
    in_memory : int
        Maximum number of labels plus predictions in memory. A longer table is scored as a stream: one batch is in
        memory, and all numbers are in a temporary file in the folder of `out` (in the temporary folder of the system if
        `out` is None).
    on_stage : callable, optional
        Called with a sentence that describes the step, when a long step begins.
    on_progress : callable, optional
        Called as ``on_progress(done, 100)`` with the finished percentage of the scoring.

    Raises
    ------
    InvalidParameterError, InvalidDataError
        In the same cases as in `score_labels`; the message names the first invalid cell. Also if a file cannot be read,
        columns cannot be paired, `out` is the table itself, or a table that does not fit in memory has runs.
    DiskFullError
        If a disk cannot hold the numbers of a long table.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "ages.csv"
    ...     ages = [(age, age + rng.normal(0, 2) + 30 * (age % 10 == 0)) for age in range(20, 90)]
    ...     _ = path.write_text("pred_age,age\n" + "".join(f"{a},{b:.1f}\n" for a, b in ages))
    ...     table = score_table(path, out=Path(folder) / "scores.csv")
    ...     print((Path(folder) / "scores.csv").read_text().splitlines()[1].split(",")[:2])
    ['"ages:line 2"', '"age"']
    >>> table.summary.flags, sorted(flag.id for flag in table.worst)[:2]
    (7, ['ages:line 12', 'ages:line 2'])
    """
    begun = time.perf_counter()
    check_count("in_memory", in_memory, least=0)
    candidates(inliers)
    rules = all_reasons(reasons)
    if out is not None:
        check_file(out, suffixes=(), inputs=[path])
    form = CellFormat(MissingMarks.of(missing), decimal, thousands)
    layout = Layout.of(path, pred, target, groups=groups, id=id, image=image, runs=runs, features=features, form=form)
    targets = Targets.of(layout.names, groups, periods=periods, unit=unit, swap_pairs=swap_pairs)
    if apply_orientation and image is None:
        raise InvalidParameterError("apply_orientation", "left out for a table without `image`", apply_orientation)
    data = _source(layout, targets, apply_orientation)
    predicted = listing([pair.predicted for pair in layout.pairs], 3)
    provenance = Provenance(data, seed, begun, backbone=predicted, notices=layout.notices)
    rows = _SurveyedRows(layout)
    reading = ImageReading(True) if apply_orientation else None
    builder = _BatchBuilder(targets, rows.ids, ImageSizes(Path(data.root), reading))
    parts, values = [], 0
    for part in rows:
        parts.append(part)
        values += 2 * part.given.size
        if values > in_memory:
            break
    else:
        rows.finish(parts)
        predictions = ArrayPredictions(builder.batch(Rows.joined(parts)), targets, inliers, seed)
        labels, summary, worst = score_predictions(predictions, targets, rules, provenance, the_only, on_progress)
        builder.images.warn()
        if out is not None:
            labels.write(out)
        return ScoredTable(summary, worst, labels, layout.pairs)

    def say(sentence: str) -> None:
        if on_stage is not None:
            on_stage(sentence)

    def write(parts: Iterator[ScoredLabels]) -> None:
        if out is not None:
            write_parts(out, parts)
        else:
            for _ in parts:
                pass

    if runs is not None:
        expected = f"left out for a table with more than {in_memory:,} numbers"
        hint = (
            "The shares of runs need all rows in memory. Score a part of the columns, or raise `in_memory` in Python."
        )
        raise InvalidParameterError("runs", expected, runs, hint)
    say(f"The table has more than {in_memory:,} numbers: the table is read once, and then scored in batches.")
    with Spool(None if out is None else out.parent) as spool:
        spool.write(chain(parts, rows))
        parts.clear()
        rows.finish(spool)
        stream = _StreamPredictions(spool, builder, inliers, seed, say)
        _, summary, worst = score_predictions(stream, targets, rules, provenance, write, on_progress)
        builder.images.warn()
        return ScoredTable(summary, worst, None, layout.pairs)


class _SurveyedRows(Iterator[Rows]):
    """The rows of a table, which are read once. Each part of the rows is checked, and the ids are stored."""

    def __init__(self, layout: Layout) -> None:
        self._rows = read_rows(layout)
        self._survey = Survey(layout.names)
        self.ids = IdColumn(layout)

    def __next__(self) -> Rows:
        rows = next(self._rows)
        self._survey.add(rows.given, rows.predicted, rows.places)
        self.ids.add(rows)
        return rows

    def finish(self, parts: Iterable[Rows]) -> None:
        """Raise an error if `Survey.check` refuses the table, or an id is repeated in the table."""
        self._survey.check()
        self.ids.check(parts)


@dataclass(frozen=True, eq=False)
class _BatchBuilder:
    """A converter of rows to batches."""

    targets: Targets
    ids: IdColumn
    images: ImageSizes

    def batch(self, rows: Rows) -> Batch:
        sizes = None if rows.images is None else self.images.sizes(rows.images)
        comparison = self.targets.comparison(rows.given, rows.predicted)
        return Batch(
            self.ids.names_of(rows),
            rows.given,
            rows.predicted,
            comparison,
            evidence=Evidence(sizes=sizes),
            runs=None if rows.runs is None else Runs.of(rows.runs),
            whole_ids=self.ids.whole,
        )


@dataclass(frozen=True, eq=False)
class _StreamPredictions:
    """Predictions from a spool (the temporary file). Each part of the spool is one batch; see `Predictions`."""

    spool: Spool
    builder: _BatchBuilder
    inliers: Inliers
    seed: int
    say: Callable[[str], None]

    unit, fit_share = 1.0, 50

    @property
    def n_batches(self) -> int:
        return len(self.spool)

    @cached_property
    def _pairs(self) -> tuple[Values, Values]:
        return self.spool.pairs()

    @cached_property
    def aside(self) -> Aside:
        return Aside.of(*self._pairs, self.builder.targets)

    @cached_property
    def spikes(self) -> Spikes:
        return Spikes.of(*self.sample(), self.builder.targets.periods)

    def sample(self) -> tuple[Values, Values]:
        given, predicted = self._pairs
        return self.aside.without(given, predicted), predicted

    def posterior(self, on_progress: Progress | None = None) -> KindMixture:
        self.say("Fitting the mixture ...")
        targets = self.builder.targets
        residuals = self.spool.residuals(self.aside, self.spikes)
        base = LabelMixture.fit_batches(
            residuals, targets.partition, inliers=self.inliers, seed=self.seed, on_progress=on_progress
        )
        given, predicted = self.sample()
        comparison = targets.comparison(given, predicted)
        others = self.spikes.others(comparison.residuals, given, predicted, targets.partition)
        return KindMixture(base).with_kinds(comparison, residuals=others, inliers=self.inliers, seed=self.seed)

    def batches(self) -> Iterator[Batch]:
        self.say("Scoring the labels ...")
        return (self.builder.batch(rows).without(self.aside) for rows in self.spool)


def _source(layout: Layout, targets: Targets, apply_orientation: bool) -> DataSource:
    path = layout.path.resolve()
    options = {
        "targets": list(layout.names),
        "id": layout.id,
        "image": layout.image,
        "features": list(layout.features) or None,
        "apply_orientation": apply_orientation or None,
        "landmarks": targets.landmarks if layout.image is not None else None,
        "swap_pairs": [list(pair) for pair in targets.swap_pairs] or None,
        **layout.form.options,
    }
    return DataSource(
        name="table",
        path=str(path),
        options={name: value for name, value in options.items() if value is not None},
        root=str(path.parent) if layout.image is not None else "",
        landmarks=targets.landmarks,
        unit=targets.unit,
        swap_pairs=targets.swap_pairs,
    )
