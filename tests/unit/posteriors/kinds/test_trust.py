"""The trust in labels of a size at which many labels are wrong."""

from __future__ import annotations

import numpy as np

from deepgum.posteriors.kinds.comparison import Comparison
from deepgum.posteriors.kinds.kind_mixture import KindPosterior
from deepgum.posteriors.kinds.trust import CAUTION, SAME_SIZE, trust_of_values


def judged(right: np.ndarray, known: np.ndarray) -> KindPosterior:
    return KindPosterior(right[:, None], known[None, :, None])


def test_the_trust_is_the_power_of_the_share_of_right_labels_of_the_same_size():
    rng = np.random.default_rng(0)
    labels, right = rng.permutation(300).astype(float), rng.random(300)
    compared = Comparison.of(labels[:, None], labels[:, None], ((0,),))
    trust = trust_of_values(labels[:, None], judged(right, np.zeros(300)), compared)[:, 0]
    order = np.argsort(labels)
    for place in (0, 100, 299):
        first = min(max(place - SAME_SIZE // 2, 0), 300 - SAME_SIZE)
        share = right[order[first : first + SAME_SIZE]].mean()
        np.testing.assert_allclose(trust[order[place]], share**CAUTION)


def test_labels_with_a_known_error_and_groups_of_coordinates_keep_the_factor_1():
    labels = np.ones((100, 1))
    right = np.where(np.arange(100) < 50, 0.0, 1.0)
    trust = trust_of_values(labels, judged(right, 1 - right), Comparison.of(labels, labels, ((0,),)))[:, 0]
    np.testing.assert_allclose(trust, np.where(right == 0, 1.0, 0.5**CAUTION))
    both = np.ones((100, 2))
    assert (trust_of_values(both, judged(right, 1 - right), Comparison.of(both, both, ((0, 1),))) == 1).all()
