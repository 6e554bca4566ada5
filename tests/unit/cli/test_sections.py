"""The options of a command in sections."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from deepgum.cli import main
from deepgum.cli.sections import SectionedCommand
from deepgum.experiments.audits.config import config_of


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


def options_of(name: str) -> list[tuple[click.Option, str]]:
    """Return the options of a command that take one value and may be left out, with the default that the help shows."""
    command = main.commands[name]
    context = click.Context(command, parent=click.Context(main, **main.context_settings), info_name=name)
    return [
        (each, str(each.get_help_extra(context).get("default", "")))
        for each in command.params
        if isinstance(each, click.Option) and not (each.is_flag or each.required or each.multiple or each.hidden)
    ]


@pytest.mark.parametrize("name", sorted(main.commands))
def test_the_help_states_the_default_of_every_option_that_may_be_left_out(name: str) -> None:
    text = CliRunner().invoke(main, [name, "--help"], terminal_width=400, max_content_width=400).output
    for option, default in options_of(name):
        assert default, option.opts
        assert f"[default: {default}" in text


def test_the_stated_defaults_of_an_audit_are_those_of_its_configuration(tmp_path: Path) -> None:
    (tmp_path / "flats.csv").write_text("area,rent\n50,900\n")
    stated = {str(option.name): default for option, default in options_of("audit")}
    config = config_of(tmp_path / "flats.csv", {}, {"targets": ["rent"], "features": ["area"]})
    expected = {
        "folds": str(config.audit.folds),
        "rounds": str(config.audit.rounds),
        "epochs": str(config.run.training.epochs_max),
        "learning_rate": str(config.run.training.learning_rate),
        "seed": str(config.run.seed),
        "device": config.run.training.device,
        "rate": f"{config.run.corruption.rate:g}",
        "inliers": config.audit.inliers,
    }
    assert {name: stated[name] for name in expected} == expected
