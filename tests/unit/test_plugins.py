"""Plug-ins: which code a configuration names, when it may be imported, and where modules are found."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from deepgum.errors import InvalidParameterError, UntrustedCodeError
from deepgum.plugins import check_trusted, code_named, import_path, is_path

NAMED = {"model.name": "nets:small", "audit.reasons[1]": "reasons.mine:Blurred"}


def test_code_is_named_under_any_key_but_those_of_files_columns_units_and_devices() -> None:
    values = {
        "seed": 0,
        "data": {"name": "sets:Mine", "folder": "C:/data", "cache_dir": "D:/cache", "options": {"targets": ["a:b"]}},
        "model": {"name": "nets:small", "weights": Path("E:/weights.pth")},
        "method": {"name": "deepgum", "options": {"first_loss": "losses:Welsch", "uniform": 3.0}},
        "training": {"device": "cuda:1", "optimizer": "adam"},
        "audit": {"inliers": "densities:Laplace", "reasons": ["hard", "reasons.mine:Blurred"], "unit": "h:min"},
        "a key of a later version": ["other:code"],
    }
    assert code_named(values) == {
        "data.name": "sets:Mine",
        "method.options.first_loss": "losses:Welsch",
        "audit.inliers": "densities:Laplace",
        "a key of a later version[0]": "other:code",
        **NAMED,
    }
    assert code_named({"data": {"name": "table"}}) == {}


@pytest.mark.parametrize("trust", [True, tuple(NAMED.values()), {*NAMED.values(), "more:code"}])
def test_code_that_was_asked_for_is_trusted(trust: bool | tuple[str, ...]) -> None:
    check_trusted(Path("runs/theirs"), NAMED, trust)
    check_trusted(Path("runs/theirs"), {}, trust=False)


@pytest.mark.parametrize(("trust", "refused"), [(False, NAMED), ((), NAMED), (["nets:small"], {"audit.reasons[1]"})])
def test_other_code_is_refused_by_its_keys(trust: bool | list[str], refused: dict[str, str] | set[str]) -> None:
    with pytest.raises(UntrustedCodeError, match="'runs/theirs' names code that is not part of deepgum") as caught:
        check_trusted(Path("runs/theirs"), NAMED, trust)
    assert set(caught.value.named) == set(refused)
    assert all(f"{NAMED[key]} ({key})" in str(caught.value) for key in refused)
    assert "`--trust`" in str(caught.value)


def test_a_module_in_the_working_folder_is_found_behind_all_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As the command is started: its own folder comes first on the path, and not the working folder.
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path not in ("", str(tmp_path))])
    before = list(sys.path)
    (tmp_path / "module_of_mine.py").write_text("class Box:\n    value = 3\n")
    (tmp_path / "json.py").write_text("raise RuntimeError('the module of another folder')\n")
    monkeypatch.chdir(tmp_path)
    try:
        assert import_path("model", "module_of_mine:Box.value") == 3
        assert import_path("model", "json:dumps")([]) == "[]"
    finally:
        sys.modules.pop("module_of_mine", None)
    assert sys.path == before
    monkeypatch.chdir(tmp_path.parent)
    with pytest.raises(InvalidParameterError, match="No module named 'module_of_mine'"):
        import_path("model", "module_of_mine:Box")


def test_a_path_has_a_colon() -> None:
    assert [is_path(value) for value in ("a:b", "a.b", None, 3)] == [True, False, False, False]
