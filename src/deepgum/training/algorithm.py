"""Algorithm 1: SGD and EM in turn, until the validation set says that it no longer helps."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import torch
from torch import nn

from deepgum.data.regression import RegressionData
from deepgum.errors import InvalidDataError, InvalidParameterError
from deepgum.losses import Cauchy, Loss, get_loss
from deepgum.models import DeepExpectation
from deepgum.scale import mad_scale
from deepgum.training.history import Event, History
from deepgum.training.objective import CROSS_ENTROPY, check_loss, minimised
from deepgum.training.options import DeepGUMOptions, SGDOptions
from deepgum.training.result import TrainingResult, check_network, check_training_data
from deepgum.training.rounds import Round, criterion_for, em_rows, unfitted_mixture
from deepgum.training.sgd import run_sgd
from deepgum.training.weights import Weights

__all__ = ["check_deepgum", "fit_deepgum"]

CAUCHY_SHARE = 0.25
"""Scale of the Cauchy loss as a share of the labels' spread: well inside it, and not so far in that nothing pulls."""


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
        phi(x; w), for example from `deepgum.models.build_model`; trained in place. A `DeepExpectation` where the losses
        are the cross-entropy (DexGUM); the residual is then the label less the expected value.
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
    InvalidParameterError
        If an option does not suit the data or the network; before any training.
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
    check_loss(model, options.first_loss)
    check_network(model, train, sgd)
    began = time.perf_counter()
    generator = torch.Generator().manual_seed(seed)
    history = History(listener=on_event)
    initial_weights = Weights(model)
    first_loss, weighted_loss = (_loss(name, options, train) for name in (options.first_loss, options.weighted_loss))

    # The initialisation of Algorithm 1: every r is 1.
    run_sgd(
        model,
        train,
        validation,
        lambda _: minimised(first_loss, model),
        criterion_for(options.epoch_rule, options, first_loss),
        sgd,
        generator,
        history,
        epochs_max=options.warmup_epochs,
        least_epochs=options.warmup_epochs or 0,
    )
    since = time.perf_counter()
    current = best = Round.of(model, train, validation, options, sgd)
    score = criterion_for(options.round_rule, options, weighted_loss, current)(current.validation_residuals)
    best_score = score
    history.add(current.record(0, score, since))

    for round in range(1, options.rounds_max + 1):
        # Fixed while the round lasts, so that its epochs compare like with like.
        objective = minimised(weighted_loss, model, current.weights_of(current.residuals, options))
        if options.restart == "fresh":
            initial_weights.restore(model)
        run_sgd(
            model,
            train,
            validation,
            lambda _, objective=objective: objective,  # type: ignore[misc]
            criterion_for(options.epoch_rule, options, weighted_loss, current),
            sgd,
            generator,
            history,
            round=round,
            start_counts=options.start_counts and options.restart == "continue",
        )
        since, previous = time.perf_counter(), current
        current = Round.of(model, train, validation, options, sgd, previous)
        # By the mixture that the round was trained with; the one of its own residuals is the next round's.
        score = criterion_for(options.round_rule, options, weighted_loss, previous)(current.validation_residuals)
        history.add(current.record(round, score, since))
        if not score < best_score:
            break
        best, best_score = current, score

    returned = best if options.returned_round == "best" else current
    returned.weights.restore(model)
    responsibilities = returned.responsibilities
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
        If the two sets do not fit together, have no label, are too small for the covariance of a group, or have targets
        that the cross-entropy cannot be of.
    InvalidParameterError
        If the groups are no partition of the coordinates, or of sizes that cannot share a covariance; or if the
        outliers' density is fixed in other units than the labels'.
    """
    check_training_data(train, validation)
    if options.first_loss == CROSS_ENTROPY:
        DeepExpectation.span(train.targets)
    largest = max(map(len, unfitted_mixture(options).resolve(train.targets.shape[1])))
    needed = largest + 1 if options.covariance_type == "full" else 2
    for name, n in (("train", em_rows(train.targets, options)), ("validation", len(validation))):
        if n < needed:
            raise InvalidDataError(
                f"`{name}` should have at least {needed} samples for EM, for the {options.covariance_type} covariance "
                f"of a group of {largest} coordinates. Found {n}. Smaller `groups` need fewer."
            )
    _check_units(train, options)


def _check_units(train: RegressionData, options: DeepGUMOptions) -> None:
    """Refuse a fixed density of outliers in a box that is narrower than the labels themselves."""
    if isinstance(options.uniform, str):
        return
    deviations = (train.targets - train.targets.nanmedian(dim=0).values).abs()
    width, middle = math.exp(-options.uniform), 2 * deviations.nanmedian(dim=0).values.nan_to_num().max().item()
    if width < middle:
        raise InvalidParameterError(
            "uniform",
            f"a log density per coordinate of at most {-math.log(middle):.3g}, in the labels' unit",
            options.uniform,
            f"It would put the wrong labels into a box of width {width:.3g}, where not even the middle half of the "
            f"labels, {middle:.3g} wide, has room. In a range of width w (pixels, years, degrees) the log density is "
            "-log(w).",
        )


def _loss(name: str, options: DeepGUMOptions, train: RegressionData) -> Loss | str:
    if name == CROSS_ENTROPY:
        return name
    if name != "cauchy":
        return get_loss(name)
    spread = mad_scale(train.targets).median().item()
    return Cauchy(CAUCHY_SHARE * spread if options.cauchy_scale is None else options.cauchy_scale)
