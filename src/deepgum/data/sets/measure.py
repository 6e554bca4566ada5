"""The unit of the errors on a data set."""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["PIXELS", "Measure"]

PIXELS = 224.0
"""Width of the paper's images; its networks predict landmarks in pixels of such an image."""


@dataclass(frozen=True)
class Measure:
    """Unit of the errors on a data set.

    Attributes
    ----------
    unit : str
        Unit of MAE and RMSE: the unit of the targets, times `factor`.
    factor : float
    landmarks : bool
        Whether targets are x y of points. Errors are then distances, and there is a failure rate.
    moved : float
        Distance in the targets' unit. `recall_moved` counts labels that corruption moved by more than this.

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
        """Return the measure of the same landmarks with targets in pixels of the paper's images."""
        return replace(self, unit="px of 224", factor=1.0, moved=PIXELS * self.moved)
