"""The data of runs, each read once however many runs share it, and what runs are called."""

from __future__ import annotations

from dataclasses import dataclass

from deepgum.experiments.config import RunConfig
from deepgum.experiments.datasets import DATASETS
from deepgum.experiments.measure import PIXELS
from deepgum.experiments.network import Network, prepare
from deepgum.experiments.observer import Observer
from deepgum.experiments.request import Request, Subset

__all__ = ["Data", "Title", "load_subset"]


def load_subset(config: RunConfig, observer: Observer | None = None) -> Subset:
    """Load the clean samples of a run.

    Raises
    ------
    InvalidDataError, InvalidParameterError
        If the data set is not there or cannot be read.
    """
    data = config.data
    request = Request(
        folder=data.folder,
        train_size=data.train_size,
        validation_size=data.validation_size,
        test_size=data.test_size,
        image_size=data.image_size or 0,
        colour=data.colour,
        skip_missing=data.skip_missing,
        skip_unreadable=data.skip_unreadable,
        cache_dir=data.cache_dir,
        on_progress=(observer or Observer()).reading,
        fold=data.fold,
        options=data.options,
    )
    subset = DATASETS[data.name].load(request, config.seed)
    return subset.scaled(PIXELS) if data.pixels else subset


class Data:
    """Loads subsets and computes frozen trunks, and keeps the last of each: runs on the same data share them."""

    def __init__(self) -> None:
        self._subset: tuple[str, Subset] | None = None
        self._network: tuple[str, Network] | None = None

    def subset(self, config: RunConfig, observer: Observer) -> Subset:
        """Return the clean samples of a run."""
        key = repr((config.data, config.seed))
        if self._subset is None or self._subset[0] != key:
            self._subset = key, load_subset(config, observer)
        return self._subset[1]

    def network(self, config: RunConfig, subset: Subset, observer: Observer) -> Network:
        """Return how to build a run's networks, with what is frozen already computed."""
        key = repr((config.data, config.seed, config.model))
        if self._network is None or self._network[0] != key:
            network = prepare(
                config.model,
                subset,
                seed=config.seed,
                cache_dir=config.data.cache_dir,
                device=config.training.device,
                on_progress=observer.computing,
            )
            self._network = key, network
        return self._network[1]


@dataclass(frozen=True)
class Title:
    """What an observer is told of a run; as `deepgum.experiments.observer.Run`."""

    method: str
    noise: str
    rate: float
    seed: int
    about: str

    @classmethod
    def of(cls, config: RunConfig) -> Title:
        """Return the title of a run."""
        about = f"{config.data.name} fold {config.data.fold}" if DATASETS[config.data.name].folds else config.data.name
        return cls(config.method.name, config.corruption.noise, config.corruption.rate, config.seed, about)
