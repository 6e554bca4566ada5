"""A cell of a comparison: the samples with one corruption and one seed. Every method is trained on the same cell."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from deepgum.data.corruption import Corruption, corrupt, delete_labels
from deepgum.data.regression import RegressionData
from deepgum.data.sets.request import (
    TRAIN,
    TRAIN_MISSING,
    VALIDATION,
    VALIDATION_MISSING,
    Subset,
    generator,
)

__all__ = ["Cell", "make_cell"]


@dataclass(frozen=True)
class Cell:
    """Training and validation samples with corrupted labels, test samples with clean labels, and the corruption.

    Attributes
    ----------
    train, validation : RegressionData
        Samples with corrupted labels, for the training.
    test : RegressionData
        Samples with clean labels.
    corruption, validation_corruption : Corruption
        Corruption of the training labels, and corruption of the validation labels.
    clean_targets : Tensor (n, d)
        The training labels before the corruption.
    """

    train: RegressionData
    validation: RegressionData
    test: RegressionData
    corruption: Corruption
    validation_corruption: Corruption
    clean_targets: Tensor


def make_cell(
    subset: Subset, noise: str, rate: float, seed: int, *, missing: float = 0.0, landmarks: bool = True
) -> Cell:
    """Corrupt the labels of training and validation samples. The labels of test samples stay clean.

    Parameters
    ----------
    subset : Subset
        Clean samples.
    noise, rate
        See `deepgum.data.corruption.corrupt`.
    seed : int
        Seed of the noise and of the deletions. The two have separate streams of random numbers.
    missing : float
        Share of labels that are deleted in addition to the noise. Both right and wrong labels are deleted.
    landmarks : bool
        True if a label is a landmark with two coordinates, False if a label is a single coordinate.

    Examples
    --------
    >>> from deepgum.data.sets.registry import get_dataset
    >>> from deepgum.data.sets.request import Request
    >>> subset = get_dataset("digits").load(Request(None, 20, 10, image_size=16), 0)
    >>> cell = make_cell(subset, "l-ugo", 0.5, seed=0)
    >>> int(cell.corruption.outlier.sum()), int(cell.validation_corruption.outlier.sum())
    (40, 20)
    >>> cell.test is subset.test
    True
    >>> int(make_cell(subset, "l-ugo", 0.5, seed=0, missing=0.25).train.targets.isnan().sum())  # 20 landmarks
    40
    """
    corruptions = []
    for data, stream, deletions in (
        (subset.train, TRAIN, TRAIN_MISSING),
        (subset.validation, VALIDATION, VALIDATION_MISSING),
    ):
        corruption = corrupt(data.targets, noise, rate, generator(seed, stream), subset.width)
        if missing:
            drawn = generator(seed, deletions)
            corruption = delete_labels(corruption, data.targets, missing, drawn, together=2 if landmarks else 1)
        corruptions.append(corruption)
    train, validation = (
        data.with_targets(corruption.targets)
        for data, corruption in zip((subset.train, subset.validation), corruptions, strict=True)
    )
    return Cell(train, validation, subset.test, corruptions[0], corruptions[1], subset.train.targets)
