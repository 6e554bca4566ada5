"""The outcome of one attempt, and the classification of a command that has ended."""

from __future__ import annotations

import traceback
from typing import NamedTuple

from click.testing import CliRunner, Result

from deepgum.cli import main

REFUSED, ACCEPTED, FAULT = "refused", "accepted", "fault"


class Outcome(NamedTuple):
    """The outcome of an attempt.

    Parameters
    ----------
    kind : str
        "refused", "accepted" or "fault".
    words : str
        Details.
    count : int
        How often the attempt did its deed, for example the number of kills.
    """

    kind: str
    words: str = ""
    count: int = 1


def fault(words: object, count: int = 1) -> Outcome:
    """Return the outcome of an attempt that found a fault."""
    return Outcome(FAULT, str(words), count)


def call(arguments: list[str]) -> Result:
    """Run a command of deepgum in this process."""
    return CliRunner().invoke(main, arguments)


def classify(result: Result) -> Outcome:
    """Return "accepted" for exit status 0, "refused" for an error with a message, and "fault" for all else."""
    error = result.exception
    if result.exit_code == 0 and (error is None or isinstance(error, SystemExit)):
        return Outcome(ACCEPTED)
    lines = [line for line in result.output.splitlines() if line.startswith("Error: ")]
    if isinstance(error, SystemExit) and result.exit_code == 2 and lines and "Traceback" not in result.output:
        return Outcome(REFUSED, lines[-1])
    if error is None or isinstance(error, SystemExit):
        return fault(f"exit status {result.exit_code}: {result.output[-200:]}")
    return fault(describe(error))


def describe(error: BaseException) -> str:
    """Return the type and the message of an error, and the innermost line of deepgum that it came through."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/deepgum/" in frame.filename]
    where = f" in {frames[-1].filename.rpartition('/deepgum/')[2]}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}: {error!s:.200}".replace("\n", " ")
