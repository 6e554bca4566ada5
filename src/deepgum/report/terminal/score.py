"""The output of `deepgum score` on a terminal: the groups, the verdict, and the worst labels."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from deepgum.audit.scoring.pairs import Pair
from deepgum.audit.scoring.tally import Flag
from deepgum.audit.summary import AuditSummary, GroupSummary, ReasonCount, RunSummary
from deepgum.errors import listing
from deepgum.report.terminal.one_line import OneLine
from deepgum.report.terminal.printable import printable
from deepgum.wording import percent

__all__ = ["MOST_RUNS", "group_table", "next_steps", "run_table", "scores", "worst_table"]

MOST_RUNS = 20
"""Maximum number of runs in the output."""

_MOST_REMARKS = 3

_EITHER = "A flagged label and its prediction differ much. Either of the two may be wrong: look before you correct."


def scores(
    summary: AuditSummary, worst: Sequence[Flag], pairs: Sequence[Pair] = (), rest: str = "The report has all."
) -> RenderableType:
    """Return the output of `deepgum score` and `deepgum audit`: notices, groups, verdict, remarks and worst labels.

    The output is short, however many groups there are: of many groups it shows those with the most flags.

    Parameters
    ----------
    summary : AuditSummary
    worst : sequence of Flag
    pairs : sequence of Pair
        The pairs of a target column and a prediction column. They are printed so that the user can check them.
    rest : str
        Where all groups are, as a sentence; it is printed if only some of them are shown.

    Examples
    --------
    >>> from rich.console import Console
    >>> from deepgum.audit.summary import DataSource, Share
    >>> share = Share.at_least(0.1, 0.12)
    >>> group = GroupSummary("age", 500, 60, 1.8, share, "CONVERGED", "", 0.9, ((1.0,),), -3.0)
    >>> summary = AuditSummary(DataSource("table"), 500, 500, 60, 1.8, share, "At least 10 % are wrong.", (group,))
    >>> Console(width=80).print(scores(summary, []))
    500 samples, 500 labels
    <BLANKLINE>
     group   labels   flagged   expected right     share wrong
     ─────────────────────────────────────────────────────────
     age        500        60              1.8   at least 10 %
    <BLANKLINE>
    At least 10 % are wrong.
    """
    head = Text(f"{summary.samples:,} samples, {summary.labels:,} labels", style="bold")
    if pairs:
        head.append(f": {listing([f'{pair.target} by {pair.predicted}' for pair in pairs])}")
    parts: list[RenderableType] = [Text(f"Notice: {printable(each)}", style="yellow") for each in summary.notices]
    parts += [Text("")] if parts else []
    parts += [head, group_table(summary.shown_groups)]
    if summary.other_groups:
        parts += [Text(f"{summary.other_groups} {rest}".strip()), Text("")]
    parts += [Text(summary.verdict, style="bold"), *(Text(f"- {line}") for line in _remarks(summary))]
    if summary.runs:
        shown = summary.flagged_runs[:MOST_RUNS]
        parts += [Text(""), Text("Runs", style="bold")]
        parts += [run_table(shown, summary.reasons)] if shown else []
        parts += [Text(others)] if (others := summary.other_runs(len(shown))) else []
    if worst:
        unit = f", in {summary.data.unit}" if summary.data.unit else ""
        parts += [Text(""), Text(f"The least probable labels{unit}", style="bold"), worst_table(worst), Text(_EITHER)]
    return Group(*parts)


def group_table(groups: Sequence[GroupSummary]) -> Table:
    """Return a table with one row per group.

    The columns are the number of labels, the number of flags, the expected number of flagged labels that are right, and
    the share of wrong labels.
    """
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("group", overflow="fold")
    for heading in ("labels", "flagged", "expected right", "share wrong"):
        table.add_column(heading, justify="right")
    for group in groups:
        table.add_row(
            Text(printable(group.name)), f"{group.labels:,}", f"{group.flags:,}", _expected(group), Text(_share(group))
        )
    return table


def run_table(runs: Sequence[RunSummary], reasons: Sequence[ReasonCount]) -> Table:
    """Return a table with one row per run.

    The columns are the numbers of labels and of flags, the share of wrong labels, and the most frequent reason, in the
    words of `reasons`.
    """
    words = {each.name: each.words for each in reasons}
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("run", overflow="fold", max_width=40)
    for heading in ("labels", "flagged", "share wrong"):
        table.add_column(heading, justify="right")
    table.add_column("most frequent reason")
    for run in runs:
        least = f"at least {percent(run.share.low)} %"
        texts = (run.name, f"{run.labels:,}", f"{run.flags:,}", least, words.get(run.reason, run.reason))
        table.add_row(*(Text(printable(text)) for text in texts))
    return table


def worst_table(worst: Sequence[Flag]) -> Table:
    """Return a table with one row per flag: sample, group, given label, suggested label, responsibility and reason."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("id")
    table.add_column("group", overflow="fold")
    for heading in ("given", "suggested", "posterior"):
        table.add_column(heading, justify="right")
    table.add_column("kind")
    for flag in worst:
        values = (_values(flag.given), _values(flag.suggested))
        texts = (flag.group, *values, _posterior(flag), flag.kind)
        # The cells are `Text`, because rich would interpret square brackets in a string as markup.
        table.add_row(OneLine(flag.id), *(Text(printable(text)) for text in texts))
    return table


def _remarks(summary: AuditSummary) -> list[str]:
    """Return a line "names: verdict" for each verdict that tells more than the table. The names are those of the groups
    with this verdict.
    """
    groups: dict[str, list[str]] = {}
    for group in summary.groups:
        if group.has_remark and group.verdict != summary.verdict:
            groups.setdefault(group.verdict, []).append(group.name)
    lines = [f"{listing(names)}: {verdict}" for verdict, names in groups.items()]
    others = len(lines) - _MOST_REMARKS
    return lines if others <= 0 else [*lines[:_MOST_REMARKS], f"and {others:,} more remarks on {summary.noun}"]


def next_steps(summary: AuditSummary, inputs: Sequence[Path], out: Path | None) -> list[str]:
    """Return lines that name the file of the scores and the next step for the user.

    Parameters
    ----------
    summary : AuditSummary
    inputs : sequence of Path
        The file that was scored and, for a keypoint file, the file of predictions.
    out : Path or None
        The file of the scores; None if the scores were not written.
    """
    if out is None:
        command = f"deepgum score {' '.join(shlex.quote(str(each)) for each in inputs)}"
        return [
            f"To look at the flagged labels and correct them:             {command} --out RUN",
            f"To write all scores, one row per sample and group of labels: {command} --out scores.csv",
        ]
    rows = summary.samples * len(summary.groups)
    lines = [f"Written: {out} ({rows:,} rows)"]
    if summary.flags:
        lines.append(
            "Check the labels with a responsibility below 0.5, the lowest first; `suggested` is the probable value."
        )
    return lines


def _expected(group: GroupSummary) -> str:
    return "-" if not group.flags or group.fault else f"{group.expected_false_flags:.1f}"


def _share(group: GroupSummary) -> str:
    share = group.share
    if share is None:
        return "-"
    if not share.is_two_sided:
        return f"at least {percent(share.low)} %" if share.low or group.flags else "none found"
    between = f" ({percent(share.low)} to {percent(share.high)})" if share.low < share.high else ""
    return f"{percent(share.estimate)} %{between}"


def _values(values: Sequence[float]) -> str:
    """Return values with six digits. A large single value has separators of thousands, and all digits before the point,
    as in the report.
    """
    if len(values) == 1 and 1e4 <= abs(values[0]) < 1e9:
        return f"{values[0]:,.0f}"
    return ", ".join("-" if math.isnan(value) else f"{value:.6g}" for value in values)


def _posterior(flag: Flag) -> str:
    return "< 0.001" if flag.responsibility < 0.001 else f"{flag.responsibility:.3f}"
