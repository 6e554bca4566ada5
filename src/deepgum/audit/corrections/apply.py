"""The application of a patch to its data set. The result is written atomically to another place than the data set."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deepgum.audit.corrections.patch import Change, Labels, Patch
from deepgum.data.columns import PARQUET
from deepgum.data.edits.base import Annotations
from deepgum.errors import InvalidDataError, InvalidParameterError, listing
from deepgum.storage.disk import folder_atomically, remove_abandoned, write_atomically
from deepgum.storage.output import is_same_file

__all__ = ["TOLERANCE", "Applied", "apply_patch", "check_patch"]

TOLERANCE = 1e-5
"""Relative tolerance for equal labels. Two labels are equal if their difference is at most `TOLERANCE` times the sum of
the absolute label and the median absolute label of the column. An audit converts labels to float32 fractions of a crop
and rounds them to seven digits, which changes a label by at most 1e-6 of its size. Real corrections are larger."""


@dataclass(frozen=True)
class Applied:
    """The result of the application of a patch.

    Attributes
    ----------
    out : Path
        The new folder or file.
    fixed, dropped, kept : int
        Number of decisions "fix", "drop" and "keep". A decision is about one group of labels in one sample.
    taken, by_hand : int
        Number of decisions "fix" that are suggestions of the audit, and that are corrections by hand, as far as the
        patch says it; see `Change.how`.
    untouched : int
        Number of groups of labels without a decision, over all samples. These labels are unchanged.
    left_out : tuple of str
        Ids of the samples that are not in the new data set: a label was dropped, and the format has no missing labels.
    notes : tuple of str
        Further remarks, one sentence each.
    """

    out: Path
    fixed: int
    dropped: int
    kept: int
    untouched: int
    left_out: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    taken: int = 0
    by_hand: int = 0


def check_patch(patch: Patch, annotations: Annotations) -> None:
    """Refuse a patch that was made for another data set or for other labels.

    Raises
    ------
    InvalidDataError
        If the data set lacks a target or a sample, or an old label in the patch differs from the label in the data set
        (see `TOLERANCE`). The message shows the first differences, and the number of differences.
    """
    if not set(patch.targets) <= set(annotations.names):
        raise InvalidDataError(
            f"This patch is for another data set{_made_of(patch)}: its targets are {listing(patch.targets, 12)}, and "
            f"the targets of '{annotations.source}' are {listing(annotations.names, 12)}."
        )
    unknown = [name for name in dict.fromkeys(change.id for change in patch.changes) if name not in annotations.rows]
    samples = len({change.id for change in patch.changes})
    if unknown and len(unknown) == samples:
        raise InvalidDataError(
            f"This patch is for another data set{_made_of(patch)}: none of its {samples} samples is in "
            f"'{annotations.source}'. The patch has {_quoted(unknown)}; the data set has {_quoted(annotations.ids)}."
        )
    if unknown:
        raise InvalidDataError(
            f"'{annotations.source}' should have the {samples} samples of the patch{_made_of(patch)}. "
            f"Found no sample named {_quoted(unknown)}."
        )
    scale = np.nan_to_num(_medians(annotations.values))
    mismatches = []
    columns = annotations.columns(patch.targets)
    for change in patch.changes:
        place = [columns[target] for target in patch.groups[change.group]]
        found = annotations.values[annotations.rows[change.id], place]
        if not _same(found, change.old, scale[place]):
            mismatches.append((change, found, scale[place]))
    if mismatches:
        raise InvalidDataError(_mismatch(patch, annotations, mismatches))


def apply_patch(patch: Patch, annotations: Annotations, out: Path) -> Applied:
    r"""Write the data set with corrected labels to another place, in the same format.

    Parameters
    ----------
    patch : Patch
    annotations : Annotations
        Labels of the data set that the patch corrects, from `deepgum.data.Dataset.labels`.
    out : Path
        A new or empty folder, or a new file if the data set is one file.

    Raises
    ------
    InvalidDataError
        If `check_patch` refuses the patch, or the format cannot hold a new label. Nothing is then written.
    InvalidParameterError
        If `out` is the data set itself, lies in the data set, exists already, or would change a table between CSV and
        Parquet.
    OutputExistsError
        If a file or folder appears at `out` during the work. It is kept, and nothing is written.

    Examples
    --------
    >>> import tempfile
    >>> from deepgum.data.sets.registry import get_dataset
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "ages.csv").write_text("file,age\na.jpg,310\nb.jpg,58\n")
    >>> table = get_dataset("table")
    >>> options = table.check_options({"image": "file", "targets": ["age"]})
    >>> fix = Change("a.jpg", "age", (310.0,), (31.0,), "fix")
    >>> patch = Patch("table", options, ("age",), {"age": (0,)}, changes=(fix,))
    >>> applied = apply_patch(patch, table.labels(folder / "ages.csv", options), folder / "new.csv")
    >>> applied.fixed, applied.untouched, (folder / "new.csv").read_text()
    (1, 1, 'file,age\na.jpg,31\nb.jpg,58\n')
    """
    _check_out(annotations, out)
    check_patch(patch, annotations)
    changes: dict[str, NDArray[np.float64]] = {}
    columns = annotations.columns(patch.targets)
    for change in patch.changes:
        if change.decision != "keep":
            labels = changes.setdefault(change.id, annotations.values[annotations.rows[change.id]].copy())
            labels[[columns[target] for target in patch.groups[change.group]]] = (
                np.nan if change.new is None else change.new
            )
    left_out = annotations.left_out(changes)
    if len(left_out) == len(annotations):
        raise InvalidDataError(
            f"'{annotations.source}' should keep at least one sample. Each of the {len(annotations)} samples has a "
            "dropped label, and the format has no missing labels."
        )
    writing = folder_atomically(out) if annotations.is_folder else write_atomically(out, replace=False)
    with writing as temporary:
        notes = annotations.write(changes, temporary)
    fixes = [change for change in patch.changes if change.decision == "fix"]
    return Applied(
        out=out,
        fixed=len(fixes),
        dropped=patch.count("drop"),
        kept=patch.count("keep"),
        untouched=_untouched(patch, annotations),
        left_out=left_out,
        notes=notes,
        taken=sum(change.how == "take" for change in fixes),
        by_hand=sum(change.how == "fix" for change in fixes),
    )


def _untouched(patch: Patch, annotations: Annotations) -> int:
    """Return the number of groups of labels without a decision, over all samples."""
    count = 0
    values = annotations.values[:, annotations.columns(patch.targets)]
    for group, places in patch.groups.items():
        seen = set(np.flatnonzero(~np.isnan(values[:, list(places)]).all(axis=1)).tolist())
        count += len(seen - {annotations.rows[change.id] for change in patch.changes if change.group == group})
    return count


def _check_out(annotations: Annotations, out: Path) -> None:
    """Refuse a path `out` that would overwrite the data set or another file.

    Raises
    ------
    InvalidParameterError
        If `out` is the data set itself, lies in it, exists already, or is of another kind than the data set.
    """
    source = annotations.source
    if is_same_file(out, source):
        raise InvalidParameterError(
            "out", "another place than the data set", str(out), "Labels are never changed in place."
        )
    remove_abandoned(out.parent)
    if annotations.is_folder:
        if any(is_same_file(folder, source) for folder in out.resolve().parents):
            raise InvalidParameterError("out", "a folder outside the data set", str(out), "It would become part of it.")
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise InvalidParameterError("out", "a new or empty folder", str(out), "Its files are never replaced.")
        if out.is_dir() and os.path.ismount(out):  # a mount point cannot be replaced
            raise InvalidParameterError(
                "out", f"a new folder, such as '{out / source.name}'", str(out), "It is a mount point."
            )
        return
    if out.is_dir():
        raise InvalidParameterError("out", f"a file, such as '{out / source.name}'", str(out), "It is a folder.")
    if os.path.lexists(out):
        raise InvalidParameterError("out", "a new file", str(out), "It exists, and files are never replaced.")
    if (out.suffix.lower() in PARQUET) != (source.suffix.lower() in PARQUET):
        raise InvalidParameterError("out", f"a file that ends in '{source.suffix}', like the data set", str(out))


def _medians(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median absolute value of the labels in each column; NaN for a column without labels."""
    return np.array(
        [np.median(np.abs(seen)) if len(seen := column[~np.isnan(column)]) else np.nan for column in values.T]
    )


def _same(found: NDArray[np.float64], old: Sequence[float], scale: NDArray[np.float64]) -> bool:
    given = np.array(old, dtype=np.float64)
    missing = np.isnan(found)
    close = np.abs(found - given) <= TOLERANCE * (np.abs(found) + scale)
    return bool(np.where(missing | np.isnan(given), missing == np.isnan(given), close).all())


def _mismatch(
    patch: Patch, annotations: Annotations, mismatches: list[tuple[Change, NDArray[np.float64], NDArray[np.float64]]]
) -> str:
    examples = [
        f"{change.id!r}, group {change.group!r}: {_numbers(change.old)} in the patch, "
        f"{_numbers(found.tolist())} in the file"
        for change, found, _ in mismatches[:5]
    ]
    more = f"; and {len(mismatches) - 5} more" if len(mismatches) > 5 else ""
    already_applied = all(
        change.decision != "keep" and _same(found, change.new or (np.nan,) * len(found), scale)
        for change, found, scale in mismatches
    )
    hint = (
        "They are the labels after the patch: the patch has been applied to this data set before."
        if already_applied
        else "Use the data set that the patch was made from, or audit and review this data set again."
    )
    return (
        f"The labels of '{annotations.source}' should be the old labels of the patch{_made_of(patch)}. Found "
        f"{len(mismatches)} of {len(patch.changes)} old labels that differ: {'; '.join(examples)}{more}. "
        "Nothing was written. "
        f"{hint}"
    )


def _made_of(patch: Patch) -> str:
    return f" (made from '{patch.source}')" if patch.source else ""


def _quoted(names: Sequence[str]) -> str:
    return listing([repr(name) for name in names[:4]] + list(names[4:]), 3)


def _numbers(values: Labels | Sequence[float]) -> str:
    return "(" + ", ".join("missing" if np.isnan(value) else f"{value:.7g}" for value in values) + ")"
