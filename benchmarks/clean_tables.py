"""How many labels `DeepGUMRegressor` flags on tables whose labels are right, and with three in ten of them wrong.

Residuals are Gaussian, or skewed, or have heavy tails, or a scale that depends on the features. Prints, over seeds, the
share of the right labels that is flagged, and of the wrong ones.

    OMP_NUM_THREADS=1 python benchmarks/clean_tables.py --seeds 0 1 2
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator

import numpy as np
from sklearn.datasets import load_diabetes, make_friedman1

from deepgum import DeepGUMRegressor

NOISES = {
    "friedman, Gaussian": lambda rng, X: rng.normal(size=len(X)),
    "friedman, Laplace": lambda rng, X: rng.laplace(size=len(X)),
    "friedman, Student's t, 3": lambda rng, X: rng.standard_t(3, size=len(X)),
    "friedman, exponential": lambda rng, X: 2 * rng.exponential(size=len(X)),
    "friedman, scale by a feature": lambda rng, X: rng.normal(size=len(X)) * (0.2 + 2 * X[:, 0]),
}


def tables(seed: int) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(seed)
    yield "diabetes", *load_diabetes(return_X_y=True)
    X = rng.normal(size=(1000, 3))
    yield "linear, Gaussian", X, X @ [1.0, 2.0, 3.0] + 0.5 * rng.normal(size=1000)
    for name, noise in NOISES.items():
        X, y = make_friedman1(1000, noise=0.0, random_state=seed)
        yield name, X, y + noise(rng, X)


def flagged(X: np.ndarray, y: np.ndarray, rate: float, seed: int) -> tuple[float, float]:
    """Return the share that is flagged of the right labels, and of the wrong ones."""
    rng = np.random.default_rng(100 + seed)
    wrong = rng.random(len(y)) < rate
    around = np.ptp(y) / 2
    given = np.where(wrong, rng.uniform(y.min() - around, y.max() + around, size=len(y)), y)
    model = DeepGUMRegressor(random_state=seed).fit(X, given)
    flags = model.inlier_probability_[:, 0] < 0.5
    return flags[~wrong].mean(), flags[wrong].mean() if wrong.any() else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2])
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")

    print("| table | right labels flagged, none wrong (%) | 30 % wrong: right flagged (%) | wrong flagged (%) |")
    print("|---|---:|---:|---:|")
    found: dict[str, list[tuple[float, float, float]]] = {}
    for seed in arguments.seeds:
        for name, X, y in tables(seed):
            found.setdefault(name, []).append((flagged(X, y, 0.0, seed)[0], *flagged(X, y, 0.3, seed)))
    for name, rows in found.items():
        columns = [" ".join(f"{100 * value:.0f}" for value in column) for column in zip(*rows, strict=True)]
        print(f"| {name} | {' | '.join(columns)} |")


if __name__ == "__main__":
    main()
