"""How the defaults of `DeepGUMOptions` were chosen: candidates on faces that are neither trained on nor tested on.

The official training list of LFW + NET is cut in three by a seed: faces to train on, faces to stop by (both with wrong
labels), and faces to choose by, whose labels are left as they are. The official test faces are never touched. One JSON
object a run goes to standard output, and is appended to `--out`; what is there already is not run again.

    python benchmarks/choose_default.py --data DIR --out docs/results/choose-default.jsonl

Candidates that begin with "interleaved" are one run of SGD, with EM after every epoch:

    python benchmarks/choose_default.py --data DIR --out docs/results/choose-interleaved.jsonl --schedule one-cycle \
        --learning-rate 0.002 --epochs-max 25 --patience 25 --conditions ngo:0.4 l-ugo:0.6 g-ugo:0.5 \
        --names oracle-l1 interleaved "interleaved, not widened" "interleaved, Gaussian tails" "interleaved, neither"
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any

import torch

from deepgum.data.corruption import NOISES, corrupt
from deepgum.data.regression import RegressionData
from deepgum.data.sets.lfw_net import load_lfw_net
from deepgum.evaluation import DetectionScores, detection_scores, failure_rate
from deepgum.models import build_model
from deepgum.residuals import predict
from deepgum.training import (
    Alternate,
    DeepGUMOptions,
    Interleaved,
    SGDOptions,
    TrainingResult,
    fit_deepgum,
    fit_loss,
)
from deepgum.training.baselines import without_labels

FRESH = Alternate(restart="fresh")
CANDIDATES: dict[str, dict[str, Any]] = {
    "continue": {"preset": "alternate"},
    "fresh": {"preset": "alternate", "schedule": FRESH},
    "fresh, first loss L1": {"preset": "alternate", "schedule": FRESH, "first_loss": "l1"},
    "fresh, weighted L2": {"preset": "alternate", "schedule": FRESH, "weighted_loss": "l2"},
    "fresh, uniform by range": {"preset": "alternate", "schedule": FRESH, "mixture": {"uniform": "range"}},
    "paper": {"preset": "paper"},
    "paper, a round's start counts": {"preset": "paper", "schedule": {"start_counts": True}},
    "interleaved": {},
    "interleaved, not widened": {"schedule": Interleaved(widening=1.0)},
    "interleaved, widened 1.4": {"schedule": Interleaved(widening=1.4)},
    "interleaved, widened 3": {"schedule": Interleaved(widening=3.0)},
    "interleaved, Gaussian tails": {"schedule": Interleaved(degrees_of_freedom=math.inf)},
    "interleaved, 2 degrees of freedom": {"schedule": Interleaved(degrees_of_freedom=2.0)},
    "interleaved, neither": {"schedule": Interleaved(1.0, math.inf)},
}
BASELINES = ("oracle", "oracle-l1")
CONDITIONS = ("l-ugo:0.4", "ngo:0.4", "g-ugo:0.5")


def train(
    name: str, faces: RegressionData, stop: RegressionData, noise: str, rate: float, seed: int, sgd: SGDOptions
) -> tuple[TrainingResult, DetectionScores]:
    """Train one candidate under one corruption; return what came of it, and how good its flags are."""
    generator = torch.Generator().manual_seed(2000 + seed)
    wrong = [corrupt(data.targets, noise, rate, generator) for data in (faces, stop)]
    dirty = [data.with_targets(w.targets) for data, w in zip((faces, stop), wrong, strict=True)]
    groups = NOISES[noise].unit
    network = build_model("facenet", dirty[0], seed)
    if name in CANDIDATES:
        changes = dict(CANDIDATES[name])
        preset = changes.pop("preset", "default")
        options = DeepGUMOptions.preset(preset, groups=groups, **changes)
        result = fit_deepgum(network, dirty[0], dirty[1], options=options, sgd=sgd, seed=seed)
        outlier = wrong[0].outlier if groups == "landmark" else wrong[0].outlier.any(dim=1, keepdim=True)
        return result, detection_scores(None, result.flags, outlier)
    if name.startswith("oracle"):
        dirty = [without_labels(data, w.outlier) for data, w in zip(dirty, wrong, strict=True)]
    loss = {"oracle": "l2", "oracle-l1": "l1"}.get(name, name)
    return fit_loss(network, dirty[0], dirty[1], loss=loss, groups=groups, sgd=sgd, seed=seed), DetectionScores()


def main() -> None:
    """Run what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder of LFW + NET")
    parser.add_argument("--out", type=Path, required=True, help="file of JSON lines")
    names = [*BASELINES, *CANDIDATES]
    parser.add_argument("--names", nargs="*", default=names, choices=names, metavar="NAME", help=f"of {names}")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument("--conditions", nargs="*", default=CONDITIONS, metavar="NOISE:RATE")
    parser.add_argument("--schedule", default="constant")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--epochs-max", type=int, default=100)
    parser.add_argument("--patience", type=int, default=5)
    parser.add_argument("--train-size", type=int, default=3000)
    parser.add_argument("--precision", choices=["float32", "bf16"], default="bf16")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    fields = ("precision", "schedule", "learning_rate", "epochs_max", "patience")
    sgd = SGDOptions(**{name: getattr(arguments, name) for name in fields})
    conditions = [(noise, float(rate)) for noise, rate in (each.split(":") for each in arguments.conditions)]

    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    done = set()
    if arguments.out.exists():
        rows = map(json.loads, arguments.out.read_text(encoding="utf-8").splitlines())
        done = {(row["name"], row["noise"], row["rate"], row["seed"]) for row in rows}
    faces, _ = load_lfw_net(arguments.data, image_size=48, skip_missing=True)
    for seed in arguments.seeds:
        order = torch.randperm(len(faces), generator=torch.Generator().manual_seed(1000 + seed))
        n, m = arguments.train_size, arguments.train_size // 9
        parts = [faces.subset(order[a:b]) for a, b in ((0, n), (n, n + m), (n + m, n + m + 2500))]
        for noise, rate in conditions:
            for name in arguments.names:
                if (name, noise, rate, seed) in done:
                    continue
                began = time.perf_counter()
                result, flags = train(name, parts[0], parts[1], noise, rate, seed, sgd)
                predictions = predict(result.model, parts[2], precision=sgd.precision)
                failures = failure_rate(predictions, parts[2].targets, parts[2].normaliser).overall
                row = {
                    "name": name,
                    "noise": noise,
                    "rate": rate,
                    "seed": seed,
                    "failure_rate": round(failures, 5),
                    "precision": flags.precision,
                    "recall": flags.recall,
                    "epochs": result.epochs,
                    "rounds": len(result.history.rounds),
                    "seconds": round(time.perf_counter() - began, 1),
                }
                line = json.dumps(row)
                print(line, flush=True)
                with arguments.out.open("a", encoding="utf-8") as file:
                    file.write(line + "\n")


if __name__ == "__main__":
    main()
