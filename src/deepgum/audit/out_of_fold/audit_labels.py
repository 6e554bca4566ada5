"""Wrong labels of a table, by any regressor of scikit-learn's habits: `audit_labels`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from deepgum.audit.duplicates import conflicts, content_groups, few
from deepgum.audit.out_of_fold.assemble import scored_labels
from deepgum.audit.out_of_fold.cross_fit import cross_fit
from deepgum.audit.out_of_fold.learners import EstimatorLearner
from deepgum.audit.out_of_fold.local_noise import LocalNoise
from deepgum.audit.scoring.arrays import as_given, check_same_index, row_names
from deepgum.audit.scoring.ids import check_ids
from deepgum.audit.scoring.score import Scored
from deepgum.audit.scoring.survey import Survey
from deepgum.audit.scoring.tally import Tally
from deepgum.audit.summary import DataSource, Round
from deepgum.audit.targets import Targets
from deepgum.checks import check_count
from deepgum.data.splits import join_copies
from deepgum.errors import InvalidDataError, InvalidParameterError
from deepgum.mixture.partition import Groups
from deepgum.periods import unrolled
from deepgum.posteriors.inliers import AUTO, Inliers, candidates

__all__ = ["audit_labels"]


def audit_labels(
    X: Any,
    y: Any,
    regressor: Any = None,
    *,
    groups: Groups | None = None,
    ids: Sequence[object] | None = None,
    keep_together: Sequence[object] | None = None,
    periods: Mapping[str, float] | Sequence[float] | None = None,
    unit: str = "",
    n_folds: int = 3,
    most_rounds: int = 4,
    inliers: Inliers = AUTO,
    random_state: int = 0,
    on_round: Callable[[Round], None] | None = None,
    together: None = None,
) -> Scored:
    """Find the wrong labels of a table. No outlier rate is asked for, and no threshold.

    The regressor is fitted out of fold, a few times over, to what is probably right; at most `n_folds` times
    `most_rounds` fits, fewer where the flags settle before.

    Parameters
    ----------
    X : array or frame (n, p)
        Numbers, none missing.
    y : array, series or frame, (n,) or (n, d)
        Labels; NaN where one is missing.
    regressor : regressor, optional
        Of scikit-learn's habits; it is cloned. By default `HistGradientBoostingRegressor`, one a
        target.
    groups : as of `score_labels`
    ids : sequence, length n, optional
        Names of the rows; by default the index of a frame or series, and numbers from 0.
    keep_together : sequence, length n, optional
        Rows with the same value stay in one fold: a person, a machine. Rows with the same features always do.
    periods, unit, inliers : as of `score_labels`
    n_folds, most_rounds : int
        Their product is at most 15.
    random_state : int
        Of folds and fits.
    on_round : callable, optional
        Called with each `Round`.
    together : None
        The name of `keep_together` in version 0.1.0. A value is refused.

    Returns
    -------
    Scored
        Labels and summary, as of `score_labels`; `summary.conflicts` names rows of the same features with different
        labels only where there are few such: in a table they may well be right.

    Raises
    ------
    InvalidDataError
        Rows that do not agree, text, values that are missing or infinite, too few rows, labels that are all the same.
    InvalidParameterError
        A parameter that does not fit, or a regressor that refuses the data.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(300, 3))
    >>> y = X @ [3.0, -2.0, 1.0] + 0.3 * rng.normal(size=300)
    >>> y[:30] = rng.uniform(-10, 10, size=30)
    >>> found = audit_labels(X, y, Ridge())
    >>> flags = found.labels.flags[:, 0]
    >>> bool(flags[:30].mean() > 0.7), bool(flags[30:].mean() < 0.02), found.summary.fits <= 12
    (True, True, True)
    """
    begun = time.perf_counter()
    if together is not None:
        raise InvalidParameterError(
            "together", "left out", together, "It is called `keep_together` since version 0.2.0."
        )
    check_count("random_state", random_state, least=0)
    candidates(inliers)
    features, given = as_given("X", X), as_given("y", y)
    n = len(given.values)
    if len(features.values) != n:
        raise InvalidDataError(f"`X` should have a row a label, {n}. Found {len(features.values)}.")
    wrong = ~np.isfinite(features.values)
    if wrong.any():
        raise InvalidDataError(f"`X` should be finite. Found {int(wrong.any(axis=1).sum())} rows that are not.")
    names = given.names or tuple(f"y{place}" for place in range(given.values.shape[1]))
    targets = Targets.of(names, groups, periods=periods, unit=unit)
    check_same_index("X", features, "y", given)
    of_rows = row_names(n, ids, given, features)
    check_ids(of_rows)
    survey = Survey(targets.names)
    survey.add(given.values, np.nan_to_num(given.values), of_rows)
    survey.check()
    copies = content_groups(features.values).groups
    taught = unrolled(given.values, targets.periods)
    backbone = "HistGradientBoostingRegressor" if regressor is None else type(regressor).__name__
    if regressor is None:
        # Imported late: scikit-learn takes a second.
        from sklearn.ensemble import HistGradientBoostingRegressor
        from sklearn.multioutput import MultiOutputRegressor

        regressor = HistGradientBoostingRegressor(random_state=random_state)
        if len(targets.names) > 1:  # it takes one target only
            regressor = MultiOutputRegressor(regressor)
    found = cross_fit(
        EstimatorLearner(regressor, features.values, taught),
        taught,
        groups=targets.partition,
        keep_together=_with_copies(n, keep_together, copies),
        n_folds=n_folds,
        most_rounds=most_rounds,
        periods=targets.periods,
        noise=LocalNoise(features.values),
        inliers=inliers,
        seed=random_state,
        on_round=on_round,
    )
    labels = scored_labels(targets, of_rows, given.values, taught, found)
    tally = Tally(targets, found.mixture)
    tally.add(labels)
    data = DataSource("arrays", landmarks=targets.landmarks, unit=unit)
    summary = tally.summary(data, seed=random_state, seconds=time.perf_counter() - begun)
    summary = replace(
        summary,
        history=found.history,
        folds=n_folds,
        fits=sum(each.fits for each in found.history),
        backbone=backbone,
        conflicts=few(conflicts(copies, given.values, of_rows, targets.periods), n),
    )
    return Scored(labels, summary, tally.worst)


def _with_copies(n: int, values: Sequence[object] | None, copies: Sequence[Sequence[int]]) -> tuple[str, ...]:
    if values is not None and len(values) != n:
        raise InvalidDataError(f"`keep_together` should have length {n}, one value per label. Found {len(values)}.")
    return join_copies(n, () if values is None else map(str, values), copies)
