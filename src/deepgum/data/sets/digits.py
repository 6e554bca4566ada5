"""A small set of landmarks that needs no download: cards with scanned digits of scikit-learn, on a canvas.

Each digit (8 x 8 pixels, from the UCI set of handwritten digits) is dark ink on a light card. A random affine map
places the card on a darker, unevenly lit, slightly noisy canvas. The four corners of the card are the landmarks. They
are visible, because the card is lighter than the canvas. A card is turned by at most 20 degrees, so that the image
shows which corner is the top left one.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from deepgum.checks import check_count
from deepgum.data.pool import Pool
from deepgum.data.regression import RegressionData
from deepgum.data.sets.base import Dataset
from deepgum.data.sets.measure import Measure
from deepgum.data.sets.request import Request, Subset, sizes, split

__all__ = ["CORNERS", "Digits", "load_digits_landmarks"]

CORNERS = ("top_left", "top_right", "bottom_right", "bottom_left")

_TURN, _SHEAR, _STRETCH = math.radians(20), 0.1, 0.05
_SIDE = (0.5, 0.7)  # smallest and largest side of a card, in fractions of the side of the canvas
_NOISE = 0.03  # standard deviation, where white is 1
# Corner positions of a square from -1 to 1, in the order of CORNERS.
_SQUARE = ((-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0))


def load_digits_landmarks(
    n_train: int, n_test: int, seed: int = 0, image_size: int = 32
) -> tuple[RegressionData, RegressionData]:
    """Return a training and a test set of grey images (n, 1, image_size, image_size), each with eight targets.

    The scanned digits are divided between the two sets in proportion to `n_train` and `n_test`, so that no scan is in
    both sets. If there are fewer scans than requested images, several images show the same scan under different maps.

    The targets are the x and the y of each corner, in the order of `CORNERS`, in fractions of the width of the canvas.
    The normaliser is 1, the width of the canvas. Images are never mirrored, because a mirrored digit is not a digit.

    Parameters
    ----------
    n_train, n_test : int
        Numbers of training and test images.
    seed : int
        The same seed gives the same sets.
    image_size : int
        Side of the canvas in pixels.

    Examples
    --------
    >>> train, test = load_digits_landmarks(n_train=20, n_test=5, seed=0)
    >>> train.inputs.shape, train.targets.shape, test.target_names[:2]
    ((20, 1, 32, 32), torch.Size([20, 8]), ('top_left_x', 'top_left_y'))
    """
    check_count("n_train", n_train)
    check_count("n_test", n_test)
    check_count("seed", seed, least=0)
    check_count("image_size", image_size, least=16)
    # Imported here, because nothing else needs scikit-learn.
    from sklearn.datasets import load_digits

    digits = torch.from_numpy(np.asarray(load_digits().images, dtype=np.float32) / 16)  # (1797, 8, 8), 1 is ink
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(digits), generator=generator)
    n_sources = min(max(1, round(len(digits) * n_train / (n_train + n_test))), len(digits) - 1)
    train = _make(digits, order[:n_sources], n_train, image_size, generator)
    test = _make(digits, order[n_sources:], n_test, image_size, generator)
    return train, test


def _make(digits: Tensor, sources: Tensor, count: int, size: int, generator: torch.Generator) -> RegressionData:
    rows = sources.repeat(math.ceil(count / len(sources)))[:count]
    linear, centre = _random_maps(count, generator)
    corners = torch.einsum("nij,kj->nki", linear, torch.tensor(_SQUARE)) + centre[:, None]  # (n, 4, 2) in [-1, 1]
    cards = _photograph(digits[rows], linear, centre, size, generator)
    return RegressionData(
        inputs=(255 * cards.clamp(0, 1)).round().to(torch.uint8).numpy(),
        targets=((corners + 1) / 2).flatten(1),
        ids=tuple(f"digit-{row:04d}-{number:05d}" for number, row in enumerate(rows.tolist())),
        target_names=tuple(f"{corner}_{axis}" for corner in CORNERS for axis in "xy"),
        normaliser=torch.ones(count),
    )


def _random_maps(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return `count` random affine maps from the square [-1, 1]^2 of a card to the square [-1, 1]^2 of the canvas.

    A map is a matrix and a shift. The result is the pair (matrices (count, 2, 2), shifts (count, 2)).
    """

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=generator)

    angle, shear, stretch = uniform(-_TURN, _TURN), uniform(-_SHEAR, _SHEAR), uniform(-_STRETCH, _STRETCH)
    side = uniform(*_SIDE)
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], dim=1).view(-1, 2, 2)
    form = torch.stack([1 + stretch, shear, torch.zeros(count), 1 - stretch], dim=1).view(-1, 2, 2)
    linear = side[:, None, None] * turn @ form
    # The shift is limited by the extent of the card along each axis (at most 0.984), so that all corners are in view.
    room = 1 - linear.abs().sum(dim=2)
    return linear, room * torch.stack([uniform(-1, 1), uniform(-1, 1)], dim=1)


def _photograph(digits: Tensor, linear: Tensor, centre: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Return images (n, 1, size, size) of the cards on the canvas. Pixels are values in [0, 1] plus random noise."""
    count = len(digits)
    inverse = torch.linalg.inv(linear)
    theta = torch.cat([inverse, -inverse @ centre[:, :, None]], dim=2)
    # With align_corners=False, -1 and 1 are the outer edges of the outer pixels, as in the coordinates of the targets.
    grid = F.affine_grid(theta, [count, 1, size, size], align_corners=False)
    ink = F.grid_sample(digits[:, None], grid, padding_mode="zeros", align_corners=False)
    card = F.grid_sample(torch.ones(count, 1, size, size), grid, padding_mode="zeros", align_corners=False)
    slope = torch.rand(count, 2, 1, 1, generator=generator) - 0.5
    axis = torch.linspace(-0.5, 0.5, size)
    desk = 0.35 + 0.3 * (slope[:, :1] * axis + slope[:, 1:] * axis[:, None])
    desk = desk + 0.2 * (torch.rand(count, 1, 1, 1, generator=generator) - 0.5)
    noise = _NOISE * torch.randn(count, 1, size, size, generator=generator)
    return desk * (1 - card) + 0.85 * (card - ink * 0.8) + noise


class Digits(Dataset):
    """Corners of cards with scikit-learn's digits. The images are generated from the seed."""

    name = "digits"
    description = "corners of scikit-learn's digits on a canvas: needs no folder"
    image_size = 32
    needs_folder = False
    groups = "landmark"
    measure = Measure("of the side")

    def pool(self, request: Request, seed: int) -> Pool:
        """Return `train_size` (default 2,500) training images and `test_size` (default 500) test images."""
        train_size = 2500 if request.train_size is None else request.train_size
        test_size = 500 if request.test_size is None else request.test_size
        return Pool.of_parts(*load_digits_landmarks(train_size, test_size, seed, request.image_size))

    def load(self, request: Request, seed: int) -> Subset:
        """Return the requested numbers of images. The default is 1,800 to train, 200 to validate and 500 to test on."""
        train_size, validation_size = sizes(request, 2000)
        test_size = 500 if request.test_size is None else request.test_size
        pool, test = load_digits_landmarks(train_size + validation_size, test_size, seed, request.image_size)
        return split(pool, test, request, seed)

    def everything(self, request: Request, seed: int) -> tuple[RegressionData, ...]:
        """Return the images that `load` generates."""
        subset = self.load(request, seed)
        return subset.train, subset.validation, subset.test
