"""A request for samples of a data set, the resulting subset, and functions that split a data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from deepgum.data.feature_encoding import FeatureEncoding
from deepgum.data.folds import fold_split, folds
from deepgum.data.pool import PARTS, Pool
from deepgum.data.regression import RegressionData
from deepgum.data.splits import split_validation
from deepgum.errors import InvalidDataError, InvalidParameterError

__all__ = ["Request", "Subset", "by_parts", "cut", "fold_of", "generator", "sizes", "split"]

# All random draws use one seed. Each kind of draw has its own stream, so that one draw does not change another.
SUBSET, TRAIN, VALIDATION, TRAIN_MISSING, VALIDATION_MISSING = 1, 2, 3, 4, 5


@dataclass(frozen=True)
class Request:
    """A request for samples of a data set: folder, numbers of samples, and settings for reading images.

    Attributes
    ----------
    folder : Path or None
        Folder of the data set, or the file if the data set is a table. None if the data set needs no folder.
    train_size, validation_size, test_size : int or None
        Numbers of training, validation and test samples. None means the default of the data set.
    image_size : int
        Side of the images in pixels.
    skip_missing, skip_unreadable : bool
        Whether to leave out images that do not exist, and images that cannot be decoded.
    cache_dir : Path or None
        Folder of the cache of decoded crops; None means the default folder.
    on_progress : callable, optional
        Called as ``on_progress(done, total)`` while images are decoded.
    colour : bool
        Whether images are RGB. If false, they are grey.
    fold : int
        Number of the fold to test on, counted from 0, if the data set has folds.
    options : Mapping
        All options that only this data set has.
    encoding : FeatureEncoding or None
        The columns of features of an earlier run, for data that its network shall predict. None to learn them.
    targets : tuple of str
        The targets of an earlier run, for data that its network shall predict. A data set that leaves out targets with
        few labels keeps these ones. Empty if there is no such run.
    """

    folder: Path | None
    train_size: int | None = None
    validation_size: int | None = None
    image_size: int = 48
    skip_missing: bool = False
    cache_dir: Path | None = None
    on_progress: Callable[[int, int], None] | None = None
    skip_unreadable: bool = False
    colour: bool = False
    test_size: int | None = None
    fold: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    encoding: FeatureEncoding | None = None
    targets: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """The folder. Use this property if the data set needs a folder.

        Raises
        ------
        InvalidParameterError
            If the folder is None.
        """
        if self.folder is None:
            raise InvalidParameterError("data", "the data set's folder", None)
        return self.folder

    @property
    def images(self) -> dict[str, Any]:
        """The arguments that all loaders of image files have in common."""
        names = ("image_size", "colour", "skip_missing", "skip_unreadable", "cache_dir", "on_progress")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Subset:
    """Training, validation and test samples without artificial outliers.

    If the targets are landmarks, `width` is the width of the images in the unit of the targets.
    """

    train: RegressionData
    validation: RegressionData
    test: RegressionData
    width: float = 1.0

    def scaled(self, factor: float) -> Subset:
        """Return the same samples with targets in another unit: targets and `width` are multiplied by `factor`."""
        train, validation, test = (part.scaled(factor) for part in (self.train, self.validation, self.test))
        return Subset(train, validation, test, factor * self.width)


def split(pool: RegressionData, test: RegressionData, request: Request, seed: int) -> Subset:
    """Draw training and validation samples from `pool`, without overlap. Return them together with the test samples.

    Raises
    ------
    InvalidParameterError
        If the pool has fewer samples than requested.
    """
    train_size, validation_size = sizes(request, len(pool))
    if train_size < 1 or train_size + validation_size > len(pool):
        given = request.validation_size
        most, beside = (
            (len(pool) * 9 // 10, "a ninth of this number") if given is None else (len(pool) - given, str(given))
        )
        raise InvalidParameterError(
            "train_size",
            f"from 1 to {max(most, 0)}, with {beside} for validation",
            train_size,
            f"The data set has {len(pool)} samples for training and validation together.",
        )
    order = torch.randperm(len(pool), generator=generator(seed, SUBSET))
    train, validation = order[:train_size], order[train_size : train_size + validation_size]
    return Subset(pool.subset(train), pool.subset(validation), test)


def sizes(request: Request, available: int) -> tuple[int, int]:
    """Return the pair (training size, validation size) for a request.

    Sizes that the request does not give are chosen such that a tenth of the samples is for validation. `available` is
    the number of samples for training and validation together.
    """
    if request.train_size is None:
        validation = available // 10 if request.validation_size is None else request.validation_size
        return max(available - validation, 0), validation
    default = max(1, request.train_size // 9)
    return request.train_size, default if request.validation_size is None else request.validation_size


def cut(pool: Pool, rows: tuple[Tensor, Tensor, Tensor], request: Request, seed: int) -> Subset:
    """Return the `Subset` of a pool for the positions (training, validation, test) of a split.

    If `request.train_size` is given, only this number of training samples is returned. They are drawn at random.

    Raises
    ------
    InvalidParameterError
        If there are fewer training samples than requested.
    """
    train, validation, test = rows
    if request.train_size is not None:
        if request.train_size > len(train):
            raise InvalidParameterError("train_size", f"at most {len(train)} for this split", request.train_size)
        order = torch.randperm(len(train), generator=generator(seed, SUBSET))[: request.train_size]
        train = train[order.sort().values]
    return Subset(pool.data.subset(train), pool.data.subset(validation), pool.data.subset(test))


def by_parts(pool: Pool, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the positions of the training, validation and test samples of a pool that defines parts.

    If the pool has no validation sample, a tenth of the training samples is drawn for validation.

    Raises
    ------
    InvalidDataError
        If the pool has no training sample or no test sample.
    """
    assert pool.parts is not None
    parts = {
        name: torch.tensor([row for row, part in enumerate(pool.parts) if part == name], dtype=torch.int64)
        for name in PARTS
    }
    for name in ("train", "test"):
        if not len(parts[name]):
            raise InvalidDataError(f"The data set should have samples of the part {name!r}. Found none.")
    if not len(parts["validation"]):
        values = pool.keep_together
        of_train = None if values is None else [values[row] for row in parts["train"].tolist()]
        kept, held_out = split_validation(len(parts["train"]), 0.1, seed, of_train)
        parts["train"], parts["validation"] = parts["train"][kept], parts["train"][held_out]
    return parts["train"], parts["validation"], parts["test"]


def fold_of(pool: Pool, count: int, request: Request, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the positions of the training, validation and test samples for one fold of a cross-validation.

    `request.fold` is the number of the fold for the test, and `count` the number of folds. If the pool keeps samples
    together, the parts consist of whole clusters. Otherwise they consist of contiguous blocks.

    Raises
    ------
    InvalidParameterError
        If the fold does not exist.
    """
    if not 0 <= request.fold < count:
        raise InvalidParameterError("fold", f"a whole number from 0 to {count - 1}", request.fold)
    n, values = len(pool), pool.keep_together
    test = folds(n, count, keep_together=values, seed=seed)[request.fold]
    train, validation = fold_split(test, n, keep_together=values, validation_fraction=0.1, seed=seed)
    return train, validation, test


def generator(seed: int, stream: int) -> torch.Generator:
    """Return the random generator for a seed and a stream. Each kind of draw has its own number `stream`."""
    return torch.Generator().manual_seed(seed * 1000 + stream)
