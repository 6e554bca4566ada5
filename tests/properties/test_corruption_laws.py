"""What corruption must do, whatever it is applied to."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from deepgum.data.corruption import Corruption, corrupt_landmarks
from deepgum.errors import InvalidDataError, InvalidParameterError, UnknownNameError

KINDS = ("ngo", "l-ugo", "g-ugo")
LARGE = 8000


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def labels(n: int, n_landmarks: int, missing: float = 0.0, seed: int = 1) -> Tensor:
    generator = seeded(seed)
    targets = torch.rand(n, n_landmarks, 2, generator=generator, dtype=torch.float64)
    targets[torch.rand(n, n_landmarks, generator=generator) < missing] = torch.nan
    return targets.flatten(1)


def large(kind: str, rate: float = 0.5, width: float = 1.0) -> tuple[Tensor, Corruption]:
    targets = width * labels(LARGE, 5)
    return targets, corrupt_landmarks(targets, kind, rate, seeded(), width)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    kind=st.sampled_from(KINDS),
    n=st.integers(1, 40),
    n_landmarks=st.integers(1, 6),
    rate=st.floats(0, 1),
    missing=st.sampled_from([0.0, 0.3, 1.0]),
    seed=st.integers(0, 10_000),
)
def test_exactly_the_stated_number_is_moved_and_nothing_else(
    kind: str, n: int, n_landmarks: int, rate: float, missing: float, seed: int
) -> None:
    clean = labels(n, n_landmarks, missing, seed)
    before = clean.clone()
    dirty = corrupt_landmarks(clean, kind, rate, seeded(seed))
    torch.testing.assert_close(clean, before, rtol=0, atol=0, equal_nan=True)  # the argument itself is untouched
    observed = ~clean.view(n, n_landmarks, 2).isnan().any(dim=-1)
    if kind == "g-ugo":
        images = dirty.outlier.any(dim=1)
        assert images.sum() == round(rate * observed.any(dim=1).sum().item())
        assert torch.equal(dirty.outlier, images[:, None] & observed)
    else:
        assert dirty.outlier.sum() == round(rate * observed.sum().item())
        assert not (dirty.outlier & ~observed).any()
    shift = (dirty.targets - clean).view(n, n_landmarks, 2)
    assert torch.equal(shift.isnan().any(dim=-1), ~observed)
    distance = shift.nan_to_num().norm(dim=-1)
    torch.testing.assert_close(distance, dirty.displacement, rtol=1e-9, atol=1e-12)
    assert (distance[~dirty.outlier] == 0).all()
    assert dirty.outlier.dtype == torch.bool


@pytest.mark.parametrize("kind", KINDS)
def test_a_landmark_with_one_missing_coordinate_is_not_moved(kind: str) -> None:
    clean = labels(30, 2)
    clean[:, 1] = torch.nan
    dirty = corrupt_landmarks(clean, kind, 1.0, seeded())
    assert dirty.outlier.tolist() == [[False, True]] * 30
    assert torch.equal(dirty.targets[:, 0], clean[:, 0])


@pytest.mark.parametrize(("kind", "law"), [("ngo", "norm"), ("l-ugo", "uniform"), ("g-ugo", "uniform")])
def test_distances_follow_their_law_in_pixels_of_a_224_pixel_face(kind: str, law: str) -> None:
    _, dirty = large(kind)
    pixels = 224 * dirty.displacement[dirty.outlier].numpy()
    arguments = (25, 2) if law == "norm" else (0, 224)
    assert stats.kstest(pixels, law, arguments).pvalue > 0.01


@pytest.mark.parametrize("kind", KINDS)
def test_directions_are_uniform_and_independent_of_the_distance(kind: str) -> None:
    clean, dirty = large(kind)
    shift = (dirty.targets - clean).view(LARGE, 5, 2)[dirty.outlier]
    angle = torch.atan2(shift[:, 1], shift[:, 0]).numpy()
    assert stats.kstest(angle, "uniform", (-math.pi, 2 * math.pi)).pvalue > 0.01
    assert abs(stats.spearmanr(angle, shift.norm(dim=1)).statistic) < 0.03


def test_the_landmarks_of_an_image_are_moved_independently_under_g_ugo() -> None:
    clean, dirty = large("g-ugo")
    images = dirty.outlier.all(dim=1)
    moved = dirty.displacement[images]
    shift = (dirty.targets - clean).view(LARGE, 5, 2)[images]
    cosine = torch.nn.functional.cosine_similarity(shift[:, 0], shift[:, 1])
    assert abs(stats.spearmanr(moved[:, 0], moved[:, 1]).statistic) < 0.06
    assert abs(cosine.mean()) < 0.05


@pytest.mark.parametrize("kind", ["ngo", "l-ugo"])
def test_landmarks_are_chosen_evenly_over_images_and_columns(kind: str) -> None:
    _, dirty = large(kind, rate=0.3)
    per_column = dirty.outlier.double().mean(dim=0)
    assert (per_column - 0.3).abs().max() < 0.03
    halves = dirty.outlier[: LARGE // 2].double().mean(), dirty.outlier[LARGE // 2 :].double().mean()
    assert abs(halves[0] - halves[1]) < 0.02
    counts = torch.bincount(dirty.outlier.sum(dim=1), minlength=6) / LARGE
    expected = torch.tensor(stats.binom(5, 0.3).pmf(range(6)))
    assert (counts - expected).abs().max() < 0.02


@pytest.mark.parametrize("kind", KINDS)
def test_everything_scales_with_the_width(kind: str) -> None:
    one, dirty_one = large(kind)
    pixels, dirty_pixels = large(kind, width=48.0)
    assert torch.equal(dirty_one.outlier, dirty_pixels.outlier)
    torch.testing.assert_close(48 * dirty_one.displacement, dirty_pixels.displacement)
    torch.testing.assert_close(48 * (dirty_one.targets - one), dirty_pixels.targets - pixels)


@pytest.mark.parametrize("kind", KINDS)
def test_the_generator_decides_and_the_global_one_is_left_alone(kind: str) -> None:
    clean = labels(50, 5)
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    first, again, other = (corrupt_landmarks(clean, kind, 0.4, seeded(seed)) for seed in (3, 3, 4))
    assert torch.equal(torch.rand(1), expected)
    assert torch.equal(first.targets, again.targets)
    assert not torch.equal(first.outlier, other.outlier)


@pytest.mark.parametrize("kind", KINDS)
def test_the_type_of_the_targets_is_kept(kind: str) -> None:
    dirty = corrupt_landmarks(labels(10, 5).float(), kind, 0.5, seeded())
    assert dirty.targets.dtype == dirty.displacement.dtype == torch.float32
    assert dirty.targets.shape == (10, 10)
    assert dirty.outlier.shape == dirty.displacement.shape == (10, 5)


def test_an_unknown_kind_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'l-ugo'"):
        corrupt_landmarks(labels(5, 5), "lugo", 0.1, seeded())


@pytest.mark.parametrize(("rate", "width"), [(-0.1, 1), (1.5, 1), (math.nan, 1), (0.5, 0), (0.5, math.inf)])
def test_rates_and_widths_without_sense_are_refused(rate: float, width: float) -> None:
    with pytest.raises(InvalidParameterError):
        corrupt_landmarks(labels(5, 5), "ngo", rate, seeded(), width)


@pytest.mark.parametrize("shape", [(5, 3), (5, 0), (10,), (5, 5, 2)])
def test_targets_that_are_no_landmarks_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidDataError, match="landmarks"):
        corrupt_landmarks(torch.zeros(shape), "ngo", 0.5, seeded())
