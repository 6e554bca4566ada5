"""The data of an audit: the samples, the labels in the files, and the samples that were left out."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from deepgum.audit.duplicates import are_copies, conflicts, content_groups, rare_conflicts
from deepgum.audit.notices.aside import Aside
from deepgum.audit.summary import DataSource
from deepgum.audit.targets import Targets
from deepgum.data.content import Content
from deepgum.data.corruption import corrupt
from deepgum.data.crop_cache import default_cache_dir
from deepgum.data.edits.base import Annotations
from deepgum.data.image_files import open_image
from deepgum.data.mirror import Mirror
from deepgum.data.pictures import Pictures
from deepgum.data.pool import Pool
from deepgum.data.sets.request import TRAIN, generator
from deepgum.data.splits import join_copies
from deepgum.errors import DeepGUMWarning, InvalidDataError, UnreadableImageError
from deepgum.experiments.audits.config import AuditConfig
from deepgum.experiments.observer import Observer
from deepgum.experiments.runs.run_data import request_of
from deepgum.periods import unrolled
from deepgum.posteriors.runs.run_names import Runs

__all__ = ["AuditData", "load_audit_data"]

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class AuditData:
    """The n samples of an audit, with d coordinates each.

    Attributes
    ----------
    pool : Pool
        Inputs, and labels in the form in which networks are trained. Landmarks are fractions of the square that the
        network sees. Cyclic labels are moved by whole periods to the range where most labels are.
    given : array (n, d)
        Labels in the files, in the unit of the files. Landmarks are in pixels of the image file.
    offset, scale : arrays (n, d)
        Numbers that convert predictions to the unit of the files: ``offset + scale * prediction``.
    source : DataSource
    targets : Targets
    aside : Aside
        Labels that are set aside before the training; they are missing in `pool`.
    copies : tuple of tuples of int
        Row numbers of samples with equal inputs. There is one tuple for each set of equal samples. Empty if features
        are too coarse to tell samples apart.
    conflicts : tuple of tuples of str
        Ids of samples with equal inputs and different labels.
    left_out : mapping of str to str
        Samples that are left out because their image cannot be used: id -> reason.
    sequence : bool
        Whether neighbouring samples are almost copies of each other, as in a video.
    has_test_part : bool
        Whether the data set itself defines a test part.
    features : mapping of str to sequence of length n
        The features as the user's table has them, to show them; empty if there are none.
    wrong : bool array (n, g) or None
        True for groups of labels that were made wrong on purpose.
    """

    pool: Pool
    given: Values
    offset: Values
    scale: Values
    source: DataSource
    targets: Targets
    aside: Aside
    copies: tuple[tuple[int, ...], ...]
    conflicts: tuple[tuple[str, ...], ...]
    left_out: Mapping[str, str]
    sequence: bool
    has_test_part: bool = False
    features: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    wrong: NDArray[np.bool_] | None = None

    @cached_property
    def content(self) -> Content:
        """The content of the samples: inputs, labels in the files, and labels in the unit of the training.

        The part of a sample is its value of `keep_together`, because the folds depend on this value.
        """
        return replace(Content.of({"": self.pool.data}, self.given, self.offset, self.scale), parts=self.keep_together)

    @property
    def keep_together(self) -> tuple[str, ...]:
        """One value per sample. Samples with the same value stay in one fold; for example, copies of a sample have the
        same value.
        """
        return join_copies(len(self.pool), self.pool.keep_together or (), self.copies)

    @property
    def runs(self) -> Runs | None:
        """The runs of the samples: the column that the user names. Data sets without such a column have no runs."""
        named = self.source.options.get("keep_together")
        return None if named is None or self.pool.keep_together is None else Runs.of(self.pool.keep_together)


def load_audit_data(config: AuditConfig, observer: Observer | None = None) -> AuditData:
    """Read the data of an audit. Samples whose image does not exist or cannot be read are left out and listed.

    Raises
    ------
    InvalidDataError, InvalidParameterError
        If the data set does not exist, cannot be read, or has no sample in the chosen part.
    """
    run, landmarks = config.run, config.run.measure.landmarks
    dataset = run.data.dataset
    request = replace(request_of(run, observer), skip_missing=True, skip_unreadable=True)
    with warnings.catch_warnings():
        # The report lists the omitted samples, so the warnings are not needed.
        warnings.simplefilter("ignore", DeepGUMWarning)
        whole = dataset.pool(request, run.seed)
    annotations, options = None, run.data.options
    cells: Mapping[str, Sequence[Any]] = {}
    if run.data.folder is not None:
        options = dataset.settled_options(run.data.folder, options)
    if run.data.folder is not None and dataset.has_label_files:
        annotations = dataset.labels(run.data.folder, run.data.options)
        cells = dataset.feature_cells(run.data.folder, run.data.options)
    pool = _part(whole, config.audit.part)
    data = pool.data
    offset, scale = _to_files(pool, landmarks, run.data.image_size or 1)
    clean = data.targets.numpy().astype(np.float64)
    given = offset + scale * clean
    left_out: dict[str, str] = {}
    if annotations is not None:
        rows, columns = [annotations.rows[name] for name in data.ids], annotations.columns(data.target_names)
        given = annotations.values[np.ix_(rows, columns)]
        cells = {name: [column[row] for row in rows] for name, column in cells.items()}
        left_out = _left_out(annotations, whole)
    outlier = None
    if run.corruption.rate:
        noise = corrupt(data.targets, run.corruption.noise, run.corruption.rate, generator(run.seed, TRAIN))
        given = given + scale * (noise.targets.numpy().astype(np.float64) - clean)
        data, outlier = data.with_targets(noise.targets), noise.outlier.numpy()
    targets = Targets.of(
        data.target_names,
        run.groups,
        periods=config.audit.periods or None,
        unit=config.audit.unit or ("px" if landmarks else run.measure.unit),
        swap_pairs=_pairs(data.mirror) if landmarks else (),
    )
    if targets.periods is not None:
        data = data.with_targets(torch.from_numpy(unrolled(given, targets.periods)).to(torch.float32))
    aside = Aside.of_labels(given, targets)
    if aside:
        unknown = torch.from_numpy(np.isnan(aside.without(given)))
        data = data.with_targets(torch.where(unknown, torch.nan, data.targets))
    if data.pictures is not None:
        cache = default_cache_dir() if run.data.cache_dir is None else run.data.cache_dir
        data = replace(data, pictures=data.pictures.hashed(cache))
    copies = content_groups(data.pictures if data.pictures is not None else data.inputs).groups
    conflicting = conflicts(copies, given, data.ids, targets.periods)
    if data.inputs.ndim == 2 and not are_copies(conflicting, len(data.ids)):
        copies = ()
    source = DataSource(
        name=run.data.name,
        path="" if run.data.folder is None else str(run.data.folder.resolve()),
        options=options,
        root="" if data.pictures is None else str(data.pictures.folder.resolve()),
        landmarks=landmarks,
        unit=targets.unit,
        swap_pairs=targets.swap_pairs,
        skeleton=data.skeleton if landmarks else (),
    )
    return AuditData(
        pool=replace(pool, data=data),
        given=given,
        offset=offset,
        scale=scale,
        source=source,
        targets=targets,
        aside=aside,
        copies=copies,
        conflicts=conflicting if data.inputs.ndim == 4 else rare_conflicts(conflicting, len(data.ids)),
        left_out=left_out,
        sequence=dataset.is_sequence and pool.keep_together is None,
        has_test_part="test" in (whole.parts or ()),
        features=cells,
        wrong=None if outlier is None else _by_group(outlier, targets),
    )


def _by_group(outlier: NDArray[np.bool_], targets: Targets) -> NDArray[np.bool_]:
    """Return a mask (n, g) that is True for groups with a wrong label. The mask `outlier` is True for the units
    (samples or landmarks) that the noise moved.
    """
    columns = np.repeat(outlier, len(targets.names) // outlier.shape[1], axis=1)
    return np.stack([columns[:, list(group)].any(axis=1) for group in targets.partition], axis=1)


def _part(pool: Pool, part: str) -> Pool:
    if pool.parts is None or part == "all":
        if part not in ("", "all"):
            raise InvalidDataError(f"The data set should have a part {part!r}. It has no parts; omit the part.")
        return pool
    rows = [row for row, each in enumerate(pool.parts) if (each != "test" if part == "" else each == part)]
    if not rows:
        raise InvalidDataError(f"The data set should have samples in the part {part or 'train'!r}. Found none.")
    return pool.subset(rows)


def _to_files(pool: Pool, landmarks: bool, side: int) -> tuple[Values, Values]:
    """Return the offset and the scale (n, d) that convert targets to the unit of the files."""
    shape = tuple(pool.data.targets.shape)
    if not landmarks:
        return np.zeros(shape), np.ones(shape)
    pictures: Pictures | None = pool.data.pictures
    if pictures is None:  # the images are not files; labels are in pixels of the images
        return np.zeros(shape), np.full(shape, float(side))
    squares = np.array([tuple(pictures.square(row)) for row in range(len(pictures))])
    offset = np.tile(squares[:, :2], (1, shape[1] // 2))
    return offset, np.broadcast_to(squares[:, 2:], shape).copy()


def _pairs(mirror: Mirror | None) -> tuple[tuple[int, int], ...]:
    """Return the pairs of landmarks that swap when an image is mirrored, for example left eye and right eye."""
    if mirror is None:
        return ()
    partners = [place // 2 for place in mirror.permutation[::2]]
    return tuple((one, other) for one, other in enumerate(partners) if one < other)


def _left_out(annotations: Annotations, pool: Pool) -> dict[str, str]:
    """Return the samples that are in the label files but not in the loaded data: id -> reason."""
    there = set(pool.data.ids)
    pictures = pool.data.pictures
    reasons = {}
    for name in annotations.ids:
        if name not in there:
            file = None if pictures is None else pictures.folder / annotations.image_file(name)
            reasons[name] = "Its image does not exist." if file is None or not file.is_file() else _read_error(file)
    return reasons


def _read_error(file: Path) -> str:
    try:
        with open_image(file) as image:
            image.load()
    except UnreadableImageError as error:
        return f"Its image cannot be read: {error.reason}."
    except OSError as error:
        return f"Its image cannot be read: {error}."
    return "The loader left it out."
