"""The contract that every data set of the registry keeps, each on a small set in its published form."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from deepgum.data.pool import Pool
from deepgum.data.regression import RegressionData
from deepgum.data.sets.base import Dataset
from deepgum.data.sets.measure import Measure
from deepgum.data.sets.registry import DATASETS, detect
from deepgum.data.sets.request import Request, Subset
from deepgum.errors import (
    DeepGUMWarning,
    InvalidDataError,
    InvalidParameterError,
    MissingImagesError,
    UnknownNameError,
    UnreadableImagesError,
)

PARTS = ("train", "validation", "test")


def ids(subset: Subset) -> list[set[str]]:
    return [set(getattr(subset, part).ids) for part in PARTS]


# Samples and their split


def test_the_pool_has_every_sample_once(small: Any) -> None:
    pool = small.pool()
    assert len(pool) == len(set(pool.data.ids))
    assert len(pool) == small.count or not small.dataset.needs_folder
    assert (pool.data.inputs.ndim == 4) == small.dataset.has_images(small.request().options)
    assert pool.data.targets.shape[1] == len(pool.data.target_names)


def test_each_part_has_the_inputs_and_labels_of_the_pool(on_disk: Any) -> None:
    pool = on_disk.pool()
    rows = {name: row for row, name in enumerate(pool.data.ids)}
    for part in PARTS:
        data = getattr(on_disk.load(), part)
        where = [rows[name] for name in data.ids]
        torch.testing.assert_close(data.targets, pool.data.targets[where], rtol=0, atol=0, equal_nan=True)
        np.testing.assert_array_equal(np.asarray(data.inputs), np.asarray(pool.data.inputs)[where])


def test_no_sample_and_no_cluster_is_in_two_parts(small: Any) -> None:
    cluster_of = {}
    if small.dataset.needs_folder:
        pool = small.pool()
        cluster_of = dict(zip(pool.data.ids, pool.keep_together or pool.data.ids, strict=True))
    for seed in range(3):
        parts = ids(small.load(seed))
        assert all(parts)
        assert len(set.union(*parts)) == small.count
        assert sum(map(len, parts)) == small.count
        clusters = [{cluster_of.get(name, name) for name in part} for part in parts]
        assert len(set.union(*clusters)) == sum(map(len, clusters))


def test_the_seed_draws_the_split(small: Any) -> None:
    assert ids(small.load(3)) == ids(small.load(3))
    if not small.dataset.is_sequence:
        assert ids(small.load(3)) != ids(small.load(4))


def test_folds_test_each_sample_once_and_a_fold_beyond_the_last_is_refused(with_folds: Any) -> None:
    tested = [name for fold in range(with_folds.dataset.folds) for name in with_folds.load(fold=fold).test.ids]
    assert len(tested) == with_folds.count
    assert set(tested) == set(with_folds.pool().data.ids)
    with pytest.raises(InvalidParameterError, match=rf"`fold` should be .* from 0 to {with_folds.dataset.folds - 1}"):
        with_folds.load(fold=with_folds.dataset.folds)


def test_everything_is_each_sample_once_whatever_the_sizes_are(small: Any) -> None:
    settings = {} if small.name == "digits" else {"train_size": 1, "validation_size": 1, "test_size": 1}
    for seed in range(3):
        names = [name for part in small.dataset.everything(small.request(**settings), seed) for name in part.ids]
        assert len(names) == len(set(names)) == small.count


# Missing, broken and unreadable files


def test_a_data_set_that_is_not_there_is_refused(on_disk: Any, tmp_path: Path) -> None:
    for path, message in ((tmp_path / "nowhere", "nowhere"), (None, "`data` should be the data set's folder")):
        with pytest.raises(InvalidParameterError, match=message):
            on_disk.pool(path=path)
        with pytest.raises(InvalidParameterError, match=message):
            on_disk.load(path=path)
    with pytest.raises(InvalidParameterError, match="Parameter `data`"):
        on_disk.dataset.labels(tmp_path / "nowhere", on_disk.request().options)


def test_a_broken_file_is_refused_by_its_name(with_list: Any) -> None:
    (with_list.folder / with_list.broken).write_bytes(b"\x00broken\x00")
    with pytest.raises(InvalidDataError, match=with_list.broken):
        with_list.pool()
    with pytest.raises(InvalidDataError, match=with_list.broken):
        with_list.dataset.labels(with_list.path, with_list.request().options)


def check_rest(pool: Pool, whole: Pool, gone: str) -> None:
    """Assert that the pool lacks exactly one sample; all others keep their image, label and cluster."""
    kept = [row for row, name in enumerate(whole.data.ids) if name != gone]
    assert len(kept) == len(whole) - 1
    assert pool.data.ids == tuple(whole.data.ids[row] for row in kept)
    torch.testing.assert_close(pool.data.targets, whole.data.targets[kept], rtol=0, atol=0, equal_nan=True)
    np.testing.assert_array_equal(np.asarray(pool.data.inputs), np.asarray(whole.data.inputs)[kept])
    for of in ("keep_together", "parts"):
        values = getattr(whole, of)
        assert getattr(pool, of) == (None if values is None else tuple(values[row] for row in kept))


def test_a_missing_image_is_counted_and_left_out_on_request(with_list: Any) -> None:
    whole = with_list.pool()
    (with_list.folder / with_list.images[1]).unlink()
    with pytest.raises(MissingImagesError, match=r"1 of the \d+ images .*skip_missing"):
        with_list.pool()
    with pytest.warns(DeepGUMWarning, match=r"1 of the \d+ images"):
        pool = with_list.pool(skip_missing=True)
    check_rest(pool, whole, with_list.images[1])


def test_an_unreadable_image_is_named_and_left_out_on_request(with_images: Any) -> None:
    whole = with_images.pool()
    (with_images.folder / with_images.images[1]).write_bytes(b"broken")
    with pytest.raises(UnreadableImagesError, match=with_images.images[1]):
        with_images.pool()
    with pytest.warns(DeepGUMWarning, match=with_images.images[1]) as caught:
        pool = with_images.pool(skip_unreadable=True)
    assert len(caught) == 1
    check_rest(pool, whole, with_images.images[1])


def test_a_complete_set_gives_no_warning(small: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small.pool(skip_missing=True, skip_unreadable=True)


# Detection


def test_each_data_set_detects_its_own_files_and_no_others(make_small: Callable[[str], Any], tmp_path: Path) -> None:
    paths = {name: make_small(name).path for name, dataset in DATASETS.items() if dataset.needs_folder}
    (tmp_path / "empty").mkdir()
    for name, dataset in DATASETS.items():
        detected = [other for other, path in paths.items() if dataset.detect(path)]
        files = [other for other, path in paths.items() if path.is_file()]
        assert detected == (files if name == "table" else [name] * (name in paths))  # any file may be a table
        for path in (tmp_path / "empty", tmp_path / "nowhere"):
            assert not dataset.detect(path)
    for name, path in paths.items():
        assert detect(path) is DATASETS[name]


# Labels


def read(small: Any, path: Path | None = None) -> Any:
    return small.dataset.labels(path or small.path, small.request().options)


def written(small: Any, changes: dict[str, Any], tmp_path: Path) -> Path:
    """Write the small set with other labels; return its new path."""
    out: Path = small.path.with_name(f"new{small.path.suffix}") if small.dataset.is_file else tmp_path / "new"
    if not small.dataset.is_file:
        out.mkdir()
    read(small).write(changes, out)
    return out


def test_a_data_set_without_label_files_says_so() -> None:
    with pytest.raises(InvalidDataError, match="'digits' has no label files"):
        DATASETS["digits"].labels(Path("anywhere"), {})


def test_labels_have_the_ids_of_the_pool_in_its_order(with_labels: Any) -> None:
    pool, labels = with_labels.pool(), read(with_labels)
    assert labels.ids == pool.data.ids
    assert labels.names == pool.data.target_names
    np.testing.assert_array_equal(np.isnan(labels.values), pool.data.targets.isnan())
    if not with_labels.dataset.measure.landmarks:
        np.testing.assert_array_equal(labels.values.astype(np.float32), pool.data.targets)


def test_labels_without_changes_are_written_unchanged(with_labels: Any, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in with_labels.folder.rglob("*") if path.is_file()}
    out = written(with_labels, {}, tmp_path)
    if with_labels.dataset.is_file:
        assert out.read_bytes() == with_labels.path.read_bytes()
    elif with_labels.name != "cacd":  # SciPy writes the time into a MATLAB file
        kept = {path.relative_to(with_labels.folder): content for path, content in before.items()}
        assert {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()} == kept
    np.testing.assert_array_equal(read(with_labels, out).values, read(with_labels).values)
    assert {path: path.read_bytes() for path in before} == before


def test_a_new_label_is_read_back_and_all_others_stay(with_labels: Any, tmp_path: Path) -> None:
    labels = read(with_labels)
    name = labels.ids[4]
    out = written(with_labels, {name: labels.values[4] + 2.0}, tmp_path)
    assert with_labels.dataset.detect(out)
    expected = labels.values.copy()
    expected[4] += 2.0
    again = read(with_labels, out)
    if with_labels.name == "utkface":  # the name contains the label
        assert set(labels.ids) - set(again.ids) == {name}
        again, expected = np.sort(again.values, axis=0), np.sort(expected, axis=0)
    else:
        assert again.ids == labels.ids
        again = again.values
    np.testing.assert_array_equal(again, expected)
    assert len(with_labels.pool(path=out)) == with_labels.count


def test_a_label_that_is_dropped_is_missing_or_its_sample_is_left_out(with_labels: Any, tmp_path: Path) -> None:
    labels = read(with_labels)
    name, new = labels.ids[4], labels.values[4].copy()
    new[:2] = np.nan
    left_out = labels.left_out({name: new})
    assert left_out == (() if labels.keeps_missing else (name,))
    again = read(with_labels, written(with_labels, {name: new}, tmp_path))
    assert again.ids == tuple(sample for sample in labels.ids if sample not in left_out)
    if labels.keeps_missing:
        np.testing.assert_array_equal(again.values[4], new)
    kept = [row for row, sample in enumerate(labels.ids) if sample != name]
    np.testing.assert_array_equal(again.values[[again.rows[labels.ids[row]] for row in kept]], labels.values[kept])


# Options and attributes


def test_an_unknown_option_is_answered_with_the_nearest(small: Any) -> None:
    for option in small.dataset.options:
        with pytest.raises(UnknownNameError, match=f"Did you mean '{option}'"):
            small.dataset.check_options({**small.options, f"{option}x": small.dataset.options[option]})
    with pytest.raises(UnknownNameError, match="`options` should be one of"):
        small.dataset.check_options({**small.options, "clothing": ""})


def test_an_option_of_another_type_is_named(small: Any) -> None:
    for option in small.dataset.options:
        for value in (3, None, {"a": 1}, ["a", 1] if isinstance(small.dataset.options[option], str) else "a"):
            with pytest.raises(InvalidParameterError, match=rf"`options\.{option}` should be"):
                small.dataset.check_options({**small.options, option: value})


def test_options_that_are_not_given_have_their_defaults(small: Any) -> None:
    assert small.dataset.check_options(small.options) == {**small.dataset.options, **small.options}


def test_a_data_set_describes_itself(small: Any) -> None:
    dataset = small.dataset
    assert DATASETS[dataset.name] is dataset
    assert dataset.description
    assert dataset.measure.landmarks == (dataset.groups == "landmark")
    assert set(dataset.label_options) | set(dataset.local_options) | set(dataset.choices) <= set(dataset.options)
    dataset.check("dataset")


# A class of the user's


class Line(Dataset):
    """The smallest data set: a name and a pool."""

    name = "line"
    image_size = 0
    needs_folder = False

    def pool(self, request: Request, seed: int) -> Pool:
        x = np.random.default_rng(seed).normal(size=(50, 3))
        return Pool(RegressionData.from_arrays(x, x.sum(axis=1, keepdims=True)))


def test_a_name_and_a_pool_are_enough(tmp_path: Path) -> None:
    subset = Line().load(Request(folder=None), seed=0)
    assert [len(getattr(subset, part)) for part in PARTS] == [35, 5, 10]
    assert len(Line().load(Request(folder=None, train_size=7, test_size=20), seed=0).train) == 7
    assert not Line().detect(tmp_path)
    assert not Line().has_images({})
    assert Line().check_options({}) == {}
    with pytest.raises(InvalidDataError, match=r"'line' has no label files.*Add a method `labels` to `Line`"):
        Line().labels(tmp_path, {})


def test_the_default_split_follows_parts_or_folds() -> None:
    class Parted(Line):
        def pool(self, request: Request, seed: int) -> Pool:
            data = super().pool(request, seed).data
            return Pool(data, parts=("train",) * 20 + ("validation",) * 10 + ("test",) * 20)

    class Folded(Line):
        folds = 5

    assert Parted().load(Request(folder=None), 0).test.ids == tuple(map(str, range(30, 50)))
    assert Folded().load(Request(folder=None, fold=1), 0).test.ids == tuple(map(str, range(10, 20)))


def test_options_may_be_numbers_and_tables() -> None:
    class Tuned(Line):
        options = {"size": 3, "rate": 0.5, "names": {}}  # noqa: RUF012

    assert Tuned().check_options({"rate": 1, "names": {"a": 1}}) == {"size": 3, "rate": 1, "names": {"a": 1}}
    for name, value in (("size", 2.0), ("size", True), ("rate", True), ("names", [])):
        with pytest.raises(InvalidParameterError, match=rf"`options\.{name}` should be"):
            Tuned().check_options({name: value})


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("name", "a/b"),
        ("name", ""),
        ("image_size", None),
        ("groups", "points"),
        ("measure", "years"),
        ("folds", 1),
        ("options", ["a"]),
    ],
)
def test_a_wrong_attribute_is_named(attribute: str, value: Any) -> None:
    kind = type("Wrong", (Line,), {attribute: value})
    with pytest.raises(InvalidParameterError, match=rf"`data` should be a complete Dataset.*Its `{attribute}` is"):
        kind().check("data")


def test_objects_of_one_class_with_the_same_state_are_equal() -> None:
    assert Line() == Line()
    assert hash(Line()) == hash(Line())
    other = Line()
    other.size = 3  # type: ignore[attr-defined]
    assert other != Line()
    assert Line() != type("Line", (Line,), {})()
    assert Measure("years", landmarks=False) == Measure("years", landmarks=False)
