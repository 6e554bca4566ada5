"""What an experiment asks of a data set, and what it gets: clean samples to train on, to validate on and to test on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from deepgum.data.folds import fold_split, folds
from deepgum.data.pool import Pool
from deepgum.data.regression import RegressionData
from deepgum.errors import InvalidParameterError

__all__ = ["Request", "Subset", "cut", "fold_of", "generator", "sizes", "split"]

# One seed drives all that is drawn, each from a stream of its own: drawing more of one does not move the others.
SUBSET, TRAIN, VALIDATION, TRAIN_MISSING, VALIDATION_MISSING = 1, 2, 3, 4, 5


@dataclass(frozen=True)
class Request:
    """Which data to load, and where from.

    Attributes
    ----------
    folder : Path or None
        Where the data set is (for a table: the file); None for one that a dependency ships.
    train_size, validation_size, test_size : int or None
        Numbers of samples; None for what the data set's own rule says.
    image_size : int
        Side of the images in pixels.
    skip_missing, skip_unreadable : bool
        Go on without images that are not there, or that cannot be decoded.
    cache_dir : Path or None
        Of the decoded crops.
    on_progress : callable, optional
        Called with (done, total) while images are decoded.
    colour : bool
        Three channels instead of one, where the data set leaves the choice.
    fold : int
        Which fold is for testing, from 0, in data sets that are cross-validated.
    options : Mapping
        Of this data set alone.
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

    @property
    def images(self) -> dict[str, Any]:
        """What every loader of image files is given."""
        names = ("image_size", "colour", "skip_missing", "skip_unreadable", "cache_dir", "on_progress")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Subset:
    """Clean training, validation and test samples; `width` is that of the images in the unit of landmarks."""

    train: RegressionData
    validation: RegressionData
    test: RegressionData
    width: float = 1.0

    def scaled(self, factor: float) -> Subset:
        """Return the same samples with targets in another unit: `factor` times as many of it."""
        train, validation, test = (part.scaled(factor) for part in (self.train, self.validation, self.test))
        return Subset(train, validation, test, factor * self.width)


def split(pool: RegressionData, test: RegressionData, request: Request, seed: int) -> Subset:
    """Draw the training and the validation samples from a pool, without overlap.

    Raises
    ------
    InvalidParameterError
        If the pool is smaller than what is asked for.
    """
    train_size, validation_size = sizes(request, len(pool))
    if train_size < 1 or train_size + validation_size > len(pool):
        given = request.validation_size
        most, beside = (len(pool) * 9 // 10, "a ninth of it") if given is None else (len(pool) - given, str(given))
        raise InvalidParameterError(
            "train_size",
            f"from 1 to {max(most, 0)}, with {beside} for validation",
            train_size,
            f"The data set has {len(pool)} samples that are not for testing.",
        )
    order = torch.randperm(len(pool), generator=generator(seed, SUBSET))
    train, validation = order[:train_size], order[train_size : train_size + validation_size]
    return Subset(pool.subset(train), pool.subset(validation), test)


def sizes(request: Request, available: int) -> tuple[int, int]:
    """Return how many samples to train on and how many to validate on: nine to one unless both are given."""
    if request.train_size is None:
        validation = available // 10 if request.validation_size is None else request.validation_size
        return max(available - validation, 0), validation
    default = max(1, request.train_size // 9)
    return request.train_size, default if request.validation_size is None else request.validation_size


def cut(pool: Pool, rows: tuple[Tensor, Tensor, Tensor], request: Request, seed: int) -> Subset:
    """Return the samples at the positions of a split; of the training ones as many as are asked for, drawn by the seed.

    Raises
    ------
    InvalidParameterError
        If there are fewer.
    """
    train, validation, test = rows
    if request.train_size is not None:
        if request.train_size > len(train):
            raise InvalidParameterError("train_size", f"at most {len(train)}, with this split", request.train_size)
        order = torch.randperm(len(train), generator=generator(seed, SUBSET))[: request.train_size]
        train = train[order.sort().values]
    return Subset(pool.data.subset(train), pool.data.subset(validation), pool.data.subset(test))


def fold_of(pool: Pool, count: int, request: Request, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the split of one fold of a cross-validation: blocks of a sequence, or whole groups.

    Raises
    ------
    InvalidParameterError
        If there is no such fold.
    """
    if not 0 <= request.fold < count:
        raise InvalidParameterError("fold", f"a whole number from 0 to {count - 1}", request.fold)
    test = folds(len(pool), count, groups=pool.groups, seed=seed)[request.fold]
    train, validation = fold_split(test, len(pool), groups=pool.groups, validation_fraction=0.1, seed=seed)
    return train, validation, test


def generator(seed: int, stream: int) -> torch.Generator:
    """Return the generator of one stream of a seed."""
    return torch.Generator().manual_seed(seed * 1000 + stream)
