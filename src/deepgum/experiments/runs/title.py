"""The title of a run for an observer: data set, method and noise."""

from __future__ import annotations

from dataclasses import dataclass

from deepgum.experiments.runs.config import RunConfig

__all__ = ["Title"]


@dataclass(frozen=True)
class Title:
    """The title of a run, with the attributes of `deepgum.experiments.observer.Run`."""

    method: str
    noise: str
    rate: float
    seed: int
    about: str

    @classmethod
    def of(cls, config: RunConfig) -> Title:
        """Return the title of a run."""
        dataset = config.data.dataset
        about = f"{dataset.name} fold {config.data.fold}" if dataset.folds else dataset.name
        if config.corruption.missing:
            about += f", {100 * config.corruption.missing:g} % of labels deleted"
        return cls(config.method.name, config.corruption.noise, config.corruption.rate, config.seed, about)
