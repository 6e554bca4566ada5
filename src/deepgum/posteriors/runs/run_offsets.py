"""A kind of wrong label: all labels of a run are off by the same amount, like those of a sensor that has drifted.

The offset of a run is the median of labels minus predictions. Runs of right labels have offsets too, because a
prediction may be wrong for a whole run. So a run is off only if all of these are true:

- Its offset is far from the median offset: at least `SPREADS` standard deviations of the offsets of the runs that are
  not off (from the median absolute deviation), and of the error of a median. It is also at least `GAP` times as far as
  that of any run that is not off, because the offsets of runs of right labels may have heavy tails.
- The offset does harm: it is at least as large as the standard deviation of right labels.
- Without the offset, the residuals of the run spread at most `WIDEST` times as widely as those of right labels. A run
  of noisy labels, or of labels that are stuck at one value, has no offset.
- The labels are more probable without the offset than with it, whatever share of the run is wrong otherwise. The gain
  of the log-likelihood exceeds (log n) / 2 for the offset of n labels, and log R for the choice among R runs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from deepgum.periods import wrapped
from deepgum.posteriors.kinds.comparison import Comparison
from deepgum.posteriors.kinds.evidence import HARM
from deepgum.posteriors.label_mixture import LabelMixture
from deepgum.posteriors.runs.run_names import Runs
from deepgum.posteriors.runs.run_shares import NODES, log_likelihood

__all__ = ["RunOffsets"]

Values = NDArray[np.float64]

SPREADS = 6.0
GAP = 2.5
MOST_OFF = 1 / 3
"""Maximum share of the runs that are off. With more, the median absolute deviation would not be that of the others."""

WIDEST = 1.75
LEAST_RUNS, LEAST_LABELS = 20, 5
"""Minimum number of runs, and minimum number of the labels of a run, to estimate offsets."""

_TO_DEVIATION = 1.4826
"""Standard deviation of a Gaussian, divided by its median absolute deviation."""

_OF_MEDIAN = 1.2533
"""Standard error of the median of a Gaussian, divided by that of the mean."""


@dataclass(frozen=True, eq=False)
class RunOffsets:
    """The offsets of R runs in d targets.

    Attributes
    ----------
    is_off : array (R, d)
        Probability that all labels of a run are off by its offset.
    offset, error : array (R, d)
        Offset in the unit of the labels, and its standard error; NaN where `is_off` is 0. The error contains the
        spread of the offsets of other runs, which are no errors of labels.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> truth = rng.normal(size=(600, 1))
    >>> given = truth + 0.1 * rng.normal(size=(600, 1))
    >>> given[:20] -= 1.2
    >>> comparison, runs = Comparison.of(given, truth, ((0,),)), Runs.of([row // 20 for row in range(600)])
    >>> offsets = RunOffsets.fit(comparison, LabelMixture.fit(comparison.residuals), runs, [0])
    >>> offsets.offset[:2, 0].round(1), offsets.is_off[:2, 0].round(2)
    (array([-1.2,  nan]), array([1., 0.]))
    """

    is_off: Values
    offset: Values
    error: Values

    @classmethod
    def fit(cls, comparison: Comparison, mixture: LabelMixture, runs: Runs, groups: Sequence[int]) -> RunOffsets | None:
        """Find the runs that are off; None if there is no such run.

        Parameters
        ----------
        comparison : Comparison
        mixture : LabelMixture
            The mixture of right and wrong labels, for the residuals of `comparison`.
        runs : Runs
        groups : sequence of int
            The groups in which offsets are tried. Groups of several targets are left out.
        """
        shape = len(runs.names), comparison.given.shape[1]
        offset, error = np.full(shape, np.nan), np.full(shape, np.nan)
        single = [place for place in groups if len(comparison.partition[place]) == 1]
        for place in single:
            column = comparison.partition[place][0]
            offset[:, column], error[:, column] = _far_offsets(comparison, runs, place)
        if np.isnan(offset).all():
            return None
        log_odds = _log_odds(comparison, mixture, runs, single, offset)
        is_off = np.asarray(torch.sigmoid(torch.from_numpy(log_odds)).numpy())
        if not (is_off > 0.5).any():
            return None
        return cls(is_off, np.where(is_off > 0, offset, np.nan), np.where(is_off > 0, error, np.nan))

    def undone(self, given: Values, runs: Runs) -> Values:
        """Return the labels (n, d) without the offsets of their runs."""
        return np.asarray(given - np.nan_to_num(self.offset)[runs.numbers])


def _far_offsets(comparison: Comparison, runs: Runs, place: int) -> tuple[Values, Values]:
    """Return the offsets (R,) that are far from those of other runs, and their standard errors; NaN elsewhere."""
    (column,) = comparison.partition[place]
    offset, error = np.full(len(runs.names), np.nan), np.full(len(runs.names), np.nan)
    rows = runs.rows(comparison.labelled[:, place])
    large = np.array([run for run, own in enumerate(rows) if len(own) >= LEAST_LABELS], dtype=np.intp)
    if len(large) < LEAST_RUNS:
        return offset, error
    residuals = comparison.residuals[:, column]
    medians, within = np.array([_median_and_spread(residuals[rows[run]]) for run in large]).T
    errors = _OF_MEDIAN * np.median(within) / np.sqrt([len(rows[run]) for run in large])
    is_far, spread = _far(medians, errors)
    usual = np.maximum(spread, errors)
    periods = None if comparison.periods is None else [comparison.periods[column]]
    differences = wrapped((comparison.given - comparison.predicted)[:, [column]], periods)[:, 0]
    log_unit = -comparison.log_slope_of(comparison.given)[:, column]
    for number in np.flatnonzero(is_far).tolist():
        run = int(large[number])
        offset[run] = np.median(differences[rows[run]])
        error[run] = usual[number] * math.exp(float(np.median(log_unit[rows[run]])))
    return offset, error


def _far(medians: Values, errors: Values) -> tuple[NDArray[np.bool_], float]:
    """Return which medians (m,) of runs are far from all others, given their errors, and the spread of the others."""
    centre, spread = _median_and_spread(medians)
    distances = np.abs(medians - centre)
    order = np.argsort(-distances / np.maximum(spread, errors), kind="stable")
    falling = distances[order]
    for count in range(int(MOST_OFF * len(medians)), 0, -1):
        off, rest = order[:count], order[count:]
        _, of_rest = _median_and_spread(medians[rest])
        if (
            falling[:count].min() >= GAP * falling[count:].max()
            and (distances[off] >= SPREADS * np.maximum(of_rest, errors[off])).all()
        ):
            return np.isin(np.arange(len(medians)), off), of_rest
    return np.zeros(len(medians), dtype=bool), spread


def _log_odds(
    comparison: Comparison, mixture: LabelMixture, runs: Runs, groups: Sequence[int], offset: Values
) -> Values:
    """Return the log odds (R, d) that runs are off; see the module docstring."""
    densities, given = mixture.densities, comparison.given
    undone = given - np.nan_to_num(offset)[runs.numbers]
    with np.errstate(all="ignore"):
        after = comparison.residuals_of(undone)
        slope = comparison.by_group(comparison.log_slope_of(undone) - comparison.log_slope_of(given))
    before, is_possible = comparison.residuals, np.isfinite(after)
    after = np.where(is_possible, after, np.nan)
    moved = mixture.mahalanobis(after - before)
    values = torch.from_numpy(before)
    gain = densities.log_density(torch.from_numpy(after)).numpy() + slope - densities.log_density(values).numpy()
    wrong = torch.sigmoid(-densities.log_odds(values)).numpy()
    result = np.full(offset.shape, -np.inf)
    for place in groups:
        (column,) = comparison.partition[place]
        labelled, share = comparison.labelled[:, place], 1 - densities.groups[place].prior
        own = np.where(labelled, wrong[:, place], np.nan)
        widest = WIDEST * math.sqrt(mixture.covariances[place].item())
        best = np.max([log_likelihood(own, node, share, runs) for node in NODES.tolist()], axis=0)
        for run in np.flatnonzero(~np.isnan(offset[:, column])).tolist():
            rows = np.flatnonzero(labelled & (runs.numbers == run))
            if not is_possible[rows, column].all():
                continue
            if np.median(moved[rows, place]) >= HARM and _median_and_spread(after[rows, column])[1] <= widest:
                penalty = math.log(len(rows)) / 2 + math.log(len(runs.names))
                result[run, column] = float(gain[rows, place].sum()) - float(best[run]) - penalty
    return result


def _median_and_spread(values: Values) -> tuple[float, float]:
    """Return the median, and the standard deviation of a Gaussian with the same median absolute deviation."""
    median = float(np.median(values))
    return median, _TO_DEVIATION * float(np.median(np.abs(values - median)))
