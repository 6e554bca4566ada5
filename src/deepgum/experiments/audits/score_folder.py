"""Scores of a file in a folder, which the report, the review and corrections take like the folder of an audit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from deepgum.audit.folder import AuditFolder
from deepgum.audit.labels import ScoredLabels
from deepgum.audit.scoring.score_file import score_file
from deepgum.audit.scoring.score_table import ScoredTable
from deepgum.errors import InvalidParameterError, OutputFolderError, listing
from deepgum.experiments.audits.shown_samples import shown_samples
from deepgum.experiments.output import HINT, entries
from deepgum.storage.disk import write_atomically
from deepgum.storage.lock import alone_in
from deepgum.storage.output import check_file

__all__ = ["names_folder", "score_to_folder"]


def names_folder(out: Path) -> bool:
    """Return whether the output of a score is a folder, and not a file: it is one, or its name has no ending.

    Raises
    ------
    InvalidParameterError
        If the name has another ending than that of a file of scores.

    Examples
    --------
    >>> names_folder(Path("runs/faces")), names_folder(Path("scores.csv"))
    (True, False)
    """
    if out.is_dir() or not out.suffix:
        return True
    if out.suffix.lower() not in (".csv", ".parquet"):
        expected = "a folder, whose name has no ending, or a file that ends in .csv or .parquet"
        raise InvalidParameterError("out", expected, str(out))
    return False


def score_to_folder(
    path: Path, predictions: Path | None, out: Path, **settings: Any
) -> tuple[AuditFolder, ScoredTable]:
    r"""Score a file with `score_file`, and write the files of an `AuditFolder` except the report.

    The folder has no configuration, because nothing was trained. All scores of a long table are read into memory once,
    for the pictures and the features.

    Parameters
    ----------
    out : Path
        A new or empty folder, or the folder of earlier scores on which nobody has decided; those are replaced.
    path, predictions, **settings
        See `score_file`.

    Raises
    ------
    OutputFolderError
        If `out` holds anything else, or another process writes to it.
    InvalidParameterError, InvalidDataError
        As in `score_file`, and if an input is a file that the folder gets. An earlier result then stays.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table = Path(folder) / "ages.csv"
    ...     rows = [f"{age + 60 * (age == 33)},{age + age % 3}" for age in range(20, 90)]
    ...     _ = table.write_text("\n".join(["age,pred_age", *rows]) + "\n")
    ...     scores, _ = score_to_folder(table, None, Path(folder) / "run", inliers="gaussian")
    ...     print(sorted(file.name for file in scores.path.iterdir() if file.suffix))
    ...     print([flag for flag in scores.labels().worst_first()])
    ['scores.parquet', 'summary.json']
    [(13, 0)]
    """
    folder = AuditFolder(out)
    _check(folder)
    with alone_in(out):
        _check(folder)
        for file in _files(folder):
            check_file(file, suffixes=(), inputs=[path, *filter(None, [predictions])])
        with write_atomically(folder.scores_file) as temporary:
            scored = score_file(path, predictions, out=temporary, **settings)
            labels = ScoredLabels.read(temporary) if scored.labels is None else scored.labels
            pictures, features = shown_samples(scored.summary.data, labels)
            # Files of earlier scores do not belong to these scores. Without a summary the folder is unfinished.
            for file in _files(folder):
                if file != folder.scores_file:
                    file.unlink(missing_ok=True)
        folder.complete(scored.summary, labels.ids, pictures, features)
    return folder, scored


def _files(folder: AuditFolder) -> tuple[Path, ...]:
    """Return the files that this command writes: the summary is the first to be removed."""
    return folder.summary_file, folder.scores_file, folder.pictures_file, folder.features_file, folder.report_file


def _check(folder: AuditFolder) -> None:
    """Refuse a folder that holds anything but earlier scores, for example the decisions of a review."""
    if folder.path.exists() and not folder.path.is_dir():
        raise OutputFolderError(f"'{folder.path}' should be a folder. Found a file. {HINT}")
    present = entries(folder.path)
    own = [file.name for file in _files(folder)]
    others = [name for name in present if name not in own]
    if others or (present and folder.scores_file.name not in present):
        raise OutputFolderError(
            f"'{folder.path}' should be new, empty, or of earlier scores without decisions, which are replaced. It "
            f"holds {listing(others or present)}. {HINT}"
        )
