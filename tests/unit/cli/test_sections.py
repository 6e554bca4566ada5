"""The options of a command in sections."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from deepgum.cli import main
from deepgum.cli.sections import SectionedCommand


@click.command(cls=SectionedCommand, sections={"Second": ("b",), "First": ("c", "missing")})
@click.option("--a", help="Not in a section.")
@click.option("--b", help="In the first section.")
@click.option("--c", help="In the second section.")
@click.option("--old", hidden=True)
def example(**_: object) -> None:
    """Do nothing."""


def test_options_are_in_the_order_of_the_sections_and_none_is_lost() -> None:
    text = CliRunner().invoke(example, ["--help"]).output
    places = [text.index(each) for each in ("Second:", "--b", "First:", "--c", "Other options:", "--a", "--help")]
    assert places == sorted(places)
    assert "--old" not in text


@pytest.mark.parametrize("name", ["audit", "score"])
def test_every_option_of_a_command_is_in_one_section(name: str) -> None:
    command = main.commands[name]
    assert isinstance(command, SectionedCommand)
    named = [option for options in command.sections.values() for option in options]
    assert len(named) == len(set(named))
    known = {parameter.name for parameter in command.params if isinstance(parameter, click.Option)} | {"help"}
    assert set(named) <= known
    text = CliRunner().invoke(main, [name, "--help"]).output
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            assert parameter.opts[0] in text
