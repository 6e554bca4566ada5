"""Scores of a table of predictions and labels, of any model and of any length."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from deepgum.audit.labels import ScoredLabels, write_parts
from deepgum.audit.reasons.base import Reason
from deepgum.audit.reasons.case import Evidence
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
from deepgum.errors import InvalidParameterError
from deepgum.mixture.partition import Groups
from deepgum.posteriors.inliers import AUTO, Inliers, candidates
from deepgum.posteriors.label_mixture import LabelMixture

__all__ = ["ScoredTable", "score_table"]

IN_MEMORY = 2_000_000
"""Labels and predictions of a table that is scored in memory; a longer table is scored as a stream."""


@dataclass(frozen=True, eq=False)
class ScoredTable:
    """The scores of a table.

    Attributes
    ----------
    summary : AuditSummary
        The estimated share of wrong labels, and a verdict in words: what can be told and what not.
    worst : tuple of Flag
        The least probable labels, at most ten, the least probable first; none of groups that cannot be judged.
    labels : ScoredLabels or None
        All labels; None for a table that is not held in memory.
    pairs : tuple of Pair
        The columns of labels and of their predictions.
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
    periods: Mapping[str, float] | None = None,
    swap_pairs: Sequence[tuple[int, int]] = (),
    unit: str = "",
    out: Path | None = None,
    inliers: Inliers = AUTO,
    seed: int = 0,
    reasons: Sequence[Reason | type[Reason] | str] = (),
    in_memory: int = IN_MEMORY,
    on_stage: Callable[[str], None] | None = None,
) -> ScoredTable:
    r"""Return how probably each label of a table is right, given the predictions beside it; see `score_labels`.

    Parameters
    ----------
    path : Path
        A CSV or Parquet file, read as by `deepgum.data.columns.read_columns`.
    pred, target : sequences of str
        Columns of predictions and labels, or patterns; by default found by name. See `find_pairs`.
    groups : see `score_labels`, optional
        Landmarks whose x and y are not side by side are put in order by their names.
    id : str, optional
        Column of unique names; by default the one called ``id``. Without one, image files are the names, or else the
        positions of the rows.
    image : str, optional
        Column of image files, relative to the table's folder. The sizes of flagged images are read.
    periods, swap_pairs, unit, inliers, seed, reasons
        See `score_labels`; periods by the names of the targets. A long table is scored in batches, and a reason then
        sees one batch at a time.
    out : Path, optional
        File for the scores, one row per sample and group in the order of the table: CSV if it ends so, otherwise
        Parquet.
    in_memory : int
        Labels and predictions that may be held in memory. A longer table is scored as a stream: one batch is in memory,
        and its numbers are on the disk of `out` (without `out`, where temporary files are).
    on_stage : callable, optional
        Called with a sentence when a long step begins.

    Raises
    ------
    InvalidParameterError, InvalidDataError
        See `score_labels`; the message names the first such cell. Also if a file cannot be read, columns do not belong
        together, or `out` is the table itself.
    DiskFullError
        If a disk cannot hold a long table's numbers.

    Examples
    --------
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
    if out is not None and out.exists() and out.samefile(path):
        raise InvalidParameterError("out", "another file than the table", str(out))
    layout = Layout.of(path, pred, target, groups=groups, id=id, image=image)
    targets = Targets.of(layout.names, groups, periods=periods, unit=unit, swap_pairs=swap_pairs)
    data = _source(layout, targets)
    provenance = Provenance(data, seed, begun)
    rows = _SurveyedRows(layout)
    form = _BatchForm(targets, rows.ids, ImageSizes(Path(data.root)))
    held, values = [], 0
    for part in rows:
        held.append(part)
        values += 2 * part.given.size
        if values > in_memory:
            break
    else:
        rows.finish(held)
        predictions = ArrayPredictions(form.batch(Rows.joined(held)), targets, inliers, seed)
        labels, summary, worst = score_predictions(predictions, targets, rules, provenance, the_only)
        form.images.warn()
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

    say(f"The table has more than {in_memory:,} numbers: it is read once, and then scored in batches.")
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".deepgum-score-", dir=None if out is None else out.parent) as folder:
        spool = Spool(Path(folder) / "rows.arrow")
        spool.write(chain(held, rows))
        held.clear()
        rows.finish(spool)
        stream = _StreamPredictions(spool, form, inliers, seed, say)
        _, summary, worst = score_predictions(stream, targets, rules, provenance, write)
        form.images.warn()
        return ScoredTable(summary, worst, None, layout.pairs)


class _SurveyedRows(Iterator[Rows]):
    """The rows of a table, read once; each part is checked and its ids are counted as it is read."""

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
        """Refuse a table that cannot tell wrong labels from right ones, and repeated ids among all its parts."""
        self._survey.check()
        self.ids.check(parts)


@dataclass(frozen=True, eq=False)
class _BatchForm:
    """Makes batches of rows."""

    targets: Targets
    ids: IdColumn
    images: ImageSizes

    def batch(self, rows: Rows) -> Batch:
        sizes = None if rows.images is None else self.images.sizes(rows.images)
        residuals = self.targets.residuals(rows.given, rows.predicted)
        return Batch(self.ids.names_of(rows), rows.given, rows.predicted, residuals, evidence=Evidence(sizes=sizes))


@dataclass(frozen=True, eq=False)
class _StreamPredictions:
    """The rows of a spool, one batch per part; see `Predictions`."""

    spool: Spool
    form: _BatchForm
    inliers: Inliers
    seed: int
    say: Callable[[str], None]

    unit = 1.0

    def posterior(self) -> LabelMixture:
        self.say("Fitting the mixture ...")
        targets = self.form.targets
        residuals = self.spool.residuals(targets)
        return LabelMixture.fit_batches(residuals, targets.partition, inliers=self.inliers, seed=self.seed)

    def batches(self) -> Iterator[Batch]:
        self.say("Scoring the labels ...")
        return map(self.form.batch, self.spool)


def _source(layout: Layout, targets: Targets) -> DataSource:
    path = layout.path.resolve()
    options = {
        "targets": [pair.target for pair in layout.pairs],
        "id": layout.id,
        "image": layout.image,
        "landmarks": targets.landmarks if layout.image is not None else None,
        "swap_pairs": [list(pair) for pair in targets.swap_pairs] or None,
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
