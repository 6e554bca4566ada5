"""The explanation of flags: apply all rules, and choose one finding for each flagged label."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from deepgum.audit.labels import Place, ScoredLabels
from deepgum.audit.reasons.base import Explanation, Finding, Reason
from deepgum.audit.reasons.case import Case
from deepgum.audit.reasons.choice import weigh
from deepgum.audit.reasons.registry import all_reasons
from deepgum.errors import InvalidDataError
from deepgum.progress import Progress

__all__ = ["explain"]

Values = NDArray[np.float64]


def explain(case: Case, reasons: Sequence[Reason] | None = None, on_progress: Progress | None = None) -> ScoredLabels:
    """Return the labels of a case, with a reason and a suggestion for each flagged label.

    Parameters
    ----------
    case : Case
    reasons : sequence of Reason, optional
        All reasons, from the lowest rank up; by default the built-in reasons.
    on_progress : callable, optional
        Called as ``on_progress(done, total)`` after each step: a reason that was applied, or a choice.

    Returns
    -------
    ScoredLabels
        The labels, with `kinds`, `why`, `suggested` and `uncertainty` for flagged labels.

    Raises
    ------
    InvalidDataError
        If a rule yields an object that is neither a finding nor an explanation.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> height = rng.normal(170, 10, size=(200, 1))
    >>> given = height + rng.normal(0, 2, size=(200, 1))
    >>> given[:10] /= 2.54
    >>> residuals, nothing = given - height, np.full((200, 1), np.nan)
    >>> labels = ScoredLabels(
    ...     tuple(map(str, range(200))), ("height",), ("height",), ((0,),), given, height,
    ...     np.where(np.abs(residuals) > 20, 0.001, 0.999), np.abs(residuals) / 2, nothing, nothing)
    >>> explained = explain(Case.of(labels, unit="cm"))
    >>> explained.kinds[0, 0], explained.suggested[0].round(1)
    ('unit', array([169.9]))
    >>> explained.why[0, 0]
    'Multiplied by 2.54 (inches for centimetres?) it fits: 169.93 cm, 0.64 standard deviations of right labels from the
    prediction.'
    """
    labels = case.labels
    reasons = all_reasons() if reasons is None else reasons
    steps = _steps(2 * len(reasons) + 2, on_progress)
    findings, explanations = _apply(reasons, case, steps)
    # The density of other wrong labels is fitted to the unexplained flags. Then rules that use it are applied again.
    case = case.with_explained(weigh(case, explanations).explained)
    next(steps)
    order = list(dict.fromkeys(each.reason.name for each in explanations))
    again = {each.reason.name: each.reason for each in explanations if not each.reason.applied_once}
    explanations = [each for each in explanations if each.reason.name not in again]
    explanations += _apply(tuple(again.values()), case, steps)[1]
    explanations.sort(key=lambda each: order.index(each.reason.name))
    findings += weigh(case, explanations).findings()
    places = case.places
    del case, explanations, again  # their arrays are as large as the labels
    by_place = _first(places, findings)
    deque(steps, maxlen=0)
    suggested = _values(labels, {place: each.suggested for place, each in by_place.items()})
    uncertainty = _values(labels, {place: each.uncertainty for place, each in by_place.items()})
    missing = np.isnan(labels.given)
    suggested[missing], uncertainty[missing] = np.nan, np.nan
    return replace(
        labels,
        suggested=suggested,
        uncertainty=uncertainty,
        kinds={place: finding.reason.name for place, finding in by_place.items()},
        why={place: finding.why for place, finding in by_place.items()},
    )


def _values(labels: ScoredLabels, by_place: Mapping[Place, Values | None]) -> Values:
    """Return an array (n, d) with the values (k,) of some labels; NaN in all other places."""
    result = np.full_like(labels.given, np.nan)
    given = {place: values for place, values in by_place.items() if values is not None}
    if given:
        columns = [labels.partition[group] for _, group in given]
        rows = np.repeat([row for row, _ in given], [len(each) for each in columns])
        result[rows, list(chain.from_iterable(columns))] = np.concatenate(list(given.values()))
    return result


def _steps(total: int, on_progress: Progress | None) -> Iterator[None]:
    """Report one more finished step each time that the iterator advances."""
    for done in range(1, total + 1):
        if on_progress is not None:
            on_progress(done, total)
        yield


def _apply(reasons: Sequence[Reason], case: Case, steps: Iterator[None]) -> tuple[list[Finding], list[Explanation]]:
    """Return the findings and the explanations of all reasons, in the order of the reasons."""
    findings: list[Finding] = []
    explanations: list[Explanation] = []
    for reason in reasons:
        for each in reason.find(case):
            if isinstance(each, Finding):
                findings.append(each)
            elif isinstance(each, Explanation):
                explanations.append(each)
            else:
                raise InvalidDataError(
                    f"The reason '{reason.name}' should yield `Finding`s or `Explanation`s. Found {each!r}. "
                    f"See `deepgum.audit.reasons.Reason.find`."
                )
        next(steps)
    return findings, explanations


def _first(places: Sequence[Place], findings: Sequence[Finding]) -> dict[Place, Finding]:
    """Return, for each flagged label, the finding with the lowest rank: the first one, if several ranks are equal."""
    lowest: dict[Place, Finding] = {}
    for finding in sorted(findings, key=lambda each: each.reason.rank if each.rank is None else each.rank):
        lowest.setdefault(finding.place, finding)
    return {place: lowest[place] for place in places if place in lowest}
