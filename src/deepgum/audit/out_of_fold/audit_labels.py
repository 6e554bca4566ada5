"""Audits of tables: find wrong labels with the out-of-fold predictions of any scikit-learn regressor."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from deepgum.audit.duplicates import are_copies, conflicts, rare_conflicts
from deepgum.audit.notices.aside import Aside
from deepgum.audit.out_of_fold.cross_fit import MOST_FITS, cross_fit
from deepgum.audit.out_of_fold.features import Features
from deepgum.audit.out_of_fold.label_units import LabelUnits
from deepgum.audit.out_of_fold.learners import EstimatorLearner, check_regressor
from deepgum.audit.out_of_fold.local_noise import LocalNoise
from deepgum.audit.out_of_fold.predictions import OutOfFoldPredictions
from deepgum.audit.out_of_fold.scale_choice import candidate_scales, choose_scale
from deepgum.audit.reasons.base import Reason
from deepgum.audit.reasons.registry import all_reasons
from deepgum.audit.scoring.arrays import as_named_array, check_same_index, names_are_whole, row_names
from deepgum.audit.scoring.pipeline import score_predictions, the_only
from deepgum.audit.scoring.score import Scored
from deepgum.audit.scoring.survey import check_samples
from deepgum.audit.scoring.tally import Provenance
from deepgum.audit.summary import DataSource, Round
from deepgum.audit.targets import Targets
from deepgum.checks import check_count
from deepgum.data.cell_format import MissingMarks
from deepgum.data.splits import join_copies
from deepgum.errors import InvalidDataError, InvalidParameterError
from deepgum.label_scale import LabelScale
from deepgum.mixture.partition import Groups
from deepgum.posteriors.inliers import AUTO, Inliers, candidates
from deepgum.posteriors.runs.run_names import Runs

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
    missing: Any = (),
    n_folds: int = 3,
    most_rounds: int = 4,
    inliers: Inliers = AUTO,
    random_state: int = 0,
    reasons: Sequence[Reason | type[Reason] | str] = (),
    on_round: Callable[[Round], None] | None = None,
    together: None = None,
) -> Scored:
    """Find the wrong labels of a table. No outlier rate and no threshold is needed.

    In each of several rounds, the regressor is fitted once per fold, to the rows outside the fold. From the second
    round on, it is fitted only to labels that are probably right. There are at most `n_folds` times `most_rounds` fits,
    and fewer if the flags stop changing earlier.

    Parameters
    ----------
    X : frame, array, sparse matrix or list, n rows
        Features, in any form that the regressor takes: categories, texts and gaps, too. The regressor gets them as they
        are; rows are taken by their place. The default regressor takes numbers, categories, texts and dates, with gaps.
    y : array, series or frame, (n,) or (n, d)
        Labels; NaN marks a missing label. In a frame of landmarks, columns of visibilities beside x and y are no
        labels: a landmark with visibility 0 is missing.
    regressor : regressor, optional
        Any regressor with the interface of scikit-learn, such as a pipeline. The regressor is cloned, not changed. By
        default, one `HistGradientBoostingRegressor` per target. For it, strings that come again and again are
        categories; other texts become 30 columns of numbers, by counts of their groups of letters.
    groups : see `score_labels`
    ids : sequence, length n, optional
        Names of the rows; by default the index of a frame or series, and numbers from 0.
    keep_together : sequence, length n, optional
        One value per row. Rows with the same value are a run: they stay in one fold, and may be wrong together, for
        example all rows of one day, sensor or annotator. The summary then counts the flags of each run. Rows with the
        same features stay in one fold, unless most rows have the same features as another row with another label.
    periods, unit, missing, inliers, reasons : see `score_labels`
    n_folds, most_rounds : int
        Number of folds, and maximum number of rounds. The product of the two numbers is at most 15.
    random_state : int
        Seed of the folds, of the default regressor and of the bootstrap.
    on_round : callable, optional
        Called with each finished `Round`.
    together : None
        The old name of `keep_together`. Any value other than None is refused.

    Returns
    -------
    Scored
        Labels and summary, in the same form as from `score_labels`. `summary.conflicts` names rows with the same
        features and different labels, if such rows are rare. If many rows have the same features, different labels may
        all be right.

    Raises
    ------
    InvalidDataError
        If `X` and `y` have different rows, a label is infinite, there are too few rows, or all labels of a target are
        the same. With the default regressor also if a cell of `X` is neither a number, nor a text, nor a date.
    InvalidParameterError
        If a parameter does not fit, the regressor refuses the data or predicts no finite numbers, or a reason lacks a
        part of its contract. The error of the regressor is named.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import Ridge
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(300, 3))
    >>> y = X @ [3.0, -2.0, 1.0] + 0.3 * rng.normal(size=300)
    >>> y[:30] = rng.uniform(-10, 10, size=30)
    >>> audit = audit_labels(X, y, Ridge())
    >>> flags = audit.labels.flags[:, 0]
    >>> bool(flags[:30].mean() > 0.7), bool(flags[30:].mean() < 0.02), audit.summary.fits <= 12
    (True, True, True)
    """
    begun = time.perf_counter()
    if together is not None:
        raise InvalidParameterError(
            "together", "left out", together, "Use `keep_together`, the name since version 0.2.0."
        )
    check_count("random_state", random_state, least=0)
    candidates(inliers)
    rules = all_reasons(reasons)
    by_name = groups is None or groups == "landmark"
    features, given = Features(X), as_named_array("y", y, MissingMarks.of(missing), visibilities=by_name)
    n = len(given.values)
    if len(features) != n:
        raise InvalidDataError(f"`X` should have one row per label, {n}. Found {len(features)}.")
    check_regressor(regressor)
    names = given.names or tuple(f"y{column}" for column in range(given.values.shape[1]))
    targets = Targets.of(names, groups, periods=periods, unit=unit)
    check_same_index("X", features, "y", given)
    row_ids = row_names(n, ids, given, features)
    check_samples(targets.names, row_ids, given.values)
    aside = Aside.of_labels(given.values, targets)
    labels = aside.without(given.values)
    conflicting = conflicts(features.copies, given.values, row_ids, targets.periods)
    copies = features.copies if are_copies(conflicting, n) else ()
    taken = features
    backbone = "HistGradientBoostingRegressor" if regressor is None else type(regressor).__name__
    if regressor is None:
        # Imported late, because it takes a second.
        from deepgum.audit.out_of_fold.table_regressor import default_regressor, inputs_of

        inputs = inputs_of(features.columns)
        regressor, taken = default_regressor(inputs, len(targets.names), random_state), Features(inputs.matrix)
    together_with = _with_copies(n, keep_together, copies)
    runs = None if keep_together is None else Runs.of(keep_together)

    def units_of(scale: LabelScale) -> LabelUnits:
        return LabelUnits(labels, targets, scale=scale)

    def learner_of(scale: LabelScale) -> EstimatorLearner:
        return EstimatorLearner(regressor, taken, units_of(scale).taught(labels))

    scales = candidate_scales(labels)
    if targets.periods is not None or n_folds * most_rounds + len(scales) > MOST_FITS:
        scales = scales[:1]
    fits = len(scales) if len(scales) > 1 else 0
    scale = choose_scale(
        scales, labels, learner_of, features,
        n_folds=n_folds, keep_together=together_with, seed=random_state,
    )  # fmt: skip
    units = units_of(scale)
    crossfit = cross_fit(
        learner_of(scale),
        units.taught(labels),
        groups=targets.partition,
        keep_together=together_with,
        n_folds=n_folds,
        most_rounds=most_rounds,
        periods=targets.periods,
        units=units,
        noise=LocalNoise(features.points, None if runs is None else runs.numbers),
        inliers=inliers,
        seed=random_state,
        on_round=on_round,
    )
    first, *others = crossfit.history
    provenance = Provenance(
        DataSource("arrays", landmarks=targets.landmarks, unit=unit),
        random_state,
        begun,
        backbone=backbone,
        history=(replace(first, fits=first.fits + fits), *others),
        folds=n_folds,
        scale=scale,
        notices=given.notices,
        conflicts=rare_conflicts(conflicting, n),
    )
    predictions = OutOfFoldPredictions(
        targets,
        row_ids,
        given.values,
        units,
        crossfit,
        runs=runs,
        untaught=aside,
        whole_ids=names_are_whole(ids, y, X),
    )
    return Scored(*score_predictions(predictions, targets, rules, provenance, the_only))


def _with_copies(n: int, values: Sequence[object] | None, copies: Sequence[Sequence[int]]) -> tuple[str, ...]:
    if values is not None and len(values) != n:
        raise InvalidDataError(f"`keep_together` should have length {n}, one value per label. Found {len(values)}.")
    return join_copies(n, () if values is None else map(str, values), copies)
