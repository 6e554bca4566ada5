"""Calibrated posteriors: densities of right labels and of wrong labels beyond eq. 1, and mixtures of two densities."""

from __future__ import annotations

from deepgum.posteriors.densities import DENSITIES, Density, Gaussian, StudentT

__all__ = ["DENSITIES", "Density", "Gaussian", "StudentT"]
