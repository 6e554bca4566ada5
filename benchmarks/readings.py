"""Algorithm 1 to the letter, as its authors' code has it and as this library does, from `deepgum compare`.

python benchmarks/readings.py docs/results/faces

Prints a table in Markdown: the mean over seeds, in brackets the lowest and the highest.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

from deepgum.experiments.paper.records import RunRecord, read_records

READINGS = {"deepgum-paper": "paper", "deepgum-authors": "authors' code", "deepgum-alternate": "this library's"}
CONDITIONS = (("l-ugo", 0.4), ("ngo", 0.4))
COLUMNS = {"failure_rate": "failures (%)", "precision": "precision (%)", "recall": "recall (%)"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="+", type=Path, help="results files, or folders that hold one")
    records = read_records(parser.parse_args().results)
    print("| noise | reading | " + " | ".join(COLUMNS.values()) + " | epochs | seeds |")
    print("|---|---|" + "---:|" * (len(COLUMNS) + 2))
    for noise, rate in CONDITIONS:
        for method, name in READINGS.items():
            found = [r for r in records if (r.method, r.noise, r.rate) == (method, noise, rate)]
            if found:
                print(row(f"{noise} {rate:.0%}", name, found))


def row(noise: str, name: str, records: Sequence[RunRecord]) -> str:
    cells = [spread([100 * getattr(record, field) for record in records]) for field in COLUMNS]
    epochs = f"{mean(record.epochs for record in records):.0f}"
    return f"| {noise} | {name} | " + " | ".join(cells) + f" | {epochs} | {len({r.seed for r in records})} |"


def spread(values: Sequence[float]) -> str:
    return f"{mean(values):.1f} ({min(values):.1f} to {max(values):.1f})"


if __name__ == "__main__":
    main()
