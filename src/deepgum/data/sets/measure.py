"""The unit of the errors on a data set."""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["PIXELS", "Measure"]

PIXELS = 224.0
"""Width of the paper's images in pixels. The paper's networks predict landmarks in pixels of such an image."""


@dataclass(frozen=True)
class Measure:
    """Unit of the errors on a data set.

    Attributes
    ----------
    unit : str
        Name of the unit of MAE and RMSE.
    factor : float
        Errors in the unit of the targets are multiplied by this factor to get errors in `unit`.
    landmarks : bool
        Whether the targets are landmarks x y x y ... If true, the error of a landmark is a distance, and the scores
        include a failure rate.
    moved : float
        Distance in the unit of the targets. The score `recall_moved` counts only labels that artificial noise moved by
        more than this distance.

    Examples
    --------
    >>> Measure("years", landmarks=False, moved=5.0).factor
    1.0
    """

    unit: str = ""
    factor: float = 1.0
    landmarks: bool = True
    moved: float = 0.05

    def in_pixels(self) -> Measure:
        """Return the measure of the same landmarks for targets in pixels of the images in the paper."""
        return replace(self, unit="px of 224", factor=1.0, moved=PIXELS * self.moved)
