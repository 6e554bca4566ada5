"""One cell of a comparison: a data set under one corruption and one seed, the same for every method."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from deepgum.data.corruption import Corruption, corrupt
from deepgum.data.regression import RegressionData
from deepgum.experiments.request import TRAIN, VALIDATION, Subset, generator

__all__ = ["Cell", "make_cell"]


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
    >>> from deepgum.experiments.datasets import DATASETS
    >>> from deepgum.experiments.request import Request
    >>> subset = DATASETS["digits"].load(Request(None, 20, 10, image_size=16), 0)
    >>> cell = make_cell(subset, "l-ugo", 0.5, seed=0)
    >>> int(cell.corruption.outlier.sum()), int(cell.validation_corruption.outlier.sum())
    (40, 20)
    >>> cell.test is subset.test
    True
    """
    corruptions = [
        corrupt(data.targets, noise, rate, generator(seed, stream), subset.width)
        for data, stream in ((subset.train, TRAIN), (subset.validation, VALIDATION))
    ]
    train, validation = (
        data.with_targets(corruption.targets)
        for data, corruption in zip((subset.train, subset.validation), corruptions, strict=True)
    )
    return Cell(train, validation, subset.test, corruptions[0], corruptions[1], subset.train.targets)
