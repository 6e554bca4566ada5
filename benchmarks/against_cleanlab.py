"""Wrong labels in tables: the audit against cleanlab 2.9, with the same learner, the same data and one thread.

    pip install -c constraints.txt -e '.[benchmarks]'
    python benchmarks/against_cleanlab.py cleanlab.jsonl             # goes on where it was stopped
    python benchmarks/against_cleanlab.py cleanlab.jsonl --report    # tables in Markdown, and what they come to

A case is a table that scikit-learn ships or makes, a noise, a rate, a learner and a seed. Each method is given the same
spoiled labels and a fresh copy of the learner, ranks all labels, and flags some. Counted are the average precision of
the ranking, precision and recall of the flags, how often the learner was fitted, and seconds. The methods take turns in
going first. One line a case and method is written when it is done; what is in the file is not done again.

The methods of cleanlab have their defaults. "CleanLearning" and "Datalab" are given the learner; Datalab passes it on
to CleanLearning, so the two differ by their random folds alone. "Datalab, predictions" is given out-of-fold predictions
of the learner, of one pass over five folds. "residuals" are those of the same pass, as they are, and flag nothing.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_wine,
    make_friedman1,
    make_friedman2,
    make_friedman3,
    make_regression,
)
from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.metrics import average_precision_score
from sklearn.model_selection import KFold, cross_val_predict
from threadpoolctl import threadpool_limits

from deepgum import audit_labels

Values = NDArray[np.float64]
Table = tuple[Values, Values]

OURS = "deepgum"
THEIRS = "CleanLearning"


# Tables: features, and a label that is real.


def shipped(load: Callable[[], Any], column: int) -> Callable[[int], Table]:
    """One feature of a table of classes, predicted from the others."""

    def table(seed: int) -> Table:
        data = load().data
        return np.delete(data, column, axis=1), data[:, column]

    return table


TABLES: dict[str, Callable[[int], Table]] = {
    "diabetes": lambda seed: load_diabetes(return_X_y=True),
    "friedman1": lambda seed: make_friedman1(1000, noise=1.0, random_state=seed),
    "friedman2": lambda seed: make_friedman2(1000, noise=100.0, random_state=seed),
    "friedman3": lambda seed: make_friedman3(1000, noise=0.1, random_state=seed),
    "linear": lambda seed: make_regression(500, 10, n_informative=5, noise=30.0, random_state=seed),
    "wine, alcohol": shipped(load_wine, 0),
    "iris, sepal length": shipped(load_iris, 0),
    "cancer, smoothness": shipped(load_breast_cancer, 4),
    "digits, a pixel": shipped(load_digits, 36),
}


# Noises: labels of some rows made wrong.


def uniform(rng: np.random.Generator, y: Values, rows: NDArray[np.int64]) -> Values:
    return rng.uniform(y.min(), y.max(), size=len(rows))


def shift(rng: np.random.Generator, y: Values, rows: NDArray[np.int64]) -> Values:
    return y[rows] + rng.choice([-1, 1], len(rows)) * rng.uniform(1, 3, len(rows)) * y.std()


def swap(rng: np.random.Generator, y: Values, rows: NDArray[np.int64]) -> Values:
    return y[np.roll(rows, 1)]


def unit(rng: np.random.Generator, y: Values, rows: NDArray[np.int64]) -> Values:
    return y[rows] * rng.choice([0.1, 10.0], len(rows))


NOISES = {noise.__name__: noise for noise in (uniform, shift, swap, unit)}
RATES = (0.05, 0.15)


@dataclass(frozen=True)
class Case:
    table: str
    noise: str
    rate: float
    learner: str
    seed: int

    def data(self) -> tuple[Values, Values, NDArray[np.bool_]]:
        """Return standardised features, the labels that are given, and which of those are wrong."""
        X, y = TABLES[self.table](self.seed)
        rng = np.random.default_rng([self.seed, list(NOISES).index(self.noise), round(1000 * self.rate)])
        # Shipped tables are sorted by class.
        order = rng.permutation(len(y))
        X, y = X[order], y[order].astype(float)
        given = y.copy()
        # Another unit of 0 is 0.
        rows = rng.permutation(np.flatnonzero(y))[: round(self.rate * len(y))]
        given[rows] = NOISES[self.noise](rng, y, rows)
        scale = X.std(axis=0)
        return (X - X.mean(axis=0)) / np.where(scale > 0, scale, 1.0), given, given != y


# Learners, and how often they are fitted.


LEARNERS: dict[str, Callable[[int], BaseEstimator]] = {
    "boosting": lambda seed: HistGradientBoostingRegressor(
        max_iter=60, max_leaf_nodes=8, min_samples_leaf=10, early_stopping=False, random_state=seed
    ),
    "trees": lambda seed: ExtraTreesRegressor(30, min_samples_leaf=2, random_state=seed),
    "ridge": lambda seed: Ridge(),
}


class Counted(RegressorMixin, BaseEstimator):
    """A learner that notes each fit in a list that its copies share."""

    def __init__(self, learner: BaseEstimator, fits: list[int]) -> None:
        self.learner = learner
        self.fits = fits

    def __sklearn_clone__(self) -> Counted:
        return Counted(clone(self.learner), self.fits)

    def fit(self, X: Values, y: Values, sample_weight: Values | None = None) -> Counted:
        self.fits.append(len(y))
        self.learner.fit(X, y, sample_weight=sample_weight)
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X: Values) -> Values:
        return self.learner.predict(X)


# Methods: how wrong each label seems, and which are flagged.


Ranking = tuple[Values, NDArray[np.bool_]]


def clean_learning(X: Values, y: Values, learner: BaseEstimator, seed: int) -> Ranking:
    from cleanlab.regression.learn import CleanLearning

    found = CleanLearning(learner, seed=seed).find_label_issues(X, y)
    # Not 1 - quality: that would make equal what is closer to 1 than floats are.
    return -found["label_quality"].to_numpy(), found["is_label_issue"].to_numpy()


def _datalab(y: Values, **about: Any) -> Ranking:
    from cleanlab import Datalab

    lab = Datalab({"y": y}, label_name="y", task="regression", verbosity=0)
    lab.find_issues(**about)
    found = lab.get_issues("label")
    return -found["label_score"].to_numpy(), found["is_label_issue"].to_numpy()


def datalab(X: Values, y: Values, learner: BaseEstimator, seed: int) -> Ranking:
    # With the seed of `clean_learning` it gives the same to the last digit; so it has folds of its own.
    settings = {"clean_learning_kwargs": {"model": learner, "seed": 1000 + seed}}
    return _datalab(y, features=X, issue_types={"label": settings})


def datalab_predictions(X: Values, y: Values, learner: BaseEstimator, seed: int) -> Ranking:
    predictions = cross_val_predict(learner, X, y, cv=KFold(5, shuffle=True, random_state=seed))
    return _datalab(y, pred_probs=predictions, issue_types={"label": {}})


def residuals(X: Values, y: Values, learner: BaseEstimator, seed: int) -> Ranking:
    """Out-of-fold residuals as they are: what any method has to be better than."""
    predictions = cross_val_predict(learner, X, y, cv=KFold(5, shuffle=True, random_state=seed))
    return np.abs(y - predictions), np.zeros(len(y), dtype=bool)


def ours(X: Values, y: Values, learner: BaseEstimator, seed: int) -> Ranking:
    labels = audit_labels(X, y, learner, random_state=seed).labels
    # Not the posteriors: in one dimension they rank the same, but for those that are all zero to a float, and for
    # known kinds of wrong labels.
    return labels.mahalanobis[:, 0], labels.flags[:, 0]


METHODS: dict[str, Callable[[Values, Values, BaseEstimator, int], Ranking]] = {
    OURS: ours,
    THEIRS: clean_learning,
    "Datalab": datalab,
    "Datalab, predictions": datalab_predictions,
    "residuals": residuals,
}


@dataclass(frozen=True)
class Line:
    table: str
    noise: str
    rate: float
    learner: str
    seed: int
    method: str
    labels: int
    wrong: int
    average_precision: float
    flags: int
    right_flags: int
    fits: int
    seconds: float


def run(case: Case, method: str) -> Line:
    X, given, wrong = case.data()
    fits: list[int] = []
    learner = Counted(LEARNERS[case.learner](case.seed), fits)
    start = time.perf_counter()
    scores, flags = METHODS[method](X, given, learner, case.seed)
    seconds = time.perf_counter() - start
    return Line(
        **asdict(case),
        method=method,
        labels=len(given),
        wrong=int(wrong.sum()),
        average_precision=float(average_precision_score(wrong, scores)),
        flags=int(flags.sum()),
        right_flags=int((flags & wrong).sum()),
        fits=len(fits),
        seconds=seconds,
    )


# What is done, and what it comes to.

Key = tuple[Any, ...]


def key(line: dict[str, Any]) -> Key:
    return tuple(line[name] for name in ("table", "noise", "rate", "learner", "seed", "method"))


def read(path: Path) -> list[dict[str, Any]]:
    """Read the lines; a last one that was cut off, when the process was killed, is left out."""
    lines = []
    for text in path.read_text().splitlines() if path.exists() else []:
        try:
            lines.append(json.loads(text))
        except ValueError:
            print(f"left out of {path}: {text[:60]}", file=sys.stderr)
    return lines


def measure(path: Path, cases: Iterable[Case], methods: list[str]) -> None:
    done = {key(line) for line in read(path)}
    for method in methods:
        # What is imported, and compiled, when a method is first used is not its time.
        run(Case("iris, sepal length", "uniform", RATES[0], "ridge", 0), method)
    # A new line first: should the last one be cut off, it spoils nothing but itself.
    with path.open("a") as file:
        file.write("\n" if path.stat().st_size and not path.read_text().endswith("\n") else "")
        for turn, case in enumerate(cases):
            first = turn % len(methods)
            for method in methods[first:] + methods[:first]:
                if (*asdict(case).values(), method) not in done:
                    file.write(json.dumps(asdict(run(case, method))) + "\n")
                    file.flush()


def report(lines: list[dict[str, Any]]) -> Iterator[str]:
    """Tables in Markdown, of the cases that every method has done."""
    found: dict[str, dict[Key, dict[str, Any]]] = {}
    for line in lines:
        found.setdefault(line["method"], {})[key(line)[:-1]] = line
    methods = [method for method in METHODS if method in found]
    common = set.intersection(*(set(found[method]) for method in methods))
    learners = [learner for learner in LEARNERS if any(case[3] == learner for case in common)]
    tables = [table for table in TABLES if any(case[0] == table for case in common)]

    def mean(method: str, value: str, cases: Iterable[Key]) -> float:
        return float(np.mean([found[method][case][value] for case in cases]))

    def gain(cases: list[Key], rival: str) -> tuple[float, float]:
        """Mean difference, and its standard error: of the seeds' means, since the cases of a seed share their table."""
        by_seed: dict[int, list[float]] = {}
        for case in cases:
            difference = found[OURS][case]["average_precision"] - found[rival][case]["average_precision"]
            by_seed.setdefault(case[4], []).append(difference)
        means = [float(np.mean(values)) for values in by_seed.values()]
        return float(np.mean(means)), float(np.std(means, ddof=1) / np.sqrt(len(means))) if len(means) > 1 else np.nan

    def row(name: str, cases: list[Key]) -> str:
        scores = [f"{100 * mean(method, 'average_precision', cases):.1f}" for method in methods]
        gains = [f"{100 * m:+.1f} ± {100 * e:.1f}" for m, e in (gain(cases, rival) for rival in rivals)]
        return f"| {' | '.join([name, *scores, *gains])} |"

    rivals = [method for method in methods if method not in (OURS, "residuals")]
    heads = [*methods, *(f"{OURS} less {rival}" for rival in rivals)]
    noises = sorted({case[1] for case in common})
    seeds = sorted({case[4] for case in common})
    yield f"{len(common)} cases: noises {', '.join(noises)}; rates {', '.join(map(str, RATES))}; seeds {seeds}."
    for learner in learners:
        of_learner = [case for case in common if case[3] == learner]
        yield f"\n### {learner}: average precision (%), mean over noises, rates and seeds\n"
        yield f"| table | {' | '.join(heads)} |"
        yield f"|---|{'---:|' * len(heads)}"
        for table in tables:
            yield row(table, [case for case in of_learner if case[0] == table])
        for noise in noises:
            yield row(f"*{noise}*", [case for case in of_learner if case[1] == noise])
        yield row("**all**", of_learner)
    yield "\n### Flags, fits and seconds, means of a case\n"
    yield "| learner | method | fits | seconds | labels flagged | precision of flags (%) | recall (%) |"
    yield "|---|---|---:|---:|---:|---:|---:|"
    for learner, method in itertools.product(learners, methods):
        of = [found[method][case] for case in common if case[3] == learner]
        flags, right, wrong, fits = (sum(line[v] for line in of) for v in ("flags", "right_flags", "wrong", "fits"))
        precision = f"{100 * right / flags:.1f}" if flags else "none"
        yield (
            f"| {learner} | {method} | {fits / len(of):.1f} | {sum(line['seconds'] for line in of) / len(of):.2f} "
            f"| {flags / len(of):.1f} | {precision} | {100 * right / wrong:.1f} |"
        )
    yield "\n### What was claimed\n"
    for rival in rivals:
        for learner in learners:
            of_learner = [case for case in common if case[3] == learner]
            gains = {table: gain([case for case in of_learner if case[0] == table], rival)[0] for table in tables}
            behind = [f"{table} ({100 * value:+.1f})" for table, value in gains.items() if value < 0]
            average, error = gain(of_learner, rival)
            fewer = [found[rival][case]["fits"] / found[OURS][case]["fits"] for case in of_learner]
            seconds = mean(rival, "seconds", of_learner) / mean(OURS, "seconds", of_learner)
            yield f"- {rival}, {learner}:"
            yield f"    - at least equal on every table: {'yes' if not behind else 'no: ' + ', '.join(behind)}"
            yield f"    - better on average: {'yes' if average > 0 else 'no'}, {100 * average:+.1f} ± {100 * error:.1f}"
            yield f"    - its fits over ours: {min(fewer):.1f} to {max(fewer):.1f}; seconds over ours: {seconds:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="JSON lines, one a case and method; appended to")
    parser.add_argument("--report", action="store_true", help="print what is in the results, and measure nothing")
    parser.add_argument("--seeds", nargs="+", type=int, default=list(range(10)))
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--learners", nargs="+", choices=LEARNERS, default=list(LEARNERS))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    arguments = parser.parse_args()
    if arguments.report:
        lines = read(arguments.results)
        print("\n".join(report(lines)) if lines else f"Nothing is in {arguments.results}.")
        return
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    # The seed outermost: wherever it is stopped, all tables have been seen about as often.
    cases = (
        Case(table, noise, rate, learner, seed)
        for seed, learner, table, noise, rate in itertools.product(
            arguments.seeds, arguments.learners, arguments.tables, NOISES, RATES
        )
    )
    with threadpool_limits(limits=1):
        measure(arguments.results, cases, arguments.methods)


if __name__ == "__main__":
    main()
