"""Skewed residuals of right labels, and one-sided wrong labels that must not be taken for skew."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.optimize import minimize
from scipy.stats import norm, t

from deepgum.mixture import MixtureStatus
from deepgum.posteriors.densities import StudentT
from deepgum.posteriors.group_mixtures import GroupMixture, GroupMixtures
from deepgum.posteriors.inliers import candidates
from deepgum.posteriors.kinds.comparison import Comparison
from deepgum.posteriors.kinds.conversions import Factor
from deepgum.posteriors.kinds.evidence import log_ratio
from deepgum.posteriors.kinds.kind_mixture import KindMixture
from deepgum.posteriors.label_mixture import LabelMixture
from deepgum.posteriors.power_law import PowerLaw
from deepgum.posteriors.skew import Skew, find_skews, symmetric

pytestmark = pytest.mark.filterwarnings("ignore::deepgum.errors.IdentifiabilityWarning")

ONE = ((0,),)

CORES = {
    "Gaussian": lambda rng, n: rng.normal(size=n),
    "Laplace": lambda rng, n: rng.laplace(size=n),
    "Student's t": lambda rng, n: rng.standard_t(3, size=n),
}
ONE_SIDED = {
    "uniform": lambda rng, n: rng.uniform(-10, 0, n),
    "far": lambda rng, n: rng.uniform(-30, -5, n),
    "exponential": lambda rng, n: -4 * rng.exponential(size=n),
    "half a Gaussian": lambda rng, n: -5 * np.abs(rng.normal(size=n)),
}


def skew_of(values: np.ndarray) -> Skew | None:
    return find_skews(torch.from_numpy(values[:, None]), ONE, candidates("auto")[::2]).get(0)


def two_piece(n: int, mode: float, slant: float, seed: int = 0) -> np.ndarray:
    """Draw from the two-piece normal density with scale 1: the upper side has the probability (1 + slant) / 2."""
    rng = np.random.default_rng(seed)
    above = rng.random(n) < (1 + slant) / 2
    return mode + np.abs(rng.normal(size=n)) * np.where(above, 1 + slant, -(1 - slant))


def log_normal(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.exp(0.5 * rng.normal(size=n)) - np.exp(0.125)


def contaminated(core, wrong, share: float, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    is_wrong = rng.random(n) < share
    return np.where(is_wrong, wrong(rng, n), core(rng, n)), is_wrong


@pytest.mark.parametrize("slant", [-0.6, -0.2, 0.0, 0.5])
def test_the_density_of_symmetric_residuals_is_a_density_of_the_residuals(slant: float) -> None:
    skew = Skew(mode=0.7, slant=slant)

    def density(r: float) -> float:
        return float(t.pdf(skew.symmetric(torch.tensor([r], dtype=torch.float64)).item(), 5))

    below, above = (quad(density, *ends)[0] for ends in ((-np.inf, 0.7), (0.7, np.inf)))
    assert below + above == pytest.approx(1, abs=1e-6)
    assert above == pytest.approx((1 + slant) / 2, abs=1e-6)


@pytest.mark.parametrize(("mode", "slant"), [(-0.6, 0.4), (0.8, -0.5), (0.0, 0.3)])
def test_mode_and_slant_have_the_highest_likelihood(mode: float, slant: float) -> None:
    values = two_piece(3000, mode, slant)

    def loss(parameters: np.ndarray) -> float:
        u = Skew(parameters[0], parameters[1]).symmetric(torch.from_numpy(values)).numpy()
        return -float(norm.logpdf(u / parameters[2]).sum() - len(u) * np.log(parameters[2]))

    best = minimize(loss, [0.0, 0.0, 1.0], method="Nelder-Mead").x
    found = skew_of(values)
    assert found is not None
    assert [found.mode, found.slant] == pytest.approx(best[:2], abs=0.06)
    assert found.slant == pytest.approx(slant, abs=0.1)


def test_the_skew_has_the_unit_and_the_direction_of_the_residuals() -> None:
    values = two_piece(1000, -0.5, 0.5)
    found, scaled, turned = skew_of(values), skew_of(1e-3 * values), skew_of(-values)
    assert found is not None
    assert scaled is not None
    assert turned is not None
    assert [scaled.mode, scaled.slant] == pytest.approx([1e-3 * found.mode, found.slant], rel=1e-6)
    assert [turned.mode, turned.slant] == pytest.approx([-found.mode, -found.slant], rel=1e-3)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("core", CORES.values(), ids=CORES)
@pytest.mark.parametrize("n", [150, 1500])
def test_symmetric_residuals_have_no_skew(core, n: int, seed: int) -> None:
    assert skew_of(core(np.random.default_rng(seed), n)) is None
    assert skew_of(0.7 + core(np.random.default_rng(seed), n)) is None  # a bias is no skew


def test_coarse_residuals_have_no_skew_and_fine_ones_keep_theirs() -> None:
    fine = np.round(two_piece(1500, -0.6, 0.5), 1)[:, None]
    assert LabelMixture.fit(fine, intervals=False).densities.skews
    # The mode of whole numbers collapses to one of them.
    coarse = torch.from_numpy(np.round(0.8 * np.random.default_rng(2).normal(size=(1500, 1))))
    densities = candidates("auto")[::2]
    assert find_skews(coarse, ONE, densities)
    assert not find_skews(coarse, ONE, densities, torch.tensor([1 / 12]))


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("share", [0.2, 0.4])
@pytest.mark.parametrize("wrong", ONE_SIDED.values(), ids=ONE_SIDED)
def test_wrong_labels_on_one_side_are_no_skew(wrong, share: float, seed: int) -> None:
    values, _ = contaminated(CORES["Gaussian"], wrong, share, 1500, seed)
    assert skew_of(values) is None
    assert skew_of(-values) is None


@pytest.mark.parametrize("share", [0.2, 0.4])
def test_wrong_labels_on_one_side_are_flagged_as_without_skew(share: float, monkeypatch) -> None:
    values, wrong = contaminated(CORES["Gaussian"], ONE_SIDED["far"], share, 500, 0)
    fitted = LabelMixture.fit(values[:, None], intervals=False)
    right = fitted.responsibilities(values[:, None])
    assert (right[wrong] < 0.5).mean() > 0.97
    assert (right[~wrong] < 0.5).mean() < 0.02
    monkeypatch.setattr("deepgum.posteriors.label_mixture.find_skews", lambda *_: {})
    np.testing.assert_array_equal(
        LabelMixture.fit(values[:, None], intervals=False).responsibilities(values[:, None]), right
    )


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("share", [0.0, 0.2, 0.4])
def test_skew_is_found_beside_wrong_labels(share: float, seed: int) -> None:
    values, _ = contaminated(log_normal, lambda rng, n: rng.uniform(-10, 10, n), share, 1500, seed)
    skew = skew_of(values)
    assert skew is not None
    assert skew.slant > 0.3
    assert skew.mode < -0.1


@pytest.mark.parametrize("seed", range(2))
def test_the_long_side_of_right_labels_is_not_flagged(seed: int, monkeypatch) -> None:
    residuals = log_normal(np.random.default_rng(seed), 1500)[:, None]
    fitted = LabelMixture.fit(residuals, intervals=False)
    assert fitted.status == (MixtureStatus.NO_OUTLIERS,)
    assert (fitted.responsibilities(residuals) < 0.5).mean() < 0.002
    assert "skewed: the upper side" in fitted.inliers
    # Wrong labels on the long side would look like right ones, so nobody says that there are none.
    assert fitted.has_heavy_tails(0)
    assert fitted.share is None
    # A label far out on the short side is more suspicious than one as far out on the long side.
    short, long = fitted.responsibilities(np.array([[-3.0], [3.0]]))[:, 0]
    assert short < long
    monkeypatch.setattr("deepgum.posteriors.label_mixture.find_skews", lambda *_: {})
    plain = LabelMixture.fit(residuals, intervals=False)
    assert (plain.responsibilities(residuals) < 0.5).mean() > 0.005


def test_without_skew_nothing_is_said_and_nothing_changes() -> None:
    residuals = np.random.default_rng(0).normal(size=(500, 1))
    fitted = LabelMixture.fit(residuals, intervals=False)
    assert fitted.densities.skews == {}
    assert "skewed" not in fitted.inliers
    values = torch.from_numpy(residuals)
    assert symmetric(values, {}) is values


def test_eq_1_has_no_skew() -> None:
    residuals = two_piece(1000, -0.6, 0.5)[:, None]
    assert LabelMixture.fit(residuals, intervals=False).densities.skews
    assert not LabelMixture.fit(residuals, inliers="gaussian").densities.skews


def test_each_coordinate_has_its_own_skew_and_wider_groups_have_none() -> None:
    columns = [two_piece(1000, -0.6, 0.5, 0), np.random.default_rng(1).normal(size=1000), two_piece(1000, 0.6, -0.5, 2)]
    residuals = np.stack(columns, axis=1)
    residuals[::7, 0] = np.nan
    fitted = LabelMixture.fit(residuals, "coordinate", intervals=False)
    assert {column: skew.slant > 0 for column, skew in fitted.densities.skews.items()} == {0: True, 2: False}
    assert fitted.inliers.endswith("skewed in 2 of 3 groups")
    assert np.isnan(fitted.mahalanobis(residuals)[::7, 0]).all()
    assert not LabelMixture.fit(residuals, "sample", intervals=False).densities.skews


def skewed_mixture(skew: Skew) -> GroupMixtures:
    right = GroupMixture(0.9, 4.0 * torch.eye(1, dtype=torch.float64), StudentT(3.0), PowerLaw(1.0, 200.0))
    plain = GroupMixtures.of([right], ONE)
    return GroupMixtures(plain.stacks, plain.partition, {0: skew})


def test_a_skewed_mixture_is_the_symmetric_one_of_symmetric_residuals() -> None:
    skew = Skew(-1.0, 0.4)
    skewed = skewed_mixture(skew)
    plain = GroupMixtures(skewed.stacks, skewed.partition)
    r = torch.linspace(-50, 50, 101, dtype=torch.float64)[:, None]
    u = skew.symmetric(r)
    for name in ("log_density", "log_right", "log_odds", "mahalanobis", "responsibilities"):
        torch.testing.assert_close(getattr(skewed, name)(r), getattr(plain, name)(u), rtol=0, atol=0)
    torch.testing.assert_close(skewed.distance_between(r, r.flip(0)), plain.mahalanobis(u - u.flip(0)), rtol=0, atol=0)
    assert skewed.reaching(1e6 * r).skews == skewed.skews


def test_the_evidence_for_a_kind_is_that_of_the_skewed_densities() -> None:
    skew = Skew(-1.0, 0.4)
    given, predicted = np.array([[9.0], [52.0], [88.0]]), np.full((3, 1), 90.0)
    found = log_ratio(Factor(10.0), Comparison.of(given, predicted, ONE), skewed_mixture(skew))

    def right(r: np.ndarray) -> np.ndarray:
        u = (r + 1) / np.where(r > -1, 1.4, 0.6)
        return t.pdf(u / 2, 3) / 2

    own, after = given - predicted, 10 * given - predicted
    base = 0.9 * right(own) + 0.1 / (2 * 200 * 2)
    expected = np.log(right(after) * 10 / base)
    assert found[0, 0] == pytest.approx(expected[0, 0], rel=1e-9)
    assert found[2, 0] == -np.inf  # 880 is far from the prediction


@pytest.mark.parametrize("seed", range(2))
def test_lost_digits_are_found_beside_skewed_right_labels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.uniform(60, 100, size=(1000, 1))
    given = truth + 3 * np.exp(0.6 * rng.normal(size=truth.shape)) - 3.6
    lost = rng.random(truth.shape) < 0.2
    comparison = Comparison.of(np.where(lost, given / 10, given), truth, ONE)
    mixture = KindMixture.fit(comparison, intervals=False)
    assert [each.kind.name for each in mixture.admitted] == ["x10"]
    assert mixture.base.densities.skews[0].slant > 0.2
    right = mixture.posterior(comparison).right
    assert right[lost].max() < 0.01
    assert (right[~lost] > 0.5).mean() > 0.99


def test_words_name_the_wider_side() -> None:
    assert Skew(0.0, 2 / 7).words == "skewed: the upper side 1.8 times as wide"
    assert Skew(0.0, -0.5).words == "skewed: the lower side 3 times as wide"


def test_lost_digits_that_look_like_skew_are_found_beside_symmetric_right_labels(monkeypatch) -> None:
    rng = np.random.default_rng(0)
    predicted = rng.normal(10, 2, size=(800, 1))
    lost = rng.random(predicted.shape) < 0.15
    given = np.exp(predicted + 0.8 * rng.normal(size=predicted.shape)) / np.where(lost, 100.0, 1.0)
    comparison = Comparison(
        given, np.exp(predicted), ONE, lambda labels: np.log(labels) - predicted, lambda labels: -np.log(labels)
    )
    skews, choose = {0: Skew(mode=0.5, slant=-0.6)}, KindMixture._choose
    monkeypatch.setattr("deepgum.posteriors.label_mixture.find_skews", lambda *_: dict(skews))
    # As if the long side hid all kinds.
    monkeypatch.setattr(
        KindMixture, "_choose", lambda self, *a, **b: () if self.base.densities.skews else choose(self, *a, **b)
    )
    assert LabelMixture.fit(comparison.residuals, intervals=False).densities.skews == skews
    mixture = KindMixture.fit(comparison, intervals=False)
    assert [each.kind.name for each in mixture.admitted] == ["x100"]
    assert mixture.base.densities.skews == {}
    # A kind of labels that are too small does not explain a long upper side.
    skews[0] = Skew(mode=-0.5, slant=0.6)
    mixture = KindMixture.fit(comparison, intervals=False)
    assert mixture.admitted == ()
    assert mixture.base.densities.skews == skews
