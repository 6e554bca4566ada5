import sys
import tracemalloc
from functools import partial

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

import deepgum
from deepgum.audit import score_labels
from deepgum.audit.reasons import REASONS
from deepgum.audit.reasons.conversions import VALUE_CONVERSIONS
from deepgum.errors import InvalidDataError, InvalidParameterError, UnknownNameError
from deepgum.mixture import GaussianUniformMixture, MixtureStatus
from deepgum.posteriors.label_mixture import LabelMixture

NAN = float("nan")


def problem(n=300, d=4, seed=0):
    """Predictions, labels and which groups of two are wrong: a sixth of the first landmark."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(20, 200, size=(n, d))
    predictions, targets = truth + rng.normal(0, 1, (n, d)), truth + rng.normal(0, 1, (n, d))
    wrong = np.arange(n) % 6 == 0
    targets[wrong, :2] += 30 * np.sign(rng.normal(size=(wrong.sum(), 2)))
    return predictions, targets, wrong


@pytest.mark.usefixtures("gaussian_scores")
def test_posteriors_are_those_of_the_mixture_fitted_by_hand():
    predictions, targets, wrong = problem()
    labels = score_labels(predictions, targets, groups="landmark", inliers="gaussian").labels
    mixture = GaussianUniformMixture(groups="landmark").fit(targets - predictions)
    np.testing.assert_allclose(labels.responsibilities, mixture.responsibilities(targets - predictions), rtol=1e-10)
    np.testing.assert_allclose(labels.mahalanobis, mixture.mahalanobis(targets - predictions), rtol=1e-10)
    np.testing.assert_array_equal(labels.flags[:, 0], wrong)
    assert not labels.flags[:, 1].any()


@pytest.mark.usefixtures("gaussian_scores")
@pytest.mark.parametrize("groups", ["sample", "landmark", "coordinate", [[0], [3, 1, 2]]])
def test_scores_are_those_of_the_mixture_of_labels_for_every_partition(groups):
    predictions, targets, _ = problem()
    targets[5, 1] = targets[7] = NAN
    labels = score_labels(predictions, targets, groups=groups).labels
    fitted = LabelMixture.fit(targets - predictions, groups)
    np.testing.assert_allclose(labels.responsibilities, fitted.responsibilities(targets - predictions), rtol=1e-12)
    assert np.isnan(labels.responsibilities[7]).all()
    assert labels.partition == fitted.mixture.partition_


@pytest.mark.usefixtures("gaussian_scores")
def test_permuted_rows_have_permuted_scores():
    predictions, targets, _ = problem()
    order = np.random.default_rng(1).permutation(len(targets))
    one = score_labels(predictions, targets, inliers="gaussian").labels
    other = score_labels(predictions[order], targets[order], ids=order, inliers="gaussian").labels
    assert other.ids == tuple(one.ids[row] for row in order)
    np.testing.assert_allclose(other.responsibilities, one.responsibilities[order], rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(other.mahalanobis, one.mahalanobis[order], rtol=1e-6)


@pytest.mark.usefixtures("gaussian_scores")
def test_the_suggestion_for_a_flagged_label_is_its_prediction():
    predictions, targets, wrong = problem()
    targets[6, 1] = NAN  # half of a landmark that is wrong
    scored = score_labels(predictions, targets, groups="landmark", unit="px", inliers="gaussian")
    labels, group = scored.labels, scored.summary.groups[0]
    suggested = np.zeros(targets.shape, dtype=bool)
    suggested[wrong, :2] = True
    suggested[6, 1] = False
    np.testing.assert_array_equal(labels.suggested, np.where(suggested, predictions, NAN))
    np.testing.assert_array_equal(np.isnan(labels.uncertainty), ~suggested)
    np.testing.assert_allclose(labels.uncertainty[0, :2] ** 2, np.diagonal(group.covariance))
    places = set(zip(*map(np.ndarray.tolist, labels.flags.nonzero()), strict=True))
    assert set(labels.kinds) == set(labels.why) == places
    assert set(labels.kinds.values()) <= set(REASONS)
    assert all(sentence.endswith(".") for sentence in labels.why.values())


def test_heavy_tails_give_suggestions_their_uncertainty():
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 100, size=1500)
    residuals = 2 * rng.standard_t(4, 1500)
    residuals[:150] += rng.choice([-1, 1], 150) * rng.uniform(60, 90, 150)
    scored = score_labels(truth, truth + residuals, inliers="student-t")
    group = scored.summary.groups[0]
    assert group.degrees_of_freedom is not None
    uncertain = scored.labels.uncertainty[scored.labels.flags]
    np.testing.assert_allclose(uncertain, np.sqrt(group.covariance[0][0]))
    # The variance of Student's t of 4 degrees of freedom is twice the square of its scale.
    assert uncertain[0] == pytest.approx(2 * 2**0.5, rel=0.15)


def test_the_summary_counts_what_the_labels_say():
    predictions, targets, wrong = problem()
    targets[[1, 2], 2:] = NAN
    names = ["eye_x", "eye_y", "nose_x", "nose_y"]
    scored = score_labels(predictions, targets, target_names=names)
    labels, summary = scored.labels, scored.summary
    assert labels.group_names == ("eye", "nose")
    assert summary.samples == 300
    assert [group.labels for group in summary.groups] == [300, 298]
    assert summary.labels == 598
    assert summary.flags == labels.flags.sum() == sum(group.flags for group in summary.groups)
    assert summary.expected_false_flags == pytest.approx(labels.expected_false_flags)
    assert summary.groups[0].status == "CONVERGED"
    assert summary.groups[0].share.estimate == pytest.approx(wrong.mean(), abs=0.03)
    assert summary.groups[1].status == "NO_OUTLIERS"
    assert summary.data.landmarks
    ranked = [(labels.ids[row], labels.group_names[group]) for row, group in labels.worst_first()[:10]]
    assert [(flag.id, flag.group) for flag in scored.worst] == ranked
    assert summary.verdict in str(scored)
    assert "nose: " in str(scored)


@pytest.mark.usefixtures("gaussian_scores")
def test_periodic_labels_are_compared_by_their_period():
    rng = np.random.default_rng(0)
    truth = rng.uniform(-180, 180, size=(400, 1))
    around = np.mod(truth + rng.normal(0, 2, truth.shape) + 180, 360) - 180
    straight = score_labels(truth, around, target_names=["yaw"], inliers="gaussian")
    wrapped = score_labels(truth, around, target_names=["yaw"], periods={"yaw": 360}, inliers="gaussian")
    crossing = np.abs(around - truth)[:, 0] > 180
    assert crossing.any()
    assert (straight.labels.responsibilities[crossing] == 0.5).all()  # not judged without the period
    assert "--period yaw=360" in straight.summary.notices[0]
    assert not wrapped.summary.notices
    assert not wrapped.labels.flags[crossing].any()
    np.testing.assert_allclose(
        wrapped.labels.responsibilities,
        score_labels(truth, around, periods=[360.0], inliers="gaussian").labels.responsibilities,
    )


@pytest.mark.usefixtures("gaussian_scores")
def test_arrays_tensors_frames_and_lists_give_the_same_scores():
    predictions, targets, _ = problem()
    targets[3, 2] = NAN
    names = ["a", "b", "c", "d"]
    expected = score_labels(predictions, targets, inliers="gaussian").labels
    frame = pd.DataFrame(targets, columns=names)
    lists = [[None if value != value else value for value in row] for row in targets.tolist()]
    for given in (torch.tensor(targets, requires_grad=True), frame, pl.from_pandas(frame), lists, targets.T.copy().T):
        labels = score_labels(predictions, given, inliers="gaussian").labels
        np.testing.assert_array_equal(labels.given, targets)
        np.testing.assert_allclose(labels.responsibilities, expected.responsibilities)
    assert score_labels(predictions, frame).labels.target_names == tuple(names)
    assert score_labels(torch.tensor(predictions), pl.from_pandas(frame)).labels.group_names == tuple(names)
    renamed = score_labels(predictions, frame.set_index(frame.index + 7))
    assert renamed.labels.ids[:2] == ("7", "8")
    doubled = score_labels(predictions, frame.set_index(frame.index // 2))
    assert doubled.labels.ids[:2] == ("0", "1")


@pytest.mark.usefixtures("gaussian_scores")
def test_a_series_is_one_target():
    predictions, targets, _ = problem(d=2)
    labels = score_labels(predictions[:, 0], pd.Series(targets[:, 0], name="age")).labels
    assert labels.target_names == labels.group_names == ("age",)
    assert score_labels(predictions[:, 0], targets[:, 0]).labels.group_names == ("y0",)


def test_each_status_has_its_verdict():
    rng = np.random.default_rng(0)
    n = 1000
    truth = rng.uniform(0, 100, size=n)
    normal = rng.normal(size=n)
    spoiled = np.where(rng.random(n) < 0.2, rng.uniform(-20, 20, n), normal)
    few = np.where(np.arange(n) < 1, normal, NAN)
    residuals = {
        MixtureStatus.CONVERGED: spoiled,
        MixtureStatus.NO_OUTLIERS: normal,
        MixtureStatus.NO_INLIERS: rng.uniform(-1, 1, n),
        MixtureStatus.COLLAPSED_COVARIANCE: np.where(np.arange(n) < 800, 0.0, normal),
        MixtureStatus.TOO_FEW_SAMPLES: few,
    }
    verdicts = {}
    for status, residual in residuals.items():
        # A second target, since one alone would be refused with so few labels.
        targets = np.stack([truth + residual, truth + normal], axis=1)
        scored = score_labels(np.stack([truth, truth], axis=1), targets, inliers="gaussian")
        assert scored.summary.groups[0].status == status.name
        verdicts[status] = scored.summary.groups[0].verdict
    assert "are expected to be right" in verdicts[MixtureStatus.CONVERGED]
    assert "No wrong labels were found" in verdicts[MixtureStatus.NO_OUTLIERS]
    assert "guesses" in verdicts[MixtureStatus.NO_INLIERS]
    assert "by heart" in verdicts[MixtureStatus.COLLAPSED_COVARIANCE]
    assert "1 label is too few" in verdicts[MixtureStatus.TOO_FEW_SAMPLES]


def test_without_inliers_nothing_is_flagged_and_nothing_is_known():
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 100, size=(500, 2))
    targets = truth + np.stack([rng.uniform(-9, 9, 500), rng.normal(size=500)], axis=1)
    targets[4, 0] = NAN
    for inliers in ("gaussian", "auto"):
        scored = score_labels(truth, targets, inliers=inliers)
        assert scored.summary.groups[0].status == "NO_INLIERS"
        assert scored.summary.groups[0].flags == 0
        expected = np.where(np.arange(500) == 4, NAN, 0.5)
        np.testing.assert_array_equal(scored.labels.responsibilities[:, 0], expected)
        assert "No label is flagged" in scored.summary.groups[0].verdict


@pytest.mark.usefixtures("gaussian_scores")
def test_in_a_group_that_cannot_be_judged_nothing_is_flagged():
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 100, size=(500, 2))
    spoiled = np.where(rng.random(500) < 0.1, rng.uniform(-20, 20, 500), rng.normal(size=500))
    copied = np.where(np.arange(500) < 400, 0.0, rng.uniform(-9, 9, 500))
    scored = score_labels(truth, truth + np.stack([copied, spoiled], axis=1), inliers="gaussian")
    assert scored.summary.groups[0].status == "COLLAPSED_COVARIANCE"
    np.testing.assert_array_equal(scored.labels.responsibilities[:, 0], 0.5)
    assert {flag.group for flag in scored.worst} == {"y1"}


def test_wrong_labels_as_near_as_right_ones_get_a_verdict_of_heavy_tails():
    rng = np.random.default_rng(2)
    truth = rng.uniform(0, 100, size=(1000, 2))
    residuals = rng.normal(size=(1000, 2)) * np.where(rng.random((1000, 1)) < 0.3, 2, 1)
    scored = score_labels(truth, truth + residuals, groups="sample", inliers="gaussian")
    assert scored.summary.groups[0].status == "NO_OUTLIERS"
    assert "heavy tails" in scored.summary.verdict
    assert scored.summary.share is None


def test_a_few_labels_that_are_far_out_are_the_lower_bound():
    for n, few in ((60, 6), (3000, 5)):
        truth, residuals = np.linspace(0, 100, n), np.random.default_rng(0).normal(size=n)
        residuals[:few] += 40
        scored = score_labels(truth, truth + residuals)
        share, flags = scored.summary.share, scored.labels.flags[:, 0]
        assert flags[:few].all()
        assert share.low <= few / n < share.low + 1 / n
        assert share.estimate == pytest.approx(flags.sum() / n, abs=0.5 / n)
        assert "No wrong labels" not in scored.summary.verdict


PREDICTIONS, TARGETS, _ = problem(60, 2)
WITHOUT, INFINITE, TEXT = PREDICTIONS.copy(), TARGETS.copy(), TARGETS.astype(object)
WITHOUT[[4, 9], 1] = NAN
INFINITE[7, 0] = np.inf
TEXT[8, 1] = "many"
FRAME = pd.DataFrame(TARGETS, columns=["a", "b"])


@pytest.mark.parametrize(
    ("predictions", "targets", "options", "message"),
    [
        (PREDICTIONS[:, :1], TARGETS, {}, r"same shape \(n, d\).* Found \(60, 1\) and \(60, 2\)"),
        (PREDICTIONS[:50], TARGETS, {}, r"Found \(50, 2\) and \(60, 2\)"),
        (PREDICTIONS[:, :0], TARGETS[:, :0], {}, "d at least 1"),
        (PREDICTIONS[:, None], TARGETS, {}, r"`predictions` should have shape \(n, d\) or \(n,\)"),
        (PREDICTIONS, TEXT, {}, "`targets` should hold numbers.* Found 'many' in row 8"),
        (PREDICTIONS, pd.DataFrame(TEXT, columns=["a", "b"]), {}, "Found 'many' in row 8 in column 'b'"),
        (PREDICTIONS, pl.DataFrame({"a": ["u"] * 60, "b": TARGETS[:, 0]}), {}, "Found 'u' in row 0 in column 'a'"),
        (PREDICTIONS, TARGETS + 1j, {}, "`targets` should hold numbers"),
        (PREDICTIONS, INFINITE, {}, r"labels should be finite.* Found 1 sample .*: 7 \(y0\)"),
        (INFINITE, TARGETS, {}, "predictions should be finite"),
        (WITHOUT, TARGETS, {}, r"a prediction wherever there is a label.* Found 2 samples .*: 4, 9 \(y1\)"),
        (PREDICTIONS[:3], TARGETS[:3], {}, "at least 10 samples .* Found 3"),
        (PREDICTIONS[:0], TARGETS[:0], {}, "at least 10 samples .* Found 0"),
        (PREDICTIONS, np.full_like(TARGETS, NAN), {}, "There should be labels"),
        (PREDICTIONS, np.ones_like(TARGETS), {}, r"should differ .*: y0 \(always 1\), y1 \(always 1\)"),
        (PREDICTIONS, TARGETS, {"ids": ["a"] * 60}, "should be unique. Found more than once: a"),
        (PREDICTIONS, TARGETS, {"ids": "abc"}, "`ids` should have length 60.* Found 3"),
        (PREDICTIONS, TARGETS, {"target_names": ["a", "a"]}, "Found twice: a"),
        (PREDICTIONS, TARGETS, {"groups": "landmark", "target_names": ["y1", "x1"]}, "side by side: x1, y1"),
        (PREDICTIONS[:, :1], TARGETS[:, :1], {"groups": "landmark"}, "an even number"),
        (FRAME[["b", "a"]], FRAME, {}, "columns in the same order. Found b, a, and a, b"),
        (FRAME.iloc[::-1], FRAME, {}, "the same rows in the same order"),
        (PREDICTIONS, pd.DataFrame(TARGETS, columns=["a", "a"]), {}, "each column once"),
    ],
)
def test_data_that_cannot_be_scored_are_named(predictions, targets, options, message):
    with pytest.raises(InvalidDataError, match=message):
        score_labels(predictions, targets, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": [[0], [2]]}, "`groups` should be index lists"),
        ({"groups": "samples"}, "`groups` should be one of 'sample', 'landmark', 'coordinate'"),
        ({"target_names": ["a"]}, "`target_names` should be 2 names"),
        ({"periods": {"yaw": 360}}, "`periods` should be one of 'y0', 'y1'"),
        ({"periods": [360.0]}, "`periods` should be 2 finite numbers"),
        ({"periods": [360.0, -1.0]}, "`periods` should be 2 finite numbers"),
        ({"swap_pairs": [(0, 1)]}, "`swap_pairs` should be left out if labels are not landmarks"),
        ({"groups": "landmark", "swap_pairs": [(0, 1)]}, "counted from 0 to 0"),
        ({"groups": "landmark", "swap_pairs": [(0, 0)]}, "each landmark in one pair"),
    ],
)
def test_parameters_that_do_not_fit_are_named(options, message):
    with pytest.raises(InvalidParameterError, match=message):
        score_labels(PREDICTIONS, TARGETS, **options)


def test_an_unknown_name_shows_the_nearest():
    with pytest.raises(UnknownNameError, match="Did you mean 'yaw'"):
        score_labels(PREDICTIONS, TARGETS, target_names=["yaw", "pitch"], periods={"yav": 360})


@pytest.mark.usefixtures("gaussian_scores")
def test_inputs_are_not_changed():
    predictions, targets = PREDICTIONS.copy(), TARGETS.copy()
    score_labels(predictions, targets)
    np.testing.assert_array_equal(predictions, PREDICTIONS)
    np.testing.assert_array_equal(targets, TARGETS)


def test_score_labels_is_public():
    assert deepgum.score_labels is score_labels


def calls_of(work):
    """Return the number of calls of functions while `work` runs: a time that does not depend on the machine."""
    count = 0

    def profile(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


def wide(n, g, k=1, bad=0.1):
    """Predictions and labels of g groups of k coordinates; a tenth of the groups of the samples is wrong."""
    rng = np.random.default_rng(0)
    predictions = rng.normal(50, 20, (n, g * k))
    wrong = np.repeat(rng.random((n, g)) < bad, k, axis=1)
    right = predictions + rng.normal(size=(n, g * k))
    return predictions, np.where(wrong, predictions + rng.uniform(-40, 40, (n, g * k)), right)


@pytest.mark.fault(11)
@pytest.mark.usefixtures("gaussian_scores")
def test_a_group_more_takes_little_work():
    score_labels(*wide(60, 5), groups="coordinate", inliers="gaussian")  # imports
    few, many = (
        calls_of(partial(score_labels, *wide(60, g), groups="coordinate", inliers="gaussian")) for g in (10, 40)
    )
    assert (many - few) / 30 < 3000


@pytest.mark.fault(11)
@pytest.mark.usefixtures("gaussian_scores")
def test_a_label_more_takes_little_memory():
    score_labels(*wide(60, 5), groups="coordinate", inliers="gaussian")  # imports
    peaks = []
    for g in (20, 80):
        data = wide(60, g)
        tracemalloc.start()
        score_labels(*data, groups="coordinate", inliers="gaussian")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert (peaks[1] - peaks[0]) / (60 * 60) < 1000  # bytes


@pytest.mark.fault(11)
def test_a_large_group_is_factorised_once_and_not_for_each_flag_and_conversion():
    factorised = []
    real = np.linalg.cholesky

    def cholesky(matrices):
        factorised.extend([matrices.shape[-1]] * (matrices.size // max(matrices.shape[-1] ** 2, 1)))
        return real(matrices)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(np.linalg, "cholesky", cholesky)
        labels = score_labels(*wide(300, 1, k=12), groups="sample", inliers="gaussian").labels
    assert labels.flags.sum() > 10
    assert sum(size >= 11 for size in factorised) < 0.1 * len(VALUE_CONVERSIONS) * 12 * labels.flags.sum()


def test_progress_rises_to_100_percent():
    seen = []
    predictions, targets, _ = problem()
    score_labels(predictions, targets, groups="landmark", on_progress=lambda done, total: seen.append((done, total)))
    assert [total for _, total in seen] == [100] * len(seen)
    done = [each for each, _ in seen]
    assert done == sorted(done)
    assert (done[0], done[-1]) == (0, 100)
    assert len(set(done)) > 20
