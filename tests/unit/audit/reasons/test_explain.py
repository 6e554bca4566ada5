"""The choice between reasons, and properties of all reasons together."""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from deepgum.audit.reasons import LEAST_ODDS, REASONS, Case, Evidence, explain, weigh
from deepgum.audit.reasons.conversions import VALUE_CONVERSIONS
from deepgum.audit.reasons.unit import Unit
from deepgum.errors import InvalidParameterError

PAIRS = ((0, 1), (3, 4))
EYES = [2, 3, 0, 1, 4, 5, 6, 7, 8, 9]
MIRROR = np.array([2, 3, 0, 1, 4, 5, 8, 9, 6, 7])
N = 900
SIZES = np.full((N, 2), 250.0)


def with_wrong_labels(faces, seed=0, n=N):
    """Return true points, right labels, labels with mistakes of every kind, and the reason of each."""
    rng = np.random.default_rng(seed)
    truth = faces(n, rng)
    right = truth + rng.normal(0, 1.5, truth.shape)
    given, kinds = right.copy(), {}
    given[:8] = given[:8, EYES]
    given[8:16] = right[400:408]
    given[16:24] /= 2
    given[24:32, 4:6] += rng.choice([-1, 1], (8, 2)) * rng.uniform(15, 40, (8, 2))
    given[32:40, 4] = -rng.uniform(2, 60, 8)
    for rows, groups, kind in (
        (range(8), (0, 1), "swapped"),
        (range(8, 16), range(5), "foreign"),
        (range(16, 24), range(5), "unit"),
        (range(24, 32), (2,), "shifted"),
        (range(32, 40), (2,), "outside"),
    ):
        kinds |= {(row, group): kind for row in rows for group in groups}
    return truth, right, given, kinds


def landmarks_of(scored, faces, **more):
    truth, right, given, kinds = with_wrong_labels(faces)
    return scored(given, truth, "landmark", sigma=1.5, width=200.0, **more), right, kinds


def explained(labels, conflicts=(), **more):
    evidence = Evidence(conflicts=conflicts, sizes=lambda rows: SIZES)
    return explain(Case.of(labels, landmarks=True, swap_pairs=PAIRS, unit="px", evidence=evidence, **more))


def test_each_wrong_label_gets_its_reason(scored, faces):
    labels, _, kinds = landmarks_of(scored, faces)
    found = explained(labels).kinds
    flagged = [place for place in kinds if labels.flags[place]]
    assert len(flagged) > 0.95 * len(kinds)
    right = Counter((kinds[place], found[place] == kinds[place]) for place in flagged)
    for kind in set(kinds.values()):
        assert right[kind, True] >= 0.95 * (right[kind, True] + right[kind, False])


def test_every_flag_and_no_other_label_has_a_reason_a_sentence_and_a_suggestion(scored, faces):
    labels, _, _ = landmarks_of(scored, faces)
    result = explained(labels)
    places = {(int(row), int(group)) for row, group in np.argwhere(labels.flags)}
    assert set(result.kinds) == set(result.why) == places
    flagged = np.repeat(labels.flags, 2, axis=1)
    np.testing.assert_array_equal(np.isfinite(result.suggested), flagged)
    np.testing.assert_array_equal(np.isfinite(result.uncertainty), flagged)
    assert (result.uncertainty[flagged] > 0).all()
    assert all(sentence.endswith(".") for sentence in result.why.values())


def test_errors_of_suggestions_agree_with_their_uncertainty(scored, faces):
    labels, right, kinds = landmarks_of(scored, faces)
    result = explained(labels)
    flagged = np.repeat(labels.flags, 2, axis=1)
    errors = (result.suggested - right)[flagged] / result.uncertainty[flagged]
    assert np.mean(np.abs(errors) < 2) > 0.9
    exact = [place for place, kind in kinds.items() if kind in ("swapped", "unit") and place in result.kinds]
    columns = [[row, 2 * group] for row, group in exact if result.kinds[row, group] == kinds[row, group]]
    rows, x = np.array(columns).T
    np.testing.assert_allclose(result.suggested[rows, x], right[rows, x])
    assert np.median(result.uncertainty[rows, x]) < 0.1


def test_the_order_of_the_samples_does_not_matter(scored, faces):
    labels, _, _ = landmarks_of(scored, faces)
    order = np.random.default_rng(1).permutation(N)
    shuffled = replace(
        labels,
        ids=tuple(labels.ids[row] for row in order),
        **{
            name: getattr(labels, name)[order]
            for name in ("given", "predicted", "responsibilities", "mahalanobis", "suggested", "uncertainty")
        },
    )
    one, other = explained(labels), explained(shuffled)
    assert {(int(order[row]), group): kind for (row, group), kind in other.kinds.items()} == one.kinds
    assert {(int(order[row]), group): why for (row, group), why in other.why.items()} == one.why
    np.testing.assert_allclose(other.suggested, one.suggested[order])


@pytest.mark.parametrize("scale", [1 / 250, 1000.0])
def test_another_unit_changes_no_reason(scored, faces, scale):
    truth, _, given, _ = with_wrong_labels(faces)
    one = explained(scored(given, truth, "landmark", sigma=1.5, width=200.0))
    labels = scored(scale * given, scale * truth, "landmark", sigma=1.5 * scale, width=200.0 * scale)
    other = explain(
        Case.of(labels, landmarks=True, swap_pairs=PAIRS, evidence=Evidence(sizes=lambda rows: scale * SIZES))
    )
    assert other.kinds == one.kinds
    np.testing.assert_allclose(other.suggested, scale * one.suggested)
    np.testing.assert_allclose(other.uncertainty, scale * one.uncertainty, rtol=1e-3, atol=1e-6 * scale)


def test_mirrored_images_have_the_mirrored_reasons(scored, faces):
    truth, _, given, _ = with_wrong_labels(faces)
    given[16:24] = truth[16:24]  # half an image's size is not half of its mirror image's coordinates

    def mirrored(points):
        return np.tile([250.0, 0.0], 5) + np.tile([-1.0, 1.0], 5) * points[:, MIRROR]

    one = explained(scored(given, truth, "landmark", sigma=1.5, width=200.0))
    other = explained(scored(mirrored(given), mirrored(truth), "landmark", sigma=1.5, width=200.0))
    partner = (1, 0, 2, 4, 3)
    assert {(row, partner[group]): kind for (row, group), kind in other.kinds.items()} == one.kinds
    np.testing.assert_allclose(mirrored(other.suggested), one.suggested)


def test_a_copy_that_fits_ranks_before_an_explanation(scored, faces):
    truth, right, given, _ = with_wrong_labels(faces)
    truth[500] = truth[0]
    given[500] = right[0] + 0.5
    labels = scored(given, truth, "landmark", sigma=1.5, width=200.0)
    assert explained(labels).kinds[0, 0] == "swapped"
    result = explained(labels, conflicts=[("s0", "s500")])
    assert result.kinds[0, 0] == "copy"
    np.testing.assert_allclose(result.suggested[0, :2], given[500, :2])
    assert result.kinds[1, 0] == "swapped"


def test_an_explanation_ranks_before_a_copy_that_does_not_fit(scored, faces):
    truth, _, given, _ = with_wrong_labels(faces)
    truth[500] = truth[0]
    given[500] = given[0] + 3
    labels = scored(given, truth, "landmark", sigma=1.5, width=200.0)
    assert explained(labels, conflicts=[("s0", "s500")]).kinds[0, 0] == "swapped"
    given[0, :2] += 11  # no longer explained by anything
    labels = scored(given, truth, "landmark", sigma=1.5, width=200.0)
    assert explained(labels, conflicts=[("s0", "s500")]).kinds[0, 0] == "copy"


def test_labels_with_uncertain_predictions_are_hard_even_if_an_explanation_fits(scored, faces):
    spread = np.full((N, 5), 1.0)
    spread[24:28, 2] = 40.0
    spread[:4] = 40.0
    labels, _, _ = landmarks_of(scored, faces, spread=spread)
    result = explained(labels)
    assert {result.kinds[row, 2] for row in range(24, 28)} == {"hard"}
    assert {result.kinds[row, 2] for row in range(28, 32)} == {"shifted"}
    assert np.isnan(result.suggested[24, 4:6]).all()
    assert {result.kinds[row, 0] for row in range(4)} == {"hard"}
    assert {result.kinds[row, 0] for row in range(4, 8)} == {"swapped"}


def test_missing_labels_stay_missing_and_do_not_change_others(scored, faces):
    truth, _, given, _ = with_wrong_labels(faces)
    given[100:200, 6:] = np.nan
    given[24:28, 4] = np.nan
    given[:4, 8] = np.nan
    given[50] = np.nan
    labels = scored(given, truth, "landmark", sigma=1.5, width=200.0)
    result = explained(labels)
    assert np.isnan(result.suggested[np.isnan(given)]).all()
    assert {result.kinds[row, 0] for row in range(4)} == {"swapped"}
    assert {result.kinds[row, 2] for row in range(24, 28) if labels.flags[row, 2]} == {"shifted"}
    assert not any(row == 50 for row, _ in result.kinds)


def test_one_target_and_three_rows_are_enough(scored):
    predicted = np.array([[170.0], [165.0], [180.0]])
    given = np.array([[171.0], [163.0], [70.866]])
    labels = scored(given, predicted, sigma=1.5, width=200.0)
    result = explain(Case.of(labels, unit="cm"))
    assert set(result.kinds) == {(2, 0)}
    assert result.kinds[2, 0] in ("off", "unit")
    assert np.isfinite(result.suggested[2, 0])


def test_without_flags_there_are_no_reasons(scored, faces):
    rng = np.random.default_rng(0)
    truth = faces(3, rng)
    labels = scored(truth + 0.1, truth, "landmark", sigma=1.5, width=200.0)
    result = explain(Case.of(labels, landmarks=True, swap_pairs=PAIRS))
    assert result.kinds == result.why == {}
    assert np.isnan(result.suggested).all()
    empty = scored(np.full((3, 10), np.nan), truth, "landmark", sigma=1.5, width=200.0)
    assert explain(Case.of(empty, landmarks=True)).kinds == {}


def test_if_all_labels_are_flagged_each_gets_a_reason(scored, faces):
    rng = np.random.default_rng(0)
    truth = faces(30, rng)
    labels = scored(rng.uniform(0, 250, truth.shape), truth, "landmark", sigma=0.5, width=300.0)
    assert labels.flags.mean() > 0.98
    result = explain(Case.of(labels, landmarks=True, swap_pairs=PAIRS))
    assert len(result.kinds) == labels.flags.sum()
    numbers = scored(np.full((3, 1), 50.0), np.zeros((3, 1)), sigma=2.0, width=100.0)
    assert set(explain(Case.of(numbers)).kinds.values()) == {"off"}


def test_earlier_reasons_are_replaced(scored, faces):
    labels, _, _ = landmarks_of(scored, faces)
    stale = replace(labels, kinds={(500, 0): "hard"}, why={(500, 0): "old"}, suggested=labels.predicted)
    assert explained(stale).kinds == explained(labels).kinds
    np.testing.assert_array_equal(explained(stale).suggested, explained(labels).suggested)


def test_given_densities_replace_estimates(scored, faces):
    labels, _, _ = landmarks_of(scored, faces)
    result = explained(labels, covariances=[9 * np.eye(2)] * 5, log_densities=[-10.0] * 5)
    shifted = [place for place, kind in result.kinds.items() if kind == "shifted"]
    np.testing.assert_allclose([result.uncertainty[row, 2 * group] for row, group in shifted], 3, rtol=1e-6)


def test_an_odd_number_of_labels_cannot_be_landmarks(scored):
    labels = scored(np.zeros((3, 3)), np.zeros((3, 3)))
    with pytest.raises(InvalidParameterError, match="landmarks"):
        Case.of(labels, landmarks=True)


def test_reasons_are_read_as_they_were_written(scored, faces, tmp_path):
    result = explained(landmarks_of(scored, faces)[0])
    result.write(tmp_path / "scores.parquet")
    again = type(result).read(tmp_path / "scores.parquet")
    assert again.kinds == result.kinds
    assert again.why == result.why
    np.testing.assert_array_equal(again.suggested, result.suggested)


def test_explained_flags_do_not_count_as_other_wrong_labels(scored):
    rng = np.random.default_rng(0)
    truth = rng.normal(170, 12, (600, 1))
    given = truth + rng.normal(0, 4, truth.shape)
    given[:6] *= 10
    given[100:120] = rng.uniform(50, 300, (20, 1))
    labels = scored(given, truth, sigma=4.0, width=300.0)
    case = Case.of(labels, landmarks=False)
    alone = {finding.place: finding for finding in weigh(case, list(Unit().find(case))).findings()}
    result = explain(case)
    assert {result.kinds[row, 0] for row in range(6)} == {"unit"}
    assert all(result.uncertainty[row, 0] < 0.8 * alone[row, 0].uncertainty[0] for row in range(6) if (row, 0) in alone)


def test_the_documentation_has_a_row_for_every_reason():
    page = (Path(__file__).parents[4] / "docs" / "reasons.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(\w+)` \|", page, flags=re.MULTILINE)) == set(REASONS)
    assert f"at odds of {LEAST_ODDS:g} against" in page
    assert f"Try {len(VALUE_CONVERSIONS)} factors" in page
