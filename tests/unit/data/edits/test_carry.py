"""Image files in another folder: links or copies, never over another file, never outside of the folder."""

import os

import pytest
from PIL import Image

from deepgum.data.edits.carry import carry
from deepgum.errors import InvalidDataError


def picture(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (9, 9), (80, 90, 100)).save(path, format="JPEG")


def test_images_are_linked_and_names_outside_of_the_folder_are_refused(tmp_path):
    source, out = tmp_path / "a", tmp_path / "b"
    picture(source / "x" / "y.jpg")
    (source / "link.jpg").symlink_to(source / "x" / "y.jpg")
    out.mkdir()
    carry(source, {"x/y.jpg": "z/w.jpg", "link.jpg": "link.jpg", "absent.jpg": "absent.jpg"}, out)
    assert sorted(str(path.relative_to(out)) for path in out.rglob("*.jpg")) == ["link.jpg", "z/w.jpg"]
    assert not (out / "link.jpg").is_symlink()
    for name in ("../a/x/y.jpg", "x/../../y.jpg", str(source / "x" / "y.jpg")):
        with pytest.raises(InvalidDataError, match="1 names that lead out of it"):
            carry(source, {name: name}, out)


def test_images_are_copied_without_links(tmp_path, monkeypatch):
    picture(tmp_path / "a" / "x.jpg")
    (tmp_path / "b").mkdir()

    def refuse(*_, **__):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    carry(tmp_path / "a", {"x.jpg": "x.jpg"}, tmp_path / "b")
    assert (tmp_path / "b" / "x.jpg").read_bytes() == (tmp_path / "a" / "x.jpg").read_bytes()
    assert not (tmp_path / "b" / "x.jpg").samefile(tmp_path / "a" / "x.jpg")


def test_a_file_is_never_overwritten(tmp_path):
    picture(tmp_path / "a" / "x.jpg")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "x.jpg").write_text("mine")
    with pytest.raises(FileExistsError):
        carry(tmp_path / "a", {"x.jpg": "x.jpg"}, tmp_path / "b")
    assert (tmp_path / "b" / "x.jpg").read_text() == "mine"


# ---- links to files outside of the folder


def made_link(place, target):
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target)


LINKS = {
    "absolute": lambda data, outside: made_link(data / "x.jpg", outside / "x.jpg"),
    "relative": lambda data, outside: made_link(data / "x.jpg", os.path.relpath(outside / "x.jpg", data)),
    "of a folder": lambda data, outside: made_link(data / "sub", outside),
    "chain": lambda data, outside: (
        made_link(data / "y.jpg", outside / "x.jpg"),
        made_link(data / "x.jpg", "y.jpg"),
    ),
}


@pytest.mark.fault(16)
@pytest.mark.parametrize("link", [True, False], ids=["images", "lists"])
@pytest.mark.parametrize("kind", LINKS)
def test_a_link_to_a_file_outside_stays_a_link(tmp_path, kind, link):
    data, outside, out = (tmp_path / name for name in ("data", "outside", "new"))
    picture(outside / "x.jpg")
    data.mkdir()
    out.mkdir()
    LINKS[kind](data, outside)
    name = "sub/x.jpg" if kind == "of a folder" else "x.jpg"
    (note,) = carry(data, {name: name}, out, link=link)
    assert f"1 files of '{data}' are links to files outside this folder: {name}" in note
    assert (outside / "x.jpg").stat().st_nlink == 1
    assert (out / name).is_symlink()
    assert (out / name).samefile(outside / "x.jpg")


@pytest.mark.fault(16)
def test_a_link_to_itself_is_no_file(tmp_path):
    (tmp_path / "new").mkdir()
    made_link(tmp_path / "data" / "x.jpg", "y.jpg")
    made_link(tmp_path / "data" / "y.jpg", "x.jpg")
    assert carry(tmp_path / "data", {"x.jpg": "x.jpg"}, tmp_path / "new") == ()
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.fault(16)
def test_a_link_that_cannot_be_made_is_refused_with_its_name(tmp_path, monkeypatch):
    picture(tmp_path / "outside.jpg")
    (tmp_path / "new").mkdir()
    made_link(tmp_path / "data" / "x.jpg", tmp_path / "outside.jpg")

    def refuse(*_, **__):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "symlink", refuse)
    with pytest.raises(InvalidDataError, match=r"x\.jpg' should be a file of the data set.*Replace the link"):
        carry(tmp_path / "data", {"x.jpg": "x.jpg"}, tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []
