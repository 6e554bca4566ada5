"""Old keys are translated to those of today and back; keys that were added have the value of before."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

import deepgum.storage.upgrade as module
from deepgum._version import __version__
from deepgum.storage.upgrade import made_by, original, upgraded, upgraded_options, version_line

OLD: dict[str, Any] = {"data": {"name": "table", "options": {"person": "who", "id": "name"}}, "method": {"name": "l2"}}


@pytest.fixture(autouse=True)
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"data.options.person": "data.options.same_person", "training.turns": "training.steps.turns"}
    monkeypatch.setattr(module, "RENAMED", MappingProxyType(names))
    monkeypatch.setattr(module, "ADDED", MappingProxyType({"method.options.mode": "slow", "corruption.missing": 0.0}))


def test_a_renamed_key_is_moved_and_others_stay() -> None:
    values = upgraded({**OLD, "training": {"turns": 3, "patience": 2}})
    assert values["data"] == {"name": "table", "options": {"same_person": "who", "id": "name"}}
    assert values["training"] == {"steps": {"turns": 3}, "patience": 2}
    assert values["method"] == OLD["method"]
    assert upgraded_options(OLD["data"]["options"]) == {"same_person": "who", "id": "name"}


def test_todays_keys_stay_and_nothing_is_changed_in_place() -> None:
    new = {"data": {"options": {"same_person": "who"}}, "training": {"steps": {"turns": 3}}}
    assert upgraded(new) == new
    before = {"data": {"options": {"person": "who"}}}
    upgraded(before)
    assert before == {"data": {"options": {"person": "who"}}}


def test_an_added_key_has_its_old_value_where_its_section_has_others() -> None:
    values = upgraded({"method": {"options": {"rounds": 3}}, "corruption": {"missing": 0.5}})
    assert values == {"method": {"options": {"rounds": 3, "mode": "slow"}}, "corruption": {"missing": 0.5}}
    assert upgraded({"method": {"name": "l2", "options": {}}}) == {"method": {"name": "l2", "options": {}}}


def test_the_original_of_an_upgraded_configuration_is_the_same() -> None:
    old = {"data": {"options": {"person": "who"}}, "method": {"options": {"rounds": 3}}, "training": {"turns": 3}}
    assert original(upgraded(old))["method"] == old["method"]
    assert original(upgraded(old))["data"] == old["data"]
    assert original(original(upgraded(old))) == original(upgraded(old))
    assert original({"method": {"options": {"mode": "fast"}}}) == {"method": {"options": {"mode": "fast"}}}


def test_a_file_says_which_version_wrote_it(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(version_line() + "seed = 0\n")
    assert made_by(path) == __version__
    path.write_text("seed = 0\n")
    assert made_by(path) == "0.1.0"
