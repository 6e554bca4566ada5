"""What every command shares: errors as one message, lists with commas, progress, and what Ctrl-C means."""

from __future__ import annotations

import errno
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deepgum.errors import DeepGUMError, InvalidParameterError

if TYPE_CHECKING:
    from rich.console import Console

    from deepgum.report.terminal.progress import Reporter

__all__ = [
    "FOLDER",
    "GOES_ON",
    "INLIERS",
    "NAMES",
    "NUMBERS",
    "PAIRS",
    "PATH",
    "PERIODS",
    "WHOLE",
    "Commands",
    "console",
    "list_files",
    "renamed",
    "session",
]

_INTERRUPTED = 130
INLIERS = "Density of right labels: auto, gaussian, student-t or package.module:name.  [default: auto]"
GOES_ON = "What was completed is kept, to the last epoch; the same command goes on from there."


class Commands(click.Group):
    """Shows an error that the library raises on purpose, or that the system does, as one message and no traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except DeepGUMError as error:
            click.secho(f"Error: {error}", fg="red", err=True)
            ctx.exit(2)
        except OSError as error:
            if error.errno == errno.EPIPE:  # whoever read the output has stopped, as `head` does
                raise
            where = "A file" if error.filename is None else f"'{error.filename}'"
            click.secho(f"Error: {where} cannot be read or written: {error.strerror or error}.", fg="red", err=True)
            ctx.exit(2)


_Read = Callable[[click.Context, click.Parameter, str | None], tuple[Any, ...] | None]


def _listed(kind: Callable[[str], Any], what: str) -> _Read:
    """Read values with commas between them; what is in the list is checked by the library."""

    def read(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[Any, ...] | None:
        if value is None:
            return None
        try:
            parts = [part.strip() for part in value.split(",")]
            if not all(parts):
                raise ValueError("nothing between two commas")
            return tuple(map(kind, parts))
        except ValueError:
            raise InvalidParameterError(str(param.name), f"{what} with commas between them", value) from None

    return read


NAMES, NUMBERS, WHOLE = _listed(str, "names"), _listed(float, "numbers"), _listed(int, "whole numbers")


def _periods(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, float]:
    """Read NAME=NUMBER."""
    periods = {}
    for value in values:
        name, _, number = value.rpartition("=")
        try:
            periods[name] = float(number)
        except ValueError:
            name = ""
        if not name:
            raise InvalidParameterError(str(param.name).rstrip("s"), "NAME=NUMBER, such as yaw=360", value)
    return periods


def _pairs(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[tuple[int, int], ...]:
    """Read A:B,C:D."""
    if value is None:
        return ()
    try:
        pairs = [tuple(int(place) for place in pair.split(":")) for pair in value.split(",")]
        return tuple((a, b) for a, b in pairs)
    except ValueError:
        expected = "pairs of landmarks, counted from 0, such as 0:1,3:4"
        raise InvalidParameterError("swap", expected, value) from None


PERIODS, PAIRS = _periods, _pairs
FOLDER = click.Path(file_okay=False, path_type=Path)
PATH = click.Path(path_type=Path)


def renamed(old: str, new: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a hidden option that version 0.1.0 had under the old name; it is refused by a message with the new one."""

    def refuse(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
        if value is not None:
            raise click.UsageError(f"The option {old} is called {new} since version 0.2.0.", ctx)

    return click.option(old, callback=refuse, hidden=True, expose_value=False)


@contextmanager
def session(threads: int | None, when_stopped: str) -> Iterator[tuple[Console, Reporter]]:
    """Everything around a training: threads, progress, warnings in plain words, and what Ctrl-C means."""
    import torch

    from deepgum.report.terminal.progress import Reporter

    if threads is not None:
        torch.set_num_threads(threads)
    terminal = console()
    with warnings.catch_warnings():
        try:
            with Reporter(terminal) as reporter:
                warnings.showwarning = lambda message, *_, **__: reporter.say(f"Warning: {message}", style="yellow")
                yield terminal, reporter
        except KeyboardInterrupt:
            click.secho(f"Stopped. {when_stopped}", fg="yellow", err=True)
            sys.exit(_INTERRUPTED)


def console() -> Console:
    """Return the console of standard output."""
    from rich.console import Console

    return Console()


def list_files(terminal: Console, paths: Sequence[Path]) -> None:
    """Say which files were written."""
    for path in paths:
        terminal.print(f"Written: {path}", highlight=False, markup=False, soft_wrap=True)
