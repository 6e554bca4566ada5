"""Scales of labels: identity, square root, logarithm."""

from __future__ import annotations

import numpy as np
import pytest

from deepgum.label_scale import LabelScale


@pytest.mark.parametrize("scale", LabelScale)
def test_a_scale_is_inverted_and_its_slope_is_its_derivative(scale):
    labels = np.geomspace(0.1, 1e4, 20)
    np.testing.assert_allclose(scale.invert(scale.apply(labels)), labels)
    step = 1e-6 * labels
    slope = (scale.apply(labels + step) - scale.apply(labels - step)) / (2 * step)
    np.testing.assert_allclose(np.exp(scale.log_slope(labels)), slope, rtol=1e-6)


def test_only_the_identity_is_possible_for_labels_that_are_not_positive():
    labels = np.array([[0.0], [1.0], [np.nan]])
    assert [scale.is_possible(labels) for scale in LabelScale] == [True, False, False]
    assert all(scale.is_possible(labels[1:]) for scale in LabelScale)


def test_a_negative_square_root_is_the_label_0():
    assert LabelScale.SQUARE_ROOT.invert(np.array([-2.0])).item() == 0
