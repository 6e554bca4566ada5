"""Images are opened in one place: named formats only, and one type of error for every damaged file."""

from __future__ import annotations

import errno
import random
import struct
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image, ImageFile

from deepgum.data.crop_cache import CropPlan, load_readable_crops
from deepgum.data.image_files import FORMATS, open_image
from deepgum.data.pictures import Pictures
from deepgum.errors import UnreadableImageError, UnreadableImagesError
from deepgum.report.page.thumbnails import PictureViewer

PIXELS = Image.fromarray(np.random.default_rng(0).integers(0, 255, (9, 12, 3), dtype=np.uint8))
# Formats that Pillow writes and reads, but this package does not read.
REFUSED = ("EPS", "DDS", "ICNS", "ICO", "JPEG2000", "MSP", "PCX", "QOI", "SGI")


@pytest.mark.parametrize("name", FORMATS)
def test_a_named_format_is_read_whatever_the_ending_of_the_file(tmp_path: Path, name: str) -> None:
    PIXELS.save(tmp_path / "a.jpg", name)
    with open_image(tmp_path / "a.jpg") as image:
        assert image.size == PIXELS.size
        assert np.asarray(image.convert("RGB")).shape == (9, 12, 3)


@pytest.mark.fault(10)
@pytest.mark.parametrize("name", REFUSED)
def test_another_format_is_refused_by_its_name_before_it_is_decoded(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (PIXELS.convert("1") if name == "MSP" else PIXELS).save(tmp_path / "a.jpg", name)

    def forbidden(*_: Any, **__: Any) -> None:
        raise AssertionError("a decoder was started")

    monkeypatch.setattr(ImageFile.ImageFile, "__init__", forbidden)
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", forbidden)
    monkeypatch.setattr(subprocess, "Popen", forbidden)
    found = rf"'.*a\.jpg' cannot be read: its format is {name}\..* Convert the image"
    with pytest.raises(UnreadableImageError, match=found):
        open_image(tmp_path / "a.jpg").__enter__()
    shown, jpeg = PictureViewer(Pictures(tmp_path, ("a.jpg",), (None,))).jpeg(0, 16)
    assert f"its format is {name}" in shown.problem
    assert jpeg is None
    plan = CropPlan(tmp_path, ("a.jpg",), (None,), image_size=8, colour=True)
    with pytest.raises(UnreadableImagesError, match=f"its format is {name}"):
        load_readable_crops(plan, tmp_path / "cache")


@pytest.mark.parametrize("content", [b"", b"no image", b"\xff", PIXELS.tobytes()])
def test_a_file_of_no_known_format_names_the_formats_that_are_read(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(UnreadableImageError, match="JPEG, PNG"), open_image(tmp_path / "a.jpg"):
        pass


ERRORS = (
    RuntimeError("Failed to decode image"),
    NotImplementedError("unimplemented pixel format"),
    subprocess.CalledProcessError(1, "gs"),
    MemoryError(),
    struct.error("unpack requires 4 bytes"),
    SyntaxError("broken file"),
    EOFError(),
    IndexError("index out of range"),
    OverflowError("too large"),
    OSError("image file is truncated"),
    OSError(errno.EINVAL, "Invalid argument"),
    Image.DecompressionBombError("Image size exceeds limit"),
)


@pytest.mark.fault(12)
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_image_is_left_out_and_named_whatever_its_decoder_raises(
    tmp_path: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.png", "b.png"):
        PIXELS.save(tmp_path / name)
    load = ImageFile.ImageFile.load

    def damaged(image: ImageFile.ImageFile) -> Any:
        if str(image.filename).endswith("b.png"):
            raise error
        return load(image)

    monkeypatch.setattr(ImageFile.ImageFile, "load", damaged)
    plan = CropPlan(tmp_path, ("a.png", "b.png"), (None, None), image_size=8, colour=True)
    readable = load_readable_crops(plan, tmp_path / "cache")
    assert readable.rows == [0]
    assert readable.unreadable[1].startswith("b.png: ")
    assert len(readable.unreadable[1]) > len("b.png: ")  # an error without words has at least a type
    shown = PictureViewer(Pictures(tmp_path, ("b.png",), (None,))).jpeg(0, 16)[0]
    assert shown.problem.startswith("Cannot be read: ")


def test_an_error_of_the_system_is_not_a_damaged_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    PIXELS.save(tmp_path / "a.png")
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _: (_ for _ in ()).throw(OSError(errno.EIO, "disk")))
    with pytest.raises(OSError, match="disk") as caught, open_image(tmp_path / "a.png") as image:
        image.load()
    assert not isinstance(caught.value, UnreadableImageError)
    with pytest.raises(FileNotFoundError), open_image(tmp_path / "gone.png"):
        pass


@pytest.mark.fault(12)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", FORMATS)
def test_a_mutated_image_is_read_or_unreadable(tmp_path: Path, name: str) -> None:
    chance = random.Random(0)
    file = tmp_path / "a.jpg"
    PIXELS.save(file, name)
    whole = file.read_bytes()
    for _ in range(15):
        changed = bytearray(whole)
        for _ in range(3):
            place = chance.randrange(min(len(whole), 80))
            changed[place : place + 2] = chance.choice([b"\xff\xff", b"\0\0", chance.randbytes(2), b""])
        file.write_bytes(changed)
        try:
            with open_image(file) as image:
                if image.width * image.height < 10**6:
                    image.convert("RGB")
        except UnreadableImageError as error:
            assert error.reason  # noqa: PT017
