"""Mirroring is its own inverse, and images and targets agree about it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from deepgum.data.mirror import Mirror
from deepgum.data.sets.lfw_net import MIRROR
from deepgum.errors import InvalidDataError, InvalidParameterError

SWAPPED = [1, 0, 2, 4, 3]


def draw_dot(x: float, y: float, size: int) -> Tensor:
    """Return an image (1, size, size) of a blurred dot at fractions (x, y) of its side."""
    centres = (torch.arange(size) + 0.5) / size
    return torch.exp(-((centres - x) ** 2 + (centres[:, None] - y) ** 2) / (2 * 0.05**2))[None]


def centroid(image: Tensor) -> tuple[float, float]:
    centres = (torch.arange(image.shape[-1]) + 0.5) / image.shape[-1]
    mass = image[0] / image.sum()
    return (mass.sum(0) @ centres).item(), (mass.sum(1) @ centres).item()


@pytest.mark.parametrize("size", [32, 33])
def test_a_dot_drawn_at_a_landmark_is_where_the_mirrored_target_says(size: int) -> None:
    targets = torch.tensor([0.3, 0.31, 0.7, 0.28, 0.52, 0.5, 0.35, 0.72, 0.66, 0.74])
    mirrored = MIRROR.targets(targets).view(5, 2)
    for landmark, (x, y) in enumerate(targets.view(5, 2).tolist()):
        flipped = MIRROR.images(draw_dot(x, y, size))
        assert centroid(flipped) == pytest.approx(mirrored[SWAPPED[landmark]].tolist(), abs=1e-3)


def test_the_left_eye_stays_the_eye_of_the_smaller_x() -> None:
    mirrored = MIRROR.targets(torch.tensor([0.2, 0.3, 0.7, 0.3, 0.4, 0.5, 0.25, 0.7, 0.6, 0.7])).view(5, 2)
    assert mirrored[0, 0] < mirrored[1, 0]
    assert mirrored[3, 0] < mirrored[4, 0]
    assert mirrored[0].tolist() == pytest.approx([0.3, 0.3])


@pytest.mark.parametrize("width", [1.0, 48.0, 0.3])
def test_mirroring_twice_gives_everything_back(width: float) -> None:
    mirror = Mirror.landmarks([(0, 3), (1, 2)], n_landmarks=4, width=width)
    targets = width * torch.rand(20, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(mirror.targets(mirror.targets(targets)), targets)
    assert torch.equal(mirror.weights(mirror.weights(targets)), targets)
    assert not torch.allclose(mirror.targets(targets), targets)


def test_a_missing_landmark_is_missing_under_its_new_name_and_its_weight_goes_with_it() -> None:
    targets, observed = torch.full((1, 10), 0.5), torch.ones(1, 10)
    targets[0, 0:2] = torch.nan
    observed[0, 0:2] = 0
    assert MIRROR.targets(targets).isnan().nonzero()[:, 1].tolist() == [2, 3]
    assert torch.equal(MIRROR.weights(observed) == 0, MIRROR.targets(targets).isnan())


def test_weights_are_neither_negated_nor_shifted() -> None:
    weights = torch.rand(3, 10)
    assert torch.equal(MIRROR.weights(weights).sort(dim=1).values, weights.sort(dim=1).values)


def test_the_type_of_the_targets_is_kept() -> None:
    assert MIRROR.targets(torch.zeros(2, 10, dtype=torch.float64)).dtype == torch.float64


@pytest.mark.parametrize(
    ("permutation", "sign", "offset"),
    [
        ((0, 0), (1, 1), (0, 0)),
        ((1, 2, 0), (1, 1, 1), (0, 0, 0)),
        ((0, 1), (2, 1), (0, 0)),
        ((0, 1), (1, 1), (0.5, 0)),
        ((0, 1), (1,), (0, 0)),
        ((1, 0), (-1, 1), (0, 0)),
    ],
)
def test_a_map_that_is_not_its_own_inverse_is_refused(
    permutation: tuple[int, ...], sign: tuple[float, ...], offset: tuple[float, ...]
) -> None:
    with pytest.raises(InvalidParameterError):
        Mirror(permutation, sign, offset)


@pytest.mark.parametrize("pairs", [[(0, 5)], [(0, 1), (1, 2)], [(2, 2)]])
def test_swap_pairs_that_make_no_sense_are_refused(pairs: list[tuple[int, int]]) -> None:
    with pytest.raises(InvalidParameterError, match="swap_pairs"):
        Mirror.landmarks(pairs, n_landmarks=5)


def test_targets_of_another_width_are_refused() -> None:
    with pytest.raises(InvalidDataError, match=r"10 columns.*\(4, 8\)"):
        MIRROR.targets(torch.zeros(4, 8))


def test_uneven_sizes_have_no_half_pixel_term() -> None:
    pixels = torch.from_numpy(np.eye(3, 7, dtype=np.float32))[None]
    assert MIRROR.images(pixels)[0, 0].tolist() == [0, 0, 0, 0, 0, 0, 1]
