from __future__ import annotations

import json
import math
import warnings

import numpy as np
import pytest
import torch

from deepgum.errors import (
    IdentifiabilityWarning,
    InvalidDataError,
    InvalidParameterError,
    NotFittedError,
    UnknownNameError,
)
from deepgum.mixture import GaussianUniformMixture, MixtureStatus, blocks

MISSING = math.nan


def contaminated(n: int = 600, d: int = 6, outliers: float = 0.3, seed: int = 0) -> torch.Tensor:
    """Standard normal residuals whose landmarks (pairs) are uniform on +-20 with the given probability."""
    generator = torch.Generator().manual_seed(seed)
    wrong = torch.rand(n, d // 2, generator=generator) < outliers
    wide = 40 * torch.rand(n, d, generator=generator) - 20
    return torch.where(wrong.repeat_interleave(2, dim=1), wide, torch.randn(n, d, generator=generator)).double()


RESIDUALS = contaminated()
SMALL = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))


def test_numpy_in_numpy_out_and_torch_in_torch_out():
    ours = GaussianUniformMixture(groups="landmark").fit(RESIDUALS)
    theirs = GaussianUniformMixture(groups="landmark").fit(RESIDUALS.numpy())
    assert isinstance(ours.inlier_prior_, torch.Tensor)
    assert isinstance(theirs.inlier_prior_, np.ndarray)
    assert isinstance(theirs.covariances_[0], np.ndarray)
    r = theirs.responsibilities(RESIDUALS.numpy())
    assert isinstance(r, np.ndarray)
    assert r.dtype == np.float64
    # The type of the result is that of the argument, not of the residuals of the fit.
    assert isinstance(theirs.responsibilities(RESIDUALS), torch.Tensor)
    np.testing.assert_array_equal(r, ours.responsibilities(RESIDUALS).numpy())


def test_results_of_groups_of_several_sizes_are_in_the_given_order():
    mixture = GaussianUniformMixture(groups=[[5], [0, 1, 3], [2], [4]]).fit(RESIDUALS)
    assert mixture.partition_ == ((5,), (0, 1, 3), (2,), (4,))
    assert [tuple(c.shape) for c in mixture.covariances_] == [(1, 1), (3, 3), (1, 1), (1, 1)]
    for values in (mixture.inlier_prior_, mixture.log_uniform_density_, mixture.status_):
        assert len(values) == 4
    assert mixture.n_features_in_ == 6
    assert mixture.responsibilities(RESIDUALS[:7]).shape == mixture.log_likelihood(RESIDUALS[:7]).shape == (7, 4)


def test_the_fit_of_a_group_does_not_depend_on_other_groups_of_its_size():
    together = GaussianUniformMixture(groups="landmark", tol=1e-12).fit(RESIDUALS)
    for group in range(3):
        columns = slice(2 * group, 2 * group + 2)
        alone = GaussianUniformMixture(groups="sample", tol=1e-12).fit(RESIDUALS[:, columns])
        torch.testing.assert_close(together.inlier_prior_[[group]], alone.inlier_prior_, rtol=1e-9, atol=0)
        torch.testing.assert_close(together.covariances_[group], alone.covariances_[0], rtol=1e-8, atol=1e-9)
        torch.testing.assert_close(
            together.responsibilities(RESIDUALS)[:, [group]], alone.responsibilities(RESIDUALS[:, columns])
        )


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_size_of_a_chunk_does_not_matter(monkeypatch, missing, weighted):
    generator, residuals = torch.Generator().manual_seed(1), RESIDUALS.clone()
    if missing:
        residuals[torch.rand(residuals.shape, generator=generator) < 0.2] = MISSING
    weight = torch.rand(len(residuals), generator=generator) + 0.1 if weighted else None
    whole = GaussianUniformMixture(groups="landmark").fit(residuals, sample_weight=weight)
    monkeypatch.setitem(blocks.CHUNK, "cpu", 100)
    pieces = GaussianUniformMixture(groups="landmark").fit(residuals, sample_weight=weight)
    torch.testing.assert_close(whole.inlier_prior_, pieces.inlier_prior_, rtol=1e-12, atol=0)
    torch.testing.assert_close(whole.responsibilities(residuals), pieces.responsibilities(residuals))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.int32])
def test_the_input_type_does_not_matter_for_equal_values(dtype):
    residuals = (8 * RESIDUALS).to(dtype)
    low, high = (GaussianUniformMixture(groups="landmark").fit(r) for r in (residuals, residuals.double()))
    assert low.inlier_prior_.dtype == torch.float64
    assert torch.equal(low.inlier_prior_, high.inlier_prior_)
    assert torch.equal(low.responsibilities(residuals), high.responsibilities(residuals.double()))


def test_residuals_are_unchanged_and_results_need_no_gradient():
    residuals = RESIDUALS.clone().requires_grad_()
    with torch.no_grad():
        residuals[3, 1] = MISSING
    before = residuals.detach().clone()
    mixture = GaussianUniformMixture(groups="landmark").fit(residuals)
    assert not mixture.responsibilities(residuals).requires_grad
    torch.testing.assert_close(residuals.detach(), before, rtol=0, atol=0, equal_nan=True)


def test_structures_of_the_covariance():
    mix = torch.tensor([[1.0, 0.0], [0.9, 0.5]], dtype=torch.float64)
    residuals = contaminated(2000, 2) @ mix.T
    full, diag, spherical = (
        GaussianUniformMixture(covariance_type=name).fit(residuals).covariances_[0]
        for name in ("full", "diag", "spherical")
    )
    assert full[0, 1] > 0.5
    assert full[0, 1] == full[1, 0]
    assert diag[0, 1] == 0
    assert diag[0, 0] != diag[1, 1]
    assert spherical[0, 1] == 0
    assert spherical[0, 0] == spherical[1, 1]


def test_rules_of_the_uniform():
    residuals = RESIDUALS[:, :2]
    spans = residuals.amax(0) - residuals.amin(0)
    ranged = GaussianUniformMixture(uniform="range").fit(residuals)
    torch.testing.assert_close(ranged.log_uniform_density_, -spans.log().sum()[None])
    fixed = GaussianUniformMixture(uniform=-math.log(40)).fit(residuals)
    assert fixed.log_uniform_density_.item() == pytest.approx(-2 * math.log(40), rel=1e-12)
    moments = GaussianUniformMixture().fit(residuals)
    weight = 1 - moments.responsibilities(residuals)
    mean = (weight * residuals).sum(0) / weight.sum()
    variance = (weight * residuals.square()).sum(0) / weight.sum() - mean.square()
    expected = -(2 * (3 * variance).sqrt()).log().sum()  # equation 5
    assert moments.log_uniform_density_.item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_fixed_prior_stays_and_an_estimated_prior_is_the_mean_responsibility():
    fixed = GaussianUniformMixture(inlier_prior=0.95, groups="landmark").fit(RESIDUALS)
    assert fixed.inlier_prior_.tolist() == [0.95] * 3
    estimated = GaussianUniformMixture(groups="landmark").fit(RESIDUALS)
    mean = estimated.responsibilities(RESIDUALS).mean(0)
    torch.testing.assert_close(estimated.inlier_prior_, mean, rtol=1e-5, atol=0)  # equation 4


def test_a_warm_start_begins_at_the_result_of_the_last_fit():
    cold = GaussianUniformMixture(groups="landmark", warm_start=True).fit(RESIDUALS)
    first = cold.n_iter_
    assert first > 3
    cold.fit(RESIDUALS)
    assert cold.n_iter_ <= 2
    assert GaussianUniformMixture(groups="landmark").fit(RESIDUALS).fit(RESIDUALS).n_iter_ == first


def test_a_warm_start_after_a_group_without_mixture_is_the_robust_start():
    clean = torch.randn(600, 6, generator=torch.Generator().manual_seed(5)).double()
    warm = GaussianUniformMixture(groups="landmark", warm_start=True).fit(clean)
    assert set(warm.status_) == {MixtureStatus.NO_OUTLIERS}
    warm.fit(RESIDUALS)
    cold = GaussianUniformMixture(groups="landmark").fit(RESIDUALS)
    torch.testing.assert_close(warm.inlier_prior_, cold.inlier_prior_, rtol=0, atol=0)


@pytest.mark.parametrize("fitted", [False, True])
@pytest.mark.parametrize("as_numpy", [False, True])
def test_state_dict_round_trip_is_exact_and_plain(fitted, as_numpy):
    groups = [[5], [0, 1, 3], (2, 4)]
    mixture = GaussianUniformMixture(groups=groups, uniform=-3.5, inlier_prior=0.7, tol=1e-4, warm_start=True)
    residuals = RESIDUALS.numpy() if as_numpy else RESIDUALS
    if fitted:
        mixture.fit(residuals)
    state = mixture.state_dict()
    plain = json.loads(json.dumps({k: v for k, v in state.items() if not isinstance(v, torch.Tensor)}))
    tensors = {k: v.clone() for k, v in state.items() if isinstance(v, torch.Tensor)}
    again = GaussianUniformMixture.from_state_dict(plain | tensors)
    assert again.state_dict().keys() == state.keys()
    for key, value in again.state_dict().items():
        assert torch.equal(value, state[key]) if isinstance(value, torch.Tensor) else value == state[key]
    if fitted:
        assert type(again.inlier_prior_) is type(mixture.inlier_prior_)
        assert again.status_ == mixture.status_
        assert np.array_equal(again.responsibilities(residuals), mixture.responsibilities(residuals))
        again.fit(residuals)  # a warm start from the restored parameters
        assert again.n_iter_ <= 2


@pytest.mark.parametrize(
    "spoil",
    [
        lambda s: s | {"format": "other/1"},
        lambda s: {k: v for k, v in s.items() if k != "priors"},
        lambda s: s | {"surplus": 1},
        lambda s: s | {"covariances": s["covariances"][:-1]},
    ],
)
def test_a_damaged_state_is_refused(spoil):
    state = GaussianUniformMixture(groups="landmark").fit(RESIDUALS).state_dict()
    with pytest.raises(InvalidDataError):
        GaussianUniformMixture.from_state_dict(spoil(state))


def test_groups_that_are_missing_altogether_have_the_prior_and_no_influence():
    residuals = RESIDUALS.clone()
    residuals[100:250, 2:4] = MISSING
    mixture = GaussianUniformMixture(groups="landmark", tol=1e-10).fit(residuals)
    r, log_likelihood = mixture.responsibilities(residuals), mixture.log_likelihood(residuals)
    assert r[100:250, 1].tolist() == [mixture.inlier_prior_[1].item()] * 150
    assert log_likelihood[100:250, 1].tolist() == [0.0] * 150
    present = torch.cat([RESIDUALS[:100, 2:4], RESIDUALS[250:, 2:4]])
    alone = GaussianUniformMixture(tol=1e-10).fit(present)
    torch.testing.assert_close(mixture.inlier_prior_[[1]], alone.inlier_prior_, rtol=1e-8, atol=0)
    torch.testing.assert_close(mixture.covariances_[1], alone.covariances_[0], rtol=1e-7, atol=1e-8)


def test_iteration_limit_gives_one_warning_that_names_groups_and_remedy():
    with pytest.warns(IdentifiabilityWarning) as caught:
        mixture = GaussianUniformMixture(groups="landmark", max_iter=2).fit(RESIDUALS)
    assert len(caught) == 1
    message = str(caught[0].message)
    assert "0, 1, 2" in message
    assert "max_iter" in message
    assert caught[0].filename == __file__
    assert set(mixture.status_) == {MixtureStatus.ITERATION_LIMIT}
    assert mixture.n_iter_ == 2
    assert not mixture.converged_


def test_a_fit_that_converges_gives_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mixture = GaussianUniformMixture(groups="landmark").fit(RESIDUALS)
    assert mixture.converged_
    assert mixture.n_iter_ < 60


@pytest.mark.parametrize(
    ("argument", "value", "hint"),
    [
        ("covariance_type", "ful", "'full'"),
        ("uniform", "moment", "'moments'"),
        ("groups", "landmarks", "'landmark'"),
        ("init", "kmeans", "'mad'"),
        ("inlier_prior", "estimated", "'estimate'"),
    ],
)
def test_unknown_names_are_refused(argument, value, hint):
    with pytest.raises(UnknownNameError, match=hint) as caught:
        GaussianUniformMixture(**{argument: value})
    assert caught.value.parameter == argument


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("inlier_prior", 0.0), ("inlier_prior", 1.0), ("inlier_prior", -0.1), ("inlier_prior", math.nan),
        ("tol", -1e-3), ("tol", math.inf), ("max_iter", 0), ("max_iter", 2.5), ("reg_covar", -1e-9),
        ("uniform", math.inf), ("uniform", math.nan), ("uniform", None), ("uniform", True),
    ],
)  # fmt: skip
def test_values_out_of_range_are_refused(argument, value):
    with pytest.raises(InvalidParameterError) as caught:
        GaussianUniformMixture(**{argument: value})
    assert caught.value.parameter == argument


def test_residuals_with_another_number_of_coordinates_are_refused_after_the_fit():
    mixture = GaussianUniformMixture().fit(SMALL)
    with pytest.raises(InvalidDataError, match=r"4 coordinates.*Found 3"):
        mixture.responsibilities(SMALL[:, :3])


@pytest.mark.parametrize("method", ["responsibilities", "log_likelihood", "partial_statistics"])
def test_methods_before_the_fit_are_refused(method):
    with pytest.raises(NotFittedError, match="fit"):
        getattr(GaussianUniformMixture(), method)(SMALL)


def test_groups_that_leave_out_a_coordinate_are_refused():
    with pytest.raises(InvalidParameterError, match="in no group: 3"):
        GaussianUniformMixture(groups=[[0, 1], [2]]).fit(SMALL)


def test_spherical_covariances_need_only_two_samples():
    with pytest.warns(UserWarning, match="roup"):
        mixture = GaussianUniformMixture(covariance_type="spherical").fit(SMALL[:2] * 0)
    assert torch.isfinite(mixture.responsibilities(SMALL)).all()
    with pytest.raises(InvalidDataError, match="at least 2"):
        GaussianUniformMixture(covariance_type="spherical").fit(SMALL[:1])


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


def test_the_next_fit_uses_a_changed_attribute():
    mixture = GaussianUniformMixture()
    mixture.max_iter = 1
    with pytest.warns(IdentifiabilityWarning):
        mixture.fit(residuals())
    assert mixture.n_iter_ == 1
    mixture.max_iter, mixture.covariance_type = 200, "spherical"
    fresh = GaussianUniformMixture(covariance_type="spherical").fit(residuals())
    assert torch.equal(mixture.fit(residuals()).covariances_[0], fresh.covariances_[0])


def test_the_next_fit_refuses_a_bad_attribute():
    mixture = GaussianUniformMixture()
    mixture.covariance_type = "ful"
    with pytest.raises(UnknownNameError, match="'full'"):
        mixture.fit(residuals())


def test_a_warm_start_does_not_keep_the_density_of_another_rule():
    mixture = GaussianUniformMixture(warm_start=True).fit(residuals())
    mixture.set_params(uniform=-4.0).fit(residuals())
    assert mixture.log_uniform_density_.item() == pytest.approx(-8.0, rel=1e-12)


def test_get_params_returns_the_objects_that_were_given():
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


def test_set_params_changes_named_settings_and_returns_the_estimator():
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


def test_the_state_has_plain_numbers_for_any_number_types():
    state = json.loads(json.dumps(GaussianUniformMixture(**SETTINGS).state_dict()))
    again = GaussianUniformMixture.from_state_dict(state)
    assert again.get_params() == SETTINGS
    assert again.warm_start is True
