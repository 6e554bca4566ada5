"""A data set as JSON of FiftyOne, for `fiftyone.Dataset.from_json(FILE)`. It needs only this file and the images.

Each sample has the fields `labels` (after the decisions), `given` (before the decisions), `predicted`,
`responsibility` (the lowest of the sample), `why` and `decisions`. The tags of a sample name the flags and the
decisions of the sample. Landmarks are keypoints in fractions of the width and height of the image. The
confidence of a keypoint is the probability that the landmark is right. A missing landmark is written as NaN. NaN is not
valid JSON, but the reader of FiftyOne accepts it. The reader does not accept the form in which FiftyOne itself writes
NaN.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from deepgum.audit.corrections.formats.json_file import write_json
from deepgum.audit.corrections.formats.reviewed_labels import ReviewedLabels
from deepgum.audit.labels import Values

__all__ = ["write_fiftyone"]

PROGRAM = "FiftyOne"
_FIELDS = "fiftyone.core.fields."
_LABEL = f"{_FIELDS}EmbeddedDocumentField(fiftyone.core.labels.%s)"
_TEXT, _NUMBER = f"{_FIELDS}StringField", f"{_FIELDS}FloatField"
_TEXTS = f"{_FIELDS}ListField({_TEXT})"
KINDS = ("labels", "given", "predicted")


def write_fiftyone(reviewed: ReviewedLabels, path: Path) -> tuple[Path, ...]:
    """Write all samples of an audit as a FiftyOne data set, and return the path of the file.

    Raises
    ------
    InvalidDataError
        If the audit has no pictures, or a picture cannot be read.
    """
    labels = reviewed.labels
    rows = range(len(labels))
    sizes = reviewed.sizes(rows, PROGRAM) if reviewed.data.landmarks else {}
    suffixes = [""] if reviewed.data.landmarks else _suffixes(labels.target_names)
    fields = [f"{kind}{suffix}" for kind in KINDS for suffix in suffixes]
    kind = "Keypoints" if reviewed.data.landmarks else "Regression"
    made = {
        "name": f"{Path(reviewed.data.path).stem or reviewed.data.name} audited",
        "media_type": "image",
        "sample_fields": {
            **dict.fromkeys(fields, _LABEL % kind),
            "sample": _TEXT,
            "responsibility": _NUMBER,
            "why": _TEXT,
            "decisions": _TEXTS,
        },
        "info": {"unit": reviewed.data.unit, "targets": list(labels.target_names)},
    }
    if reviewed.data.landmarks:
        skeleton = {"labels": list(labels.landmark_names), "edges": []}
        made |= {"skeletons": dict.fromkeys(KINDS, skeleton), "default_skeleton": skeleton}
    samples = [_sample(reviewed, row, suffixes, sizes.get(row)) for row in rows]
    write_json(path, made | {"samples": samples}, nan=True)
    return (path,)


def _suffixes(targets: Sequence[str]) -> list[str]:
    """Return one suffix per target for the names of fields: the name of the target, with valid characters only."""
    if len(targets) == 1:
        return [""]
    names = [re.sub(r"\W", "_", name) for name in targets]
    return [f"_{name}" if len(set(names)) == len(names) else f"_{place}" for place, name in enumerate(names)]


def _sample(
    reviewed: ReviewedLabels, row: int, suffixes: Sequence[str], size: tuple[int, int] | None
) -> dict[str, Any]:
    labels = reviewed.labels
    decisions = reviewed.decisions_of(row)
    r = labels.responsibilities[row]
    flagged = ["flagged"] if labels.flags[row].any() else []
    tags = flagged + sorted({decision.action for decision in decisions.values()})
    each = np.full(len(labels.target_names), np.nan)
    for group, places in enumerate(labels.partition):
        each[list(places)] = r[group]
    made: dict[str, Any] = {
        "filepath": str(reviewed.file(row, PROGRAM)),
        "tags": tags,
        "sample": labels.ids[row],
        "responsibility": None if np.isnan(r).all() else float(np.nanmin(r)),
        "why": reviewed.why(row) or None,
        "decisions": reviewed.described(row),
    }
    for kind, values in (("labels", reviewed.corrected), ("given", labels.given), ("predicted", labels.predicted)):
        confidence = each if kind == "given" else None
        if size is not None:
            made[kind] = _keypoints(values[row] / np.tile(size, len(values[row]) // 2), confidence)
        else:
            for place, suffix in enumerate(suffixes):
                made[f"{kind}{suffix}"] = _regression(values[row, place], None if confidence is None else each[place])
    return made


def _keypoints(parts: Values, confidence: Values | None) -> dict[str, Any]:
    points = parts.reshape(-1, 2).copy()
    points[np.isnan(points).any(axis=1)] = np.nan
    keypoint: dict[str, Any] = {
        "_cls": "Keypoint",
        "label": "object",
        "points": points.tolist(),
    }
    if confidence is not None:
        keypoint["confidence"] = confidence[::2].tolist()
    return {"_cls": "Keypoints", "keypoints": [keypoint]}


def _regression(value: float, confidence: float | None) -> dict[str, Any] | None:
    if np.isnan(value):
        return None
    known = confidence is not None and not np.isnan(confidence)
    return {"_cls": "Regression", "value": float(value), **({"confidence": float(confidence or 0)} if known else {})}
