"""A missing label takes no part: what must hold wherever labels are used, and how labels are deleted on purpose."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor, nn

from deepgum.data.corruption import NOISES, Corruption, corrupt, delete_labels
from deepgum.data.regression import RegressionData
from deepgum.data.sets.request import Subset
from deepgum.errors import InvalidDataError, InvalidParameterError
from deepgum.evaluation import detection_scores, failure_rate, mae, nme, paired_wilcoxon, rmse
from deepgum.evaluation.metrics import Score, image_errors
from deepgum.experiments.runs.cells import make_cell
from deepgum.losses import LOSSES, get_loss
from deepgum.mixture import GaussianUniformMixture
from deepgum.models import Regressor
from deepgum.scale import mad_scale
from deepgum.training import (
    Alternate,
    DeepGUMOptions,
    Interleaved,
    SGDOptions,
    TrainingResult,
    check_method,
    fit_deepgum,
    fit_loss,
)
from deepgum.training.loop.criterion import held_out_log_likelihood, median_absolute_error, trimmed_loss

pytestmark = pytest.mark.filterwarnings("ignore::deepgum.errors.IdentifiabilityWarning")

NAN = float("nan")
SEEDS = st.integers(0, 10_000)
RATES = st.sampled_from([0.0, 0.1, 0.5, 1.0])


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def labels(n: int, d: int, missing: float = 0.0, seed: int = 1) -> Tensor:
    """Labels of points in pairs, and of some pairs nothing or only one coordinate."""
    generator = seeded(seed)
    targets = torch.rand(n, d, generator=generator, dtype=torch.float64)
    targets[torch.rand(n, d, generator=generator) < missing] = NAN
    return targets


def dirty_labels(clean: Tensor, kind: str, rate: float, seed: int) -> Corruption:
    return corrupt(clean, kind, rate, seeded(seed))


# Deletion on purpose.


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    kind=st.sampled_from(sorted(NOISES)),
    n=st.integers(1, 30),
    landmarks=st.integers(1, 4),
    together=st.sampled_from([1, 2]),
    rate=RATES,
    missing=RATES,
    seed=SEEDS,
)
def test_exactly_the_stated_number_is_deleted_and_nothing_else_changes(
    kind: str, n: int, landmarks: int, together: int, rate: float, missing: float, seed: int
) -> None:
    clean = labels(n, 2 * landmarks, 0.3, seed)
    dirty = dirty_labels(clean, kind, rate, seed)
    before = dirty.targets.clone()
    less = delete_labels(dirty, clean, missing, seeded(seed + 1), together)
    torch.testing.assert_close(dirty.targets, before, rtol=0, atol=0, equal_nan=True)

    def there(targets: Tensor) -> Tensor:
        return ~targets.isnan().view(n, -1, together).all(dim=2)

    gone = there(dirty.targets) & ~there(less.targets)
    assert gone.sum() == round(missing * int(there(dirty.targets).sum()))
    # A label goes as a whole or not at all, and what stays is what it was.
    kept = (~gone).repeat_interleave(together, dim=1)
    torch.testing.assert_close(less.targets[kept], dirty.targets[kept], rtol=0, atol=0, equal_nan=True)
    # What is wrong is so while any of its labels is left; how far it was moved is counted over those.
    units = (n, dirty.outlier.shape[1], -1)
    left = ~less.targets.isnan().view(units).all(dim=2)
    assert torch.equal(less.outlier, dirty.outlier & left)
    moved = (less.targets - clean).view(units).nan_to_num().norm(dim=2)
    torch.testing.assert_close(less.displacement, moved, rtol=1e-9, atol=1e-12)


def test_what_is_deleted_does_not_depend_on_what_is_wrong() -> None:
    clean = labels(4000, 10)
    masks, shares = [], []
    for kind, rate in (("l-ugo", 0.0), ("l-ugo", 0.3), ("ngo", 0.6)):
        dirty = dirty_labels(clean, kind, rate, seed=0)
        less = delete_labels(dirty, clean, 0.2, seeded(5), together=2)
        masks.append(less.targets.isnan())
        if rate:
            lost = int((dirty.outlier & ~less.outlier).sum())
            shares.append(stats.binomtest(lost, int(dirty.outlier.sum()), 0.2).pvalue)
    assert torch.equal(masks[0], masks[1])
    assert torch.equal(masks[0], masks[2])
    assert min(shares) > 1e-3


def test_a_cell_keeps_its_noise_and_its_test_labels_whatever_is_deleted() -> None:
    data = RegressionData.from_arrays(torch.rand(60, 3, generator=seeded()), labels(60, 8).float())
    subset = Subset(data, data, data)
    whole, less = (make_cell(subset, "l-ugo", 0.3, 7, missing=missing) for missing in (0.0, 0.25))
    assert less.test is subset.test
    assert torch.equal(less.clean_targets, data.targets)
    gaps = []
    for name in ("train", "validation"):
        before, after = getattr(whole, name).targets, getattr(less, name).targets
        gaps.append(after.isnan())
        assert gaps[-1].sum() == 2 * round(0.25 * 240)
        assert torch.equal(after[~gaps[-1]], before[~gaps[-1]])
    assert not torch.equal(*gaps)
    # The noise's own stream would delete what it has just made wrong.
    low, high = stats.hypergeom(240, round(0.3 * 240), round(0.25 * 240)).interval(0.9999)
    for name in ("corruption", "validation_corruption"):
        before, after = getattr(whole, name).outlier, getattr(less, name).outlier
        assert low <= int((before & ~after).sum()) <= high
    single = make_cell(subset, "uniform", 0.3, 7, missing=0.25, landmarks=False).train.targets.isnan()
    assert single.sum() == round(0.25 * 480)
    assert (single[:, 0::2] != single[:, 1::2]).any()


@pytest.mark.parametrize(("change", "parameter"), [({"rate": 1.5}, "rate"), ({"together": 3}, "together")])
def test_a_deletion_that_cannot_be_is_refused(change: dict[str, Any], parameter: str) -> None:
    clean = labels(5, 4)
    with pytest.raises(InvalidParameterError, match=f"`{parameter}`"):
        delete_labels(
            dirty_labels(clean, "ngo", 0.5, 0), clean, **{"rate": 0.5, "generator": seeded(), "together": 2, **change}
        )


# The loss.


@pytest.mark.parametrize("name", sorted(LOSSES))
@settings(max_examples=30, deadline=None, derandomize=True)
@given(n=st.integers(1, 8), d=st.integers(1, 5), seed=SEEDS)
def test_a_deleted_label_is_one_of_weight_0(name: str, n: int, d: int, seed: int) -> None:
    generator = seeded(seed)
    targets = torch.randn(n, d, generator=generator, dtype=torch.float64)
    gone = torch.rand(n, d, generator=generator) < 0.4
    predictions = torch.randn(n, d, generator=generator, dtype=torch.float64)
    scale = torch.rand(d, generator=generator, dtype=torch.float64) + 0.5
    loss = get_loss(name)
    values, slopes = [], []
    for given_targets, weights in ((targets.masked_fill(gone, NAN), None), (targets, (~gone).double())):
        said = predictions.clone().requires_grad_()
        value = loss(given_targets - said, weights=weights, scale=scale if loss.needs_scale else None)
        value.backward()
        values.append(value.detach())
        slopes.append(said.grad)
    # The mean is over the labels that are there, so the one is larger by the share of them.
    share = max(int((~gone).sum()), 1) / gone.numel()
    torch.testing.assert_close(values[0] * share, values[1])
    torch.testing.assert_close(slopes[0] * share, slopes[1])
    assert (slopes[0][gone] == 0).all()


@settings(max_examples=30, deadline=None, derandomize=True)
@given(n=st.integers(2, 20), d=st.integers(1, 4), seed=SEEDS)
def test_scale_and_centre_are_those_of_the_labels_that_are_there(n: int, d: int, seed: int) -> None:
    targets = labels(n, d, 0.4, seed)
    targets[0] = 0.5
    scale, model = mad_scale(targets), Regressor.for_targets(nn.Identity(), targets)
    for column in range(d):
        known = targets[~targets[:, column].isnan(), column][:, None]
        assert scale[column] == mad_scale(known)[0]
        assert model.centre[column] == Regressor.for_targets(nn.Identity(), known).centre[0]


# The mixture and what judges a network by it.


def residuals_of_faces(seed: int = 0) -> Tensor:
    generator = seeded(seed)
    residuals = 0.02 * torch.randn(300, 6, generator=generator, dtype=torch.float64)
    wrong = torch.rand(300, 3, generator=generator) < 0.3
    residuals += wrong.repeat_interleave(2, dim=1) * (torch.rand(300, 6, generator=generator) - 0.5)
    residuals[torch.rand(300, 6, generator=generator) < 0.2] = NAN
    return residuals


@pytest.mark.parametrize("groups", ["sample", "landmark", "coordinate"])
def test_a_sample_without_labels_changes_no_mixture(groups: str) -> None:
    residuals = residuals_of_faces()
    more = torch.cat([residuals[:100], torch.full((7, 6), NAN, dtype=torch.float64), residuals[100:]])
    one, other = (GaussianUniformMixture(groups=groups).fit(each) for each in (residuals, more))
    torch.testing.assert_close(other.inlier_prior_, one.inlier_prior_, rtol=1e-9, atol=0)
    torch.testing.assert_close(other.log_uniform_density_, one.log_uniform_density_, rtol=1e-9, atol=0)
    for there, here in zip(other.covariances_, one.covariances_, strict=True):
        torch.testing.assert_close(there, here, rtol=1e-8, atol=0)
    known = torch.ones(len(more), dtype=torch.bool)
    known[100:107] = False
    torch.testing.assert_close(other.responsibilities(more)[known], one.responsibilities(residuals))
    assert torch.equal(other.responsibilities(more)[~known], other.inlier_prior_.expand(7, -1))
    assert (other.log_likelihood(more)[~known] == 0).all()


def test_a_coordinate_that_no_validation_sample_has_judges_nothing() -> None:
    residuals = residuals_of_faces()
    blind = residuals.clone()
    blind[:, 4:] = NAN
    judges: list[Callable[[Tensor], float]] = [
        held_out_log_likelihood(GaussianUniformMixture(groups="landmark")),
        median_absolute_error,
    ]
    for judge in judges:
        assert judge(blind) == pytest.approx(judge(residuals[:, :4]), rel=1e-9)
    groups = ((0, 1), (2, 3), (4, 5))
    trimmed = trimmed_loss(get_loss("l1"), torch.tensor([0.3, 0.2, 0.1]), groups)(blind)
    without = trimmed_loss(get_loss("l1"), torch.tensor([0.3, 0.2]), groups[:2])(residuals[:, :4])
    assert trimmed == pytest.approx(without)


# Training: in full batches no sample's place matters, so an unlabelled one can be added.

STEPS = SGDOptions(optimizer="sgd", learning_rate=0.05, batch_size=1000, epochs_max=12, patience=12)


def problem() -> tuple[RegressionData, RegressionData]:
    generator = seeded(3)
    x = torch.randn(260, 3, generator=generator)
    y = x @ torch.randn(3, 4, generator=generator) + 0.1 * torch.randn(260, 4, generator=generator)
    y[::6] += 6 * torch.randn(44, 4, generator=generator)
    y[torch.rand(260, 4, generator=generator) < 0.2] = NAN
    data = RegressionData.from_arrays(x, y)
    return data.subset(range(200)), data.subset(range(200, 260))


def with_unlabelled(data: RegressionData, place: int) -> RegressionData:
    rows = list(range(len(data)))
    inputs = torch.cat([torch.as_tensor(data.inputs), 9 * torch.ones(5, 3)])
    targets = torch.cat([data.targets, torch.full((5, 4), NAN)])
    order = [*rows[:place], *range(len(data), len(data) + 5), *rows[place:]]
    return RegressionData.from_arrays(inputs, targets).subset(order)


def trained(how: str, train: RegressionData, validation: RegressionData) -> TrainingResult:
    torch.manual_seed(0)
    model = nn.Linear(3, 4)
    if how in ("alternate", "interleaved"):
        schedule = Interleaved() if how == "interleaved" else Alternate(2.0, 4.0, rounds_max=2)
        options = DeepGUMOptions(groups="landmark", schedule=schedule, warmup_epochs=4)
        return fit_deepgum(model, train, validation, options=options, sgd=STEPS)
    return fit_loss(model, train, validation, loss=how, groups="landmark", sgd=STEPS)


@pytest.mark.parametrize("how", ["l2", "huber", "alternate", "interleaved"])
def test_samples_without_labels_change_no_training(how: str) -> None:
    train, validation = problem()
    one = trained(how, train, validation)
    other = trained(how, with_unlabelled(train, 70), with_unlabelled(validation, 20))
    for here, there in zip(one.model.parameters(), other.model.parameters(), strict=True):
        torch.testing.assert_close(there, here, rtol=1e-3, atol=1e-4)
    rows = torch.tensor([*range(70), *range(75, 205)])
    torch.testing.assert_close(other.residuals[rows], one.residuals, rtol=1e-3, atol=1e-3, equal_nan=True)
    assert other.residuals[70:75].isnan().all()
    # The scores that chose the weights are those of the labels that are there.
    scores = [[record.validation_score for record in result.history.epochs] for result in (one, other)]
    if how in ("alternate", "interleaved"):
        # Minus the mean log-likelihood a sample: one without labels counts, with 0.
        scores[1] = [score * (len(validation) + 5) / len(validation) for score in scores[1]]
    np.testing.assert_allclose(scores[1], scores[0], rtol=2e-3)
    if one.flags is not None:
        assert torch.equal(other.flags[rows], one.flags)


@pytest.mark.parametrize("name", ["l2", "huber", "deepgum", "deepgum-paper", "dexgum"])
def test_a_coordinate_without_any_training_label_is_an_error_at_the_door(name: str) -> None:
    train, validation = problem()
    blind = train.with_targets(train.targets.index_fill(1, torch.tensor([2]), NAN))
    with pytest.raises(InvalidDataError, match="y2"):
        check_method(name, blind, validation, "coordinate")
    # In validation a coordinate may lack.
    if name != "dexgum":
        check_method(name, train, validation.with_targets(validation.targets.index_fill(1, torch.tensor([2]), NAN)))


# Scores.


def known_columns(predicted: NDArray[Any], targets: NDArray[Any]) -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """Each landmark's predictions and labels, of the samples that have both coordinates."""
    pairs = []
    for i in range(0, targets.shape[1], 2):
        seen = ~np.isnan(targets[:, i : i + 2]).any(axis=1)
        pairs.append((predicted[seen, i : i + 2], targets[seen, i : i + 2]))
    return pairs


@settings(max_examples=60, deadline=None, derandomize=True)
@given(n=st.integers(1, 12), landmarks=st.integers(1, 3), missing=st.sampled_from([0.2, 0.7, 1.0]), seed=SEEDS)
def test_scores_are_those_of_the_labels_that_are_there(n: int, landmarks: int, missing: float, seed: int) -> None:
    targets = labels(n, 2 * landmarks, missing, seed).numpy()
    predicted = np.random.default_rng(seed).random(targets.shape)
    width = np.random.default_rng(seed + 1).uniform(0.5, 2, n)
    pairs = known_columns(predicted, targets)
    distances = [np.linalg.norm(said - label, axis=1) for said, label in pairs]
    seen = [~np.isnan(targets[:, i : i + 2]).any(axis=1) for i in range(0, targets.shape[1], 2)]
    relative = [distance / width[rows] for distance, rows in zip(distances, seen, strict=True)]

    def check(score: Score, parts: list[NDArray[Any]], root: bool = False) -> None:
        for value, part in zip((score.overall, *score.each), (np.concatenate(parts), *parts), strict=True):
            expected = NAN if not len(part) else math.sqrt(np.mean(part)) if root else np.mean(part)
            assert value == pytest.approx(expected, nan_ok=True)

    check(mae(predicted, targets), distances)
    check(rmse(predicted, targets), [distance**2 for distance in distances], root=True)
    check(nme(predicted, targets, width), relative)
    check(failure_rate(predicted, targets, width, 0.3), [part > 0.3 for part in relative])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(n=st.integers(2, 12), g=st.integers(1, 3), seed=SEEDS)
def test_flags_are_judged_on_the_labels_that_are_there(n: int, g: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores, truth, moved = rng.random((n, g)), rng.random((n, g)) < 0.4, rng.random((n, g))
    gone, flags = rng.random((n, g)) < 0.4, scores > 0.5
    found = detection_scores(np.where(gone, NAN, scores), flags, truth, moved)
    kept = ~gone
    expected = detection_scores(*(values[kept][:, None] for values in (scores, flags, truth, moved)))
    assert found == expected


@settings(max_examples=30, deadline=None, derandomize=True)
@given(n=st.integers(8, 40), seed=SEEDS)
def test_images_without_labels_are_no_pairs(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    targets = rng.random((n, 4))
    targets[rng.random(n) < 0.3] = NAN
    targets[:6] = rng.random((6, 4))
    first, second = (image_errors(rng.random((n, 4)), targets) for _ in range(2))
    seen = ~np.isnan(targets).any(axis=1)
    test = paired_wilcoxon(first, second)
    assert test.n_pairs == seen.sum()
    assert test.p_value == pytest.approx(stats.wilcoxon(first[seen], second[seen]).pvalue)
