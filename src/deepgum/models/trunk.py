"""Split a network at a named module into a frozen trunk and a trained head.

The network's steps are recorded by symbolic tracing (`torch.fx`). All steps up to the output of the named module
become the trunk; all other steps become the head. The trunk and the head contain the network's own layers, not copies.
"""

from __future__ import annotations

import difflib
import inspect
from typing import Any, NoReturn

import torch
from torch import Tensor, fx, nn

from deepgum.errors import InvalidParameterError, listing

__all__ = ["TrunkAndHead", "split_at"]

_BY_HAND = "Split it by hand: `TrunkAndHead(trunk, head)`."


class TrunkAndHead(nn.Module):
    """A network ``head(trunk(x))`` of which only the head is trained.

    The trunk does not change: its weights have no gradient, and it stays in evaluation mode even after ``train()``, so
    that batch normalisation and dropout give a sample the same features in every epoch. Its outputs can therefore be
    cached (`deepgum.trunk_cache`).

    The keys of the state are ``trunk.*`` and ``head.*``. A network that `split_at` has split shares its weights with
    the trunk and the head. After the head's training, the network itself predicts with the new weights, and can be
    saved under its own keys.

    Parameters
    ----------
    trunk, head : nn.Module
        The two parts; the output of the trunk is the input of the head.

    Examples
    --------
    >>> model = TrunkAndHead(nn.Linear(3, 2), nn.Linear(2, 1)).train()
    >>> [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    ['head.weight', 'head.bias']
    >>> model.head.training, model.trunk.training
    (True, False)
    """

    def __init__(self, trunk: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk.requires_grad_(False).eval()
        self.head = head

    def train(self, mode: bool = True) -> TrunkAndHead:
        """Set the mode of the head; the trunk stays in evaluation mode."""
        super().train(mode)
        self.trunk.eval()
        return self

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs (b, ...) to the output of the head."""
        with torch.no_grad():
            features = self.trunk(inputs)
        outputs: Tensor = self.head(features)
        return outputs


def split_at(model: nn.Module, name: str) -> TrunkAndHead:
    """Split a network after one of its modules.

    Parameters
    ----------
    model : nn.Module
        A network that maps one input to a prediction; other arguments of its `forward` keep their defaults. The network
        shares its weights with the result, and the weights of the trunk have no gradient after this call.
    name : str
        Name of the last module of the trunk, as in `named_modules`.

    Returns
    -------
    TrunkAndHead
        The network in two parts, which compute the same steps as `model`. The trunk is frozen.

    Raises
    ------
    InvalidParameterError
        If the network has no module of that name, cannot be traced, or takes several inputs; if the network does not
        call the module exactly once; if the head would need a result of the trunk other than the output of the module;
        if both parts use the same weight; or if the head has no weight to train.

    Examples
    --------
    >>> network = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    >>> parts = split_at(network, "1")
    >>> parts.trunk(torch.zeros(5, 4)).shape
    torch.Size([5, 3])
    >>> torch.equal(parts(torch.ones(5, 4)), network(torch.ones(5, 4)))
    True
    """
    _check_name(model, name)
    modes = {module: module.training for module in model.modules()}
    try:
        # The trunk never trains. Tracing fixes every branch of the network that depends on its mode.
        trunk, head = _trunk_and_head(model.eval(), name)
        _, head_in_training = _trunk_and_head(model.train(), name)
    finally:
        for module, mode in modes.items():
            module.training = mode
    if head.code != head_in_training.code:
        expected = "a network in which only the layers depend on training mode"
        hint = f"After '{name}', training has other steps, for example a functional dropout. {_BY_HAND}"
        raise InvalidParameterError("model", expected, type(model).__name__, hint)
    _check_separate_weights(name, trunk, head)
    return TrunkAndHead(trunk, head).train(model.training)


class _Tracer(fx.Tracer):
    """Tracer that enters only the modules that contain the named module; every other module is one step."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return not self._name.startswith(f"{module_qualified_name}.")


def _check_name(model: nn.Module, name: str) -> None:
    known = [known for known, _ in model.named_modules(remove_duplicate=False) if known]
    if name not in known:
        nearest = difflib.get_close_matches(str(name), known, n=3) or known[-3:]
        hint = f"The nearest names are {', '.join(map(repr, nearest))}." if nearest else "It has no modules."
        raise InvalidParameterError("name", f"a module of {type(model).__name__}", name, hint)


def _trunk_and_head(model: nn.Module, name: str) -> tuple[fx.GraphModule, fx.GraphModule]:
    graph, module = _trace(model, name), model.get_submodule(name)
    nodes = list(graph.nodes)
    calls = [node for node in nodes if node.op == "call_module" and model.get_submodule(str(node.target)) is module]
    if len(calls) != 1:
        _refuse(name, "a module that the network calls exactly once", f"It calls the module {len(calls)} times.")
    cut = calls[0]
    before, after = nodes[: nodes.index(cut) + 1], nodes[nodes.index(cut) + 1 :]
    _check_no_bypass(name, cut, before, after)

    trunk_graph, copies = fx.Graph(), dict[fx.Node, fx.Node]()
    for node in before:
        copies[node] = trunk_graph.node_copy(node, copies.__getitem__)
    trunk_graph.output(copies[cut])

    head_graph, copies = fx.Graph(), dict[fx.Node, fx.Node]()
    copies[cut] = head_graph.placeholder("features")
    used = {source for node in after for source in node.all_input_nodes}
    for node in [node for node in before if node.op == "get_attr" and node in used] + after:
        copies[node] = head_graph.node_copy(node, copies.__getitem__)

    kind = type(model).__name__
    return fx.GraphModule(model, trunk_graph, f"{kind}Trunk"), fx.GraphModule(model, head_graph, f"{kind}Head")


def _trace(model: nn.Module, name: str) -> fx.Graph:
    parameters = inspect.signature(model.forward).parameters.values()
    required = [p.name for p in parameters if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    if len(required) > 1:
        hint = f"Its `forward` takes {', '.join(required)}. {_BY_HAND}"
        raise InvalidParameterError("model", "a network of one input", type(model).__name__, hint)
    # An argument with a default keeps it: a symbol instead would take the wrong branch of `if mask is None`.
    defaults: dict[str, Any] = {p.name: p.default for p in parameters if p.default is not p.empty}
    # The network's own code may raise any error while it is traced.
    try:
        return _Tracer(name).trace(model, concrete_args=defaults)
    except Exception as error:
        reason = f"{type(error).__name__}: {str(error).strip()}".splitlines()[0].rstrip(".: ")
        expected = "a network whose steps do not depend on values, so that it can be traced"
        raise InvalidParameterError("model", expected, type(model).__name__, f"({reason}.) {_BY_HAND}") from error


def _check_no_bypass(name: str, cut: fx.Node, before: list[fx.Node], after: list[fx.Node]) -> None:
    outside = {node for node in before if node is not cut and node.op != "get_attr"}
    bypasses = [
        f"{source.name} (used by {node.name})" for node in after for source in node.all_input_nodes if source in outside
    ]
    if bypasses:
        hint = f"These results bypass it: {listing(bypasses)}. Split after the module where the branches join."
        _refuse(name, "a module that no branch bypasses", hint)


def _check_separate_weights(name: str, trunk: nn.Module, head: nn.Module) -> None:
    frozen = {id(tensor) for tensor in [*trunk.parameters(), *trunk.buffers()]}
    shared = [key for key, tensor in [*head.named_parameters(), *head.named_buffers()] if id(tensor) in frozen]
    if shared:
        _refuse(name, "a module after which no weight of the trunk is used again", f"Both parts use {listing(shared)}.")
    if next(head.parameters(), None) is None:
        _refuse(name, "a module before the last", "After it, no weight is left to train.")


def _refuse(name: str, expected: str, hint: str) -> NoReturn:
    raise InvalidParameterError("name", expected, name, hint)
