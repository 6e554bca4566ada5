"""Laws of corruption for any labels."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from deepgum.data.corruption import NOISES, Corruption, corrupt
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
    return targets, corrupt(targets, kind, rate, seeded(), width)


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
    dirty = corrupt(clean, kind, rate, seeded(seed))
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
    dirty = corrupt(clean, kind, 1.0, seeded())
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
    first, again, other = (corrupt(clean, kind, 0.4, seeded(seed)) for seed in (3, 3, 4))
    assert torch.equal(torch.rand(1), expected)
    assert torch.equal(first.targets, again.targets)
    assert not torch.equal(first.outlier, other.outlier)


@pytest.mark.parametrize("kind", KINDS)
def test_the_type_of_the_targets_is_kept(kind: str) -> None:
    dirty = corrupt(labels(10, 5).float(), kind, 0.5, seeded())
    assert dirty.targets.dtype == dirty.displacement.dtype == torch.float32
    assert dirty.targets.shape == (10, 10)
    assert dirty.outlier.shape == dirty.displacement.shape == (10, 5)


def test_an_unknown_kind_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'l-ugo'"):
        corrupt(labels(5, 5), "lugo", 0.1, seeded())


@pytest.mark.parametrize(("rate", "width"), [(-0.1, 1), (1.5, 1), (math.nan, 1), (0.5, 0), (0.5, math.inf)])
def test_rates_and_widths_without_sense_are_refused(rate: float, width: float) -> None:
    with pytest.raises(InvalidParameterError):
        corrupt(labels(5, 5), "ngo", rate, seeded(), width)


@pytest.mark.parametrize("kind", [*KINDS, "uniform"])
@pytest.mark.parametrize("shape", [(5, 0), (10,), (5, 5, 2)])
def test_targets_of_another_shape_are_refused(kind: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidDataError, match=r"floats of shape \(n, d\)"):
        corrupt(torch.zeros(shape), kind, 0.5, seeded())


@pytest.mark.parametrize("kind", [*KINDS, "uniform"])
def test_targets_that_are_no_floats_are_refused(kind: str) -> None:
    with pytest.raises(InvalidDataError, match="int64"):
        corrupt(torch.zeros(5, 2, dtype=torch.int64), kind, 0.5, seeded())


@pytest.mark.parametrize("kind", KINDS)
def test_targets_that_are_no_landmarks_are_refused_with_the_noise_that_takes_them(kind: str) -> None:
    with pytest.raises(InvalidDataError, match=r"landmarks.*'uniform'"):
        corrupt(torch.zeros(5, 3), kind, 0.5, seeded())


@pytest.mark.parametrize("kind", KINDS)
def test_the_draws_are_a_permutation_then_angles_then_distances(kind: str) -> None:
    # What results on disk were made with: in this order, from these laws, in double precision.
    clean = labels(40, 3)
    dirty = corrupt(clean, kind, 0.25, seeded(7), width=64.0)
    again = seeded(7)
    outlier = torch.zeros(40 if kind == "g-ugo" else 120, dtype=torch.bool)
    outlier[torch.randperm(len(outlier), generator=again)[: len(outlier) // 4]] = True
    outlier = outlier[:, None].expand(-1, 3) if kind == "g-ugo" else outlier.view(40, 3)
    angle = 2 * math.pi * torch.rand(30, dtype=torch.float64, generator=again)
    draw = torch.randn if kind == "ngo" else torch.rand
    drawn = draw(30, dtype=torch.float64, generator=again)
    distance = (25 + 2 * drawn).abs() * 64 / 224 if kind == "ngo" else 64 * drawn
    expected = clean.view(40, 3, 2).clone()
    expected[outlier] += distance[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1)
    assert torch.equal(dirty.outlier, outlier)
    torch.testing.assert_close(dirty.targets, expected.flatten(1), rtol=1e-12, atol=0)


def test_coordinate_i_of_d_belongs_to_unit_i_u_over_d() -> None:
    clean = labels(30, 4, missing=0.2)
    for kind in NOISES:
        dirty = corrupt(clean, kind, 0.5, seeded())
        units = dirty.outlier.shape[1]
        changed = (dirty.targets != clean) & ~clean.isnan()
        assert torch.equal(changed.view(30, units, 8 // units).any(dim=2), dirty.outlier)


def observed_targets(n: int, d: int, missing: float, seed: int, *, whole: bool) -> Tensor:
    generator = seeded(seed)
    targets = 40 * torch.rand(n, d, generator=generator, dtype=torch.float64) - 10
    if whole:
        targets = targets.round()
    targets[torch.rand(n, d, generator=generator) < missing] = torch.nan
    return targets


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    n=st.integers(1, 40),
    d=st.integers(1, 5),
    rate=st.floats(0, 1),
    missing=st.sampled_from([0.0, 0.3, 0.9, 1.0]),
    whole=st.booleans(),
    seed=st.integers(0, 10_000),
)
def test_uniform_redraws_exactly_the_stated_number_of_samples_within_the_range_of_each_coordinate(
    n: int, d: int, rate: float, missing: float, whole: bool, seed: int
) -> None:
    clean = observed_targets(n, d, missing, seed, whole=whole)
    before = clean.clone()
    dirty = corrupt(clean, "uniform", rate, seeded(seed))
    torch.testing.assert_close(clean, before, rtol=0, atol=0, equal_nan=True)
    observed = ~clean.isnan()
    assert dirty.outlier.shape == dirty.displacement.shape == (n, 1)
    outlier = dirty.outlier[:, 0]
    assert outlier.sum() == round(rate * observed.any(dim=1).sum().item())
    assert observed[outlier].any(dim=1).all()
    assert torch.equal(dirty.targets.isnan(), ~observed)
    torch.testing.assert_close(dirty.targets[~outlier], clean[~outlier], rtol=0, atol=0, equal_nan=True)
    for column, seen in zip(range(d), observed.T, strict=True):
        values, drawn = clean[seen, column], dirty.targets[seen, column]
        if len(values):
            assert values.min() <= drawn.min()
            assert drawn.max() <= values.max()
            assert not whole or torch.equal(drawn, drawn.round())
    distance = (dirty.targets - clean).nan_to_num().norm(dim=1, keepdim=True)
    torch.testing.assert_close(dirty.displacement, distance, rtol=1e-12, atol=1e-12)


def test_uniform_labels_are_uniform_in_each_coordinate_and_independent_of_everything() -> None:
    skewed = labels(LARGE, 1) ** 4 * torch.tensor([60.0, 200.0]) - torch.tensor([0.0, 90.0])
    dirty = corrupt(skewed, "uniform", 0.5, seeded())
    outlier = dirty.outlier[:, 0]
    drawn, were = dirty.targets[outlier], skewed[outlier]
    for column in range(2):
        low, high = skewed[:, column].min().item(), skewed[:, column].max().item()
        assert stats.kstest(drawn[:, column].numpy(), "uniform", (low, high - low)).pvalue > 0.01
        assert abs(stats.spearmanr(drawn[:, column], were[:, column]).statistic) < 0.04
    assert abs(stats.spearmanr(drawn[:, 0], drawn[:, 1]).statistic) < 0.04
    # Which samples are redrawn has nothing to do with their labels or their places.
    assert stats.ks_2samp(were[:, 0].numpy(), skewed[~outlier][:, 0].numpy()).pvalue > 0.01
    assert stats.kstest(outlier.nonzero().flatten().numpy(), "uniform", (0, LARGE)).pvalue > 0.01


def test_uniform_ages_are_whole_and_every_age_is_as_likely_both_ends_included() -> None:
    ages = (20 + 11 * labels(LARGE, 1)[:, :1]).floor()
    ages[0] = torch.nan
    assert (ages[1:].min(), ages[1:].max()) == (20, 30)
    dirty = corrupt(ages.float(), "uniform", 1.0, seeded())
    counts = torch.bincount(dirty.targets[1:, 0].long())[20:]
    assert len(counts) == 11
    assert stats.chisquare(counts.numpy()).pvalue > 0.01
    # A wrong age may be the right one by chance. It is an outlier that moved nowhere.
    same = dirty.targets[1:] == ages[1:].float()
    assert same.double().mean().item() == pytest.approx(1 / 11, abs=0.02)
    assert torch.equal(same, dirty.displacement[1:] == 0)
    assert dirty.outlier[1:].all()


def test_each_coordinate_is_whole_or_not_by_itself() -> None:
    mixed = torch.stack([torch.arange(50.0), torch.arange(50.0) / 7, torch.full((50,), torch.nan)], dim=1)
    dirty = corrupt(mixed, "uniform", 1.0, seeded())
    assert torch.equal(dirty.targets[:, 0], dirty.targets[:, 0].round())
    assert (dirty.targets[:, 1] != dirty.targets[:, 1].round()).all()
    assert dirty.targets[:, 2].isnan().all()


def test_uniform_keeps_types_follows_its_generator_and_has_no_use_for_the_width() -> None:
    clean = labels(50, 2)
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    runs = [corrupt(clean, "uniform", 0.4, seeded(seed), width) for seed, width in ((3, 1.0), (3, 9.0), (4, 1.0))]
    assert torch.equal(torch.rand(1), expected)
    assert torch.equal(runs[0].targets, runs[1].targets)
    assert not torch.equal(runs[0].outlier, runs[2].outlier)
    single = corrupt(clean.float(), "uniform", 0.4, seeded(3))
    assert single.targets.dtype == single.displacement.dtype == torch.float32
    assert torch.equal(single.outlier, runs[0].outlier)


@pytest.mark.parametrize("kind", list(NOISES))
@pytest.mark.parametrize("n", [0, 3])
def test_nothing_to_corrupt_is_no_error(kind: str, n: int) -> None:
    dirty = corrupt(torch.full((n, 4), torch.nan), kind, 1.0, seeded())
    assert dirty.targets.shape == (n, 4)
    assert not dirty.outlier.any()
