"""COCO keypoints: what is read, what is refused, and that a correction changes nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from deepgum.audit.corrections.apply import apply_patch
from deepgum.audit.corrections.patch import Change, Patch
from deepgum.data.sets.coco import Coco
from deepgum.data.sets.registry import detect
from deepgum.data.sets.request import Request
from deepgum.errors import DataNotice, DeepGUMWarning, InvalidDataError, InvalidParameterError, MissingImagesError

COCO = Coco()
OPTIONS = COCO.check_options({})
NAN = np.nan


def content() -> dict[str, Any]:
    """Three images with four annotations: one image has two, of which one has no label; and a crowd."""
    return {
        "info": {"year": 2020, "text": "größe"},
        "images": [
            {"id": 1, "file_name": "a.png", "width": 60, "height": 50},
            {"id": 2, "file_name": "sub/b.png", "width": 60, "height": 50, "coco_url": "http://example.org/b.png"},
            {"id": 3, "file_name": "c.png", "width": 60, "height": 50},
        ],
        "categories": [
            {"id": 7, "name": "tree"},
            {"id": 4, "name": "cat", "keypoints": ["left_ear", "right_ear", "nose"], "skeleton": [[1, 2], [2, 3]]},
        ],
        "annotations": [
            {"id": 10, "image_id": 1, "category_id": 4, "keypoints": [10, 20, 2, 30, 20, 1, 20, 30, 2], "iscrowd": 0},
            {
                "id": 11,
                "image_id": 2,
                "category_id": 4,
                "keypoints": [12, 22, 2, 0, 0, 0, 24, 31, 2],
                "num_keypoints": 2,
            },
            {"id": 12, "image_id": 2, "category_id": 4, "keypoints": [0] * 9, "num_keypoints": 0, "bbox": [1, 2, 3, 4]},
            {"id": 13, "image_id": 3, "category_id": 7, "bbox": [1, 2, 30, 40]},
            {"id": 14, "image_id": 3, "category_id": 4, "keypoints": [0] * 9, "iscrowd": 1},
            {
                "id": 15,
                "image_id": 3,
                "category_id": 4,
                "keypoints": [5, 6, 2, 0, 0, 2, 9, 9, 1],
                "bbox": [2, 3, 30, 40],
            },
        ],
    }


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes values as a COCO file."""

    def written(values: Any, **layout: Any) -> Path:
        path = tmp_path / "labels.json"
        path.write_text(values if isinstance(values, str) else json.dumps(values, **layout), encoding="utf-8")
        return path

    return written


def test_labelled_instances_of_the_category_are_read_and_the_others_counted(write: Callable[..., Path]) -> None:
    keypoints = COCO.read(write(content()), OPTIONS)
    assert keypoints.ids == ("a.png", "sub/b.png#11", "c.png#15")
    assert keypoints.names == ("left_ear", "right_ear", "nose")
    np.testing.assert_array_equal(
        keypoints.values,
        [[10, 20, 30, 20, 20, 30], [12, 22, NAN, NAN, 24, 31], [5, 6, NAN, NAN, 9, 9]],
    )
    np.testing.assert_array_equal(keypoints.boxes, [[NAN] * 4, [NAN] * 4, [2, 3, 30, 40]])
    assert keypoints.skeleton == ((0, 1), (1, 2))
    assert keypoints.swap_pairs == ((0, 1),)
    left_out, zero = keypoints.notices
    assert "1 of crowds" in left_out
    assert "1 without a labelled keypoint" in left_out
    assert "1 keypoints have v > 0 and the coordinates (0, 0)" in zero


def test_one_of_several_categories_with_keypoints_is_chosen(write: Callable[..., Path]) -> None:
    values = content()
    values["categories"][0]["keypoints"] = ["top"]
    values["annotations"][3]["keypoints"] = [3, 4, 2]
    path = write(values)
    with pytest.raises(InvalidParameterError, match=r"choose one \(--category\): tree, cat"):
        COCO.read(path, OPTIONS)
    with pytest.raises(InvalidParameterError, match="dog"):
        COCO.read(path, {**OPTIONS, "category": "dog"})
    assert COCO.read(path, {**OPTIONS, "category": "tree"}).values.tolist() == [[3, 4]]
    assert len(COCO.read(path, {**OPTIONS, "category": "cat"})) == 3


def changed(*place: Any, to: Any = None) -> dict[str, Any]:
    """Return the content with another value at a place, or without it."""
    values = content()
    inner = values
    for key in place[:-1]:
        inner = inner[key]
    if to is None:
        del inner[place[-1]]
    else:
        inner[place[-1]] = to
    return values


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("{", "should be a COCO file"),
        ("[]", "Found a list"),
        (changed("images"), "no such list for 'images'"),
        (changed("annotations", to={"a": 1}), "other values for 'annotations'"),
        (changed("categories", to=[3]), "other values for 'categories'"),
        (changed("categories", 1, "keypoints"), "names of its keypoints"),
        (changed("categories", 1, "keypoints", to=["a", 3, "b"]), "category 4: 'keypoints' should be a list of names"),
        (changed("categories", 1, "keypoints", to=["a", "a", "b"]), "one keypoint of each name"),
        (changed("categories", 0, "id", to=4), "'categories'.*more than once: 4"),
        (changed("images", 1, "id", to=1), "'images'.*more than once: 1"),
        (changed("annotations", 1, "id", to=10), "'annotations'.*more than once: 10"),
        (changed("annotations", 1, "id"), "'annotations'.*Found no id"),
        (changed("images", 1, "id"), "'images'.*Found no id"),
        (changed("images", 1, "id", to=[1]), "'images'.*should have an id, a whole number"),
        (changed("annotations", 1, "keypoints", to=[1e10, 2, 2] * 3), "annotation 11: 'keypoints' should be 9 numbers"),
        (changed("annotations", 1, "id", to=[1]), "should have an id, a whole number"),
        (changed("annotations", 1, "image_id"), "annotation 11: 'image_id' should be an id of 'images'"),
        (changed("annotations", 1, "image_id", to={}), "annotation 11: 'image_id'"),
        (changed("annotations", 1, "category_id", to=99), "annotation 11: 'category_id' .*Found 99"),
        (changed("images", 1, "file_name"), "image 2: 'file_name'"),
        (changed("annotations", 1, "keypoints", to=[1, 2, 2]), "annotation 11: 'keypoints' should be 9 numbers"),
        (changed("annotations", 1, "keypoints", to="all"), "annotation 11: 'keypoints' should be 9 numbers"),
        (changed("annotations", 1, "keypoints", to=[1, 2, "2"] * 3), "annotation 11: 'keypoints' should be 9 numbers"),
        (changed("annotations", 1, "keypoints", to=[1, True, 2] * 3), "annotation 11: 'keypoints' should be 9 numbers"),
        (changed("annotations", 1, "keypoints", to=[1, 2, 3] * 3), "visibilities .*0, 1 or 2. Found 3"),
        (changed("annotations", 1, "keypoints", to=[10**400, 2, 2] * 3), "annotation 11: 'keypoints' should be 9"),
        (changed("annotations", to=[]), "labelled keypoints. Found none"),
        (json.dumps(changed("annotations", 1, "keypoints", to=[1.5, 2, 2] * 3)).replace("1.5", "NaN"), "should be 9"),
        (json.dumps(changed("annotations", 1, "keypoints", to=[1.5, 2, 2] * 3)).replace("1.5", "1e999"), "should be 9"),
    ],
)
def test_a_contradiction_is_refused_with_its_place(write: Callable[..., Path], values: Any, message: str) -> None:
    path = write(values)
    for reading in (COCO.read, COCO.labels):
        with pytest.raises(InvalidDataError, match=message):
            reading(path, OPTIONS)


@pytest.mark.parametrize("skeleton", [None, "no", [[1]], [[1, "2"]], [[1, 9]], [[2, 2]], [[True, 2]]])
def test_a_skeleton_that_cannot_be_drawn_is_left_out(write: Callable[..., Path], skeleton: Any) -> None:
    assert COCO.read(write(changed("categories", 1, "skeleton", to=skeleton)), OPTIONS).skeleton == ()


def test_a_skeleton_with_a_zero_counts_from_zero(write: Callable[..., Path]) -> None:
    values = changed("categories", 1, "skeleton", to=[[0, 1], [1, 2]])
    assert COCO.read(write(values), OPTIONS).skeleton == ((0, 1), (1, 2))


@pytest.mark.parametrize("head", ["", "\ufeff", "\n\n  "])
def test_the_format_is_detected_by_its_content(write: Callable[..., Path], tmp_path: Path, head: str) -> None:
    path = write(head + json.dumps(content()))
    assert isinstance(detect(path), Coco)
    assert COCO.read(path, OPTIONS).ids
    for other in ("[1]", "{}", '{"shapes": []}', ""):
        write(other)
        assert not COCO.detect(path)
    write(content()).rename(tmp_path / "labels.txt")
    assert not COCO.detect(tmp_path / "labels.txt")


# The pool


@pytest.mark.filterwarnings("ignore::deepgum.errors.DeepGUMWarning")
def test_targets_are_fractions_of_the_crop_and_images_stay_together(write: Callable[..., Path], tmp_path: Path) -> None:
    values = content()
    values["annotations"][2]["keypoints"] = [40, 10, 2, 50, 10, 2, 45, 20, 2]
    for name in ("a.png", "sub/b.png", "c.png"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (60, 50)).save(tmp_path / "photos" / name)
    path = write(values)
    options = COCO.check_options({"images": str(tmp_path / "photos")})
    request = Request(path, image_size=16, cache_dir=tmp_path / "cache", options=options, train_size=1)
    pool = COCO.pool(request, 0)
    assert pool.notices == COCO.read(path, options).notices
    with pytest.warns(DeepGUMWarning, match="left out: 1 of crowds"):  # a training has no summary for notices
        COCO.load(replace(request, validation_size=1, test_size=1), 0)
    assert pool.keep_together == ("a.png", "sub/b.png", "sub/b.png", "c.png")
    assert pool.data.pictures is not None
    assert pool.data.skeleton == ((0, 1), (1, 2))
    assert pool.data.mirror is not None
    given = COCO.read(path, options).points
    for row in range(4):
        left, top, side = pool.data.pictures.square(row)
        fractions = pool.data.targets[row].numpy().reshape(-1, 2)
        np.testing.assert_allclose(fractions * side + (left, top), given[row], rtol=1e-5)
    with pytest.raises(MissingImagesError, match="--images DIR"):
        COCO.pool(Request(path, image_size=16, cache_dir=tmp_path, options=OPTIONS), 0)
    values["images"][0]["width"] = 120
    with pytest.raises(InvalidDataError, match="120 x 50, and 60 x 50 in the image"):
        COCO.pool(Request(write(values), image_size=16, cache_dir=tmp_path, options=options), 0)


def test_a_keypoint_with_few_labels_does_not_hinder_the_others(write: Callable[..., Path], tmp_path: Path) -> None:
    """It is not learned, but its labels can still be corrected, and a patch of the others fits the file."""
    Image.new("RGB", (60, 50)).save(tmp_path / "a.png")
    values = content()
    values["images"] = values["images"][:1]
    values["annotations"] = [
        {"id": row, "image_id": 1, "category_id": 4, "keypoints": [row, 5, 2, row, 9, 2, row, 20, 2 * (row == 3)]}
        for row in range(1, 13)
    ]
    for each in values["annotations"]:
        if each["id"] != 3:
            each["keypoints"][6:] = [0, 0, 0]
    path = write(values)
    with pytest.warns(DataNotice, match=r"fewer than 10 labels are left out: nose \(1\)"):
        pool = COCO.pool(Request(path, image_size=16, cache_dir=tmp_path / "cache", options=OPTIONS), 0)
    assert pool.data.target_names == ("left_ear_x", "left_ear_y", "right_ear_x", "right_ear_y")
    assert pool.data.skeleton == ((0, 1),)
    labels = COCO.labels(path, OPTIONS)
    assert labels.names[-2:] == ("nose_x", "nose_y")
    assert labels.columns(pool.data.target_names[2:]) == [2, 3]
    fix = Change("a.png#5", "right_ear", (5.0, 9.0), (6.0, 9.0), "fix")
    patch = Patch("coco", {}, pool.data.target_names[2:], {"right_ear": (0, 1)}, changes=(fix,))
    apply_patch(patch, labels, tmp_path / "new.json")
    values["annotations"][4]["keypoints"][3] = 6
    assert json.loads((tmp_path / "new.json").read_text()) == values


# Writing


def corrected(path: Path, changes: dict[str, list[float]], out: Path) -> dict[str, Any]:
    labels = COCO.labels(path, OPTIONS)
    before = path.read_bytes()
    labels.write({name: np.array(row, dtype=float) for name, row in changes.items()}, out)
    assert path.read_bytes() == before
    values: dict[str, Any] = json.loads(out.read_text(encoding="utf-8-sig"))
    return values


LAYOUTS: list[dict[str, Any]] = [
    {},
    {"indent": 2},
    {"indent": "\t", "ensure_ascii": False},
    {"separators": (",", ":")},
]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_correction_changes_the_numbers_of_its_keypoints_only(
    write: Callable[..., Path], tmp_path: Path, layout: dict[str, Any]
) -> None:
    """Move a hidden keypoint, drop one, and give one a label."""
    expected = content()
    expected["annotations"][0]["keypoints"] = [10, 20, 2, 31.5, 21, 1, 0, 0, 0]
    expected["annotations"][1]["keypoints"] = [12, 22, 2, 33, 23, 2, 24, 31, 2]
    expected["annotations"][1]["num_keypoints"] = 3
    changes = {"a.png": [10, 20, 31.5, 21, NAN, NAN], "sub/b.png#11": [12, 22, 33, 23, 24, 31]}
    path, out = write(content(), **layout), tmp_path / "new.json"
    assert corrected(path, changes, out) == expected
    # Every byte: the expected values in the same layout, where 33 and 31.5 are written as `json` writes them.
    assert out.read_text(encoding="utf-8") == json.dumps(expected, **layout)


def test_an_instance_without_labels_keeps_the_names_of_the_others(write: Callable[..., Path], tmp_path: Path) -> None:
    out = tmp_path / "new.json"
    values = corrected(write(content()), {"sub/b.png#11": [NAN] * 6}, out)
    assert values["annotations"][1]["keypoints"] == [0] * 9
    assert values["annotations"][1]["num_keypoints"] == 0
    assert COCO.read(out, OPTIONS).ids == ("a.png", "c.png#15")


def test_numbers_keep_their_format(write: Callable[..., Path], tmp_path: Path) -> None:
    text = json.dumps(content()).replace("[10, 20, 2, 30, 20, 1,", "[10.00, 20.00, 2.0, 30.00, 20.00, 1.0,")
    corrected(write(text), {"a.png": [11, 20, NAN, NAN, 20, 30]}, tmp_path / "new.json")
    written = (tmp_path / "new.json").read_text(encoding="utf-8")
    assert written == text.replace("[10.00, 20.00, 2.0, 30.00, 20.00, 1.0,", "[11, 20.00, 2.0, 0, 0, 0.0,")
    text = text.replace("20, 30, 2], ", "20.00, 30.00, 2], ")
    corrected(write(text), {"a.png": [11, 20, NAN, NAN, 20, 30]}, tmp_path / "other.json")
    written = (tmp_path / "other.json").read_text(encoding="utf-8")
    assert "[11.00, 20.00, 2.0, 0.00, 0.00, 0.0," in written


def test_a_keypoint_at_zero_keeps_the_visibility_that_the_file_says(write: Callable[..., Path], tmp_path: Path) -> None:
    values = corrected(write(content()), {"c.png#15": [5, 6, 7, 8, 9, 9]}, tmp_path / "new.json")
    assert values["annotations"][5]["keypoints"] == [5, 6, 2, 7, 8, 2, 9, 9, 1]


def test_a_file_with_a_mark_keeps_it(write: Callable[..., Path], tmp_path: Path) -> None:
    path = write("\ufeff" + json.dumps(content()))
    corrected(path, {"a.png": [11, 20, 30, 20, 20, 30]}, tmp_path / "new.json")
    before, after = path.read_bytes(), (tmp_path / "new.json").read_bytes()
    assert after.startswith(b"\xef\xbb\xbf")
    assert [i for i, (a, b) in enumerate(zip(before, after, strict=True)) if a != b] == [before.index(b"[10") + 2]


def test_pycocotools_reads_the_corrected_file(write: Callable[..., Path], tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    expected = deepcopy(content())
    expected["annotations"][0]["keypoints"][3:5] = [31, 21]
    corrected(write(content()), {"a.png": [10, 20, 31, 21, 20, 30]}, tmp_path / "new.json")
    found = coco.COCO(str(tmp_path / "new.json"))
    assert found.loadAnns(found.getAnnIds()) == expected["annotations"]
    assert [each["keypoints"] for each in found.loadCats([4])] == [["left_ear", "right_ear", "nose"]]
