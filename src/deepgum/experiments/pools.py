"""The whole of a data set that is known by name, with its groups and its own parts: what an audit looks at."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from deepgum.checks import check_choice
from deepgum.data.cacd import load_cacd
from deepgum.data.digits import load_digits_landmarks
from deepgum.data.fld import load_fld
from deepgum.data.head_pose import load_head_pose
from deepgum.data.lfw_net import check_folder, load_lfw_net
from deepgum.data.mcgill import load_mcgill
from deepgum.data.pictures import Pictures
from deepgum.data.pool import Pool
from deepgum.data.regression import RegressionData
from deepgum.data.utkface import load_utkface
from deepgum.errors import InvalidParameterError
from deepgum.experiments.datasets import DATASETS, read_table
from deepgum.experiments.request import Request

__all__ = ["is_sequence", "load_pool"]


def load_pool(dataset: str, request: Request, seed: int) -> Pool:
    """Return all samples of a data set, in its own order.

    Parameters
    ----------
    dataset : str
        A key of `deepgum.experiments.datasets.DATASETS`.
    request : Request
        Numbers of samples mean nothing here, but for `digits`.
    seed : int
        Of what is drawn at random, in data sets that are made.

    Raises
    ------
    InvalidDataError, InvalidParameterError
        If the data set is not there or cannot be read.
    """
    check_choice("dataset", dataset, DATASETS)
    if dataset == "table":
        return read_table(request)
    if dataset == "digits":
        size = 2500 if request.train_size is None else request.train_size
        test = 500 if request.test_size is None else request.test_size
        return _pool_of(*load_digits_landmarks(size, test, seed, request.image_size))
    folder = request.folder
    if folder is None:
        raise InvalidParameterError("data", "the data set's folder", None)
    if dataset == "lfw-net":
        check_folder("data", folder)
        return _pool_of(*load_lfw_net(folder, **request.images))
    if dataset == "head-pose":
        extra = request.options["extra"]
        return load_head_pose(folder, parts=tuple(request.options["parts"]), extra=(extra,) if extra else ())
    if dataset == "fld":
        return load_fld(folder, request.options["clothes"], **request.images)
    if dataset == "cacd":
        return load_cacd(folder, split_file=request.options["split_file"] or None, **request.images)
    if dataset == "mcgill":
        return load_mcgill(folder, table=request.options["table"], **request.images)
    return load_utkface(folder, **request.images)


def is_sequence(dataset: str, pool: Pool) -> bool:
    """Whether neighbours are near copies of one another, and no groups say so."""
    return dataset == "head-pose" and pool.groups is None


def _pool_of(train: RegressionData, test: RegressionData) -> Pool:
    """Put the two official parts of a data set together."""
    parts = ("train",) * len(train) + ("test",) * len(test)
    pictures = None
    if train.pictures is not None and test.pictures is not None:
        pictures = _joined(train.pictures, test.pictures)
    data = replace(
        train,
        inputs=np.concatenate([np.asarray(train.inputs), np.asarray(test.inputs)]),
        targets=torch.cat([train.targets, test.targets]),
        ids=train.ids + test.ids,
        normaliser=torch.cat([train.normaliser, test.normaliser]),
        pictures=pictures,
    )
    return Pool(data, parts=parts)


def _joined(one: Pictures, other: Pictures) -> Pictures:
    return Pictures(Path(one.folder), one.names + other.names, one.squares + other.squares)
