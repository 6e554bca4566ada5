import warnings
from dataclasses import replace

import numpy as np
import pytest

from deepgum.audit.faults import Fault, FaultKind
from deepgum.audit.summary import GroupSummary
from deepgum.audit.verdict import group_verdict, overall_verdict
from deepgum.mixture import GaussianUniformMixture, MixtureStatus
from deepgum.posteriors.label_mixture import LabelMixture
from deepgum.posteriors.shares import Share
from deepgum.wording import percent


def normal(n=1000, seed=0, d=1):
    return np.random.default_rng(seed).normal(size=(n, d))


def wrong(residuals, share=0.2, width=20.0, seed=1):
    rng = np.random.default_rng(seed)
    spoiled = rng.random((len(residuals), 1)) < share
    return np.where(spoiled, rng.uniform(-width, width, residuals.shape), residuals)


def twice_as_wide(n=1000, seed=2):
    """A part of the residuals is wider than the others, but not by much."""
    rng = np.random.default_rng(seed)
    return normal(n, seed=3, d=2) * np.where(rng.random((n, 1)) < 0.3, 2, 1)


def status_of(residuals):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return GaussianUniformMixture().fit(residuals).status_


def words(status, *, labels=1000, flags=0, expected=0.0, share=None, tails=False):
    return group_verdict(
        status, labels=labels, flags=flags, expected_false_flags=expected, share=share, heavy_tails=tails
    )


NONE_WRONG = Share.at_least(0.0, 0.0)


def a_group(name, status, *, flags=0, expected=0.0, verdict="", share=NONE_WRONG):
    return GroupSummary(name, 100, flags, expected, share, status, verdict or name, 0.9, ((1.0,),), -3.0)


def test_each_status_has_its_own_words():
    few = np.full((50, 2), np.nan)
    few[:2] = 1.0
    cases = {
        MixtureStatus.CONVERGED: wrong(normal()),
        MixtureStatus.NO_OUTLIERS: normal(),
        MixtureStatus.NO_INLIERS: np.random.default_rng(0).uniform(-1, 1, size=(1000, 1)),
        MixtureStatus.COLLAPSED_COVARIANCE: np.where(np.arange(1000)[:, None] < 800, 0.0, normal()),
        MixtureStatus.TOO_FEW_SAMPLES: few,
    }
    said = set()
    for status, residuals in cases.items():
        assert status_of(residuals) == (status,)
        said.add(words(status))
    assert len(said) == len(cases)
    assert all(text.endswith(".") for text in said)


def test_outliers_as_tight_as_inliers_differ_from_no_outliers():
    fitted = LabelMixture.fit(np.hstack([normal(2000, d=2), twice_as_wide(2000)]), ((0, 1), (2, 3)))
    assert fitted.status == (MixtureStatus.NO_OUTLIERS,) * 2
    assert [fitted.has_heavy_tails(group) for group in (0, 1)] == [False, True]
    none = MixtureStatus.NO_OUTLIERS
    assert words(none) != words(none, tails=True)


def test_verdicts_contain_the_numbers():
    share = Share.at_least(0.09, 0.12)
    text = words(MixtureStatus.CONVERGED, flags=120, expected=3.2, share=share)
    assert text == "At least 9 % of the labels are wrong; 3 of the 120 flagged are expected to be right."
    assert "1 of the 120 flagged is" in words(MixtureStatus.CONVERGED, flags=120, expected=1.0, share=share)
    assert "hardly any of the 120" in words(MixtureStatus.CONVERGED, flags=120, expected=0.2, share=share)
    assert "with a probability of 4 %" in words(MixtureStatus.CONVERGED, flags=1, expected=0.04, share=share)
    assert "no label is far enough" in words(MixtureStatus.CONVERGED, share=share)
    assert "their number cannot be estimated" in words(MixtureStatus.CONVERGED)
    assert "rough" in words(MixtureStatus.ITERATION_LIMIT, share=share)
    assert "1 label is too few" in words(MixtureStatus.TOO_FEW_SAMPLES, labels=1)


def test_a_share_with_an_upper_bound_is_an_estimate_with_an_interval():
    text = words(MixtureStatus.CONVERGED, flags=120, expected=3.2, share=Share(0.12, 0.09, 0.15))
    assert text.startswith("About 12 % of the labels are wrong (9 to 15 %); ")


def test_flags_beside_right_labels_alone_are_counted_like_any_others():
    text = words(MixtureStatus.NO_OUTLIERS, flags=50, expected=0.9, share=Share.at_least(0.049, 0.049))
    assert text == "At least 4.9 % of the labels are wrong; 1 of the 50 flagged is expected to be right."
    assert words(MixtureStatus.NO_OUTLIERS, share=NONE_WRONG).startswith("No wrong labels were found")


def test_a_fault_of_the_predictions_takes_the_place_of_any_other_verdict():
    fault = Fault(FaultKind.CONSTANT, "the predictions are all 5. Give others.")
    for status in MixtureStatus:
        text = group_verdict(status, labels=100, flags=3, expected_false_flags=0.1, share=None, fault=fault)
        assert text.startswith("Nothing can be told: the predictions are all 5. Give others.")
        assert "3 flagged labels are only far from most others" in text
        assert "expected to be right" not in text


@pytest.mark.parametrize(
    "status", [MixtureStatus.NO_INLIERS, MixtureStatus.COLLAPSED_COVARIANCE, MixtureStatus.NO_OUTLIERS]
)
def test_a_reader_of_an_audit_is_told_about_inputs_and_a_reader_of_scores_about_predictions(status):
    common = dict(labels=1000, flags=0, expected_false_flags=0.0, share=None, heavy_tails=True)
    of_audit, of_scores = (group_verdict(status, **common, out_of_fold=each) for each in (True, False))
    assert "inputs" in of_audit.lower()
    assert "predictions" not in of_audit.lower()
    assert "predictions" in of_scores.lower()


@pytest.mark.parametrize("status", [MixtureStatus.CONVERGED, MixtureStatus.NO_OUTLIERS, MixtureStatus.NO_INLIERS])
def test_few_labels_are_only_a_guess(status):
    assert "this verdict is a guess" in words(status, labels=12)
    assert "this verdict is a guess" not in words(status, labels=1000)


@pytest.mark.parametrize("share", [0.0, 1e-4, 0.004, 0.0994, 0.0996, 0.5, 0.999, 1.0])
def test_percentages_are_correct_to_their_last_digit(share):
    shown = float(percent(share))
    assert abs(shown - 100 * share) <= (0.5 if shown >= 10 else 0.05 if shown >= 0.1 else 0.005) + 1e-9


def test_the_overall_verdict_follows_from_the_groups():
    one = [a_group("a", "CONVERGED", verdict="About 12 %.")]
    assert overall_verdict(one, None) == "About 12 %."
    same = [a_group(name, "NO_INLIERS", verdict="Nothing.") for name in "ab"]
    assert overall_verdict(same, None) == "Nothing."
    mixed = [
        a_group("a", "CONVERGED", flags=10, expected=2.0),
        a_group("b", "ITERATION_LIMIT", flags=5, expected=1.0),
        a_group("c", "NO_OUTLIERS"),
        a_group("f", "NO_OUTLIERS", flags=1, expected=0.4),
        a_group("g", "NO_OUTLIERS", share=None),
        a_group("d", "TOO_FEW_SAMPLES", flags=50, expected=20.0),
        a_group("e", "NO_INLIERS", flags=100, expected=1.0),
        replace(a_group("h", "CONVERGED", flags=100, share=None), fault="SIGN"),
    ]
    text = overall_verdict(mixed, Share.at_least(0.03, 0.05), "landmarks")
    # Flags of groups without a verdict are not counted, and no share is claimed for their labels.
    assert text.startswith(
        "In 4 of 8 landmarks, at least 3 % of the labels are wrong; 3 of the 16 flagged are expected to be right. "
        "No wrong labels were found in c. "
    )
    assert "Nothing can be told about g: the residuals have heavy tails" in text
    assert "Nothing can be told about d: too few labels." in text
    assert "Nothing can be told about e: the residuals are spread so evenly" in text
    assert "Nothing can be told about h: the predictions fall where the labels rise." in text
    assert "all labels" not in text
    assert overall_verdict(mixed[2:6:3], None) == (
        "No wrong labels were found in c. Nothing can be told about d: too few labels."
    )


def test_groups_that_cannot_be_told_for_one_reason_are_the_others():
    few = [a_group(f"{place}", "NO_OUTLIERS", share=None) for place in range(65)]
    told = [a_group(f"told {place}", "CONVERGED", flags=20, expected=1.0) for place in range(3)]
    text = overall_verdict([*few, *told], Share.at_least(0.06, 0.08), "landmarks")
    assert text.startswith("In 3 of 68 landmarks, at least 6 % of the labels are wrong; 3 of the 60 flagged")
    assert "Nothing can be told about the other 65 (" in text


def test_thousands_of_groups_with_flags_are_not_said_to_have_no_wrong_labels():
    groups = [a_group(f"{place}", "NO_OUTLIERS", flags=5, share=Share.at_least(0.05, 0.05)) for place in range(1000)]
    text = overall_verdict([*groups, a_group("last", "CONVERGED", flags=5)], Share.at_least(0.05, 0.05))
    assert text.startswith("At least 5 % of the labels are wrong; ")
    assert "No wrong" not in text


@pytest.mark.parametrize(
    ("least", "flags", "expected", "missed"),
    [
        (0.12, 243, 22.0, "About 140 more labels are probably wrong"),  # 360 wrong, 221 of them flagged
        (0.081, 243, 22.0, None),  # 243 wrong: a tenth more than 221
        (0.082, 243, 22.0, "About 25 more labels are probably wrong"),
        (0.01, 243, 22.0, None),
        (0.02, 0, 0.0, "About 60 more labels are probably wrong"),
        (0.0012, 3, 1.0, "About 2 more labels are probably wrong"),
        (0.001, 2, 0.0, "About 1 more label is probably wrong"),
        (0.0001, 0, 0.0, None),  # less than one label
    ],
)
def test_wrong_labels_that_are_not_flagged_are_told_if_they_are_many(least, flags, expected, missed):
    share = Share.at_least(least, least)
    of_group = words(MixtureStatus.CONVERGED, labels=3000, flags=flags, expected=expected, share=share)
    # Over all groups: of the group without a share nothing is claimed.
    told = [
        replace(a_group("a", "CONVERGED", flags=flags, expected=expected, share=share), labels=1000),
        replace(a_group("b", "CONVERGED", share=share), labels=2000),
        replace(a_group("c", "NO_INLIERS", share=None, flags=7), labels=5000),
    ]
    for text in (of_group, overall_verdict(told, share)):
        assert ("cannot be told which" in text) is (missed is not None)
        assert missed is None or f"{missed}, but it cannot be told which." in text
