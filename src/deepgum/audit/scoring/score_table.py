"""Wrong labels from a table of predictions, of any model and of any length: `score_table`."""

from __future__ import annotations

import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from deepgum.audit.labels import ScoredLabels, write_parts
from deepgum.audit.reasons.explain import with_reasons
from deepgum.audit.scoring.image_sizes import ImageSizes
from deepgum.audit.scoring.pairs import Pair
from deepgum.audit.scoring.score import score_targets
from deepgum.audit.scoring.spool import Spool
from deepgum.audit.scoring.survey import Survey
from deepgum.audit.scoring.table_rows import IdColumn, Layout, Rows, read_rows
from deepgum.audit.scoring.tally import Flag, Tally
from deepgum.audit.summary import AuditSummary, DataSource
from deepgum.audit.targets import Targets
from deepgum.checks import check_count
from deepgum.errors import InvalidParameterError
from deepgum.mixture.partition import Groups
from deepgum.posteriors.inliers import AUTO, Inliers, candidates
from deepgum.posteriors.label_mixture import LabelMixture

__all__ = ["ScoredTable", "Work", "score_stream", "score_table"]


@dataclass(frozen=True)
class Work:
    """What is to be done with the rows of a table; see `score_table`."""

    targets: Targets
    data: DataSource
    out: Path | None
    inliers: Inliers
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


IN_MEMORY = 2_000_000


@dataclass(frozen=True, eq=False)
class ScoredTable:
    """What a mixture says of the labels of a table.

    Attributes
    ----------
    summary : AuditSummary
        The estimated share of wrong labels, and what can be told and what not, in words.
    worst : tuple of Flag
        The least probable labels, at most ten, the least probable first; none of groups of which nothing can be told.
    labels : ScoredLabels or None
        All of them; None of a table that was not held in memory.
    pairs : tuple of Pair
        The columns of labels, and of the predictions that they were scored by.
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
    in_memory: int = IN_MEMORY,
    on_stage: Callable[[str], None] | None = None,
) -> ScoredTable:
    r"""Return how probable each label of a table is, given the predictions beside it; see `score_labels`.

    Parameters
    ----------
    path : Path
        A CSV or Parquet file, read as `deepgum.data.columns.read_columns` says.
    pred, target : sequences of str
        Columns of predictions and labels, or patterns; by default found by name. See `find_pairs`.
    groups : as of `score_labels`, optional
        Landmarks whose x and y do not stand side by side are put in order by their names.
    id : str, optional
        Column of names, each once; by default the one called ``id``. Without one, image files are the names, or else
        the places of the rows.
    image : str, optional
        Column of image files, relative to the table's folder. Of flagged samples their sizes are looked up.
    periods, swap_pairs, unit, inliers, seed
        As of `score_labels`; periods by the names of the targets.
    out : Path, optional
        A file for the scores, a row a sample and group in the order of the table: CSV if it ends so, otherwise Parquet.
    in_memory : int
        Labels and predictions that may be held in memory. Of a longer table one batch is, twice its numbers are on the
        disk of `out` (without it, where temporary files are), and the mixture is fitted to a stream.
    on_stage : callable, optional
        Called with a sentence when something long begins.

    Raises
    ------
    InvalidParameterError, InvalidDataError
        As `score_labels`, about the first cell in question; or a file that cannot be read, columns that do not belong
        together, or an `out` that is the table itself.
    DiskFullError
        If a disk cannot hold a long table's numbers.

    Examples
    --------
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
    check_count("in_memory", in_memory, least=0)
    candidates(inliers)
    if out is not None and out.exists() and out.samefile(path):
        raise InvalidParameterError("out", "another file than the table", str(out))
    layout = Layout.of(path, pred, target, groups=groups, id=id, image=image)
    targets = Targets.of(layout.names, groups, periods=periods, unit=unit, swap_pairs=swap_pairs)
    work = Work(targets, _source(layout, targets), out, inliers, seed, on_stage)
    parts = _Checked(layout)
    held, values = [], 0
    for rows in parts:
        held.append(rows)
        values += 2 * rows.given.size
        if values > in_memory:
            break
    else:
        parts.finish(held)
        return ScoredTable(*_in_memory(parts.ids, held, work), layout.pairs)
    work.say(f"The table has more than {in_memory:,} numbers: it is read through once, and then scored in batches.")
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".deepgum-score-", dir=None if out is None else out.parent) as folder:
        spool = Spool(Path(folder) / "rows.arrow")
        spool.write(chain(held, parts))
        held.clear()
        parts.finish(spool)
        return ScoredTable(*score_stream(spool, parts.ids, work), None, layout.pairs)


class _Checked(Iterator[Rows]):
    """The rows of a table, each once, and what is to be known of all of them."""

    def __init__(self, layout: Layout) -> None:
        self._rows = read_rows(layout)
        self._survey = Survey(layout.names)
        self.ids = IdColumn(layout)

    def __next__(self) -> Rows:
        rows = next(self._rows)
        self._survey.add(rows.given, rows.predicted, rows.places)
        self.ids.add(rows)
        return rows

    def finish(self, seen: Iterable[Rows]) -> None:
        """Refuse rows of which nothing could be told, and ids that come twice."""
        self._survey.check()
        self.ids.check(seen)


def _in_memory(ids: IdColumn, held: Sequence[Rows], work: Work) -> tuple[AuditSummary, tuple[Flag, ...], ScoredLabels]:
    names = [name for rows in held for name in ids.of(rows)]
    given, predicted = (np.concatenate(values) for values in zip(*((r.given, r.predicted) for r in held), strict=True))
    images = [name for rows in held for name in rows.images or ()]
    sizes = ImageSizes(Path(work.data.root), images) if images else None
    scored = score_targets(
        work.targets, work.data, names, given, predicted, sizes=sizes, inliers=work.inliers, seed=work.seed
    )
    if sizes is not None:
        sizes.warn()
    if work.out is not None:
        scored.labels.write(work.out)
    return scored.summary, scored.worst, scored.labels


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
