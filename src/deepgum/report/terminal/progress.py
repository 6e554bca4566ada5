"""Progress of an experiment: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from deepgum.experiments.observer import AuditRound, Observer, Outcome, Run
from deepgum.report.style import method_style, noise_label
from deepgum.report.terminal.time_left import TimeLeft
from deepgum.wording import counted, duration, percent

if TYPE_CHECKING:
    from deepgum.errors import DeepGUMError
    from deepgum.training.history import Event

__all__ = ["Reporter"]

_PLAIN_EVERY = 10.0
"""Seconds between two plain lines of one run: often enough to see progress, rare enough for a readable log."""

_QUIET = 3.0
"""Seconds of scoring before its progress is shown."""

_KNOWN = 0.1
"""Finished share of the scoring that the time left needs. The first percents may be slower than the rest."""

_LONG = 600.0
"""Seconds of an audit that are worth a first look before."""


class Reporter(Observer):
    r"""A context manager that displays the progress of an experiment.

    Parameters
    ----------
    console : rich.console.Console
        The console to print on. A terminal shows bars; a file or a pipe gets plain lines.

    Examples
    --------
    >>> import io
    >>> with Reporter(Console(file=io.StringIO())) as reporter:
    ...     reporter.started(total=3, finished=1)
    >>> reporter.console.file.getvalue()
    '3 runs, 1 of them already finished.\n'
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._runs = self._progress.add_task("runs", total=None, visible=False)
        self._current = self._progress.add_task("", total=None, visible=False)
        self._total = self._folds = self._fits = 0
        self._name = ""
        self._left: TimeLeft | None = None
        self._epochs = 0
        self._may_advise = False
        self._last_line = time.monotonic()
        self._scoring_since: float | None = None

    def __enter__(self) -> Reporter:
        if self.console.is_terminal:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.console.is_terminal:
            self._progress.stop()

    def say(self, line: str, style: str = "") -> None:
        """Print a permanent line, above the bars if there are any."""
        self.console.print(line, style=style, highlight=False, markup=False, soft_wrap=True)

    def reading(self, done: int, total: int) -> None:
        """Show that `done` of `total` images are decoded."""
        self._show_count("Reading images", done, total)

    def computing(self, done: int, total: int) -> None:
        """Show that the outputs of the frozen trunk are computed for `done` of `total` images."""
        self._show_count("Computing the frozen trunk", done, total)

    def scoring(self, done: int, total: int) -> None:
        """Show the finished percentage of scoring labels, and the time left, from some seconds after its start on."""
        now = time.monotonic()
        if self._scoring_since is None:
            self._scoring_since = self._last_line = now
        elapsed = now - self._scoring_since
        if done >= total or elapsed < _QUIET:
            self._progress.update(self._current, visible=False)
            return
        task = "Scoring labels"
        if done >= _KNOWN * total:
            task += f", about {duration(elapsed * (total - done) / done)} left"
        self._progress.update(self._current, description=task, completed=done, total=total, visible=True)
        if not self.console.is_terminal and self._is_due():
            self.say(f"{task}: {done} of {total} %.")

    def _show_count(self, task: str, done: int, total: int) -> None:
        self._progress.update(self._current, description=task, completed=done, total=total, visible=True)
        if self.console.is_terminal:
            return
        if done == total or self._is_due():
            self.say(f"{task}: {done} of {total}.")

    def started(self, total: int, finished: int) -> None:
        """Show the number of all runs, and the number of runs that are already finished."""
        self._total = total
        self._progress.update(self._runs, total=total, completed=finished, visible=True)
        done = f", {finished} of them already finished" if finished else ""
        self.say(f"{total} run{'s' if total != 1 else ''}{done}.")

    def run_started(self, run: Run, number: int) -> None:
        """Show the name of the run that starts."""
        self._name = _describe(run)
        self._last_line = time.monotonic()
        self._progress.reset(self._current, description=self._name, total=None, visible=True)

    def trained(self, event: Event) -> None:
        """Show an event of the training: an epoch with its validation score, or the epoch from which the training is
        resumed.
        """
        # Events are recognised by their attributes, not by their classes: reports do not import training.
        score, epoch = getattr(event, "validation_score", None), getattr(event, "epoch", None)
        if epoch is None:
            return
        where = f"epoch {epoch}" if event.round == 0 else f"round {event.round}, epoch {epoch}"
        if score is None:
            self._progress.update(self._current, completed=getattr(event, "epochs", 0))
            self.say(f"{self._name}: resuming after {where}.")
            return
        line = f"{self._name}: {where}"
        if self._left is None:
            line += f", validation score {score:.4g} (lower is better)"
        self._progress.update(self._current, description=line, advance=1)
        line += self._time_left(epoch)
        if not self.console.is_terminal and self._is_due():
            self.say(line)

    def run_finished(self, run: Run, outcome: Outcome) -> None:
        """Print a line with the outcome of a finished run."""
        self._progress.update(self._runs, advance=1)
        if outcome.failure_rate is not None:
            result = f"failure rate {100 * outcome.failure_rate:.1f} %"
        else:
            result = "MAE -" if outcome.mae is None else f"MAE {outcome.mae:.3g} {outcome.unit}"
        self.say(f"{self._name}: {result}, {outcome.epochs} epochs, {outcome.seconds:.0f} s")

    def run_failed(self, run: Run, error: DeepGUMError) -> None:
        """Print a line with the error of a failed run."""
        self._progress.update(self._runs, advance=1)
        # The run may have failed before it started, so `self._name` may be the name of another run.
        self.say(f"{_describe(run)}: failed. {error}", style="red")

    def audit_started(self, folds: int, rounds: int, epochs: int, *, quick: bool) -> None:
        """Show the largest number of networks that an audit trains: `folds` times `rounds`."""
        self._may_advise = not quick
        self._folds, self._total, self._fits = folds, folds * rounds, 0
        self._left, self._epochs = TimeLeft(self._total), epochs
        self._progress.update(self._runs, description="networks", total=self._total, completed=0, visible=True)
        networks = f"{counted(rounds, 'round')} of {counted(folds, 'network')}"
        self.say(f"{networks}." if rounds == 1 else f"Up to {networks}, until the flags no longer change.")

    def fit_started(self, number: int) -> None:
        """Show the number of the network that is trained next."""
        self._progress.update(self._runs, completed=self._fits)
        finished_rounds, fold = divmod(self._fits, self._folds)
        self._fits += 1
        if self._left is not None:
            self._left.begin()
            self._advise(self._left.progress(None))
        self._name = f"Round {finished_rounds + 1}, network {fold + 1} of {self._folds}"
        self._progress.reset(self._current, description=self._name, total=None, visible=True)

    def _advise(self, seconds: float | None) -> None:
        """Say once, after the first trained network, how to get a first look if the audit takes long."""
        if seconds is not None and self._may_advise:
            self._may_advise = False
            if seconds > _LONG:
                self.say(
                    f"At most about {duration(seconds)} left. For a first look, stop, and run again with --quick and "
                    "another --out."
                )

    def round_finished(self, finished: AuditRound) -> None:
        """Print a line with the number of labels that the finished round of an audit flags."""
        share = "" if finished.share is None else f", estimate: {percent(finished.share)} % wrong"
        changed = f" ({finished.changed:,} flags changed)" if finished.round else ""
        line = (
            f"Round {finished.round + 1}: {finished.flags:,} labels flagged{changed}{share}, {finished.seconds:.0f} s"
        )
        self.say(line)

    def _time_left(self, epoch: int) -> str:
        """Return the longest time that the audit will still take, in words, and show it beside the bar of all networks.

        The audit ends earlier if the flags settle before the last round.
        """
        seconds = None if self._left is None else self._left.progress(min(1.0, epoch / self._epochs))
        if seconds is None:
            return ""
        words = f", at most about {duration(seconds)} left"
        self._progress.update(self._runs, description=f"networks{words}")
        return words

    def _is_due(self) -> bool:
        now = time.monotonic()
        due = now - self._last_line >= _PLAIN_EVERY
        if due:
            self._last_line = now
        return due


def _describe(run: Run) -> str:
    noise = f"{noise_label(run.noise)} {100 * run.rate:g} %" if run.rate else "labels unchanged"
    parts = (method_style(run.method).plain, noise, run.about, f"seed {run.seed}")
    return ", ".join(part for part in parts if part)
