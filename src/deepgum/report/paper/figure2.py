"""Figure 2 of the paper: the gradient of each loss against a one-dimensional residual."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from deepgum.checks import check_fraction, check_positive
from deepgum.errors import InvalidParameterError
from deepgum.losses import TUKEY_C, Cauchy, Loss, get_loss
from deepgum.losses.cauchy import CAUCHY_SCALE_95
from deepgum.report.style import write_figure
from deepgum.styles import METHOD_STYLES, MethodStyle

__all__ = ["SETTINGS", "draw_figure2", "gum_gradient", "plot_gradients"]

SETTINGS: tuple[tuple[float, float], ...] = ((0.95, 0.001), (0.9, 0.01), (0.5, 0.01), (0.5, 0.1))
"""Default pairs of pi (the prior of an inlier) and gamma (the density of the uniform)."""

# The colours of DeepGUM's own methods, and black. When the colours repeat, the dashes change.
_GUM_COLOURS = (*(METHOD_STYLES[f"deepgum{name}"].colour for name in ("", "-alternate", "-paper")), "#000000")
_GUM_DASHES = ("-", "--", "-.", ":")


def draw_figure2(
    path: str | PathLike[str] | None = None,
    *,
    settings: Sequence[tuple[float, float]] = SETTINGS,
    losses: Sequence[str | Loss] = ("l2", "huber", "biweight"),
    largest: float = 8.0,
) -> Figure:
    """Draw Figure 2 of the paper, and write the figure to a file.

    Parameters
    ----------
    path : path, optional
        Path of a PNG, SVG or PDF file. The ending of the path selects the format. An existing file is replaced. If
        None, no file is written.
    settings, losses, largest
        See `plot_gradients`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    UnknownNameError, InvalidParameterError
        As in `plot_gradients`. InvalidParameterError also if the ending of the path is not a figure format.

    Examples
    --------
    >>> figure = draw_figure2(settings=[(0.9, 0.01)], losses=["l2", "biweight"])
    >>> len(figure.axes[0].lines)
    3
    """
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    if path is not None:
        kinds = sorted(figure.canvas.get_supported_filetypes())
        if Path(path).suffix.lower().lstrip(".") not in kinds:
            raise InvalidParameterError("path", f"a file name ending in one of {', '.join(kinds)}", str(path))
    plot_gradients(figure.add_subplot(), settings=settings, losses=losses, largest=largest)
    if path is not None:
        write_figure(figure, Path(path), dpi=200)
    return figure


def plot_gradients(
    axes: Axes,
    *,
    settings: Sequence[tuple[float, float]] = SETTINGS,
    losses: Sequence[str | Loss] = ("l2", "huber", "biweight"),
    largest: float = 8.0,
) -> None:
    """Plot the gradient of each loss, and of DeepGUM for several pi and gamma, against the residual.

    For all curves, the unit of the residual is the standard deviation of the inliers. The gradients are odd functions,
    so the figure shows only positive residuals. The straight line of L2 is cut a little above the constant part of
    Huber's gradient.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        The axes to plot on.
    settings : sequence of pairs (pi, gamma)
        The values of pi and gamma of each curve of DeepGUM; see `gum_gradient`.
    losses : sequence of str or Loss
        The other losses, as names or objects that `deepgum.losses.get_loss` accepts. The name "cauchy" means a scale of
        2.3849 standard deviations. With this scale, Cauchy's loss is as efficient on Gaussian noise as the biweight.
    largest : float, default 8
        The largest residual.

    Raises
    ------
    UnknownNameError
        If a loss is unknown.
    InvalidParameterError
        If a value of pi is not in (0, 1), or if a value of gamma or the largest residual is not above 0.
    """
    chosen = [Cauchy(CAUCHY_SCALE_95) if loss == Cauchy.name else get_loss(loss, "losses") for loss in losses]
    check_positive("largest", largest)
    delta = np.linspace(0, largest, 801)
    gum = {(prior, density): gum_gradient(delta, prior, density) for prior, density in settings}

    for loss in chosen:
        style, gradient = MethodStyle.of_loss(loss), loss.psi(torch.from_numpy(delta)).numpy()
        axes.plot(delta, gradient, color=style.colour or None, linestyle=style.dashes, label=style.label)
    for number, ((prior, density), gradient) in enumerate(gum.items()):
        axes.plot(
            delta,
            gradient,
            color=_GUM_COLOURS[number % len(_GUM_COLOURS)],
            linestyle=_GUM_DASHES[number // len(_GUM_COLOURS) % len(_GUM_DASHES)],
            label=rf"DeepGUM, $\pi={prior:g}$, $\gamma={density:g}$",
        )
    axes.set(xlim=(0, largest), ylim=(0, 2.2 * TUKEY_C))
    axes.set(xlabel=r"residual $\delta$ (standard deviations of the inliers)", ylabel="gradient of the loss")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize="small")


def gum_gradient(residuals: ArrayLike, inlier_prior: float, uniform_density: float) -> NDArray[np.float64]:
    """Return the gradient of eq. 7 with respect to a one-dimensional residual, `2 * r(delta) * delta`.

    Eq. 7 treats the responsibility r of eq. 2 as a constant, so r is not differentiated. The Gaussian has variance 1.

    Parameters
    ----------
    residuals : array of any shape
        The residuals delta, in standard deviations of the inliers.
    inlier_prior : float in (0, 1)
        The prior pi of an inlier.
    uniform_density : float above 0
        The density gamma of the uniform component.

    Raises
    ------
    InvalidParameterError
        If the prior or the density is out of its range.

    Examples
    --------
    >>> gum_gradient([0.0, 1.0, 10.0], inlier_prior=0.9, uniform_density=0.01).round(4)
    array([0.    , 1.9909, 0.    ])
    """
    check_fraction("inlier_prior", inlier_prior, open_below=True, open_above=True)
    check_positive("uniform_density", uniform_density)
    delta = np.asarray(residuals, dtype=np.float64)
    log_gaussian = -0.5 * (delta**2 + np.log(2 * np.pi))
    log_odds = np.log(inlier_prior) + log_gaussian - np.log1p(-inlier_prior) - np.log(uniform_density)
    # exp(-log(1 + exp(-x))): the logistic function, without overflow at either end.
    responsibility = np.exp(-np.logaddexp(0, -log_odds))
    return np.asarray(2 * responsibility * delta)
