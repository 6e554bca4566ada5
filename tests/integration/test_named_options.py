"""Options and keys that the package, its help and its documentation name exist."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from deepgum.cli import main
from deepgum.experiments.audits.config import AuditSection
from deepgum.experiments.runs.config import CorruptionConfig, DataConfig, MethodConfig, ModelConfig
from deepgum.training import METHODS, SGDOptions

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "src/deepgum").rglob("*.py"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs/decisions").glob("*.md"))]
SECTIONS: dict[str, Any] = {
    "data": DataConfig, "model": ModelConfig, "method": MethodConfig, "corruption": CorruptionConfig,
    "training": SGDOptions, "audit": AuditSection,
}  # fmt: skip
# Options of other programs, which the messages tell how to start.
OTHERS: set[str] = set()
FILES = {"toml", "yaml", "csv", "json"}
"""Endings of files, such as data.yaml, which are no keys."""
CSS = {"--ink", "--soft", "--line", "--given", "--predicted"}
"""Variables of the style sheets."""


def commands() -> dict[str, click.Command]:
    return dict(main.commands)


def options_of(command: click.Command) -> set[str]:
    context = click.Context(command)
    return {name for each in command.get_params(context) for name in (*each.opts, *each.secondary_opts)}


COMMANDS = commands()
KNOWN = set().union(*map(options_of, COMMANDS.values()), options_of(main), OTHERS, CSS)


def texts(source: Path) -> Iterator[tuple[int, str]]:
    """Yield the strings of a module, with their lines, that can be part of a message: no docstrings."""
    tree = ast.parse(source.read_text(encoding="utf-8"))
    statements = (node.value for node in ast.walk(tree) if isinstance(node, ast.Expr))
    docstrings = {id(value) for value in statements if isinstance(value, ast.Constant)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.lineno, node.value


def unknown_keys(text: str) -> list[str]:
    """Keys such as training.patience that are no key of a configuration."""
    wrong = []
    for section, key in re.findall(
        r"(?<![\w./`'])\b(data|model|method|corruption|training|audit)\.([a-z_]+)\b(?![.(\w])", text
    ):
        known = {each.name for each in fields(SECTIONS[section])}
        if key not in known and key not in FILES:
            wrong.append(f"{section}.{key}")
    return wrong


def test_the_options_that_messages_and_help_name_exist() -> None:
    wrong = {}
    for source in SOURCES:
        for line, text in texts(source):
            for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*[a-z]", text):
                if option not in KNOWN:
                    wrong[f"{source.relative_to(ROOT)}:{line}"] = option
    assert not wrong


def test_the_commands_of_the_documentation_and_of_the_help_have_their_options() -> None:
    wrong = []
    count = 0
    places = [(page, page.read_text(encoding="utf-8")) for page in PAGES]
    places += [(Path(name), command.help or "") for name, command in COMMANDS.items()]
    for page, text in places:
        for line in re.findall(r"^\s*(?:\$ )?deepgum [^\n]*", text.replace("\\\n", " "), re.M):
            try:
                words = shlex.split(line, comments=True)
            except ValueError:
                continue
            if len(words) < 2 or words[1] not in COMMANDS:
                continue
            known = options_of(COMMANDS[words[1]])
            for word in words[2:]:
                option = word.partition("=")[0]
                if re.fullmatch(r"--[a-z][a-z-]*", option):
                    count += 1
                    if option not in known:
                        wrong.append((page.name, words[1], option))
    assert count > 100
    assert not wrong


def test_the_keys_that_messages_and_help_name_exist() -> None:
    wrong = {}
    for source in SOURCES:
        for line, text in texts(source):
            if " " in text and unknown_keys(text):
                wrong[f"{source.relative_to(ROOT)}:{line}"] = unknown_keys(text)
    assert not wrong


def test_the_methods_that_messages_and_help_name_exist() -> None:
    named = {
        value for source in SOURCES for _, text in texts(source) for value in re.findall(r"method\.name=([\w-]+)", text)
    }
    assert named
    assert named <= set(METHODS)


def test_a_key_that_does_not_exist_is_found() -> None:
    assert unknown_keys("Stop earlier (training.patiense), or set audit.folds.") == ["training.patiense"]
