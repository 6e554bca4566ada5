from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from deepgum.posteriors.densities import Gaussian, StudentT
from deepgum.posteriors.em import fit_group
from deepgum.posteriors.group_mixtures import GroupMixture, GroupMixtures
from deepgum.posteriors.label_mixture import LabelMixture
from deepgum.posteriors.power_law import PowerLaw
from deepgum.posteriors.shares import LEVEL, Share, shares_of

START = GroupMixture(0.8, torch.eye(1, dtype=torch.float64), Gaussian(), PowerLaw(1.0, 1.0))
CERTAIN = {Gaussian(): 1.0}


def residuals_of(seed: int, n: int = 200, share: float = 0.2, k: int = 1) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    wrong = rng.random((n, k)) < share
    return torch.from_numpy(np.where(wrong, rng.uniform(-25, 25, (n, k)), rng.normal(size=(n, k))))


def fitted(residuals: torch.Tensor) -> GroupMixtures:
    groups = tuple(fit_group(residuals[:, [c]], START, "uniform").group for c in range(residuals.shape[1]))
    return GroupMixtures.of(groups, tuple((c,) for c in range(residuals.shape[1])))


def share_of(residuals: torch.Tensor, **options) -> tuple[tuple[Share | None, ...], Share | None]:
    g = residuals.shape[1]
    given = {"kinds": ["uniform"] * g, "is_known": [True] * g, "plausible": [CERTAIN] * g, "seed": 0} | options
    return shares_of(residuals, fitted(residuals), **given)


def test_the_lower_bound_holds_about_as_often_as_it_says_and_is_near_the_true_share() -> None:
    lows, holds = [], 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        wrong = rng.random((200, 1)) < 0.2
        residuals = np.where(wrong, rng.uniform(-25, 25, (200, 1)), rng.normal(size=(200, 1)))
        lows.append(share_of(torch.from_numpy(residuals), replicates=30)[1].low)
        holds += lows[-1] <= wrong.mean()
    assert holds >= 37
    assert np.mean(lows) > 0.14


def test_the_estimate_is_one_minus_the_prior_and_at_or_above_the_lower_bound() -> None:
    residuals = residuals_of(0, k=2)
    (one, other), whole = share_of(residuals)
    groups = fitted(residuals).groups
    assert (one.estimate, other.estimate) == (1 - groups[0].prior, 1 - groups[1].prior)
    assert whole.estimate == pytest.approx((one.estimate + other.estimate) / 2)
    for each in (one, other, whole):
        assert 0 <= each.low <= each.estimate <= each.high == 1
        assert (each.level, each.is_two_sided) == (LEVEL, False)


def test_the_share_of_all_counts_labels_and_not_groups() -> None:
    residuals = residuals_of(0, k=2)
    residuals[50:, 1] = math.nan
    (one, other), whole = share_of(residuals)
    assert whole.estimate == pytest.approx((200 * one.estimate + 50 * other.estimate) / 250)


def test_the_lower_bound_is_never_below_the_flags_less_those_that_are_right() -> None:
    residuals = residuals_of(0)
    right = fitted(residuals).responsibilities(residuals).numpy()
    flagged = (1 - right[right < 0.5]).sum() / 200
    # A density with such heavy tails has hardly any wrong labels.
    share = share_of(residuals, plausible=[{Gaussian(): 0.5, StudentT(0.5): 0.5}])[1]
    assert share.low == pytest.approx(flagged)


def test_without_wrong_labels_the_bound_counts_the_flags() -> None:
    residuals = residuals_of(0, share=0.0, k=2)
    residuals[150:, 1] = math.nan
    alone = tuple(fit_group(residuals[:, [c]], START, "none").group for c in range(2))
    mixtures = GroupMixtures.of(alone, ((0,), (1,)))
    (one, other), whole = shares_of(residuals, mixtures, ["none"] * 2, [True] * 2, [CERTAIN] * 2, 0)
    assert one == other == whole == Share.at_least(0.0, 0.0)
    # Labels that are farther out than right labels ever are count.
    residuals[:9, 0] = 100.0
    (one, other), whole = shares_of(residuals, mixtures, ["none"] * 2, [True] * 2, [CERTAIN] * 2, 0)
    assert (one.low, one.estimate) == pytest.approx((9 / 200, 9 / 200), abs=1e-6)
    assert other.estimate == 0.0
    assert whole.low == pytest.approx(9 / 350, abs=1e-6)


def test_a_share_of_a_part_is_a_smaller_share_of_all() -> None:
    assert Share.at_least(0.1, 0.2).of_part(0.5) == Share.at_least(0.05, 0.1)
    assert Share(0.2, 0.1, 0.4).of_part(0.5) == Share(0.1, 0.05, 0.2)


def test_a_group_of_unknown_share_has_no_part_in_the_share_of_all() -> None:
    residuals = residuals_of(0, k=2)
    alone = share_of(residuals[:, :1])[1]
    (one, other), whole = share_of(residuals, is_known=[True, False])
    assert other is None
    assert one is not None
    assert whole is not None
    assert whole.low == pytest.approx(one.low, rel=1e-12)
    assert whole.estimate == alone.estimate
    assert share_of(residuals, is_known=[False, False]) == ((None, None), None)
    residuals[:, 1] = math.nan
    assert share_of(residuals)[0][1] is None


def test_without_replicates_the_bound_is_the_estimate() -> None:
    share = share_of(residuals_of(0), replicates=0)[1]
    assert share.low == share.estimate


def overlapping(seed: int, k: int) -> torch.Tensor:
    """Return residuals whose wrong labels overlap with right labels, so that few of them are flagged."""
    rng = np.random.default_rng(seed)
    wrong = rng.random((300, k)) < 0.3
    return torch.from_numpy(np.where(wrong, rng.uniform(-8, 8, (300, k)), rng.normal(size=(300, k))))


def test_groups_that_err_in_the_same_samples_have_a_lower_bound_than_apart() -> None:
    def width(share: Share) -> float:
        return share.estimate - share.low

    one = overlapping(0, k=1)
    together, apart = share_of(one.repeat(1, 6))[1], share_of(overlapping(1, k=6))[1]
    assert width(together) == pytest.approx(width(share_of(one)[1]), rel=0.35)
    assert width(apart) < 0.8 * width(together)


def test_the_seed_alone_decides_and_other_densities_that_are_plausible_lower_the_bound() -> None:
    residuals = overlapping(0, k=1)
    assert share_of(residuals, seed=3) == share_of(residuals, seed=3)
    assert share_of(residuals, seed=3) != share_of(residuals, seed=4)
    sure, unsure = share_of(residuals)[1], share_of(residuals, plausible=[{Gaussian(): 0.5, StudentT(2.0): 0.5}])[1]
    assert unsure.low < sure.low
    assert unsure.estimate == sure.estimate
    # 12 nats below the best density: not plausible.
    hardly = [{Gaussian(): 1.0, StudentT(2.0): math.exp(-12)}]
    assert share_of(residuals, plausible=hardly)[1] == sure


@pytest.mark.filterwarnings("ignore::deepgum.errors.IdentifiabilityWarning")
def test_a_mixture_that_cannot_tell_gives_no_share() -> None:
    assert LabelMixture.fit(np.zeros((50, 1))).share is None
    assert LabelMixture.fit(np.zeros((50, 2)), "coordinate").shares == (None, None)


@pytest.mark.filterwarnings("ignore::deepgum.errors.IdentifiabilityWarning")
@pytest.mark.parametrize("labels", [2, 3, 4, 5])
def test_a_group_of_so_few_labels_that_a_replicate_may_count_none_has_an_interval(labels: int) -> None:
    rng = np.random.default_rng(0)
    residuals = np.full((100, 2), np.nan)
    residuals[:, 0], residuals[:labels, 1] = rng.normal(size=100), rng.normal(size=labels)
    residuals[0, 1] = 30.0
    share = LabelMixture.fit(residuals, "coordinate").shares[1]
    assert 0 <= share.low <= share.estimate <= share.high == 1
