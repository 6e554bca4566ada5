"""Posteriors that are probabilities: densities of right and wrong labels beyond eq. 1, and the mixture of the two."""

from __future__ import annotations

from deepgum.posteriors.densities import DENSITIES, Density, Gaussian, StudentT

__all__ = ["DENSITIES", "Density", "Gaussian", "StudentT"]
