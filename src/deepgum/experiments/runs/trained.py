"""The trained network of a finished run, ready for predictions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from deepgum.data.regression import RegressionData
from deepgum.errors import InvalidDataError, InvalidParameterError, listing
from deepgum.experiments.runs.config import RunConfig
from deepgum.experiments.runs.config_file import read_recorded
from deepgum.experiments.runs.network import Signature, load_network
from deepgum.experiments.runs.run_folder import RunFolder
from deepgum.experiments.runs.tables import Predictions
from deepgum.residuals import predict
from deepgum.training import check_device

__all__ = ["TrainedRun"]


@dataclass(frozen=True, eq=False)
class TrainedRun:
    """A finished run and its network.

    Attributes
    ----------
    config : RunConfig
        The configuration. If this machine does not have the device of the training, the device in the configuration is
        the CPU.
    network : nn.Module
        The network in evaluation mode, on the device in `config`.
    signature : Signature
        The inputs and outputs of the network.
    """

    config: RunConfig
    network: nn.Module
    signature: Signature

    @classmethod
    def load(cls, run: Path, *, trust: bool = False) -> TrainedRun:
        """Read the network of a finished run from the folder of the run.

        Parameters
        ----------
        run : Path
        trust : bool
            Whether code outside the package may be imported, if the run names such code.

        Raises
        ------
        InvalidDataError
            If the run is not finished.
        UntrustedCodeError
            If the run names code outside the package, and `trust` is False.
        """
        folder = RunFolder(run)
        folder.metrics()
        config = read_recorded(folder.config, trust=trust)
        try:
            check_device(config.training.device)
        except InvalidParameterError:
            config = replace(config, training=replace(config.training, device="cpu"))
        network, signature = load_network(config, run)
        return cls(config, network.to(config.training.device), signature)

    def check_inputs(self, data: RegressionData) -> None:
        """Raise an error if the data do not fit the network.

        Raises
        ------
        InvalidDataError
            If the inputs of the data have the wrong shape, or if the data have the wrong number of targets.
        """
        found, expected = tuple(data.inputs.shape[1:]), self.signature.inputs
        if found != expected:
            raise InvalidDataError(f"The network takes inputs of shape {expected}. Found {found}.")
        if data.encoding != self.signature.encoding:
            own = self.signature.encoding
            raise InvalidDataError(
                "The network takes numbers without gaps. Found categories, texts or gaps in the features."
                if own is None
                else f"The network takes the features {listing(own.table_columns)} with the categories of its training."
            )
        if len(data.target_names) != len(self.signature.targets):
            raise InvalidDataError(
                f"The network predicts {self.signature.targets}. The targets of the data are {data.target_names}."
            )

    def predict(self, data: RegressionData, factor: float = 1.0) -> Predictions:
        """Return predictions for the data, with the labels of the data.

        Predictions and labels are in the targets' unit, multiplied by `factor`.
        """
        sgd = self.config.training
        values: torch.Tensor = predict(self.network, data, device=sgd.device, precision=sgd.precision)
        return Predictions.of(values, data, factor)
