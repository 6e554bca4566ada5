"""The samples and labels of an audit."""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from deepgum.audit.targets import Targets
from deepgum.data.regression import RegressionData
from deepgum.data.sets.registry import get_dataset
from deepgum.data.sets.request import Request
from deepgum.errors import InvalidDataError, InvalidParameterError
from deepgum.experiments.audits.config import config_of
from deepgum.experiments.audits.data import _by_group, load_audit_data

COLUMNS = ("ax", "ay", "bx", "by")
POINTS = {"image": "file", "targets": COLUMNS, "landmarks": True, "part": "part", "keep_together": "who"}
SIZE = {"data.image_size": 16}


@pytest.fixture
def faces(tmp_path):
    """Thirty images of 40 x 30 and their landmarks; one is gone, one is damaged, two are the same."""
    rng = np.random.default_rng(0)
    with open(tmp_path / "faces.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "part", "who", *COLUMNS])
        for row in range(30):
            name = f"{row:02d}.png"
            Image.fromarray(rng.integers(0, 255, (30, 40, 3), dtype=np.uint8)).save(tmp_path / name)
            part = "test" if row >= 24 else "val" if row >= 20 else "train"
            table.writerow([name, part, f"p{row // 2}", *rng.uniform(2, 28, 4).round(3)])
    (tmp_path / "03.png").unlink()
    (tmp_path / "05.png").write_bytes((tmp_path / "05.png").read_bytes()[:200])
    (tmp_path / "13.png").write_bytes((tmp_path / "08.png").read_bytes())
    return tmp_path / "faces.csv"


def rows_of(path):
    with open(path, newline="") as file:
        return {row["file"]: [float(row[name]) for name in COLUMNS] for row in csv.DictReader(file)}


def load(path, changes=None, columns=None):
    return load_audit_data(config_of(path, SIZE | (changes or {}), columns or POINTS))


def numbers(data):
    return [int(name[:2]) for name in data.pool.data.ids]


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("", range(24)),
        ("train", range(20)),
        ("validation", range(20, 24)),
        ("test", range(24, 30)),
        ("all", range(30)),
    ],
)
def test_the_part_that_is_asked_for_is_looked_at_and_by_default_all_but_the_test_part(faces, part, expected):
    data = load(faces, {"audit.part": part})
    assert numbers(data) == [row for row in expected if row not in (3, 5)]
    assert data.has_test_part


def test_an_unknown_or_empty_part_is_refused(faces):
    columns = {name: value for name, value in POINTS.items() if name != "part"}
    assert not load(faces, columns=columns).has_test_part
    with pytest.raises(InvalidDataError, match="should have a part 'test'"):
        load(faces, {"audit.part": "test"}, columns)
    faces.write_text(faces.read_text().replace("val", "train"))
    with pytest.raises(InvalidDataError, match=r"in the part 'validation'. Found none"):
        load(faces, {"audit.part": "validation"})


def test_labels_are_in_pixels_of_the_files_and_training_labels_convert_to_them(faces):
    data = load(faces)
    expected = np.array([rows_of(faces)[name] for name in data.pool.data.ids])
    np.testing.assert_array_equal(data.given, expected)
    targets = data.pool.data.targets.numpy()
    np.testing.assert_allclose(data.offset + data.scale * targets, expected, atol=1e-4)
    np.testing.assert_array_equal(data.scale, 40)  # the square around an image of 40 x 30 ...
    np.testing.assert_array_equal(data.offset[0], [0, -5, 0, -5])  # ... begins above it
    assert (data.source.unit, data.source.landmarks, data.targets.landmarks) == ("px", True, True)


def test_images_that_cannot_be_shown_are_left_out_and_named_with_the_reason(faces):
    data = load(faces)
    assert set(data.left_out) == {"03.png", "05.png"}
    assert data.left_out["03.png"] == "Its image does not exist."
    assert data.left_out["05.png"].startswith("Its image cannot be read: ")


def test_left_out_samples_have_the_reason_of_their_file_where_they_have_another_name(faces):
    lines = faces.read_text().splitlines()
    lines = [f"id,{lines[0]}", *(f"s{number},{line}" for number, line in enumerate(lines[1:]))]
    faces.write_text("\n".join(lines) + "\n")
    left_out = load(faces, columns=POINTS | {"id": "id"}).left_out
    assert left_out["s3"] == "Its image does not exist."
    assert left_out["s5"].startswith("Its image cannot be read: ")


def test_copies_are_found_and_kept_together_with_their_persons(faces):
    data = load(faces)
    ids = data.pool.data.ids
    assert [tuple(ids[row] for row in rows) for rows in data.copies] == [("08.png", "13.png")]
    assert data.conflicts == (("08.png", "13.png"),)
    names = dict(zip(ids, data.keep_together, strict=True))
    # 8 and 9 are of one person, 12 and 13 of another; 8 and 13 are the same image.
    assert len({names[f"{row:02d}.png"] for row in (8, 9, 12, 13)}) == 1
    others = [name for name in ids if name not in ("08.png", "09.png", "12.png", "13.png")]
    for one in others:
        for other in others:
            same = int(one[:2]) // 2 == int(other[:2]) // 2
            assert (names[one] == names[other]) == same
    assert len({names[name] for name in others} & {names["08.png"]}) == 0


def test_without_a_column_only_copies_are_kept_together(faces):
    columns = {name: value for name, value in POINTS.items() if name != "keep_together"}
    data = load(faces, columns=columns)
    assert len(set(data.keep_together)) == len(data.pool) - 1


def test_labels_made_wrong_on_purpose_are_marked_and_no_others_are_moved(faces):
    clean, data = load(faces), load(faces, {"corruption.noise": "l-ugo", "corruption.rate": 0.3})
    moved = np.abs(data.given - clean.given).reshape(len(data.given), 2, 2).max(axis=2) > 1e-3
    np.testing.assert_array_equal(data.wrong, moved)
    assert 0 < moved.mean() < 0.8
    np.testing.assert_array_equal(data.given[~moved.any(axis=1)], clean.given[~moved.any(axis=1)])
    targets = data.pool.data.targets.numpy()
    np.testing.assert_allclose(data.offset + data.scale * targets, data.given, atol=1e-4)
    assert clean.wrong is None


@pytest.fixture
def angles(tmp_path):
    path = tmp_path / "angles.csv"
    given = [float(np.mod(350 + 2 * row, 360)) for row in range(15)]
    path.write_text("a,yaw,roll\n" + "".join(f"{row % 14},{yaw},{yaw}\n" for row, yaw in enumerate(given)))
    return path


def test_labels_that_come_round_are_trained_on_in_one_piece(angles):
    columns = {"features": ("a",), "targets": ("yaw", "roll")}
    data = load_audit_data(config_of(angles, {"audit.periods": {"yaw": 360}, "audit.unit": "degrees"}, columns))
    targets = data.pool.data.targets.numpy()
    np.testing.assert_allclose(np.mod(targets - data.given, 360), 0, atol=1e-4)
    np.testing.assert_allclose(np.diff(targets[:, 0]), 2, atol=1e-3)  # no jump at 360
    np.testing.assert_array_equal(targets[:, 1], data.given[:, 1])
    assert data.given[:, 0].max() > 340
    assert data.given[:, 0].min() >= 0
    assert data.source.unit == "degrees"
    # Rows of the same features are copies: the first and the last.
    assert data.copies == ((0, 14),)


def test_a_made_data_set_has_both_its_parts_and_pixels_of_its_own(tmp_path):
    request = Request(None, train_size=12, test_size=4, image_size=16)
    pool = get_dataset("digits").pool(request, 0)
    assert len(pool) == 16
    assert pool.parts == ("train",) * 12 + ("test",) * 4
    assert len(set(pool.data.ids)) == 16
    path = tmp_path / "audit.toml"
    path.write_text("[data]\nname = 'digits'\ntrain_size = 12\ntest_size = 4\nimage_size = 16\n")
    data = load_audit_data(config_of(path, {}, {}))
    assert data.pool.data.ids == pool.part("train").ids
    np.testing.assert_allclose(data.given, 16 * data.pool.data.targets.numpy(), rtol=1e-6)
    assert data.left_out == {}


def test_without_values_and_copies_each_sample_is_on_its_own(angles):
    data = load_audit_data(config_of(angles, {}, {"features": ("a",), "targets": ("yaw",)}))
    plain = RegressionData.from_arrays(torch.arange(3.0)[:, None], torch.zeros(3, 1))
    alone = replace(data, pool=replace(data.pool, data=plain, keep_together=None, parts=None), copies=())
    assert alone.keep_together == ("0", "1", "2")


@pytest.mark.parametrize("moved", [1, 2, 4])  # samples, landmarks, coordinates
@pytest.mark.parametrize("partition", [((0, 1, 2, 3),), ((0, 1), (2, 3)), ((0,), (1,), (2,), (3,))])
def test_a_group_is_wrong_where_the_noise_moved_any_of_it(moved, partition):
    outlier = np.random.default_rng(0).random((50, moved)) < 0.3
    of_column = [outlier[:, column * moved // 4] for column in range(4)]
    found = _by_group(outlier, Targets.of("abcd", partition))
    expected = [[any(of_column[column][row] for column in group) for group in partition] for row in range(50)]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("text", "parameter"),
    [
        ('data = "faces.csv"', "data"),
        ('training = 3\n[data]\nname = "table"', "training"),
        ('[data]\nname = "table"\noptions = ["y"]', "data.options"),
    ],
)
def test_what_should_be_a_section_and_is_none_is_named(tmp_path, text, parameter):
    (tmp_path / "audit.toml").write_text(text)
    with pytest.raises(InvalidParameterError) as caught:
        config_of(tmp_path / "audit.toml", {"training.epochs_max": 3}, {"targets": ("y",)})
    assert caught.value.parameter == parameter
