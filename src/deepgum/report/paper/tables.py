"""Tables for a terminal that show the records of a comparison."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from deepgum.experiments.paper.records import RunRecord
from deepgum.report.paper.summary import Spread, distinct, spread
from deepgum.report.style import is_oracle, method_styles, noise_label
from deepgum.styles import MethodStyle

__all__ = ["detection_table", "failure_table", "mae_table", "tables"]


def tables(records: Sequence[RunRecord]) -> list[Group]:
    """Return two tables with titles for each kind of noise. One shows the errors, the other the detection of wrong
    labels.
    """
    made = []
    for noise, missing in distinct(records, lambda record: (record.noise, record.missing)):
        of_noise = [record for record in records if (record.noise, record.missing) == (noise, missing)]
        seeds = len(distinct(of_noise, lambda record: record.seed))
        deleted = f", {100 * missing:g} % of labels deleted" if missing else ""
        about = f"{noise_label(noise)}{deleted}, {seeds} seed{'s' if seeds > 1 else ''}"
        # Landmarks have a failure rate. Other targets have only a mean absolute error.
        fails = any(record.failure_rate is not None for record in of_noise)
        errors = "failure rate in %, clean test labels" if fails else "mean absolute error, clean test labels"
        titled = {
            errors: failure_table(of_noise) if fails else mae_table(of_noise),
            "wrong training labels found, precision / recall (average precision) in %": detection_table(of_noise),
        }
        # The title is a separate text, because the title of a rich table wraps at the table's width.
        made += [
            Group(Text(f"{about}: {title}", style="bold"), table) for title, table in titled.items() if table.row_count
        ]
    return made


def failure_table(records: Sequence[RunRecord]) -> Table:
    """Return a table of failure rates in percent, for records of one kind of noise.

    There is one row per method, and one column per rate of wrong labels. A cell has the mean and the standard deviation
    over the seeds. The lowest value of each column is bold. Oracles are never bold.
    """
    return _error_table(records, "failure_rate", 100, 1)


def mae_table(records: Sequence[RunRecord]) -> Table:
    """Return a table of mean absolute errors in the unit of the data set, with the layout of `failure_table`."""
    return _error_table(records, "mae", 1, 2)


def _error_table(records: Sequence[RunRecord], field: str, factor: float, digits: int) -> Table:
    rates = _rates(records)
    table = _table()
    for rate in rates:
        table.add_column(f"{100 * rate:g} % wrong", justify="right")
    table.add_column("epochs", justify="right")
    table.add_column("seconds", justify="right")
    methods = distinct(records, lambda record: record.method)
    cells = {(m, rate): spread(getattr(r, field) for r in _of(records, m, rate)) for m in methods for rate in rates}
    best = {rate: _lowest(cells, methods, rate) for rate in rates}
    styles = method_styles(records)
    for method in methods:
        texts = [_value(cells[method, rate], factor, digits, bold=best[rate] == method) for rate in rates]
        of_method = [record for record in records if record.method == method]
        cost = [spread(float(r.epochs) for r in of_method), spread(r.seconds for r in of_method)]
        table.add_row(_name(method, styles), *texts, *(_number(value) for value in cost))
    return table


def detection_table(records: Sequence[RunRecord]) -> Table:
    """Return a table of precision / recall of the flags in percent, with the layout of `failure_table`.

    All records are of one kind of noise. The average precision is in brackets. It can be computed for methods that rank
    the labels, even if they do not flag labels. Only methods that rank or flag labels have a row, and only rates above
    0 have a column.
    """
    some = [r for r in records if r.average_precision is not None or r.recall is not None]
    table = _table()
    rates = _rates(some)
    for rate in rates:
        table.add_column(f"{100 * rate:g} % wrong", justify="right")
    styles = method_styles(some)
    for method in distinct(some, lambda record: record.method):
        if not is_oracle(method):
            table.add_row(_name(method, styles), *(_detection(_of(some, method, rate)) for rate in rates))
    return table


def _table() -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("method")
    return table


def _rates(records: Sequence[RunRecord]) -> list[float]:
    return sorted(distinct(records, lambda record: record.rate))


def _of(records: Sequence[RunRecord], method: str, rate: float) -> list[RunRecord]:
    return [record for record in records if record.method == method and record.rate == rate]


def _lowest(cells: dict[tuple[str, float], Spread | None], methods: Sequence[str], rate: float) -> str | None:
    means = {m: cell.mean for m in methods if (cell := cells[m, rate]) is not None and not is_oracle(m)}
    return min(means, key=means.__getitem__) if means else None


def _name(method: str, styles: Mapping[str, MethodStyle]) -> Text:
    return Text(styles[method].plain, style="dim" if is_oracle(method) else "")


def _value(value: Spread | None, factor: float, digits: int, *, bold: bool) -> Text:
    if value is None:
        return Text("-", style="dim")
    deviation = "" if math.isnan(value.deviation) else f" ± {factor * value.deviation:.{digits}f}"
    return Text(f"{factor * value.mean:.{digits}f}{deviation}", style="bold" if bold else "")


def _number(value: Spread | None) -> str:
    return "-" if value is None else f"{value.mean:.0f}"


def _detection(records: Sequence[RunRecord]) -> Text:
    names = ("precision", "recall", "average_precision")
    values = [spread(getattr(record, name) for record in records) for name in names]
    precision, recall, average = ("-" if v is None else f"{100 * v.mean:.1f}" for v in values)
    flags = f"{precision} / {recall} " if (precision, recall) != ("-", "-") else ""
    return Text(f"{flags}({average})")
