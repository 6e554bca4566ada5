"""Copies of one image under different ages: does an audit say which of the labels is wrong?

    deepgum audit DIR/utkface --backbone lite0:backbone --frozen trunk --image-size 128 --out RUN   (see lite0.py)
    PYTHONPATH=benchmarks python benchmarks/audit_copies.py RUN

Of each set of copies with different labels the one that is farther from the out-of-fold prediction is to be told from
all other labels: the area under the ROC curve, with a 95 % interval by a bootstrap over sets of copies and all other
samples. Three rankings, by

- the audit's posterior, which knows of the copies that at most one of their labels is right;
- the same residuals, without a look at the copies;
- plain residuals: out-of-fold predictions of the same network in the same folds, trained once with L2.

Chance is 0.5. What is farther is decided by the prediction of the ranking itself, and for the first two by the audit's.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from deepgum.audit.folder import AuditFolder
from deepgum.data.folds import folds
from deepgum.data.sets.request import Subset
from deepgum.data.splits import split_validation
from deepgum.experiments.audits.config import AuditConfig
from deepgum.experiments.audits.data import load_audit_data
from deepgum.experiments.audits.run import recorded
from deepgum.experiments.runs.network import prepare
from deepgum.residuals import predict
from deepgum.training import train_method

Values = NDArray[np.float64]

REPLICATES = 2000


def farther(given: Values, predicted: Values, copies: list[list[int]], least: float) -> NDArray[np.bool_]:
    """Return which samples carry the label that is farthest from the prediction, of copies more than `least` apart."""
    wrong = np.zeros(len(given), dtype=bool)
    for rows in copies:
        if np.ptp(given[rows]) > least:
            wrong[rows[int(np.argmax(np.abs(given[rows] - predicted[rows])))]] = True
    return wrong


def area(scores: Values, wrong: NDArray[np.bool_], copies: list[list[int]]) -> tuple[float, float, float]:
    """Return the area and its interval; copies are drawn together."""
    rng, unit = np.random.default_rng(0), np.arange(len(scores))
    for rows in copies:
        unit[rows] = rows[0]
    names, which = np.unique(unit, return_inverse=True)
    drawn = []
    for _ in range(REPLICATES):
        times = np.bincount(rng.integers(len(names), size=len(names)), minlength=len(names))[which]
        drawn.append(roc_auc_score(wrong, scores, sample_weight=times))
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(roc_auc_score(wrong, scores)), float(low), float(high)


def plain(config: AuditConfig) -> Values:
    """Return the out-of-fold predictions of one round of L2."""
    data = load_audit_data(config)
    samples, values, run = data.pool.data, data.keep_together, config.run
    subset = Subset(samples, samples.subset([0]), samples.subset([0]))
    network = prepare(run.model, subset, seed=run.seed, cache_dir=run.data.cache_dir, device=run.training.device)
    features, predicted = network.subset.train, np.empty(len(samples))
    for fold, test in enumerate(folds(len(samples), config.audit.folds, keep_together=values, seed=run.seed)):
        rest = np.setdiff1d(np.arange(len(samples)), test.numpy())
        train, validation = split_validation(len(rest), 0.1, fold, [values[row] for row in rest])
        parts = features.subset(rest[train.numpy()]), features.subset(rest[validation.numpy()])
        result = train_method("l2", *parts, sgd=run.training, model=network.build, seed=fold)
        predicted[test.numpy()] = predict(result.model, features, index=test).numpy()[:, 0]
    return predicted


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path, help="folder of the audit")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    folder = AuditFolder(arguments.run)
    labels, summary, config = folder.labels(), folder.summary(), recorded(folder)
    place = {name: row for row, name in enumerate(labels.ids)}
    copies = [[place[name] for name in group] for group in summary.conflicts]
    given, predicted = labels.given[:, 0], labels.predicted[:, 0]
    apart = sum(np.ptp(given[rows]) > 5 for rows in copies)
    print(
        f"{len(labels)} labels, {summary.fits} fits; {len(copies)} sets of copies in conflict, {apart} of them by more"
    )
    print(f"than 5 years. Mean absolute error {np.abs(given - predicted).mean():.2f} years.\n")
    alone = plain(config)
    print(f"L2, one round: mean absolute error {np.abs(given - alone).mean():.2f} years.\n")
    rankings = {
        "posterior of the audit": (-labels.responsibilities[:, 0], predicted),
        "its residuals, copies not looked at": (labels.mahalanobis[:, 0], predicted),
        "plain residuals, L2": (np.abs(given - alone), alone),
    }
    print("| ranking by | all conflicts | more than 5 years apart |")
    print("|---|---:|---:|")
    for name, (scores, by) in rankings.items():
        cells = []
        for least in (0.0, 5.0):
            auc, low, high = area(scores, farther(given, by, copies, least), copies)
            cells.append(f"{auc:.3f} ({low:.3f} to {high:.3f})")
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
