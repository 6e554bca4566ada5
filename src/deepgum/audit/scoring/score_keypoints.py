"""Scores of a keypoint file with the predictions of a model in a second file."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepgum.audit.reasons.base import Reason
from deepgum.audit.reasons.evidence import Evidence, Sizes
from deepgum.audit.reasons.registry import all_reasons
from deepgum.audit.scoring.image_sizes import ImageSizes
from deepgum.audit.scoring.pipeline import ArrayPredictions, Batch, score_predictions, the_only
from deepgum.audit.scoring.score_table import ScoredTable
from deepgum.audit.scoring.survey import check_samples
from deepgum.audit.scoring.tally import Provenance
from deepgum.audit.summary import DataSource
from deepgum.audit.targets import Targets
from deepgum.data.image_reading import ImageReading
from deepgum.data.keypoint_matching import instance_boxes, match
from deepgum.data.keypoints import Keypoints, placed
from deepgum.data.sets.keypoint_file import KeypointFile
from deepgum.data.sets.registry import detect, get_dataset
from deepgum.errors import InvalidDataError, InvalidParameterError, listing
from deepgum.posteriors.inliers import AUTO, Inliers, candidates
from deepgum.posteriors.kinds.comparison import Comparison
from deepgum.progress import Progress
from deepgum.storage.output import check_file

__all__ = ["keypoint_format", "score_keypoints"]

Values = NDArray[np.float64]

UNIT = "px"


@dataclass(frozen=True, eq=False)
class _InstancePredictions(ArrayPredictions):
    """Predictions of instances of different sizes. Residuals are divided by the size of the instance.

    Attributes
    ----------
    offset, factor : arrays (n, d)
        Place and size of the frame of each instance, in pixels. The check of the predictions compares labels and
        predictions in this frame: in pixels, the place of the instance alone would look like a relation.
    """

    offset: Values | float = 0.0
    factor: Values | float = 1.0

    @property
    def unit(self) -> float:  # type: ignore[override]
        """Factor that converts residuals to pixels, for a typical instance."""
        return float(np.median(self.factor))

    def sample(self) -> tuple[Values, Values]:
        """Return labels and predictions of all rows, in the frame of the instance."""
        given, predicted = ((values - self.offset) / self.factor for values in (self.batch.given, self.batch.predicted))
        return given, predicted


def keypoint_format(path: Path) -> KeypointFile | None:
    """Return the keypoint format of a file or folder, or None if it has another content."""
    try:
        form = detect(path)
    except InvalidParameterError:
        return None
    return form if isinstance(form, KeypointFile) else None


def score_keypoints(
    path: Path,
    predictions: Path,
    *,
    dataset: str | None = None,
    options: Mapping[str, Any] | None = None,
    out: Path | None = None,
    inliers: Inliers = AUTO,
    seed: int = 0,
    reasons: Sequence[Reason | type[Reason] | str] = (),
    on_stage: Callable[[str], None] | None = None,
    on_progress: Progress | None = None,
) -> ScoredTable:
    """Return the probability that each keypoint of a file is right, given the predictions of a model in another file.

    Labelled and predicted instances of an image are paired by their similarity; see `deepgum.data.keypoint_matching`.
    Instances without a predicted partner, and keypoints without a prediction, have no verdict; a notice counts them.

    Parameters
    ----------
    path : Path
        The keypoint file.
    predictions : Path
        The predictions in the format that belongs to the file; COCO results (JSON) for a COCO file. Some formats may
        have labels and predictions in one file; then this is the keypoint file.
    dataset : str, optional
        Name of the format; by default it is detected.
    options : mapping, optional
        Options of the format, for example ``{"category": "person"}`` for a COCO file. The images are used only to find
        labels outside of their image.
    out, inliers, seed, reasons, on_stage, on_progress
        See `score_table`.

    Raises
    ------
    InvalidParameterError, InvalidDataError
        If a file is not in its format, fewer than 10 instances have predictions, or an option does not fit the format.

    Examples
    --------
    >>> import json
    >>> import tempfile
    >>> rng = np.random.default_rng(0)
    >>> labels = rng.uniform(0, 50, (40, 1, 2)) + [[0.0, 0.0], [20.0, 30.0]]
    >>> predicted = labels + rng.normal(0, 0.5, labels.shape)
    >>> labels[7, 0] += 15  # wrong
    >>> def instances(points, v):
    ...     return [
    ...         {"id": i, "image_id": i, "category_id": 1, "keypoints": [t for x, y in p.tolist() for t in (x, y, v)]}
    ...         for i, p in enumerate(points)
    ...     ]
    >>> category = {"id": 1, "name": "cat", "keypoints": ["nose", "tail"]}
    >>> images = [{"id": i, "file_name": f"{i}.jpg"} for i in range(40)]
    >>> content = {"images": images, "annotations": instances(labels, 2), "categories": [category]}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path, results = Path(folder) / "labels.json", Path(folder) / "results.json"
    ...     _ = path.write_text(json.dumps(content)), results.write_text(json.dumps(instances(predicted, 0.9)))
    ...     scored = score_keypoints(path, results, inliers="gaussian")
    >>> [(flag.id, flag.group) for flag in scored.worst]
    [('7.jpg', 'nose')]
    """
    begun = time.perf_counter()
    candidates(inliers)
    rules = all_reasons(reasons)
    if out is not None:
        check_file(out, suffixes=(), inputs=[path, predictions])
    form = detect(path) if dataset is None else get_dataset(dataset)
    if not isinstance(form, KeypointFile):
        hint = "The predictions of a table are columns of the table."
        raise InvalidParameterError("predictions", f"left out for the data set {form.name!r}", str(predictions), hint)
    form.check_predictions(predictions)
    options = form.check_options(options or {})
    if on_stage is not None:
        on_stage("Pairing labels and predictions ...")
    every = form.keypoints(path, options)
    keypoints = form.usable(every)
    found = match(every, form.read_predictions(predictions, path, every, options))[:, list(keypoints.places or ())]
    rows = np.flatnonzero(placed(found).any(axis=1))
    if not len(rows):
        raise InvalidDataError(
            f"'{predictions}' should have predictions near the labels of '{path}'. Found no labelled instance with a "
            "predicted one."
        )
    labels, predicted = keypoints.points[rows], found[rows]
    both = placed(labels) & placed(predicted)
    notices = _notices(keypoints, rows, int((placed(labels) & ~both).sum()))
    labels = np.where(both[..., None], labels, np.nan).reshape(len(rows), -1)
    predicted = predicted.reshape(len(rows), -1)
    ids = [keypoints.ids[row] for row in rows.tolist()]
    check_samples(keypoints.targets, ids, labels, predicted)
    targets = Targets.of(keypoints.targets, "landmark", unit=UNIT, swap_pairs=keypoints.swap_pairs)
    folder, files = form.files(path, keypoints, options)
    comparison, offset, factor = _compared(keypoints, rows, labels, predicted, targets)
    reading = ImageReading(True) if options.get("apply_orientation") else None
    of_files = ImageSizes(folder, reading).sizes([files[row] for row in rows.tolist()])
    evidence = Evidence(sizes=_sizes(keypoints, rows, of_files))
    batch = Batch(ids, labels, predicted, comparison, unit=factor, evidence=evidence)
    data = DataSource(
        name=form.name,
        path=str(path.resolve()),
        options=options,
        root=str(folder.resolve()),
        landmarks=True,
        unit=UNIT,
        swap_pairs=keypoints.swap_pairs,
        skeleton=keypoints.skeleton,
    )
    scored, summary, worst = score_predictions(
        _InstancePredictions(batch, targets, inliers, seed, offset=offset, factor=factor),
        targets,
        rules,
        Provenance(data, seed, begun, backbone=predictions.name, notices=notices),
        the_only,
        on_progress,
    )
    if out is not None:
        scored.write(out)
    return ScoredTable(summary, worst, scored, ())


def _notices(keypoints: Keypoints, rows: NDArray[np.intp], unpredicted: int) -> tuple[str, ...]:
    notices = list(keypoints.notices)
    paired = set(rows.tolist())
    alone = [name for row, name in enumerate(keypoints.ids) if row not in paired]
    if alone:
        notices.append(
            f"{len(alone):,} of {len(keypoints):,} instances have no predicted instance near them and are not scored: "
            f"{listing(alone, 3)}."
        )
    if unpredicted:
        notices.append(f"{unpredicted:,} labelled keypoints have no prediction and are not scored.")
    return tuple(notices)


def _compared(
    keypoints: Keypoints, rows: NDArray[np.intp], given: Values, predicted: Values, targets: Targets
) -> tuple[Comparison, Values, Values]:
    """Return the comparison of labels and predictions, with the offset and the size (n, d) of each instance.

    The size is that of the box in the file, or of the box of the predicted points, which wrong labels do not change.
    """
    boxes = keypoints.boxes[rows]
    frames = instance_boxes(boxes, predicted.reshape(len(rows), -1, 2))
    sides = frames[:, 2:].max(axis=1)
    known = sides > 0
    sides = np.where(known, sides, np.median(sides[known]) if known.any() else 1.0)
    # The frame of predicted points would make the outermost point a constant.
    corner = np.where(np.isnan(boxes).any(), 0.0, frames[:, :2])
    offset = np.tile(corner, (1, given.shape[1] // 2))
    factor = np.repeat(sides[:, None], given.shape[1], axis=1)

    def residuals_of(labels: Values) -> Values:
        return np.asarray((labels - predicted) / factor)

    comparison = Comparison(
        given,
        predicted,
        targets.partition,
        residuals_of,
        lambda labels: np.broadcast_to(-np.log(factor), labels.shape),
        targets.landmarks,
        targets.swap_pairs,
    )
    return comparison, offset, factor


def _sizes(keypoints: Keypoints, rows: NDArray[np.intp], of_files: Sizes) -> Sizes:
    """Return a function of rows that gives the size of each image: that of the file, else that of the image."""
    assert keypoints.sizes is not None
    stated = np.where((keypoints.sizes > 0).all(axis=1, keepdims=True), keypoints.sizes, np.nan)[rows]

    def sizes(wanted: list[int]) -> Values:
        result = np.full_like(stated, np.nan)
        result[wanted] = stated[wanted]
        unknown = [row for row in wanted if np.isnan(stated[row]).any()]
        if unknown:
            result[unknown] = of_files(unknown)[unknown]
        return result

    return sizes
