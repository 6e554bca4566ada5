"""Images are decoded once; nothing but a whole and matching cache is used."""

from __future__ import annotations

import dataclasses
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from deepgum.data import crop_cache
from deepgum.data.crop_cache import CropPlan, default_cache_dir, load_crops
from deepgum.data.crops import Square
from deepgum.errors import InvalidParameterError, UnreadableImagesError

N = 7


@pytest.fixture
def plan(tmp_path: Path) -> CropPlan:
    folder = tmp_path / "images"
    folder.mkdir()
    names = tuple(f"im_{i}.jpg" for i in range(N))
    for i, name in enumerate(names):
        Image.new("L", (20, 20), 30 * i).save(folder / name, quality=95)
    return CropPlan(folder, names, (Square(2, 2, 16),) * N, image_size=8, colour=False)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that fills with the names of the files that are decoded."""
    names: list[str] = []
    read = crop_cache.read_crop

    def counting(path: Path, *args: Any, **kwargs: Any) -> Any:
        names.append(path.name)
        return read(path, *args, **kwargs)

    monkeypatch.setattr(crop_cache, "read_crop", counting)
    return names


def test_the_second_load_decodes_nothing_and_gives_the_same(plan: CropPlan, tmp_path: Path, decoded: list[str]) -> None:
    first = np.array(load_crops(plan, tmp_path / "cache"))
    assert sorted(decoded) == sorted(plan.names)
    calls: list[tuple[int, int]] = []
    second = load_crops(plan, tmp_path / "cache", lambda done, total: calls.append((done, total)))
    assert len(decoded) == N
    assert calls == []
    np.testing.assert_array_equal(first, second)
    assert isinstance(second, np.memmap)
    np.testing.assert_allclose(second.mean(axis=(1, 2, 3)), 30 * np.arange(N), atol=2)


def test_progress_counts_up_to_the_total(plan: CropPlan, tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    load_crops(plan, tmp_path / "cache", lambda done, total: calls.append((done, total)))
    assert calls == [(i, N) for i in range(1, N + 1)]


def test_a_moved_data_set_keeps_its_cache(plan: CropPlan, tmp_path: Path, decoded: list[str]) -> None:
    load_crops(plan, tmp_path / "cache")
    plan.folder.rename(tmp_path / "elsewhere")
    load_crops(dataclasses.replace(plan, folder=tmp_path / "elsewhere"), tmp_path / "cache")
    assert len(decoded) == N


def touch(plan: CropPlan) -> CropPlan:
    os.utime(plan.folder / plan.names[2], ns=(0, 0))
    return plan


@pytest.mark.parametrize(
    "change",
    [
        lambda plan: dataclasses.replace(plan, image_size=9),
        lambda plan: dataclasses.replace(plan, colour=True),
        lambda plan: dataclasses.replace(plan, names=plan.names[::-1]),
        lambda plan: dataclasses.replace(plan, squares=(Square(2, 2, 16.0001), *plan.squares[1:])),
        touch,
    ],
    ids=["size", "colour", "order", "square", "file time"],
)
def test_anything_that_changes_the_crops_makes_new_ones(
    plan: CropPlan, tmp_path: Path, decoded: list[str], change: Callable[[CropPlan], CropPlan]
) -> None:
    load_crops(plan, tmp_path / "cache")
    changed = change(plan)
    assert load_crops(changed, tmp_path / "cache").shape == changed.shape
    assert len(decoded) == 2 * N


def truncate(array: Path, note: Path) -> None:
    array.write_bytes(array.read_bytes()[:-100])


def empty(array: Path, note: Path) -> None:
    array.write_bytes(b"")


def foreign_shape(array: Path, note: Path) -> None:
    np.save(array, np.zeros((3, 3), np.uint8))


def foreign_type(array: Path, note: Path) -> None:
    np.save(array, np.zeros((N, 1, 8, 8), np.int8))


def pickled(array: Path, note: Path) -> None:
    array.write_bytes(pickle.dumps(np.zeros((N, 1, 8, 8), np.uint8)))


def no_note(array: Path, note: Path) -> None:
    note.unlink()


def broken_note(array: Path, note: Path) -> None:
    note.write_text("{")


def foreign_note(array: Path, note: Path) -> None:
    note.write_text(json.dumps(json.loads(note.read_text()) | {"key": "other"}))


@pytest.mark.parametrize(
    "spoil", [truncate, empty, foreign_shape, foreign_type, pickled, no_note, broken_note, foreign_note]
)
def test_a_spoilt_cache_is_made_again(
    plan: CropPlan, tmp_path: Path, decoded: list[str], spoil: Callable[[Path, Path], None]
) -> None:
    cache = tmp_path / "cache"
    expected = np.array(load_crops(plan, cache))
    (array,), (note,) = cache.glob("*.npy"), cache.glob("*.json")
    spoil(array, note)
    np.testing.assert_array_equal(load_crops(plan, cache), expected)
    assert len(decoded) == 2 * N
    load_crops(plan, cache)
    assert len(decoded) == 2 * N


def test_all_unreadable_images_are_named_and_nothing_is_left(plan: CropPlan, tmp_path: Path) -> None:
    whole = (plan.folder / plan.names[0]).read_bytes()
    spoilt = {1: b"", 3: b"not an image", 4: whole[: len(whole) // 2], 6: whole[:2]}
    for index, content in spoilt.items():
        (plan.folder / plan.names[index]).write_bytes(content)
    with pytest.raises(UnreadableImagesError, match="4 of 7 images") as caught:
        load_crops(plan, tmp_path / "cache")
    for index, name in enumerate(plan.names):
        assert (name in str(caught.value)) == (index in spoilt)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_box_that_does_not_fit_its_image_is_named(plan: CropPlan, tmp_path: Path) -> None:
    wrong = dataclasses.replace(plan, squares=(*plan.squares[:-1], Square(900, 900, 50)))
    with pytest.raises(UnreadableImagesError, match=r"im_6\.jpg: the box does not fit"):
        load_crops(wrong, tmp_path / "cache")


def test_an_interrupted_decode_leaves_no_trace_and_can_be_done_again(plan: CropPlan, tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load_crops(plan, tmp_path / "cache", interrupt)
    assert list((tmp_path / "cache").iterdir()) == []
    assert load_crops(plan, tmp_path / "cache").shape == plan.shape


def test_writing_to_the_crops_does_not_reach_the_file(plan: CropPlan, tmp_path: Path) -> None:
    crops = load_crops(plan, tmp_path / "cache")
    before = int(crops[0, 0, 0, 0])
    crops[0] = 255 - crops[0]
    assert load_crops(plan, tmp_path / "cache")[0, 0, 0, 0] == before


def test_a_cache_folder_that_is_a_file_is_refused(plan: CropPlan, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InvalidParameterError, match="cache_dir"):
        load_crops(plan, tmp_path / "file")


def test_the_cache_folder_can_be_set_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEEPGUM_CACHE", str(tmp_path))
    assert default_cache_dir() == tmp_path
    monkeypatch.delenv("DEEPGUM_CACHE")
    assert default_cache_dir().name == "deepgum"
