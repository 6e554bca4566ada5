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
