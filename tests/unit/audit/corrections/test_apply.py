"""`deepgum apply`: what was decided is written, all else stays, and the data that were read are never touched."""

import csv
import math
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from deepgum.audit.corrections.apply import TOLERANCE, apply_patch, check_patch
from deepgum.audit.corrections.decisions import Decision
from deepgum.audit.corrections.patch import Change, Patch
from deepgum.audit.corrections.patch_file import write_patch
from deepgum.audit.corrections.patch_of import patch_of
from deepgum.cli import main
from deepgum.data.sets.registry import get_dataset
from deepgum.data.sets.table_samples import load_table
from deepgum.errors import InvalidDataError, InvalidParameterError, OutputExistsError

OPTIONS = {"targets": ["x", "y"], "image": "file"}
NASTY = (
    'a "quoted".jpg', "with space.jpg", "<b>bold</b>.jpg", "a..b.jpg", "../up.jpg", "two\nlines.jpg", "写真.jpg",
)  # fmt: skip


@pytest.fixture
def points(tmp_path):
    with open(tmp_path / "points.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("file", "x", "y"), *((name, i, f"{i}.5") for i, name in enumerate(NASTY))])
    return tmp_path / "points.csv"


def patch(*changes):
    return Patch("table", OPTIONS, ("x", "y"), {"p": (0, 1)}, "px", "points.csv", changes)


def fix(name, old, new):
    return Change(name, "p", old, new, "fix")


def annotations(path, name="table", options=OPTIONS):
    dataset = get_dataset(name)
    return dataset.labels(path, dataset.check_options(options))


def test_decisions_about_an_audit_correct_its_table(audited, tmp_path):
    labels = audited.labels()
    before = (tmp_path / "faces.csv").read_bytes()
    places = labels.worst_first()
    decisions = [
        *(Decision(labels.ids[row], "a", "fix", tuple(labels.suggested[row, :2].round(2))) for row, _ in places[:3]),
        Decision(labels.ids[places[3][0]], "a", "drop"),
        Decision(labels.ids[1], "b", "keep"),
        Decision(labels.ids[2], "b", "skip"),
    ]
    made = patch_of(audited, decisions)
    source = annotations(tmp_path / "faces.csv", made.dataset, made.options)
    applied = apply_patch(made, source, tmp_path / "new" / "faces.csv")
    assert (applied.fixed, applied.dropped, applied.kept, applied.untouched) == (3, 1, 1, 80 - 5)
    assert (applied.left_out, applied.notes) == ((), ())
    expected = source.values.copy()
    for row, _ in places[:3]:
        expected[row, :2] = labels.suggested[row, :2].round(2)
    expected[places[3][0], :2] = np.nan
    again = annotations(tmp_path / "new" / "faces.csv", options=made.options)
    np.testing.assert_array_equal(again.values, expected)
    assert again.ids == source.ids
    assert (tmp_path / "faces.csv").read_bytes() == before
    # What is written can be trained on.
    pool = load_table(
        tmp_path / "new" / "faces.csv", targets=made.targets, image="file", root=tmp_path, cache_dir=tmp_path / "cache"
    )
    np.testing.assert_allclose(pool.data.targets, expected, rtol=1e-6)


def test_a_change_and_its_inverse_restore_every_byte(points, tmp_path):
    there = [fix(name, (float(i), i + 0.5), (i + 7.0, 3.25)) for i, name in enumerate(NASTY[:-1])]
    back = [Change(c.id, "p", c.new, c.old, "fix") for c in there]
    apply_patch(patch(*there), annotations(points), tmp_path / "new.csv")
    assert (tmp_path / "new.csv").read_bytes() != points.read_bytes()
    apply_patch(patch(*back), annotations(tmp_path / "new.csv"), tmp_path / "back.csv")
    assert (tmp_path / "back.csv").read_bytes() == points.read_bytes()


def test_a_patch_without_changes_copies_every_byte(points, tmp_path):
    keep = Change(NASTY[0], "p", (0.0, 0.5), None, "keep")
    assert apply_patch(patch(keep), annotations(points), tmp_path / "new.csv").untouched == len(NASTY) - 1
    assert (tmp_path / "new.csv").read_bytes() == points.read_bytes()


def test_old_labels_that_differ_are_counted_and_named(points, tmp_path):
    wrong = [fix(name, (i + 0.1, i + 0.5), (1.0, 2.0)) for i, name in enumerate(NASTY)]
    right = Change(NASTY[0], "p", (0.0, 0.5), (1.0, 2.0), "fix")
    with pytest.raises(InvalidDataError) as caught:
        apply_patch(patch(right, *wrong[1:]), annotations(points), tmp_path / "new.csv")
    message = str(caught.value)
    assert f"{len(NASTY) - 1} of {len(NASTY)} old labels that differ" in message
    assert "'with space.jpg', group 'p': (1.1, 1.5) in the patch, (1, 1.5) in the file" in message
    assert "and 1 more" in message
    assert "audit and review this data set again" in message
    assert not (tmp_path / "new.csv").exists()


def test_a_label_that_is_missing_only_in_the_patch_differs(points):
    for old in ((math.nan, 1.5), (math.nan, math.nan)):
        with pytest.raises(InvalidDataError, match="missing"):
            check_patch(patch(fix(NASTY[1], old, (1.0, 2.0))), annotations(points))


def test_labels_match_after_a_crop_in_float32():
    rng = np.random.default_rng(0)
    values = rng.uniform(0, 4000, (500, 2))
    left, side = rng.uniform(-500, 2000, (500, 1)), rng.uniform(50, 4000, (500, 1))
    seen = ((values - left) / side).astype(np.float32).astype(np.float64) * side + left
    old = np.array([[float(f"{value:.7g}") for value in row] for row in seen])
    median = np.median(values, axis=0)
    # With room to spare, and still far below anything that a person would call a change.
    assert (np.abs(old - values) < 0.2 * TOLERANCE * (np.abs(values) + median)).all()
    assert (TOLERANCE * (values + median) < 0.1).all()


def test_one_huge_label_does_not_hide_a_difference(tmp_path):
    rows = ["file,x,y", "a,1,1", "b,2,2", "c,3,3", "d,1e9,1e9"]
    (tmp_path / "points.csv").write_text("\n".join(rows))
    with pytest.raises(InvalidDataError, match="1 of 1"):
        check_patch(patch(fix("b", (2.001, 2.0), (1.0, 1.0))), annotations(tmp_path / "points.csv"))
    check_patch(patch(fix("b", (2.00001, 2.0), (1.0, 1.0))), annotations(tmp_path / "points.csv"))


def test_a_patch_that_is_applied_again_is_recognised(points, tmp_path):
    made = patch(fix(NASTY[0], (0.0, 0.5), (1 / 3, 2.0)), Change(NASTY[1], "p", (1.0, 1.5), None, "drop"))
    apply_patch(made, annotations(points), tmp_path / "new.csv")
    with pytest.raises(InvalidDataError, match="has been applied to this data set before"):
        apply_patch(made, annotations(tmp_path / "new.csv"), tmp_path / "newer.csv")


def test_a_patch_of_another_data_set_is_refused(points):
    other = patch(fix("1.png", (0.0, 0.5), (1.0, 2.0)), fix("2.png", (0.0, 0.5), (1.0, 2.0)))
    with pytest.raises(
        InvalidDataError, match=r"another data set \(made from 'points\.csv'\): none of its 2 .*'1\.png'"
    ):
        check_patch(other, annotations(points))
    some = patch(fix("1.png", (0.0, 0.5), (1.0, 2.0)), fix(NASTY[0], (0.0, 0.5), (1.0, 2.0)))
    with pytest.raises(InvalidDataError, match=r"should have the 2 samples.*no sample named '1\.png'"):
        check_patch(some, annotations(points))
    renamed = replace(patch(), targets=("u", "v"))
    with pytest.raises(InvalidDataError, match=r"its targets are u, v, and .* are x, y"):
        check_patch(renamed, annotations(points))


def test_data_are_never_changed_in_place_and_no_file_is_replaced(points, tmp_path):
    made, source = patch(fix(NASTY[0], (0.0, 0.5), (1.0, 2.0))), annotations(points)
    before = points.read_bytes()
    (tmp_path / "link.csv").symlink_to(points)
    (tmp_path / "mine.csv").write_text("mine")
    (tmp_path / "folder.csv").mkdir()
    for name, message in (
        ("points.csv", "never changed in place"),
        ("x/../points.csv", "never changed in place"),
        ("link.csv", "never changed in place"),
        ("mine.csv", "a new file"),
        ("folder.csv", r"a file, such as '.*folder\.csv/points\.csv'"),
        ("new.parquet", r"ends in '\.csv'"),
    ):
        (tmp_path / "x").mkdir(exist_ok=True)
        with pytest.raises(InvalidParameterError, match=message):
            apply_patch(made, source, tmp_path / name)
    assert points.read_bytes() == before
    assert (tmp_path / "mine.csv").read_text() == "mine"
    assert not (tmp_path / "new.parquet").exists()


@pytest.mark.fault(15)
def test_a_table_that_appears_during_the_work_is_kept(points, tmp_path, monkeypatch):
    out, source = tmp_path / "new.csv", annotations(points)
    write = type(source).write

    def meanwhile(*arguments):
        out.write_text("theirs")
        return write(*arguments)

    monkeypatch.setattr(type(source), "write", meanwhile)
    with pytest.raises(OutputExistsError, match="Nothing was written"):
        apply_patch(patch(fix(NASTY[0], (0.0, 0.5), (1.0, 2.0))), source, out)
    assert out.read_text() == "theirs"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.csv", "points.csv"]


@pytest.fixture
def ages(tmp_path):
    folder = tmp_path / "faces"
    folder.mkdir()
    for name in ("31_a.jpg", "58_b c.jpg", "7_写真.jpg"):
        (folder / name).write_bytes(name.encode())
    return folder


def aged(*changes):
    return Patch("utkface", {}, ("age",), {"age": (0,)}, "years", "faces", changes)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.fault(15)
def test_a_folder_that_appears_during_the_work_is_kept(ages, tmp_path, monkeypatch):
    out, source = tmp_path / "new", annotations(ages, "utkface", {})
    write = type(source).write

    def meanwhile(*arguments):
        out.mkdir()
        (out / "theirs").touch()
        return write(*arguments)

    monkeypatch.setattr(type(source), "write", meanwhile)
    with pytest.raises(OutputExistsError, match="Nothing was written"):
        apply_patch(aged(Change("31_a.jpg", "age", (31.0,), (13.0,), "fix")), source, out)
    assert [path.name for path in out.iterdir()] == ["theirs"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["faces", "new"]


@pytest.mark.fault(7)
@pytest.mark.parametrize("name", ["new", "deep/new"])
def test_a_data_set_gets_no_folder_inside(ages, tmp_path, name):
    (tmp_path / "link").symlink_to(ages)
    before = contents(ages)
    made = aged(Change("31_a.jpg", "age", (31.0,), (13.0,), "fix"))
    for place in (ages, tmp_path / "link"):
        with pytest.raises(InvalidParameterError, match="should be a folder outside the data set"):
            apply_patch(made, annotations(ages, "utkface", {}), place / name)
    assert contents(ages) == before


@pytest.mark.fault(16)
def test_an_image_outside_of_the_data_set_gets_no_second_name(ages, tmp_path):
    (tmp_path / "secret").write_text("secret")
    (ages / "9_link.jpg").symlink_to("../secret")
    made = aged(Change("9_link.jpg", "age", (9.0,), (19.0,), "fix"))
    applied = apply_patch(made, annotations(ages, "utkface", {}), tmp_path / "new")
    assert "1 files of" in applied.notes[0]
    assert (tmp_path / "secret").stat().st_nlink == 1
    assert (tmp_path / "new" / "19_link.jpg").readlink() == (tmp_path / "secret").resolve()


def test_a_folder_appears_whole_or_not_at_all(ages, tmp_path):
    before = contents(ages)
    source = annotations(ages, "utkface", {})
    bad = aged(
        Change("31_a.jpg", "age", (31.0,), (13.0,), "fix"), Change("58_b c.jpg", "age", (58.0,), (580.0,), "fix")
    )
    with pytest.raises(InvalidDataError, match=r"from 0 to 120 years\. Found 580"):
        apply_patch(bad, source, tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["faces"]
    good = aged(bad.changes[0], Change("58_b c.jpg", "age", (58.0,), None, "drop"))
    (tmp_path / "new").mkdir()  # an empty folder may be there
    applied = apply_patch(good, source, tmp_path / "new")
    assert applied.left_out == ("58_b c.jpg",)
    assert contents(tmp_path / "new") == {"13_a.jpg": b"31_a.jpg", "7_写真.jpg": "7_写真.jpg".encode()}
    assert contents(ages) == before
    for taken in (ages, tmp_path / "new", ages / "31_a.jpg"):
        with pytest.raises(InvalidParameterError, match="`out`"):
            apply_patch(good, source, taken)
    assert contents(ages) == before


def test_a_data_set_without_samples_is_refused(ages, tmp_path):
    source = annotations(ages, "utkface", {})
    gone = aged(*(Change(name, "age", tuple(source.values[row]), None, "drop") for row, name in enumerate(source.ids)))
    with pytest.raises(InvalidDataError, match=r"should keep at least one sample\. Each of the 3"):
        apply_patch(gone, source, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def run(*words):
    return CliRunner().invoke(main, ["apply", *map(str, words)], catch_exceptions=False)


def test_the_command_shows_counts_and_the_next_step(points, tmp_path):
    write_patch(
        patch(fix(NASTY[0], (0.0, 0.5), (1.0, 2.0)), Change(NASTY[2], "p", (2.0, 2.5), None, "drop")),
        tmp_path / "p.jsonl",
    )
    result = run(tmp_path / "p.jsonl", points, "--out", tmp_path / "else where" / "new.csv")
    assert result.exit_code == 0, result.output
    for text in ("fixed", "unchanged", "5", "deepgum gain RUN", "Train on it", "data.options.root"):
        assert text in result.output
    # The output breaks lines, also inside of names.
    words = "".join(result.output.split())
    assert "".join(f"as before, with '{tmp_path / 'else where' / 'new.csv'}' in place of".split()) in words
    beside = run(tmp_path / "p.jsonl", points, "--out", tmp_path / "new.csv")
    assert "data.options.root" not in beside.output


def test_the_command_names_samples_that_are_left_out(ages, tmp_path):
    write_patch(
        aged(Change("31_a.jpg", "age", (31.0,), None, "drop"), Change("7_写真.jpg", "age", (7.0,), (8.4,), "fix")),
        tmp_path / "p.jsonl",
    )
    result = run(tmp_path / "p.jsonl", ages, "--out", tmp_path / "new")
    assert "samples left out" in result.output
    assert "Left out: '31_a.jpg'." in result.output
    assert "rounded to whole numbers" in result.output


def test_an_error_is_one_message(points, tmp_path):
    write_patch(patch(fix("nobody", (0.0, 0.5), (1.0, 2.0))), tmp_path / "p.jsonl")
    result = run(tmp_path / "p.jsonl", points, "--out", tmp_path / "new.csv")
    assert result.exit_code == 2
    assert result.output.startswith("Error: This patch is for another data set")
    assert run(tmp_path / "none", points, "--out", tmp_path / "new.csv").exit_code == 2
    assert run(tmp_path / "p.jsonl", tmp_path / "none.csv", "--out", tmp_path / "new.csv").exit_code == 2
