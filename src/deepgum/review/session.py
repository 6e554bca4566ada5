"""The review of one audit: data for the page, pictures and decisions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any, Self

from deepgum.audit.corrections.decisions import Action, Decision
from deepgum.audit.corrections.outcomes import OUTCOMES, Outcome, outcome, suggestion
from deepgum.audit.folder import AuditFolder
from deepgum.audit.labels import Place
from deepgum.errors import InvalidParameterError
from deepgum.report.page.data import flagged_rows, gallery_data
from deepgum.report.page.thumbnails import PictureViewer
from deepgum.report.page.words import data_folders, without_folders
from deepgum.review.messages import MOST
from deepgum.review.store import DecisionStore, check_text, login

__all__ = ["Review"]

_SCALE_OF_LANDMARKS = 1.2
"""Side of the visible square, in sides of the square that the network saw: landmarks can be placed outside of it."""
_READERS = 8


class Review:
    """An open audit with its decisions. Use the object in a `with` statement, or call `close` at the end.

    Parameters
    ----------
    folder : AuditFolder
    who : str, optional
        Name of the reviewer; by default the login name.

    Raises
    ------
    InvalidDataError
        If the folder holds no finished audit, or a file of the audit cannot be read.
    InvalidParameterError
        If `who` is too long, or is not a valid string.
    DecisionsFileError
        As in `DecisionStore`.
    """

    def __init__(self, folder: AuditFolder, who: str = "") -> None:
        self.folder, self.who = folder, check_text("who", who or login())
        self.summary, self.labels = folder.summary(), folder.labels()
        pictures = folder.pictures()
        root = Path(self.summary.data.root) if self.summary.data.root else None
        scale = _SCALE_OF_LANDMARKS if self.summary.data.landmarks else 1.0
        self.viewer = None if pictures is None else PictureViewer(pictures, root, scale)
        self.places = self.labels.worst_first()
        # Each image is decoded at the full size of its file, which takes much memory.
        self._decoding = BoundedSemaphore(4)
        self.store = DecisionStore.of(folder, self.labels)

    def close(self) -> None:
        """Close the store of the decisions."""
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @cached_property
    def data(self) -> dict[str, Any]:
        """The data for the page as JSON values, with the keys `gallery`, `audit`, `who`, `notices`, `verdict` and
        `landmarks`.

        The first access reads the headers of all image files, to get the sizes of the images. This takes a while.
        """
        places = self.places[:MOST]
        views = None
        if self.viewer is not None:
            with ThreadPoolExecutor(_READERS) as pool:
                views = list(pool.map(self.viewer.view, flagged_rows(places)))
        return {
            "audit": self.store.audit,
            "who": self.who,
            "notices": list(self.summary.notices),
            "verdict": self.summary.verdict,
            "landmarks": self.summary.data.landmarks and self.viewer is not None,
            "gallery": gallery_data(self.summary, self.labels, places, views, self.folder.features()),
        }

    def picture(self, row: int, side: int) -> tuple[bytes | None, str]:
        """Return the pair (JPEG, problem) of a sample. If there is a problem, the JPEG is None.

        The JPEG shows the visible part of the sample. It is scaled so that the whole visible square would be `side`
        pixels wide.
        """
        if self.viewer is None or not 0 <= row < len(self.labels):
            return None, "There is no such picture."
        with self._decoding:
            view, jpeg = self.viewer.jpeg(row, side)
        return jpeg, without_folders(view.problem, self.folders)

    @property
    def folders(self) -> list[Path]:
        """The folders that no message of the page shows."""
        return [self.folder.path.parent, *data_folders(self.summary.data)]

    def suggested(self, sample: str, group: str) -> tuple[float, ...] | None:
        """Return the suggested values for a label. Return None if there is no suggestion, or if the label does not
        exist.
        """
        rows, groups = self._numbers
        if sample not in rows or group not in groups:
            return None
        return suggestion(self.labels, (rows[sample], groups[group]))

    def together(self, places: Sequence[Place], action: Action, *, suggested: bool, reason: str) -> list[Decision]:
        """Return the same decision about many labels, one `Decision` per label.

        Parameters
        ----------
        places : sequence of (row, group)
        action : {"keep", "fix", "drop", "skip"}
        suggested : bool
            Whether each label is replaced by its suggestion; only with the action "fix".
        reason : str

        Raises
        ------
        InvalidParameterError
            If a label is not in the audit, or has no suggestion although `suggested` is true, or if `suggested` does
            not fit the action.
        """
        if suggested != (action == "fix"):
            hint = "Many labels are fixed with their suggestions, or not at all."
            raise InvalidParameterError("suggested", f"{not suggested} for the action {action!r}", suggested, hint)
        decisions = []
        for row, group in places:
            if not (row < len(self.labels) and group < len(self.labels.group_names)):
                expected = f"places in {len(self.labels)} samples and {len(self.labels.group_names)} groups"
                raise InvalidParameterError("labels", expected, (row, group))
            new = suggestion(self.labels, (row, group)) if suggested else None
            sample, name = self.labels.ids[row], self.labels.group_names[group]
            if suggested and new is None:
                raise InvalidParameterError("labels", "labels with a suggestion", f"{name!r} of {sample!r}")
            decisions.append(Decision(sample, name, action, new, reason, self.who))
        return decisions

    def counts(self) -> dict[Outcome | None, int]:
        """Return the numbers of flagged labels: outcome of the current decision -> number. The key None counts labels
        without a decision.
        """
        with self.store.reading() as ledger:
            held = [
                (place, ledger.current(self.labels.ids[place[0]], self.labels.group_names[place[1]]))
                for place in self.places
            ]
        found = Counter(None if each is None else outcome(self.labels, place, each.decision) for place, each in held)
        return {name: found[name] for name in (*OUTCOMES, None)}

    @cached_property
    def _numbers(self) -> tuple[dict[str, int], dict[str, int]]:
        names = self.labels.ids, self.labels.group_names
        rows, groups = ({name: place for place, name in enumerate(each)} for each in names)
        return rows, groups
