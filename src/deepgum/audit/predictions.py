"""Are the predictions good enough to judge labels? A check of each target against a constant prediction.

A label is judged by its distance from its prediction. So predictions that say nothing about the labels (they belong to
other rows, they have another unit, they are all the same) would let every label look right. Several measures tell such
predictions from good ones. All of them are medians or ranks, because up to 40 % of the labels may be wrong:

- the rank correlation of labels and predictions; under no relation its standard error is 1 / sqrt(n - 1);
- the median distance of the labels from their predictions, from one constant, and from a straight line through the
  medians of labels with similar predictions. If the line is much nearer than the predictions, then the predictions have
  an offset, another unit or the wrong sign.

For a label with a period, the mean resultant length of the residuals takes the place of the rank correlation, and the
reference is the same length for predictions of shuffled rows (Mardia and Jupp, Directional Statistics, 2000).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from deepgum.audit.faults import Fault, FaultKind
from deepgum.audit.targets import Targets
from deepgum.errors import listing
from deepgum.periods import wrapped
from deepgum.posteriors.rounding import label_steps
from deepgum.wording import amount, number, percent

__all__ = [
    "are_clearly_good",
    "check_group",
    "check_predictions",
    "check_target",
    "rows_to_check",
]

Values = NDArray[np.float64]

LEAST_LABELS = 30
"""A target with fewer labels is not checked."""

MOST_ROWS, MOST_VALUES = 20_000, 2_000_000
"""Maximum number of rows, and of rows times targets, that are used for the check."""

ERRORS = 3.0
"""A relation between labels and predictions exists if it is this number of standard errors above 0."""

MOST_RELATION = 0.35
"""Predictions are refused only if their true rank correlation is probably below this limit."""

LEAST_SLOPE = 0.5
"""Predictions that are no nearer than a constant are refused if labels rise more slowly than this with them."""

CORRECTABLE = 2.0
"""Predictions are refused if their median distance exceeds this number of times that of the line."""

WORSE = 1.2
"""Predictions are refused if their median distance exceeds this number of times that of a constant."""

BY_HEART = 1e-3
"""Predictions are learned by heart if their median distance is below this share of that of a constant."""

LEAST_GROUP = 0.2
"""Predictions lie between two groups only if each group has this share of the labels."""

SHUFFLES = 20

_SAYS_NOTHING = (FaultKind.CONSTANT, FaultKind.UNINFORMATIVE)


def rows_to_check(rows: int, targets: int) -> slice:
    """Return evenly spread rows, as many as the check of all targets needs."""
    most = min(MOST_ROWS, max(10 * LEAST_LABELS, MOST_VALUES // max(targets, 1)))
    return slice(None, None, max(1, math.ceil(rows / most)))


def are_clearly_good(given: Values, predicted: Values) -> NDArray[np.bool_]:
    """Return for which targets (d,) a rough check of all targets at once suffices: no fault, by a wide margin.

    The median distance is far below that of a constant, and far above the rounding of the labels. The offset is small,
    and so is the difference of the slope between the halves of the predictions from 1.
    """
    seen = ~(np.isnan(given) | np.isnan(predicted))
    y, p = np.where(seen, given, np.nan), np.where(seen, predicted, np.nan)
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # a target without labels has no median
        constant, own = np.nanmedian(np.abs(y - np.nanmedian(y, axis=0)), axis=0), np.nanmedian(np.abs(y - p), axis=0)
        offset, is_high = np.nanmedian(y - p, axis=0), p > np.nanmedian(p, axis=0)
        rise, run = (
            np.nanmedian(np.where(is_high, v, np.nan), axis=0) - np.nanmedian(np.where(is_high, np.nan, v), axis=0)
            for v in (y, p)
        )
        is_good = (own < 0.5 * constant) & (own > 0.02 * constant) & (own > 0.25 * label_steps(y)[0])
        is_good &= (np.abs(offset) < 0.3 * own) & (np.abs(rise - run) < 0.1 * run)
    return np.asarray(is_good)


def check_group(
    given: Values,
    predicted: Values,
    names: Sequence[str],
    *,
    periods: Sequence[float] | None = None,
    unit: str = "",
) -> Fault | None:
    """Return the fault of the predictions (n, k) of a group of k targets, or None.

    Predictions without a relation to the labels are a fault only if no target of the group has a relation, because one
    coordinate of a landmark may hardly vary. Any other fault of one target is a fault of the group.
    """
    columns = range(given.shape[1])
    faults = [check_target(given[:, c], predicted[:, c], periods[c] if periods else 0.0, unit) for c in columns]
    found = [(name, fault) for name, fault in zip(names, faults, strict=True) if fault is not None]
    harmful = [(name, fault) for name, fault in found if fault.kind not in _SAYS_NOTHING]
    if not harmful and len(found) < len(faults):
        return None
    first = (harmful or found)[0][1]
    where = [name for name, fault in found if fault.kind is first.kind]
    return first if len(where) == len(faults) else replace(first, where=listing(where))


def check_predictions(given: Values, predicted: Values, targets: Targets) -> tuple[Fault | None, ...]:
    """Return the fault of the predictions (n, d) of each group, or None; see `check_group`."""
    periods = targets.periods or (0.0,) * given.shape[1]
    is_good = are_clearly_good(given, predicted) & (np.array(periods) == 0)
    return tuple(
        None
        if is_good[list(group)].all()
        else check_group(
            given[:, list(group)],
            predicted[:, list(group)],
            [targets.names[column] for column in group],
            periods=[periods[column] for column in group],
            unit=targets.unit,
        )
        for group in targets.partition
    )


def check_target(given: Values, predicted: Values, period: float = 0.0, unit: str = "") -> Fault | None:
    """Return the fault of the predictions (n,) of labels (n,), or None. NaN marks a missing label.

    Parameters
    ----------
    given, predicted : arrays (n,)
    period : float
        Period of the label; 0 if it has none.
    unit : str
        Unit of the label, for the words.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> ages = rng.normal(40, 10, 500)
    >>> good = ages + rng.normal(0, 3, 500)
    >>> check_target(ages, good) is None, check_target(ages, good - 15).kind
    (True, <FaultKind.OFFSET: 'offset'>)
    >>> check_target(ages, rng.permutation(good)).kind
    <FaultKind.OTHER_ROWS: 'other rows'>
    """
    seen = ~(np.isnan(given) | np.isnan(predicted))
    y, p = given[seen], predicted[seen]
    if len(y) < LEAST_LABELS or np.ptp(y) == 0:
        return None
    if period:
        return _check_angles(y, p, period, unit)
    quantile = _informative_quantile(y)
    if quantile is None:
        return None

    levels = (quantile / 2, quantile)

    def distance(residuals: Values) -> Values:
        return np.asarray(np.quantile(np.abs(residuals), levels))

    own, constant = distance(y - p), distance(y - np.median(y))
    fault = _by_heart(y, p)
    if fault is not None:
        return fault
    if np.ptp(p) <= 1e-9 * np.ptp(y):
        return Fault(
            FaultKind.CONSTANT,
            f"the predictions are all {number(float(p[0]))}. Give the predictions of a trained model.",
        )
    slope, intercept = _line(y, p)
    line = distance(y - slope * p - intercept)
    relation = _rank_correlation(y, p)
    # Both levels: if nearly half of the labels are wrong, a median alone may belong to wrong labels.
    is_worse, is_correctable = bool(np.all(own > WORSE * constant)), bool(np.all(own > CORRECTABLE * line))
    if is_worse or is_correctable:
        transformed = _transformed(y, p, distance)
        if transformed is not None:
            return transformed
    errors = relation * math.sqrt(len(y) - 1)
    if errors <= -ERRORS and slope < 0 and line[1] < constant[1] / WORSE:
        return Fault(
            FaultKind.SIGN,
            "the predictions fall where the labels rise. Turn the sign of the predictions, or of the labels.",
        )
    # Repeated rounds of an audit let a little of the labels into predictions that say nothing.
    is_weak = errors < 2 * ERRORS and relation < MOST_RELATION and slope < LEAST_SLOPE
    if is_weak and own[1] >= constant[1] and not is_worse:
        return _without_relation(is_worse=False)
    if errors < ERRORS and not _are_nearer_than_shuffled(y, p):
        if math.tanh(math.atanh(max(relation, 0.0)) + 2 / math.sqrt(len(y) - 3)) >= MOST_RELATION:
            return None
        return _without_relation(is_worse=is_worse)
    is_between = _are_between(y - p)
    if is_between and own[1] > label_steps(y[:, None])[0][0]:
        return _between(y - p, unit)
    if is_correctable and not is_between:
        offset = float(np.median(y - p))
        if distance(y - p - offset)[1] <= 1.25 * line[1]:
            return _offset(offset, unit)
        # Noise in the predictions only lowers the slope, and the line is then hardly nearer than a constant.
        if slope > 1.5 or line[1] < 0.75 * constant[1]:
            return Fault(
                FaultKind.UNIT,
                "the predictions have another scale than the labels: most labels are near "
                f"{number(slope)} x prediction {'-' if intercept < 0 else '+'} {number(abs(intercept))}. Convert the "
                "predictions to the unit of the labels.",
            )
    if is_worse:
        return Fault(
            FaultKind.WORSE,
            f"the predictions miss most labels by more than one constant would ({amount(own[1], unit)} instead of "
            f"{amount(constant[1], unit)}). Give better predictions.",
        )
    return None


def _without_relation(*, is_worse: bool) -> Fault:
    if is_worse:
        return Fault(
            FaultKind.OTHER_ROWS,
            "the predictions have no relation to the labels, and miss them by more than one constant would. They "
            "belong to other rows, or to another target. Check that predictions and labels are in the same order.",
        )
    return Fault(
        FaultKind.UNINFORMATIVE,
        "the predictions are no better than one constant for all samples. Give predictions of a better model, and "
        "check that predictions and labels are in the same order.",
    )


def _offset(offset: float, unit: str) -> Fault:
    direction, mend = ("low", "Add") if offset > 0 else ("high", "Subtract")
    size = amount(abs(offset), unit)
    return Fault(
        FaultKind.OFFSET,
        f"the predictions are {size} too {direction} for most labels. {mend} {size} "
        f"{'to' if offset > 0 else 'from'} the predictions, and score again.",
    )


def _are_between(residuals: Values) -> bool:
    """Return whether predictions lie between two narrow groups of labels: residuals have a mode on each side of 0.

    A density with one mode falls on at least one side of any point, away from this point. So if the density of
    residuals rises away from 0 on both sides, it has two modes, and 0 lies in the valley between them.
    """
    groups = [side[side > 0] for side in (residuals, -residuals)]
    if any(len(group) < LEAST_GROUP * len(residuals) or not _rises(group) for group in groups):
        return False
    within = np.concatenate([np.abs(group - np.median(group)) for group in groups])
    return bool(np.median(np.abs(residuals)) > CORRECTABLE * np.median(within))


def _rises(distances: Values) -> bool:
    """Return whether more distances are in the outer half of a range from 0 than in its inner half, beyond chance."""
    reach = float(np.quantile(distances, 0.8))
    inner, outer = int((distances <= reach / 2).sum()), int(((distances > reach / 2) & (distances <= reach)).sum())
    return outer - inner > ERRORS * math.sqrt(outer + inner)


def _between(residuals: Values, unit: str) -> Fault:
    above, below = (
        f"{percent(len(side) / len(residuals))} % of the labels are {words} their predictions, typically by "
        f"{amount(float(np.median(np.abs(side))), unit)}"
        for words, side in (("above", residuals[residuals > 0]), ("below", residuals[residuals < 0]))
    )
    return Fault(
        FaultKind.BETWEEN,
        f"the predictions lie between two groups of labels: {above}, {below}, and few are near. Give predictions of a "
        "model that tells the groups apart, or score each group alone.",
    )


def _informative_quantile(y: Values) -> float | None:
    """Return the lowest of some quantiles at which the distance from the median label is above 0."""
    distances = np.abs(y - np.median(y))
    return next((q for q in (0.5, 0.75, 0.9, 0.95) if np.quantile(distances, q) > 0), None)


def _by_heart(y: Values, p: Values) -> Fault | None:
    """Return a fault if the predictions are nearer to the labels than any model could be that has not seen them."""
    residuals = np.abs(y - p)
    spread = np.abs(y - np.median(y))
    scale = float(np.median(spread[spread > 0]))
    typical, large = float(np.median(residuals)), float(np.mean(residuals > 0.05 * scale))
    counts = np.unique(y, return_counts=True)[1]
    recurring = float(counts[counts > 1].sum() / len(y))
    step, start = (float(each[0]) for each in label_steps(y[:, None]))
    places = (y - start) / step if step > 0 else np.full(len(y), 0.5)
    on_grid = float(np.mean(np.abs(places - np.round(places)) < 1e-3)) > 0.99
    is_near = 0 < typical < BY_HEART * scale and large < 0.005
    # A model that has not seen a rounded label misses it by the rounding error, a quarter of a step in the median.
    is_nearer_than_rounding = on_grid and 0 < typical < step / 20 and large < 0.05
    are_copies = float(np.mean(residuals == 0)) > (0.995 if recurring > 0.5 else 0.5)
    if not (is_near or is_nearer_than_rounding or are_copies):
        return None
    found = (
        "most predictions are equal to their labels"
        if are_copies
        else f"the residuals are only {number(typical / scale, 1)} of the spread of the labels"
    )
    return Fault(
        FaultKind.BY_HEART,
        f"{found}, as if the model had learned these labels by heart, wrong ones too. Predict each sample by a model "
        "that was not trained on it, as in a cross-validation. If this was done, no label differs from its prediction.",
    )


def _line(y: Values, p: Values) -> tuple[float, float]:
    """Return slope and intercept of a line through the medians of labels with similar predictions."""
    bins = min(20, max(3, len(y) // 10))
    size = len(y) // bins
    rows = np.argsort(p, kind="stable")[: bins * size].reshape(bins, size)
    x, medians = np.median(p[rows], axis=1), np.median(y[rows], axis=1)
    centre = x - x.mean()
    squares = float(centre @ centre)
    slope = float(centre @ medians) / squares if squares > 0 else 0.0
    # The offset that half of the labels exceed.
    return slope, float(np.median(y - slope * p))


def _rank_correlation(y: Values, p: Values) -> float:
    """Return Spearman's rank correlation."""
    a, b = rankdata(y), rankdata(p)
    a, b = a - a.mean(), b - b.mean()
    size = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / size if size > 0 else 0.0


_TRANSFORMS: dict[str, Callable[[Values], Values]] = {
    "the natural logarithm of the labels": np.log,
    "the decimal logarithm of the labels": np.log10,
    "log(1 + label)": np.log1p,
    "the square root of the labels": np.sqrt,
}


def _are_nearer_than_shuffled(y: Values, p: Values) -> bool:
    """Return whether many labels are nearer to their predictions than to the predictions of shuffled rows.

    The nearest 30 % count, so that many wrong labels, which spoil the rank correlation, do not matter.
    """
    rng = np.random.default_rng(0)

    shuffles = rng.permuted(np.broadcast_to(p, (2 * SHUFFLES, len(p))), axis=1)
    residuals = y - np.vstack([p, shuffles])
    residuals -= np.median(residuals, axis=1, keepdims=True)
    own, *shuffled = np.quantile(np.abs(residuals), 0.3, axis=1).tolist()
    return bool(own < np.mean(shuffled) - ERRORS * np.std(shuffled))


def _transformed(y: Values, p: Values, distance: Callable[[Values], Values]) -> Fault | None:
    """Return a fault if the predictions are near a function of the labels, or the labels near one of predictions."""
    for a, b, subject in ((y, p, "the predictions are near"), (p, y, "the labels are near")):
        for name, function in _TRANSFORMS.items():
            with np.errstate(divide="ignore", invalid="ignore"):
                values = function(a)
            known = np.isfinite(values)
            if known.mean() < 0.99:
                continue
            values, others = values[known], b[known]
            own, constant = distance(values - others), distance(values - np.median(values))
            if own[1] < constant[1] / CORRECTABLE:
                other = name if a is y else name.replace("labels", "predictions").replace("label", "prediction")
                return Fault(
                    FaultKind.TRANSFORMED, f"{subject} {other}. Convert the predictions to the unit of the labels."
                )
    return None


def _check_angles(y: Values, p: Values, period: float, unit: str) -> Fault | None:
    """Return the fault of predictions of a label with a period."""
    rng = np.random.default_rng(0)

    def resultant(residuals: Values) -> complex:
        return complex(np.exp(2j * math.pi / period * residuals).mean())

    if float(np.median(np.abs(wrapped(y - p, (period,))))) == 0:
        return None
    own = abs(resultant(y - p))
    shuffled = np.array([abs(resultant(y - rng.permutation(p))) for _ in range(SHUFFLES)])
    error = max(float(shuffled.std()), 0.5 / math.sqrt(len(y)))
    others = {
        "the sign of the predictions is turned. Turn it back": -p,
        "the predictions are in radians, the labels in degrees. Convert the predictions": np.degrees(p),
        "the predictions are in degrees, the labels in radians. Convert the predictions": np.radians(p),
    }
    lengths = {words: abs(resultant(y - other)) for words, other in others.items()}
    words, best = max(lengths.items(), key=lambda each: each[1])
    if best > own + 0.3 * (1 - own) and best > shuffled.mean() + 0.3 * (1 - shuffled.mean()):
        kind = FaultKind.SIGN if np.array_equal(others[words], -p) else FaultKind.UNIT
        return Fault(kind, f"{words}.")
    if own < shuffled.mean() + ERRORS * error:
        centre = np.angle(resultant(y)) * period / (2 * math.pi)
        typical, constant = (float(np.median(np.abs(wrapped(each, (period,))))) for each in (y - p, y - centre))
        return _without_relation(is_worse=typical > WORSE * constant)
    offset = float(np.angle(resultant(y - p))) * period / (2 * math.pi)
    residuals = wrapped(y - p, (period,))
    typical = float(np.median(np.abs(residuals)))
    if _are_between(residuals):
        return _between(residuals, unit) if typical > label_steps(y[:, None])[0][0] else None
    around = float(np.median(np.abs(wrapped(residuals - offset, (period,)))))
    return _offset(offset, unit) if typical > CORRECTABLE * around else None
