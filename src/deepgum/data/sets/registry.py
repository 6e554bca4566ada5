"""The data sets that an experiment can name: how each is read and split, and how its errors are counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from deepgum.checks import check_choice
from deepgum.data.edits.base import Annotations, Changes
from deepgum.data.pictures import Pictures
from deepgum.data.pool import PARTS, Pool
from deepgum.data.regression import RegressionData
from deepgum.data.sets.ages import read_utkface
from deepgum.data.sets.cacd import load_cacd, read_cacd
from deepgum.data.sets.digits import load_digits_landmarks
from deepgum.data.sets.fld import CLOTHES, load_fld, read_fld
from deepgum.data.sets.head_pose import load_head_pose, read_head_pose
from deepgum.data.sets.lfw_net import check_folder, load_lfw_net, read_lfw_net
from deepgum.data.sets.mcgill import load_mcgill, read_mcgill
from deepgum.data.sets.measure import Measure
from deepgum.data.sets.request import Request, Subset, cut, fold_of, sizes, split
from deepgum.data.sets.table import load_table, read_table_annotations
from deepgum.data.sets.utkface import load_utkface
from deepgum.data.splits import split_groups, split_sizes, split_validation
from deepgum.errors import InvalidDataError, InvalidParameterError

__all__ = [
    "DATASETS",
    "OPTIONS",
    "Annotations",
    "Changes",
    "Dataset",
    "check_options",
    "is_sequence",
    "load_all",
    "load_pool",
    "read_annotations",
    "read_table",
]

FOLDS = 7
"""Of a cross-validation (section 4.3 of the paper)."""
_LISTS_OF_TEXTS = ("targets", "features", "parts")


@dataclass(frozen=True)
class Dataset:
    """A data set that is known by name.

    Attributes
    ----------
    description : str
        One line for `--help`.
    image_size : int
        The default side of its images in pixels; 0 for feature vectors.
    needs_folder : bool
        Whether it is read from a folder or file that the user names.
    load : callable
        From a request and a seed to clean samples.
    groups : {"sample", "landmark", "coordinate"}
        What is an inlier or an outlier as a whole in the paper's experiment on it.
    measure : Measure
        In what errors are counted.
    folds : int
        Of its cross-validation; 0 where there is none.
    options : Mapping
        Settings of this data set alone, with their defaults.
    choices : Mapping
        What an option may be, where that is a list of names.
    """

    description: str
    image_size: int
    needs_folder: bool
    load: Callable[[Request, int], Subset]
    groups: str = "sample"
    measure: Measure = field(default_factory=Measure)
    folds: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    choices: Mapping[str, Sequence[str]] = field(default_factory=dict)


def check_options(dataset: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a data set, its defaults filled in.

    Raises
    ------
    UnknownNameError
        If it has no such option.
    InvalidParameterError
        If a value is of another type than the default, or what a list holds is no text.
    """
    known = DATASETS[check_choice("name", dataset, DATASETS)].options
    for name in options:
        check_choice("options", name, known)
        if type(options[name]) is not (kind := type(known[name])):
            expected = {str: "a text in quotes", bool: "true or false", list: "a list"}[kind]
            raise InvalidParameterError(f"options.{name}", expected, options[name])
        if name in _LISTS_OF_TEXTS and not all(isinstance(item, str) for item in options[name]):
            raise InvalidParameterError(f"options.{name}", "a list of texts in quotes", options[name])
        if name in DATASETS[dataset].choices:
            check_choice(f"options.{name}", options[name], DATASETS[dataset].choices[name])
    return {**known, **options}


def _folder(request: Request) -> Path:
    if request.folder is None:
        raise InvalidParameterError("data", "the data set's folder", None)
    return request.folder


def _load_lfw_net(request: Request, seed: int) -> Subset:
    # Under the name that the user of an experiment knows it by.
    check_folder("data", _folder(request))
    pool, test = load_lfw_net(_folder(request), **request.images)
    return split(pool, test, request, seed)


def _load_digits(request: Request, seed: int) -> Subset:
    train_size, validation_size = sizes(request, 2000)
    test_size = 500 if request.test_size is None else request.test_size
    pool, test = load_digits_landmarks(train_size + validation_size, test_size, seed, request.image_size)
    return split(pool, test, request, seed)


def _load_fld(request: Request, seed: int) -> Subset:
    """5,000 images to validate on, 5,000 to test on, the others to train on, drawn at random (section 4.1)."""
    pool = load_fld(_folder(request), request.options["clothes"], **request.images)
    validation, test = (5000 if size is None else size for size in (request.validation_size, request.test_size))
    return cut(pool, split_sizes(len(pool), validation, test, seed), request, seed)


def _load_cacd(request: Request, seed: int) -> Subset:
    """Split by celebrity: 80 to validate on, 120 to test on, or as a file of the user's says (section 4.2)."""
    split_file = request.options["split_file"]
    pool = load_cacd(_folder(request), split_file=split_file or None, **request.images)
    if pool.parts is not None:
        return cut(pool, _by_parts(pool, seed), request, seed)
    validation, test = (
        default if size is None else size for size, default in ((request.validation_size, 80), (request.test_size, 120))
    )
    assert pool.groups is not None
    return cut(pool, split_groups(pool.groups, validation, test, seed), request, seed)


def _load_utkface(request: Request, seed: int) -> Subset:
    """A tenth to validate on, a fifth to test on; copies of an image stay on one side."""
    pool = load_utkface(_folder(request), **request.images)
    validation = len(pool) // 10 if request.validation_size is None else request.validation_size
    test = len(pool) // 5 if request.test_size is None else request.test_size
    return cut(pool, split_sizes(len(pool), validation, test, seed, groups=pool.groups), request, seed)


def _load_mcgill(request: Request, seed: int) -> Subset:
    """Seven folds of whole videos (section 4.3)."""
    pool = load_mcgill(_folder(request), table=request.options["table"], **request.images)
    return cut(pool, fold_of(pool, FOLDS, request, seed), request, seed)


def _load_head_pose(request: Request, seed: int) -> Subset:
    """Seven blocks of the sequence; the `extra` file's rows are all trained on, behind the others."""
    folder, extra = _folder(request), request.options["extra"]
    pool = load_head_pose(folder, parts=tuple(request.options["parts"]), extra=(extra,) if extra else ())
    own = load_head_pose(folder, parts=tuple(request.options["parts"])) if extra else pool
    train, validation, test = fold_of(own, FOLDS, request, seed)
    more = torch.arange(len(own), len(pool))
    return cut(pool, (torch.cat([train, more]), validation, test), request, seed)


def load_all(dataset: str, request: Request, seed: int) -> tuple[RegressionData, ...]:
    """Return every sample of a data set, in one part or several: no number of samples and no split leaves one out.

    Raises
    ------
    InvalidDataError, InvalidParameterError
        If the data set is not there or cannot be read, or it is not a table and has too few samples for its split.
    """
    options = {**request.options, **{name: "" for name in ("part", "group", "split_file") if name in request.options}}
    request = replace(request, options=options)
    if dataset == "table":
        return (read_table(request).data,)
    if DATASETS[dataset].needs_folder:
        # What is neither validated nor tested on is all in the training part.
        request = replace(request, train_size=None, validation_size=1, test_size=1)
    subset = DATASETS[dataset].load(request, seed)
    return subset.train, subset.validation, subset.test


def _load_table(request: Request, seed: int) -> Subset:
    """As the split column says; or a tenth to validate on and a fifth to test on, whole groups on one side."""
    pool = read_table(request)
    if pool.parts is not None:
        return cut(pool, _by_parts(pool, seed), request, seed)
    validation = len(pool) // 10 if request.validation_size is None else request.validation_size
    test = len(pool) // 5 if request.test_size is None else request.test_size
    return cut(pool, split_sizes(len(pool), validation, test, seed, groups=pool.groups), request, seed)


def read_table(request: Request) -> Pool:
    """Return the samples of a user's own table.

    Raises
    ------
    InvalidParameterError, InvalidDataError
        As of `deepgum.data.sets.table.load_table`.
    """
    columns: dict[str, Any] = {name: None if value in ("", []) else value for name, value in request.options.items()}
    if not columns["targets"]:
        raise InvalidParameterError("options.targets", "the names of one or more columns", request.options["targets"])
    columns["landmarks"] = bool(columns["landmarks"])
    if columns["mirror"] == "landmarks":
        # Without pairs every landmark keeps its name.
        columns |= {"mirror": None, "swap_pairs": request.options["swap_pairs"]}
    if columns["image"]:
        columns |= request.images
    file = _folder(request)
    if not file.is_file():
        # Under the name that the user of a configuration knows it by.
        raise InvalidParameterError("data.folder", "a CSV or Parquet file", str(file))
    return load_table(file, **columns)


def _by_parts(pool: Pool, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the positions of the parts; a tenth of the training samples validates if no part does.

    Raises
    ------
    InvalidDataError
        If nothing is to be trained on, or nothing to be tested on.
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
        groups = None if pool.groups is None else [pool.groups[row] for row in parts["train"].tolist()]
        kept, held_out = split_validation(len(parts["train"]), 0.1, seed, groups)
        parts["train"], parts["validation"] = parts["train"][kept], parts["train"][held_out]
    return parts["train"], parts["validation"], parts["test"]


DATASETS: Mapping[str, Dataset] = MappingProxyType(
    {
        "lfw-net": Dataset(
            "five facial landmarks, LFW + NET of Sun et al. (section 4.4)",
            image_size=48,
            needs_folder=True,
            load=_load_lfw_net,
            groups="landmark",
            measure=Measure("of the crop's side"),
        ),
        "digits": Dataset(
            "corners of scikit-learn's digits on a canvas: needs no folder",
            image_size=32,
            needs_folder=False,
            load=_load_digits,
            groups="landmark",
            measure=Measure("of the side"),
        ),
        "fld": Dataset(
            f"fashion landmarks (section 4.1); options: clothes = {', '.join(CLOTHES)}",
            image_size=224,
            needs_folder=True,
            load=_load_fld,
            groups="landmark",
            measure=Measure("px of 224", factor=224.0),
            options={"clothes": "upper"},
            choices={"clothes": CLOTHES},
        ),
        "cacd": Dataset(
            "ages of celebrities (section 4.2); options: split_file",
            image_size=224,
            needs_folder=True,
            load=_load_cacd,
            measure=Measure("years", landmarks=False, moved=5.0),
            options={"split_file": ""},
        ),
        "utkface": Dataset(
            "ages, UTKFace",
            image_size=64,
            needs_folder=True,
            load=_load_utkface,
            measure=Measure("years", landmarks=False, moved=5.0),
        ),
        "mcgill": Dataset(
            "head pose in videos, 7 folds of videos (section 4.3); options: table",
            image_size=224,
            needs_folder=True,
            load=_load_mcgill,
            measure=Measure("degrees", landmarks=False, moved=5.0),
            folds=FOLDS,
            options={"table": "yaw.csv"},
        ),
        "head-pose": Dataset(
            "head pose from features, BIWI and AFLW2000, 7 contiguous folds; options: parts, extra",
            image_size=0,
            needs_folder=True,
            load=_load_head_pose,
            measure=Measure("degrees", landmarks=False, moved=5.0),
            folds=FOLDS,
            options={"parts": ["biwi_train.npz", "biwi_test.npz"], "extra": ""},
        ),
        "table": Dataset(
            "any CSV or Parquet file; options: targets, image, features, part, group, id, root, landmarks, ...",
            image_size=64,
            needs_folder=True,
            load=_load_table,
            measure=Measure(landmarks=False),
            options={
                "targets": [],
                "image": "",
                "features": [],
                "part": "",
                "group": "",
                "id": "",
                "landmarks": False,
                "mirror": "",
                "swap_pairs": [],
                "root": "",
            },
            choices={"mirror": ("", "keep", "landmarks")},
        ),
    }
)
"""The data sets that an experiment can name."""


_READERS: Mapping[str, Callable[[Path, Mapping[str, Any]], Annotations]] = MappingProxyType(
    {
        "lfw-net": read_lfw_net,
        "fld": read_fld,
        "cacd": read_cacd,
        "utkface": read_utkface,
        "mcgill": read_mcgill,
        "head-pose": read_head_pose,
        "table": read_table_annotations,
    }
)

OPTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "lfw-net": (),
        "fld": ("clothes",),
        "cacd": (),
        "utkface": (),
        "mcgill": ("table",),
        "head-pose": ("parts", "extra"),
        "table": ("targets", "image", "id"),
    }
)
"""The options of each data set that say where its labels are and what its samples are called."""

_LISTS = ("targets", "parts")


def read_annotations(dataset: str, path: Path, options: Mapping[str, Any]) -> Annotations:
    r"""Read the labels of a data set from its files.

    Parameters
    ----------
    dataset : str
        A key of `deepgum.data.sets.registry.DATASETS`.
    path : Path
        Its folder; for a table the file.
    options : mapping
        As a run has them; only those in `OPTIONS` matter.

    Raises
    ------
    UnknownNameError
        If there is no such data set.
    InvalidParameterError, InvalidDataError
        If the files are not there or malformed, or there are none to correct.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "ages.csv").write_text('file;age;note\na.jpg;31.0;"a; b"\nb.jpg;58.0;\n')
    >>> labels = read_annotations("table", folder / "ages.csv", {"targets": ["age"], "image": "file"})
    >>> labels.ids, labels.values.tolist()
    (('a.jpg', 'b.jpg'), [[31.0], [58.0]])
    >>> labels.write({"a.jpg": np.array([13.0]), "b.jpg": np.array([np.nan])}, folder / "new.csv")
    ()
    >>> (folder / "new.csv").read_text()
    'file;age;note\na.jpg;13.0;"a; b"\nb.jpg;;\n'
    """
    if dataset == "digits":
        raise InvalidDataError(
            "The data set 'digits' is made and not read from files: there is no label to correct, and nothing to write."
        )
    reader = _READERS[check_choice("dataset", dataset, _READERS)]
    given = {name: value for name, value in options.items() if value is not None}
    for name in given.keys() & set(OPTIONS[dataset]):
        _check_option(name, given[name])
    return reader(path, given)


def _check_option(name: str, value: object) -> None:
    """Refuse what a patch that was written by hand may have in place of a name, or of several."""
    if name in _LISTS:
        if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
            raise InvalidParameterError(f"options.{name}", "a list of names", value)
    elif not isinstance(value, str):
        raise InvalidParameterError(f"options.{name}", "a name", value)


def load_pool(dataset: str, request: Request, seed: int) -> Pool:
    """Return all samples of a data set, in its own order.

    Parameters
    ----------
    dataset : str
        A key of `deepgum.data.sets.registry.DATASETS`.
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
