"""In what errors on a data set are counted."""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["PIXELS", "Measure"]

PIXELS = 224.0
"""The width of the paper's images, in whose pixels its networks predict landmarks."""


@dataclass(frozen=True)
class Measure:
    """How far is far on a data set.

    Attributes
    ----------
    unit : str
        Of MAE and RMSE: the targets' unit times `factor`.
    factor : float
    landmarks : bool
        Whether targets are x y of points; errors are then distances, and there is a failure rate.
    moved : float
        In the targets' unit: labels that corruption moved by no more are not counted in `recall_moved`.

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
        """Return the measure of the same landmarks when their targets are in pixels of the paper's images."""
        return replace(self, unit="px of 224", factor=1.0, moved=PIXELS * self.moved)
