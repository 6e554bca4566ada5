"""The data and the networks of runs. Runs on the same data share data and network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace

from deepgum.data.content import Content
from deepgum.data.pool import PARTS
from deepgum.data.regression import RegressionData
from deepgum.data.sets.measure import PIXELS
from deepgum.data.sets.request import Request, Subset
from deepgum.errors import InvalidParameterError
from deepgum.experiments.observer import Observer
from deepgum.experiments.runs.config import ModelConfig, RunConfig
from deepgum.experiments.runs.network import Network, Signature, prepare

__all__ = ["Data", "content_of", "load_samples", "load_subset", "request_of"]


def load_subset(config: RunConfig, observer: Observer | None = None, signature: Signature | None = None) -> Subset:
    """Load the samples of a run, before the corruption of the labels; `signature` as in `load_samples`.

    Raises
    ------
    InvalidDataError, InvalidParameterError
        If the data set does not exist or cannot be read.
    """
    request = _request_for(config, observer, signature)
    subset = config.data.dataset.load(request, config.seed)
    return subset.scaled(PIXELS) if config.data.pixels else subset


def load_samples(
    config: RunConfig, observer: Observer | None = None, signature: Signature | None = None
) -> tuple[RegressionData, ...]:
    """Load all samples of the data set of a run, in one or several parts; see `deepgum.data.Dataset.everything`.

    `signature` is that of the network that shall predict the samples, if there is one: its features and targets are
    loaded.
    """
    request = _request_for(config, observer, signature)
    parts = config.data.dataset.everything(request, config.seed)
    return tuple(part.scaled(PIXELS) for part in parts) if config.data.pixels else parts


def request_of(config: RunConfig, observer: Observer | None) -> Request:
    """Return the request with which a run loads samples from the data set."""
    data = config.data
    return Request(
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


def _request_for(config: RunConfig, observer: Observer | None, signature: Signature | None) -> Request:
    request = request_of(config, observer)
    if signature is None:
        return request
    return replace(request, encoding=signature.encoding, targets=signature.targets)


def content_of(subset: Subset) -> Content:
    """Return the content of the training, validation and test samples."""
    return Content.of({name: getattr(subset, name) for name in PARTS})


class Data:
    """A cache of the last loaded subset and the last prepared network, for the next run on the same data."""

    def __init__(self) -> None:
        self._subset: tuple[str, Subset] | None = None
        self._content: tuple[Subset, Content] | None = None
        self._network: tuple[str, Network] | None = None

    def subset(self, config: RunConfig, observer: Observer) -> Subset:
        """Return the samples of a run, before the corruption of the labels."""
        key = repr((config.data, config.seed))
        if self._subset is None or self._subset[0] != key:
            self._subset = key, load_subset(config, observer)
        return self._subset[1]

    def content(self, config: RunConfig, observer: Observer) -> Content:
        """Return the content of the samples of a run, before the corruption of the labels."""
        subset = self.subset(config, observer)
        if self._content is None or self._content[0] is not subset:
            self._content = subset, content_of(subset)
        return self._content[1]

    def network(self, config: RunConfig, subset: Subset, observer: Observer) -> Network:
        """Return the network of a run. The outputs of the frozen part of the network are already computed."""
        key = repr((config.data, config.seed, config.model))
        if self._network is None or self._network[0] != key:
            with _in_section_model():
                network = prepare(
                    config.model,
                    subset,
                    seed=config.seed,
                    cache_dir=config.data.cache_dir,
                    device=config.training.device,
                    on_progress=observer.computing,
                )
            # Each build reads the weights and, without a cache, splits the network, so it can raise the same errors.
            self._network = key, replace(network, build=_in_section_model()(network.build))
        return self._network[1]


@contextmanager
def _in_section_model() -> Iterator[None]:
    """Put the section name `model` before the name of a key in the errors of a block."""
    try:
        yield
    except InvalidParameterError as error:
        # Errors of networks and factories can also be about a parameter "name" of the factory.
        keys = {key.name for key in fields(ModelConfig)} - {"name"}
        raise (error.within("model") if error.parameter in keys else error) from error
