"""Parts that several commands share: error messages, the display of progress, and the handling of Ctrl-C."""

from __future__ import annotations

import errno
import shlex
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
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

__all__ = ["RESUMES", "Commands", "console", "list_audit", "list_files", "session", "share_threads", "verify_files"]

_INTERRUPTED, _TERMINATED = 130, 143
"""Exit statuses after SIGINT (Ctrl-C) and SIGTERM."""

RESUMES = "All completed epochs are kept. Run the same command again to continue."
"""Message of a training command after Ctrl-C."""


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
            _complain(f"Error: {self._as_typed(ctx, error)}", "red")
            ctx.exit(2)
        except OSError as error:
            if error.errno == errno.EPIPE:  # the reader of the output, for example `head`, has stopped
                raise
            where = "A file" if error.filename is None else f"'{error.filename}'"
            _complain(f"Error: {where} cannot be read or written: {error.strerror or error}.", "red")
            ctx.exit(2)

    def _as_typed(self, ctx: click.Context, error: DeepGUMError) -> DeepGUMError:
        """Return the error with the option as the user types it, if it is about an option of the command."""
        command = self.get_command(ctx, ctx.invoked_subcommand or "")
        if command is None or not isinstance(error, InvalidParameterError):
            return error
        typed = {param.name: param.opts[0] for param in command.params if isinstance(param, click.Option)}
        option = typed.get(error.parameter, error.parameter)
        return InvalidParameterError(option, error.expected, error.found, error.hint)


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


@contextmanager
def session(threads: int | None, stop_message: str) -> Iterator[tuple[Terminal, Reporter]]:
    """Run a long job with a progress line. Yield the pair (console, observer that draws the progress line).

    Parameters
    ----------
    threads : int, optional
        Number of CPU threads that torch uses in the job.
    stop_message : str
        Sentence that is printed after Ctrl-C. It says which results are kept. Ctrl-C ends the command with exit status
        130.
    """
    import torch

    from deepgum.report.terminal.progress import Reporter

    before = torch.get_num_threads()
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
        finally:
            torch.set_num_threads(before)


def share_threads(threads: int | None, *, images: bool) -> None:
    """Let a training on features use one thread, unless the user gave `threads`. A training on images keeps all cores.

    The steps of a small network on features are too short for several threads, which then wait for each other.
    """
    import torch

    if threads is None and not images:
        torch.set_num_threads(1)


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
