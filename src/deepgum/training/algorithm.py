"""Algorithm 1: SGD and EM in turn, until the validation set says that it no longer helps."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from deepgum.data.regression import RegressionData
from deepgum.errors import InvalidDataError
from deepgum.losses import Cauchy, Loss, get_loss
from deepgum.mixture import GaussianUniformMixture, partition
from deepgum.residuals import compute_residuals
from deepgum.scale import mad_scale
from deepgum.training.history import Event, History, RoundRecord
from deepgum.training.objective import Criterion, Objective, held_out_log_likelihood, mean_loss
from deepgum.training.options import DeepGUMOptions, SGDOptions
from deepgum.training.result import TrainingResult, check_network, check_training_data
from deepgum.training.sgd import run_sgd

__all__ = ["check_deepgum", "fit_deepgum"]

CAUCHY_SHARE = 0.25
"""Scale of the Cauchy loss as a share of the labels' spread: well inside it, and not so far in that nothing pulls."""

SCORE_TOL = 1e-3
"""EM's tolerance where only the likelihood is wanted: it is flat at its maximum, and a score is due every epoch."""


def fit_deepgum(
    model: nn.Module,
    train: RegressionData,
    validation: RegressionData,
    *,
    options: DeepGUMOptions | None = None,
    sgd: SGDOptions | None = None,
    seed: int = 0,
    on_event: Callable[[Event], None] | None = None,
) -> TrainingResult:
    """Train a network on labels some of which may be wrong, and tell which.

    Parameters
    ----------
    model : nn.Module
        phi(x; w), for example from `deepgum.models.build_model`; trained in place.
    train, validation : RegressionData
        Labels of either may be wrong or missing (NaN).
    options : DeepGUMOptions, optional
        The choices of Algorithm 1.
    sgd : SGDOptions, optional
        Optimiser, schedule, patience.
    seed : int
        Of the order of the samples and of mirroring. The same seed on the same machine gives the same result.
    on_event : callable, optional
        Called with every `EpochRecord` and `RoundRecord`, for example to show progress.

    Returns
    -------
    TrainingResult
        The network, the mixture, the responsibilities (n, g) of the training samples, and the history.

    Raises
    ------
    InvalidDataError
        If the data cannot be trained on; before any training.
    NonFiniteLossError
        As soon as a loss is not finite.

    Examples
    --------
    >>> x = torch.linspace(-1, 1, 400)[:, None]
    >>> y = 3 * x + 0.1 * torch.sin(40 * x)
    >>> y[::10] += torch.linspace(-8, 8, 40)[:, None]  # every tenth label is wrong
    >>> train = RegressionData.from_arrays(x, y)
    >>> validation = train.subset(range(5, 400, 10))
    >>> network = nn.Sequential(nn.Linear(1, 1))
    >>> result = fit_deepgum(network, train, validation, sgd=SGDOptions(learning_rate=0.05, epochs_max=20))
    >>> flagged = result.responsibilities[:, 0] < 0.5
    >>> int(flagged[::10].sum()) > 35, int(flagged.sum()) < 45
    (True, True)
    """
    options, sgd = options or DeepGUMOptions(), sgd or SGDOptions()
    check_deepgum(train, validation, options)
    check_network(model, train, sgd)
    began = time.perf_counter()
    generator = torch.Generator().manual_seed(seed)
    history = History(listener=on_event)
    initial_weights = copy.deepcopy(model.state_dict())
    first_loss, weighted_loss = (_loss(name, options, train) for name in (options.first_loss, options.weighted_loss))

    # The initialisation of Algorithm 1: every r is 1.
    run_sgd(
        model,
        train,
        validation,
        lambda _: Objective(first_loss),
        _criterion(options.epoch_rule, options, first_loss),
        sgd,
        generator,
        history,
        epochs_max=options.warmup_epochs,
        least_epochs=options.warmup_epochs or 0,
    )
    since = time.perf_counter()
    current = best = _Round.of(model, train, validation, options, sgd)
    weights = current.mixture_weights(current.validation_residuals)
    round_criterion = _criterion(options.round_rule, options, weighted_loss, weights)
    best_score = score = round_criterion(current.validation_residuals)
    history.add(current.record(0, score, since))

    for round in range(1, options.rounds_max + 1):
        # Fixed while the round lasts, so that its epochs compare like with like.
        weights = current.mixture_weights(current.validation_residuals)
        objective = Objective(weighted_loss, current.mixture_weights(current.residuals))
        if options.restart == "fresh":
            model.load_state_dict(initial_weights)
        run_sgd(
            model,
            train,
            validation,
            lambda _, objective=objective: objective,  # type: ignore[misc]
            _criterion(options.epoch_rule, options, weighted_loss, weights),
            sgd,
            generator,
            history,
            round=round,
            start_counts=options.start_counts and options.restart == "continue",
        )
        since = time.perf_counter()
        current = _Round.of(model, train, validation, options, sgd)
        round_criterion = _criterion(options.round_rule, options, weighted_loss, weights)
        score = round_criterion(current.validation_residuals)
        history.add(current.record(round, score, since))
        if not score < best_score:
            break
        best, best_score = current, score

    returned = best if options.returned_round == "best" else current
    model.load_state_dict(returned.weights)
    responsibilities = returned.mixture.responsibilities(returned.residuals)
    return TrainingResult(
        model=model.eval(),
        residuals=returned.residuals,
        responsibilities=responsibilities,
        flags=responsibilities < 0.5,
        mixture=returned.mixture,
        history=history,
        seconds=time.perf_counter() - began,
    )


def check_deepgum(train: RegressionData, validation: RegressionData, options: DeepGUMOptions) -> None:
    """Refuse, before the first epoch, what the training or the mixture would refuse after it.

    Raises
    ------
    InvalidDataError
        If the two sets do not fit together, have no label, or are too small for the covariance of a group.
    InvalidParameterError
        If the groups are no partition of the coordinates.
    """
    check_training_data(train, validation)
    largest = max(map(len, partition(_unfitted(options).groups, train.targets.shape[1])))
    needed = largest + 1 if options.covariance_type == "full" else 2
    for name, data in (("train", train), ("validation", validation)):
        if len(data) < needed:
            raise InvalidDataError(
                f"`{name}` should have at least {needed} samples, for the {options.covariance_type} covariance of a "
                f"group of {largest} coordinates. Found {len(data)}. Smaller `groups` need fewer."
            )


@dataclass(frozen=True)
class _Round:
    """The network after a run of SGD, and the mixture of its training residuals."""

    weights: dict[str, Tensor]
    residuals: Tensor  # (n, d)
    validation_residuals: Tensor  # (m, d)
    mixture: GaussianUniformMixture

    @classmethod
    def of(
        cls,
        model: nn.Module,
        train: RegressionData,
        validation: RegressionData,
        options: DeepGUMOptions,
        sgd: SGDOptions,
    ) -> _Round:
        residuals, validation_residuals = (
            compute_residuals(model, data, device=sgd.device, precision=sgd.precision) for data in (train, validation)
        )
        mixture = _unfitted(options).fit(residuals)
        return cls(copy.deepcopy(model.state_dict()), residuals, validation_residuals, mixture)

    def mixture_weights(self, residuals: Tensor) -> Tensor:
        """Responsibilities of residuals (n, d), given to every coordinate of a group: (n, d)."""
        group_of = torch.empty(residuals.shape[1], dtype=torch.int64)
        for group, coordinates in enumerate(self.mixture.partition_):
            group_of[list(coordinates)] = group
        return self.mixture.responsibilities(residuals)[:, group_of]

    def record(self, round: int, score: float, since: float) -> RoundRecord:
        flagged = (self.mixture.responsibilities(self.residuals) < 0.5).sum(dim=0)
        return RoundRecord(
            round=round,
            inlier_prior=tuple(self.mixture.inlier_prior_.tolist()),
            log_uniform_density=tuple(self.mixture.log_uniform_density_.tolist()),
            covariances=tuple(tuple(map(tuple, matrix.tolist())) for matrix in self.mixture.covariances_),
            flagged=tuple(flagged.tolist()),
            status=tuple(status.name.lower() for status in self.mixture.status_),
            em_iterations=self.mixture.n_iter_,
            round_score=score,
            seconds=time.perf_counter() - since,
        )


def _loss(name: str, options: DeepGUMOptions, train: RegressionData) -> Loss:
    if name != "cauchy":
        return get_loss(name)
    spread = mad_scale(train.targets).median().item()
    return Cauchy(CAUCHY_SHARE * spread if options.cauchy_scale is None else options.cauchy_scale)


def _unfitted(options: DeepGUMOptions, tol: float | None = None) -> GaussianUniformMixture:
    return GaussianUniformMixture(
        groups=options.groups,
        covariance_type=options.covariance_type,
        uniform=options.uniform,
        inlier_prior=options.inlier_prior,
        tol=options.em_tol if tol is None else tol,
        max_iter=options.em_max_iter,
    )


def _criterion(rule: str, options: DeepGUMOptions, loss: Loss, weights: Tensor | None = None) -> Criterion:
    """What a rule measures; `weights` (m, d) of the validation samples, None while there are none."""
    rules: dict[str, Criterion] = {
        "weighted": mean_loss(loss, weights),
        "unweighted": mean_loss(loss),
        "log-likelihood": held_out_log_likelihood(_unfitted(options, tol=SCORE_TOL)),
    }
    return rules[rule]
