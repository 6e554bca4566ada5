"""CACD: the MATLAB file and the image names, on small files in the published format."""

from __future__ import annotations

import os
import sys
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import torch
from PIL import Image

from deepgum.data.sets.cacd import IMAGE_FOLDER, METADATA, Cacd, load_cacd
from deepgum.data.sets.cacd_lists import read_metadata, read_split
from deepgum.errors import (
    DeepGUMWarning,
    InvalidDataError,
    InvalidParameterError,
    MissingImagesError,
)

# Not sorted by name or identity; identities count from 1.
ROWS = [
    ("53_Robin_Family_0001.jpg", 53, 3),
    ("20_Zo\u00eb_Stra\u00dfe_0002.jpg", 20, 1),
    ("14_Given_de_la_Family_0003.jpg", 14, 2),
    ("21_Zo\u00eb_Stra\u00dfe_0001.jpg", 21, 1),
    ("62_Robin_Family_0012.jpg", 62, 3),
    ("33_A._Jr._0001.jpg", 33, 12),
]
NAMES = [name for name, _, _ in ROWS]
IDS = tuple(f"{IMAGE_FOLDER}/{name}" for name in NAMES)


def cells(values: list[str]) -> np.ndarray[Any, Any]:
    """Return a column of MATLAB cells."""
    array = np.empty((len(values), 1), dtype=object)
    array[:, 0] = values
    return array


def fields(rows: list[tuple[str, Any, Any]]) -> dict[str, Any]:
    return {
        "age": np.array([[age] for _, age, _ in rows]),
        "identity": np.array([[identity] for _, _, identity in rows]),
        "year": np.array([[2013]] * len(rows), dtype=np.uint16),
        "rank": np.array([[1]] * len(rows), dtype=np.uint8),
        "name": cells([name for name, _, _ in rows]),
    }


def write(root: Path, rows: list[tuple[str, Any, Any]] = ROWS, **changes: Any) -> None:
    structure = {name: value for name, value in (fields(rows) | changes).items() if value is not None}
    scipy.io.savemat(root / METADATA, {"celebrityImageData": structure, "celebrityData": {"identity": [[1]]}})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a complete small set, whose images are as bright as twice the age."""
    root = tmp_path / "cacd"
    (root / IMAGE_FOLDER).mkdir(parents=True)
    for name, age, _ in ROWS:
        Image.new("RGB", (25, 25), (2 * age,) * 3).save(root / IMAGE_FOLDER / name, quality=95)
    write(root)
    return root


def load(folder: Path, image_size: int = 16, **options: Any) -> Any:
    return load_cacd(folder, image_size, **({"cache_dir": folder.parent / "cache"} | options))


def check(pool: Any) -> None:
    """Assert that the pool holds all images in the order of the MATLAB file, each with its own label."""
    assert pool.data.ids == IDS
    assert pool.data.targets.tolist() == [[age] for _, age, _ in ROWS]
    assert pool.keep_together == tuple(str(identity) for _, _, identity in ROWS)
    np.testing.assert_allclose(np.asarray(pool.data.inputs).mean(axis=(1, 2, 3)), [2 * a for _, a, _ in ROWS], atol=2)


def test_the_set_is_read_in_the_order_of_its_file(folder: Path) -> None:
    pool = load(folder)
    check(pool)
    assert pool.data.inputs.shape == (6, 3, 16, 16)
    assert pool.data.target_names == ("age",)
    assert pool.parts is None
    assert torch.equal(pool.data.mirror.targets(pool.data.targets), pool.data.targets)
    assert load(folder, colour=False).data.inputs.shape == (6, 1, 16, 16)


def test_an_array_of_structures_is_read_as_a_structure_of_arrays(folder: Path) -> None:
    kinds: Any = [("age", object), ("identity", object), ("name", object)]
    structures = np.array([(age, identity, name) for name, age, identity in ROWS], dtype=kinds)
    scipy.io.savemat(folder / METADATA, {"celebrityImageData": structures})
    check(load(folder))


def write_hdf5(path: Path) -> None:
    """Write the structure as MATLAB 7.3 does: columns as rows, and text as references to UTF-16 code units."""
    h5py = pytest.importorskip("h5py", reason="h5py, which reads MATLAB 7.3, is not installed")
    with h5py.File(path, "w", userblock_size=512) as file:
        group = file.create_group("celebrityImageData")
        for name in ("age", "identity"):
            group[name] = np.array(fields(ROWS)[name], dtype=np.float64).T
        references = group.create_dataset("name", (1, len(ROWS)), dtype=h5py.ref_dtype)
        for row, text in enumerate(NAMES):
            units = np.frombuffer(text.encode("utf-16-le"), dtype=np.uint16)
            references[0, row] = file.create_dataset(f"#refs#/{row}", data=units[:, None]).ref
    mark_as_7_3(path)


def mark_as_7_3(path: Path) -> None:
    header = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
    path.write_bytes(header + path.read_bytes()[128:])


def test_matlab_7_3_is_read_where_h5py_is_installed(folder: Path) -> None:
    write_hdf5(folder / METADATA)
    check(load(folder))


def test_matlab_7_3_is_explained_where_h5py_is_not_installed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    (folder / METADATA).write_bytes(bytes(600))
    mark_as_7_3(folder / METADATA)
    with pytest.raises(InvalidDataError, match=r"MATLAB 5 file. Found MATLAB 7.3.*-v7.*h5py"):
        load(folder)


def test_damaged_matlab_7_3_is_refused(folder: Path) -> None:
    pytest.importorskip("h5py", reason="h5py, which reads MATLAB 7.3, is not installed")
    (folder / METADATA).write_bytes(bytes(600))
    mark_as_7_3(folder / METADATA)
    with pytest.raises(InvalidDataError, match=f"{METADATA}.*cannot be read"):
        load(folder)


@pytest.mark.parametrize("disk", ["NFC", "NFD"])
@pytest.mark.parametrize("listed", ["NFC", "NFD"])
def test_both_unicode_forms_of_letters_are_found(folder: Path, disk: Any, listed: Any) -> None:
    for name in NAMES:
        (folder / IMAGE_FOLDER / name).rename(folder / IMAGE_FOLDER / unicodedata.normalize(disk, name))
    write(folder, [(unicodedata.normalize(listed, name), age, identity) for name, age, identity in ROWS])
    check(load(folder))


def test_names_in_latin_1_on_disk_are_found(folder: Path) -> None:
    for name in NAMES:
        try:
            os.rename(folder / IMAGE_FOLDER / name, os.fsencode(folder / IMAGE_FOLDER) + b"/" + name.encode("latin-1"))
        except OSError:
            pytest.skip("the file system takes no names that are not UTF-8")
    check(load(folder))


def test_without_the_matlab_file_ages_and_identities_are_read_from_names(folder: Path) -> None:
    (folder / METADATA).unlink()
    pool = load(folder)
    order = sorted(range(6), key=NAMES.__getitem__)
    assert pool.data.ids == tuple(IDS[row] for row in order)
    assert pool.data.targets.flatten().tolist() == [ROWS[row][1] for row in order]
    families = {1: "Zo\u00eb_Stra\u00dfe", 2: "Given_de_la_Family", 3: "Robin_Family", 12: "A._Jr."}
    assert pool.keep_together == tuple(families[ROWS[row][2]] for row in order)


@pytest.mark.parametrize("name", ["unknown.jpg", "20_Family.jpg", "x_A_B_0001.jpg", "121_A_B_0001.jpg", "20__0001"])
def test_a_name_without_age_or_identity_is_named_or_left_out(folder: Path, name: str) -> None:
    (folder / METADATA).unlink()
    name = name if name.endswith(".jpg") else f"{name}.jpg"
    (folder / IMAGE_FOLDER / NAMES[0]).rename(folder / IMAGE_FOLDER / name)
    with pytest.raises(InvalidDataError, match=rf"AGE_Given_Family_NNNN.*1 of 6 .*{name}"):
        load(folder)
    with pytest.warns(DeepGUMWarning, match=name) as caught:
        assert len(load(folder, skip_unreadable=True)) == 5
    assert [warning.filename for warning in caught] == [__file__]


SPLIT = "# by hand\nidentity,part\n1,train\n\n2, val\n3;test\n12\tvalidation\n99 train\n"


@pytest.mark.parametrize("text", [SPLIT.partition("\n")[2], SPLIT.partition("\n")[2].replace("\n", "\r\n")])
def test_a_split_file_has_the_part_of_each_identity(folder: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "split.csv").write_bytes(text.encode("utf-8-sig"))
    pool = load(folder, split_file=tmp_path / "split.csv")
    assert pool.parts == ("test", "train", "validation", "train", "test", "validation")
    check(pool)


def test_a_split_file_names_people_without_the_matlab_file(folder: Path, tmp_path: Path) -> None:
    (folder / METADATA).unlink()
    people = "Zoe\u0308_Stra\u00dfe train\nGiven_de_la_Family val\n# a remark\nRobin_Family test\nA._Jr. train\n"
    (tmp_path / "split.txt").write_text(people, encoding="utf-8")
    pool = load(folder, split_file=tmp_path / "split.txt")
    assert dict(zip(pool.keep_together, pool.parts, strict=True)) == {
        "Zo\u00eb_Stra\u00dfe": "train",
        "Given_de_la_Family": "validation",
        "Robin_Family": "test",
        "A._Jr.": "train",
    }


def test_an_identity_without_a_part_is_named(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "split.csv").write_text("1,train\n3,test\n")
    with pytest.raises(InvalidDataError, match=r"split\.csv.*4 identities. Found no line for 2 identities: 12, 2"):
        load(folder, split_file=tmp_path / "split.csv")


@pytest.mark.parametrize("line", ["2", "2,training", "2,train,test", "1,test", "1,train"])
def test_a_malformed_line_of_a_split_file_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "split.csv").write_text(f"identity,part\n1,train\n{line}\n")
    with pytest.raises(InvalidDataError, match=r"split\.csv', line 3: "):
        read_split(tmp_path / "split.csv")


def test_a_split_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "split.csv").write_bytes(b"\xff\xfe1")
    for name in ("split.csv", "nowhere.csv"):
        with pytest.raises(InvalidDataError, match=name):
            read_split(tmp_path / name)


def test_missing_images_are_counted_and_named(folder: Path) -> None:
    for row in (1, 4):
        (folder / IMAGE_FOLDER / NAMES[row]).unlink()
    with pytest.raises(MissingImagesError, match=rf"2 of the 6 images of '{METADATA}': {NAMES[1]}, {NAMES[4]}"):
        load(folder)
    with pytest.warns(DeepGUMWarning, match="2 of the 6 images") as caught:
        pool = load(folder, skip_missing=True)
    assert [warning.filename for warning in caught] == [__file__]
    assert pool.data.ids == (IDS[0], IDS[2], IDS[3], IDS[5])
    assert pool.data.targets.flatten().tolist() == [53, 14, 21, 33]
    assert pool.keep_together == ("3", "2", "1", "12")


@pytest.mark.parametrize("age", [np.nan, -1, 121, np.inf])
def test_an_image_without_an_age_is_named_or_left_out(folder: Path, age: float) -> None:
    write(folder, age=np.array([[53.0], [20], [age], [21], [62], [33]]))
    with pytest.raises(InvalidDataError, match=rf"1 of 6 .*{NAMES[2]}"):
        load(folder)
    with pytest.warns(DeepGUMWarning, match=NAMES[2]):
        assert load(folder, skip_unreadable=True).data.targets.flatten().tolist() == [53, 20, 21, 62, 33]


@pytest.mark.parametrize("name", ["age", "identity", "name"])
def test_a_matlab_file_that_lacks_a_field_is_refused(folder: Path, name: str) -> None:
    write(folder, **{name: None})
    with pytest.raises(InvalidDataError, match=rf"{METADATA}' should have the field celebrityImageData.{name}"):
        load(folder)
    write(folder, **{name: fields(ROWS)[name][:-1]})
    with pytest.raises(InvalidDataError, match=f"5 of {name}"):
        load(folder)


@pytest.mark.parametrize(
    "changes",
    [{"age": cells(["old"] * 6)}, {"identity": cells(["x"] * 6)}, {"identity": np.full((6, 1), 0.5)}],
    ids=["age", "identity", "fraction"],
)
def test_a_matlab_file_with_other_values_is_refused(folder: Path, changes: dict[str, Any]) -> None:
    write(folder, **changes)
    with pytest.raises(InvalidDataError, match=f"{METADATA}.*number"):
        load(folder)


def test_a_matlab_file_that_cannot_be_read_is_refused(folder: Path) -> None:
    whole = (folder / METADATA).read_bytes()
    for content in (b"", b"no MATLAB", whole[: len(whole) // 2], bytes(1000)):
        (folder / METADATA).write_bytes(content)
        with pytest.raises(InvalidDataError, match=METADATA):
            read_metadata(folder / METADATA)
    scipy.io.savemat(folder / METADATA, {"something": 1, "celebrityImageData": 7})
    with pytest.raises(InvalidDataError, match="celebrityImageData"):
        read_metadata(folder / METADATA)


def test_without_images_the_error_says_where_to_get_the_set(folder: Path) -> None:
    with pytest.raises(InvalidParameterError, match="image_size"):
        load(folder, 7)
    for file in (folder / IMAGE_FOLDER).iterdir():
        file.unlink()
    for wrong in (folder, folder / "nowhere"):
        with pytest.raises(InvalidParameterError, match=r"folder.*ECCV 2014"):
            load(wrong)


# Label files


def labels_of(folder, **options):
    dataset = Cacd()
    return dataset.labels(folder, dataset.check_options(options))


def picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (90, 90), (80, 90, 100)).save(path, format="JPEG")


def written(labels, out, changes=None):
    out.mkdir()
    return labels.write(changes or {}, out)


def check_ids(labels, data):
    """Assert that ids and labels are those of the loader, in its order."""
    assert labels.ids == data.ids
    assert labels.names == data.target_names
    np.testing.assert_array_equal(labels.values, data.targets)


def test_ages_in_the_names_of_celebrities_are_corrected_and_identities_stay(tmp_path):
    root = tmp_path / "cacd"
    for name in ("53_Given_Family_0001.jpg", "35_Given_Family_0001.jpg", "20_Zoe\u0308_A_0001.jpg"):
        picture(root / "CACD2000" / name)
    labels = labels_of(root)
    check_ids(labels, load_cacd(root, 16, cache_dir=tmp_path / "cache").data)
    notes = written(labels, tmp_path / "new", {"CACD2000/53_Given_Family_0001.jpg": np.array([35.0])})
    assert len(notes) == 1
    pool = load_cacd(tmp_path / "new", 16, cache_dir=tmp_path / "cache")
    assert sorted(zip(pool.data.targets.flatten().tolist(), pool.keep_together, strict=True)) == [
        (20, "Zoë_A"),
        (35, "Given_Family"),
        (35, "Given_Family"),
    ]


CELEBRITIES = [("53_A_B_0001.jpg", 53, 3), ("20_Zoë_Straße_0002.jpg", 20, 1), ("14_C_D_0003.jpg", 14, 2)]


def metadata(root, kind, whole=np.uint8):
    for name, _, _ in CELEBRITIES:
        picture(root / "CACD2000" / name)
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
    labels = labels_of(root)
    check_ids(labels, load_cacd(root, 16, cache_dir=tmp_path / "cache").data)
    assert written(labels, tmp_path / "new", {labels.ids[1]: np.array([21.5])}) == ()
    pool = load_cacd(tmp_path / "new", 16, cache_dir=tmp_path / "cache")
    assert (pool.data.ids, pool.keep_together) == (labels.ids, ("3", "1", "2"))
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
    labels = labels_of(root)
    notes = written(labels, tmp_path / "new", {labels.ids[0]: np.array([np.nan]), labels.ids[2]: np.array([15.4])})
    assert "rounded to whole numbers" in notes[0]
    pool = load_cacd(tmp_path / "new", 16, cache_dir=tmp_path / "cache")
    assert (pool.data.ids, pool.keep_together) == (labels.ids[1:], ("1", "2"))
    assert pool.data.targets.flatten().tolist() == [20, 15]
    if kind == "column":
        made = scipy.io.loadmat(tmp_path / "new" / "celebrity2000_meta.mat")["celebrityImageData"]
        np.testing.assert_array_equal(made["feature"][0, 0], np.arange(4.0, 12).reshape(2, 4))
        assert made["about"][0, 0].item() == "three images"


def test_a_matlab_file_that_cannot_be_written_is_refused_before_any_work(tmp_path):
    root = tmp_path / "cacd"
    metadata(root, "column")
    # The header of a MATLAB 7.3 file.
    head = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"
    (root / "celebrity2000_meta.mat").write_bytes(head + bytes(512))
    with pytest.raises(InvalidDataError, match=r"MATLAB 7\.3 \(HDF5\).*'-v7'"):
        labels_of(root)
    (root / "celebrity2000_meta.mat").write_bytes(b"spoilt")
    with pytest.raises(InvalidDataError, match="should be a MATLAB file"):
        labels_of(root)


# The split


def celebrity(name: str) -> str:
    return name.split("_")[2]


def test_sizes_are_numbers_of_celebrities(make_small: Any) -> None:
    small = make_small("cacd")  # four images of each of ten celebrities
    subset = small.load()
    assert (len(subset.train), len(subset.validation), len(subset.test)) == (20, 8, 12)
    assert len(small.load(train_size=7).train) == 7
    with pytest.raises(InvalidDataError, match=r"validation = 80 and test = 120"):
        small.load(validation_size=None, test_size=None)


def test_a_split_file_divides_the_celebrities_and_everything_ignores_it(make_small: Any) -> None:
    small = make_small("cacd")
    parts = ["test", "test", "validation", *["train"] * 7]
    split = small.path / "split.csv"
    split.write_text("identity,part\n" + "".join(f"{i + 1},{part}\n" for i, part in enumerate(parts)))
    subset = small.load(options={"split_file": str(split)})
    assert (len(subset.train), len(subset.validation), len(subset.test)) == (28, 4, 8)
    assert {celebrity(name) for name in subset.test.ids} == {"00", "01"}
    (whole,) = Cacd().everything(small.request(options={"split_file": "not there.csv"}), 0)
    assert len(whole) == 40


def test_the_matlab_file_may_be_missing(make_small: Any) -> None:
    small = make_small("cacd")
    (small.path / METADATA).unlink()
    assert Cacd().detect(small.path)
    assert len(small.pool()) == 40
    # The file alone is enough for detection; the loader reports what is missing.
    alone = small.path.with_name("alone")
    alone.mkdir()
    (alone / METADATA).write_bytes(b"")
    assert Cacd().detect(alone)
    with pytest.raises(InvalidParameterError, match=f"holds '{IMAGE_FOLDER}' with images"):
        small.pool(path=alone)
