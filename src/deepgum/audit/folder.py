"""The folder of one audit, or of scores: scores, summary, pictures, and the decisions of the review."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from deepgum.audit.calibration import Calibration
from deepgum.audit.labels import ScoredLabels
from deepgum.audit.sample_features import SampleFeatures
from deepgum.audit.summary import AuditSummary
from deepgum.data.crops import Square
from deepgum.data.image_reading import ImageReading
from deepgum.data.pictures import Pictures
from deepgum.errors import InvalidDataError
from deepgum.plugins import check_trusted, code_named
from deepgum.storage.decoding import decoding, json_object, read_json, read_toml
from deepgum.storage.disk import write_atomically
from deepgum.storage.id_column import id_texts
from deepgum.storage.nested import build

__all__ = ["AuditFolder"]


class AuditFolder:
    """Reads and writes the files of an audit, or of the scores of a file. Scores have no configuration.

    Parameters
    ----------
    path : Path
        The folder; it need not exist.
    trust : bool or collection of str
        Whether to import code outside the package, if the folder names such code. A collection lists the paths that may
        be imported. If the folder names other code, reading the folder raises `UntrustedCodeError`.

    Attributes
    ----------
    config_file : Path
        `audit.toml`: the configuration, if `deepgum audit` made the folder.
    content_file : Path
        `content.parquet`: the content of the samples; see `deepgum.data.content`.
    summary_file : Path
        `summary.json`; see `AuditSummary`. It is written last: if it exists, the audit is finished.
    scores_file : Path
        `scores.parquet`; see `ScoredLabels`.
    pictures_file : Path
        `pictures.parquet`: image file with its hash, and square crop of each sample, if the inputs are images.
    features_file : Path
        `features.parquet`: the features of flagged samples, if the inputs are columns of a table; see `SampleFeatures`.
    images : Path
        `images/`: the images of flagged samples, if these samples have no image file.
    calibration_file : Path
        `calibration.json`, if labels were made wrong on purpose; see `deepgum.audit.calibration`.
    decisions_file : Path
        `decisions.jsonl`, the decisions of the review.
    earlier_decisions_file : Path
        `decisions.sqlite`, decisions that an earlier version stored. The review takes them over.
    report_file : Path
        `report.html`.
    gain_file : Path
        `gain.json`, the gain from corrected labels.
    address_file : Path
        `.review.json`, the address of the running review.
    review_lock : Path
        `.review.lock`, which a running review locks.
    """

    def __init__(self, path: Path, *, trust: bool | Collection[str] = False) -> None:
        self.path, self.trust = path, trust
        self.config_file = path / "audit.toml"
        self.content_file = path / "content.parquet"
        self.summary_file = path / "summary.json"
        self.scores_file = path / "scores.parquet"
        self.pictures_file = path / "pictures.parquet"
        self.features_file = path / "features.parquet"
        self.images = path / "images"
        self.calibration_file = path / "calibration.json"
        self.decisions_file = path / "decisions.jsonl"
        self.earlier_decisions_file = path / "decisions.sqlite"
        self.report_file = path / "report.html"
        self.gain_file = path / "gain.json"
        self.address_file = path / ".review.json"
        self.review_lock = path / ".review.lock"

    @property
    def own_files(self) -> tuple[Path, ...]:
        """The files that an audit, its review and its reports write. They need not exist."""
        return (
            self.config_file, self.content_file, self.summary_file, self.scores_file, self.pictures_file,
            self.features_file, self.calibration_file, self.decisions_file, self.earlier_decisions_file,
            self.report_file, self.gain_file, self.address_file,
        )  # fmt: skip

    def write(
        self,
        summary: AuditSummary,
        labels: ScoredLabels,
        pictures: Pictures | None,
        features: SampleFeatures | None = None,
    ) -> None:
        """Write the scores, and `complete` the folder."""
        self.path.mkdir(parents=True, exist_ok=True)
        labels.write(self.scores_file)
        self.complete(summary, labels.ids, pictures, features)

    def complete(
        self,
        summary: AuditSummary,
        ids: Sequence[str],
        pictures: Pictures | None,
        features: SampleFeatures | None = None,
    ) -> None:
        """Write what belongs to the scores of these samples: pictures and features (if any), then the summary."""
        if features is not None:
            features.write(self.features_file)
        if pictures is not None:
            squares = [tuple(square or (None, None, None)) for square in pictures.squares]
            columns = dict(zip(("left", "top", "side"), zip(*squares, strict=True), strict=True))
            table = pa.table(
                {"id": pa.array(ids, pa.string()), "image": pa.array(pictures.names, pa.string())}
                | {name: pa.array(values, pa.float64()) for name, values in columns.items()}
                | ({"sha256": pa.array(pictures.sha256, pa.string())} if pictures.sha256 else {})
            )
            with write_atomically(self.pictures_file) as temporary:
                notes = {"folder": str(pictures.folder), "reading": json.dumps(asdict(pictures.reading))}
                pq.write_table(table.replace_schema_metadata(notes), temporary)
        summary.write(self.summary_file)

    def summary(self) -> AuditSummary:
        """Return the summary.

        Raises
        ------
        InvalidDataError
            If the folder holds no finished audit.
        UntrustedCodeError
            If the folder names code outside the package, and the folder is not trusted.
        """
        self._check_trusted()
        if not self.summary_file.is_file():
            raise InvalidDataError(
                f"'{self.path}' should be the folder of a finished audit or of scores. Found no summary.json in it. "
                "To audit a data set: deepgum audit DATA --out FOLDER. With predictions of your own: deepgum score "
                "FILE --out FOLDER."
            )
        return AuditSummary.read(self.summary_file)

    def labels(self) -> ScoredLabels:
        """Return the labels with their scores, or raise the same errors as `summary`."""
        self._check_trusted()
        return ScoredLabels.read(self.scores_file)

    def calibration(self) -> Calibration | None:
        """Return the calibration on labels that were made wrong on purpose, or None if there are no such labels."""
        return Calibration.read(self.calibration_file) if self.calibration_file.is_file() else None

    def features(self) -> SampleFeatures | None:
        """Return the features of flagged samples, or None if the samples have none or an earlier version wrote the
        folder.

        Raises
        ------
        InvalidDataError
            If the file of the features cannot be read.
        """
        return SampleFeatures.read(self.features_file) if self.features_file.is_file() else None

    def pictures(self) -> Pictures | None:
        """Return the pictures in the order of the samples, or None if the samples have no pictures.

        Raises
        ------
        InvalidDataError
            If the file of the pictures cannot be read.
        """
        if not self.pictures_file.is_file():
            return None
        with decoding(self.pictures_file, "the pictures of an audit"):
            table = pq.read_table(self.pictures_file)
            ids, names = (table.column(name).to_pylist() for name in ("id", "image"))
            scored = pq.read_table(self.scores_file, columns=["id"]).column("id")
            if ids != list(dict.fromkeys(id_texts(scored))):
                raise ValueError("it should list the samples of scores.parquet, in the same order")
            if not all(isinstance(name, str) for name in names):
                raise ValueError("the names of its images should be text")
            numbers = [table.column(name).cast(pa.float64()).to_pylist() for name in ("left", "top", "side")]
            squares = tuple(None if None in square else Square(*square) for square in zip(*numbers, strict=True))
            folder = Path(table.schema.metadata[b"folder"].decode())
            folder.resolve()  # raises an error for a path with a null character
            # Version 0.1.0 did not write hashes.
            sha256 = table.column("sha256").to_pylist() if "sha256" in table.column_names else ()
            if not all(isinstance(digits, str) for digits in sha256):
                raise ValueError("the hashes of its images should be text")
            # Version 0.1.0 turned no image.
            reading = build(ImageReading, json_object(table.schema.metadata.get(b"reading", b"{}").decode()))
            return Pictures(folder, tuple(names), squares, tuple(sha256), reading)

    def _check_trusted(self) -> None:
        """Raise an error if the folder names a data set, density or reason outside the package and is not trusted.

        Networks need no check, because no network is ever built from this folder.
        """
        values: dict[str, Any] = {}
        # Ignore an unreadable file here: the function that reads the file raises the error.
        with suppress(InvalidDataError):
            config = read_toml(self.config_file, "the configuration of an audit")
            values = {name: config.get(name) for name in ("data", "audit")}
        with suppress(InvalidDataError, TypeError, KeyError):
            summary = read_json(self.summary_file, "the summary of an audit")
            values["summary.data.name"] = summary["data"]["name"]
        check_trusted(self.path, code_named(values), self.trust)
