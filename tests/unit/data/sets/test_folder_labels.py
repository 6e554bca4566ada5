"""Data sets that are folders: read in their own form, written in it, and read again by their own loaders."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image

from deepgum.data.edits.carry import carry
from deepgum.data.edits.texts import Text, edited
from deepgum.data.sets.cacd import load_cacd
from deepgum.data.sets.fld import load_fld
from deepgum.data.sets.head_pose import load_head_pose
from deepgum.data.sets.lfw_net import load_lfw_net
from deepgum.data.sets.mcgill import load_mcgill
from deepgum.data.sets.registry import DATASETS, OPTIONS, read_annotations
from deepgum.data.sets.utkface import load_utkface
from deepgum.errors import (
    DeepGUMWarning,
    InvalidDataError,
    InvalidParameterError,
    MissingImagesError,
    UnknownNameError,
)

NASTY = (
    'a "quoted".jpg', "with space.jpg", "<b>bold<b>.jpg", "a..b.jpg", "Zoë_Straße.jpg", "写真.jpg", "фото & 'co'.jpg",
)  # fmt: skip


def image(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (90, 90), (80, 90, 100)).save(path, format="JPEG")


def written(labels, out, changes=None):
    out.mkdir()
    return labels.write(changes or {}, out)


def check_ids(labels, data):
    """The ids are the loader's, in its order, and so are the labels."""
    assert labels.ids == data.ids
    assert labels.names == data.target_names
    np.testing.assert_array_equal(labels.values, data.targets)


def test_there_is_a_reader_for_every_data_set_that_is_read_from_files():
    assert set(OPTIONS) == {name for name, dataset in DATASETS.items() if dataset.needs_folder}
    for name, options in OPTIONS.items():
        assert set(options) <= set(DATASETS[name].options)


def test_what_is_made_has_nothing_to_correct(tmp_path):
    with pytest.raises(InvalidDataError, match="'digits' is made"):
        read_annotations("digits", tmp_path, {})
    with pytest.raises(UnknownNameError, match="Did you mean 'lfw-net'"):
        read_annotations("lfw_net", tmp_path, {})


@pytest.mark.parametrize("name", [name for name in OPTIONS if name != "table"])
def test_a_folder_that_is_not_there_is_named(tmp_path, name):
    with pytest.raises(InvalidParameterError, match="Parameter `data`"):
        read_annotations(name, tmp_path / "nowhere", {})


# LFW + NET


@pytest.fixture
def faces(tmp_path):
    """Both lists with all that they may hold: blank lines, a byte order mark, bytes that are not UTF-8."""
    root = tmp_path / "faces"
    for name in NASTY:
        image(root / "lfw_5590" / name)
        image(root / "net_7876" / name)
    lines = [
        f"{folder}\\{name} 10 70 10 70 " + " ".join(f"{20 + 3 * i + k / 4:.6f}" for k in range(10))
        for folder in ("lfw_5590", "net_7876")
        for i, name in enumerate(NASTY)
    ]
    half = len(NASTY)
    (root / "trainImageList.txt").write_bytes(b"\xef\xbb\xbf" + "\r\n".join([*lines[:half], ""]).encode())
    (root / "testImageList.txt").write_bytes(("\n".join(lines[half:]) + "\n\n").encode())
    return root


LISTS = ("trainImageList.txt", "testImageList.txt")


def test_the_lists_without_changes_are_the_same_files_and_have_their_images(faces, tmp_path):
    labels = read_annotations("lfw-net", faces, {})
    assert written(labels, tmp_path / "new") == ()
    for name in LISTS:
        assert (tmp_path / "new" / name).read_bytes() == (faces / name).read_bytes()
    before, after = (load_lfw_net(root, cache_dir=tmp_path / "cache") for root in (faces, tmp_path / "new"))
    for old, new in zip(before, after, strict=True):
        assert old.ids == new.ids
        np.testing.assert_array_equal(old.inputs, new.inputs)
    assert labels.ids == before[0].ids + before[1].ids
    assert labels.names == before[0].target_names


def test_only_the_numbers_that_change_differ_and_back_again_is_the_same_list(faces, tmp_path):
    labels = read_annotations("lfw-net", faces, {})
    name = f"lfw_5590/{NASTY[0]}"  # behind the byte order mark
    new = labels.values[labels.rows[name]].copy()
    new[4:6] = 31.5, 40.123456789
    written(labels, tmp_path / "new", {name: new})
    old, made = ((root / LISTS[0]).read_bytes().split(b"\r\n") for root in (faces, tmp_path / "new"))
    assert [place for place, (a, b) in enumerate(zip(old, made, strict=True)) if a != b] == [0]
    assert made[0].replace(b"31.500000 40.123456789", b"21.000000 21.250000") == old[0]
    again = read_annotations("lfw-net", tmp_path / "new", {})
    np.testing.assert_array_equal(again.values[again.rows[name]], new)
    written(again, tmp_path / "back", {name: labels.values[labels.rows[name]]})
    assert (tmp_path / "back" / LISTS[0]).read_bytes() == (faces / LISTS[0]).read_bytes()


def test_a_face_that_loses_a_landmark_is_left_out_of_its_list(faces, tmp_path):
    labels = read_annotations("lfw-net", faces, {})
    name = f"net_7876/{NASTY[3]}"
    new = labels.values[labels.rows[name]].copy()
    new[:2] = np.nan
    assert labels.left_out({name: new}) == (name,)
    written(labels, tmp_path / "new", {name: new})
    again = read_annotations("lfw-net", tmp_path / "new", {})
    assert again.ids == tuple(other for other in labels.ids if other != name)
    assert (tmp_path / "new" / LISTS[0]).read_bytes() == (faces / LISTS[0]).read_bytes()
    assert not (tmp_path / "new" / name).exists()
    assert (faces / name).exists()


def test_a_list_is_never_left_without_a_line(faces, tmp_path):
    labels = read_annotations("lfw-net", faces, {})
    gone = {name: np.full(10, np.nan) for name in labels.ids if name.startswith("net")}
    with pytest.raises(InvalidDataError, match=r"'testImageList\.txt' should keep at least one line"):
        written(labels, tmp_path / "new", gone)


def test_bytes_that_are_not_utf_8_stay(tmp_path):
    raw = b"\xef\xbb\xbfa\xff\x85b\r\nc\rd\n"
    (tmp_path / "a").write_bytes(raw)
    Text.read(tmp_path / "a").write(tmp_path / "new" / "b")
    assert (tmp_path / "new" / "b").read_bytes() == raw
    assert edited("abc", []) == "abc"


# FLD

FLD = [
    "3",
    "image_name clothes_type variation_type landmark_visibility_1 ...",
    "img/a.jpg  2 1 0 010 020 1 030 020  0 012 090 2 000 000",
    "img/b.jpg 1 1 0 010 020 0 030 020 0 012 090 0 010 010 0 011 012 0 013 014",
    "img/c.jpg 2 1 0 011 021 0 031 021 0 013 085 0 015 080 ",
]


@pytest.fixture
def clothes(tmp_path):
    root = tmp_path / "fld"
    for name in "abc":
        image(root / "img" / f"{name}.jpg")
    (root / "Anno").mkdir()
    (root / "Anno" / "list_landmarks.txt").write_bytes("\r\n".join(FLD).encode())
    boxes = [f"img/{name}.jpg 001 002 080 085" for name in "abc"]
    (root / "Anno" / "list_bbox.txt").write_text("\n".join(["3", "image_name x_1 y_1 x_2 y_2", *boxes]))
    return root


def test_the_visibility_says_what_is_missing(clothes, tmp_path):
    labels = read_annotations("fld", clothes, {"clothes": "lower"})
    assert labels.ids == ("img/a.jpg", "img/c.jpg")
    np.testing.assert_array_equal(labels.values[0], [10, 20, np.nan, np.nan, 12, 90, np.nan, np.nan])
    written(labels, tmp_path / "same")
    list_ = "Anno/list_landmarks.txt"
    assert (tmp_path / "same" / list_).read_bytes() == (clothes / list_).read_bytes()
    first, second = labels.values.copy()
    first[:4] = np.nan, np.nan, 33, 24.5
    second[2] = 7
    written(labels, tmp_path / "new", {"img/a.jpg": first, "img/c.jpg": second})
    lines = (tmp_path / "new" / list_).read_bytes().decode().split("\r\n")
    assert lines[:2] + lines[3:4] == FLD[:2] + FLD[3:4]
    assert lines[2] == "img/a.jpg  2 1 1 010 020 0 033 024.5  0 012 090 2 000 000"
    assert lines[4] == "img/c.jpg 2 1 0 011 021 0 007 021 0 013 085 0 015 080 "
    again = read_annotations("fld", tmp_path / "new", {"clothes": "lower"})
    np.testing.assert_array_equal(again.values, [first, second])
    pool = load_fld(tmp_path / "new", "lower", 16, cache_dir=tmp_path / "cache")
    assert pool.data.ids == labels.ids
    np.testing.assert_array_equal(np.isnan(pool.data.targets.numpy()), np.isnan([first, second]))
    # Back again: what was occluded is so again, and its place is where it was put.
    written(again, tmp_path / "back", dict(zip(labels.ids, labels.values, strict=True)))
    assert (tmp_path / "back" / list_).read_bytes().decode().split("\r\n")[4] == FLD[4]
    assert labels.left_out({"img/a.jpg": first}) == ()


def test_a_type_of_clothes_that_is_not_there_is_named(clothes):
    with pytest.raises(InvalidDataError, match=r"full-body clothes\. Found none"):
        read_annotations("fld", clothes, {"clothes": "full"})
    assert read_annotations("fld", clothes, {}).ids == ("img/b.jpg",)  # the default of the data set


def test_a_list_that_edits_one_folder_does_not_edit_the_other(clothes, tmp_path):
    written(read_annotations("fld", clothes, {}), tmp_path / "new")
    boxes = [root / "Anno" / "list_bbox.txt" for root in (clothes, tmp_path / "new")]
    assert not boxes[0].samefile(boxes[1])
    assert boxes[0].read_bytes() == boxes[1].read_bytes()
    assert (clothes / "img" / "a.jpg").samefile(tmp_path / "new" / "img" / "a.jpg")


# UTKFace, and CACD without its MATLAB file

AGES = (31, 58, 4, 7, 44, 9, 70)


@pytest.fixture
def aged(tmp_path):
    root = tmp_path / "aged"
    for age, name in zip(AGES, NASTY, strict=True):
        image(root / f"{age}_1_0_{name}")
    image(root / "no age.jpg")
    image(root / "31_1_0_twin.jpg.chip.jpg")
    image(root / "13_1_0_twin.jpg.chip.jpg")
    return root


def test_an_age_is_corrected_in_the_name(aged, tmp_path):
    labels = read_annotations("utkface", aged, {})
    assert labels.ids == tuple(sorted(path.name for path in aged.iterdir()))
    with pytest.warns(DeepGUMWarning, match="no age"):
        pool = load_utkface(aged, 16, skip_unreadable=True, cache_dir=tmp_path / "cache")
    assert [labels.values[labels.rows[name], 0] for name in pool.data.ids] == pool.data.targets.flatten().tolist()
    old = f"31_1_0_{NASTY[0]}"
    ages = {old: 33.4, f"4_1_0_{NASTY[2]}": np.nan, "no age.jpg": 5.0}
    notes = written(labels, tmp_path / "new", {name: np.array([age]) for name, age in ages.items()})
    assert notes == ("New labels were rounded to whole numbers: a file name can hold no others.",)
    names = {path.name for path in (tmp_path / "new").iterdir()}
    expected = set(labels.ids) - {old, f"4_1_0_{NASTY[2]}", "no age.jpg"} | {f"33_1_0_{NASTY[0]}", "5_no age.jpg"}
    assert names == expected
    assert (aged / old).samefile(tmp_path / "new" / f"33_1_0_{NASTY[0]}")
    again = read_annotations("utkface", tmp_path / "new", {})
    written(again, tmp_path / "back", {f"33_1_0_{NASTY[0]}": np.array([31.0])})
    assert (tmp_path / "back" / old).exists()


def test_no_image_is_lost_where_a_corrected_name_is_taken(aged, tmp_path):
    labels = read_annotations("utkface", aged, {})
    notes = written(labels, tmp_path / "new", {"13_1_0_twin.jpg.chip.jpg": np.array([31.0])})
    assert "Some new names were taken" in notes[0]
    assert (aged / "13_1_0_twin.jpg.chip.jpg").samefile(tmp_path / "new" / "31_1_0_twin_2.jpg.chip.jpg")
    assert (aged / "31_1_0_twin.jpg.chip.jpg").samefile(tmp_path / "new" / "31_1_0_twin.jpg.chip.jpg")
    # Two images that change places take nobody's name.
    swapped = {"13_1_0_twin.jpg.chip.jpg": np.array([31.0]), "31_1_0_twin.jpg.chip.jpg": np.array([13.0])}
    assert written(labels, tmp_path / "swapped", swapped) == ()
    assert (aged / "13_1_0_twin.jpg.chip.jpg").samefile(tmp_path / "swapped" / "31_1_0_twin.jpg.chip.jpg")


@pytest.mark.parametrize("age", [-3.0, 121.0])
def test_an_age_that_the_loader_would_refuse_is_refused(aged, tmp_path, age):
    labels = read_annotations("utkface", aged, {})
    with pytest.raises(InvalidDataError, match=f"from 0 to 120 years. Found {age}"):
        written(labels, tmp_path / "new", {labels.ids[0]: np.array([age])})


def test_ages_in_the_names_of_celebrities_are_corrected_and_identities_stay(tmp_path):
    root = tmp_path / "cacd"
    for name in ("53_Given_Family_0001.jpg", "35_Given_Family_0001.jpg", "20_Zoe\u0308_A_0001.jpg"):
        image(root / "CACD2000" / name)
    labels = read_annotations("cacd", root, {})
    check_ids(labels, load_cacd(root, 16, cache_dir=tmp_path / "cache").data)
    notes = written(labels, tmp_path / "new", {"CACD2000/53_Given_Family_0001.jpg": np.array([35.0])})
    assert len(notes) == 1
    pool = load_cacd(tmp_path / "new", 16, cache_dir=tmp_path / "cache")
    assert sorted(zip(pool.data.targets.flatten().tolist(), pool.groups, strict=True)) == [
        (20, "Zoë_A"),
        (35, "Given_Family"),
        (35, "Given_Family"),
    ]


# CACD with its MATLAB file

CELEBRITIES = [("53_A_B_0001.jpg", 53, 3), ("20_Zoë_Straße_0002.jpg", 20, 1), ("14_C_D_0003.jpg", 14, 2)]


def cells(values):
    array = np.empty((len(values), 1), dtype=object)
    array[:, 0] = values
    return array


def metadata(root, kind, whole=np.uint8):
    for name, _, _ in CELEBRITIES:
        image(root / "CACD2000" / name)
    names, ages, identities = zip(*CELEBRITIES, strict=True)
    if kind == "array of structures":
        made = np.array(
            [(whole(age), identity, name) for name, age, identity in CELEBRITIES],
            dtype=[("age", object), ("identity", object), ("name", object)],
        )
    else:
        made = {
            "age": np.array(ages, whole)[:, None],
            "identity": np.array(identities, np.uint16)[:, None],
            "name": cells(list(names)),
            "feature": np.arange(12.0).reshape(3, 4),
            "year": np.array([[2013], [2012], [2011]], np.uint16),
            "about": "three images",
        }
        if kind == "row":
            made["age"] = made["age"].T
    other = {"name": cells(["A", "B"]), "identity": np.array([[1], [2]])}
    scipy.io.savemat(root / "celebrity2000_meta.mat", {"celebrityImageData": made, "celebrityData": other})


@pytest.mark.parametrize("kind", ["column", "row", "array of structures"])
def test_only_the_ages_of_a_matlab_file_change(tmp_path, kind):
    root = tmp_path / "cacd"
    metadata(root, kind, np.float32)
    labels = read_annotations("cacd", root, {})
    check_ids(labels, load_cacd(root, 16, cache_dir=tmp_path / "cache").data)
    assert written(labels, tmp_path / "new", {labels.ids[1]: np.array([21.5])}) == ()
    pool = load_cacd(tmp_path / "new", 16, cache_dir=tmp_path / "cache")
    assert (pool.data.ids, pool.groups) == (labels.ids, ("3", "1", "2"))
    assert pool.data.targets.flatten().tolist() == [53, 21.5, 14]
    before, after = (scipy.io.loadmat(folder / "celebrity2000_meta.mat") for folder in (root, tmp_path / "new"))
    assert repr(before["celebrityData"]) == repr(after["celebrityData"])
    for field in before["celebrityImageData"].dtype.names:
        if field != "age":
            assert repr(before["celebrityImageData"][field]) == repr(after["celebrityImageData"][field])
    assert before["celebrityImageData"]["age"].ravel()[0].dtype == after["celebrityImageData"]["age"].ravel()[0].dtype


@pytest.mark.parametrize("kind", ["column", "row", "array of structures"])
def test_an_image_that_loses_its_age_is_left_out_of_every_field(tmp_path, kind):
    root = tmp_path / "cacd"
    metadata(root, kind)
    labels = read_annotations("cacd", root, {})
    notes = written(labels, tmp_path / "new", {labels.ids[0]: np.array([np.nan]), labels.ids[2]: np.array([15.4])})
    assert "rounded to whole numbers" in notes[0]
    pool = load_cacd(tmp_path / "new", 16, cache_dir=tmp_path / "cache")
    assert (pool.data.ids, pool.groups) == (labels.ids[1:], ("1", "2"))
    assert pool.data.targets.flatten().tolist() == [20, 15]
    if kind == "column":
        made = scipy.io.loadmat(tmp_path / "new" / "celebrity2000_meta.mat")["celebrityImageData"]
        np.testing.assert_array_equal(made["feature"][0, 0], np.arange(4.0, 12).reshape(2, 4))
        assert made["about"][0, 0].item() == "three images"


def test_a_matlab_file_that_cannot_be_written_is_refused_before_any_work(tmp_path):
    root = tmp_path / "cacd"
    metadata(root, "column")
    # The head by which SciPy knows a file of MATLAB 7.3.
    head = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"
    (root / "celebrity2000_meta.mat").write_bytes(head + bytes(512))
    with pytest.raises(InvalidDataError, match=r"MATLAB 7\.3 \(HDF5\).*'-v7'"):
        read_annotations("cacd", root, {})
    (root / "celebrity2000_meta.mat").write_bytes(b"spoilt")
    with pytest.raises(InvalidDataError, match="should be a MATLAB file"):
        read_annotations("cacd", root, {})


# McGill


@pytest.fixture
def videos(tmp_path):
    root = tmp_path / "videos"
    for video in ("v <1>", "в2"):
        for frame in (1, 2):
            image(root / video / f"frame_{frame:04d}.jpg")
    lines = ['"v <1>";1;"-15.0";ann', "в2;frame_0002.jpg;10.5;ann", "в2;7;3.0;gone", "в2;1;2.0;"]
    (root / "yaw.csv").write_bytes("\r\n".join(["video;frame;yaw;who", *lines]).encode())
    return root


def test_a_frame_that_loses_its_angle_loses_its_line(videos, tmp_path):
    labels = read_annotations("mcgill", videos, {})
    with pytest.warns(DeepGUMWarning, match="в2/7"):
        pool = load_mcgill(videos, 16, skip_missing=True, cache_dir=tmp_path / "cache")
    check_ids(labels, pool.data)
    assert written(labels, tmp_path / "same") == ()
    assert (tmp_path / "same" / "yaw.csv").read_bytes() == (videos / "yaw.csv").read_bytes()
    changes = {labels.ids[0]: np.array([-12.0]), labels.ids[1]: np.array([np.nan])}
    assert labels.left_out(changes) == (labels.ids[1],)
    written(labels, tmp_path / "new", changes)
    assert (tmp_path / "new" / "yaw.csv").read_bytes().decode() == (
        'video;frame;yaw;who\r\n"v <1>";1;"-12.0";ann\r\nв2;7;3.0;gone\r\nв2;1;2.0;'
    )
    with pytest.warns(DeepGUMWarning, match="в2/7"):
        again = load_mcgill(tmp_path / "new", 16, skip_missing=True, cache_dir=tmp_path / "cache")
    assert again.data.ids == (labels.ids[0], labels.ids[2])
    with pytest.raises(InvalidDataError, match="keep at least one line"):
        written(labels, tmp_path / "none", {name: np.array([np.nan]) for name in labels.ids})


def test_a_parquet_table_of_videos_loses_rows_too(videos, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"video": ["в2", "в2"], "frame": ["1", "2"], "yaw": [1.0, 2.0]}), videos / "yaw.parquet")
    labels = read_annotations("mcgill", videos, {"table": "yaw.parquet"})
    written(labels, tmp_path / "new", {labels.ids[0]: np.array([np.nan]), labels.ids[1]: np.array([5.0])})
    assert pq.read_table(tmp_path / "new" / "yaw.parquet").to_pylist() == [{"video": "в2", "frame": "2", "yaw": 5.0}]


def test_a_table_outside_of_its_folder_is_refused(videos):
    for name in ("../yaw.csv", str(videos / "yaw.csv")):
        with pytest.raises(InvalidDataError, match="lead out of it"):
            read_annotations("mcgill", videos, {"table": name})


def test_videos_without_frames_are_refused(videos):
    (videos / "yaw.csv").write_text("video,frame,yaw\nv9,1,3\n")
    with pytest.raises(MissingImagesError, match="Found none"):
        read_annotations("mcgill", videos, {})


# Head poses


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
    labels = read_annotations("head-pose", poses, options)
    pool = load_head_pose(poses, parts=options["parts"], extra=[options["extra"]])
    assert labels.ids == pool.data.ids
    np.testing.assert_array_equal(labels.values.astype(np.float32), pool.data.targets)
    expected = labels.values.copy()
    expected[1] = 1.0, np.nan, 1 / 3
    written(labels, tmp_path / "new", {labels.ids[1]: expected[1]})
    np.testing.assert_array_equal(read_annotations("head-pose", tmp_path / "new", options).values, expected)
    assert load_head_pose(tmp_path / "new").data.ids == labels.ids[:8]
    for name in ("biwi_test.npz", "aflw2000.npz"):
        assert (tmp_path / "new" / name).read_bytes() == (poses / name).read_bytes()
        assert not (tmp_path / "new" / name).samefile(poses / name)
    before, after = (np.load(root / "biwi_train.npz", allow_pickle=False) for root in (poses, tmp_path / "new"))
    assert before.files == after.files
    for name in ("features", "frames"):
        np.testing.assert_array_equal(before[name], after[name])


def test_whole_numbers_cannot_say_that_an_angle_is_missing(poses, tmp_path):
    np.savez(poses / "biwi_train.npz", features=np.zeros((2, 4)), poses=np.arange(6, dtype=np.int16).reshape(2, 3))
    labels = read_annotations("head-pose", poses, {})
    with pytest.raises(InvalidDataError, match=r"biwi_train.*numbers with a point.*Found int16"):
        written(labels, tmp_path / "new", {labels.ids[0]: np.array([np.nan, 0, 0])})
    notes = written(labels, tmp_path / "rounded", {labels.ids[0]: np.array([7.6, 1, 2])})
    assert "rounded" in notes[0]
    assert np.load(tmp_path / "rounded" / "biwi_train.npz")["poses"][0].tolist() == [8, 1, 2]


# Files that go along


def test_images_go_along_and_a_name_never_leads_out_of_the_folder(tmp_path):
    source, out = tmp_path / "a", tmp_path / "b"
    image(source / "x" / "y.jpg")
    (source / "link.jpg").symlink_to(source / "x" / "y.jpg")
    out.mkdir()
    carry(source, {"x/y.jpg": "z/w.jpg", "link.jpg": "link.jpg", "absent.jpg": "absent.jpg"}, out)
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*.jpg")) == ["link.jpg", "z/w.jpg"]
    assert not (out / "link.jpg").is_symlink()
    for name in ("../a/x/y.jpg", "x/../../y.jpg", str(source / "x" / "y.jpg")):
        with pytest.raises(InvalidDataError, match="1 that lead out of it"):
            carry(source, {name: name}, out)


def test_images_are_copied_where_there_are_no_links(tmp_path, monkeypatch):
    image(tmp_path / "a" / "x.jpg")
    (tmp_path / "b").mkdir()

    def refuse(*_, **__):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    carry(tmp_path / "a", {"x.jpg": "x.jpg"}, tmp_path / "b")
    assert (tmp_path / "b" / "x.jpg").read_bytes() == (tmp_path / "a" / "x.jpg").read_bytes()
    assert not (tmp_path / "b" / "x.jpg").samefile(tmp_path / "a" / "x.jpg")


def test_a_file_is_never_written_over(tmp_path):
    image(tmp_path / "a" / "x.jpg")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x.jpg").write_text("mine")
    with pytest.raises(FileExistsError):
        carry(tmp_path / "a", {"x.jpg": "x.jpg"}, tmp_path / "b")
    assert (tmp_path / "b" / "x.jpg").read_text() == "mine"


def test_a_sample_that_is_named_twice_is_refused(faces):
    lines = (faces / LISTS[0]).read_bytes()
    (faces / LISTS[1]).write_bytes(lines)
    with pytest.raises(InvalidDataError, match=r"name each sample once.*lfw_5590"):
        read_annotations("lfw-net", faces, {})


# Real data, read only

DATA = Path(os.environ.get("DEEPGUM_DATA") or "nowhere")


def real(name):
    if not (DATA / name).is_dir():
        pytest.skip(f"DEEPGUM_DATA names no folder that holds {name}")
    return DATA / name


def test_the_published_lists_are_written_as_they_are(tmp_path):
    # The lists alone: what they name would be thousands of images.
    lists = tmp_path / "lists"
    lists.mkdir()
    for name in LISTS:
        shutil.copyfile(real("lfw_net") / name, lists / name)
    labels = read_annotations("lfw-net", lists, {})
    assert labels.values.shape == (10_000 + 3466, 10)
    written(labels, tmp_path / "same")
    rows = np.random.default_rng(0).choice(len(labels), 200, replace=False)
    moved = {labels.ids[row]: labels.values[row] + 0.25 for row in rows}
    written(labels, tmp_path / "new", moved)
    written(
        read_annotations("lfw-net", tmp_path / "new", {}),
        tmp_path / "back",
        {name: labels.values[labels.rows[name]] for name in moved},
    )
    for name in LISTS:
        assert (tmp_path / "same" / name).read_bytes() == (lists / name).read_bytes()
        assert (tmp_path / "new" / name).read_bytes() != (lists / name).read_bytes()
        assert (tmp_path / "back" / name).read_bytes() == (lists / name).read_bytes()


def test_the_published_ages_and_poses_are_those_of_the_loaders():
    labels = read_annotations("utkface", real("utkface"), {})
    assert len(labels) == 6000
    assert not np.isnan(labels.values).any()
    options = {"parts": ["biwi_train.npz", "biwi_test.npz"], "extra": "aflw2000.npz"}
    poses = read_annotations("head-pose", real("head_pose"), options)
    data = load_head_pose(real("head_pose"), extra=["aflw2000.npz"]).data
    assert poses.ids == data.ids
    np.testing.assert_array_equal(poses.values.astype(np.float32), data.targets)
