"""The choice of densities by held-out likelihood: against a plain loop over groups, densities, kinds and folds."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
import torch

from deepgum.mixture import GaussianUniformMixture
from deepgum.posteriors import choice
from deepgum.posteriors.choice import Choice, choose
from deepgum.posteriors.densities import Density, Gaussian, StudentT
from deepgum.posteriors.em import fit_group
from deepgum.posteriors.group_mixtures import GroupMixture, GroupMixtures
from deepgum.posteriors.power_law import PowerLaw
from deepgum.posteriors.rounding import rounding_variance

pytestmark = pytest.mark.filterwarnings("ignore::deepgum.errors.IdentifiabilityWarning")

PARTITION = ((2,), (3, 0), (4,), (1,), (5,))
DENSITIES: tuple[Density, ...] = (Gaussian(), StudentT(3.0))


def residuals_of(n: int = 90) -> torch.Tensor:
    """Return residuals of which groups differ in their tails, their wrong labels, their rounding and their number."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(n, 6))
    values[:, 1], values[:, 2] = rng.standard_t(2.5, n), rng.standard_t(6, n)
    wrong = rng.random((n, 6)) < [0.15, 0, 0, 0.2, 0, 0]
    values = np.where(wrong, rng.uniform(-25, 25, (n, 6)), values)
    values[:, 4] = (0.4 * values[:, 4]).round()
    values[rng.random((n, 6)) < 0.1] = np.nan
    values[20:, 5] = np.nan
    return torch.from_numpy(values)


def is_mixture(group: GroupMixture, separation: float) -> bool:
    k, b = len(group.scale), group.wrong.exponent
    spread = group.wrong.radius * math.sqrt(b / (b + 2) / k)
    odds = GroupMixtures.of((group,), (tuple(range(k)),)).log_odds(torch.zeros(1, k, dtype=torch.float64)).item()
    return spread >= separation * math.sqrt(group.right.variance(k)) and odds >= math.log(2)


def kind_by_hand(
    values: torch.Tensor, start: GroupMixture, resolution: torch.Tensor, separation: float
) -> tuple[str, float]:
    """Return the kind of wrong labels and the held-out log-likelihood of one group, under one density."""
    n, k = values.shape
    columns = (tuple(range(k)),)
    order = GroupMixtures.of((start,), columns).mahalanobis(values)[:, 0].argsort(stable=True)
    scores, separate = {}, {}
    for kind in ("none", "uniform", "radial")[: 2 if k == 1 else 3]:
        found, separate[kind] = [], True
        for fold in range(3):
            outside = torch.arange(n) % 3 == fold
            inside = values[order[~outside].sort().values]
            fitted = fit_group(inside, start, kind, resolution=resolution, tol=1e-3, max_iter=50).group
            separate[kind] &= kind != "none" and is_mixture(fitted, separation)
            found.append(GroupMixtures.of((fitted,), columns).log_density(values[order[outside].sort().values])[:, 0])
        scores[kind] = torch.cat(found)
    mixed = [kind for kind in scores if separate[kind]]
    best = max(mixed, key=lambda kind: float(scores[kind].sum()), default="none")
    gain = scores[best] - scores["none"]
    kind = best if gain.sum() > 2 * math.sqrt(n) * gain.std() else "none"
    return kind, float(scores[kind].sum())


def mixture_of(residuals: torch.Tensor) -> GaussianUniformMixture:
    return GaussianUniformMixture(groups=[list(columns) for columns in PARTITION]).fit(residuals)


@cache
def by_hand() -> list[dict[Density, tuple[str, float]]]:
    """Return the kind and the held-out log-likelihood of each density, for each group."""
    residuals = residuals_of()
    mixture = mixture_of(residuals)
    resolution = torch.from_numpy(rounding_variance(residuals.numpy()))
    found = []
    for columns, prior, covariance in zip(PARTITION, mixture.inlier_prior_, mixture.covariances_, strict=True):
        place, scale = list(columns), torch.as_tensor(covariance)
        starts = [GroupMixture(float(prior), scale, each, PowerLaw(float(len(place)), 1.0)) for each in DENSITIES]
        found.append(
            {
                start.right: kind_by_hand(residuals[:, place], start, resolution[place], mixture.separation)
                for start in starts
            }
        )
    return found


def check_plausible(found: Choice, place: int, totals: dict[Density, float]) -> None:
    best = max(totals.values())
    weights = {each: math.exp(total - best) for each, total in totals.items()}
    assert found.densities[place] == max(totals, key=totals.__getitem__)
    assert found.plausible[place] == pytest.approx(
        {each: weight / sum(weights.values()) for each, weight in weights.items()}, rel=1e-6, abs=1e-12
    )


def test_each_group_has_the_choice_of_a_plain_loop() -> None:
    residuals = residuals_of()
    mixture = mixture_of(residuals)
    calls: list[tuple[int, int]] = []
    found = choose(residuals, mixture, DENSITIES, lambda done, total: calls.append((done, total)))
    expected = by_hand()
    for place, scores in enumerate(expected[:-1]):
        check_plausible(found, place, {each: total for each, (_, total) in scores.items()})
        assert found.kinds[place] == scores[found.densities[place]][0]
    # The last group has too few labels.
    assert (found.densities[-1], found.plausible[-1]) == (Gaussian(), {Gaussian(): 1.0})
    assert calls == [(1, 2), (2, 2)]
    assert set(found.kinds) == {"none", "uniform", "radial"}
    assert set(found.densities) == set(DENSITIES)


def test_groups_that_are_not_scored_have_the_density_with_the_best_sum_and_a_kind_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(choice, "MOST_GROUPS", 2)
    residuals = residuals_of()
    found, expected = choose(residuals, mixture_of(residuals), DENSITIES), by_hand()
    scored, others = (0, 3), (1, 2)
    for place in scored:
        check_plausible(found, place, {each: total for each, (_, total) in expected[place].items()})
    mean = {each: sum(expected[place][each][1] for place in scored) / 2 for each in DENSITIES}
    for place in others:
        check_plausible(found, place, mean)
        assert found.kinds[place] == expected[place][found.densities[place]][0]


def test_of_too_many_rows_every_so_many_from_the_nearest_to_the_farthest_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    residuals = residuals_of(121)[:, :3].nan_to_num(0.1)
    mixture = GaussianUniformMixture(groups="coordinate").fit(residuals)
    order = np.asarray(mixture.mahalanobis(residuals)).sum(axis=1).argsort(kind="stable")
    expected = choose(residuals[order[::3]], mixture, DENSITIES)
    monkeypatch.setattr(choice, "MOST_VALUES", 41 * 3)
    found = choose(residuals, mixture, DENSITIES)
    assert found.kinds == expected.kinds
    for one, other in zip(found.plausible, expected.plausible, strict=True):
        assert one == pytest.approx(other, rel=1e-3, abs=1e-6)
