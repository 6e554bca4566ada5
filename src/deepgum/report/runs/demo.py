"""Figures of the demonstration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from deepgum.report.runs.comparison import draw_comparison
from deepgum.report.runs.histogram import draw_posteriors
from deepgum.report.runs.landmarks import draw_gallery, worst_first
from deepgum.report.style import noise_label, save

if TYPE_CHECKING:
    from deepgum.experiments.paper.demo import DemoResult

__all__ = ["draw_demo"]

_SHOWN = 18


def draw_demo(result: DemoResult, folder: Path) -> list[Path]:
    """Draw three figures in `folder`, and return their PNG files. They show the comparison, the least probable labels,
    and the posteriors.
    """
    first = result.records[0]
    corruption = f"{noise_label(first.noise)}, {100 * first.rate:g} % of the landmarks are wrong"
    r = result.posteriors.responsibilities
    assert r is not None
    shown = worst_first(r, result.posteriors.residual_norms)[:_SHOWN]
    captions = [f"{result.posteriors.sample_ids[i]}\n{np.sum(r[i] < 0.5)} of {r.shape[1]} flagged" for i in shown]
    figures = {
        "comparison": draw_comparison(result.records, f"Digits on a canvas: {corruption}"),
        "gallery": draw_gallery(
            result.images[shown],
            result.given[shown],
            result.predicted[shown],
            r[shown],
            captions,
            title="The least probable labels, by DeepGUM",
        ),
        "posteriors": draw_posteriors(result.posteriors, f"DeepGUM's posteriors: {corruption}"),
    }
    return [save(figure, folder / name)[0] for name, figure in figures.items()]
