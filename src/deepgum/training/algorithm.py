"""`fit_deepgum`: check the data, then train a network on labels that may be wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from deepgum.data.regression import RegressionData
from deepgum.errors import InvalidDataError, InvalidParameterError
from deepgum.losses.cross_entropy import CROSS_ENTROPY
from deepgum.models import DeepExpectation, OutputOf
from deepgum.training.alternate import fit_alternate
from deepgum.training.history import Event, History
from deepgum.training.interleaved import fit_interleaved
from deepgum.training.job import Training
from deepgum.training.loop.engine import LOCAL
from deepgum.training.loop.fabric import FabricEngine, check_shared
from deepgum.training.loop.objective import check_loss
from deepgum.training.options import DeepGUMOptions
from deepgum.training.result import TrainingResult, check_network, check_training_data
from deepgum.training.rounds import em_rows
from deepgum.training.schedules import Alternate
from deepgum.training.sgd_options import SGDOptions
from deepgum.training.state.journal import lock_checkpoint

if TYPE_CHECKING:
    from lightning.fabric import Fabric

__all__ = ["check_deepgum", "fit_deepgum"]


def fit_deepgum(
    model: nn.Module,
    train: RegressionData,
    validation: RegressionData,
    *,
    options: DeepGUMOptions | None = None,
    sgd: SGDOptions | None = None,
    seed: int = 0,
    output: str | int | Callable[[Any], Tensor] | None = None,
    on_event: Callable[[Event], None] | None = None,
    checkpoint: Path | None = None,
    fabric: Fabric | None = None,
) -> TrainingResult:
    """Train a network on labels that may be wrong, and find the wrong labels.

    Parameters
    ----------
    model : nn.Module
        phi(x; w), for example from `deepgum.models.build_model`; trained in place. The cross-entropy (DexGUM) needs a
        `DeepExpectation`, and its residual is the label minus the expected value.
    train, validation : RegressionData
        The training set and the validation set. In each set, labels may be wrong or missing (NaN).
    options : DeepGUMOptions, optional
        The groups, the schedule of EM, the mixture and the losses. Default: one run of SGD with EM after every epoch.
    sgd : SGDOptions, optional
        The options of SGD, for example the optimiser, the learning rate and the patience.
    seed : int
        Seed of the order of the samples and of mirroring. The same seed on the same machine gives the same result.
    output : str, int or callable, optional
        The predictions in the outputs of a network that gives several tensors; see `deepgum.models.OutputOf`. The
        network of the result is then an `OutputOf`. Default: the one tensor of the shape of the labels.
    on_event : callable, optional
        Called with every `EpochRecord` and `RoundRecord`, for example to show progress. If the training resumes from a
        checkpoint, the argument of the first call is a `Resumed`.
    checkpoint : Path, optional
        A file that stores the state of the training after every epoch. To resume an interrupted training, call this
        function again with the same arguments and a network that is built again with the same initial weights. The
        result is the same as without the interruption. The training does not delete the file. If you call this function
        again after the training has ended, the function returns the same result at once. Only one training at a time
        can use the file; a hidden lock file in the same folder ensures this. With several processes, put the checkpoint
        in a folder that all processes can access. Each process adds its own file in that folder, and the training can
        resume only with the same number of processes.
    fabric : Fabric, optional
        A launched Fabric of `lightning.fabric` or `lightning_fabric`. The Fabric determines the device, the precision
        and the processes. The device and the precision of `sgd` are then ignored. All processes call this function with
        the same arguments and share every batch. A Fabric can be used only with the schedule "interleaved".

    Returns
    -------
    TrainingResult
        The network, the mixture, the responsibilities (n, g) of the training samples, and the history. With several
        processes, each process returns the residuals and responsibilities of its own samples. All other values are the
        same on all processes.

    Raises
    ------
    InvalidDataError
        Before any training, if the data cannot be used.
    InvalidParameterError
        Before any training, if an option does not suit the data, the network or the `fabric`, or if the processes have
        different arguments.
    NonFiniteLossError
        As soon as a loss is not finite.
    CheckpointError
        Before any training, if the checkpoint belongs to another training, is damaged, or is in use by another process.
    DiskFullError
        If the checkpoint does not fit on the disk; the previous checkpoint is kept.
    ProcessLostError
        If another process died, or stopped with an error.

    Examples
    --------
    >>> import torch
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
    options = (options or DeepGUMOptions()).for_targets(train.target_names).with_imported_losses()
    sgd = sgd or SGDOptions()
    schedule = options.schedule
    model = model if output is None else OutputOf(model, output)
    engine = LOCAL if fabric is None else FabricEngine(fabric)
    if fabric is not None and isinstance(schedule, Alternate):
        hint = "Algorithm 1 runs in one process."
        raise InvalidParameterError("schedule", "'interleaved' with a `fabric`", schedule.name, hint)
    sgd = engine.adapt(model, sgd)
    check_deepgum(train, validation, options)
    check_loss(model, options.first_loss)
    check_network(model, train, sgd, seed)
    training = Training(model, train, validation, options, sgd, seed)
    if fabric is not None:
        check_shared(engine.processes, training)
    history = History(listener=on_event)
    with lock_checkpoint(checkpoint, engine.processes):
        if isinstance(schedule, Alternate):
            return fit_alternate(training, schedule, history, checkpoint)
        return fit_interleaved(training, history, checkpoint, engine)


def check_deepgum(train: RegressionData, validation: RegressionData, options: DeepGUMOptions) -> None:
    """Check, before the first epoch, that the training and the mixture can use the data.

    Raises
    ------
    InvalidDataError
        If the samples of the two sets have different shapes, if a set has no label or is too small for the covariance
        of a group, or if the cross-entropy cannot use the targets.
    InvalidParameterError
        If the groups are not a partition of the coordinates, the sizes of the groups do not allow a shared covariance,
        the fixed density of the outliers is not in the unit of the labels, or the path of a loss cannot be imported.
    """
    options = options.for_targets(train.target_names).with_imported_losses()
    check_training_data(train, validation)
    if options.first_loss == CROSS_ENTROPY:
        DeepExpectation.span(train.targets)
    largest = max(map(len, options.new_mixture().resolve(train.targets.shape[1])))
    covariance_type, schedule = options.mixture.covariance_type, options.schedule
    needed = largest + 1 if covariance_type == "full" else 2
    rows = em_rows(len(train), schedule) if isinstance(schedule, Alternate) else len(train)
    for name, n in (("train", rows), ("validation", len(validation))):
        if n < needed:
            raise InvalidDataError(
                f"`{name}` should have at least {needed} samples for EM, for the {covariance_type} covariance of a "
                f"group of {largest} coordinates. Found {n} samples. Smaller `groups` need fewer samples."
            )
    _check_units(train, options)


def _check_units(train: RegressionData, options: DeepGUMOptions) -> None:
    """Refuse a fixed outlier density whose range is narrower than the range of the middle half of the labels."""
    uniform = options.mixture.uniform
    if isinstance(uniform, str):
        return
    deviations = (train.targets - train.targets.nanmedian(dim=0).values).abs()
    width, middle = math.exp(-uniform), 2 * deviations.nanmedian(dim=0).values.nan_to_num().max().item()
    if width < middle:
        raise InvalidParameterError(
            "mixture.uniform",
            f"a log density per coordinate of at most {-math.log(middle):.3g}, in the labels' unit",
            uniform,
            f"With this value the wrong labels lie in a range of width {width:.3g}, but the middle half of the labels "
            f"is {middle:.3g} wide. For a range of width w (pixels, years, degrees) the log density is -log(w).",
        )
