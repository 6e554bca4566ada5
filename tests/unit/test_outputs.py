"""Networks that give several tensors, or tensors of another shape than the labels."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict, namedtuple

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.parameter import is_lazy

from deepgum import DeepGUMRegressor, RegressionData, fit_deepgum, fit_loss
from deepgum.errors import InvalidDataError, InvalidParameterError
from deepgum.export.onnx import export_onnx
from deepgum.models import OutputOf, build_model
from deepgum.outputs import as_predictions
from deepgum.residuals import predict
from deepgum.training import SGDOptions

Pair = namedtuple("Pair", ["points", "hidden"])


@dataclasses.dataclass
class Answer:
    """The outputs of a network as a dataclass."""

    logits: torch.Tensor
    hidden: tuple
    loss: None = None


def kinds(y, hidden):
    return {
        "tuple": (y, hidden),
        "list": [hidden, y],
        "dict": OrderedDict(out=y, hidden=hidden, labels=torch.ones(len(y), y.shape[1], dtype=torch.int64)),
        "named tuple": Pair(y, hidden),
        "dataclass": Answer(y, (hidden, hidden)),
        "flat": y.flatten() if y.shape[1] == 1 else y,
        "points": y.reshape(len(y), -1, 1),
    }


class Net(nn.Module):
    """A linear network whose outputs have one of several kinds."""

    def __init__(self, kind, d=1):
        super().__init__()
        torch.manual_seed(0)
        self.linear, self.kind = nn.Linear(3, d), kind

    def forward(self, x):
        return kinds(self.linear(x), x.repeat(1, 2))[self.kind]


KINDS = list(kinds(torch.zeros(2, 1), torch.zeros(2, 6)))
X = torch.randn(80, 3, generator=torch.Generator().manual_seed(0))
DATA = RegressionData.from_arrays(X, X.sum(dim=1, keepdim=True))
Y = X.sum(dim=1).numpy()
SGD = SGDOptions(epochs_max=1, batch_size=40)


@pytest.mark.case(16)
@pytest.mark.parametrize("kind", KINDS)
def test_every_entry_point_takes_the_one_tensor_that_fits(kind):
    plain = Net("flat").linear
    torch.testing.assert_close(predict(Net(kind), DATA), predict(plain, DATA))
    found, expected = (fit_loss(net, DATA, DATA, loss="l2", sgd=SGD).residuals for net in (Net(kind), plain))
    torch.testing.assert_close(found, expected)
    made = build_model(lambda data, d: Net(kind, d), DATA, seed=0)
    torch.testing.assert_close(made(X), made.centre + made.scale * made.backbone.linear(X))


@pytest.mark.case(16)
def test_the_estimator_takes_such_a_network():
    model = DeepGUMRegressor(Net("dict"), max_epochs=1, random_state=0).fit(X.numpy(), Y)
    assert model.predict(X.numpy()).shape == Y.shape
    assert isinstance(model.module_, Net)


class Only(nn.Module):
    """The outputs of `Net` without the hidden tensors."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        out = self.network(x)
        return {"tuple": lambda: (out[0], None), "dict": lambda: {"out": out["out"]}}[self.network.kind]()


@pytest.mark.case(16)
@pytest.mark.parametrize(
    "network", [Only(Net("tuple", 2)), Only(Net("dict", 2)), OutputOf(Net("dataclass", 2), "logits")]
)
def test_the_onnx_file_of_such_a_network_has_one_output(network, tmp_path):
    pytest.importorskip("onnxscript")
    runtime = pytest.importorskip("onnxruntime")
    export_onnx(network, tmp_path / "net.onnx", (3,))
    (found,) = runtime.InferenceSession(tmp_path / "net.onnx").run(None, {"inputs": X.numpy()})
    np.testing.assert_allclose(found, network.network.linear(X).detach().numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.case(16)
def test_landmarks_of_two_axes_are_flattened():
    points = torch.arange(24.0).reshape(4, 3, 2)
    torch.testing.assert_close(as_predictions({"pts": points}, (4, 6)), points.flatten(1))


@pytest.mark.case(16)
@pytest.mark.parametrize(
    ("outputs", "found"),
    [
        (
            (torch.zeros(4, 2), torch.ones(4, 2)),
            r"a tuple of 2 with the tensors \[0\] \(4, 2\), \[1\] \(4, 2\). Several",
        ),
        ({"a": torch.zeros(4, 3)}, r"a dict of 1 with the tensors \['a'\] \(4, 3\). None of them fits"),
        (
            Answer(torch.zeros(4), (torch.zeros(2),)),
            r"a Answer with the tensors .logits \(4,\), .hidden\[0\] \(2,\). None",
        ),
        ([], "a list of 0 with no tensor"),
        (None, "a NoneType with no tensor"),
    ],
)
def test_outputs_without_one_fitting_tensor_are_listed(outputs, found):
    with pytest.raises(InvalidDataError, match=found):
        as_predictions(outputs, (4, 2))


class Twins(nn.Module):
    """Two heads, one of them only in training, as networks with an auxiliary head have."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.main, self.aux = nn.Linear(3, 1), nn.Linear(3, 1)

    def forward(self, x):
        return Pair(self.main(x), self.aux(x)) if self.training else self.main(x)


@pytest.mark.case(16)
@pytest.mark.parametrize("output", ["points", 0, lambda out: out.points if isinstance(out, tuple) else out])
def test_the_output_that_is_named_is_trained(output):
    result = fit_loss(Twins(), DATA, DATA, loss="l2", sgd=SGD, output=output)
    assert isinstance(result.model, OutputOf)
    torch.testing.assert_close(result.model.network.aux.weight, Twins().aux.weight)
    assert not torch.equal(result.model.network.main.weight, Twins().main.weight)


@pytest.mark.case(16)
def test_the_output_is_named_in_every_entry_point():
    models = [
        fit_deepgum(Twins(), DATA, DATA, sgd=SGD, output="points").model,
        DeepGUMRegressor(Twins(), output="points", max_epochs=1, random_state=0).fit(X.numpy(), Y).module_,
    ]
    for model in models:
        torch.testing.assert_close(model.network.aux.weight, Twins().aux.weight)


@pytest.mark.case(16)
def test_a_network_with_two_heads_is_refused_without_a_name():
    with pytest.raises(InvalidDataError, match=r"Several of them fit.*`output=`"):
        fit_deepgum(Twins(), DATA, DATA, sgd=SGD)


@pytest.mark.case(16)
@pytest.mark.parametrize(
    ("output", "found"),
    [("scores", "The network gives a OrderedDict of 3"), (9, "a OrderedDict"), (True, "a key or field")],
)
def test_an_output_that_does_not_exist_is_refused(output, found):
    with pytest.raises(InvalidParameterError, match=f"`output`.*{found}"):
        fit_deepgum(Net("dict"), DATA, DATA, sgd=SGD, output=output)
    with pytest.raises(InvalidParameterError, match="`output` should be left out without a `module`"):
        DeepGUMRegressor(output=output, schedule="interleaved").fit(X.numpy(), X[:, 0].numpy())


def lazy():
    return nn.Sequential(nn.LazyLinear(4), nn.LazyBatchNorm1d(), nn.ReLU(), nn.LazyLinear(1))


@pytest.mark.case(16)
def test_lazy_layers_are_made_with_the_seed():
    models = []
    for draws in (0, 1):
        torch.manual_seed(draws)
        before = torch.random.get_rng_state()
        models.append(fit_loss(lazy(), DATA, DATA, loss="l2", sgd=SGD, seed=3).model)
        torch.testing.assert_close(torch.random.get_rng_state(), before)
    torch.testing.assert_close(*(model[0].weight for model in models), rtol=0, atol=0)
    assert models[0][0].weight.requires_grad
    assert not models[0][0].weight.is_inference()
    assert build_model(lambda data, d: lazy(), DATA, seed=0)(X).shape == (80, 1)


@pytest.mark.case(16)
def test_the_estimator_trains_a_copy_of_lazy_layers():
    network = lazy()
    assert DeepGUMRegressor(network, max_epochs=1, random_state=0).fit(X.numpy(), Y).predict(X.numpy()).shape == (80,)
    assert all(map(is_lazy, [network[0].weight, network[1].running_mean]))


class Raises(nn.Module):
    """A network that fails with an error of Python."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 1)

    def forward(self, x):
        return self.linear(x).points


@pytest.mark.case(16)
def test_an_error_inside_the_network_is_named():
    with pytest.raises(InvalidDataError, match=r"cannot take inputs.*no attribute 'points'"):
        fit_deepgum(Raises(), DATA, DATA, sgd=SGD)


@pytest.mark.case(16)
@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        (lambda y: y.long(), "floating-point numbers. Found torch.int64"),
        (lambda y: torch.complex(y, y), "floating-point numbers. Found torch.complex64"),
        (lambda y: y.detach(), "outputs without a gradient"),
    ],
)
def test_outputs_that_cannot_be_trained_are_refused(outputs, message):
    class Cut(Net):
        def forward(self, x):
            return outputs(self.linear(x))

    with pytest.raises(InvalidDataError, match=message):
        fit_loss(Cut("flat"), DATA, DATA, loss="l2", sgd=SGD)
