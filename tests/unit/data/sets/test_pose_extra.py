"""Without the packages of the extra `pose`, its formats are detected, and the message says what to install."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from deepgum.data.sets.registry import detect
from deepgum.errors import MissingDependencyError


@pytest.mark.parametrize(
    ("package", "file", "content", "name"),
    [
        ("sleap_io", "a.slp", b"\x89HDF\r\n\x1a\n", "sleap"),
        ("h5py", "CollectedData_ada.h5", b"\x89HDF\r\n\x1a\n", "deeplabcut"),
        ("yaml", "data.yaml", b"train: images\nkpt_shape: [3, 3]\n", "ultralytics"),
    ],
)
def test_a_missing_package_is_named_with_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, file: str, content: bytes, name: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    path = tmp_path / file
    path.write_bytes(content)
    dataset = detect(path)
    assert dataset.name == name
    with pytest.raises(MissingDependencyError, match=r"deepgum\[pose\]"):
        dataset.labels(path, dataset.check_options({}))


def test_a_table_of_deeplabcut_needs_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("h5py", "pandas", "sleap_io", "yaml"):
        monkeypatch.setitem(sys.modules, package, None)
    (tmp_path / "config.yaml").write_text("skeleton: [[nose, tail]]\nbodyparts: [nose, tail]\n")
    path = tmp_path / "CollectedData_ada.csv"
    path.write_text("scorer,ada,ada\nbodyparts,nose,nose\ncoords,x,y\nv/img1.png,1,2\n")
    dataset = detect(path)
    assert dataset.labels(path, dataset.check_options({})).values.tolist() == [[1, 2]]
