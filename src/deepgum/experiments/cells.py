"""One cell of a comparison: a data set under one corruption and one seed, the same for every method."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import torch
from torch import Tensor

from deepgum.data.corruption import Corruption, corrupt_landmarks
from deepgum.data.digits import load_digits_landmarks
from deepgum.data.lfw_net import check_folder, load_lfw_net
from deepgum.data.regression import RegressionData
from deepgum.errors import InvalidParameterError

__all__ = ["DATASETS", "Cell", "Dataset", "Request", "Subset", "make_cell", "split"]

# One seed drives all that is drawn, each from a stream of its own: drawing more of one does not move the others.
_SUBSET, _TRAIN, _VALIDATION = 1, 2, 3


@dataclass(frozen=True)
class Request:
    """Which data to load, and where from.

    Attributes
    ----------
    folder : Path or None
        Where the data set is; None for one that a dependency ships.
    train_size, validation_size : int or None
        Numbers of samples; None for all there are, divided nine to one.
    image_size : int
        Side of the images in pixels.
    skip_missing : bool
        Go on without images that are not there.
    cache_dir : Path or None
        Of the decoded crops.
    on_progress : callable, optional
        Called with (done, total) while images are decoded.
    """

    folder: Path | None
    train_size: int | None
    validation_size: int | None
    image_size: int
    skip_missing: bool = False
    cache_dir: Path | None = None
    on_progress: Callable[[int, int], None] | None = None


@dataclass(frozen=True)
class Subset:
    """Clean training, validation and test samples."""

    train: RegressionData
    validation: RegressionData
    test: RegressionData


@dataclass(frozen=True)
class Dataset:
    """A data set that is known by name.

    Attributes
    ----------
    image_size : int
        The default side of its images in pixels.
    needs_folder : bool
        Whether it is read from a folder that the user names.
    load : callable
        From a request and a seed to clean samples.
    """

    image_size: int
    needs_folder: bool
    load: Callable[[Request, int], Subset]


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
    order = torch.randperm(len(pool), generator=_generator(seed, _SUBSET))
    train, validation = order[:train_size], order[train_size : train_size + validation_size]
    return Subset(pool.subset(train), pool.subset(validation), test)


def sizes(request: Request, available: int) -> tuple[int, int]:
    """Return how many samples to train on and how many to validate on: nine to one unless both are given."""
    if request.train_size is None:
        validation = available // 10 if request.validation_size is None else request.validation_size
        return max(available - validation, 0), validation
    default = max(1, request.train_size // 9)
    return request.train_size, default if request.validation_size is None else request.validation_size


@dataclass(frozen=True)
class Cell:
    """Corrupted training and validation samples, clean test samples, and the truth about the former.

    Attributes
    ----------
    train, validation : RegressionData
        With the labels that a method is given.
    test : RegressionData
        With clean labels.
    corruption, validation_corruption : Corruption
        What was done to the training and to the validation labels.
    clean_targets : Tensor (n, d)
        The training labels before that.
    """

    train: RegressionData
    validation: RegressionData
    test: RegressionData
    corruption: Corruption
    validation_corruption: Corruption
    clean_targets: Tensor


def make_cell(subset: Subset, noise: str, rate: float, seed: int) -> Cell:
    """Corrupt the labels of training and validation samples, never those of test samples.

    Examples
    --------
    >>> subset = DATASETS["digits"].load(Request(None, 20, 10, image_size=16), 0)
    >>> cell = make_cell(subset, "l-ugo", 0.5, seed=0)
    >>> int(cell.corruption.outlier.sum()), int(cell.validation_corruption.outlier.sum())
    (40, 20)
    >>> cell.test is subset.test
    True
    """
    corruptions = [
        corrupt_landmarks(data.targets, noise, rate, _generator(seed, stream))
        for data, stream in ((subset.train, _TRAIN), (subset.validation, _VALIDATION))
    ]
    train, validation = (
        data.with_targets(corruption.targets)
        for data, corruption in zip((subset.train, subset.validation), corruptions, strict=True)
    )
    return Cell(train, validation, subset.test, corruptions[0], corruptions[1], subset.train.targets)


def _generator(seed: int, stream: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed * 1000 + stream)


def _load_lfw_net(request: Request, seed: int) -> Subset:
    assert request.folder is not None
    # Under the name that the user of an experiment knows it by.
    check_folder("data", request.folder)
    pool, test = load_lfw_net(
        request.folder,
        image_size=request.image_size,
        skip_missing=request.skip_missing,
        cache_dir=request.cache_dir,
        on_progress=request.on_progress,
    )
    return split(pool, test, request, seed)


def _load_digits(request: Request, seed: int) -> Subset:
    train_size, validation_size = sizes(request, 2000)
    pool, test = load_digits_landmarks(train_size + validation_size, 500, seed, request.image_size)
    return split(pool, test, request, seed)


DATASETS: Mapping[str, Dataset] = MappingProxyType(
    {
        "lfw-net": Dataset(image_size=48, needs_folder=True, load=_load_lfw_net),
        "digits": Dataset(image_size=32, needs_folder=False, load=_load_digits),
    }
)
"""The data sets that an experiment can name."""
