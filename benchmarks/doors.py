"""How far apart the doors are: the same training by `fit_deepgum`, a loop of one's own, scikit-learn and Lightning.

On a table of scikit-learn's, a quarter of whose labels (but for the test part's) are drawn anew from their range.
Prints what each door comes to, and for each pair of doors the largest difference of their predictions, in standard
deviations of the labels, and of their posteriors. Ends with an error where one is above 1e-6.

    python benchmarks/doors.py [--table friedman1|diabetes] [--epochs 40] [--seed 0]
"""

from __future__ import annotations

import argparse
import copy
import itertools
import logging
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from sklearn.datasets import load_diabetes, make_friedman1
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from deepgum import DeepGUMOptions, RegressionData, SGDOptions, fit_deepgum
from deepgum.data import corrupt
from deepgum.data.indexed import EpochSampler, IndexedDataset
from deepgum.estimator import DeepGUMRegressor
from deepgum.lightning import DeepGUMCallback
from deepgum.residuals import predict
from deepgum.training.tracker import WARMUP_EPOCHS, ResponsibilityTracker

BOUND = 1e-6
RATE, BATCH = 3e-3, 32
OPTIONS = DeepGUMOptions(groups="sample", schedule="interleaved")


@dataclass(frozen=True)
class Task:
    """The inputs of every entry point."""

    network: nn.Module
    train: RegressionData
    wrong: Tensor
    held_out: RegressionData
    test: RegressionData
    epochs: int
    seed: int

    def fresh(self) -> nn.Module:
        return copy.deepcopy(self.network)

    def tracker(self) -> ResponsibilityTracker:
        return ResponsibilityTracker(len(self.train), options=OPTIONS, targets=self.train.targets)

    def loaders(self) -> tuple[DataLoader, DataLoader]:
        sampler = EpochSampler(len(self.train), self.seed, batch_size=BATCH)
        samples = IndexedDataset(TensorDataset(self.train.inputs, self.train.targets))
        held_out = TensorDataset(self.held_out.inputs, self.held_out.targets)
        return DataLoader(samples, BATCH, sampler=sampler), DataLoader(held_out, 256)

    def finish(self, model: nn.Module, tracker: ResponsibilityTracker) -> tuple[Tensor, Tensor]:
        """Return predictions (m, 1) of the test part and posteriors (n, 1), of a loop that is done."""
        model.eval()
        tracker.record(torch.arange(len(self.train)), self.train.targets - predict(model, self.train))
        tracker.update()
        return predict(model, self.test), tracker.responsibilities


def by_fit_deepgum(task: Task) -> tuple[Tensor, Tensor]:
    sgd = SGDOptions(learning_rate=RATE, batch_size=BATCH, epochs_max=task.epochs, patience=task.epochs)
    result = fit_deepgum(task.fresh(), task.train, task.held_out, options=OPTIONS, sgd=sgd, seed=task.seed)
    assert result.responsibilities is not None
    return predict(result.model, task.test), result.responsibilities


def by_own_loop(task: Task) -> tuple[Tensor, Tensor]:
    model, tracker, (loader, held_out) = task.fresh(), task.tracker(), task.loaders()
    optimizer = torch.optim.Adam(model.parameters(), RATE)
    best, best_score = {}, float("inf")
    for _ in range(task.epochs):
        for inputs, targets, index in loader:
            loss = tracker.loss(model(inputs), targets, index)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            score = tracker.score(torch.cat([targets - model(inputs) for inputs, targets in held_out]))
        if score < best_score:
            best, best_score = copy.deepcopy(model.state_dict()), score
        tracker.update()
    model.load_state_dict(best)
    return task.finish(model, tracker)


def by_scikit_learn(task: Task) -> tuple[Tensor, Tensor]:
    model = DeepGUMRegressor(
        task.network,
        max_epochs=task.epochs,
        warmup_epochs=WARMUP_EPOCHS,  # its own default is longer, for small tables
        batch_size=BATCH,
        learning_rate=RATE,
        lr_schedule="constant",
        patience=task.epochs,
        random_state=task.seed,
    )
    X, y, X_val, y_val = (
        np.asarray(values)
        for values in (task.train.inputs, task.train.targets, task.held_out.inputs, task.held_out.targets)
    )
    model.fit(X, y, X_val=X_val, y_val=y_val)
    predictions = model.predict(np.asarray(task.test.inputs)).reshape(-1, 1)
    return torch.as_tensor(predictions), torch.as_tensor(model.inlier_probability_)


class Module(lightning.LightningModule):
    def __init__(self, network: nn.Module, tracker: ResponsibilityTracker) -> None:
        super().__init__()
        self.network, self.tracker = network, tracker

    def training_step(self, batch: list[Tensor], _: int) -> Tensor:
        inputs, targets, index = batch
        return self.tracker.loss(self.network(inputs), targets, index)

    def validation_step(self, batch: list[Tensor], _: int) -> dict[str, Tensor]:
        inputs, targets = batch
        return {"residuals": targets - self.network(inputs)}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), RATE)


def by_lightning(task: Task) -> tuple[Tensor, Tensor]:
    module = Module(task.fresh(), task.tracker())
    with tempfile.TemporaryDirectory() as folder:
        best = ModelCheckpoint(folder, monitor="held_out_score")
        trainer = lightning.Trainer(
            max_epochs=task.epochs,
            callbacks=[DeepGUMCallback(module.tracker), best],
            accelerator="cpu",
            devices=1,
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(module, *task.loaders())
        module.load_state_dict(torch.load(best.best_model_path, weights_only=True)["state_dict"])
    return task.finish(module.network, module.tracker)


DOORS: dict[str, Callable[[Task], tuple[Tensor, Tensor]]] = {
    "fit_deepgum": by_fit_deepgum,
    "own loop": by_own_loop,
    "scikit-learn": by_scikit_learn,
    "Lightning": by_lightning,
}


def make_task(table: str, epochs: int, seed: int) -> Task:
    if table == "diabetes":
        X, y = load_diabetes(return_X_y=True)
    else:
        X, y = make_friedman1(1200, noise=0.5, random_state=seed)
    x, y = (torch.as_tensor((v - v.mean(axis=0)) / v.std(axis=0), dtype=torch.float32) for v in (X, y[:, None]))
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    held, tested = len(x) // 8, len(x) // 6
    n = len(x) - held - tested
    # One sample more than whole batches: the last batch of an epoch would be of it alone, and every door leaves it out.
    n -= (n - 1) % BATCH
    parts = {"train": order[:n], "held_out": order[n : n + held], "test": order[n + held :]}
    labels, wrong = y.clone(), torch.zeros(len(x), dtype=torch.bool)
    for name in ("train", "held_out"):
        spoiled = corrupt(y[parts[name]], "uniform", 0.25, torch.Generator().manual_seed(seed + 1))
        labels[parts[name]], wrong[parts[name]] = spoiled.targets, spoiled.outlier[:, 0]
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Linear(x.shape[1], 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
    data = {name: RegressionData.from_arrays(x[rows], labels[rows]) for name, rows in parts.items()}
    return Task(network, wrong=wrong[parts["train"]], epochs=epochs, seed=seed, **data)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", choices=("friedman1", "diabetes"), default="friedman1")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")

    task = make_task(arguments.table, arguments.epochs, arguments.seed)
    found = {name: door(task) for name, door in DOORS.items()}
    print(f"{arguments.table}: {len(task.train)} labels, {int(task.wrong.sum())} wrong, {arguments.epochs} epochs\n")
    print("| door | mean absolute error on the test part | labels flagged | of them wrong |\n|---|---:|---:|---:|")
    for name, (predictions, posteriors) in found.items():
        error = (predictions - task.test.targets).abs().mean().item()
        flags = posteriors[:, 0] < 0.5
        print(f"| {name} | {error:.6f} | {int(flags.sum())} | {int((flags & task.wrong).sum())} |")
    print("\n| doors | largest difference of predictions | of posteriors |\n|---|---:|---:|")
    largest = 0.0
    for one, other in itertools.combinations(found, 2):
        apart = [(a.double() - b.double()).abs().max().item() for a, b in zip(found[one], found[other], strict=True)]
        largest = max(largest, *apart)
        print(f"| {one}, {other} | {apart[0]:.1e} | {apart[1]:.1e} |")
    if largest > BOUND:
        sys.exit(f"The doors are apart by {largest:.1e}, above {BOUND:.0e}.")


if __name__ == "__main__":
    main()
