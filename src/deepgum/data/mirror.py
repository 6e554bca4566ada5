"""Left-right mirroring: the change of the targets when an image is flipped.

Coordinates are continuous: an image of width ``w`` spans ``[0, w]``, and its pixel ``j`` has its centre at ``j + 1/2``.
Flipping the pixel columns (``j -> w - 1 - j``) therefore changes the coordinate ``x`` to exactly ``w - x``. If ``x`` is
a fraction of the width, it becomes ``1 - x``. A correction of half a pixel is never needed.
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
    """The change of the targets when an image is mirrored.

    The targets ``t`` of an image become ``offset + sign * t[..., permutation]``.

    Parameters
    ----------
    permutation : tuple of int, length d
        For each coordinate of the mirrored image, the coordinate of the original image from which it is computed. A
        left landmark and the corresponding right landmark change places.
    sign, offset : tuple of float, length d
        Factor and summand of each coordinate. For the x of a landmark they are ``-1`` and the width of the image. For
        the y of a landmark they are ``1`` and ``0``. For a yaw angle they are ``-1`` and ``0``.

    Raises
    ------
    InvalidParameterError
        If the lengths differ, or if mirroring twice does not restore the targets.

    Examples
    --------
    The signs of yaw and roll change, and the sign of pitch stays:

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
        """Return the `Mirror` of an image with landmarks. The targets are in the order x1 y1 x2 y2 ...

        Parameters
        ----------
        swap_pairs : sequence of (int, int)
            Pairs of landmarks that change places, for example the left and the right eye. All other landmarks keep
            their places.
        n_landmarks : int
            Number of landmarks, d / 2.
        width : float
            Width of the image in the unit of the targets.

        Examples
        --------
        The landmarks are two eyes and a nose. The left eye at x = 0.25 becomes the right eye at x = 0.75:

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
        """Return the targets (..., d) of the mirrored images. A missing target (NaN) changes its place like others."""
        self._check_columns("targets", targets)
        sign, offset = targets.new_tensor(self.sign), targets.new_tensor(self.offset)
        return offset + sign * targets[..., self._index(targets)]

    def residuals(self, residuals: Tensor) -> Tensor:
        """Return the residuals (..., d) of the mirrored samples, given the residuals of the original samples.

        The same function also computes the residuals of the original samples, given those of the mirrored samples.
        """
        self._check_columns("residuals", residuals)
        return residuals.new_tensor(self.sign) * residuals[..., self._index(residuals)]

    def weights(self, weights: Tensor) -> Tensor:
        """Return the weights (..., d) of the coordinates, or their mask, in the order of the mirrored targets."""
        self._check_columns("weights", weights)
        return weights[..., self._index(weights)]

    def _check_columns(self, name: str, values: Tensor) -> None:
        if values.shape[-1:] != (len(self.permutation),):
            raise InvalidDataError(
                f"`{name}` should have {len(self.permutation)} columns. Found shape {tuple(values.shape)}."
            )

    def _index(self, like: Tensor) -> Tensor:
        return torch.tensor(self.permutation, device=like.device)
