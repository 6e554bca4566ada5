import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from deepgum.audit.corrections.patch import Change, Patch
from deepgum.audit.corrections.patch_file import read_patch, write_patch
from deepgum.errors import InvalidDataError, InvalidParameterError
from deepgum.storage.upgrade import upgraded_options

NASTY = (
    'a "quoted".jpg', "with space.jpg", "<b>bold</b>.jpg", "a..b.jpg", "../up.jpg", "two\nlines.jpg", "tab\t.jpg",
    "Zoë_Straße.jpg", "写真.jpg", "фото.jpg", "line\u2028paragraph\u0085.jpg", "back\\slash.jpg", "\udceb latin-1.jpg",
)  # fmt: skip
HEAD = {
    "format": "deepgum-patch",
    "version": 1,
    "dataset": "table",
    "options": {"targets": ["x", "y"]},
    "targets": ["x", "y"],
    "groups": {"p": [0, 1]},
}
LINE = {"id": "a", "group": "p", "old": [1, 2], "new": [3, 4.5], "decision": "fix"}


def patch(*changes):
    return Patch("table", {"targets": ["x", "y"]}, ("x", "y"), {"p": (0, 1)}, "px", "a.csv", tuple(changes))


def written(path, *lines):
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines), encoding="utf-8")
    return path


def test_a_written_patch_is_read_back_for_any_file_name(tmp_path):
    made = patch(
        *(Change(name, "p", (0.1, math.nan), (1e-7, 1 / 3), "fix", reason=name.replace("\udceb", "")) for name in NASTY)
    )
    write_patch(made, tmp_path / "p.jsonl")
    # Options that earlier versions did not have get their defaults.
    assert read_patch(tmp_path / "p.jsonl") == replace(made, options=upgraded_options("table", made.options))
    # A line a decision: nothing in a name or a reason breaks it, and people can read it.
    content = (tmp_path / "p.jsonl").read_bytes()
    assert content.count(b"\n") == len(NASTY) + 1
    assert "写真.jpg".encode() in content


def test_a_changed_decision_changes_one_line(tmp_path):
    changes = [Change(name, "p", (1.0, 2.0), None, "keep") for name in "abc"]
    write_patch(patch(*changes), tmp_path / "old")
    changes[1] = Change("b", "p", (1.0, 2.0), (3.0, 2.0), "fix")
    write_patch(patch(*changes), tmp_path / "new")
    old, new = ((tmp_path / name).read_text().splitlines() for name in ("old", "new"))
    assert [place for place, (a, b) in enumerate(zip(old, new, strict=True)) if a != b] == [2]
    assert list(json.loads(new[2])) == ["id", "group", "old", "new", "decision", "reason", "who", "at"]


def test_a_handwritten_patch_is_read(tmp_path):
    text = "\ufeff" + json.dumps(HEAD) + "\r\n\r\n" + json.dumps(LINE) + "\r\n"
    (tmp_path / "p").write_bytes(text.encode())
    assert read_patch(tmp_path / "p").changes == (Change("a", "p", (1.0, 2.0), (3.0, 4.5), "fix"),)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, 'line 1: .*"format": "deepgum-patch". Found \'other\''),
        (
            {"version": 2},
            "line 1: the version should be 1.*Found 2: a later version of deepgum may have written the file",
        ),
        ({"targets": "x"}, "line 1: .*targets = 'x'"),
        ({"groups": {"p": [0, 5]}}, "line 1: `groups` should hold places of the 2 targets"),
        ({"groups": {"p": [0], "q": [0]}}, "line 1: `groups`"),
        ({"groups": {"p": []}}, "line 1: "),
    ],
)
def test_an_invalid_header_is_refused(tmp_path, change, message):
    with pytest.raises(InvalidDataError, match=message):
        read_patch(written(tmp_path / "p", HEAD | change, LINE))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "a line should be JSON"),
        ("[1]", "should be a JSON object"),
        ('{"id": "a", "group": "p", "old": [NaN, 1], "new": null, "decision": "keep"}', "a missing label is null"),
        ({k: v for k, v in LINE.items() if k != "old"}, "Found no old"),
        (LINE | {"desicion": "fix"}, "Found the unknown desicion"),
        (LINE | {"id": 3}, "`id` should be a text in quotes. Found 3"),
        (LINE | {"group": "q"}, "A group should be one of 'p'. Found 'q'"),
        (LINE | {"decision": "fixx"}, "Did you mean 'fix'"),
        (LINE | {"decision": "skip", "new": None}, "`decision`"),
        (LINE | {"old": [1]}, "`new` should be 1 finite numbers"),
        (LINE | {"old": [1], "new": [1]}, "'p' has 2 labels. `old` has 1"),
        (LINE | {"old": None}, "`old` should be a list of numbers"),
        (LINE | {"new": None}, "`new` should be 2 finite numbers"),
        (LINE | {"new": [1, None]}, "`new` should be 2 finite numbers"),
        (LINE | {"new": [1, "2"]}, "`new` should be a list of numbers"),
        (LINE | {"new": [1, True]}, "`new` should be a list of numbers"),
        (LINE | {"old": [10**400, 1]}, "`old` should be finite numbers up to 3.4e.38"),
        pytest.param(LINE | {"new": [1, 1e300]}, "`new` should be finite numbers up to", marks=pytest.mark.fault(21)),
        pytest.param(LINE | {"new": [1, -3.5e38]}, "`new` should be finite numbers up to", marks=pytest.mark.fault(21)),
        (LINE | {"decision": "keep"}, "`new` should be null for the decision 'keep'"),
        (LINE | {"id": "b"}, "Found a second decision for 'b', group 'p', after line 2"),
    ],
)
def test_a_malformed_line_is_named(tmp_path, line, message):
    with pytest.raises(InvalidDataError, match=f"line 3: .*{message}"):
        read_patch(written(tmp_path / "p", HEAD, LINE | {"id": "b"}, line))


def test_other_files_are_refused(tmp_path):
    with pytest.raises(InvalidDataError, match="cannot be read: No such file"):
        read_patch(tmp_path / "none")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidDataError, match="UTF-8"):
        read_patch(tmp_path / "bytes")
    with pytest.raises(InvalidDataError, match="Found no line"):
        read_patch(written(tmp_path / "empty", "\n"))


def test_a_patch_in_memory_has_the_same_checks():
    one = Change("a", "p", (1.0, 2.0), None, "drop")
    with pytest.raises(InvalidDataError, match="two for group 'p' of 'a'"):
        patch(one, one)
    with pytest.raises(InvalidDataError, match="Found 'q'"):
        patch(Change("a", "q", (1.0, 2.0), None, "drop"))
    with pytest.raises(InvalidParameterError, match="`new`"):
        Change("a", "p", (1.0, 2.0), (1.0, math.inf), "fix")


def test_the_example_of_the_documentation_is_a_patch(tmp_path):
    text = (Path(__file__).parents[4] / "docs" / "patch.md").read_text(encoding="utf-8")
    (tmp_path / "p").write_text(text.split("```json\n")[1].split("```")[0], encoding="utf-8")
    assert [change.decision for change in read_patch(tmp_path / "p").changes] == ["fix", "keep", "drop"]
