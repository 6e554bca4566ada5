"""Predictions of a whole data set keep the order of the samples and do not change the model."""

import pytest
import torch
from torch import nn

from deepgum.data.regression import RegressionData
from deepgum.errors import InvalidDataError, NonFiniteLossError
from deepgum.residuals import compute_residuals, predict


def data(n=37):
    x = torch.randn(n, 3, generator=torch.Generator().manual_seed(0))
    y = torch.randn(n, 2, generator=torch.Generator().manual_seed(1))
    y[5, 1] = float("nan")
    return RegressionData.from_arrays(x, y)


def test_the_batch_size_does_not_change_the_rows():
    samples, model = data(), nn.Linear(3, 2)
    expected = model(samples.inputs).detach()
    for batch_size in (1, 7, 64):
        torch.testing.assert_close(predict(model, samples, batch_size=batch_size), expected)


def test_a_residual_is_target_minus_prediction_and_missing_stays_missing():
    samples, model = data(), nn.Linear(3, 2)
    residuals = compute_residuals(model, samples)
    torch.testing.assert_close(residuals + predict(model, samples), samples.targets, equal_nan=True)
    assert residuals.isnan().nonzero().tolist() == [[5, 1]]


@pytest.mark.parametrize("network", [nn.Linear(3, 1), nn.Sequential(nn.Linear(3, 2), nn.Flatten(0))])
def test_a_network_of_another_shape_is_refused_instead_of_broadcast(network):
    with pytest.raises(InvalidDataError, match=r"\(37, 2\)"):
        predict(network, data())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_predictions_that_are_not_finite_are_refused(value):
    model, samples = nn.Linear(3, 2), data()

    def spoil(_, inputs, output):
        return output.masked_fill(inputs[0][:, :1] == samples.inputs[9, 0], value)

    model.register_forward_hook(spoil)
    with pytest.raises(NonFiniteLossError, match="positions 9"):
        compute_residuals(model, samples)


def test_dropout_is_off_during_prediction_only():
    samples, model = data(), nn.Sequential(nn.Dropout(0.5), nn.Linear(3, 2))
    model.train()
    assert torch.equal(predict(model, samples), predict(model, samples))
    assert model.training
    model.eval()
    predict(model, samples)
    assert not model.training
