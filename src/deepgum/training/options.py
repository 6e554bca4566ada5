"""What a training with the mixture is: every choice that the paper leaves open, named, checked, with its default.

`docs/deviations.md` sets these choices beside the paper and beside the code of its authors.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from deepgum.checks import check_choice, check_count, check_fraction, check_positive
from deepgum.errors import InvalidParameterError
from deepgum.losses import LOSSES
from deepgum.losses.kinds import CROSS_ENTROPY
from deepgum.mixture import GaussianUniformMixture

__all__ = ["PRESETS", "DeepGUMOptions", "Groups"]

Groups = Literal["sample", "landmark", "coordinate"] | Sequence[Sequence[int]]

RULES = ("log-likelihood", "weighted", "unweighted", "trimmed")
EM_STARTS = ("robust", "responsibilities")
RESTARTS = ("continue", "fresh")
SCHEDULES_OF_EM = ("alternate", "interleaved")
RETURNS = ("best", "last")
# Losses of scaled residuals need a scale every epoch, and would do the mixture's work a second time.
UNSCALED = (*(name for name, kind in LOSSES.items() if not kind.needs_scale), CROSS_ENTROPY)


@dataclass(frozen=True)
class DeepGUMOptions:
    """The choices of a training with the mixture. The defaults measured best on faces; `preset("alternate")` is what
    measured best of Algorithm 1, `preset("paper")` follows the paper, and `preset("authors-code")` the code that its
    authors released.

    Parameters
    ----------
    groups : {"sample", "landmark", "coordinate"} or list of lists of int
        What is an inlier or an outlier as a whole: one mixture each (section 3.1).
    schedule : {"interleaved", "alternate"}
        When EM is run. `"alternate"` is Algorithm 1: after each of several runs of SGD. `"interleaved"` is one run of
        SGD with EM after every epoch, on the residuals of the epoch's own forward passes. Fields that speak of rounds,
        and `em_start` and `em_rows`, concern the first alone.
    widening : float
        Factor on the inliers' standard deviations once EM has found them, at least 1; the paper has none. Training
        residuals are those of labels that the network has learned in part by heart, and a network errs far on a few
        hard samples. By the covariance as EM finds it those are flagged, not learned from, and so stay flagged.
        Interleaved, it wears off: half of it is left 5 epochs after the warm-up, a third after 10.
    degrees_of_freedom : float
        Of the inliers' tails in each sample, which all its groups share: a sample whose other labels the network misses
        by more than usual is hard, and allowed to be missed by more
        (`deepgum.GaussianUniformMixture.responsibilities`). Infinity is the paper's Gaussian, one covariance for all
        samples. Interleaved, the allowance wears off as the widening does: twice as many degrees of freedom 5 epochs
        after the warm-up, three times as many after 10.
    least_weight : float
        The weight of a label that is certainly wrong; between it and 1 weights go by the responsibility. The paper: 0.
        A tenth lets a label come back that was flagged too early, where the loss is L1 and the training short; a long
        one learns wrong labels by it.
    first_loss : {"cauchy", "l1", "l2", "cross-entropy"}
        Loss of the first fit, before there are responsibilities (the paper: `"l2"`).
    weighted_loss : {"l1", "l2", "cauchy", "cross-entropy"}
        Loss that the responsibilities weight (the paper: `"l2"`, which is eq. 7). The cross-entropy is for a
        `DeepExpectation` (DexGUM); it is both losses or neither.
    responsibility_power : float
        The weight of a label is its responsibility to this power (the paper: 1; the authors' code multiplies prediction
        and target by r under a squared loss, which is 2).
    cauchy_scale : float or None
        Scale of the Cauchy loss in the targets' units; None takes a quarter of the training labels' own spread (the
        median over coordinates of their MAD scale), so that labels in other units give the same network.
    warmup_epochs : int or None
        Epochs of the first fit; None trains it until it stops early, as Algorithm 1 says (section 4 says 3).
        Interleaved, None is 5, and in a short training at most half of it.
    restart : {"continue", "fresh"}
        Whether a round of SGD goes on from the current weights (the paper), or begins again from the initial ones, free
        of what they learned from labels that are now known to be wrong.
    start_counts : bool
        In a round that goes on: whether the weights that it starts from are a candidate for its best ones. If they are,
        a round that does not improve on them within the patience is the last.
    epoch_rule : {"log-likelihood", "weighted", "unweighted", "trimmed"}
        What stops a run of SGD early, measured on the validation set: the log-likelihood of eq. 1 at its best mixture;
        the weighted loss, with the responsibilities that the validation set had when the round began (the paper); the
        unweighted loss; or the unweighted loss without the largest residuals of each group, as large a share of them as
        is flagged in the training set. Each is the same measure from epoch to epoch. Where the losses are the
        cross-entropy, the last three take the absolute error of the expected value, in the targets' unit.
    round_rule : {"log-likelihood", "weighted", "unweighted", "trimmed"}
        What ends the alternation when it no longer improves. The weighted loss (the paper) has other weights in every
        round, and falls when they do, and the trimmed one falls when more is flagged; the other two compare like with
        like.
    returned_round : {"best", "last"}
        Whose weights are returned: the round's with the best score, or the last one's.
    rounds_max : int
        The most rounds after the first fit.
    covariance_type, uniform, inlier_prior, separation, em_tol, em_max_iter
        Passed to `deepgum.mixture.GaussianUniformMixture`. A `uniform` that is a number is the log density of one
        coordinate **in the targets' unit**: 0 for landmarks in fractions of the image's side, -log(224) in pixels of an
        image of 224, -log(w) in any range of width w. An `em_tol` of 0 takes exactly `em_max_iter` steps.
    em_start : {"robust", "responsibilities"}
        What EM begins with in each round: a robust scale of the residuals; or the responsibilities that the network was
        trained with, which are 1 in the first fit and then those of the round before (the authors' code).
    em_rows : float
        Share of the training samples that EM is run on, the first ones by index; all get responsibilities.

    Raises
    ------
    InvalidParameterError
        If a value cannot be worked with; the message names it.

    Examples
    --------
    >>> DeepGUMOptions.preset("paper", groups="landmark").first_loss
    'l2'
    """

    groups: Groups = "sample"
    schedule: str = "interleaved"
    first_loss: str = "cauchy"
    weighted_loss: str = "l1"
    widening: float = 2.0
    degrees_of_freedom: float = 4.0
    least_weight: float = 0.0
    responsibility_power: float = 1.0
    cauchy_scale: float | None = None
    warmup_epochs: int | None = None
    restart: str = "continue"
    start_counts: bool = False
    epoch_rule: str = "log-likelihood"
    round_rule: str = "log-likelihood"
    returned_round: str = "best"
    rounds_max: int = 10
    covariance_type: str = "full"
    uniform: str | float = "moments"
    inlier_prior: str | float = "estimate"
    separation: float = 2.5
    em_tol: float = 1e-6
    em_max_iter: int = 200
    em_start: str = "robust"
    em_rows: float = 1.0

    def __post_init__(self) -> None:
        for name in ("first_loss", "weighted_loss"):
            check_choice(name, getattr(self, name), UNSCALED)
        if CROSS_ENTROPY in (self.first_loss, self.weighted_loss) and self.first_loss != self.weighted_loss:
            hint = "A network has logits for both or for neither."
            raise InvalidParameterError("weighted_loss", f"{self.first_loss!r} as well", self.weighted_loss, hint)
        if check_positive("widening", self.widening) < 1:
            raise InvalidParameterError("widening", "a number of at least 1", self.widening)
        if self.degrees_of_freedom != math.inf:
            check_positive("degrees_of_freedom", self.degrees_of_freedom)
        check_fraction("least_weight", self.least_weight, open_above=True)
        check_positive("responsibility_power", self.responsibility_power)
        if self.cauchy_scale is not None:
            check_positive("cauchy_scale", self.cauchy_scale)
        if self.warmup_epochs is not None:
            check_count("warmup_epochs", self.warmup_epochs)
        check_choice("schedule", self.schedule, SCHEDULES_OF_EM)
        if self.schedule == "interleaved" and self.first_loss == CROSS_ENTROPY:
            hint = "Only losses of residuals can be interleaved."
            raise InvalidParameterError("schedule", f"'alternate' with the {CROSS_ENTROPY}", self.schedule, hint)
        check_choice("restart", self.restart, RESTARTS)
        check_choice("epoch_rule", self.epoch_rule, RULES)
        check_choice("round_rule", self.round_rule, RULES)
        check_choice("returned_round", self.returned_round, RETURNS)
        check_count("rounds_max", self.rounds_max)
        check_choice("em_start", self.em_start, EM_STARTS)
        check_fraction("em_rows", self.em_rows, open_below=True)
        if not isinstance(self.start_counts, bool):
            raise InvalidParameterError("start_counts", "True or False", self.start_counts)
        check_positive("em_tol", self.em_tol, zero=True)
        check_count("em_max_iter", self.em_max_iter)
        # The mixture knows what it takes.
        GaussianUniformMixture(covariance_type=self.covariance_type, uniform=self.uniform, separation=self.separation)
        if isinstance(self.inlier_prior, float | int):
            check_fraction("inlier_prior", self.inlier_prior, open_below=True, open_above=True)
        elif self.inlier_prior != "estimate":
            raise InvalidParameterError("inlier_prior", "'estimate' or a number in (0, 1)", self.inlier_prior)

    @classmethod
    def preset(cls, name: str, **changes: Any) -> DeepGUMOptions:
        """Return the options of a preset of `PRESETS`, with some changed.

        Raises
        ------
        UnknownNameError
            If there is no preset of that name.
        """
        return replace(PRESETS[check_choice("preset", name, PRESETS)], **changes)


PRESETS = {
    "default": DeepGUMOptions(),
    "alternate": DeepGUMOptions(schedule="alternate", widening=1.0, degrees_of_freedom=math.inf, separation=0.0),
    "paper": DeepGUMOptions(
        schedule="alternate",
        first_loss="l2",
        weighted_loss="l2",
        widening=1.0,
        degrees_of_freedom=math.inf,
        separation=0.0,
        restart="continue",
        epoch_rule="weighted",
        round_rule="weighted",
    ),
    "authors-code": DeepGUMOptions(
        schedule="alternate",
        widening=1.0,
        degrees_of_freedom=math.inf,
        separation=0.0,
        first_loss="l2",
        weighted_loss="l2",
        responsibility_power=2.0,
        restart="fresh",
        # The one of its three rules that it takes unless told otherwise; the other two are "trimmed" and "weighted".
        epoch_rule="unweighted",
        round_rule="unweighted",
        # Its landmark mode. With its flag -iso it is "tied-spherical"; for whole samples, without a flag, "diag".
        covariance_type="spherical",
        # -log 224 in pixels of an image of 224 is this in fractions of its side.
        uniform=0.0,
        inlier_prior=0.95,
        em_tol=0.0,
        em_max_iter=6,
        em_start="responsibilities",
        # It has training and validation samples in one list and runs EM on the first 80 % of it, which are the former.
        em_rows=1.0,
        # Six fits, the first one included.
        rounds_max=5,
    ),
}
"""Named sets of options: what measured best on faces, in one run of SGD and in rounds of it; the paper to the letter;
and the code that its authors released.

The last is for landmarks in fractions of the image's side; for labels in other units, change its `uniform`.
"""
