"""The faults that were found under attack: a table with what happened before, what happens now, and the tests of it.

    python benchmarks/faults.py
    python benchmarks/faults.py --out docs/results/faults/README.md

The script runs all tests with the mark `fault(number)` and prints one row per fault. It ends with status 1 if a test
fails, or if a fault has no test. "Before" is version 0.1.0 (commit a75e381), in which each of the faults was observed.
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
    1: Fault(
        "A finished run, audit or comparison shows the score of the old data for another folder or for changed images, "
        "with exit status 0",
        "Refused; the samples that differ are named. The data may move",
    ),
    2: Fault(
        "An interrupted audit continues with the predictions of old images; a cut file of predictions gives a "
        "traceback, and a flipped bit is used",
        "Refused, with the names of the samples; a damaged file is named, and its network is trained again",
    ),
    3: Fault(
        "Predictions of other rows (1,000 rows, 32 runs): 24 verdicts say that no wrong labels were found",
        "Not mended here",
    ),
    4: Fault(
        "Two data sets whose files have the same names, sizes and times share decoded images; flipped bytes of the "
        "cache are used",
        "The bytes of the images are in the key of the cache; a cache of images or features with a changed byte is "
        "made again",
    ),
    5: Fault(
        "A copy of `decisions.sqlite` alone holds 0 of 14 acknowledged decisions; the next start deletes the rest",
        "`decisions.jsonl` holds each decision before it is acknowledged, and can be copied or cut anywhere; logs of "
        "earlier versions are taken over and never changed",
    ),
    6: Fault(
        "The folder is deleted and made again under a running server: two decisions are acknowledged and lost; a "
        "second server starts",
        "The file is compared at every request; the decision is refused (503) and waits in the page; a new folder has "
        "its own server",
    ),
    7: Fault(
        "`predict RUN t.csv --out t.csv` replaces its input; `report` and `gain` replace files of their run",
        "One guard for every output: by spelling, link, second name or case",
    ),
    8: Fault(
        "A run folder whose model is `http.server:test`, `os:abort` or `sys:exit` runs this code",
        "The code is named, and is imported only with `--trust`",
    ),
    9: Fault(
        "Another user who listens on the port of a stopped server gets the decision and a token that the restarted "
        "server takes",
        "A new token at each start; the page sends nothing before the server has proved that it knows the token",
    ),
    10: Fault(
        "An EPS file named `a.jpg` starts Ghostscript",
        "One function opens images, with eight formats; every other file is unreadable, and is named",
    ),
    11: Fault(
        "`score_labels` on 2,000 x 136 in one group: over 170 s; 300 x 10,000 by coordinate: over 275 s; memory "
        "quadratic in the groups",
        "Linear in groups and coordinates; one group of 500 is as slow as before; see `wide-labels.txt`",
    ),
    12: Fault(
        "`skip_unreadable` and one damaged AVIF, DDS or EPS file: a traceback",
        "Left out and named",
    ),
    13: Fault("A full disk leaves an empty `audit.toml`", "Every file is written atomically"),
    14: Fault(
        "A killed `score` leaves 40 to 80 MB of temporary files for ever",
        "The stream has no name on the disk; what is left of other files is removed by the next command; SIGTERM ends "
        "as Ctrl-C does",
    ),
    15: Fault(
        "A file that appears at `--out` while `apply` works is replaced",
        "It is kept, and `apply` fails; the same for exports",
    ),
    16: Fault(
        "A link in a data folder to a file outside becomes a second name of this file",
        "It stays a symbolic link, and a note names it",
    ),
    17: Fault(
        "Tracebacks for numbers that are too large, deep nesting, FP8 weights, wrong types in files of a run",
        "Typed errors that name the file and the value",
    ),
    18: Fault(
        "Parquet: an empty first row group and text that is not UTF-8 give tracebacks; `apply` loses codecs, INT96 and "
        "sorting",
        "Read; named; kept, or a note says so",
    ),
    19: Fault(
        "A weight of 1e300 becomes infinite without a word; bool residuals give a traceback",
        "Typed errors that name the first values",
    ),
    20: Fault(
        "Escape sequences in ids reach the terminal; CSV cells can be formulas",
        "Shown as `\\x1b`; a warning names the cells that a spreadsheet program would run",
    ),
    21: Fault(
        "1,100 idle connections stop the page; a read-only folder exports nothing; the report shows absolute paths; "
        "`apply` takes 1e300",
        "At most 128 connections, and 10 s for a request; exports work; names only; one range of labels",
    ),
    22: Fault(
        "Old versions with known holes are allowed; `markupsafe` is not declared; downloaded weights are checked by 8 "
        "digits",
        "Excluded; declared; all 64 digits",
    ),
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
