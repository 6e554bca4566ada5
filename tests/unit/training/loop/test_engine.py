"""Shares of samples, batches and predictions; connections that break; and the engine of one process."""

from dataclasses import replace

import pytest
import torch
import torch.distributed as dist
from torch import nn

from deepgum.data.batches import ordered_batches, shuffled_batches
from deepgum.data.mirror import Mirror
from deepgum.data.regression import RegressionData
from deepgum.errors import InvalidDataError, ProcessLostError
from deepgum.processes import SOLO, watched
from deepgum.residuals import compute_residuals, predict
from deepgum.training import SGDOptions
from deepgum.training.history import History
from deepgum.training.job import Training
from deepgum.training.loop.engine import LOCAL
from deepgum.training.options import DeepGUMOptions
from deepgum.training.result import TrainingResult
from deepgum.training.samples.owners import PrefetchedRows
from deepgum.training.state.identity import fingerprints


class Second:
    """The second of three processes."""

    rank, world_size = 1, 3


@pytest.fixture
def data():
    generator = torch.Generator().manual_seed(0)
    targets = torch.rand(23, 4, generator=generator)
    targets[5, 1] = torch.nan
    pixels = torch.randint(0, 256, (23, 1, 4, 4), generator=generator, dtype=torch.uint8)
    return RegressionData.from_arrays(pixels, targets, mirror=Mirror.landmarks([(0, 1)], 2))


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 4))


def test_predictions_of_some_samples_equal_rows_of_all_predictions(data, network):
    index = torch.tensor([20, 5, 0, 11])
    everything, some = predict(network, data), predict(network, data, batch_size=3, index=index)
    torch.testing.assert_close(some, everything[index], rtol=0, atol=1e-6)
    residuals = compute_residuals(network, data, index=index)
    torch.testing.assert_close(residuals, data.targets[index] - some, rtol=0, atol=1e-6, equal_nan=True)
    assert [batch.index.tolist() for batch in ordered_batches(data, 3, index=index)] == [[20, 5, 0], [11]]


def test_a_cut_selects_its_share_of_the_common_order(data):
    def cut(order, mirrored):
        share = slice(Second.rank, None, Second.world_size)
        yield from zip(order[share].split(3), mirrored[share].split(3), strict=True)

    whole = next(shuffled_batches(data, 23, torch.Generator().manual_seed(1)))
    parts = list(shuffled_batches(data, 9, torch.Generator().manual_seed(1), cut=cut))
    for name in ("index", "mirrored", "inputs", "targets"):
        found = torch.cat([getattr(part, name) for part in parts])
        torch.testing.assert_close(found, getattr(whole, name)[1::3], rtol=0, atol=0, equal_nan=True)


def test_the_engine_of_one_process_is_plain_torch(data, network):
    sgd = SGDOptions(batch_size=5)
    assert LOCAL.adapt(network, sgd) is sgd
    plain = shuffled_batches(data, 5, torch.Generator().manual_seed(1))
    for batch, expected in zip(LOCAL.batches(data, sgd, torch.Generator().manual_seed(1)), plain, strict=True):
        assert torch.equal(batch.index, expected.index)
        assert torch.equal(batch.inputs, expected.inputs)
    steps = LOCAL.setup(network, torch.optim.SGD(network.parameters(), 0.5), sgd)
    before = network[1].bias.detach().clone()
    for _ in range(2):  # each step clears the gradient of the previous step
        steps.step(steps.forward(torch.zeros(1, 16)).sum())
    torch.testing.assert_close(network[1].bias.detach(), before - 2 * 0.5)


def test_the_default_index_of_a_result_is_all_samples(network):
    residuals = torch.zeros(3, 2)
    assert TrainingResult(network, residuals, None, None, None, History(), 1.0).index.tolist() == [0, 1, 2]
    own = TrainingResult(network, residuals, None, None, None, History(), 1.0, index=torch.tensor([1, 4, 7]))
    assert own.index.tolist() == [1, 4, 7]


@pytest.mark.parametrize(
    "error",
    [
        dist.DistBackendError("NCCL error"),
        RuntimeError("[/third_party/gloo/gloo/transport/tcp/pair.cc:553] Connection closed by peer [127.0.0.1]:5011"),
    ],
)
def test_a_lost_connection_is_a_lost_process(error):
    with pytest.raises(ProcessLostError, match="Process 0 of 1 lost another process"), watched(SOLO):
        raise error


def test_other_errors_do_not_change():
    with pytest.raises(RuntimeError, match="mat1 and mat2"), watched(SOLO):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")


def test_fingerprints_differ_where_the_arguments_do(data, network):
    def told(**changes):
        training = Training(network, data, data, DeepGUMOptions(), SGDOptions(), seed=0)
        return fingerprints(replace(training, **changes))

    known = told()
    assert known == told()
    shaped = nn.Sequential(network, nn.Dropout(0.0)), nn.Sequential(network, nn.Dropout(0.5))
    assert told(model=shaped[0])["model"] != told(model=shaped[1])["model"]
    for name, changes in {
        "model": {"model": nn.Linear(16, 4)},
        "train": {"train": data.with_targets(data.targets + 1e-6)},
        "validation": {"validation": data.subset(range(22))},
        "options": {"settings": DeepGUMOptions(groups="landmark")},
        "sgd": {"sgd": SGDOptions(batch_size=8)},
        "seed": {"seed": 1},
    }.items():
        assert {key for key, number in told(**changes).items() if number != known[key]} == {name}


def test_samples_that_were_not_fetched_are_named():
    prefetch = PrefetchedRows(torch.tensor([9, 2, 4]), torch.tensor([[0.9], [0.2], [0.4]]))
    assert prefetch.rows(torch.tensor([4, 9, 4])).flatten().tolist() == pytest.approx([0.4, 0.9, 0.4])
    with pytest.raises(InvalidDataError, match="Found 3 other samples: 3, 1, 10"):
        prefetch.rows(torch.tensor([3, 2, 1, 10]))
