"""A table of tests that have a mark with a number: the situation before, the situation now, and the tests that hold it.

`benchmarks/faults.py` and `benchmarks/cases.py` print such tables. This module is not run by itself.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent


class Change(NamedTuple):
    """A row of the table: what happened before, and what happens now."""

    before: str
    now: str


class Outcomes:
    """A plug-in of pytest that collects the outcome of each test by the numbers of its mark."""

    def __init__(self, mark: str) -> None:
        self.mark = mark
        self.numbers: dict[str, set[int]] = {}
        self.failed: set[str] = set()
        self.tests: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Read the marks of the tests."""
        for item in items:
            self.numbers[item.nodeid] = {number for mark in item.iter_markers(self.mark) for number in mark.args}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a test that has passed, and note a test that has failed."""
        if report.failed:
            self.failed.add(report.nodeid)
        elif report.when == "call" and report.passed:
            for number in self.numbers[report.nodeid]:
                self.tests[number][report.nodeid.partition("[")[0]] += 1

    def row(self, number: int, change: Change, without: str) -> str:
        """Return the row of the table for a number. `without` is the last cell if there is no test."""
        tests = [f"`{name.rpartition('/')[2]}` ({count})" for name, count in self.tests[number].items()]
        failed = [name for name in self.failed if number in self.numbers[name]]
        state = f"FAILED: {', '.join(failed)}" if failed else "<br>".join(tests) or without
        return f"| {number} | {change.before} | {change.now} | {state} |"


def run_marked(mark: str, changes: Mapping[int, Change], words: str | None, later: Mapping[int, str]) -> None:
    """Run the tests with the mark, print the table, and end with status 1 if a test fails or a row has no test.

    Parameters
    ----------
    mark : str
        Name of the mark; its arguments are numbers of rows.
    changes : mapping of int to Change
        The rows of the table.
    words : str
        Text of `--help`.
    later : mapping of int to str
        The last cell of each row that may lack a test.
    """
    parser = argparse.ArgumentParser(description=words, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="a Markdown file for the table; text before the table is kept")
    given = parser.parse_args()
    outcomes = Outcomes(mark)
    pytest.main(["-m", mark, "-q", "-p", "no:cacheprovider", str(ROOT / "tests")], plugins=[outcomes])
    lines = ["| # | before | now | tests (number of cases that passed) |", "|---:|---|---|---|"]
    lines += [outcomes.row(number, change, later.get(number, "NO TEST")) for number, change in changes.items()]
    print("\n".join(lines))
    if given.out is not None:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        text = given.out.read_text(encoding="utf-8") if given.out.is_file() else ""
        head = text.partition("| # |")[0]
        given.out.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    without = [number for number in changes if not outcomes.tests[number] and number not in later]
    sys.exit(1 if outcomes.failed or without else 0)
