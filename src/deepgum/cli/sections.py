"""The options of a command in sections, so that its help is read from the data to the details."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

__all__ = ["SectionedCommand"]


class SectionedCommand(click.Command):
    """A command whose help shows its options in sections.

    Parameters
    ----------
    *args, **settings
        See `click.Command`.
    sections : mapping of str to sequence of str
        Title of each section -> names of its parameters, in this order. Options that no section names are in the last
        section, "Other options".
    """

    def __init__(self, *args: Any, sections: Mapping[str, Sequence[str]], **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.sections = sections

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, section by section."""
        options = [each for each in self.get_params(ctx) if isinstance(each, click.Option)]
        records = {
            str(option.name): record for option in options if (record := option.get_help_record(ctx)) is not None
        }
        helps = [str(option.name) for option in options if "--help" in option.opts]
        sections = {title: [name for name in names if name in records] for title, names in self.sections.items()}
        shown = {*helps, *(name for names in sections.values() for name in names)}
        sections["Other options"] = [name for name in records if name not in shown]
        *_, last = [title for title, names in sections.items() if names]
        sections[last] += helps
        for title, names in sections.items():
            if names:
                with formatter.section(title):
                    formatter.write_dl([records[name] for name in names])
