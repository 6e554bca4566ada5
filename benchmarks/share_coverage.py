"""Does the share of wrong labels hold? Audits of tables whose wrong labels are known.

    python benchmarks/share_coverage.py coverage.jsonl --cases 200       # continues where it was stopped
    python benchmarks/share_coverage.py coverage.jsonl --report

A case is a table, a noise and a learner of `benchmarks/against_cleanlab.py`, a rate and a seed. The cases are drawn at
random, with an explicit seed. Each case is audited by `audit_labels` with its defaults. One line per case holds the
true share of wrong labels, the share that the audit states, and the flags that are right, stated and true.

The report counts how often the lower bound is at most the true share (aim: 95 %), and how often an interval, where one
is given, contains it (aim: 90 %).
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from against_cleanlab import LEARNERS, NOISES, TABLES, Case
from deepgum import audit_labels

RATES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4)
USED = ("ridge", "boosting")


def cases(count: int, seed: int) -> list[Case]:
    """Return random cases, each one once."""
    rng = np.random.default_rng(seed)
    tables, noises = list(TABLES), list(NOISES)
    found: dict[Case, None] = {}
    while len(found) < count:
        table, noise, rate, learner = (options[rng.integers(len(options))] for options in (tables, noises, RATES, USED))
        found[Case(table, noise, rate, learner, int(rng.integers(1000)))] = None
    return list(found)


def result(case: Case) -> dict[str, Any]:
    """Audit one case and compare the stated share with the true share."""
    X, given, wrong = case.data()
    begun = time.perf_counter()
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")
        audit = audit_labels(X, given, LEARNERS[case.learner](case.seed), random_state=case.seed)
    group, flags = audit.summary.groups[0], audit.labels.flags[:, 0]
    share = group.share
    return {
        "case": vars(case),
        "labels": len(given),
        "wrong": int(wrong.sum()),
        "share": None if share is None else [share.estimate, share.low, share.high],
        "two_sided": share is not None and share.is_two_sided,
        "flags": int(flags.sum()),
        "right_flags": int((flags & ~wrong).sum()),
        "expected_right_flags": group.expected_false_flags,
        "status": group.status,
        "fault": group.fault,
        "seconds": time.perf_counter() - begun,
    }


def report(rows: list[dict[str, Any]]) -> str:
    """Return a table in Markdown: coverage by noise, by rate and by learner."""
    lines = [
        "| | cases | share stated | lower bound holds | lower bound / true share (median) | intervals | they cover |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    groups: list[tuple[str, list[dict[str, Any]]]] = [("all", rows)]
    for name, values in (
        ("noise", list(NOISES)),
        ("rate", list(RATES)),
        ("learner", list(USED)),
        ("table", list(TABLES)),
    ):
        groups += [(f"{name} {value}", [row for row in rows if row["case"][name] == value]) for value in values]
    for name, part in groups:
        stated = [(row["wrong"] / row["labels"], *row["share"], row["two_sided"]) for row in part if row["share"]]
        if not stated:
            lines.append(f"| {name} | {len(part)} | 0 | - | - | 0 | - |")
            continue
        # A bound of 60 labels holds if 60 labels are wrong: rounding errors are no failures.
        holds = np.mean([low <= true + 1e-9 for true, _, low, _, _ in stated])
        ratio = np.median([low / true for true, _, low, _, _ in stated])
        two = [low <= true <= high for true, _, low, high, is_two in stated if is_two]
        covered = f"{100 * np.mean(two):.0f} %" if two else "-"
        lines.append(
            f"| {name} | {len(part)} | {len(stated)} | {100 * holds:.1f} % | {ratio:.2f} | {len(two)} | {covered} |"
        )
    flagged = [row for row in rows if row["flags"] and not row["fault"]]
    stated_right = sum(row["expected_right_flags"] for row in flagged)
    right = sum(row["right_flags"] for row in flagged)
    total = sum(row["flags"] for row in flagged)
    lines += ["", f"Of {total:,} flags {right:,} are right; {stated_right:,.0f} are said to be right."]
    refused = sum(bool(row["fault"]) for row in rows)
    lines.append(f"In {refused} of {len(rows)} cases the predictions are refused.")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0, help="Seed of the cases.")
    parser.add_argument("--report", action="store_true")
    given = parser.parse_args()
    rows = [json.loads(line) for line in given.file.read_text().splitlines()] if given.file.exists() else []
    if given.report:
        print(report(rows))
        return
    done = {Case(**row["case"]) for row in rows}
    for case in cases(given.cases, given.seed):
        if case not in done:
            with given.file.open("a") as file:
                file.write(json.dumps(result(case)) + "\n")


if __name__ == "__main__":
    main()
