"""Wrong labels as they were published: the audit against plain residuals and cleanlab 2.9, with the same learner.

    pip install -c constraints.txt -e '.[benchmarks]'
    python benchmarks/real_labels.py FOLDER real.jsonl             # continues where it was stopped
    python benchmarks/real_labels.py FOLDER real.jsonl --report    # tables in Markdown

FOLDER holds these files. Nobody made these errors for a benchmark: a later release, a second annotator or a consensus
tells which labels are wrong. No set has an option of its own.

- `who.csv`: "Life Expectancy (WHO)", a table of a popular data site, beside the site's corrected release (columns
  `true ...`). A label is wrong if label / truth < 0.3 (digits were lost), and right within 10 %.
- `giantsteps.csv`: tempo of electronic music, first annotation (`bpm`), second annotation (`true_bpm`) and a published
  estimator (`pred_bpm`). A label is wrong if it is more than 4 % off.
- `aqsol.parquet`: aqueous solubility from nine sources (AqSolDB) with a published model's `Prediction` and descriptors.
  A label is wrong if it is more than 1 log unit from the median of at least three sources.
- `head_pose/aflw2000.npz`: features and poses of AFLW2000; 19 rows have an angle beyond 99 degrees. In
  `aflw2000_second_yaw.npz`, the size of the yaw by another release: disputed by more than 20 degrees.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.metrics import average_precision_score
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.multioutput import MultiOutputRegressor
from threadpoolctl import threadpool_limits

from deepgum import audit_labels, score_labels

Values = NDArray[np.float64]
Mask = NDArray[np.bool_]

WHO = ("Adult Mortality", "Polio", "Diphtheria", "Hepatitis B", "Population")
DEFINED_OTHERWISE = ("GDP", "BMI")
DIGITS_LOST, SAME = 0.3, 0.1
SEEDS = (0, 1)


@dataclass(frozen=True)
class Set:
    """Features or predictions, labels, their truth, and which labels are known to be wrong, or right.

    `tolerance` is the relative error, or with `is_absolute` the error, of a suggestion that counts as right.
    """

    y: Values
    truth: Values
    wrong: Mask
    right: Mask
    X: Values | None = None
    predicted: Values | None = None
    tolerance: float = SAME
    is_absolute: bool = False


# Sets.


def encoded(frame: pd.DataFrame) -> Values:
    """Numbers as they are, with a column that marks what is missing; categories as numbers."""
    columns = []
    for name in frame:
        values = frame[name]
        if not pd.api.types.is_numeric_dtype(values):
            columns.append(pd.Categorical(values).codes.astype(float))
            continue
        numbers = values.to_numpy(float)
        missing = np.isnan(numbers)
        columns.append(np.where(missing, np.nanmedian(numbers), numbers))
        if missing.any():
            columns.append(missing.astype(float))
    return np.stack(columns, axis=1)


def who(folder: Path, target: str) -> Set:
    table = pd.read_csv(folder / "who.csv")
    known = (table[target].notna() & table[f"true {target}"].notna()).to_numpy()
    table = table[known].reset_index(drop=True)
    features = [name for name in table if not name.startswith("true ") and name != target]
    y, truth = table[target].to_numpy(float), table[f"true {target}"].to_numpy(float)
    ratio = y / truth
    return Set(y, truth, ratio < DIGITS_LOST, np.abs(ratio - 1) < SAME, X=encoded(table[features]))


def giantsteps(folder: Path) -> Set:
    table = pd.read_csv(folder / "giantsteps.csv")[["bpm", "true_bpm", "pred_bpm"]].dropna()
    y, truth, predicted = table.to_numpy(float).T
    wrong = np.abs(y / truth - 1) > 0.04
    return Set(y, truth, wrong, ~wrong, predicted=predicted, tolerance=0.04)


def aqsol(folder: Path, rows: int | None) -> Set:
    table = pd.read_parquet(folder / "aqsol.parquet")
    table = table[table["Prediction"].notna()]
    if rows is not None:
        table = table.iloc[np.random.default_rng(0).permutation(len(table))[:rows]]
    y, truth = table["Solubility"].to_numpy(float), table["consensus"].to_numpy(float)
    judged, far = (table["n_sources"] >= 3).to_numpy(), np.abs(y - truth) > 1
    descriptors = list(table.columns[table.columns.get_loc("MolWt") :])
    return Set(
        y, truth, judged & far, judged & ~far,
        X=None if rows is None else encoded(table[["Prediction", *descriptors]]),
        predicted=table["Prediction"].to_numpy(float) if rows is None else None,
        tolerance=1.0, is_absolute=True,
    )  # fmt: skip


def aflw(folder: Path) -> Set:
    found = np.load(folder / "head_pose" / "aflw2000.npz")
    X, poses = found["features"].astype(float), found["poses"].astype(float)
    gross = (np.abs(poses) > 99).any(axis=1)
    other = np.load(folder / "aflw2000_second_yaw.npz")["abs_yaw"]
    disputed = np.abs(np.abs(poses[:, 0]) - other) > 20
    return Set(poses, np.full_like(poses, np.nan), gross, ~gross & ~disputed, X=X)


SETS: dict[str, Callable[[Path], Set]] = {
    **{f"WHO, {target}": lambda folder, target=target: who(folder, target) for target in WHO},
    "GiantSteps, predictions": giantsteps,
    "AqSolDB, predictions": lambda folder: aqsol(folder, None),
    "AqSolDB, 6,000 rows": lambda folder: aqsol(folder, 6000),
    "AFLW2000": aflw,
}


# Methods: a rank for each row, and flags.


@dataclass(frozen=True)
class Found:
    score: Values
    flags: Mask
    suggested: Values | None = None
    share: tuple[float, float, float] | None = None
    expected_false_flags: float | None = None
    fits: int = 0
    kinds: str = ""


def learner(data: Set, seed: int) -> Any:
    boosting = HistGradientBoostingRegressor(random_state=seed)
    return boosting if data.y.ndim == 1 else MultiOutputRegressor(boosting)


def ours(data: Set, seed: int) -> Found:
    if data.predicted is not None:
        scored = score_labels(data.predicted, data.y, seed=seed)
    else:
        scored = audit_labels(data.X, data.y, random_state=seed, groups="sample" if data.y.ndim > 1 else None)
    labels, summary = scored.labels, scored.summary
    # Probabilities of zero to a float are ranked by distance.
    far = labels.mahalanobis[:, 0]
    score = 1 - labels.responsibilities[:, 0] + 1e-9 * far / far.max()
    share = summary.share
    return Found(
        score,
        labels.flags[:, 0],
        labels.suggested[:, 0] if data.y.ndim == 1 else None,
        None if share is None else (share.estimate, share.low, share.high),
        summary.expected_false_flags,
        summary.fits,
        ", ".join(f"{each.name} {each.flags}" for each in summary.reasons),
    )


def residuals(data: Set, seed: int) -> Found:
    predicted = data.predicted
    fits = 0
    if predicted is None:
        predicted = cross_val_predict(learner(data, seed), data.X, data.y, cv=KFold(5, shuffle=True, random_state=seed))
        fits = 5
    away = np.abs(data.y - predicted)
    return Found(
        away if away.ndim == 1 else np.sqrt((away**2).sum(axis=1)), np.zeros(len(data.y), dtype=bool), fits=fits
    )


def cleanlab(data: Set, seed: int) -> Found:
    from cleanlab.regression.learn import CleanLearning

    found = CleanLearning(learner(data, seed), seed=seed).find_label_issues(data.X, data.y)
    return Found(-found["label_quality"].to_numpy(), found["is_label_issue"].to_numpy())


METHODS = {"deepgum": ours, "residuals": residuals, "cleanlab": cleanlab}


@dataclass(frozen=True)
class Line:
    set: str
    method: str
    seed: int
    labels: int
    wrong: int
    right: int
    average_precision: float
    flags: int
    right_flags: int
    false_flags: int
    suggestions: float | None
    share: tuple[float, float, float] | None
    expected_false_flags: float | None
    fits: int
    kinds: str
    seconds: float


def run(name: str, data: Set, method: str, seed: int) -> Line:
    begun = time.perf_counter()
    found = METHODS[method](data, seed)
    seconds = time.perf_counter() - begun
    known = data.wrong | data.right
    good = None
    hits = found.flags & data.wrong
    if found.suggested is not None and hits.any():
        away = np.abs(found.suggested[hits] - data.truth[hits])
        limit = data.tolerance * (1.0 if data.is_absolute else np.abs(data.truth[hits]))
        good = float(np.mean(away <= limit))
    return Line(
        name, method, seed, len(data.y), int(data.wrong.sum()), int(data.right.sum()),
        float(average_precision_score(data.wrong[known], found.score[known])),
        int(found.flags.sum()), int(hits.sum()), int((found.flags & data.right).sum()),
        good, found.share, found.expected_false_flags, found.fits, found.kinds, seconds,
    )  # fmt: skip


def report(lines: list[dict[str, Any]]) -> Iterator[str]:
    methods = [method for method in METHODS if any(line["method"] == method for line in lines)]
    yield "| set | seed | wrong / judged | " + " | ".join(f"AP {method}" for method in methods) + " |"
    yield "|---|---:|---:|" + "---:|" * len(methods)
    cases = list(dict.fromkeys((line["set"], line["seed"]) for line in lines))
    by = {(line["set"], line["seed"], line["method"]): line for line in lines}
    for name, seed in cases:
        first = next(by[name, seed, method] for method in methods if (name, seed, method) in by)
        scores = [f"{by[name, seed, m]['average_precision']:.3f}" if (name, seed, m) in by else "" for m in methods]
        yield f"| {name} | {seed} | {first['wrong']} / {first['wrong'] + first['right']} | {' | '.join(scores)} |"
    yield ""
    yield (
        "| set | seed | flags | precision | recall | suggestions | share said (at least, at most) | true share | "
        "false flags: expected, actual | fits | s | reasons |"
    )
    yield "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|"
    for name, seed in cases:
        line = by.get((name, seed, "deepgum"))
        if line is None:
            continue
        judged = line["right_flags"] + line["false_flags"]
        precision = f"{line['right_flags'] / judged:.3f}" if judged else ""
        good = "" if line["suggestions"] is None else f"{line['suggestions']:.2f}"
        share = "" if line["share"] is None else "{:.3f} ({:.3f}, {:.3f})".format(*line["share"])
        yield (
            f"| {name} | {seed} | {line['flags']} | {precision} | {line['right_flags'] / line['wrong']:.3f} | {good} | "
            f"{share} | {line['wrong'] / (line['wrong'] + line['right']):.3f} | {line['expected_false_flags']:.1f}, "
            f"{line['false_flags']} | {line['fits']} | {line['seconds']:.0f} | {line['kinds']} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the folder that holds the sets")
    parser.add_argument("path", type=Path, help="the file of results, one line per set, method and seed")
    parser.add_argument("--report", action="store_true", help="print the tables of the results")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS), metavar="SET")
    given = parser.parse_args()
    lines = [json.loads(text) for text in given.path.read_text().splitlines()] if given.path.exists() else []
    if given.report:
        print("\n".join(report(lines)))
        return
    done = {(line["set"], line["method"], line["seed"]) for line in lines}
    with threadpool_limits(1), given.path.open("a") as file:
        for name in given.sets:
            data = SETS[name](given.folder)
            for seed in SEEDS if data.predicted is None else SEEDS[:1]:
                for method in given.methods:
                    if (name, method, seed) in done or (method == "cleanlab" and (data.X is None or data.y.ndim > 1)):
                        continue
                    line = run(name, data, method, seed)
                    print(f"{name}, {method}, seed {seed}: {line.average_precision:.3f}", file=sys.stderr, flush=True)
                    file.write(json.dumps(asdict(line)) + "\n")
                    file.flush()


if __name__ == "__main__":
    main()
