"""Recorded options are translated to today's names and back, and a file says which version wrote it."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

import pytest

import deepgum.storage.upgrade as module
from deepgum._version import __version__
from deepgum.storage.upgrade import made_by, original_options, upgraded_options, version_line

OLD, NEW = {"person": "who", "id": "name"}, {"same_person": "who", "id": "name"}


@pytest.fixture(autouse=True)
def renamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RENAMED", MappingProxyType({"faces": {"person": "same_person"}}))


def test_an_old_option_has_todays_name_and_back() -> None:
    assert upgraded_options("faces", OLD) == NEW
    assert original_options("faces", NEW) == OLD


def test_todays_names_and_other_data_sets_stay() -> None:
    assert upgraded_options("faces", NEW) == NEW
    assert upgraded_options("theirs:Faces", OLD) == OLD
    assert original_options("theirs:Faces", NEW) == NEW


def test_a_file_says_which_version_wrote_it(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(version_line() + "seed = 0\n")
    assert made_by(path) == __version__
    path.write_text("seed = 0\n")
    assert made_by(path) == "0.1.0"
