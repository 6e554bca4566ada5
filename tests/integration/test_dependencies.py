"""Every package that the code imports is declared in `pyproject.toml`."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
DECLARED = [
    Requirement(text) for text in (*PROJECT["dependencies"], *(each for extra in EXTRAS.values() for each in extra))
]


def imported() -> dict[str, Path]:
    """Return the top-level names of all imported modules outside the package and Python, with a file for each."""
    found: dict[str, Path] = {}
    for file in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [str(node.module)]
            else:
                continue
            found |= {name.partition(".")[0]: file for name in names}
    return {name: file for name, file in found.items() if name not in (*sys.stdlib_module_names, "deepgum")}


@pytest.mark.fault(22)
def test_every_imported_package_is_declared() -> None:
    declared = {re.sub(r"[-_.]+", "-", each.name).lower() for each in DECLARED}
    sources = packages_distributions()
    modules = imported()
    assert {"numpy", "torch", "markupsafe"} <= modules.keys()
    missing = {
        module: file.relative_to(ROOT).as_posix()
        for module, file in modules.items()
        if not declared & {re.sub(r"[-_.]+", "-", name).lower() for name in sources.get(module, (module,))}
    }
    assert missing == {}


@pytest.mark.fault(22)
def test_the_lower_bounds_exclude_the_known_holes_that_they_name() -> None:
    """The list of holes is a comment in `pyproject.toml`: name, first version without the hole, reason."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    listed = re.findall(r"^#   (\S+) (\S+) +.*CVE-", text, flags=re.MULTILINE)
    assert len(listed) >= 9
    bounds = {each.name: each.specifier for each in DECLARED}
    for name, safe in listed:
        assert str(bounds[name]) == f">={safe}"


def test_the_installed_packages_satisfy_the_bounds() -> None:
    for each in DECLARED:
        if each.name not in ("deepgum", "cleanlab"):
            try:
                found = version(each.name)
            except ModuleNotFoundError:  # an extra that is not installed
                continue
            assert found in each.specifier, each
