"""Metrics of predictions and of outlier flags, and tests between methods, without imports from `deepgum.training`."""

from __future__ import annotations

from deepgum.evaluation.detection import DetectionScores, detection_scores
from deepgum.evaluation.metrics import (
    Score,
    coordinate_errors,
    failure_rate,
    image_errors,
    landmark_errors,
    mae,
    nme,
    rmse,
)
from deepgum.evaluation.significance import Comparison, PairedTest, compare_to_best, holm, paired_wilcoxon, stars

__all__ = [
    "Comparison",
    "DetectionScores",
    "PairedTest",
    "Score",
    "compare_to_best",
    "coordinate_errors",
    "detection_scores",
    "failure_rate",
    "holm",
    "image_errors",
    "landmark_errors",
    "mae",
    "nme",
    "paired_wilcoxon",
    "rmse",
    "stars",
]
