"""The estimator `GaussianUniformMixture`, with the names and conventions of scikit-learn."""

from __future__ import annotations

import numbers
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from deepgum.checks import check_choice, check_count, check_fraction, check_positive
from deepgum.errors import IdentifiabilityWarning, InvalidDataError, NotFittedError, UnknownNameError, listing
from deepgum.mixture.arrays import Array, ArrayT, as_residuals, as_weights, like
from deepgum.mixture.blocks import columns, make_block
from deepgum.mixture.e_step import summarise
from deepgum.mixture.em import EM
from deepgum.mixture.evidence import Evidence, evidence
from deepgum.mixture.fitting import MixtureFit, check_count_of_samples, check_sizes, complaint, fit_groups
from deepgum.mixture.gaussian import STRUCTURES
from deepgum.mixture.parameters import Parameters, to_device
from deepgum.mixture.partition import NAMES, Groups, Partition, SizeClass, partition, size_classes
from deepgum.mixture.sources import Batch, InMemory, Source, Streamed
from deepgum.mixture.statistics import PartialStatistics
from deepgum.mixture.status import MixtureStatus
from deepgum.mixture.uniform import Uniform, uniform_rule
from deepgum.processes import SOLO, Processes

__all__ = ["GaussianUniformMixture"]

SETTINGS = (
    "groups", "covariance_type", "uniform", "inlier_prior", "separation", "degrees_of_freedom", "tol", "max_iter",
    "reg_covar", "init", "warm_start",
)  # fmt: skip

FORMAT = "deepgum.GaussianUniformMixture/1"
RESULTS = ("partition", "priors", "covariances", "log_uniform", "status", "n_iter", "converged", "array")
DEFAULTS_OF_OLD_STATES = {"separation": 0.0, "degrees_of_freedom": None}
"""Values of settings for states that were saved before these settings existed."""


class GaussianUniformMixture:
    """Mixture of a zero-mean Gaussian (inliers) and a uniform density (outliers), one per group of coordinates.

    EM fits eq. 1 of the paper, p(delta) = pi N(delta; 0, Sigma) + (1 - pi) gamma, to the residuals of a regression.
    All groups of one size are fitted in one batched computation, always in float64.

    Parameters
    ----------
    groups : {"sample", "landmark", "coordinate"} or list of lists of int, default "sample"
        Coordinates that are right or wrong together; see `partition`.
    covariance_type : {"full", "diag", "spherical", "tied-spherical"}, default "full"
        Structure of Sigma within a group. "tied-spherical" means one variance for all coordinates of all groups; all
        groups must then have the same size. (The authors' code does this for landmarks.)
    uniform : {"moments", "range"} or float, default "moments"
        "moments": gamma is estimated from the moments of the outliers (eq. 5 and 6). "range": gamma is the uniform
        density in the box that holds all residuals. A number fixes the log density **per coordinate**, for example
        -log(224) for labels inside 224 pixels.
    inlier_prior : "estimate" or float in (0, 1), default "estimate"
        "estimate": pi is estimated by eq. 4. A number fixes pi, and asserts that there are inliers and outliers: no
        group then has the status `NO_OUTLIERS` or `NO_INLIERS`.
    separation : float, default 2.5
        Minimum ratio of the width of outliers to the width of inliers, per coordinate. A group with a smaller ratio has
        no outliers (`NO_OUTLIERS`). The reason: in the residuals of a single Gaussian, EM finds "outliers" that are 1.5
        to 2.2 times as wide as the inliers. 0 or a fixed prior turns the test off.
    degrees_of_freedom : float or None, default None
        None: inliers have the tails of a Gaussian, like in the paper. With a number, `responsibilities` takes hard
        samples into account, by Student's t. A smaller number is for harder samples. The number does not change the fit
        and the likelihood.
    tol : float, default 1e-6
        EM stops when no parameter of any group changes by more than `tol`. Parameters are the prior, each covariance
        divided by the standard deviations, and the log density per coordinate. If `tol` is 0, EM takes exactly
        `max_iter` steps. The status is then `ITERATION_LIMIT`, without a warning.
    max_iter : int, default 200
        Maximum number of iterations.
    reg_covar : float, default 1e-6
        Regularisation: this **fraction** of the squared robust scale of the coordinate is added to each variance. So
        the fit does not depend on the unit of the residuals. With 0, a singular covariance gets the fraction 1e-10.
    init : {"mad"}, default "mad"
        Robust start: independent coordinates, each with a robust standard deviation. This is like the median absolute
        deviation from 0, but with the lower quartile instead of the median, so up to three quarters of the residuals
        may be outliers.
    warm_start : bool, default False
        Whether EM starts from the parameters of the previous fit, if `groups` and `uniform` are unchanged. Only groups
        with the previous status `CONVERGED` or `ITERATION_LIMIT` do so.

    Attributes
    ----------
    partition_ : tuple of tuples of int
        The coordinates of each of the g groups.
    inlier_prior_ : (g,) array
        pi of each group.
    covariances_ : tuple of g (k, k) arrays
        Sigma of each group.
    log_uniform_density_ : (g,) array
        log gamma of each group.
    n_iter_ : int
        Number of M steps: the largest number over all group sizes.
    converged_ : bool
        Whether EM converged within `max_iter` steps in every group. It does not depend on the status of a group: EM can
        converge even if its result was replaced (`NO_OUTLIERS`, `NO_INLIERS`, `TOO_FEW_SAMPLES`) or has collapsed. On
        residuals without outliers, EM need not converge, and this is no fault: see `status_`.
    status_ : tuple of MixtureStatus
        Outcome of the fit, one per group.
    n_features_in_ : int
        d: the number of coordinates.

    Notes
    -----
    The parameters of the constructor are also attributes: the settings. The constructor checks the settings. `fit` uses
    the current settings and checks them again.

    There are three differences from the paper. The scatter of eq. 3 is divided by the sum of the responsibilities. The
    variances of the uniform density are at least the variances of the Gaussian. A group that is no mixture (see
    `MixtureStatus`) gets parameters with usable responsibilities. There are two differences from the authors' code. The
    prior is re-estimated (it is always 0.95 in their code). The uniform density follows eq. 5 (it is a constant in
    their code).

    `NaN` marks a missing label. The observed part of a group is used exactly: the E step uses its marginal density, and
    the M step uses the expected scatter. If a whole group is missing, its responsibility is the prior, its
    log-likelihood is 0, and it has no influence on the estimates.

    Examples
    --------
    >>> import torch
    >>> generator = torch.Generator().manual_seed(0)
    >>> residuals = torch.randn(1000, 2, generator=generator)
    >>> residuals[:300] = 40 * torch.rand(300, 2, generator=generator) - 20
    >>> mixture = GaussianUniformMixture(groups="sample").fit(residuals)
    >>> mixture.status_[0].name, round(float(mixture.inlier_prior_[0]), 1)
    ('CONVERGED', 0.7)
    >>> mixture.responsibilities(torch.tensor([[0.0, 0.5], [9.0, -9.0]])).round(decimals=3)
    tensor([[0.9980],
            [0.0000]], dtype=torch.float64)
    """

    partition_: Partition
    n_features_in_: int
    n_iter_: int
    converged_: bool
    status_: tuple[MixtureStatus, ...]
    inlier_prior_: Array
    covariances_: tuple[Array, ...]
    log_uniform_density_: Array
    _fit: MixtureFit | None = None
    _fitted_uniform: str | float | None = None

    def __init__(
        self,
        *,
        groups: Groups = "sample",
        covariance_type: str = "full",
        uniform: str | float = "moments",
        inlier_prior: str | float = "estimate",
        separation: float = 2.5,
        degrees_of_freedom: float | None = None,
        tol: float = 1e-6,
        max_iter: int = 200,
        reg_covar: float = 1e-6,
        init: str = "mad",
        warm_start: bool = False,
    ) -> None:
        # Every attribute is the argument itself, because `clone` of scikit-learn requires this.
        self.groups = groups
        self.covariance_type = covariance_type
        self.uniform = uniform
        self.inlier_prior = inlier_prior
        self.separation = separation
        self.degrees_of_freedom = degrees_of_freedom
        self.tol = tol
        self.max_iter = max_iter
        self.reg_covar = reg_covar
        self.init = init
        self.warm_start = warm_start
        self._em()

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return a mapping from the names of the settings to their values.

        `deep` has no effect; scikit-learn requires this parameter.

        Examples
        --------
        >>> GaussianUniformMixture(max_iter=50).get_params()["max_iter"]
        50
        """
        return {name: getattr(self, name) for name in SETTINGS}

    def set_params(self, **params: Any) -> Self:
        """Change the settings that the keywords name. The next `fit` uses the new settings.

        If one setting is refused, no setting changes.

        Raises
        ------
        UnknownNameError
            If a keyword is not the name of a setting.
        InvalidParameterError
            If the constructor refuses a value.

        Examples
        --------
        >>> GaussianUniformMixture().set_params(tol=1e-3, max_iter=50).tol
        0.001
        """
        for name in params:
            if name not in SETTINGS:
                raise UnknownNameError("params", name, SETTINGS)
        GaussianUniformMixture(**(self.get_params() | params))
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def fit(
        self,
        residuals: Array,
        sample_weight: Array | None = None,
        *,
        responsibilities: Array | None = None,
        processes: Processes = SOLO,
    ) -> Self:
        """Fit eq. 1 to residuals.

        Parameters
        ----------
        residuals : (n, d) tensor or array
            Label minus prediction; NaN where a label is missing. Every real type and every device is possible.
        sample_weight : (n,) tensor or array, optional
            Weights of at least 0. Only the ratios of weights matter. A sample with the weight 0 is left out.
        responsibilities : (n, g) tensor or array, optional
            Responsibilities for the first M step, instead of the robust start. If all are 1, EM begins with the
            Gaussian that is fitted to all residuals.
        processes : Processes, default one process
            Processes that compute one fit, each from a part of the samples. `residuals` are then the samples of this
            process; (0, d) if it has no samples. All processes get the same parameters as one process with all samples.
            Processes exchange only sums.

        Returns
        -------
        GaussianUniformMixture
            The estimator itself.

        Raises
        ------
        InvalidParameterError
            If the constructor would refuse a changed setting, or the settings require that groups of several sizes
            share a covariance.
        InvalidDataError
            If residuals are not (n, d) or not finite, weights or responsibilities do not fit the residuals, or there
            are fewer samples than the covariance of the largest group needs (k + 1 for a full covariance, otherwise 2).
        ProcessLostError
            If another process died, or stopped with an error.

        Warns
        -----
        IdentifiabilityWarning
            If a group has a status other than `CONVERGED` and `NO_OUTLIERS`. One warning names all such groups and the
            remedy. If `tol` is 0, there is no warning for `ITERATION_LIMIT`.
        """
        return self._fit_to(InMemory(residuals, sample_weight, responsibilities, self.resolve, processes))

    def fit_batches(self, batches: Iterable[Batch], *, processes: Processes = SOLO) -> Self:
        """Fit eq. 1 to residuals in batches. Only one batch is in memory at a time.

        The result equals the result of `fit` on all batches together. The batches are read many times: once for checks,
        once for sums, twice for the robust scales of float32 numbers (four times for float64; see
        `deepgum.mixture.quantiles`), once per EM iteration and about five times for the verdict. Groups of several
        sizes are fitted one size after the other.

        Parameters
        ----------
        batches : iterable of (b, d) tensors or arrays, or of pairs (residuals, sample_weight)
            Each iteration must yield the same rows. A list, `ParquetBatches`, `ArrayBatches` or a `DataLoader` can do
            this; a generator cannot. See `fit` for `residuals` and `sample_weight`.
        processes : Processes, default one process
            Processes that compute one fit. `batches` are then the batches of this process; there may be none.

        Returns
        -------
        GaussianUniformMixture
            The estimator itself.

        Raises
        ------
        InvalidParameterError
            If the batches cannot be read twice, or `fit` would refuse a setting.
        InvalidDataError
            If `fit` would refuse a batch (the message has the number of the batch), batches have different numbers of
            columns, a later pass yields other rows, or there are too few samples.
        ProcessLostError
            If another process died, or stopped with an error.

        Warns
        -----
        IdentifiabilityWarning
            The same warning as from `fit`.

        Examples
        --------
        >>> import torch
        >>> residuals = torch.randn(1000, 2, generator=torch.Generator().manual_seed(0))
        >>> residuals[:300] *= 20
        >>> whole = GaussianUniformMixture().fit(residuals)
        >>> streamed = GaussianUniformMixture().fit_batches(residuals.split(64))
        >>> torch.allclose(whole.covariances_[0], streamed.covariances_[0], rtol=1e-10)
        True
        """
        return self._fit_to(Streamed(batches, self.resolve, processes))

    def resolve(self, d: int) -> Partition:
        """Return the groups over d coordinates that `fit` would use.

        Raises
        ------
        InvalidParameterError
            If the constructor would refuse a setting, the groups are no partition of d coordinates, or the settings
            require that groups of several sizes share a covariance.
        InvalidDataError
            If landmarks have an odd number of coordinates.

        Examples
        --------
        >>> GaussianUniformMixture(groups="landmark").resolve(4)
        ((0, 1), (2, 3))
        """
        groups = partition(self.groups, d)
        check_sizes(self._em(), groups)
        return groups

    def responsibilities(self, residuals: ArrayT) -> ArrayT:
        """Return the probabilities (n, g) of being an inlier in float64, by eq. 2.

        The probability is the prior if no coordinate of the group is observed.

        With `degrees_of_freedom`, the covariances of all groups of a sample are multiplied by a common factor: see
        `deepgum.mixture.hard_samples`.
        """
        evidence = self._evidence(residuals)
        if self.degrees_of_freedom is None:
            return like(residuals, evidence.responsibility)
        return like(residuals, evidence.hard(self.degrees_of_freedom))

    def mahalanobis(self, residuals: ArrayT) -> ArrayT:
        """Return the Mahalanobis distances (n, g) of the observed parts, in float64; NaN where a group is missing."""
        evidence = self._evidence(residuals)
        return like(residuals, torch.where(evidence.observed > 0, evidence.distance.clamp_min(0).sqrt(), torch.nan))

    def log_likelihood(self, residuals: ArrayT) -> ArrayT:
        """Return the log densities (n, g), eq. 1, of the observed parts, in float64; 0 where a group is missing."""
        return like(residuals, self._evidence(residuals).log_likelihood)

    def partial_statistics(self, residuals: Array, sample_weight: Array | None = None) -> PartialStatistics:
        """Return the sums of the E step over these samples, under the fitted parameters.

        The sums of several batches can be added.
        """
        tensor = self._checked(residuals)
        weights = as_weights(sample_weight, tensor)
        return PartialStatistics(
            tuple(
                summarise(make_block(columns(tensor, size_class), weights), to_device(parameters, tensor.device))
                for size_class, parameters in zip(size_classes(self.partition_), self._fitted().parameters, strict=True)
            )
        )

    def state_dict(self) -> dict[str, Any]:
        """Return settings and fit as tensors, numbers, strings and lists, which JSON and safetensors can store."""
        state: dict[str, Any] = {"format": FORMAT} | _plain(self.get_params())
        if self._fit is None:
            return state
        fitted = {
            "partition": [list(group) for group in self.partition_],
            "status": [status.name for status in self.status_],
            "n_iter": self.n_iter_,
            "converged": self.converged_,
            "array": "numpy" if isinstance(self.inlier_prior_, np.ndarray) else "torch",
        }
        return state | fitted | _pack(self._fit.parameters, self.partition_)

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """Return the estimator with this `state_dict`. All numbers are equal to the last bit.

        Raises
        ------
        InvalidDataError
            If the dictionary has another format, lacks a key, or has an unknown key.
        """
        state = {**DEFAULTS_OF_OLD_STATES, **state}
        _check_state(state)
        mixture = cls(**{name: state[name] for name in SETTINGS})
        if "partition" not in state:
            return mixture
        groups = tuple(tuple(group) for group in state["partition"])
        status = tuple(MixtureStatus[name] for name in state["status"])
        fit = MixtureFit(_unpack(state, groups), status, state["n_iter"], state["converged"])
        mixture._publish(groups, fit, as_numpy=state["array"] == "numpy")
        return mixture

    def _em(self) -> EM:
        """Return an `EM` with the current settings, or raise an error if a setting is invalid."""
        if isinstance(self.groups, str):
            check_choice("groups", self.groups, NAMES)
        check_choice("init", self.init, ("mad",))
        prior = None
        if isinstance(self.inlier_prior, str):
            check_choice("inlier_prior", self.inlier_prior, ("estimate",))
        else:
            prior = check_fraction("inlier_prior", self.inlier_prior, open_below=True, open_above=True)
        if self.degrees_of_freedom is not None:
            check_positive("degrees_of_freedom", self.degrees_of_freedom)
        return EM(
            check_choice("covariance_type", self.covariance_type, STRUCTURES),
            uniform_rule(self.uniform),
            prior,
            separation=check_positive("separation", self.separation, zero=True),
            reg_covar=check_positive("reg_covar", self.reg_covar, zero=True),
            tol=check_positive("tol", self.tol, zero=True),
            max_iter=check_count("max_iter", self.max_iter),
        )

    def _fit_to(self, source: Source) -> Self:
        em, groups = self._em(), source.groups
        check_count_of_samples(em, source.n, groups)
        fit = fit_groups(em, source, self._warm(groups))
        self._publish(groups, fit, as_numpy=source.as_numpy)
        message = complaint(fit.status, fixed_steps=em.tol == 0)
        if message:
            warnings.warn(message, IdentifiabilityWarning, stacklevel=3)
        return self

    def _warm(self, groups: Partition) -> MixtureFit | None:
        # If EM does not update the density, a warm start would keep the density after a change of the setting.
        if self.warm_start and self._fit is not None and self._fitted_uniform == self.uniform:
            return self._fit if self.partition_ == groups else None
        return None

    def _publish(self, groups: Partition, fit: MixtureFit, *, as_numpy: bool) -> None:
        def show(tensor: Tensor) -> Array:
            return tensor.cpu().numpy() if as_numpy else tensor

        self._fitted_uniform = self.uniform
        self._fit, self.partition_, self.n_features_in_ = fit, groups, sum(map(len, groups))
        self.status_, self.n_iter_, self.converged_ = fit.status, fit.n_iter, fit.converged
        packed = _pack(fit.parameters, groups)
        sizes = [len(group) for group in groups]
        squares = _split(packed["covariances"], [size * size for size in sizes])
        self.inlier_prior_ = show(packed["priors"])
        self.covariances_ = tuple(show(s.reshape(size, size)) for s, size in zip(squares, sizes, strict=True))
        self.log_uniform_density_ = show(torch.stack([each.sum() for each in _split(packed["log_uniform"], sizes)]))

    def _fitted(self) -> MixtureFit:
        if self._fit is None:
            raise NotFittedError("This GaussianUniformMixture is not fitted yet. Call `fit(residuals)` first.")
        return self._fit

    def _checked(self, residuals: Array) -> Tensor:
        self._fitted()
        tensor = as_residuals(residuals)
        if tensor.shape[1] != self.n_features_in_:
            raise InvalidDataError(
                f"Residuals should have {self.n_features_in_} coordinates, as in `fit`. Found {tensor.shape[1]}."
            )
        return tensor

    def _evidence(self, residuals: Array) -> Evidence:
        tensor = self._checked(residuals)
        parts = []
        for size_class, parameters in zip(size_classes(self.partition_), self._fitted().parameters, strict=True):
            block = make_block(columns(tensor, size_class))
            parts.append((size_class.groups, evidence(block, to_device(parameters, tensor.device))))
        return Evidence.joined(parts)


def _check_state(state: Mapping[str, Any]) -> None:
    """Raise `InvalidDataError` unless the dictionary has the format of `state_dict`, with exactly the same keys."""
    found = state.get("format")
    if found != FORMAT:
        raise InvalidDataError(f"The state of a mixture should have format {FORMAT!r}. Found {found!r}.")
    expected = {"format", *SETTINGS, *(RESULTS if any(key in state for key in RESULTS) else ())}
    missing, unknown = sorted(expected - set(state)), sorted(set(state) - expected)
    if missing or unknown:
        raise InvalidDataError(
            "The state of a mixture should have all keys and no other keys. "
            f"Found missing keys: {listing(missing) or 'none'}; unknown keys: {listing(unknown) or 'none'}."
        )


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings with values that JSON can store: strings, lists, Booleans and Python numbers."""

    def number(value: Any) -> int | float:
        return int(value) if isinstance(value, numbers.Integral) else float(value)

    state: dict[str, Any] = {
        name: value if value is None or isinstance(value, str) else number(value)
        for name, value in settings.items()
        if name != "groups"
    }
    groups = settings["groups"]
    state["groups"] = groups if isinstance(groups, str) else [[int(index) for index in group] for group in groups]
    state["warm_start"] = bool(settings["warm_start"])
    return state


def _pack(parameters: tuple[Parameters, ...], partition: Partition) -> dict[str, Tensor]:
    """Concatenate the parameters of all groups in the order of the partition.

    Returns
    -------
    dict
        Three tensors: "priors" (g,), "covariances" (the flattened k x k matrix of each group), and "log_uniform" (k log
        densities per group).
    """
    priors: dict[int, Tensor] = {}
    covariances: dict[int, Tensor] = {}
    densities: dict[int, Tensor] = {}
    for size_class, each in zip(size_classes(partition), parameters, strict=True):
        for position, group in enumerate(size_class.groups):
            priors[group] = each.inlier_prior[position]
            covariances[group] = each.covariance[position].flatten()
            densities[group] = each.outliers.log_density_per_coordinate[position]
    order = range(len(partition))
    return {
        "priors": torch.stack([priors[group] for group in order]),
        "covariances": torch.cat([covariances[group] for group in order]),
        "log_uniform": torch.cat([densities[group] for group in order]),
    }


def _unpack(state: Mapping[str, Any], partition: Partition) -> tuple[Parameters, ...]:
    """Return the parameters that `_pack` concatenated."""
    sizes = [len(group) for group in partition]
    expected = {
        "priors": len(sizes),
        "covariances": sum(size * size for size in sizes),
        "log_uniform": sum(sizes),
    }
    for name, length in expected.items():
        if tuple(state[name].shape) != (length,):
            raise InvalidDataError(f"State `{name}` should have shape ({length},). Found {tuple(state[name].shape)}.")
    covariances = _split(state["covariances"], [size * size for size in sizes])
    densities = _split(state["log_uniform"], sizes)

    def gather(size_class: SizeClass) -> Parameters:
        k = size_class.size
        return Parameters(
            torch.stack([state["priors"][group] for group in size_class.groups]),
            torch.stack([covariances[group].reshape(k, k) for group in size_class.groups]),
            Uniform(torch.stack([densities[group] for group in size_class.groups])),
        )

    return tuple(gather(size_class) for size_class in size_classes(partition))


def _split(flat: Tensor, sizes: Sequence[int]) -> tuple[Tensor, ...]:
    """Split a tensor of the length sum(sizes) into one piece per group."""
    return torch.split(flat, list(sizes))
