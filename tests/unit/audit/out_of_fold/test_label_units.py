"""Units of labels, corrected labels, and the choice of the scale."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from deepgum.audit.out_of_fold.features import Features
from deepgum.audit.out_of_fold.label_units import LabelUnits
from deepgum.audit.out_of_fold.learners import EstimatorLearner
from deepgum.audit.out_of_fold.scale_choice import candidate_scales, choose_scale
from deepgum.audit.out_of_fold.teaching import Teaching
from deepgum.audit.targets import Targets
from deepgum.label_scale import LabelScale
from deepgum.posteriors.kinds.kind_mixture import KindMixture
from deepgum.posteriors.kinds.trust import CAUTION

TARGETS = Targets.of(["price"])


@pytest.mark.parametrize("scale", LabelScale)
def test_predictions_return_to_the_unit_of_the_labels_and_the_slope_is_the_derivative(scale):
    rng = np.random.default_rng(0)
    given = rng.uniform(10, 1000, size=(50, 1))
    units = LabelUnits(given, TARGETS, offset=2.0, factor=rng.uniform(1, 3, size=(50, 1)), scale=scale)
    np.testing.assert_allclose(units.given_of(units.taught(given)), given)
    step = 1e-4
    slope = (units.taught(given + step) - units.taught(given - step)) / (2 * step)
    np.testing.assert_allclose(np.exp(units.log_slope(given)), slope, rtol=1e-5)
    noise = rng.uniform(0.5, 2, size=(50, 1))
    comparison = units.comparison(units.taught(given + 1), noise)
    np.testing.assert_allclose(comparison.predicted, given + 1)
    np.testing.assert_allclose(comparison.residuals, (units.taught(given) - units.taught(given + 1)) / noise)
    np.testing.assert_allclose(comparison.log_slope_of(given), np.log(slope / noise), atol=1e-4)


def test_labels_of_known_errors_are_taught_corrected_and_doubtful_ones_hardly():
    rng = np.random.default_rng(0)
    truth = rng.uniform(50, 100, size=(600, 1))
    given = truth + rng.normal(size=(600, 1))
    given[:60] /= 10
    units = LabelUnits(given, TARGETS)
    predicted = truth.copy()
    predicted[:20] = given[:20]  # a learner that has learned these wrong labels
    compared = units.comparison(predicted, np.ones_like(truth))
    kinds = KindMixture.fit(compared, taught=True, intervals=False)
    teaching = Teaching.of(kinds, compared, units, np.ones((600, 1)))
    np.testing.assert_allclose(teaching.labels[20:60], 10 * given[20:60], rtol=0.02)
    np.testing.assert_allclose(teaching.labels[60:], given[60:], atol=0.5)
    assert (teaching.usable[20:] > 0.9).mean() > 0.99
    # Two thirds of the labels of this size are wrong in a known way, so that the others are hardly taught.
    assert teaching.weights[:20].mean() < 4 * (1 / 3) ** CAUTION
    assert (teaching.weights[60:] > 0.9).mean() > 0.9


def table(scale, seed):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, size=(600, 2))
    values = np.maximum(4 + X @ [2.0, 1.0] + 0.3 * rng.normal(size=600), 0.2)
    return X, scale.invert(values)[:, None]


@pytest.mark.parametrize("scale", [LabelScale.SQUARE_ROOT, LabelScale.LOG])
@pytest.mark.parametrize("seed", range(2))
def test_the_scale_in_which_errors_are_equal_is_chosen(scale, seed):
    X, labels = table(scale, seed)

    def learner_of(tried):
        return EstimatorLearner(LinearRegression(), Features(X), tried.apply(labels))

    assert choose_scale(tuple(LabelScale), labels, learner_of, Features(X), n_folds=3) is scale


@pytest.mark.parametrize("seed", range(3))
def test_the_identity_stays_where_errors_are_equal(seed):
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, size=(600, 2))
    labels = (20 + X @ [8.0, 4.0] + rng.normal(size=600))[:, None]

    def learner_of(tried):
        return EstimatorLearner(LinearRegression(), Features(X), tried.apply(labels))

    assert choose_scale(tuple(LabelScale), labels, learner_of, Features(X), n_folds=3) is LabelScale.IDENTITY


def test_other_scales_are_tried_only_for_positive_labels_that_differ_widely():
    wide = np.geomspace(1, 1000, 200)[:, None]
    assert candidate_scales(wide) == tuple(LabelScale)
    assert candidate_scales(wide - 1) == (LabelScale.IDENTITY,)
    assert candidate_scales(wide[:50]) == (LabelScale.IDENTITY,)
    assert candidate_scales(100 + wide / 100) == (LabelScale.IDENTITY,)
