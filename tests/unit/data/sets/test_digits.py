"""The targets are the corners of the cards, and the training and the test set share no scan."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from deepgum.data.regression import RegressionData
from deepgum.data.sets.digits import load_digits_landmarks
from deepgum.errors import InvalidParameterError


@pytest.fixture(scope="module")
def sets() -> tuple[RegressionData, RegressionData]:
    return load_digits_landmarks(n_train=300, n_test=100, seed=3, image_size=64)


def test_sizes_and_units(sets: tuple[RegressionData, RegressionData]) -> None:
    for data, n in zip(sets, (300, 100), strict=True):
        assert data.inputs.shape == (n, 1, 64, 64)
        assert data.targets.shape == (n, 8)
        assert len(set(data.ids)) == n
        assert data.mirror is None
        assert (data.normaliser == 1).all()


def test_every_corner_is_on_the_canvas_and_in_its_quarter_of_the_card(
    sets: tuple[RegressionData, RegressionData],
) -> None:
    for data in sets:
        corners = data.targets.view(-1, 4, 2)
        assert (corners > 0).all()
        assert (corners < 1).all()
        upper_left, upper_right, lower_right, lower_left = (corners - corners.mean(dim=1, keepdim=True)).unbind(dim=1)
        for corner, signs in (
            (upper_left, (-1, -1)),
            (upper_right, (1, -1)),
            (lower_right, (1, 1)),
            (lower_left, (-1, 1)),
        ):
            assert (corner * torch.tensor(signs) > 0).all()


def edge_distances(corners: Tensor, size: int) -> Tensor:
    """Return each pixel's signed distance (4, size, size) from the four edges of a card, positive inside."""
    centres = (torch.arange(size) + 0.5) / size
    along = corners.roll(-1, dims=0) - corners
    along = along / along.norm(dim=1, keepdim=True)
    away = torch.stack(torch.meshgrid(centres, centres, indexing="xy")) - corners[:, :, None, None]
    return along[:, 0, None, None] * away[:, 1] - along[:, 1, None, None] * away[:, 0]


def test_the_card_ends_at_the_lines_between_its_corners(sets: tuple[RegressionData, RegressionData]) -> None:
    # Across an edge, brightness falls from the card's to the desk's; half-way is where the edge is. The left
    # and right margins of the scans have no ink. A grid that aligns the centres of the outer pixels is off by 0.0044.
    data, _ = sets
    distances, brightness = [], []
    for row in range(len(data)):
        top, right, bottom, left = edge_distances(data.targets[row].view(4, 2), 64)
        sideways = torch.minimum(left, right)
        chosen = (top > 0.1) & (bottom > 0.1) & (sideways.abs() < 0.05)
        distances.append(sideways[chosen])
        brightness.append(torch.from_numpy(np.asarray(data.inputs[row, 0]))[chosen].float() / 255)
    distance, light = torch.cat(distances), torch.cat(brightness)
    card, desk = light[distance > 0.035].mean(), light[distance < -0.035].mean()
    assert card > desk + 0.3
    bins = torch.linspace(-0.05, 0.05, 21)
    share = torch.stack(
        [(light[(distance >= low) & (distance < high)].mean() - desk) / (card - desk) for low, high in pairwise(bins)]
    )
    edge = 0.05 - 0.005 * share.sum()
    assert abs(edge) < 0.002


def test_the_ink_stands_upright_on_the_card(sets: tuple[RegressionData, RegressionData]) -> None:
    # Resampled through its corners, the card must show the scan that the id names.
    from sklearn.datasets import load_digits

    scans = load_digits().images / 16
    data, _ = sets
    right = 0
    for row in range(40):
        corners = data.targets[row].view(4, 2).numpy()
        steps = (np.arange(8) + 0.5) / 8
        along, down = corners[1] - corners[0], corners[3] - corners[0]
        where = corners[0] + steps[:, None, None] * down + steps[None, :, None] * along
        columns, rows = np.floor(64 * where).astype(int).transpose(2, 0, 1)
        read = -np.asarray(data.inputs[row, 0], dtype=float)[rows, columns]
        correlation = np.corrcoef(read.ravel(), scans.reshape(len(scans), -1))[0, 1:]
        right += int(data.ids[row].split("-")[1]) == correlation.argmax()
    assert right >= 39


def test_train_and_test_share_no_scan(sets: tuple[RegressionData, RegressionData]) -> None:
    sources = [{name.split("-")[1] for name in data.ids} for data in sets]
    assert not sources[0] & sources[1]
    train, test = load_digits_landmarks(n_train=3000, n_test=50, seed=0, image_size=16)
    assert not {name.split("-")[1] for name in train.ids} & {name.split("-")[1] for name in test.ids}


def test_a_digit_that_appears_again_appears_differently() -> None:
    train, _ = load_digits_landmarks(n_train=3000, n_test=50, seed=0, image_size=16)
    assert len(np.unique(np.asarray(train.inputs).reshape(3000, -1), axis=0)) == 3000


def test_the_seed_determines_the_sets() -> None:
    first, again, other = (load_digits_landmarks(20, 10, seed=seed)[0] for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.inputs, again.inputs)
    assert torch.equal(first.targets, again.targets)
    assert first.ids == again.ids
    assert not torch.equal(first.targets, other.targets)


def test_the_global_generator_is_not_used() -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    load_digits_landmarks(5, 5, seed=1)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("arguments", [(0, 5), (5, 0), (5, 5, -1), (5, 5, 0, 8)])
def test_counts_out_of_range_are_refused(arguments: tuple[int, ...]) -> None:
    with pytest.raises(InvalidParameterError):
        load_digits_landmarks(*arguments)


def test_the_parts_have_the_requested_sizes(make_small: Any) -> None:
    subset = make_small("digits").load()
    assert (len(subset.train), len(subset.validation), len(subset.test)) == (18, 6, 7)
