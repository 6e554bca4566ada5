"""Hold a results file of `deepgum compare` on LFW + NET against what the README says of it.

Prints the failure rates as a table in Markdown (the mean over seeds, and the lowest and highest of them), then one line
a claim: whether it is met, the figure (a mean over seeds), and the bound.

    python benchmarks/faces_claims.py docs/results/faces/results.jsonl
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import mean

from deepgum.experiments.paper.records import RunRecord, read_records

CONDITIONS = (("l-ugo", 0.4), ("ngo", 0.4), ("g-ugo", 0.5))
ONE_RUN = ("l2", "l1", "cauchy", "huber", "biweight")
OURS = "deepgum-alternate"


class Results:
    """Means over the seeds of a comparison."""

    def __init__(self, records: Iterable[RunRecord]) -> None:
        self.records = list(records)

    def value(self, field: str, method: str, noise: str, rate: float) -> float:
        """Return the mean of a field over all seeds of the condition, and stop where one of them was not run."""
        found = {
            r.seed: getattr(r, field) for r in self.records if (r.method, r.noise, r.rate) == (method, noise, rate)
        }
        missing = [seed for seed in self.seeds(noise, rate) if found.get(seed) is None]
        if missing or not found:
            raise SystemExit(f"No {field} of {method} for {noise} at {rate:.0%}, seeds {missing}: run it first.")
        return mean(found.values())

    def cell(self, method: str, noise: str, rate: float) -> str:
        """Return the mean failure rate in percent with the range over seeds, or a dash."""
        rates = [100 * r.failure_rate for r in self.records if (r.method, r.noise, r.rate) == (method, noise, rate)]
        if not rates:
            return "-"
        return f"{mean(rates):.1f}" + (f" ({min(rates):.1f} to {max(rates):.1f})" if len(rates) > 1 else "")

    def seeds(self, noise: str, rate: float) -> list[int]:
        """Return the seeds that Algorithm 1 was run with."""
        return sorted({r.seed for r in self.records if (r.method, r.noise, r.rate) == (OURS, noise, rate)})


def table(results: Results) -> Iterator[str]:
    """Yield the lines of a table of failure rates in percent, a row a method."""
    conditions = (("l-ugo", 0.0), *CONDITIONS)
    yield (
        "| failure rate in % | clean | "
        + " | ".join(f"{noise} {rate:.0%}" for noise, rate in CONDITIONS)
        + " | epochs |"
    )
    yield "|---|" + "---:|" * (len(conditions) + 1)
    for method in dict.fromkeys([*ONE_RUN, "deepgum-paper", OURS, "oracle", "oracle-l1"]):
        cells = [results.cell(method, *condition) for condition in conditions]
        epochs = mean(r.epochs for r in results.records if r.method == method and (r.noise, r.rate) in CONDITIONS)
        yield f"| {method} | " + " | ".join(cells) + f" | {epochs:.0f} |"


def claims(results: Results) -> Iterator[tuple[str, float, float, bool]]:
    """Yield each claim: what, the figure, the bound, whether the figure is to be at most the bound (else at least)."""

    def failure(method: str, condition: tuple[str, float]) -> float:
        return results.value("failure_rate", method, *condition)

    for condition in CONDITIONS:
        name = f"{condition[0]} {condition[1]:.0%}"
        best = min(failure(method, condition) for method in ONE_RUN)
        yield f"{name}: {OURS} over the best one-run loss (below)", failure(OURS, condition) / best, 1.0, True
    for oracle, bound in (("oracle", 1.0), ("oracle-l1", 1.1)):
        ratio = mean(failure(OURS, c) / failure(oracle, c) for c in CONDITIONS)
        yield f"{OURS} over {oracle}, average of the three", ratio, bound, True
    for condition in CONDITIONS:
        name = f"{condition[0]} {condition[1]:.0%}"
        ratio = failure("deepgum-paper", condition) / failure("oracle", condition)
        yield f"{name}: deepgum-paper over oracle", ratio, 1.1, True
    for condition in (CONDITIONS[0], CONDITIONS[2]):
        name = f"{condition[0]} {condition[1]:.0%}"
        yield (
            f"{name}: deepgum-paper over L2",
            failure("deepgum-paper", condition) / failure("l2", condition),
            0.5,
            True,
        )
    for method in (OURS, "deepgum-paper"):
        yield f"g-ugo 50%: precision of {method}", results.value("precision", method, *CONDITIONS[2]), 0.95, False
        yield f"g-ugo 50%: recall of {method}", results.value("recall", method, *CONDITIONS[2]), 0.97, False
        moved = results.value("recall_moved", method, *CONDITIONS[0])
        yield f"l-ugo 40%: recall of {method}, moved by more than 5 %", moved, 0.95, False
    clean = ("l-ugo", 0.0)
    better = min(failure("l2", clean), failure("l1", clean))
    yield f"clean labels: {OURS} over the better of L2 and L1", failure(OURS, clean) / better, 1.03, True


def main() -> None:
    """Print the table and the claims."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="+", type=Path, help="results.jsonl files, or folders that hold one")
    arguments = parser.parse_args()
    results = Results(read_records(arguments.results))
    for line in table(results):
        print(line)
    print()
    for what, figure, bound, at_most in claims(results):
        met = (figure < bound if "(below)" in what else figure <= bound) if at_most else figure >= bound
        relation = "at most" if at_most else "at least"
        print(f"{'met' if met else 'NOT MET':8} {figure:6.3f}  {relation:8} {bound:5.2f}  {what}")
    print("seeds:", ", ".join(f"{noise} {rate:.0%}: {results.seeds(noise, rate)}" for noise, rate in CONDITIONS))


if __name__ == "__main__":
    main()
