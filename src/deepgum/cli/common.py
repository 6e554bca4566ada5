"""Parts that several commands share: options, lists in options, error messages, display of progress, and handling of
Ctrl-C.
"""

from __future__ import annotations

import errno
import shlex
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deepgum.errors import DeepGUMError, InvalidParameterError
from deepgum.report.terminal.printable import printable

if TYPE_CHECKING:
    from deepgum.audit.folder import AuditFolder
    from deepgum.report.terminal.console import Terminal
    from deepgum.report.terminal.progress import Reporter

__all__ = [
    "APPLY_ORIENTATION",
    "CACHE_DIR",
    "FOLDER",
    "INLIERS",
    "NAMES",
    "NUMBERS",
    "PAIRS",
    "PATH",
    "PERIODS",
    "RESUMES",
    "SKIP_MISSING",
    "SKIP_UNREADABLE",
    "SWAP",
    "THREADS",
    "TRUST",
    "UNITS",
    "VERIFY",
    "WHOLE",
    "Commands",
    "console",
    "list_audit",
    "list_files",
    "renamed",
    "session",
    "verify_files",
]

_INTERRUPTED, _TERMINATED = 130, 143
"""Exit statuses after SIGINT (Ctrl-C) and SIGTERM."""

RESUMES = "All completed epochs are kept. Run the same command again to continue."
"""Message of a training command after Ctrl-C."""

FOLDER = click.Path(file_okay=False, path_type=Path)
PATH = click.Path(path_type=Path)
INLIERS = "Density of right labels: auto, gaussian, student-t or package.module:name.  [default: auto]"
SWAP = "Pairs of left and right landmarks: 0:1,3:4, or auto (by their names), 300w-68, coco-17."
UNITS = click.Choice(["sample", "landmark", "coordinate"])
"""Values of `--groups`: the labels that are right or wrong as one unit."""

THREADS = click.option("--threads", type=click.IntRange(min=1), help="Threads of the CPU.  [default: all cores]")
TRUST = click.option("--trust", is_flag=True, help="If the input names code outside deepgum, run this code.")
VERIFY = click.option(
    "--verify", is_flag=True, help="Read all image files again, even if their sizes and times have not changed."
)
SKIP_MISSING = click.option("--skip-missing", is_flag=True, help="Leave out images that do not exist.")
SKIP_UNREADABLE = click.option("--skip-unreadable", is_flag=True, help="Leave out images that cannot be decoded.")
APPLY_ORIENTATION = click.option(
    "--apply-orientation",
    is_flag=True,
    help="Turn images as their files say (EXIF), as viewers do; labels belong to the turned images.",
)
CACHE_DIR = click.option(
    "--cache-dir",
    type=FOLDER,
    metavar="DIR",
    help="Folder of the cache for images and frozen trunks.  [default: the user's cache]",
)


class _Terminated(KeyboardInterrupt):
    """The interrupt of SIGTERM.

    It is a class of its own because `python -m deepgum` would otherwise end with the exit status of SIGINT if the
    interrupt leaves a call of `exec`. Many modules call `exec` while they are imported.
    """


class Commands(click.Group):
    """A group of commands. Errors of the library and of the system are shown as one message without a traceback.

    No text of a user reaches the terminal with control characters: see `deepgum.report.terminal.printable`.
    """

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, and show its errors as messages."""
        try:
            with _ended_by_sigterm(), warnings.catch_warnings():
                warnings.showwarning = lambda message, *_, **__: _complain(f"Warning: {message}", "yellow")
                return super().invoke(ctx)
        except click.ClickException as error:
            object.__setattr__(error, "message", printable(error.message))
            raise
        except DeepGUMError as error:
            _complain(f"Error: {error}", "red")
            ctx.exit(2)
        except OSError as error:
            if error.errno == errno.EPIPE:  # the reader of the output, for example `head`, has stopped
                raise
            where = "A file" if error.filename is None else f"'{error.filename}'"
            _complain(f"Error: {where} cannot be read or written: {error.strerror or error}.", "red")
            ctx.exit(2)


def _complain(message: str, colour: str) -> None:
    click.secho(printable(message), fg=colour, err=True)


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end a command as Ctrl-C does, so that temporary files are removed. The exit status is 143.

    A handler of a program that calls the command stays, and so does an ignored SIGTERM.
    """
    main_thread = threading.current_thread() is threading.main_thread()
    if not main_thread or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    stopped = False

    def stop(*_: object) -> None:
        nonlocal stopped
        stopped = True
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second signal must not interrupt the removal of files
        raise _Terminated

    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except BaseException:  # code that the signal interrupts may turn the interrupt into an error of its own
        if not stopped:
            raise
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if stopped:
        sys.exit(_TERMINATED)


_Read = Callable[[click.Context, click.Parameter, str | None], tuple[Any, ...] | None]


def _list_reader(kind: Callable[[str], Any], values: str) -> _Read:
    """Return a callback that reads values separated by commas. The library checks the values."""

    def read(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[Any, ...] | None:
        if value is None:
            return None
        try:
            parts = [part.strip() for part in value.split(",")]
            if not all(parts):
                raise ValueError("nothing between two commas")
            return tuple(map(kind, parts))
        except ValueError:
            raise InvalidParameterError(str(param.name), f"{values} separated by commas", value) from None

    return read


NAMES, NUMBERS, WHOLE = _list_reader(str, "names"), _list_reader(float, "numbers"), _list_reader(int, "whole numbers")


def _periods(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, float]:
    """Read the values of an option, each in the form NAME=NUMBER."""
    periods = {}
    for value in values:
        name, _, number = value.rpartition("=")
        try:
            periods[name] = float(number)
        except ValueError:
            name = ""
        if not name:
            raise InvalidParameterError(str(param.name).rstrip("s"), "NAME=NUMBER, for example yaw=360", value)
    return periods


def _pairs(ctx: click.Context, param: click.Parameter, value: str | None) -> str | tuple[tuple[int, int], ...]:
    """Read the value of an option in the form A:B,C:D. The library checks names such as 300w-68."""
    if value is None:
        return ()
    if any(map(str.isalpha, value)):
        return value.strip()
    try:
        pairs = [tuple(int(place) for place in pair.split(":")) for pair in value.split(",")]
        return tuple((a, b) for a, b in pairs)
    except ValueError:
        expected = "pairs of landmarks, counted from 0, for example 0:1,3:4; or auto, 300w-68, coco-17"
        raise InvalidParameterError("swap", expected, value) from None


PERIODS, PAIRS = _periods, _pairs


MISSING = click.option(
    "--missing",
    multiple=True,
    metavar="VALUE",
    help="A number or word that marks a missing label (-9999, '?'), or a point for landmarks (0,0); repeatable. Empty "
    "cells, NA, null, None, #N/A and the like always do.",
)
DECIMAL = click.option("--decimal", metavar="SIGN", help="Decimal separator of numbers in text, . or ,  [default: .]")
THOUSANDS = click.option("--thousands", metavar="SIGN", help="Separator of thousands of numbers in text.")


def renamed(old: str, new: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a hidden option `old`, which existed in version 0.1.0. If a user gives this option, the error names the
    option `new`.
    """

    def refuse(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
        if value is not None:
            raise click.UsageError(f"The option {old} is called {new} since version 0.2.0.", ctx)

    return click.option(old, callback=refuse, hidden=True, expose_value=False)


@contextmanager
def session(threads: int | None, stop_message: str) -> Iterator[tuple[Terminal, Reporter]]:
    """Run a long job with a progress line. Yield the pair (console, observer that draws the progress line).

    Parameters
    ----------
    threads : int, optional
        Number of CPU threads that torch uses.
    stop_message : str
        Sentence that is printed after Ctrl-C. It says which results are kept. Ctrl-C ends the command with exit status
        130.
    """
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
            _complain(f"Stopped. {stop_message}", "yellow")
            sys.exit(_INTERRUPTED)


def verify_files(verify: bool, cache_dir: Path | None) -> None:
    """If `verify` is true, forget the kept hashes of files, so that all files are read again."""
    if verify:
        from deepgum.data.crop_cache import default_cache_dir
        from deepgum.storage import hashes

        hashes.forget_hashes(default_cache_dir() if cache_dir is None else cache_dir)


def console() -> Terminal:
    """Return a console that prints on the standard output."""
    from deepgum.report.terminal.console import Terminal

    return Terminal()


def list_files(terminal: Terminal, paths: Sequence[Path]) -> None:
    """Print the paths of the written files."""
    for path in paths:
        terminal.say(f"Written: {path}")


def list_audit(terminal: Terminal, folder: AuditFolder, report: Path, flags: int, *, trust: bool = False) -> None:
    """Print the paths of the results of an audit or of scores and, if labels are flagged, the command of the review.

    `trust` is whether the command needs --trust.
    """
    list_files(terminal, [folder.scores_file, report])
    if flags:
        words = f"deepgum review {shlex.quote(str(folder.path))}{' --trust' if trust else ''}"
        terminal.say(f"Review the flagged labels:  {words}")
