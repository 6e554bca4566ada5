"""Scores of a file: a table with its predictions, or a keypoint file with the predictions in a second file."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deepgum.audit.scoring.score_keypoints import keypoint_format, score_keypoints
from deepgum.audit.scoring.score_table import ScoredTable, score_table
from deepgum.data.sets.keypoint_file import KeypointFile
from deepgum.data.swap_pairs import Swap
from deepgum.errors import InvalidParameterError

__all__ = ["score_file"]


def score_file(
    path: Path,
    predictions: Path | None = None,
    *,
    columns: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    swap_pairs: Swap = (),
    apply_orientation: bool = False,
    **settings: Any,
) -> ScoredTable:
    """Score a table with `score_table`, and a keypoint file with `score_keypoints`.

    Parameters
    ----------
    path : Path
        A table, or a keypoint file.
    predictions : Path, optional
        The file of predictions for a keypoint file. It may be left out if the keypoint file has predictions, too.
    columns : mapping, optional
        Parameters of `score_table` that keypoint files do not have: ``{"pred": ["yhat"]}``.
    options : mapping, optional
        Options of the format of a keypoint file: ``{"category": "person"}``.
    swap_pairs, apply_orientation : see `score_table`
    **settings
        Parameters that both functions have: out, inliers, seed, reasons, on_stage, on_progress.

    Raises
    ------
    InvalidParameterError, InvalidDataError
        If a parameter does not fit the kind of the file. For further reasons, see the two functions.
    """
    columns, options = dict(columns or {}), dict(options or {})
    form = keypoint_format(path)
    if predictions is None and form is None:
        for name, value in options.items():
            raise InvalidParameterError(name, "left out for a table", value, "It is an option of keypoint files.")
        return score_table(path, swap_pairs=swap_pairs, apply_orientation=apply_orientation, **columns, **settings)
    if predictions is None and form is not None:
        predictions = _own_predictions(path, form, options)
    assert predictions is not None
    for name, value in columns.items():
        raise InvalidParameterError(name, "left out for a keypoint file", value, "It is an option of tables.")
    if apply_orientation:
        options["apply_orientation"] = True
    if swap_pairs:
        options["swap_pairs"] = swap_pairs if isinstance(swap_pairs, str) else [list(pair) for pair in swap_pairs]
    return score_keypoints(path, predictions, options=options, **settings)


def _own_predictions(path: Path, form: KeypointFile, options: Mapping[str, Any]) -> Path:
    """Return the file that has the predictions, if no file of predictions is given: the keypoint file itself.

    Raises
    ------
    InvalidParameterError
        If files of this format have no predictions. The message has the commands to type.
    InvalidDataError
        If the file has no labels.
    """
    if form.has_own_predictions:
        return path
    form.keypoints(path, form.check_options(options))
    name, images = shlex.quote(str(path)), " --images DIR" if form.is_file else ""
    raise InvalidParameterError(
        "predictions",
        f"a file of predictions, because '{path}' has only labels ({form.content})",
        None,
        f"Name the output of a model:  deepgum score {name} {form.output}  Or train networks:  "
        f"deepgum audit {name}{images} --out RUN",
    )
