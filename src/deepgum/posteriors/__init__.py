"""Calibrated posteriors: mixtures of a density of right labels and a density of wrong labels, as in eq. 1 or others."""

from __future__ import annotations

from deepgum.posteriors.densities import DENSITIES, Density, Gaussian, StudentT

__all__ = ["DENSITIES", "Density", "Gaussian", "StudentT"]
