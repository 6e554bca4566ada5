"""Hold comparisons of one run of SGD, short and long, against what is asked of the interleaved schedule.

Prints the failure rates as a table in Markdown for each length of a run (the mean over seeds, and the lowest and the
highest of them), then one line a claim: whether it is met, the figure (of means over seeds), and the bound.

    python benchmarks/one_run_claims.py docs/results/one-run/25.jsonl docs/results/one-run/75.jsonl \
        --figure docs/results/one-run/cost

The claims are about what every method was run on. The two files share all settings but the number of epochs.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator, ScalarFormatter

from deepgum.experiments.paper.records import RunRecord, read_records
from deepgum.report.style import is_oracle, method_style, noise_label, save

METHODS = ("l2", "l1", "cauchy", "deepgum", "deepgum-alternate", "oracle", "oracle-l1")
Condition = tuple[str, float]


class Runs:
    """The records of one length of a run."""

    def __init__(self, records: Sequence[RunRecord]) -> None:
        self.records = records
        # Clean labels first, by whatever noise they were spared.
        self.all: list[Condition] = sorted(dict.fromkeys((r.noise, r.rate) for r in records), key=lambda c: c[1] > 0)
        self.conditions = [condition for condition in self.all if condition[1]]
        self.epochs = round(min(r.epochs for r in records if r.method == "deepgum"))

    def of(self, method: str, condition: Condition) -> list[RunRecord]:
        """Return a method's records under a condition, by seed."""
        found = [r for r in self.records if r.method == method and (r.noise, r.rate) == condition]
        return sorted(found, key=lambda r: r.seed)

    def ratio(self, method: str, other: str, condition: Condition) -> float | None:
        """Return the ratio of the mean failure rates over the seeds that both have."""
        one, two = self.of(method, condition), self.of(other, condition)
        seeds = {r.seed for r in one} & {r.seed for r in two}
        if not seeds:
            return None
        failures = [mean(r.failure_rate for r in runs if r.seed in seeds) for runs in (one, two)]
        return failures[0] / failures[1]


def cell(records: Sequence[RunRecord]) -> str:
    """Return the mean failure rate in percent, with the range over seeds, or a dash."""
    rates = [100 * r.failure_rate for r in records]
    spread = f" ({min(rates):.1f} to {max(rates):.1f})" if len(rates) > 1 else ""
    return f"{mean(rates):.1f}{spread}" if rates else "-"


def table(runs: Runs) -> Iterator[str]:
    """Yield the lines of a table of failure rates, a row a method."""
    heads = [f"{noise} {rate:.0%}" if rate else "clean" for noise, rate in runs.all]
    yield f"| failure rate in %, {runs.epochs} epochs a run | {' | '.join(heads)} | epochs in all |"
    yield "|---|" + "---:|" * (len(heads) + 1)
    for method in METHODS:
        records = [runs.of(method, condition) for condition in runs.all]
        epochs = [r.epochs for each in records for r in each]
        if epochs:
            yield f"| {method} | {' | '.join(map(cell, records))} | {mean(epochs):.0f} |"


def flags(runs: Runs) -> Iterator[str]:
    """Yield the lines of a table of precision and recall of the flags."""
    heads = [f"{noise} {rate:.0%}" for noise, rate in runs.conditions]
    yield f"| precision / recall, {runs.epochs} epochs a run | {' | '.join(heads)} |"
    yield "|---|" + "---:|" * len(heads)
    for method in ("deepgum", "deepgum-alternate"):
        records = [runs.of(method, condition) for condition in runs.conditions]
        cells = [
            f"{mean(r.precision for r in each):.3f} / {mean(r.recall for r in each):.3f}" if each else "-"
            for each in records
        ]
        yield f"| {method} | {' | '.join(cells)} |"


def claims(short: Runs, long: Runs) -> Iterator[tuple[str, float, float]]:
    """Yield each claim: what, the figure, and the bound that it is to be at most."""
    for runs in (short, long):
        for condition in runs.conditions:
            name = f"{condition[0]} {condition[1]:.0%}, {runs.epochs} epochs"
            for other, bound in (("deepgum-alternate", 1.03), ("cauchy", 1.0)):
                found = runs.ratio("deepgum", other, condition)
                if found is not None:
                    yield f"{name}: deepgum over {other}", found, bound
    for runs in (short, long):
        found = [runs.ratio("deepgum", "oracle-l1", condition) for condition in runs.conditions]
        known = [ratio for ratio in found if ratio is not None]
        if known:
            yield f"{runs.epochs} epochs: deepgum over oracle-l1, average of {len(known)}", mean(known), 1.1
    for condition in short.all[:1]:
        for other in ("l1", "l2"):
            ratio = short.ratio("deepgum", other, condition)
            if ratio is not None and not condition[1]:
                yield f"clean labels, {short.epochs} epochs: deepgum over {other}", ratio, 1.03
    for condition in short.conditions:
        for method in ("deepgum", "cauchy", "l1", "oracle-l1"):
            one, two = short.of(method, condition), long.of(method, condition)
            if one and two:
                ratio = mean(r.failure_rate for r in two) / mean(r.failure_rate for r in one)
                bound = 1.0 if method == "deepgum" else float("inf")
                yield f"{condition[0]} {condition[1]:.0%}: {method} at {long.epochs} over {short.epochs}", ratio, bound
    for condition in short.conditions:
        one, two = short.of("deepgum-alternate", condition), long.of("deepgum", condition)
        if one and two:
            ratio = mean(r.failure_rate for r in two) / mean(r.failure_rate for r in one)
            spent = mean(r.epochs for r in one)
            name = f"{condition[0]} {condition[1]:.0%}: deepgum at {long.epochs} over alternate at {short.epochs}"
            yield f"{name} a round ({spent:.0f} in all)", ratio, float("inf")


def draw(runs: Sequence[Runs]) -> Figure:
    """Draw what a training costs against how often it fails, a panel a condition, a line a method: short, then long."""
    conditions = runs[0].conditions
    figure = Figure(figsize=(3.0 * len(conditions) + 0.6, 4.4), layout="constrained")
    panels = figure.subplots(1, len(conditions), sharey=True, squeeze=False)[0]
    for axes, condition in zip(panels, conditions, strict=True):
        for method in METHODS:
            found = [each.of(method, condition) for each in runs]
            draw_method(axes, method, [records for records in found if records])
        axes.set_title(f"{noise_label(condition[0])} {condition[1]:.0%}")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.xaxis.set_major_locator(FixedLocator([25, 75, 200, 400]))
        axes.yaxis.set_major_locator(FixedLocator([10, 15, 20, 30, 50, 70]))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_minor_locator(NullLocator())
            axis.set_major_formatter(ScalarFormatter())
            axis.set_minor_formatter(NullFormatter())
        axes.set_xlim(19, 600)
        axes.set_xlabel("epochs in all")
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("failure rate (%), clean test faces")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=len(METHODS), frameon=False)
    return figure


def draw_method(axes: Axes, method: str, lengths: Sequence[Sequence[RunRecord]]) -> None:
    """Draw the mean over seeds for each length of a run, and the lowest and the highest."""
    if not lengths:
        return
    style = method_style(method)
    epochs = [mean(r.epochs for r in records) for records in lengths]
    rates = [[100 * r.failure_rate for r in records] for records in lengths]
    middle = [mean(each) for each in rates]
    ends = [[m - min(each) for m, each in zip(middle, rates, strict=True)]]
    ends.append([max(each) - m for m, each in zip(middle, rates, strict=True)])
    axes.errorbar(
        epochs,
        middle,
        yerr=ends,
        label=style.label,
        color=style.colour,
        linestyle=style.dashes,
        marker=style.marker or "_",
        markersize=9 if style.marker == "*" else 6,
        linewidth=1.2,
        zorder=2 if is_oracle(method) else 3,
    )


def main() -> None:
    """Print tables and claims."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("short", type=Path, help="results.jsonl of the shorter runs, or the folder that holds it")
    parser.add_argument("long", type=Path, help="of the longer ones")
    parser.add_argument("--figure", type=Path, help="where to draw cost against failures: without an ending")
    arguments = parser.parse_args()
    short, long = (Runs(list(read_records([path]))) for path in (arguments.short, arguments.long))
    for runs in (short, long):
        for lines in (table(runs), flags(runs)):
            print("\n".join(lines), end="\n\n")
    for what, figure, bound in claims(short, long):
        if bound == float("inf"):
            print(f"{'':8} {figure:6.3f}                 {what}")
        else:
            print(f"{'met' if figure <= bound else 'NOT MET':8} {figure:6.3f}  at most {bound:5.2f}  {what}")
    if arguments.figure is not None:
        save(draw([short, long]), arguments.figure)


if __name__ == "__main__":
    main()
