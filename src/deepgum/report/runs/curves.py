"""Figure of a training: loss and score of each epoch, and the share of samples that each round flags."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from deepgum.checks import check_count
from deepgum.errors import InvalidDataError

if TYPE_CHECKING:
    from deepgum.training.history import EpochRecord, RoundRecord

__all__ = ["draw_history"]

_LOSS, _SCORE, _KEPT = "#0072B2", "#D55E00", "#000000"
# Okabe and Ito's colours. Each group has a different colour and marker.
_GROUPS = (("#0072B2", "o"), ("#E69F00", "s"), ("#009E73", "^"), ("#D55E00", "D"), ("#CC79A7", "v"), ("#56B4E9", "P"))
# Values that span more than this factor are drawn on a logarithmic scale.
_LOG_FACTOR = 5.0
_MOST_TICKS = 10


def draw_history(
    epochs: Sequence[EpochRecord],
    rounds: Sequence[RoundRecord] = (),
    *,
    samples: int | None = None,
    group_names: Sequence[str] | None = None,
    title: str = "",
) -> Figure:
    """Draw the training loss and the validation score of all epochs, and the share of samples that each round flags.

    The first fit and the weighted rounds have separate axes, because their losses and scores have different units.
    Scores are comparable only within one round, so the curve of the scores is interrupted between rounds. Losses are
    comparable only while the same loss is minimised, so the curve of the losses is interrupted when the loss changes. A
    star marks the epoch whose weights a round kept. A training without rounds (a plain loss, or the interleaved
    schedule) has one column. Each mixture is drawn below the epoch after which it was fitted.

    Parameters
    ----------
    epochs : sequence of EpochRecord
        Epochs in the order of training.
    rounds : sequence of RoundRecord
        Rounds in the order of training; empty for a method without a mixture. In a training without rounds, these are
        the fits of the mixture, and the number of a fit is the epoch after which it was made.
    samples : int, optional
        Number of training samples. If it is given, the flags are drawn as a share in percent, otherwise as a number.
    group_names : sequence of str, optional
        Names of the groups of coordinates that are flagged as a whole. By default the groups are numbered from 1.
    title : str
        Title of the figure.

    Raises
    ------
    InvalidDataError
        If there are no epochs, if the rounds and `group_names` differ in the number of groups, or if more samples are
        flagged than `samples`.
    InvalidParameterError
        If `samples` is not a whole number of at least 1.

    Examples
    --------
    >>> from types import SimpleNamespace as Record
    >>> values = dict(phase="l2", round=0, train_loss=0.5, validation_score=0.6, best=True)
    >>> figure = draw_history([Record(epoch=epoch, **values) for epoch in (1, 2)])
    >>> [axes.get_ylabel() for axes in figure.axes]
    ['training loss', 'validation score']
    """
    if not epochs:
        raise InvalidDataError("`epochs` should hold at least one record. Found none.")
    names = _group_names(rounds, group_names)
    if samples is not None:
        most = max((count for record in rounds for count in record.flagged), default=0)
        if most > check_count("samples", samples):
            raise InvalidDataError(f"`rounds` should flag at most {samples} samples. Found {most} flagged samples.")
    first = [record for record in epochs if record.round == 0]
    later = [record for record in epochs if record.round > 0]
    spans = [part for part in (first, later) if part]
    # Wide enough to be readable even for few epochs.
    widths = [max(len(part), 0.25 * len(epochs)) for part in spans]
    heights = [1.0, 1.0, 0.8][: 3 if rounds else 2]
    figure = Figure(figsize=(8.4, 2.4 * sum(heights) + (0.4 if title else 0)), layout="constrained")
    grid = figure.add_gridspec(len(heights), len(spans), width_ratios=widths, height_ratios=heights)
    start = 0
    for column, part in enumerate(spans):
        upper = figure.add_subplot(grid[0, column])
        lower = figure.add_subplot(grid[1, column], sharex=upper)
        x = np.arange(start + 1, start + len(part) + 1)
        losses = np.array([record.train_loss for record in part], dtype=float)
        scores = np.array([record.validation_score for record in part], dtype=float)
        _draw_pieces(upper, x, losses, [(record.round, record.phase) for record in part], _LOSS)
        _draw_pieces(lower, x, scores, [record.round for record in part], _SCORE)
        kept = list({record.round: index for index, record in enumerate(part) if record.best}.values())
        lower.plot(
            x[kept], scores[kept], linestyle="None", marker="*", markersize=10, color=_KEPT, label="weights kept"
        )
        _mark_rounds(upper, lower, x, part, "first fit" if later else "one run")
        lower.set_xlabel("epoch")
        if column == 0:
            upper.set_ylabel("training loss")
            lower.set_ylabel("validation score")
            lower.legend(frameon=False, loc="upper right", handletextpad=0.1)
        start += len(part)
    if rounds:
        if later:
            flagged = figure.add_subplot(grid[2, :])
            _draw_flagged(flagged, range(len(rounds)), rounds, names, samples)
            _name_rounds(flagged, rounds)
        else:
            flagged = figure.add_subplot(grid[2, :], sharex=upper)
            _draw_flagged(flagged, [record.round for record in rounds], rounds, names, samples)
            flagged.set_xlabel("mixture fitted after epoch")
        if len(names) > 1:
            keys = flagged.get_legend_handles_labels()
            figure.legend(*keys, loc="outside lower center", ncols=min(5, len(names)), frameon=False, fontsize=9)
    if title:
        figure.suptitle(title, fontsize=11)
    return figure


def _group_names(rounds: Sequence[RoundRecord], names: Sequence[str] | None) -> Sequence[str]:
    counts = sorted(
        {len(record.flagged) for record in rounds} | ({len(names)} if names is not None and rounds else set())
    )
    if len(counts) > 1:
        raise InvalidDataError(f"`rounds` and `group_names` should have the same number of groups. Found {counts}.")
    if names is not None or not rounds:
        return names or ()
    return [f"group {number}" for number in range(1, counts[0] + 1)] if counts[0] > 1 else ["all coordinates"]


def _draw_pieces(
    axes: Axes, x: NDArray[np.int64], y: NDArray[np.float64], keys: Sequence[Hashable], colour: str
) -> None:
    """Draw one curve for each sequence of consecutive (x, y) with equal keys."""
    known = np.where(np.isfinite(y), y, np.nan)
    if np.nanmin(known, initial=np.inf) > 0 and np.nanmax(known) > _LOG_FACTOR * np.nanmin(known):
        axes.set_yscale("log")
    for _, members in groupby(range(len(keys)), key=lambda index: keys[index]):
        piece = list(members)
        axes.plot(x[piece], known[piece], color=colour, linewidth=1.4, marker=".", markersize=4)
    axes.margins(y=0.18)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _mark_rounds(upper: Axes, lower: Axes, x: NDArray[np.int64], records: Sequence[EpochRecord], run: str) -> None:
    """Write the name of each loss above the panels, and draw a vertical line where the round or the loss changes."""
    first = records[0].round == 0
    phases = list(dict.fromkeys(record.phase for record in records))
    several = first and len(phases) > 1
    upper.set_title(f"{run} ({', then '.join(phases)})" if first else f"rounds ({', '.join(phases)})", fontsize=10)
    stretches = groupby(range(len(records)), key=lambda index: (records[index].round, records[index].phase))
    for number, ((round, phase), members) in enumerate(stretches):
        piece = list(members)
        if number:
            for axes in (upper, lower):
                axes.axvline(x[piece[0]] - 0.5, color="0.6", linewidth=0.8, linestyle=":" if first else "-")
        if several or not first:
            label = phase if first else str(round)
            middle = (x[piece[0]] + x[piece[-1]]) / 2
            upper.text(middle, 0.98, label, transform=upper.get_xaxis_transform(), ha="center", va="top", fontsize=9)
    upper.set_xlim(x[0] - 0.5, x[-1] + 0.5)
    upper.tick_params(labelbottom=False)


def _draw_flagged(
    axes: Axes, x: Sequence[int], rounds: Sequence[RoundRecord], names: Sequence[str], samples: int | None
) -> None:
    counts = np.array([record.flagged for record in rounds], dtype=float)
    shares = counts if samples is None else 100 * counts / samples
    for group, values in enumerate(shares.T):
        colour, marker = _GROUPS[group % len(_GROUPS)]
        dashes = ("-", "--", ":")[group // len(_GROUPS) % 3]
        axes.plot(x, values, color=colour, marker=marker, linestyle=dashes, markersize=5, label=names[group])
    axes.set_ylabel("flagged samples" if samples is None else "flagged (%)")
    axes.set_ylim(0, max(1.15 * shares.max(), 1.0))
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _name_rounds(axes: Axes, rounds: Sequence[RoundRecord]) -> None:
    shown = range(0, len(rounds), -(-len(rounds) // _MOST_TICKS))
    axes.set_xticks(list(shown), ["first fit" if rounds[i].round == 0 else f"round {rounds[i].round}" for i in shown])
    axes.set_xlabel("mixture fitted after")
