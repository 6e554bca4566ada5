"""Tasks for the processes of `test_processes_training`: each runs `serve`, and writes its result to a file."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

import deepgum.training.loop.fabric as engine_module
from deepgum.data.mirror import Mirror
from deepgum.data.regression import RegressionData
from deepgum.errors import DeepGUMError
from deepgum.mixture import GaussianUniformMixture
from deepgum.processes import TorchProcesses, current
from deepgum.residuals import compute_residuals, predict
from deepgum.training import DeepGUMOptions, SGDOptions, TrainingResult, fit_deepgum
from deepgum.training.loop.fabric import FabricEngine
from deepgum.training.state.checkpoint import Checkpoint
from deepgum.training.tracker import ResponsibilityTracker
from deepgum.training.verdict import responsibilities_of

if TYPE_CHECKING:
    from lightning.fabric import Fabric

N, HELD_OUT, BATCH = 100, 31, 20
SGD = SGDOptions(learning_rate=0.02, batch_size=BATCH, epochs_max=4)
OPTIONS = DeepGUMOptions(warmup_epochs=2, mixture=GaussianUniformMixture(max_iter=20))


def serve(task: str, rank: int, world_size: int, folder: str, arguments: dict[str, Any]) -> None:
    """Meet the others, do a task, and leave a dictionary of tensors, or the error's name and message, as `rank.pt`."""
    try:
        from lightning.fabric import Fabric
    except ImportError:
        from lightning_fabric import Fabric
    torch.set_num_threads(1)
    place = Path(folder)
    # As the Fabric's own launcher says it, or torchrun.
    names = ["LOCAL_RANK", *(["RANK"] if arguments.pop("torchrun", False) else [])]
    os.environ.update(dict.fromkeys(names, str(rank)))
    os.environ.update(GROUP_RANK="0", WORLD_SIZE=str(world_size), LOCAL_WORLD_SIZE=str(world_size))
    dist.init_process_group("gloo", init_method=f"file://{place}/meet", rank=rank, world_size=world_size)
    precision = arguments.pop("precision", "32-true")
    strategy = "ddp" if world_size > 1 else "auto"
    fabric = Fabric(accelerator="cpu", devices=world_size, strategy=strategy, precision=precision)
    fabric.launch()
    try:
        found = TASKS[task](fabric, place, **arguments)
    except DeepGUMError as error:
        found = {"error": type(error).__name__, "message": str(error)}
    torch.save(found, place / f"{rank}.pt")


def table(n: int, seed: int, **more: Any) -> RegressionData:
    """Two linear targets with a little noise, a quarter of them shifted."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 3, generator=generator)
    y = torch.stack([x[:, 0] + x[:, 1], x[:, 2] - x[:, 0]], dim=1) + 0.05 * torch.randn(n, 2, generator=generator)
    wrong = torch.rand(n, generator=generator) < 0.25
    y[wrong] += (6 * torch.rand(n, 2, generator=generator) - 3)[wrong]
    return RegressionData.from_arrays(x, y, **more)


def images(n: int) -> RegressionData:
    """Images without meaning whose two landmarks change places in the mirror; a tenth of the labels is missing."""
    generator = torch.Generator().manual_seed(4)
    targets = torch.rand(n, 4, generator=generator)
    targets[torch.rand(n, 4, generator=generator) < 0.1] = torch.nan
    pixels = torch.randint(0, 256, (n, 1, 4, 4), generator=generator, dtype=torch.uint8)
    return RegressionData.from_arrays(pixels, targets, mirror=Mirror.landmarks([(0, 1)], 2))


def network(normalised: bool = False, seed: int = 3) -> nn.Module:
    torch.manual_seed(seed)
    middle = [nn.BatchNorm1d(12), nn.Dropout(0.1)] if normalised else []
    return nn.Sequential(nn.Linear(3, 12), *middle, nn.Tanh(), nn.Linear(12, 2))


def outcome(result: TrainingResult, train: RegressionData) -> dict[str, Any]:
    """Return what a training came to, and what its residuals should be: of these samples, by this network."""
    assert result.mixture is not None
    return {
        "weights": result.model.state_dict(),
        "index": result.index,
        "residuals": result.residuals,
        "expected": (train.targets - predict(result.model, train))[result.index],
        "responsibilities": result.responsibilities,
        "by_verdict": responsibilities_of(result.verdict, result.mixture, result.residuals),
        "mixture": result.mixture.state_dict(),
        "epochs": [(epoch.phase, epoch.train_loss, epoch.validation_score) for epoch in result.history.epochs],
    }


def train(
    fabric: Fabric | None,
    folder: Path,
    *,
    n: int = N,
    normalised: bool = False,
    weighted: bool = False,
    checkpoint: str | None = None,
    plain: bool = False,
    apart: bool = False,
    **more: Any,
) -> dict[str, Any]:
    """Train as `fit_deepgum` does, with a Fabric or without."""
    kept = None if checkpoint is None else folder / (str(fabric.global_rank) if apart else "") / checkpoint
    weight = {"sample_weight": torch.linspace(0.5, 1.5, n)} if weighted else {}
    data = table(n, seed=0, **weight)
    arguments = {"options": OPTIONS, "sgd": SGD, "seed": 5, "checkpoint": kept, **more}
    arguments["fabric"] = None if plain else fabric
    return outcome(fit_deepgum(network(normalised), data, table(HELD_OUT, seed=1), **arguments), data)


def talk(fabric: Fabric, folder: Path, *, batch_size: int) -> dict[str, Any]:
    """Train, and return how many times the processes exchanged rows."""
    exchanges = 0
    real = TorchProcesses.exchange

    def counted(self: TorchProcesses, parts: Any) -> list[Tensor]:
        nonlocal exchanges
        exchanges += 1
        return real(self, parts)

    TorchProcesses.exchange = counted  # type: ignore[method-assign]
    train(fabric, folder, sgd=replace(SGD, batch_size=batch_size))
    return {"exchanges": exchanges}


def dice(fabric: Fabric, folder: Path) -> dict[str, Any]:
    """Train, and return what dropout would draw at the first step."""
    drawn: list[Tensor] = []

    def draw() -> None:
        with torch.random.fork_rng():
            drawn.append(torch.rand(5))

    at_call(1, draw, engine_module._FabricSteps, "forward")
    train(fabric, folder)
    return {"drawn": drawn[0]}


def follow(fabric: Fabric, folder: Path) -> dict[str, Any]:
    """Show shuffled samples to a network that does not learn; return what is known of them after each epoch."""
    data = images(51)
    torch.manual_seed(0)
    still = nn.Sequential(nn.Flatten(), nn.Linear(16, 4))
    engine = FabricEngine(fabric)
    # Given beforehand: the residuals of such a network are no mixture, and nothing would be told of the labels.
    mixture = GaussianUniformMixture(inlier_prior=0.7, uniform=-4.0)
    options = DeepGUMOptions(warmup_epochs=1, groups="landmark", mixture=mixture)
    tracker = ResponsibilityTracker(
        len(data), options=options, targets=data.targets, mirror=data.mirror, processes=engine.processes
    )
    generator, sgd, epochs = torch.Generator().manual_seed(1), engine.adapt(still, SGDOptions(batch_size=8)), []
    for _ in range(3):
        seen, mirrored = [], 0
        for batch in engine.batches(data, sgd, generator):
            tracker.loss(still(batch.inputs), batch.targets, batch.index, mirrored=batch.mirrored)
            seen.append(batch.index)
            mirrored += int(batch.mirrored.sum())
        tracker.update()
        everything = torch.arange(len(data)).flip(0)
        epochs.append({"seen": torch.cat(seen), "mirrored": mirrored, "residuals": tracker.residuals.clone()})
    # A network that sees a mirrored image sees another one: its residual is that of the image it saw last.
    plain = compute_residuals(still, data)
    assert data.mirror is not None
    assert tracker.mixture is not None
    assert tracker.residuals is not None
    turned = data.mirror.images(torch.as_tensor(data.inputs))
    other = RegressionData.from_arrays(turned, data.mirror.targets(data.targets))
    return {
        "epochs": epochs,
        "index": tracker.index,
        "plain": plain[tracker.index],
        "mirrored": data.mirror.residuals(compute_residuals(still, other))[tracker.index],
        "weights": tracker.weights(everything).flip(0),
        "responsibilities": tracker.mixture.responsibilities(tracker.residuals),
    }


def residuals_of(n: int) -> tuple[Tensor, Tensor]:
    """Narrow inliers and wide outliers in six coordinates, a tenth of them missing; and weights of the samples."""
    generator = torch.Generator().manual_seed(6)
    values = torch.randn(n, 6, generator=generator) * torch.tensor([1.0, 2.0, 0.5, 1.0, 0.1, 3.0])
    values[torch.rand(n, generator=generator) < 0.3] *= 15
    values[torch.rand(n, 6, generator=generator) < 0.1] = torch.nan
    return values, torch.rand(n, generator=generator)


def fit_mixture(fabric: Fabric, folder: Path, *, groups: str) -> dict[str, Any]:
    """Give every process residuals of samples that it does not keep; return the mixture of all."""
    (residuals, sample_weight), n = residuals_of(1001), 1001
    options, processes = DeepGUMOptions(warmup_epochs=1, groups=groups), current()
    tracker = ResponsibilityTracker(n, options=options, sample_weight=sample_weight, processes=processes)
    index = torch.randperm(n, generator=torch.Generator().manual_seed(2))
    mine = index[processes.rank * n // processes.world_size : (processes.rank + 1) * n // processes.world_size]
    tracker.record(mine, residuals[mine])
    tracker.update()
    assert isinstance(tracker.mixture, GaussianUniformMixture)
    return {"mixture": tracker.mixture.state_dict(), "score": tracker.score(residuals[tracker.index])}


# ---- the end of a process


def die(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def at_call(count: int, act: Callable[[], None], owner: Any, name: str) -> None:
    """Let the count-th call of a function begin with something else."""
    real, calls = getattr(owner, name), 0

    def patched(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == count:
            act()
        return real(*arguments, **named)

    setattr(owner, name, patched)


MOMENTS: dict[str, tuple[int, Any, str]] = {
    "setup": (1, engine_module._FabricSteps, "__init__"),
    "forward": (7, engine_module._FabricSteps, "forward"),  # batch normalisation's buffers are sent there
    "backward": (7, engine_module._FabricSteps, "step"),
    "weights": (12, ResponsibilityTracker, "loss"),
    "update": (3, ResponsibilityTracker, "update"),
    "score": (2, ResponsibilityTracker, "score"),
    "save": (2, Checkpoint, "save"),
}


def lose(fabric: Fabric, folder: Path, *, moment: str, **more: Any) -> dict[str, Any]:
    """Train, and let the last process be killed at a moment."""
    if fabric.global_rank == fabric.world_size - 1:
        count, owner, name = MOMENTS[moment]
        at_call(count, die, owner, name)
    return train(fabric, folder, normalised=True, checkpoint="run.safetensors", **more)


def fail(fabric: Fabric, folder: Path) -> dict[str, Any]:
    """Train, and let one process meet an input that its network cannot take."""

    def spoil() -> None:
        raise DeepGUMError("mine")

    if fabric.global_rank == 1:
        at_call(7, spoil, engine_module._FabricSteps, "forward")
    return train(fabric, folder)


def stand_still(fabric: Fabric, folder: Path, *, moment: str, **more: Any) -> dict[str, Any]:
    """Train, and raise a flag and wait at a moment, to be killed there."""

    def wait() -> None:
        (folder / f"flag-{fabric.global_rank}").touch()
        time.sleep(100)

    if moment == "half":  # only one of the processes has written the file of its own
        if fabric.global_rank == 0:
            at_call(3, wait, Checkpoint, "save")  # own, common, own
    elif moment == "own":  # all own files are there, the common one is not
        if fabric.global_rank == 0:
            at_call(4, wait, Checkpoint, "save")
    elif moment == "common":  # all are there, with those of the save before
        at_call(3 - fabric.global_rank, wait, Checkpoint, "remove")
    elif moment == "epoch":
        at_call(13, wait, engine_module._FabricSteps, "step")
    return train(fabric, folder, normalised=True, checkpoint="run.safetensors", **more)


def differ(fabric: Fabric, folder: Path, *, what: str) -> dict[str, Any]:
    """Train with something that is another one in each process."""
    seeds = dict.fromkeys(("model", "seed", "train"), 0) | {what: fabric.global_rank}
    model, data, held_out = network(seed=seeds["model"]), table(N, seeds["train"]), table(HELD_OUT, seed=1)
    fit_deepgum(model, data, held_out, options=OPTIONS, sgd=SGD, seed=seeds["seed"], fabric=fabric)
    return {}


def refuse(fabric: Fabric, folder: Path) -> dict[str, Any]:
    """Return what is said of arguments that cannot be, by a name of each."""
    Other, one, data = type(fabric), {"accelerator": "cpu", "devices": 1}, table(N, seed=0)
    told = {"fabric": fabric, "options": OPTIONS, "sgd": SGD, "model": network(), "validation": table(HELD_OUT, seed=1)}
    mistakes: dict[str, dict[str, Any]] = {
        "alternate": {"options": DeepGUMOptions.preset("alternate")},
        "odd batch": {"sgd": replace(SGD, batch_size=21)},
        "small batch": {"sgd": replace(SGD, batch_size=2)},
        "few": {"validation": table(3, seed=1)},
        "no fabric": {"fabric": "ddp"},
        "half": {"fabric": Other(precision="16-true", **one)},
        "set up": {"model": fabric.setup(network())},
    }
    said = {}
    for name, mistake in mistakes.items():
        with pytest.raises(DeepGUMError) as raised:
            fit_deepgum(train=data, **{**told, **mistake})
        said[name] = str(raised.value)
    dist.destroy_process_group()
    with pytest.raises(DeepGUMError) as raised:
        fit_deepgum(train=data, **told)
    return said | {"not launched": str(raised.value)}


TASKS = {
    "dice": dice,
    "differ": differ,
    "refuse": refuse,
    "fail": fail,
    "fit_mixture": fit_mixture,
    "follow": follow,
    "lose": lose,
    "stand_still": stand_still,
    "talk": talk,
    "train": train,
}

if __name__ == "crew":
    serve(*CALL)  # type: ignore[name-defined]  # noqa: F821  # given by `run_path`
