"""Images are decoded once; nothing but a whole and matching cache is used."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import pickle
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from deepgum.data import crop_cache
from deepgum.data.crop_cache import CropPlan, default_cache_dir, load_crops, load_readable_crops
from deepgum.data.crops import Square
from deepgum.errors import DiskFullError, InvalidDataError, InvalidParameterError, UnreadableImagesError

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


def replace_image(plan: CropPlan) -> CropPlan:
    """Replace an image by another image of the same size in bytes, with the same time."""
    file = plan.folder / plan.names[2]
    before, old, new = file.stat(), file.read_bytes(), file.with_suffix(".new")
    Image.new("L", (20, 20), 200).save(new, format="JPEG", quality=95)
    content = new.read_bytes().ljust(len(old), b"\0")
    assert len(content) == len(old)
    assert content != old
    new.write_bytes(content)
    os.utime(new, ns=(before.st_atime_ns, before.st_mtime_ns))
    os.replace(new, file)
    return plan


@pytest.mark.parametrize(
    "change",
    [
        lambda plan: dataclasses.replace(plan, image_size=9),
        lambda plan: dataclasses.replace(plan, colour=True),
        lambda plan: dataclasses.replace(plan, names=plan.names[::-1]),
        lambda plan: dataclasses.replace(plan, squares=(Square(2, 2, 16.0001), *plan.squares[1:])),
        pytest.param(replace_image, marks=pytest.mark.fault(4)),
    ],
    ids=["size", "colour", "order", "square", "content"],
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


def test_images_with_other_times_keep_their_cache(plan: CropPlan, tmp_path: Path, decoded: list[str]) -> None:
    load_crops(plan, tmp_path / "cache")
    os.utime(plan.folder / plan.names[2], ns=(0, 0))
    load_crops(plan, tmp_path / "cache")
    assert len(decoded) == N


@pytest.mark.fault(4)
def test_two_folders_whose_files_look_alike_have_their_own_crops(plan: CropPlan, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(plan.folder, other)
    replace_image(dataclasses.replace(plan, folder=other))
    first = np.array(load_crops(plan, tmp_path / "cache"))
    second = load_crops(dataclasses.replace(plan, folder=other), tmp_path / "cache")
    assert (first[2] != second[2]).any()


@pytest.mark.fault(4)
def test_a_flipped_byte_in_the_cache_is_seen(plan: CropPlan, tmp_path: Path, decoded: list[str]) -> None:
    first = np.array(load_crops(plan, tmp_path / "cache"))
    (array,) = (tmp_path / "cache").glob("crops-*.npy")
    content = bytearray(array.read_bytes())
    content[-1] ^= 1
    array.write_bytes(content)
    np.testing.assert_array_equal(load_crops(plan, tmp_path / "cache"), first)
    assert len(decoded) == 2 * N


def test_images_that_change_while_they_are_decoded_are_refused(
    plan: CropPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = crop_cache.read_crop

    def changing(path: Path, *args: Any, **kwargs: Any) -> Any:
        if path.name == plan.names[0]:
            replace_image(plan)
        return read(path, *args, **kwargs)

    monkeypatch.setattr(crop_cache, "read_crop", changing)
    with pytest.raises(InvalidDataError, match="should not change while they are read"):
        load_crops(plan, tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("crops-*"))


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


SPOILT = (1, 4)


@pytest.fixture
def spoilt(plan: CropPlan) -> CropPlan:
    """Return the plan after two of its images were spoilt: one is no image, the other is cut short."""
    whole = (plan.folder / plan.names[4]).read_bytes()
    (plan.folder / plan.names[1]).write_bytes(b"not an image")
    (plan.folder / plan.names[4]).write_bytes(whole[: len(whole) // 2])
    return plan


def test_images_that_cannot_be_decoded_are_left_out_and_the_rest_goes_on(spoilt: CropPlan, tmp_path: Path) -> None:
    crops, rows, unreadable, _ = load_readable_crops(spoilt, tmp_path / "cache")
    assert rows == [0, 2, 3, 5, 6]
    assert isinstance(crops, np.memmap)
    assert crops.shape == (5, 1, 8, 8)
    np.testing.assert_allclose(crops.mean(axis=(1, 2, 3)), 30 * np.array(rows), atol=2)
    assert list(unreadable) == list(SPOILT)
    assert all(unreadable[row].startswith(f"{spoilt.names[row]}: ") for row in SPOILT)


def test_the_second_load_knows_what_is_left_out_without_decoding(
    spoilt: CropPlan, tmp_path: Path, decoded: list[str]
) -> None:
    crops, rows, unreadable, _ = load_readable_crops(spoilt, tmp_path / "cache")
    (note,) = (tmp_path / "cache").glob("*.json")
    assert [name in note.read_text() for name in spoilt.names] == [row in SPOILT for row in range(N)]
    again = load_readable_crops(spoilt, tmp_path / "cache")
    assert len(decoded) == N
    np.testing.assert_array_equal(again.crops, crops)
    assert (again.rows, again.unreadable) == (rows, unreadable)


def test_who_wants_all_images_is_told_by_a_cache_that_lacks_some(
    spoilt: CropPlan, tmp_path: Path, decoded: list[str]
) -> None:
    with pytest.raises(UnreadableImagesError) as fresh:
        load_crops(spoilt, tmp_path / "fresh")
    load_readable_crops(spoilt, tmp_path / "cache")
    before = len(decoded)
    with pytest.raises(UnreadableImagesError, match="2 of 7 images") as caught:
        load_crops(spoilt, tmp_path / "cache")
    assert str(caught.value) == str(fresh.value)
    assert len(decoded) == before
    assert len(load_readable_crops(spoilt, tmp_path / "cache").rows) == N - 2
    assert len(decoded) == before


def test_a_mended_image_is_decoded(spoilt: CropPlan, tmp_path: Path) -> None:
    load_readable_crops(spoilt, tmp_path / "cache")
    for row in SPOILT:
        Image.new("L", (20, 20), 200).save(spoilt.folder / spoilt.names[row])
    crops, rows, unreadable, _ = load_readable_crops(spoilt, tmp_path / "cache")
    assert (rows, unreadable) == (list(range(N)), {})
    assert crops[1].mean() == pytest.approx(200, abs=2)


def test_one_cache_serves_both_ways_of_loading(plan: CropPlan, tmp_path: Path, decoded: list[str]) -> None:
    crops, rows, unreadable, _ = load_readable_crops(plan, tmp_path / "cache")
    assert (rows, unreadable) == (list(range(N)), {})
    np.testing.assert_array_equal(load_crops(plan, tmp_path / "cache"), crops)
    assert len(decoded) == N


def test_a_number_of_crops_with_fewer_digits_still_fits_the_header(plan: CropPlan, tmp_path: Path) -> None:
    (plan.folder / "spoilt.jpg").write_bytes(b"")
    names = (*plan.names, plan.names[0], plan.names[1], "spoilt.jpg")
    longer = dataclasses.replace(plan, names=names, squares=(plan.squares[0],) * 10)
    crops, rows, *_ = load_readable_crops(longer, tmp_path / "cache")
    assert rows == list(range(9))
    np.testing.assert_array_equal(crops[:7], load_crops(plan, tmp_path / "other"))
    np.testing.assert_array_equal(crops[7:], crops[:2])


@pytest.mark.parametrize(
    "unreadable",
    [
        [[1, "a"]],
        [[1, "a"], [4, "b"], [5, "c"]],
        [[1, "a"], [N, "b"]],
        [[-1, "a"], [4, "b"]],
        [[row, "a"] for row in range(N)],
        [1, 4],
        {"1": "a", "4": "b"},
        [[1, "a"], [1, "b"]],
        7,
        [],
    ],
)
def test_a_note_that_leaves_out_what_cannot_be_is_not_believed(
    spoilt: CropPlan, tmp_path: Path, decoded: list[str], unreadable: Any
) -> None:
    expected = load_readable_crops(spoilt, tmp_path / "cache")
    (note,) = (tmp_path / "cache").glob("*.json")
    note.write_text(json.dumps(json.loads(note.read_text()) | {"unreadable": unreadable}))
    again = load_readable_crops(spoilt, tmp_path / "cache")
    assert len(decoded) == 2 * N
    assert again.unreadable == expected.unreadable
    np.testing.assert_array_equal(again.crops, expected.crops)


def test_where_no_image_can_be_decoded_nothing_can_be_left_out(plan: CropPlan, tmp_path: Path) -> None:
    for name in plan.names:
        (plan.folder / name).write_bytes(b"spoilt")
    with pytest.raises(UnreadableImagesError, match="7 of 7"):
        load_readable_crops(plan, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_box_that_does_not_fit_can_be_left_out(plan: CropPlan, tmp_path: Path) -> None:
    wrong = dataclasses.replace(plan, squares=(*plan.squares[:-1], Square(900, 900, 50)))
    assert list(load_readable_crops(wrong, tmp_path / "cache").unreadable) == [N - 1]


@pytest.mark.parametrize("load", [load_crops, load_readable_crops])
def test_what_the_system_refuses_is_not_taken_for_a_spoilt_image(
    spoilt: CropPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, load: Callable[..., Any]
) -> None:
    read = crop_cache.read_crop

    def refusing(path: Path, *args: Any, **kwargs: Any) -> Any:
        if path.name == "im_2.jpg":
            raise PermissionError(errno.EACCES, "Permission denied")
        return read(path, *args, **kwargs)

    monkeypatch.setattr(crop_cache, "read_crop", refusing)
    with pytest.raises(UnreadableImagesError, match=r"3 of 7(.|\n)*im_1(.|\n)*im_2\.jpg: .*denied(.|\n)*im_4"):
        load(spoilt, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_without_a_square_the_whole_image_is_shown(plan: CropPlan, tmp_path: Path) -> None:
    ramp = np.tile(np.arange(40, dtype=np.uint8) * 6, (20, 1))  # twice as wide as high
    Image.fromarray(ramp).save(plan.folder / "ramp.png")
    names = (plan.names[3], "ramp.png")
    whole = load_crops(CropPlan(plan.folder, names, (None, None), 40, False), tmp_path / "cache")
    squares = (Square(0, 0, 20), Square(0, -10, 40))
    given = load_crops(CropPlan(plan.folder, names, squares, 40, False), tmp_path / "cache")
    np.testing.assert_array_equal(whole, given)
    np.testing.assert_array_equal(whole[1, 0], np.tile(ramp[:1], (40, 1)))
    assert len(list((tmp_path / "cache").glob("*.npy"))) == 2


def test_a_disk_without_room_is_refused_before_anything_is_decoded(
    plan: CropPlan, tmp_path: Path, decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = N * 64
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=needed - 1))
    with pytest.raises(DiskFullError, match=rf"{needed} bytes free for 7 crops.*Found {needed - 1} "):
        load_crops(plan, tmp_path / "cache")
    assert decoded == []
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_disk_that_fills_up_meanwhile_leaves_no_trace(plan: CropPlan, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="the system cannot limit the size of a file")
    # A limit on the size of files stops the same write, in the same way, as a disk that is full.
    large = dataclasses.replace(plan, image_size=128)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5 * 128 * 128, limits[1]))
    try:
        with pytest.raises(DiskFullError, match=rf"{N * 128 * 128} bytes for 7 crops"):
            load_crops(large, tmp_path / "cache")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list((tmp_path / "cache").iterdir()) == []
    assert load_crops(large, tmp_path / "cache").shape == large.shape


def test_decoding_neither_runs_far_ahead_nor_on_after_an_interrupt(
    plan: CropPlan, tmp_path: Path, decoded: list[str]
) -> None:
    ahead: list[int] = []

    def interrupt(done: int, total: int) -> None:
        time.sleep(0.2)  # as a slow disk would
        ahead.append(len(decoded))
        raise KeyboardInterrupt

    many = dataclasses.replace(plan, names=plan.names[:1] * 3000, squares=plan.squares[:1] * 3000)
    with pytest.raises(KeyboardInterrupt):
        load_crops(many, tmp_path / "cache", interrupt)
    assert ahead[0] <= 256
    assert len(decoded) <= 256
