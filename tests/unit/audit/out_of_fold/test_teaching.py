from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from deepgum.audit.out_of_fold.teaching import weights_without_verdict
from deepgum.mixture import GaussianUniformMixture, MixtureStatus


def contaminated(n: int = 500, share: float = 0.2, k: int = 1, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    wrong = rng.random(n) < share
    return np.where(wrong[:, None], rng.uniform(-25, 25, (n, k)), rng.normal(size=(n, k))), wrong


def test_weights_are_close_to_the_posteriors_of_a_mixture_that_has_converged() -> None:
    residuals, wrong = contaminated()
    mixture = GaussianUniformMixture().fit(residuals)
    assert mixture.status_[0] is MixtureStatus.CONVERGED
    found = weights_without_verdict(residuals, ((0,),))
    np.testing.assert_allclose(found, np.asarray(mixture.responsibilities(residuals)), atol=0.05)
    assert found[~wrong].mean() > 0.95
    assert found[wrong].mean() < 0.2


def test_weights_fall_with_the_distance_even_if_no_label_seems_wrong() -> None:
    residuals = np.random.default_rng(0).normal(size=(500, 1))
    assert GaussianUniformMixture().fit(residuals).status_[0] is MixtureStatus.NO_OUTLIERS
    found = weights_without_verdict(residuals, ((0,),))
    assert found.min() < 0.5
    by_distance = found[np.abs(residuals[:, 0]).argsort(), 0]
    assert (np.diff(by_distance) <= 1e-12).all()


def test_weights_are_a_fixed_point_of_em() -> None:
    residuals, _ = contaminated(k=1)
    right = weights_without_verdict(residuals, ((0,),))[:, 0]
    x = residuals[:, 0]
    for _ in range(3):
        scale = np.sqrt((right * x**2).sum() / right.sum())
        wrong = 1 - right
        mean = (wrong * x).sum() / wrong.sum()
        # The density of wrong labels is uniform, with their moments.
        width = 2 * np.sqrt(3 * ((wrong * x**2).sum() / wrong.sum() - mean**2))
        inlier, outlier = right.mean() * norm(0, scale).pdf(x), wrong.mean() / width
        after = inlier / (inlier + outlier)
        np.testing.assert_allclose(after, right, atol=0.02)
        right = after


def test_neither_other_groups_nor_the_order_of_samples_matter() -> None:
    residuals = np.concatenate([contaminated(k=2)[0], contaminated(seed=1)[0]], axis=1)
    found = weights_without_verdict(residuals, ((0, 2), (1,)))
    np.testing.assert_array_equal(found[:, 1:], weights_without_verdict(residuals[:, [1]], ((0,),)))
    np.testing.assert_array_equal(found[:, :1], weights_without_verdict(residuals[:, [0, 2]], ((0, 1),)))
    order = np.random.default_rng(0).permutation(len(residuals))
    np.testing.assert_allclose(weights_without_verdict(residuals[order], ((0, 2), (1,))), found[order], atol=1e-7)


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_units_do_not_matter(factor: float) -> None:
    residuals, _ = contaminated(k=2)
    expected = weights_without_verdict(residuals, ((0, 1),))
    np.testing.assert_allclose(weights_without_verdict(factor * residuals, ((0, 1),)), expected, atol=1e-6)


def test_samples_without_a_label_have_no_weight_and_no_influence() -> None:
    residuals, _ = contaminated(k=2)
    padded = np.concatenate([residuals, [[np.nan, np.nan], [np.nan, 0.0]]])
    found = weights_without_verdict(padded, ((0, 1),))
    assert np.isnan(found[-2:]).all()
    np.testing.assert_array_equal(found[:-2], weights_without_verdict(residuals, ((0, 1),)))


def test_too_few_or_constant_labels_count_in_full() -> None:
    few = np.full((10, 2), np.nan)
    few[:2] = [[1.0, 2.0], [3.0, 50.0]]
    found = weights_without_verdict(few, ((0, 1),))
    assert (found[:2] == 1).all()
    assert np.isnan(found[2:]).all()
    assert weights_without_verdict(np.zeros((50, 1)), ((0,),)).min() > 0.5
