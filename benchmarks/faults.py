"""The faults that were found under attack: a table with what happened before, what happens now, and the tests of it.

    python benchmarks/faults.py
    python benchmarks/faults.py --out docs/results/faults/README.md

The script runs all tests with the mark `fault(number)` and prints one row per fault. It ends with status 1 if a test fails
or if a fault has no test. "Before" is version 0.1.0 (commit a75e381), in which each of the faults was observed.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent


class Fault(NamedTuple):
    """A fault: what happened in version 0.1.0, and what happens now."""

    before: str
    now: str


FAULTS = {
    1: Fault("", ""),
}
LATER = {3: "the verdict on predictions of other rows is work of its own"}


class Outcomes:
    """A plug-in of pytest that collects the outcome of each test by its faults."""

    def __init__(self) -> None:
        self.numbers: dict[str, set[int]] = {}
        self.failed: set[str] = set()
        self.tests: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Read the marks of the tests."""
        for item in items:
            self.numbers[item.nodeid] = {mark.args[0] for mark in item.iter_markers("fault")}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a test that has passed, and note a test that has failed."""
        if report.failed:
            self.failed.add(report.nodeid)
        elif report.when == "call" and report.passed:
            for number in self.numbers[report.nodeid]:
                self.tests[number][report.nodeid.partition("[")[0]] += 1


def row(number: int, outcomes: Outcomes) -> str:
    """Return the row of a fault in the table."""
    fault = FAULTS[number]
    tests = [f"`{name.rpartition('/')[2]}` ({count})" for name, count in outcomes.tests[number].items()]
    failed = [name for name in outcomes.failed if number in outcomes.numbers[name]]
    state = f"FAILED: {', '.join(failed)}" if failed else "<br>".join(tests) or LATER.get(number, "NO TEST")
    return f"| {number} | {fault.before} | {fault.now} | {state} |"


def main() -> None:
    """Run the tests, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="a Markdown file for the table")
    given = parser.parse_args()
    outcomes = Outcomes()
    pytest.main(["-m", "fault", "-q", "-p", "no:cacheprovider", str(ROOT / "tests")], plugins=[outcomes])
    lines = ["| # | before | now | tests (number of cases that passed) |", "|---:|---|---|---|"]
    lines += [row(number, outcomes) for number in FAULTS]
    print("\n".join(lines))
    if given.out is not None:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        text = given.out.read_text(encoding="utf-8") if given.out.is_file() else ""
        head = text.partition("| # |")[0]
        given.out.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    without = [number for number in FAULTS if not outcomes.tests[number] and number not in LATER]
    sys.exit(1 if outcomes.failed or without else 0)


if __name__ == "__main__":
    main()
