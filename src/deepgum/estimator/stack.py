"""Several default networks that are trained side by side: their layers are multiplied together, which saves time."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from deepgum.errors import NonFiniteLossError
from deepgum.models import MLP
from deepgum.models.regressor import Regressor
from deepgum.training import SGDOptions
from deepgum.training.loop.sgd import build_optimizer, build_schedule

__all__ = ["NetworkStack", "train_stack"]

AVERAGED_EPOCHS = 6
"""Number of epochs whose steps are averaged."""

StackLoss = Callable[[Tensor, Tensor], Tensor]
"""A function that maps residuals (k, b, d) and the rows (k, b) of k batches to the sum of the losses of k networks."""


class NetworkStack(nn.Module):
    """Networks of equal shape with separate weights, which are trained in float32.

    Parameters
    ----------
    network : Regressor
        A network whose backbone is an `MLP`. The networks of the stack have its shape and other initial weights.
    size : int
        Number k of networks.
    generator : torch.Generator
        Generator of the initial weights and of dropout. All networks of the stack drop the same hidden units.

    Attributes
    ----------
    dropout : float
        Probability that a hidden unit is dropped in training mode; at first that of `network`. It may be changed.

    Examples
    --------
    >>> features = torch.randn(20, 3)
    >>> network = Regressor.for_targets(MLP.for_features(features, n_outputs=1, width=8), torch.randn(20, 1))
    >>> stack = NetworkStack(network, 4, torch.Generator().manual_seed(0)).eval()
    >>> predictions = stack(features)
    >>> predictions.shape, bool(torch.allclose(predictions[2], stack.member(2)(features)))
    (torch.Size([4, 20, 1]), True)
    """

    mean: Tensor
    std: Tensor
    centre: Tensor
    scale: Tensor

    def __init__(self, network: nn.Module, size: int, generator: torch.Generator) -> None:
        super().__init__()
        assert isinstance(network, Regressor)
        backbone = network.backbone
        assert isinstance(backbone, MLP)
        self._network = [copy.deepcopy(network).float()]  # in a list, so that its parameters are not trained
        self._generator = generator
        own = {"mean": backbone.mean, "std": backbone.std, "centre": network.centre, "scale": network.scale}
        for name, values in own.items():
            self.register_buffer(name, values.detach().clone().float())
        layers = [layer for layer in backbone.layers if isinstance(layer, nn.Linear)]
        self.dropout = next((layer.p for layer in backbone.layers if isinstance(layer, nn.Dropout)), 0.0)

        def draw(layer: nn.Linear, rows: int) -> nn.Parameter:
            # The same distribution as that of `nn.Linear`.
            values = torch.empty(size, rows, layer.out_features).uniform_(-1, 1, generator=generator)
            return nn.Parameter(values * layer.in_features**-0.5)

        self.weights = nn.ParameterList([draw(layer, layer.in_features) for layer in layers])
        self.biases = nn.ParameterList([draw(layer, 1) for layer in layers])

    def forward(self, inputs: Tensor) -> Tensor:
        """Map features (k, b, p), or (b, p) for all networks, to predictions (k, b, d) in the targets' unit."""
        return self._forward(inputs, list(self.weights), list(self.biases))

    def predict(self, place: int, inputs: Tensor) -> Tensor:
        """Map features (b, p) to the predictions (b, d) of one network of the stack."""
        one = slice(place, place + 1)
        return self._forward(inputs, [each[one] for each in self.weights], [each[one] for each in self.biases])[0]

    def _forward(self, inputs: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor]) -> Tensor:
        hidden = (inputs - self.mean) / self.std
        if hidden.ndim == 2:
            hidden = hidden.expand(len(weights[0]), *hidden.shape)
        for place, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            hidden = torch.baddbmm(bias, hidden, weight)
            if place < len(weights) - 1:
                hidden = hidden.relu_()
                if self.training and self.dropout:
                    kept = torch.rand(hidden.shape[1:], generator=self._generator) >= self.dropout
                    hidden = hidden * (kept.to(hidden) / (1 - self.dropout))
        return self.centre + self.scale * hidden

    def member(self, place: int) -> Regressor:
        """Return one network of the stack, as a separate module in evaluation mode."""
        network = copy.deepcopy(self._network[0])
        assert isinstance(network.backbone, MLP)
        layers = [layer for layer in network.backbone.layers if isinstance(layer, nn.Linear)]
        with torch.no_grad():
            for layer, weight, bias in zip(layers, self.weights, self.biases, strict=True):
                layer.weight.copy_(weight[place].T)
                layer.bias.copy_(bias[place, 0])
        return network.eval()


def train_stack(
    stack: NetworkStack,
    inputs: Tensor,
    targets: Tensor,
    rows: Sequence[Tensor],
    loss: StackLoss,
    sgd: SGDOptions,
    generator: torch.Generator,
    on_epoch: Callable[[int, float, NetworkStack], None] | None = None,
) -> None:
    """Train every network of a stack on its own rows, with the optimiser and the schedule of `sgd`.

    Parameters
    ----------
    stack : NetworkStack
        k networks, trained in place.
    inputs, targets : Tensors (n, p) and (n, d)
    rows : sequence of k int tensors
        The rows of each network. In an epoch, every network uses equally many rows: a network with fewer rows than
        another one uses some of its rows twice.
    loss : callable
        Sum over the networks of the mean loss of a batch.
    sgd : SGDOptions
    generator : torch.Generator
        Generator of the order of the rows.
    on_epoch : callable, optional
        Called after each epoch with its number (the first is 1), the mean training loss, and the stack of averaged
        networks, in evaluation mode. The weights of an averaged network are a moving average of the weights of the
        network over the steps of about `AVERAGED_EPOCHS` epochs.

    Raises
    ------
    NonFiniteLossError
        As soon as the loss is not finite.
    """
    most = max(map(len, rows))
    steps = -(-most // sgd.batch_size)
    optimizer = build_optimizer(stack, sgd, fused=True)
    schedule = build_schedule(optimizer, sgd, sgd.epochs_max * steps)
    average, done = copy.deepcopy(stack).eval(), 0
    pairs = [parameter.data for parameter in average.parameters()], [parameter.data for parameter in stack.parameters()]
    for epoch in range(1, sgd.epochs_max + 1):
        stack.train()
        total = 0.0
        order = torch.stack([_shuffled(each, most, generator) for each in rows])
        for batch in order.tensor_split(steps, dim=1):
            value = loss(targets[batch] - stack(inputs[batch]), batch)
            if not value.isfinite():
                raise NonFiniteLossError(
                    f"The loss became {value.item()} in epoch {epoch}. Try a smaller `learning_rate`, and check the "
                    "features."
                )
            optimizer.zero_grad(set_to_none=True)
            value.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
            optimizer.step()
            schedule.step()
            done += 1
            # At the start, the average is over fewer steps, because the initial weights should not count.
            torch._foreach_lerp_(*pairs, 1 / min(AVERAGED_EPOCHS * steps, 1 + done / 10))
            total += value.item()
        if on_epoch is not None:
            on_epoch(epoch, total / steps / len(rows), average)
    stack.eval()


def _shuffled(rows: Tensor, length: int, generator: torch.Generator) -> Tensor:
    """Return `length` rows in a random order; each row occurs as often as another one, or once more."""
    parts = [rows[torch.randperm(len(rows), generator=generator)] for _ in range(-(-length // len(rows)))]
    return torch.cat(parts)[:length]
