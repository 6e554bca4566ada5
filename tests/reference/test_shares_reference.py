"""The bootstrap of the share of wrong labels: against one fit of each group in each replicate, in a plain loop."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from deepgum.posteriors import shares
from deepgum.posteriors.densities import Density, Gaussian, StudentT
from deepgum.posteriors.em import fit_group
from deepgum.posteriors.group_mixtures import GroupMixture, GroupMixtures
from deepgum.posteriors.power_law import PowerLaw
from deepgum.posteriors.shares import Share, shares_of

PARTITION = ((4,), (0, 3), (1,), (5,), (2,))
KINDS = ("none", "radial", "uniform", "uniform", "uniform")
KNOWN = (True, True, False, True, True)
PLAUSIBLE = (
    {Gaussian(): 1.0},
    {Gaussian(): 0.4, StudentT(3.0): 0.6, StudentT(5.0): 1e-5},
    {StudentT(5.0): 1.0},
    {Gaussian(): 1.0},
    {StudentT(3.0): 0.5, Gaussian(): 0.5},
)
REPLICATES = 7
SEED = 5


def residuals_of(n: int = 120) -> torch.Tensor:
    rng = np.random.default_rng(0)
    wrong = rng.random((n, 6)) < [0.1, 0.3, 0.2, 0.1, 0.0, 0.4]
    values = np.where(wrong, rng.uniform(-30, 30, (n, 6)), rng.normal(size=(n, 6)))
    values[rng.random((n, 6)) < 0.2] = np.nan
    values[:3, 4] = 50.0
    return torch.from_numpy(values)


def mixtures_of(residuals: torch.Tensor) -> GroupMixtures:
    groups = []
    for columns, kind, plausible in zip(PARTITION, KINDS, PLAUSIBLE, strict=True):
        k = len(columns)
        start = GroupMixture(0.8, torch.eye(k, dtype=torch.float64), next(iter(plausible)), PowerLaw(float(k), 1.0))
        groups.append(fit_group(residuals[:, list(columns)], start, kind).group)
    return GroupMixtures.of(tuple(groups), PARTITION)


def plausible_of(place: int, chosen: Density) -> list[Density]:
    """Return all densities within 10 nats of the best, the chosen density first."""
    best = max(PLAUSIBLE[place].values())
    return [chosen, *(d for d, p in PLAUSIBLE[place].items() if math.log(best / p) <= 10 and d != chosen)]


def draws_by_hand(residuals: torch.Tensor, mixtures: GroupMixtures, resolution: torch.Tensor) -> np.ndarray:
    """Return the share of wrong labels (replicates, groups), relative to the replicates with the chosen density."""
    generator = torch.Generator().manual_seed(SEED)
    sample = residuals[torch.randperm(len(residuals), generator=generator)]
    draws = np.zeros((REPLICATES, len(PARTITION)))
    fitted = [place for place, kind in enumerate(KINDS) if kind != "none" and KNOWN[place]]
    for replicate in range(REPLICATES):
        weight = torch.poisson(torch.ones(len(sample), dtype=torch.float64), generator=generator)
        for place in fitted:
            group, columns = mixtures.groups[place], list(PARTITION[place])
            turn = plausible_of(place, group.right)
            start = GroupMixture(group.prior, group.scale, turn[replicate % len(turn)], group.wrong)
            found = fit_group(
                sample[:, columns], start, KINDS[place],
                weight=weight, resolution=resolution[columns], tol=1e-3, max_iter=30,
            )  # fmt: skip
            draws[replicate, place] = 1 - found.group.prior
    for place in fitted:
        draws[:, place] -= draws[:: len(plausible_of(place, mixtures.groups[place].right)), place].mean()
    return draws


def check_share(found: Share, estimate: float, low: float) -> None:
    assert (found.estimate, found.low) == pytest.approx((estimate, low), rel=1e-9)
    assert (found.high, found.is_two_sided) == (1.0, False)


@pytest.mark.parametrize("at_once", [1, 7, 20_000])
def test_shares_are_those_of_a_plain_loop(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    residuals, resolution = residuals_of(), torch.tensor([1e-3, 0.1, 0.3, 4.0, 0.5, 2.0], dtype=torch.float64)
    mixtures = mixtures_of(residuals)
    monkeypatch.setattr(shares, "MOST_GROUPS", at_once)
    calls: list[tuple[int, int]] = []
    found, whole = shares_of(
        residuals, mixtures, KINDS, KNOWN, PLAUSIBLE, SEED,
        resolution=resolution, replicates=REPLICATES, on_progress=lambda done, total: calls.append((done, total)),
    )  # fmt: skip

    right = mixtures.responsibilities(residuals).numpy()
    counts = (~np.isnan(right)).sum(axis=0)
    flagged = np.where(right < 0.5, 1 - right, 0.0).sum(axis=0)
    estimates = np.array([1 - group.prior for group in mixtures.groups])
    estimates[0] = flagged[0] / counts[0]
    draws = draws_by_hand(residuals, mixtures, resolution)
    low = np.maximum(np.quantile(draws, 0.025, axis=0) + estimates, flagged / counts)

    assert found[2] is None
    for place in (1, 3, 4):
        check_share(found[place], estimates[place], low[place])
    check_share(found[0], estimates[0], estimates[0])

    part = np.where(KNOWN, counts, 0) / counts[list(KNOWN)].sum()
    joint = estimates @ part + np.quantile(draws @ part, 0.025)
    check_share(whole, estimates @ part, max(joint, flagged @ KNOWN / counts[list(KNOWN)].sum()))

    assert calls[-1] == (REPLICATES, REPLICATES)
    assert calls == sorted(set(calls))
    assert len(calls) == (REPLICATES if at_once == 1 else -(-REPLICATES // max(1, at_once // 3)))


def test_the_bound_from_a_part_of_the_rows_is_as_far_away_as_that_of_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    # Wrong labels overlap with right labels, so the bound is below the flagged labels.
    values = np.where(rng.random((2000, 1)) < 0.3, rng.uniform(-8, 8, (2000, 1)), rng.normal(size=(2000, 1)))
    residuals = torch.from_numpy(values)
    start = GroupMixture(0.8, torch.eye(1, dtype=torch.float64), Gaussian(), PowerLaw(1.0, 1.0))
    mixtures = GroupMixtures.of((fit_group(residuals, start, "uniform").group,), ((0,),))

    def width() -> float:
        _, share = shares_of(residuals, mixtures, ["uniform"], [True], [{Gaussian(): 1.0}], SEED)
        return share.estimate - share.low

    whole = width()
    monkeypatch.setattr(shares, "MOST_VALUES", 500)
    # Twice as far from a quarter of the rows, and divided by 2.
    assert width() == pytest.approx(whole, rel=0.4)
