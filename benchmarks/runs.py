"""Wrong labels that come in runs: an audit with and without the second level, on tables that scikit-learn makes.

    python benchmarks/runs.py runs.jsonl             # continues where it was stopped
    python benchmarks/runs.py runs.jsonl --real FOLDER  # published tables instead; see `real_labels.py` for FOLDER
    python benchmarks/runs.py runs.jsonl --report    # tables in Markdown

A table has 40 runs of 30 rows. The rows of a run have similar features, and share an offset that is right (a random
intercept of 0.3 standard deviations of the noise). In a case, some runs are bad: their labels are shifted, noisy, stuck
at one value, drift away, or half of them are replaced by other labels of the table. In the case "even", as many labels
are replaced, but all runs alike. In "none" no label is wrong, and in "noisy runs" no label is wrong, but the noise
differs between runs by a factor of up to three.

A label counts as wrong if it is more than one standard deviation of the noise from the right label. Both methods are
`audit_labels` with `keep_together`. "one share" has folds by run only: one share of wrong labels for all runs, and
local noise from all neighbours. The published tables are those of the WHO, by country, and AqSolDB with its own
predictions, by source.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.datasets import make_friedman1, make_friedman2, make_regression
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.metrics import average_precision_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from deepgum import Scored, audit_labels, score_labels
from deepgum.audit import ScoredLabels
from deepgum.posteriors.runs.run_names import Runs
from real_labels import WHO, aqsol, who

Values = NDArray[np.float64]

RUNS, ROWS = 40, 30
INTERCEPT = 0.3

TABLES: dict[str, tuple[Callable[[int], tuple[Values, Values]], Callable[[int], Any]]] = {
    "friedman1, boosting": (
        lambda seed: make_friedman1(RUNS * ROWS, noise=0.0, random_state=seed),
        lambda seed: HistGradientBoostingRegressor(max_iter=60, random_state=seed),
    ),
    "friedman2, ridge": (
        lambda seed: make_friedman2(RUNS * ROWS, noise=0.0, random_state=seed),
        lambda seed: make_pipeline(StandardScaler(), Ridge()),
    ),
    "linear, ridge": (
        lambda seed: make_regression(RUNS * ROWS, 10, n_informative=5, noise=0.0, random_state=seed),
        lambda seed: Ridge(),
    ),
}
"""Tables, each with a learner."""

ERRORS = ("shift", "noise", "stuck", "drift", "half")
CASES = [
    ("none", 0.0),
    ("noisy runs", 0.0),
    ("even", 0.1),
    *((error, rate) for error in ERRORS for rate in (0.05, 0.2)),
]
SEEDS = range(5)


def table(name: str, seed: int, case: str, rate: float) -> tuple[Values, Values, Values, Values, NDArray[np.bool_]]:
    """Features, labels, right labels and runs, and which labels are wrong."""
    random = np.random.default_rng([seed, 7])
    X, truth = TABLES[name][0](seed)
    # Rows of a run are similar: the rows are sorted by a feature with noise.
    order = np.argsort(X[:, 0] / X[:, 0].std() + random.normal(0, 0.5, len(X)))
    X, truth = X[order], truth[order]
    runs = np.repeat(np.arange(RUNS), ROWS)
    noise = 0.2 * truth.std()
    factor = np.exp(random.uniform(np.log(0.6), np.log(1.8), RUNS)) if case == "noisy runs" else np.ones(RUNS)
    right = truth + noise * INTERCEPT * random.normal(size=RUNS)[runs]
    y = right + noise * factor[runs] * random.normal(size=len(X))
    given = y.copy()
    if case == "even":
        rows = random.permutation(len(X))[: int(rate * len(X))]
        given[rows] = random.permutation(y)[: len(rows)]
    for run in random.permutation(RUNS)[: round(rate * RUNS)] if case in ERRORS else ():
        rows = np.flatnonzero(runs == run)
        if case == "shift":
            given[rows] += random.choice([-1, 1]) * random.uniform(2, 6) * noise
        if case == "noise":
            given[rows] += random.normal(0, 5 * noise, ROWS)
        if case == "stuck":
            given[rows] = random.choice(y)
        if case == "drift":
            given[rows] += random.choice([-1, 1]) * np.linspace(0, 8, ROWS) * noise
        if case == "half":
            half = random.permutation(rows)[: ROWS // 2]
            given[half] = random.choice(y, len(half))
    return X, given, y, runs, np.abs(given - y) > noise


METHODS = ("one share", "by run")


def audit(X: Values, y: Values, runs: Values, learner: Any, seed: int, method: str) -> Scored:
    """Audit a table with folds by run. With one share, the audit does not know the runs otherwise."""
    known = mock.patch.object(Runs, "of", return_value=None) if method == "one share" else nullcontext()
    with known:
        return audit_labels(X, y, learner, keep_together=runs, random_state=seed)


def measure(name: str, case: str, rate: float, seed: int, method: str) -> dict[str, Any]:
    X, given, right, runs, wrong = table(name, seed, case, rate)
    begun = time.perf_counter()
    scored = audit(X, given, runs, TABLES[name][1](seed), seed, method)
    seconds = time.perf_counter() - begun
    labels, share = scored.labels, scored.summary.share
    flags = labels.flags[:, 0]
    drift = np.array([labels.kinds.get((row, 0)) == "drift" for row in range(len(given))])
    error = np.abs(labels.suggested[:, 0] - right)
    by_run = {each.name: each.share.low for each in scored.summary.runs}
    of_run = pd.Series(wrong).groupby(runs).mean()
    result = {
        "wrong": int(wrong.sum()),
        "flags": int(flags.sum()),
        "right flags": int((flags & wrong).sum()),
        "expected false": round(scored.summary.expected_false_flags, 2),
        "share": None if share is None else [share.low, share.estimate],
        "drift": int(drift.sum()),
        "drift, wrong run": int((drift & ~np.isin(runs, runs[wrong])).sum()),
        "drift, within uncertainty": int((error <= 1.96 * labels.uncertainty[:, 0])[drift].sum()),
        "drift, error": float(error[drift].sum()),
        "drift, error of predictions": float(np.abs(labels.predicted[:, 0] - right)[drift].sum()),
        "runs with flags": int(sum(each.flags > 0 for each in scored.summary.runs)),
        "runs below the bound": int(sum(of_run[int(run)] < low for run, low in by_run.items())),
        "seconds": round(seconds, 2),
    }
    if wrong.any():
        result["ap"] = ranked(labels, wrong, np.ones(len(wrong), dtype=bool))
    return {"table": name, "case": case, "rate": rate, "seed": seed, "method": method, **result}


def real(folder: Path, name: str, seed: int, method: str) -> dict[str, Any]:
    """Measure a published table: WHO by country, or AqSolDB by source, with its own predictions."""
    if name == "aqsol":
        frame = pd.read_parquet(folder / "aqsol.parquet")
        values, runs = aqsol(folder, None), frame["source"][frame["Prediction"].notna()].to_numpy()
        known = runs if method == "by run" else None
        scored = score_labels(values.predicted, values.y, runs=known, seed=seed)
    else:
        frame, values = pd.read_csv(folder / "who.csv"), who(folder, name)
        runs = frame["Country"][frame[name].notna() & frame[f"true {name}"].notna()].to_numpy()
        scored = audit(values.X, values.y, runs, None, seed, method)
    judged, wrong = values.wrong | values.right, values.wrong
    labels, flags = scored.labels, scored.labels.flags[:, 0]
    return {
        "table": name, "case": "published", "rate": 0.0, "seed": seed, "method": method,
        "wrong": int(wrong.sum()), "flags": int((flags & judged).sum()), "right flags": int((flags & wrong).sum()),
        "expected false": round(scored.summary.expected_false_flags, 2),
        "drift": sum(kind == "drift" for kind in labels.kinds.values()),
        "ap": ranked(labels, wrong, judged),
    }  # fmt: skip


def ranked(labels: ScoredLabels, wrong: NDArray[np.bool_], judged: NDArray[np.bool_]) -> float:
    """Average precision, with equal probabilities in the order of distances."""
    order = np.lexsort((-labels.mahalanobis[:, 0], labels.responsibilities[:, 0]))
    order = order[judged[order]]
    return float(average_precision_score(wrong[order], -np.arange(len(order))))


def cases() -> Iterator[tuple[str, str, float, int]]:
    for seed in SEEDS:
        for name in TABLES:
            for case, rate in CASES:
                yield name, case, rate, seed


def report(records: list[dict[str, Any]]) -> str:
    frame = pd.DataFrame(records)
    published = frame["case"] == "published"
    parts = [
        flags_table(frame[~published], ["case", "rate"], "case, runs that are bad"),
        totals(frame[~published & (frame["method"] == "by run")]),
        flags_table(frame[published], ["table"], "published table"),
    ]
    return "\n\n".join(filter(None, parts))


def flags_table(frame: pd.DataFrame, by: list[str], heading: str) -> str:
    """Average precision and flags of both methods."""
    lines = [
        f"| {heading} | method | average precision | precision | recall | false flags a table |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for key, some in frame.groupby(by, sort=False):
        name = f"{key[0]}, {100 * key[1]:.0f} %" if key[0] in ERRORS else key[0]
        for method, each in some.groupby("method", sort=False):
            flags, right, wrong = (each[column].sum() for column in ("flags", "right flags", "wrong"))
            found = f"{each['ap'].mean():.3f} | {right / max(flags, 1):.3f} | {right / wrong:.3f}" if wrong else " | | "
            lines.append(f"| {name} | {method} | {found} | {(flags - right) / len(each):.1f} |")
    return "\n".join(lines) if len(frame) else ""


def totals(frame: pd.DataFrame) -> str:
    """Sentences on offsets, bounds of runs and expected false flags, over all cases."""
    if frame.empty:
        return ""
    total = frame.select_dtypes("number").sum()
    false, drift = total["flags"] - total["right flags"], total["drift"]
    words = (
        f"By run, over {len(frame)} tables: {false:.0f} false flags, {total['expected false']:.0f} expected. Of "
        f"{total['runs with flags']:.0f} runs with flags, {total['runs below the bound']:.0f} have fewer wrong labels "
        f"than the lower bound. {drift:.0f} labels have the reason `drift`."
    )
    if not drift:
        return words
    return (
        f"{words} {total['drift, wrong run']:.0f} of them are in runs without wrong labels. The right label is within "
        f"1.96 of the uncertainty of {total['drift, within uncertainty']:.0f} suggestions. Their mean error is "
        f"{total['drift, error'] / total['drift, error of predictions']:.2f} times that of the predictions."
    )


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("--report", action="store_true", help="print tables of the results in the file")
    parser.add_argument("--seeds", type=int, nargs="*", help="only these seeds")
    parser.add_argument("--real", type=Path, metavar="FOLDER", help="measure the published tables of this folder")
    options = parser.parse_args(arguments)
    records = [json.loads(line) for line in options.file.read_text().splitlines()] if options.file.exists() else []
    if options.report:
        print(report(records))
        return
    done = {(*(each[name] for name in ("table", "case", "rate", "seed")), each["method"]) for each in records}
    with threadpool_limits(1), options.file.open("a") as file:
        for name in (*WHO, "aqsol") if options.real else ():
            for method in METHODS:
                if (name, "published", 0.0, 0, method) not in done:
                    file.write(json.dumps(real(options.real, name, 0, method)) + "\n")
                    file.flush()
        for case in () if options.real else cases():
            if options.seeds and case[-1] not in options.seeds:
                continue
            for method in METHODS:
                if (*case, method) not in done:
                    file.write(json.dumps(measure(*case, method)) + "\n")
                    file.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
