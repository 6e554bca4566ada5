"""The content of an export: labels of an audit, decisions about labels, and pictures of samples."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from deepgum.audit.corrections.decisions import Decision, corrected_labels, decisions_by_place
from deepgum.audit.folder import AuditFolder
from deepgum.audit.labels import Place, ScoredLabels, Values
from deepgum.audit.summary import DataSource
from deepgum.data.image_files import open_image
from deepgum.data.pictures import Pictures
from deepgum.errors import InvalidDataError, MissingImagesError, UnreadableImageError, listing

__all__ = ["ReviewedLabels"]


@dataclass(frozen=True, eq=False)
class ReviewedLabels:
    """The labels of an audit, decisions about labels, and pictures of samples.

    Parameters
    ----------
    labels : ScoredLabels
    data : DataSource
    pictures : Pictures or None
    decisions : mapping of (row, group) to Decision
        Skipped labels have no entry.
    """

    labels: ScoredLabels
    data: DataSource
    pictures: Pictures | None
    decisions: Mapping[Place, Decision]

    @classmethod
    def of(cls, folder: AuditFolder, decisions: Iterable[Decision]) -> ReviewedLabels:
        """Read the labels and the pictures of an audit.

        Raises
        ------
        InvalidDataError
            If the audit cannot be read, or a decision is about a sample or group that is not in the audit.
        """
        labels = folder.labels()
        return cls(labels, folder.summary().data, folder.pictures(), decisions_by_place(labels, decisions))

    @cached_property
    def corrected(self) -> Values:
        """The labels (n, d) after the decisions. Dropped labels are NaN; labels without a decision are unchanged."""
        return corrected_labels(self.labels, self.decisions)

    @cached_property
    def flagged_or_decided(self) -> list[int]:
        """The rows of samples with a flagged label or a decision, in ascending order."""
        flagged = {row for row, _ in self.labels.worst_first()}
        return sorted(flagged | {row for row, _ in self.decisions})

    def is_open(self, row: int, group: int) -> bool:
        """Return whether a label is flagged and has no decision."""
        return bool(self.labels.flags[row, group]) and (row, group) not in self.decisions

    def decisions_of(self, row: int) -> dict[str, Decision]:
        """Return a mapping from names of groups to the decisions about one sample."""
        names = self.labels.group_names
        return {
            names[group]: self.decisions[row, group] for group in range(len(names)) if (row, group) in self.decisions
        }

    def described(self, row: int) -> list[str]:
        """Return the decisions about one sample in words, such as "nose: drop (blurred)", with the reviewer's note."""
        decided = self.decisions_of(row).items()
        return [f"{name}: {each.action}" + (f" ({each.reason})" if each.reason else "") for name, each in decided]

    def why(self, row: int) -> str:
        """Return the sentences of the audit about the flagged labels of one sample."""
        names = self.labels.group_names
        reasons = [(name, self.labels.why.get((row, group))) for group, name in enumerate(names)]
        return " ".join(f"{name}: {reason}" for name, reason in reasons if reason)

    def pictures_for(self, program: str) -> Pictures:
        """Return the pictures for an export to `program`, or raise an error if the audit has no pictures.

        Raises
        ------
        InvalidDataError
            If the audit has no pictures. The message names the program.
        """
        if self.pictures is None:
            raise InvalidDataError(
                f"{program} shows pictures, and the samples of this audit have no pictures. Export a patch instead, "
                "with the same decisions: deepgum review RUN --export patch=FILE."
            )
        return self.pictures

    def file(self, row: int, program: str) -> Path:
        """Return the absolute path of the picture of one sample."""
        return Path(os.path.abspath(self.pictures_for(program).file(row)))

    def sizes(self, rows: Sequence[int], program: str) -> dict[int, tuple[int, int]]:
        """Return a mapping from each row to the width and height of its picture as it is shown, in pixels.

        Raises
        ------
        MissingImagesError
            If pictures cannot be read. The message names the first of these pictures.
        """
        sizes, unreadable = {}, []
        for row in rows:
            try:
                with open_image(self.file(row, program)) as image:
                    sizes[row] = self.pictures_for(program).reading.size(image)
            except (UnreadableImageError, OSError) as error:
                unreadable.append(f"'{self.pictures_for(program).names[row]}' ({error})")
        if unreadable:
            raise MissingImagesError(
                f"'{self.pictures_for(program).folder}' should hold the {len(rows)} pictures of the export: {program} "
                f"needs their sizes. Found {len(unreadable)} unreadable: {listing(unreadable, 3)}."
            )
        return sizes
