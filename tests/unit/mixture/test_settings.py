"""Settings are plain attributes in scikit-learn's manner: the next fit goes by what they are then."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from deepgum.errors import IdentifiabilityWarning, InvalidParameterError, UnknownNameError
from deepgum.mixture import GaussianUniformMixture


def residuals() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(600, 2, generator=generator, dtype=torch.float64)
    values[:200] = 40 * torch.rand(200, 2, generator=generator, dtype=torch.float64) - 20
    return values


SETTINGS = {
    "groups": [[1], [0]],
    "covariance_type": "diag",
    "uniform": np.float32(-3.5),
    "inlier_prior": 0.7,
    "separation": np.float64(2.0),
    "degrees_of_freedom": 5,
    "tol": np.float64(1e-4),
    "max_iter": np.int64(50),
    "reg_covar": 0,
    "init": "mad",
    "warm_start": True,
}


def test_a_changed_attribute_is_honoured_by_the_next_fit():
    mixture = GaussianUniformMixture()
    mixture.max_iter = 1
    with pytest.warns(IdentifiabilityWarning):
        mixture.fit(residuals())
    assert mixture.n_iter_ == 1
    mixture.max_iter, mixture.covariance_type = 200, "spherical"
    fresh = GaussianUniformMixture(covariance_type="spherical").fit(residuals())
    assert torch.equal(mixture.fit(residuals()).covariances_[0], fresh.covariances_[0])


def test_a_wrongly_changed_attribute_is_refused_by_the_next_fit():
    mixture = GaussianUniformMixture()
    mixture.covariance_type = "ful"
    with pytest.raises(UnknownNameError, match="'full'"):
        mixture.fit(residuals())


def test_a_warm_start_does_not_keep_the_density_of_another_rule():
    mixture = GaussianUniformMixture(warm_start=True).fit(residuals())
    mixture.set_params(uniform=-4.0).fit(residuals())
    assert mixture.log_uniform_density_.item() == pytest.approx(-8.0, rel=1e-12)


def test_get_params_gives_back_the_very_objects():
    for deep in (True, False):
        params = GaussianUniformMixture(**SETTINGS).get_params(deep=deep)
        assert params.keys() == SETTINGS.keys()
        assert all(params[name] is SETTINGS[name] for name in SETTINGS)


def test_scikit_learn_clones_the_settings_and_not_the_fit():
    clone = pytest.importorskip("sklearn.base").clone
    mixture = GaussianUniformMixture(**(SETTINGS | {"max_iter": 500})).fit(residuals())
    again = clone(mixture)
    assert type(again) is GaussianUniformMixture
    assert again.get_params() == mixture.get_params()
    assert not hasattr(again, "inlier_prior_")
    assert torch.equal(again.fit(residuals()).inlier_prior_, mixture.inlier_prior_)


def test_set_params_changes_what_is_named_and_returns_the_estimator():
    mixture = GaussianUniformMixture(tol=1e-3)
    assert mixture.set_params(max_iter=7, groups="coordinate") is mixture
    assert (mixture.max_iter, mixture.groups, mixture.tol) == (7, "coordinate", 1e-3)
    assert mixture.set_params() is mixture


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"max_iters": 3}, UnknownNameError, "'max_iter'"),
        ({"_fit": None}, UnknownNameError, "'_fit'"),
        ({"reg_covar": -1.0}, InvalidParameterError, "reg_covar"),
    ],
)
def test_set_params_changes_all_or_nothing(wrong, error, message):
    mixture = GaussianUniformMixture()
    with pytest.raises(error, match=message):
        mixture.set_params(tol=0.5, **wrong)
    assert mixture.get_params() == GaussianUniformMixture().get_params()


def test_the_state_has_plain_numbers_whatever_was_given():
    state = json.loads(json.dumps(GaussianUniformMixture(**SETTINGS).state_dict()))
    again = GaussianUniformMixture.from_state_dict(state)
    assert again.get_params() == SETTINGS
    assert again.warm_start is True
