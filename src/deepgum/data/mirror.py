"""Left-right mirroring: the change of the targets when an image is flipped.

Coordinates are continuous: an image of width ``w`` spans ``[0, w]``, and its pixel ``j`` has its centre at ``j + 1/2``.
Flipping the pixel columns (``j -> w - 1 - j``) therefore takes the coordinate ``x`` to ``w - x`` exactly, and in
fractions of the width to ``1 - x``. There is no half-pixel term for any image size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from deepgum.checks import check_count
from deepgum.errors import InvalidDataError, InvalidParameterError

__all__ = ["Mirror"]


@dataclass(frozen=True)
class Mirror:
    """The change of targets when their image is mirrored: ``t -> offset + sign * t[..., permutation]``.

    Parameters
    ----------
    permutation : tuple of int, length d
        Source of each mirrored coordinate. A left landmark and its right partner change places.
    sign, offset : tuple of float, length d
        ``-1`` and the image's width for a landmark's x, ``1`` and ``0`` for its y, ``-1`` and ``0`` for a yaw angle.

    Raises
    ------
    InvalidParameterError
        If the lengths differ, or if mirroring twice does not restore the targets.

    Examples
    --------
    Yaw and roll change their signs, pitch does not:

    >>> import torch
    >>> yaw_pitch_roll = Mirror(permutation=(0, 1, 2), sign=(-1, 1, -1), offset=(0, 0, 0))
    >>> yaw_pitch_roll.targets(torch.tensor([30.0, 5.0, -2.0]))
    tensor([-30.,   5.,   2.])
    """

    permutation: tuple[int, ...]
    sign: tuple[float, ...]
    offset: tuple[float, ...]

    def __post_init__(self) -> None:
        d = len(self.permutation)
        if sorted(self.permutation) != list(range(d)):
            raise InvalidParameterError("permutation", f"each of 0 to {d - 1} once", self.permutation)
        for name, values in (("sign", self.sign), ("offset", self.offset)):
            if len(values) != d:
                raise InvalidParameterError(name, f"{d} numbers, one per target", values)
        for i, j in enumerate(self.permutation):
            returns = self.permutation[j] == i and self.sign[i] * self.sign[j] == 1
            if not returns or abs(self.offset[i] + self.sign[i] * self.offset[j]) > 1e-9 * (1 + abs(self.offset[i])):
                raise InvalidParameterError("permutation, sign, offset", "a map that is its own inverse", self)

    @classmethod
    def landmarks(cls, swap_pairs: Sequence[tuple[int, int]], n_landmarks: int, width: float = 1.0) -> Mirror:
        """Return the mirror of landmarks, with targets in the order x1 y1 x2 y2 ...

        Parameters
        ----------
        swap_pairs : sequence of (int, int)
            Pairs of landmarks that change places (left eye and right eye); the others keep their places.
        n_landmarks : int
            Number of landmarks, d / 2.
        width : float
            The image's width in the unit of the targets.

        Examples
        --------
        Two eyes and a nose; the left eye at x = 0.25 becomes the right eye at x = 0.75:

        >>> import torch
        >>> face = Mirror.landmarks([(0, 1)], n_landmarks=3)
        >>> face.targets(torch.tensor([0.25, 0.5, 0.625, 0.375, 0.5, 0.75]))
        tensor([0.3750, 0.3750, 0.7500, 0.5000, 0.5000, 0.7500])
        """
        order = list(range(check_count("n_landmarks", n_landmarks)))
        touched = [index for pair in swap_pairs for index in pair]
        if len(set(touched)) != len(touched) or not set(touched) <= set(order):
            raise InvalidParameterError("swap_pairs", f"pairs of different landmarks below {n_landmarks}", swap_pairs)
        for left, right in swap_pairs:
            order[left], order[right] = right, left
        return cls(
            permutation=tuple(2 * landmark + axis for landmark in order for axis in (0, 1)),
            sign=(-1.0, 1.0) * n_landmarks,
            offset=(width, 0.0) * n_landmarks,
        )

    def images(self, images: Tensor) -> Tensor:
        """Return images (..., h, w) with their columns in reverse order."""
        return images.flip(-1)

    def targets(self, targets: Tensor) -> Tensor:
        """Return the targets (..., d) of the mirrored images; a missing target (NaN) moves like any other."""
        self._check_columns("targets", targets)
        sign, offset = targets.new_tensor(self.sign), targets.new_tensor(self.offset)
        return offset + sign * targets[..., self._index(targets)]

    def residuals(self, residuals: Tensor) -> Tensor:
        """Return the residuals (..., d) of the mirrored samples from the residuals of the originals, or vice versa."""
        self._check_columns("residuals", residuals)
        return residuals.new_tensor(self.sign) * residuals[..., self._index(residuals)]

    def weights(self, weights: Tensor) -> Tensor:
        """Return per-coordinate weights or masks (..., d) in the order of the mirrored targets."""
        self._check_columns("weights", weights)
        return weights[..., self._index(weights)]

    def _check_columns(self, name: str, values: Tensor) -> None:
        if values.shape[-1:] != (len(self.permutation),):
            raise InvalidDataError(
                f"`{name}` should have {len(self.permutation)} columns. Found shape {tuple(values.shape)}."
            )

    def _index(self, like: Tensor) -> Tensor:
        return torch.tensor(self.permutation, device=like.device)
