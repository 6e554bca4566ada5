"""Archives of head poses: rows in their order, and nothing is unpickled."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from deepgum.data.sets.head_pose import HeadPose, load_head_pose
from deepgum.errors import InvalidDataError, InvalidParameterError

RNG_SEED = 0
SIZES = {"biwi_train.npz": 7, "biwi_test.npz": 4, "aflw2000.npz": 3}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(RNG_SEED)
    for name, n in SIZES.items():
        features = rng.random((n, 88), dtype=np.float32)
        np.savez(tmp_path / name, features=features, poses=rng.uniform(-300, 300, (n, 3)))
    return tmp_path


def arrays(folder: Path, name: str) -> tuple[Any, Any]:
    with np.load(folder / name) as archive:
        return archive["features"], archive["poses"]


def replace(folder: Path, name: str, **values: Any) -> None:
    features, poses = arrays(folder, name)
    np.savez(folder / name, **({"features": features, "poses": poses} | values))


def test_rows_come_archive_by_archive_in_their_order(folder: Path) -> None:
    data = load_head_pose(folder, extra=["aflw2000.npz"]).data
    features, poses = (np.concatenate(parts) for parts in zip(*(arrays(folder, name) for name in SIZES), strict=True))
    np.testing.assert_array_equal(data.inputs, features)
    np.testing.assert_array_equal(data.targets, poses.astype(np.float32))
    assert data.inputs.dtype == np.float32
    assert data.target_names == ("yaw", "pitch", "roll")
    assert data.ids == tuple(f"{name[:-4]}:{row:06d}" for name, n in SIZES.items() for row in range(n))
    assert torch.equal(data.normaliser, torch.ones(14))
    assert data.mirror is None


def test_rows_are_a_sequence_and_none_are_kept_together(folder: Path) -> None:
    assert load_head_pose(folder).keep_together is None


def test_parts_follow_the_names_and_extra_rows_are_never_tested_on(folder: Path) -> None:
    assert load_head_pose(folder).parts == ("train",) * 7 + ("test",) * 4
    pool = load_head_pose(folder, extra=["aflw2000.npz"])
    assert pool.parts == ("train",) * 7 + ("test",) * 4 + ("train",) * 3
    assert pool.part("test").ids[0] == "biwi_test:000000"


@pytest.mark.parametrize("parts", [["biwi_train.npz"], ["aflw2000.npz"], ["biwi_train.npz", "aflw2000.npz"]])
def test_archives_without_a_training_and_a_test_name_have_no_parts(folder: Path, parts: list[str]) -> None:
    assert load_head_pose(folder, parts=parts).parts is None


def test_an_archive_that_is_not_there_is_named(folder: Path) -> None:
    (folder / "biwi_test.npz").unlink()
    with pytest.raises(InvalidParameterError, match=r"holds biwi_test\.npz"):
        load_head_pose(folder)
    with pytest.raises(InvalidParameterError, match=r"biwi_train\.npz, biwi_test\.npz"):
        load_head_pose(folder / "nowhere")


@pytest.mark.parametrize(
    "options",
    [{"parts": []}, {"parts": "biwi_train.npz"}, {"extra": "aflw2000.npz"}, {"extra": ["biwi_test.npz"]}],
)
def test_wrong_lists_of_archives_are_refused(folder: Path, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameterError, match="parts, extra"):
        load_head_pose(folder, **options)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"poses": np.zeros((4, 2))}, r"\(4, 88\) and \(4, 2\)"),
        ({"poses": np.zeros((3, 3))}, r"\(3, 3\)"),
        ({"poses": np.zeros(3)}, r"\(3,\)"),
        ({"features": np.zeros((4, 8, 11), np.float32)}, r"\(4, 8, 11\)"),
        ({"features": np.zeros((0, 88)), "poses": np.zeros((0, 3))}, r"\(0, 88\)"),
        ({"features": np.float32(3)}, r"\(\)"),
        ({"features": np.zeros((4, 5), np.float32)}, r"one length.*'biwi_test.npz': 5"),
        ({"features": np.full((4, 88), "x")}, "should be numbers. Found <U1"),
        ({"poses": np.zeros((4, 3), complex)}, "`poses`.*complex"),
        ({"features": np.full((4, 88), 1e300)}, "`features`.*4 invalid rows"),
    ],
)
def test_arrays_of_another_form_are_refused(folder: Path, values: dict[str, Any], message: str) -> None:
    replace(folder, "biwi_test.npz", **values)
    with pytest.raises(InvalidDataError, match=message) as caught:
        load_head_pose(folder)
    assert "biwi_test.npz" in str(caught.value)


@pytest.mark.parametrize(("name", "value"), [("features", np.nan), ("features", np.inf), ("poses", -np.inf)])
def test_rows_that_are_not_finite_are_counted_and_named(folder: Path, name: str, value: float) -> None:
    values = dict(zip(("features", "poses"), arrays(folder, "biwi_train.npz"), strict=True))[name]
    values[[2, 5], 1] = value
    replace(folder, "biwi_train.npz", **{name: values})
    with pytest.raises(InvalidDataError, match=rf"`{name}` of '.*biwi_train.npz'.*Found 2 invalid rows.*: 2, 5\."):
        load_head_pose(folder)


def test_an_angle_that_is_nan_is_a_missing_label(folder: Path) -> None:
    poses = arrays(folder, "biwi_train.npz")[1]
    poses[2, 1] = np.nan
    replace(folder, "biwi_train.npz", poses=poses)
    np.testing.assert_array_equal(load_head_pose(folder).data.targets[: len(poses)], poses.astype(np.float32))


def test_integers_are_accepted(folder: Path) -> None:
    replace(folder, "biwi_test.npz", poses=np.arange(12).reshape(4, 3))
    assert load_head_pose(folder).data.targets[-1].tolist() == [9, 10, 11]


def test_an_archive_without_an_array_is_refused_with_its_arrays(folder: Path) -> None:
    np.savez(folder / "biwi_test.npz", features=np.zeros((4, 88)), angles=np.zeros((4, 3)))
    with pytest.raises(InvalidDataError, match=r"'features' and 'poses'\..* has features, angles"):
        load_head_pose(folder)


class _Trap:
    def __reduce__(self) -> Any:
        return os.mkdir, (os.environ["TRAP"],)


def test_nothing_is_unpickled(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trap = folder / "sprung"
    monkeypatch.setenv("TRAP", str(trap))
    replace(folder, "biwi_test.npz", poses=np.array([_Trap()] * 4, dtype=object))
    with pytest.raises(InvalidDataError, match="plain arrays"):
        load_head_pose(folder)
    (folder / "biwi_test.npz").write_bytes(pickle.dumps(_Trap()))
    with pytest.raises(InvalidDataError, match="plain arrays"):
        load_head_pose(folder)
    assert not trap.exists()


def test_files_that_are_not_archives_are_refused(folder: Path) -> None:
    path = folder / "biwi_test.npz"
    whole = path.read_bytes()
    damaged = bytearray(whole)
    damaged[300:340] = bytes(40)
    for content in (b"", b"no archive", whole[: len(whole) // 2], bytes(damaged)):
        path.write_bytes(content)
        with pytest.raises(InvalidDataError, match=r"biwi_test\.npz"):
            load_head_pose(folder)
    with path.open("wb") as file:
        np.save(file, np.zeros((4, 88)))
    with pytest.raises(InvalidDataError, match="not a zip file"):
        load_head_pose(folder)


@pytest.fixture(scope="module")
def published() -> Path:
    root = os.environ.get("DEEPGUM_DATA")
    if not root or not (Path(root) / "head_pose").is_dir():
        pytest.skip("DEEPGUM_DATA names no folder with head_pose/")
    return Path(root) / "head_pose"


def test_the_published_arrays_are_read(published: Path) -> None:
    pool = load_head_pose(published, extra=["aflw2000.npz"])
    assert len(pool) == 10_284 + 4826 + 1793
    assert len(pool.part("test")) == 4826
    # Angles beyond those of a head: all of them in AFLW2000, none in BIWI.
    beyond = (pool.data.targets.abs() > 99).any(dim=1)
    assert beyond.sum() == 19
    assert beyond[: 10_284 + 4826].sum() == 0


def test_neighbours_of_the_published_sequences_are_near_copies(published: Path) -> None:
    poses = load_head_pose(published).data.targets
    steps = poses.diff(dim=0).norm(dim=1)
    shuffled = poses[torch.randperm(len(poses), generator=torch.Generator().manual_seed(0))]
    assert steps.median() < 0.1 * shuffled.diff(dim=0).norm(dim=1).median()


# Label files


def labels_of(folder, **options):
    dataset = HeadPose()
    return dataset.labels(folder, dataset.check_options(options))


def written(labels, out, changes=None):
    out.mkdir()
    return labels.write(changes or {}, out)


@pytest.fixture
def poses(tmp_path):
    root = tmp_path / "poses"
    root.mkdir()
    rng = np.random.default_rng(0)
    for name, n in (("biwi_train", 5), ("biwi_test", 3), ("aflw2000", 2)):
        more = {"frames": np.arange(n)} if name == "biwi_train" else {}
        np.savez(root / f"{name}.npz", features=rng.normal(size=(n, 4)), poses=rng.normal(size=(n, 3)), **more)
    return root


def test_an_angle_that_is_dropped_is_nan_and_every_row_keeps_its_name(poses, tmp_path):
    options = {"extra": "aflw2000.npz", "parts": ["biwi_train.npz", "biwi_test.npz"]}
    labels = labels_of(poses, **options)
    pool = load_head_pose(poses, parts=options["parts"], extra=[options["extra"]])
    assert labels.ids == pool.data.ids
    np.testing.assert_array_equal(labels.values.astype(np.float32), pool.data.targets)
    expected = labels.values.copy()
    expected[1] = 1.0, np.nan, 1 / 3
    written(labels, tmp_path / "new", {labels.ids[1]: expected[1]})
    np.testing.assert_array_equal(labels_of(tmp_path / "new", **options).values, expected)
    assert load_head_pose(tmp_path / "new").data.ids == labels.ids[:8]
    for name in ("biwi_test.npz", "aflw2000.npz"):
        assert (tmp_path / "new" / name).read_bytes() == (poses / name).read_bytes()
        assert not (tmp_path / "new" / name).samefile(poses / name)
    before, after = (np.load(root / "biwi_train.npz", allow_pickle=False) for root in (poses, tmp_path / "new"))
    assert before.files == after.files
    for name in ("features", "frames"):
        np.testing.assert_array_equal(before[name], after[name])


def test_integers_cannot_hold_a_missing_angle(poses, tmp_path):
    np.savez(poses / "biwi_train.npz", features=np.zeros((2, 4)), poses=np.arange(6, dtype=np.int16).reshape(2, 3))
    labels = labels_of(poses)
    with pytest.raises(InvalidDataError, match=r"biwi_train.*floating-point numbers.*Found int16"):
        written(labels, tmp_path / "new", {labels.ids[0]: np.array([np.nan, 0, 0])})
    notes = written(labels, tmp_path / "rounded", {labels.ids[0]: np.array([7.6, 1, 2])})
    assert "rounded" in notes[0]
    assert np.load(tmp_path / "rounded" / "biwi_train.npz")["poses"][0].tolist() == [8, 1, 2]


def test_the_published_labels_are_those_of_the_loader(published: Path) -> None:
    labels = labels_of(published, extra="aflw2000.npz")
    data = load_head_pose(published, extra=["aflw2000.npz"]).data
    assert labels.ids == data.ids
    np.testing.assert_array_equal(labels.values.astype(np.float32), data.targets)


# The split

ROWS = [f"biwi_train:{row:06d}" for row in range(40)] + [f"biwi_test:{row:06d}" for row in range(12)]


def test_each_fold_tests_on_a_contiguous_block(make_small: Any) -> None:
    small, tested = make_small("head-pose"), []
    for fold in range(7):
        subset = small.load(fold=fold)
        assert abs(len(subset.test) - 52 / 7) < 1
        tested += subset.test.ids
    assert tested == ROWS


def test_extra_rows_are_only_trained_on(make_small: Any) -> None:
    small = make_small("head-pose")
    for fold in range(7):
        plain, more = small.load(fold=fold), small.load(fold=fold, options={"extra": "aflw2000.npz"})
        assert (more.validation.ids, more.test.ids) == (plain.validation.ids, plain.test.ids)
        assert more.train.ids[: len(plain.train)] == plain.train.ids
        assert more.train.ids[len(plain.train) :] == tuple(f"aflw2000:{row:06d}" for row in range(9))
        assert torch.equal(more.train.targets[: len(plain.train)], plain.train.targets)


def test_a_subset_of_the_training_part_leaves_the_other_parts(make_small: Any) -> None:
    small = make_small("head-pose")
    plain, smaller = small.load(fold=2), small.load(fold=2, train_size=11)
    assert len(smaller.train) == 11
    assert set(smaller.train.ids) < set(plain.train.ids)
    assert (smaller.validation.ids, smaller.test.ids) == (plain.validation.ids, plain.test.ids)
