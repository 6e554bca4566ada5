"""Cross-fitting: rounds of out-of-fold predictions. Each round uses the responsibilities of the previous round.

A network that has memorised a wrong label predicts this label, so the residual of the label is small. Each label is
therefore compared with the predictions of learners that were not trained on the label. Every round divides the samples
into new folds, and fits one learner per fold to all other folds. From the second round on, learners receive the
responsibilities of the previous round. The rounds end when the flags stop changing. The prediction of a sample is the
mean over the rounds, which varies less than the prediction of a single round. The differences between rounds show the
hard samples.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from deepgum.audit.notices.aside import Aside
from deepgum.audit.out_of_fold.label_units import LabelUnits
from deepgum.audit.out_of_fold.local_noise import LocalNoise, jackknife
from deepgum.audit.out_of_fold.teaching import Teaching, weights_without_verdict
from deepgum.audit.predictions import rows_to_check
from deepgum.audit.summary import Round
from deepgum.checks import check_count
from deepgum.data.folds import folds
from deepgum.errors import InvalidDataError, InvalidParameterError
from deepgum.mixture import partition
from deepgum.mixture.partition import Groups, Partition
from deepgum.periods import wrapped
from deepgum.posteriors.inliers import AUTO, Inliers, candidates
from deepgum.posteriors.kinds.comparison import Comparison
from deepgum.posteriors.kinds.kind_mixture import KindMixture
from deepgum.posteriors.label_mixture import LabelMixture
from deepgum.posteriors.spikes import Spikes

__all__ = ["LEAST_LEARNED", "MOST_FITS", "CrossFit", "Learner", "cross_fit"]

Values = NDArray[np.float64]

MOST_FITS = 15
"""Maximum number of fits."""

LEAST_LEARNED = 6
"""Minimum number of samples outside a fold. The learner of the fold is trained on these samples."""

SETTLED = 0.02
"""Rounds end when at most this share of the flags changes in a round."""


class Learner(Protocol):
    """A regressor that is trained on some samples and predicts all samples.

    Attributes
    ----------
    is_robust : bool
        Whether the learner tolerates unknown wrong labels. If not, the first round only gives the weights for the next
        rounds. The predictions of the first round are then not part of the mean over the rounds.
    """

    @property
    def is_robust(self) -> bool: ...  # noqa: D102

    def predict(self, train: NDArray[np.int64], teaching: Teaching | None, seed: int) -> Values:
        """Return predictions (n, d) for all samples after training on the samples `train`.

        Parameters
        ----------
        train : array of int
            Rows of the samples for training.
        teaching : Teaching or None
            Probabilities that labels are right; None in the first round.
        seed : int
            Seed of the training.
        """


@dataclass(frozen=True, eq=False)
class CrossFit:
    """The result of cross-fitting.

    Attributes
    ----------
    predictions : array (n, d)
        Out-of-fold predictions: the mean over the rounds.
    spread : array (n, g)
        Sample standard deviation of the predictions over the rounds: the sum of squared distances from the mean is
        divided by the number of rounds minus 1, and the root is taken. NaN if there is only one round.
    scale : array (n, d)
        Residuals are divided by this scale before scoring; 1 if the noise is the same for all samples.
    mixture : KindMixture
        The mixture that is fitted to the residuals divided by `scale`.
    history : tuple of Round
    spikes : Spikes or None
        Labels that are right without a density.
    aside : Aside or None
        Labels that are set aside, to which the mixture is not fitted.
    """

    predictions: Values
    spread: Values
    scale: Values
    mixture: KindMixture
    history: tuple[Round, ...]
    spikes: Spikes | None = None
    aside: Aside | None = None


def cross_fit(
    learner: Learner,
    targets: Values,
    *,
    groups: Groups = "sample",
    keep_together: Sequence[str] | None = None,
    sequence: bool = False,
    n_folds: int = 5,
    most_rounds: int = 3,
    periods: Sequence[float] | None = None,
    units: LabelUnits | None = None,
    noise: LocalNoise | None = None,
    inliers: Inliers = AUTO,
    seed: int = 0,
    on_round: Callable[[Round], None] | None = None,
) -> CrossFit:
    """Predict every sample by learners that were not trained on this sample, and fit a mixture to the residuals.

    Parameters
    ----------
    learner : Learner
    targets : array (n, d)
        Labels; NaN marks a missing label.
    groups : {"sample", "landmark", "coordinate"} or list of lists of int
        Labels that are right or wrong together; see `GaussianUniformMixture`.
    keep_together : sequence of str, length n, optional
        One value per sample. Samples with the same value stay in one fold, for example all samples of a person or a
        video, or all copies of an image. By default, any two samples may be in different folds.
    sequence : bool
        Whether neighbouring samples are near copies, like the frames of a video. If so, folds are contiguous blocks,
        the same in every round.
    n_folds, most_rounds : int
        Number of folds, and maximum number of rounds. The product of the two numbers is at most 15.
    periods : sequence of float, length d, optional
        Period of each target; 0 for a target without a period.
    units : LabelUnits, optional
        The labels in the unit of the data set. By default, `targets` have this unit.
    noise : LocalNoise, optional
        Estimator of the scale of residuals for each sample. By default, the scale is the same for all samples.
    inliers : str, Density or class
        Density of right labels; see `LabelMixture.fit`.
    seed : int
        Seed of the folds and of the learners.
    on_round : callable, optional
        Called with the `Round` after each round.

    Raises
    ------
    InvalidParameterError
        If there would be too many fits, or a parameter has a value that cannot be used.
    InvalidDataError
        If there are fewer samples, or fewer different values in `keep_together`, than folds. Also if too few samples
        are outside a fold because most samples have the same value, or if a target has no label.
    """
    check_count("n_folds", n_folds, least=2)
    check_count("most_rounds", most_rounds)
    check_count("seed", seed, least=0)
    candidates(inliers)
    if n_folds * most_rounds > MOST_FITS:
        hint = f"That is {n_folds * most_rounds} fits."
        raise InvalidParameterError(
            "most_rounds", f"at most {MOST_FITS // n_folds} with {n_folds} folds", most_rounds, hint
        )
    n, d = targets.shape
    places = partition(groups, d)
    empty = [column for column in range(d) if np.isnan(targets[:, column]).all()]
    if empty:
        raise InvalidDataError(f"Every target should have a label. Found no label in the columns {empty}.")
    keep_together = None if sequence else list(keep_together or map(str, range(n)))
    _check_folds(folds(n, n_folds, keep_together=keep_together, seed=seed), n, keep_together)
    held_out: list[Values] = []
    models: list[Values] = []
    history: list[Round] = []
    flags = np.zeros((n, len(places)), dtype=bool)
    teaching: Teaching | None = None
    for number in range(most_rounds):
        begun = time.perf_counter()
        if number == 1 and not learner.is_robust:
            held_out, models = [], []
        own = np.full_like(targets, np.nan)
        for fold, test in enumerate(folds(n, n_folds, keep_together=keep_together, seed=seed + number)):
            train = np.setdiff1d(np.arange(n), test.numpy())
            models.append(learner.predict(train, teaching, (seed * 100 + number) * 100 + fold))
            own[test.numpy()] = models[-1][test.numpy()]
        held_out.append(own)
        mean = _mean(held_out, periods)
        residuals = wrapped(targets - mean, periods)
        weights, scale = weights_without_verdict(residuals, places), np.ones_like(targets)
        if noise is not None:
            unknown = jackknife([mean + wrapped(each - mean, periods) for each in models], n_folds)
            local = _Local(noise, mean, unknown, places)
            if teaching is None or teaching.labels is None:
                weights, scale = local.weights_and_scale(residuals, weights)
            else:
                # The noise of a label whose error is known is the noise of the corrected label.
                scale = local.scale(wrapped(teaching.labels - mean, periods), teaching.usable)
                weights = weights_without_verdict(residuals / scale, places)
        # A learner that is not robust uses only the weights, so its rounds need no choice of densities.
        density = inliers if learner.is_robust else "gaussian"
        mixture = LabelMixture.fit(residuals / scale, groups, inliers=density, intervals=False, seed=seed)
        teaching = Teaching(mixture.responsibilities(residuals / scale), weights)
        if units is not None and number + 1 < most_rounds:
            compared = units.comparison(mean, scale)
            judge = KindMixture(mixture).with_kinds if learner.is_robust else KindMixture.fit
            trusted = units.is_predicted_by(mean)
            kinds = judge(compared, inliers=inliers, taught=True, is_trusted=trusted, intervals=False, seed=seed)
            if kinds.admitted:
                teaching = Teaching.of(kinds, compared, units, weights)
        before, flags = flags, teaching.responsibilities < 0.5
        changed = int((flags != before).sum())
        share = None if mixture.share is None else mixture.share.estimate
        history.append(Round(number, n_folds, int(flags.sum()), changed, share, time.perf_counter() - begun))
        if on_round is not None:
            on_round(history[-1])
        settled = changed <= SETTLED * max(int(flags.sum()), 1)
        if settled and number >= (1 if learner.is_robust else 2):
            break
    spikes = aside = None
    if units is None:
        compared = Comparison.of_residuals(residuals / scale, places)
        kinds = KindMixture(LabelMixture.fit(compared.residuals, groups, inliers=inliers, seed=seed))
    else:
        compared = units.comparison(mean, scale)
        rows = rows_to_check(n, d)
        aside = Aside.of(compared.given[rows], compared.predicted[rows], units.targets)
        compared = compared.with_labels(aside.without(compared.given, compared.predicted))
        spikes = Spikes.of(compared.given, compared.predicted, periods)
        others = spikes.others(compared.residuals, compared.given, compared.predicted, places)
        kinds = KindMixture.fit(
            compared,
            residuals=others,
            inliers=inliers,
            taught=True,
            is_trusted=units.is_predicted_by(mean),
            seed=seed,
        )
    posterior, total = kinds.posterior(compared), kinds.share
    flagged = int((posterior.right < 0.5).sum())
    history[-1] = replace(history[-1], flags=flagged, share=None if total is None else total.estimate)
    return CrossFit(mean, _spread(held_out, mean, periods, places), scale, kinds, tuple(history), spikes, aside)


@dataclass(frozen=True, eq=False)
class _Local:
    """The local noise of the labels, given the predictions and their variances (`unknown`)."""

    noise: LocalNoise
    predictions: Values
    unknown: Values
    places: Partition

    def scale(self, residuals: Values, right: Values) -> Values:
        """Return the scale (n, d) of the residuals, given the probabilities (n, g) that labels are right."""
        return self.noise.scale(residuals, _by_column(right, self.places), self.predictions, self.unknown)

    def weights_and_scale(self, residuals: Values, weights: Values) -> tuple[Values, Values]:
        """Return weights (n, g) and the scale (n, d), which depend on each other."""
        for _ in range(2):
            scale = self.scale(residuals, weights)
            weights = weights_without_verdict(residuals / scale, self.places)
        return weights, scale


def _check_folds(all_folds: Sequence[Tensor], n: int, keep_together: Sequence[str] | None) -> None:
    rest = n - max(map(len, all_folds))
    if rest >= LEAST_LEARNED:
        return
    found = f"Found a fold that leaves {rest} of {n}."
    if keep_together is not None:
        count = max(Counter(keep_together).values())
        if count > 1:
            found += f" {count} samples share a value of `keep_together` or are copies: give more different values."
    raise InvalidDataError(f"Each fold should leave at least {LEAST_LEARNED} samples to learn from. {found}")


def _by_column(values: Values, places: Sequence[Sequence[int]]) -> Values:
    """Return the values (n, g) of the groups repeated for each column of a group: (n, d); 0 where a value is NaN."""
    columns = np.empty((len(values), sum(map(len, places))))
    for place, group in enumerate(places):
        columns[:, list(group)] = np.nan_to_num(values[:, [place]])
    return columns


def _mean(predictions: Sequence[Values], periods: Sequence[float] | None) -> Values:
    first = predictions[0]
    mean: Values = first + np.mean([wrapped(each - first, periods) for each in predictions], axis=0)
    return mean


def _spread(
    predictions: Sequence[Values], mean: Values, periods: Sequence[float] | None, places: Sequence[Sequence[int]]
) -> Values:
    if len(predictions) < 2:
        return np.full((len(mean), len(places)), np.nan)
    squares = np.stack([np.square(wrapped(each - mean, periods)) for each in predictions]).sum(axis=0) / (
        len(predictions) - 1
    )
    return np.stack([np.sqrt(squares[:, list(group)].sum(axis=1)) for group in places], axis=1)
