"""The tracker: it collects residuals by sample, runs EM, and gives weights by sample."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from deepgum.data.mirror import Mirror
from deepgum.data.regression import RegressionData
from deepgum.errors import InvalidDataError, InvalidParameterError, NonFiniteLossError, NotFittedError
from deepgum.losses import L1, Cauchy
from deepgum.losses.cauchy import CAUCHY_SHARE
from deepgum.losses.student_t import StudentTLoss
from deepgum.mixture import GaussianUniformMixture
from deepgum.scale import mad_scale
from deepgum.training import DeepGUMOptions, Interleaved, SGDOptions, fit_deepgum
from deepgum.training.tracker import WARMUP_EPOCHS, ResponsibilityTracker
from deepgum.training.weighting import HALVED_IN

N, D = 200, 4


def residuals_of(seed: int = 0, wrong: float = 0.3) -> Tensor:
    """Return residuals drawn from the mixture: narrow inliers, and outliers in a range twenty times as wide."""
    generator = torch.Generator().manual_seed(seed)
    values = 0.1 * torch.randn(N, D, generator=generator)
    bad = torch.rand(N, generator=generator) < wrong
    values[bad] = 4 * torch.rand(int(bad.sum()), D, generator=generator) - 2
    return values


def shuffled_indices(seed: int, size: int = 32) -> list[Tensor]:
    return list(torch.randperm(N, generator=torch.Generator().manual_seed(seed)).split(size))


def train_tracker(tracker: ResponsibilityTracker, residuals: Tensor, epochs: int) -> ResponsibilityTracker:
    """Run epochs, each in another order, with a network that predicts 0, so that labels are residuals."""
    for epoch in range(epochs):
        for index in shuffled_indices(epoch):
            tracker.loss(torch.zeros(len(index), D), residuals[index], index)
        tracker.update()
    return tracker


def test_residuals_belong_to_their_samples_in_any_order() -> None:
    residuals = residuals_of()
    tracker = train_tracker(ResponsibilityTracker(N, options=DeepGUMOptions(warmup_epochs=1)), residuals, 3)
    assert tracker.residuals is not None
    torch.testing.assert_close(tracker.residuals, residuals, rtol=0, atol=0)
    assert tracker.index.tolist() == list(range(N))


def test_weights_come_from_a_mixture_of_all_residuals() -> None:
    residuals = residuals_of()
    options = DeepGUMOptions(warmup_epochs=1, groups="landmark", schedule=Interleaved(1.0, math.inf))
    tracker = train_tracker(ResponsibilityTracker(N, options=options), residuals, 1)
    expected = GaussianUniformMixture(groups="landmark").fit(residuals).responsibilities(residuals)
    torch.testing.assert_close(
        tracker.weights(torch.arange(N)), expected.repeat_interleave(2, dim=1).float(), rtol=0, atol=0
    )


@pytest.mark.parametrize("factor", [1.0, 2.0, 3.5])
def test_widening_multiplies_the_standard_deviations_and_nothing_else(factor: float) -> None:
    residuals = residuals_of()
    options = DeepGUMOptions(warmup_epochs=1, schedule=Interleaved(factor, math.inf))
    tracker = train_tracker(ResponsibilityTracker(N, options=options), residuals, 1)
    plain = GaussianUniformMixture().fit(residuals)
    assert tracker.mixture is not None
    ratio = torch.as_tensor(tracker.mixture.covariances_[0]) / torch.as_tensor(plain.covariances_[0])
    torch.testing.assert_close(ratio, torch.full_like(ratio, factor**2), rtol=1e-12, atol=0)
    assert torch.equal(torch.as_tensor(tracker.mixture.inlier_prior_), torch.as_tensor(plain.inlier_prior_))
    # Eq. 2 with the widened covariance, from SciPy.
    from scipy.stats import multivariate_normal

    prior, gamma = float(plain.inlier_prior_[0]), float(plain.log_uniform_density_[0])
    inlier = multivariate_normal(np.zeros(D), factor**2 * np.asarray(plain.covariances_[0])).logpdf(residuals.numpy())
    expected = 1 / (1 + (1 - prior) / prior * np.exp(gamma - inlier))
    np.testing.assert_allclose(tracker.mixture.responsibilities(residuals)[:, 0].numpy(), expected, rtol=1e-9)


def test_em_starts_from_the_covariance_without_widening() -> None:
    residuals = residuals_of()
    narrow, wide = (
        train_tracker(
            ResponsibilityTracker(N, options=DeepGUMOptions(warmup_epochs=1, schedule=Interleaved(widening=w))),
            residuals,
            4,
        )
        for w in (1.0, 2.0)
    )
    assert narrow.mixture is not None
    assert wide.mixture is not None
    # Three epochs after the first fit the factor 2 has decayed to 1 + 5 / (5 + 3).
    torch.testing.assert_close(
        torch.as_tensor(wide.mixture.covariances_[0]), 1.625**2 * torch.as_tensor(narrow.mixture.covariances_[0])
    )


def test_the_leniency_decays() -> None:
    options = DeepGUMOptions(schedule=Interleaved(widening=3.0, degrees_of_freedom=4.0))
    tracker = train_tracker(ResponsibilityTracker(N, options=options), residuals_of(), WARMUP_EPOCHS)
    plain = GaussianUniformMixture().fit(residuals_of())
    found = []
    for epochs in (0, HALVED_IN, HALVED_IN):
        train_tracker(tracker, residuals_of(), epochs)
        assert tracker.mixture is not None
        ratio = float(tracker.mixture.covariances_[0][0, 0] / plain.covariances_[0][0, 0]) ** 0.5
        found.append((ratio, tracker.mixture.degrees_of_freedom))
    assert found == [(pytest.approx(w, rel=1e-4), pytest.approx(nu)) for w, nu in ((3, 4), (2, 8), (1 + 2 / 3, 12))]


def test_the_first_loss_is_cauchy_with_a_quarter_of_the_spread_of_the_labels() -> None:
    targets = 10 * torch.randn(N, D, generator=torch.Generator().manual_seed(1))
    tracker = ResponsibilityTracker(N, targets=targets)
    index = torch.arange(20)
    found = tracker.loss(torch.zeros(20, D), targets[:20], index)
    expected = Cauchy(CAUCHY_SHARE * mad_scale(targets).median().item())(targets[:20])
    torch.testing.assert_close(found, expected)


def test_without_all_targets_the_first_batch_gives_the_spread_and_later_ones_do_not() -> None:
    targets = torch.randn(N, D, generator=torch.Generator().manual_seed(1))
    tracker = ResponsibilityTracker(N)
    scale = CAUCHY_SHARE * mad_scale(targets[:20]).median().item()
    for rows, factor in ((slice(0, 20), 1.0), (slice(20, 40), 50.0)):
        index = torch.arange(N)[rows]
        found = tracker.loss(torch.zeros(20, D), factor * targets[rows], index)
        torch.testing.assert_close(found, Cauchy(scale)(factor * targets[rows]))


def test_after_the_warm_up_the_loss_is_l1_weighted_by_each_samples_responsibility() -> None:
    residuals = residuals_of()
    tracker = train_tracker(
        ResponsibilityTracker(N, options=DeepGUMOptions(groups="landmark")), residuals, WARMUP_EPOCHS
    )
    index = torch.tensor([7, 3, 150, 20])
    predictions = torch.randn(4, D, generator=torch.Generator().manual_seed(2))
    found = tracker.loss(predictions, residuals[index], index)
    assert tracker.mixture is not None
    weights = tracker.mixture.responsibilities(residuals)[index].repeat_interleave(2, dim=1)
    expected = (weights * (residuals[index] - predictions).abs()).sum() / (4 * D)
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)
    torch.testing.assert_close(tracker.weights(index), weights.float())


def test_in_the_warm_up_every_weight_is_one_and_there_is_no_mixture() -> None:
    tracker = train_tracker(ResponsibilityTracker(N), residuals_of(), WARMUP_EPOCHS - 1)
    assert tracker.weights(torch.tensor([1, 2])).eq(1).all()
    assert tracker.mixture is None
    with pytest.raises(
        NotFittedError, match=rf"warm-up of {WARMUP_EPOCHS} epochs\. Found {WARMUP_EPOCHS - 1} completed epochs"
    ):
        _ = tracker.responsibilities
    train_tracker(tracker, residuals_of(), 1)
    assert len(tracker.responsibilities) == N


def test_the_weights_have_no_gradient() -> None:
    residuals = residuals_of()
    tracker = train_tracker(
        ResponsibilityTracker(N, options=DeepGUMOptions(weighted_loss="l2")), residuals, WARMUP_EPOCHS
    )
    index = torch.arange(10)
    predictions = torch.zeros(10, D, requires_grad=True)
    tracker.loss(predictions, residuals[index], index).backward()
    expected = -2 * tracker.weights(index) * residuals[index] / (10 * D)
    torch.testing.assert_close(predictions.grad, expected)


def test_a_mirrored_sample_has_the_residual_and_the_weights_of_its_own_coordinates() -> None:
    mirror = Mirror.landmarks([(0, 1)], n_landmarks=2)
    residuals = residuals_of()
    plain = train_tracker(ResponsibilityTracker(N, options=DeepGUMOptions(groups="landmark")), residuals, WARMUP_EPOCHS)
    tracker = ResponsibilityTracker(N, options=DeepGUMOptions(groups="landmark"), mirror=mirror)
    labels = residuals + 0.5
    for epoch in range(WARMUP_EPOCHS):
        for index in shuffled_indices(epoch):
            mirrored = torch.rand(len(index), generator=torch.Generator().manual_seed(epoch)) < 0.5
            predicted = torch.full((len(index), D), 0.5)
            given = torch.where(mirrored[:, None], mirror.targets(labels[index]), labels[index])
            predicted = torch.where(mirrored[:, None], mirror.targets(predicted), predicted)
            tracker.loss(predicted, given, index, mirrored=mirrored)
        tracker.update()
    assert tracker.residuals is not None
    torch.testing.assert_close(tracker.residuals, residuals, rtol=0, atol=1e-6)
    index = torch.arange(8)
    found = tracker.loss(
        torch.zeros(8, D), mirror.targets(labels[:8]), index, mirrored=torch.ones(8, dtype=torch.bool)
    ).item()
    weights = mirror.weights(plain.weights(index))
    expected = (weights * mirror.targets(labels[:8]).abs()).sum().item() / (8 * D)
    assert found == pytest.approx(expected, rel=1e-4)


def test_missing_labels_have_no_influence() -> None:
    residuals = residuals_of()
    residuals[::3, 1] = torch.nan
    residuals[5] = torch.nan
    tracker = train_tracker(
        ResponsibilityTracker(N, options=DeepGUMOptions(groups="coordinate")), residuals, WARMUP_EPOCHS
    )
    expected = GaussianUniformMixture(groups="coordinate").fit(residuals)
    assert tracker.mixture is not None
    torch.testing.assert_close(tracker.mixture.inlier_prior_, expected.inlier_prior_)
    assert torch.equal(tracker.residuals.isnan(), residuals.isnan())  # type: ignore[union-attr]
    index = torch.tensor([3, 5])
    loss = tracker.loss(torch.zeros(2, D, requires_grad=True), residuals[index], index)
    seen = ~residuals[index].isnan()
    by_hand = (tracker.weights(index) * residuals[index].abs())[seen].sum() / seen.sum()
    torch.testing.assert_close(loss.detach(), by_hand)


def test_sample_weights_count_in_the_loss_and_in_the_mixture() -> None:
    residuals = residuals_of()
    weight = torch.ones(N)
    weight[:50] = 0.0
    weight[50:] = 2.0
    options = DeepGUMOptions(warmup_epochs=1, schedule=Interleaved(widening=1.0))
    tracker = train_tracker(ResponsibilityTracker(N, options=options, sample_weight=weight), residuals, 1)
    expected = GaussianUniformMixture().fit(residuals[50:])
    assert tracker.mixture is not None
    torch.testing.assert_close(tracker.mixture.inlier_prior_, expected.inlier_prior_)
    index = torch.tensor([1, 60])
    found = tracker.loss(torch.zeros(2, D), residuals[index], index)
    by_hand = 2 * tracker.mixture.responsibilities(residuals)[60] * L1()(residuals[60:61]) / 2
    assert found.item() == pytest.approx(by_hand.item(), rel=1e-6)


def test_a_sample_that_an_epoch_omits_keeps_its_last_residuals() -> None:
    residuals = residuals_of()
    tracker = train_tracker(ResponsibilityTracker(N, options=DeepGUMOptions(warmup_epochs=1)), residuals, 1)
    index = torch.arange(1, N)
    tracker.loss(torch.zeros(N - 1, D), 2 * residuals[1:], index)
    tracker.update()
    assert tracker.residuals is not None
    assert tracker.residuals[0].equal(residuals[0])
    assert tracker.residuals[1:].equal(2 * residuals[1:])


def test_a_tracker_resumes_exactly_from_its_state() -> None:
    residuals = residuals_of()
    one = train_tracker(ResponsibilityTracker(N), residuals, WARMUP_EPOCHS + 1)
    other = ResponsibilityTracker(N)
    other.load_state_dict(one.state_dict())
    assert other.epoch == one.epoch
    assert other.responsibilities.equal(one.responsibilities)
    for tracker in (one, other):
        train_tracker(tracker, residuals + 0.01, 2)
    assert other.responsibilities.equal(one.responsibilities)
    assert one.mixture is not None
    assert other.mixture is not None
    assert one.mixture.n_iter_ == other.mixture.n_iter_


def test_the_state_of_another_training_is_refused_and_not_loaded() -> None:
    targets = residuals_of()
    state = train_tracker(ResponsibilityTracker(N, targets=targets), targets, WARMUP_EPOCHS).state_dict()
    for other, named in (
        (ResponsibilityTracker(3), "n_samples = 200 there and 3 here"),
        (ResponsibilityTracker(N, options=DeepGUMOptions(groups="coordinate")), "options.groups"),
        (ResponsibilityTracker(N, targets=2 * targets), "spread"),
        (ResponsibilityTracker(N, targets=targets[:, :1]), "width = 4 there and 1 here"),
    ):
        with pytest.raises(InvalidDataError, match=named):
            other.load_state_dict(state)
        assert other.epoch == 0
    with pytest.raises(InvalidDataError, match="lacks"):
        ResponsibilityTracker(N).load_state_dict({"epoch": 3})
    before = {name: value for name, value in state.items() if name != "format"}
    with pytest.raises(
        InvalidDataError, match=r"Version 0.1.0 of deepgum wrote this state. Finish the training with that"
    ):
        ResponsibilityTracker(N).load_state_dict(before)
    # Without targets, the tracker cannot distinguish data sets and accepts the state.
    ResponsibilityTracker(N).load_state_dict(state)


def test_residuals_that_were_broadcast_to_a_matrix_are_refused() -> None:
    tracker = ResponsibilityTracker(4)
    predictions, targets, index = torch.zeros(4, 1), torch.arange(4.0), torch.arange(4)
    tracker.loss(predictions, targets, index)
    with pytest.raises(InvalidDataError, match=r"shape \(4, 1\).*\(4, 4\).*targets\[:, None\]"):
        tracker.record(index, targets - predictions)
    with pytest.raises(InvalidDataError, match=r"shape \(m, 1\).*\(4, 4\).*targets\[:, None\]"):
        tracker.score(targets - predictions)
    assert tracker.score(targets) == tracker.score(targets[:, None])


def test_a_prediction_of_nan_is_not_a_missing_label() -> None:
    residuals = residuals_of()
    residuals[3] = torch.nan
    tracker = train_tracker(ResponsibilityTracker(N), residuals, 1)
    tracker.record(torch.tensor([2, 3]), residuals[2:4])
    spoiled = residuals.clone()
    spoiled[5, 0] = torch.nan
    with pytest.raises(NonFiniteLossError, match=r"epoch 2, for 1 samples .*indices 5"):
        tracker.record(torch.arange(N), spoiled)


def test_in_the_warm_up_there_are_no_flags() -> None:
    with pytest.raises(NotFittedError, match="after the warm-up"):
        _ = ResponsibilityTracker(N).flags


def test_without_inliers_every_label_has_weight_1() -> None:
    # Uniform residuals: the network has not begun to fit the labels.
    residuals = torch.linspace(-1, 1, N)[:, None].repeat(1, D)
    options = DeepGUMOptions(warmup_epochs=1, groups="coordinate")
    tracker = train_tracker(ResponsibilityTracker(N, options=options), residuals, 1)
    assert tracker.mixture is not None
    assert {status.name for status in tracker.mixture.status_} == {"NO_INLIERS"}
    assert tracker.weights(torch.arange(N)).equal(torch.ones(N, D))


def test_every_label_has_weight_1_if_a_residual_of_0_would_be_flagged() -> None:
    # A uniform density that is higher than the inliers' density everywhere.
    options = DeepGUMOptions(warmup_epochs=1, mixture=GaussianUniformMixture(inlier_prior=0.5, uniform=8.0))
    tracker = train_tracker(ResponsibilityTracker(N, options=options), residuals_of(), 1)
    assert (tracker.responsibilities < 0.5).all()
    assert tracker.weights(torch.arange(N)).equal(torch.ones(N, D))


def test_the_score_is_the_likelihood_of_the_best_mixture() -> None:
    residuals = residuals_of()
    mixture = GaussianUniformMixture().fit(residuals)
    expected = -mixture.log_likelihood(residuals).sum(dim=1).mean().item()
    assert ResponsibilityTracker(N).score(residuals) == pytest.approx(expected, abs=1e-3)
    assert ResponsibilityTracker(N).score(2 * residuals) > expected


def test_labels_of_one_dimension_have_one_coordinate() -> None:
    tracker = ResponsibilityTracker(8)
    found = tracker.loss(torch.zeros(4, 1), torch.arange(4.0), torch.arange(4))
    scale = mad_scale(torch.arange(4.0)[:, None]).item()
    torch.testing.assert_close(found, StudentTLoss(scale)(torch.arange(4.0)[:, None]))


def test_a_sample_can_occur_twice_and_its_last_residuals_count() -> None:
    residuals = residuals_of()
    tracker = ResponsibilityTracker(N, options=DeepGUMOptions(warmup_epochs=1))
    tracker.loss(torch.zeros(N, D), residuals, torch.arange(N))
    tracker.loss(torch.full((3, D), 0.25), residuals[[5, 5, 9]], torch.tensor([5, 5, 9]))
    tracker.update()
    assert tracker.residuals is not None
    assert tracker.residuals[[5, 9]].equal(residuals[[5, 9]] - 0.25)


@pytest.mark.parametrize("apart", [False, True])
def test_an_index_that_stands_for_two_samples_is_refused(apart: bool) -> None:
    tracker = ResponsibilityTracker(10)
    predictions, targets = torch.zeros(2, D), torch.tensor([[1.0] * D, [2.0] * D])
    with pytest.raises(InvalidDataError, match=r"one sample\. Found different labels for the indices 4"):  # noqa: PT012
        if apart:
            for row in (slice(0, 1), slice(1, 2)):
                tracker.loss(predictions[row], targets[row], torch.tensor([4]))
            tracker.update()
        else:
            tracker.loss(predictions, targets, torch.tensor([4, 4]))


@pytest.mark.parametrize(
    ("predictions", "targets", "index", "message"),
    [
        (torch.zeros(3, 2), torch.zeros(3, 2), None, "IndexedDataset"),
        (torch.zeros(3, 2), torch.zeros(3, 2), torch.tensor([0.0, 1.0, 2.0]), "whole numbers"),
        (torch.zeros(3, 2), torch.zeros(3, 2), torch.tensor([0, 1, 10]), "from 0 to 9, .* Found 10"),
        (torch.zeros(3, 2), torch.zeros(3, 2), torch.tensor([0, 1, -1]), "Found -1"),
        (
            torch.zeros(3, 2),
            torch.zeros(3, 2),
            torch.tensor([0, 1]),
            r"shape \(2, 2\), one row per sample. Found \(3, 2\)",
        ),
        (torch.zeros(3, 2), torch.zeros(3, 4), torch.tensor([0, 1, 2]), r"shape \(3, 2\).* Found \(3, 4\)"),
        (torch.zeros(()), torch.zeros(()), torch.tensor([0, 1, 2]), "one row per sample"),
    ],
)
def test_a_batch_that_does_not_fit_is_refused(
    predictions: Tensor, targets: Tensor, index: Tensor | None, message: str
) -> None:
    with pytest.raises(InvalidDataError, match=message):
        ResponsibilityTracker(10).loss(predictions, targets, index)


def test_a_loss_that_is_not_finite_names_samples_and_epoch_and_stores_no_residual() -> None:
    tracker = train_tracker(ResponsibilityTracker(N), residuals_of(), 2)
    predictions = torch.zeros(3, D)
    predictions[1] = torch.nan
    with pytest.raises(NonFiniteLossError, match=r"Predictions .* epoch 3, for 1 of .*\(indices 42\)"):
        tracker.loss(predictions, torch.zeros(3, D), torch.tensor([41, 42, 43]))
    with pytest.raises(NonFiniteLossError, match=r"Labels .* for 1 of .*\(indices 41\)"):
        tracker.loss(torch.zeros(3, D), torch.tensor([[torch.inf] * D, [0.0] * D, [0.0] * D]), torch.arange(41, 44))
    assert not tracker.recorded


@pytest.mark.fault(19)
def test_invalid_arguments_are_refused() -> None:
    with pytest.raises(InvalidParameterError, match="n_samples"):
        ResponsibilityTracker(0)
    with pytest.raises(InvalidDataError, match=r"`targets` should have shape \(5, d\).*\(4, 2\)"):
        ResponsibilityTracker(5, targets=torch.zeros(4, 2))
    for wrong, found in ((torch.ones(5, 1), r"\(5, 1\)"), (torch.tensor([1.0, -1.0, 1.0, 1.0, 1.0]), "1 samples .*1")):
        with pytest.raises(InvalidDataError, match=f"`sample_weight` should .*{found}"):
            ResponsibilityTracker(5, sample_weight=wrong)
    huge = torch.tensor([1.0, 1.0, 1.0, 1e300, 1.0], dtype=torch.float64)
    with pytest.raises(InvalidDataError, match=r"`sample_weight` should be finite in float32 .*: 3"):
        ResponsibilityTracker(5, sample_weight=huge)
    with pytest.raises(InvalidDataError, match=r"`targets` should be finite in float32, .*: 3"):
        ResponsibilityTracker(5, targets=huge[:, None])
    with pytest.raises(InvalidDataError, match="infinite targets: 2"):
        ResponsibilityTracker(3, targets=torch.tensor([0.0, 1.0, torch.inf]))
    with pytest.raises(InvalidParameterError, match="cross-entropy"):
        ResponsibilityTracker(
            5, options=DeepGUMOptions.preset("alternate", first_loss="cross-entropy", weighted_loss="cross-entropy")
        )
    with pytest.raises(InvalidDataError, match="no residuals since"):
        ResponsibilityTracker(5).update()
    with pytest.raises(InvalidParameterError, match="the tracker has no `mirror`"):
        ResponsibilityTracker(5).loss(
            torch.zeros(1, 2), torch.zeros(1, 2), torch.tensor([0]), mirrored=torch.tensor([True])
        )
    with pytest.raises(InvalidParameterError, match=r"`options.schedule` should be `Interleaved\(...\)`"):
        ResponsibilityTracker(5, options=DeepGUMOptions(schedule="alternate"))


@pytest.mark.parametrize("least", [0.0, 0.1, 0.5])
def test_no_weight_is_below_the_least_weight(least: float) -> None:
    options = DeepGUMOptions(least_weight=least, warmup_epochs=1)
    residuals = residuals_of()
    residuals[0] = 1e4
    tracker = train_tracker(ResponsibilityTracker(N, options=options), residuals, 1)
    weights = tracker.weights(torch.arange(N))
    assert weights[0].tolist() == pytest.approx([least] * D)
    expected = least + (1 - least) * tracker.responsibilities
    torch.testing.assert_close(weights, expected.expand(N, D).float())


def line(n: int = 400, wrong: int = 3) -> tuple[RegressionData, RegressionData, Tensor]:
    """Return data of a linear map in which every `wrong`-th label is random; the last quarter is for validation."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, 3, generator=generator)
    y = x @ torch.tensor([[1.0, 0.5], [-2.0, 1.0], [0.0, 3.0]]) + 0.05 * torch.randn(n, 2, generator=generator)
    bad = torch.zeros(n, dtype=torch.bool)
    bad[::wrong] = True
    y[bad] = 20 * torch.rand(int(bad.sum()), 2, generator=generator) - 10
    cut = 3 * n // 4
    train, validation = (RegressionData.from_arrays(x[rows], y[rows]) for rows in (slice(0, cut), slice(cut, n)))
    return train, validation, bad[:cut]


SGD = SGDOptions(learning_rate=0.05, epochs_max=25, schedule="one-cycle", batch_size=32)


def network() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Linear(3, 2)


def test_one_run_finds_the_wrong_labels_and_learns_the_line() -> None:
    train, validation, bad = line()
    result = fit_deepgum(network(), train, validation, options=DeepGUMOptions(), sgd=SGD)
    assert result.epochs == SGD.epochs_max
    assert (result.flags[:, 0] == bad).float().mean() > 0.98
    truth = torch.tensor([[1.0, -2.0, 0.0], [0.5, 1.0, 3.0]])
    torch.testing.assert_close(result.model.weight.detach(), truth, atol=0.05, rtol=0)  # type: ignore[arg-type]


def test_the_result_belongs_to_the_returned_network() -> None:
    train, validation, _ = line()
    result = fit_deepgum(network(), train, validation, options=DeepGUMOptions(), sgd=SGD)
    with torch.no_grad():
        residuals = train.targets - result.model(torch.as_tensor(train.inputs))
    torch.testing.assert_close(result.residuals, residuals)
    assert result.mixture is not None
    assert result.verdict is not None
    expected = result.verdict.responsibilities(result.residuals.double().numpy())
    np.testing.assert_allclose(result.responsibilities, expected, rtol=0, atol=0)
    assert [record.round for record in result.history.rounds] == list(range(WARMUP_EPOCHS, SGD.epochs_max + 1))
    assert [record.phase for record in result.history.epochs] == ["cauchy"] * WARMUP_EPOCHS + ["weighted l1"] * 20


@pytest.mark.parametrize("returned", ["best", "last"])
def test_the_network_has_the_weights_of_the_best_or_the_last_epoch(returned: str) -> None:
    train, validation, _ = line()
    sgd = SGDOptions(learning_rate=0.3, epochs_max=12, schedule="cosine", batch_size=32)
    options = DeepGUMOptions(returned_round=returned)
    result = fit_deepgum(network(), train, validation, options=options, sgd=sgd)
    with torch.no_grad():
        residuals = validation.targets - result.model(torch.as_tensor(validation.inputs))
    found = ResponsibilityTracker(len(train), options=options).score(residuals)
    scores = [record.validation_score for record in result.history.epochs]
    assert found == pytest.approx(min(scores) if returned == "best" else scores[-1], abs=1e-9)


def test_only_a_constant_learning_rate_allows_an_early_stop() -> None:
    train, validation, _ = line()
    still = SGDOptions(learning_rate=0.1, epochs_max=60, patience=2)
    falling = SGDOptions(learning_rate=0.1, epochs_max=15, patience=1, schedule="cosine")
    assert fit_deepgum(network(), train, validation, options=DeepGUMOptions(), sgd=still).epochs < 60
    assert fit_deepgum(network(), train, validation, options=DeepGUMOptions(), sgd=falling).epochs == 15


def test_a_custom_loop_gives_the_same_network_and_responsibilities() -> None:
    train, validation, _ = line()
    result = fit_deepgum(network(), train, validation, options=DeepGUMOptions(returned_round="last"), sgd=SGD, seed=3)
    x, y, model = torch.as_tensor(train.inputs), train.targets, network()
    optimizer = torch.optim.Adam(model.parameters(), SGD.learning_rate)
    steps = SGD.epochs_max * -(-len(x) // SGD.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, SGD.learning_rate, total_steps=steps)
    tracker = ResponsibilityTracker(len(x), targets=y)
    generator = torch.Generator().manual_seed(3)
    for _ in range(SGD.epochs_max):
        for index in torch.randperm(len(x), generator=generator).split(SGD.batch_size):
            loss = tracker.loss(model(x[index]), y[index], index)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        tracker.update()
    with torch.no_grad():
        tracker.record(torch.arange(len(x)), y - model(x))
    tracker.update()
    with torch.no_grad():
        torch.testing.assert_close(model(x), result.model(x), rtol=0, atol=1e-6)
    torch.testing.assert_close(tracker.responsibilities, result.responsibilities, rtol=0, atol=1e-6)


def test_a_missing_label_is_never_flagged() -> None:
    residuals = residuals_of(wrong=0.7)
    residuals[::4] = torch.nan
    tracker = train_tracker(ResponsibilityTracker(N, options=DeepGUMOptions(warmup_epochs=1)), residuals, 1)
    assert float(tracker.responsibilities[0]) < 0.5  # the prior
    assert not tracker.flags[::4].any()
    assert tracker.flags[:, 0].equal((tracker.responsibilities[:, 0] < 0.5) & ~residuals.isnan().any(dim=1))


def test_the_first_batch_with_labels_gives_the_scale_of_the_first_loss() -> None:
    targets = 0.01 * torch.randn(N, D, generator=torch.Generator().manual_seed(1))
    targets[:20] = torch.nan
    targets[20:40, 0] = torch.nan
    tracker = ResponsibilityTracker(N)
    for rows in (slice(0, 20), slice(20, 40)):
        found = tracker.loss(torch.zeros(20, D), targets[rows], torch.arange(N)[rows])
    scale = CAUCHY_SHARE * mad_scale(targets[20:40, 1:]).median().item()
    torch.testing.assert_close(found, Cauchy(scale)(targets[20:40]))


def test_a_short_training_has_a_short_warm_up_and_a_longer_warm_up_is_refused() -> None:
    train, validation, _ = line()
    short = SGDOptions(learning_rate=0.1, epochs_max=4, schedule="cosine")
    result = fit_deepgum(network(), train, validation, options=DeepGUMOptions(), sgd=short)
    assert [record.phase for record in result.history.epochs] == ["cauchy"] * 2 + ["weighted l1"] * 2
    with pytest.raises(InvalidParameterError, match="`warmup_epochs` should be at most `epochs_max = 4`"):
        fit_deepgum(network(), train, validation, options=DeepGUMOptions(warmup_epochs=5), sgd=short)


def test_the_first_loss_of_one_coordinate_follows_the_residuals() -> None:
    residuals = residuals_of()[:, :1]
    tracker, index = ResponsibilityTracker(N, targets=residuals), torch.arange(N)
    tracker.loss(torch.zeros(N, 1), residuals, index)
    tracker.update()
    found = tracker.loss(torch.zeros(N, 1), residuals, index)
    torch.testing.assert_close(found, StudentTLoss.fit(residuals, 1.0)(residuals))
    # A tracker that resumes has the same loss.
    other = ResponsibilityTracker(N, targets=residuals)
    other.load_state_dict(tracker.state_dict())
    torch.testing.assert_close(other.loss(torch.zeros(N, 1), residuals, index), found, rtol=0, atol=0)
