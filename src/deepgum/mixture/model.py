"""The estimator: `GaussianUniformMixture`, in scikit-learn's names and habits."""

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

__all__ = [
    "FORMAT",
    "SETTINGS",
    "GaussianUniformMixture",
    "MixtureSettings",
    "check_state",
    "pack",
    "plain",
    "split",
    "unpack",
]

FORMAT = "deepgum.GaussianUniformMixture/1"


def check_state(state: Mapping[str, Any], required: tuple[str, ...], fitted: tuple[str, ...]) -> None:
    """Raise `InvalidDataError` unless the dictionary is of this format, with every key of it and no other."""
    found = state.get("format")
    if found != FORMAT:
        raise InvalidDataError(f"A mixture's state should have format {FORMAT!r}. Found {found!r}.")
    expected = {"format", *required, *(fitted if any(key in state for key in fitted) else ())}
    missing, unknown = sorted(expected - set(state)), sorted(set(state) - expected)
    if missing or unknown:
        raise InvalidDataError(
            f"A mixture's state lacks {listing(missing) or 'nothing'} and has unknown {listing(unknown) or 'nothing'}."
        )


def plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings as strings, Python numbers, truth values and lists, whatever kind of number was given."""

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


def pack(parameters: tuple[Parameters, ...], partition: Partition) -> dict[str, Tensor]:
    """Lay the parameters of all groups end to end, in the partition's order.

    Returns
    -------
    dict
        "priors" (g,); "covariances", each group's k x k matrix flattened; "log_uniform", each group's k log densities.
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


def split(flat: Tensor, sizes: Sequence[int]) -> tuple[Tensor, ...]:
    """Cut a (sum of sizes,) tensor into one piece a group."""
    return torch.split(flat, list(sizes))


def unpack(state: Mapping[str, Any], partition: Partition) -> tuple[Parameters, ...]:
    """Undo `pack`."""
    sizes = [len(group) for group in partition]
    expected = {
        "priors": len(sizes),
        "covariances": sum(size * size for size in sizes),
        "log_uniform": sum(sizes),
    }
    for name, length in expected.items():
        if tuple(state[name].shape) != (length,):
            raise InvalidDataError(f"State `{name}` should have shape ({length},). Found {tuple(state[name].shape)}.")
    covariances = split(state["covariances"], [size * size for size in sizes])
    densities = split(state["log_uniform"], sizes)

    def gather(size_class: SizeClass) -> Parameters:
        k = size_class.size
        return Parameters(
            torch.stack([state["priors"][group] for group in size_class.groups]),
            torch.stack([covariances[group].reshape(k, k) for group in size_class.groups]),
            Uniform(torch.stack([densities[group] for group in size_class.groups])),
        )

    return tuple(gather(size_class) for size_class in size_classes(partition))


SETTINGS = (
    "groups", "covariance_type", "uniform", "inlier_prior", "separation", "degrees_of_freedom", "tol", "max_iter",
    "reg_covar", "init", "warm_start",
)  # fmt: skip


class MixtureSettings:
    """Constructor, `get_params` and `set_params` of `GaussianUniformMixture`, where the settings are described.

    Every attribute is the very object that was given, as scikit-learn's `clone` asks.
    """

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
        """Return the settings by name; `deep` is scikit-learn's and changes nothing, as no setting is an estimator.

        Examples
        --------
        >>> from deepgum.mixture import GaussianUniformMixture
        >>> GaussianUniformMixture(max_iter=50).get_params()["max_iter"]
        50
        """
        return {name: getattr(self, name) for name in SETTINGS}

    def set_params(self, **params: Any) -> Self:
        """Change settings by name, all or none; the next `fit` goes by them.

        Raises
        ------
        UnknownNameError
            A name that is no setting.
        InvalidParameterError
            A value that the constructor would refuse.

        Examples
        --------
        >>> from deepgum.mixture import GaussianUniformMixture
        >>> GaussianUniformMixture().set_params(tol=1e-3, max_iter=50).tol
        0.001
        """
        for name in params:
            if name not in SETTINGS:
                raise UnknownNameError("params", name, SETTINGS)
        MixtureSettings(**(self.get_params() | params))
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def _em(self) -> EM:
        """Return the EM of the settings as they are now, or say which of them is wrong."""
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


# Settings that came later, as everything was before.
BEFORE = {"separation": 0.0, "degrees_of_freedom": None}
RESULTS = ("partition", "priors", "covariances", "log_uniform", "status", "n_iter", "converged", "array")


class GaussianUniformMixture(MixtureSettings):
    """Mixture of a zero-mean Gaussian (inliers) and a uniform density (outliers), one for each group of coordinates.

    Equation 1 of the paper, p(delta) = pi N(delta; 0, Sigma) + (1 - pi) gamma, fitted by EM to regression residuals.
    All groups of one size are fitted in one batched computation, in float64 whatever the residuals' type.

    Parameters
    ----------
    groups : {"sample", "landmark", "coordinate"} or list of lists of int, default "sample"
        Coordinates that are right or wrong together; see `partition`.
    covariance_type : {"full", "diag", "spherical", "tied-spherical"}, default "full"
        Structure of Sigma within a group. "tied-spherical" is one variance for all coordinates of all groups, which
        must be of one size (the authors' code, for landmarks).
    uniform : {"moments", "range"} or float, default "moments"
        gamma from the outliers' moments (eq. 5 and 6), from the box that holds all the residuals, or fixed: a number is
        the log density **per coordinate**, such as -log(224) for labels inside 224 pixels.
    inlier_prior : "estimate" or float in (0, 1), default "estimate"
        pi by eq. 4, or fixed. With a fixed prior the user vouches that there are both inliers and outliers, and no
        group's status is `NO_OUTLIERS` or `NO_INLIERS`.
    separation : float, default 2.5
        How many times as wide as the inliers the outliers have to be, per coordinate; where they are not, there are
        none (`NO_OUTLIERS`). In the residuals of a single Gaussian EM finds outliers 1.5 to 2.2 times as wide. 0 asks
        for nothing. With a fixed prior it is not asked.
    degrees_of_freedom : float or None, default None
        None: the inliers' tails are Gaussian, as in the paper. A number allows for hard samples in `responsibilities`
        (Student's t, see there), the smaller the more; it changes neither the fit nor the likelihood.
    tol : float, default 1e-6
        EM stops when no parameter of any group moves by more: the prior, each covariance over the standard deviations,
        the log density per coordinate. 0 takes `max_iter` steps, neither more nor less; the status is then
        `ITERATION_LIMIT`, and not warned about.
    max_iter : int, default 200
        Cap on the iterations.
    reg_covar : float, default 1e-6
        Added to each variance, as a **fraction** of the squared robust scale of its coordinate (the start's): residuals
        in other units give the same fit in those units. 0 is allowed; a singular covariance is still lifted, to 1e-10.
    init : {"mad"}, default "mad"
        Robust start: independent coordinates of a median-absolute-deviation scale about 0, taken at the lower quartile
        so that it holds with up to three quarters of outliers.
    warm_start : bool, default False
        Start from the previous fit's parameters in the groups whose fit has converged or hit the cap, if `groups` and
        `uniform` are still the same.

    Attributes
    ----------
    partition_ : tuple of tuples of int
        The groups, g of them.
    inlier_prior_ : (g,) array
        pi.
    covariances_ : tuple of g (k, k) arrays
        Sigma of each group.
    log_uniform_density_ : (g,) array
        log gamma.
    n_iter_ : int
        M steps taken (the most over the sizes of group).
    converged_ : bool
        Whether EM came to rest within `max_iter` in every group, whatever its status: also where the parameters that it
        came to were then replaced (`NO_OUTLIERS`, `NO_INLIERS`, `TOO_FEW_SAMPLES`) or have collapsed.
        On clean residuals EM may well not rest, and that is no fault: `status_` tells what is.
    status_ : tuple of MixtureStatus
        What became of each group.
    n_features_in_ : int
        d.

    Notes
    -----
    Settings are attributes, checked here and again in `fit`, which goes by what they are then.

    Differences from the letter of the paper: the scatter of eq. 3 is divided by the sum of the responsibilities; the
    uniform's variances are not let below the Gaussian's; and a group that is no mixture (see `MixtureStatus`) is given
    parameters that keep its responsibilities usable. From the authors' code: the prior is re-estimated (theirs stays
    0.95), and the uniform follows eq. 5 (theirs is a constant).

    `NaN` marks a missing label. What is observed of a group is used exactly: its marginal density in the E step, the
    expected scatter in the M step. A wholly missing group has the prior as responsibility, log-likelihood 0 and no
    influence on the estimates.

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
            Target minus prediction; NaN where a label is missing. Any real type, any device.
        sample_weight : (n,) tensor or array, optional
            Weights of at least 0. Only their ratios matter; a weight of 0 leaves the sample out.
        responsibilities : (n, g) tensor or array, optional
            What EM begins with, instead of the robust start: its first M step goes by them. All 1 makes it the Gaussian
            of all the residuals.
        processes : Processes, default one process alone
            Those that fit together: the samples given here are this one's share, none (0, d) too. All end with the same
            parameters, those of one process with all the samples; only sums travel between them.

        Returns
        -------
        GaussianUniformMixture
            The estimator itself.

        Raises
        ------
        InvalidParameterError
            A setting that was changed to something that the constructor would refuse, or groups of several sizes that
            are to share a covariance.
        InvalidDataError
            Residuals that are not (n, d) or not finite, weights or responsibilities that do not fit them, or fewer
            samples than the largest group's covariance needs (k + 1; 2 where it is not full).
        ProcessLostError
            Another process has died, or stopped with an error.

        Warns
        -----
        IdentifiabilityWarning
            Once, naming every group whose status is neither `CONVERGED` nor `NO_OUTLIERS`, with the remedy. (That there
            are no outliers is good news and not warned about. Nor is the cap where `tol` is 0.)
        """
        return self._fit_to(InMemory(residuals, sample_weight, responsibilities, self.resolve, processes))

    def fit_batches(self, batches: Iterable[Batch], *, processes: Processes = SOLO) -> Self:
        """Fit eq. 1 to residuals that come in batches, at the memory of one batch, however many there are.

        The fit is that of `fit` on all of them. The batches are gone through once to check them, once for their sums,
        twice for the robust scales of float32 numbers (four times for float64's; see `mixture/spread.py`), once for
        each EM iteration and about five times for the verdict; groups of several sizes are fitted one size after the
        other.

        Parameters
        ----------
        batches : iterable of (b, d) tensors or arrays, or of pairs (residuals, sample_weight)
            Begins anew, with the same rows, each time that it is iterated over: a list, `ParquetBatches`,
            `ArrayBatches`, a `DataLoader`; not a generator. Each batch as `residuals` and `sample_weight` of `fit`.
        processes : Processes, default one process alone
            Those that fit together: the batches given here are this one's, none too.

        Returns
        -------
        GaussianUniformMixture
            The estimator itself.

        Raises
        ------
        InvalidParameterError
            Batches that cannot be gone through twice, or a setting as in `fit`.
        InvalidDataError
            A batch that `fit` would refuse, by its number; batches of several widths; other rows than the first time;
            too few samples.
        ProcessLostError
            Another process has died, or stopped with an error.

        Warns
        -----
        IdentifiabilityWarning
            As in `fit`.

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
        """Return the groups over d coordinates, as `fit` would have them.

        Raises
        ------
        InvalidParameterError
            A setting that the constructor would refuse, groups that are no partition of d coordinates, or of several
            sizes where they are to share a covariance.
        InvalidDataError
            Landmarks of an odd number of coordinates.

        Examples
        --------
        >>> GaussianUniformMixture(groups="landmark").resolve(4)
        ((0, 1), (2, 3))
        """
        groups = partition(self.groups, d)
        check_sizes(self._em(), groups)
        return groups

    def responsibilities(self, residuals: ArrayT) -> ArrayT:
        """Probability of being an inlier, eq. 2: (n, g) float64; the prior where a group is wholly missing.

        With `degrees_of_freedom` the inliers of a sample have a covariance of its own: Sigma of each group times how
        hard the sample is, a number that its groups share and of which each learns from the others (`Evidence.hard`).
        """
        evidence = self._evidence(residuals)
        if self.degrees_of_freedom is None:
            return like(residuals, evidence.responsibility)
        return like(residuals, evidence.hard(self.degrees_of_freedom))

    def mahalanobis(self, residuals: ArrayT) -> ArrayT:
        """Distance in standard deviations of the inliers, of what is observed: (n, g) float64; NaN where nothing is."""
        evidence = self._evidence(residuals)
        return like(residuals, torch.where(evidence.observed > 0, evidence.distance.clamp_min(0).sqrt(), torch.nan))

    def log_likelihood(self, residuals: ArrayT) -> ArrayT:
        """Log density of eq. 1 of what is observed: (n, g) float64; 0 where a group is wholly missing."""
        return like(residuals, self._evidence(residuals).log_likelihood)

    def partial_statistics(self, residuals: Array, sample_weight: Array | None = None) -> PartialStatistics:
        """E step's sufficient statistics of these samples under the fitted parameters; parts of a data set add up."""
        tensor = self._checked(residuals)
        weights = as_weights(sample_weight, tensor)
        return PartialStatistics(
            tuple(
                summarise(make_block(columns(tensor, size_class), weights), to_device(parameters, tensor.device))
                for size_class, parameters in zip(size_classes(self.partition_), self._fitted().parameters, strict=True)
            )
        )

    def state_dict(self) -> dict[str, Any]:
        """Return settings and fit as tensors, numbers, strings and lists: for JSON and safetensors, never a pickle."""
        state: dict[str, Any] = {"format": FORMAT} | plain(self.get_params())
        if self._fit is None:
            return state
        fitted = {
            "partition": [list(group) for group in self.partition_],
            "status": [status.name for status in self.status_],
            "n_iter": self.n_iter_,
            "converged": self.converged_,
            "array": "numpy" if isinstance(self.inlier_prior_, np.ndarray) else "torch",
        }
        return state | fitted | pack(self._fit.parameters, self.partition_)

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> Self:
        """Return the estimator that gave this `state_dict`, to the last bit.

        Raises
        ------
        InvalidDataError
            A dictionary of another format, or with keys too few or too many.
        """
        state = {**BEFORE, **state}
        check_state(state, SETTINGS, RESULTS)
        mixture = cls(**{name: state[name] for name in SETTINGS})
        if "partition" not in state:
            return mixture
        groups = tuple(tuple(group) for group in state["partition"])
        status = tuple(MixtureStatus[name] for name in state["status"])
        fit = MixtureFit(unpack(state, groups), status, state["n_iter"], state["converged"])
        mixture._publish(groups, fit, as_numpy=state["array"] == "numpy")
        return mixture

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
        # A density that EM does not update would outlive the setting it came from.
        if self.warm_start and self._fit is not None and self._fitted_uniform == self.uniform:
            return self._fit if self.partition_ == groups else None
        return None

    def _publish(self, groups: Partition, fit: MixtureFit, *, as_numpy: bool) -> None:
        def show(tensor: Tensor) -> Array:
            return tensor.cpu().numpy() if as_numpy else tensor

        self._fitted_uniform = self.uniform
        self._fit, self.partition_, self.n_features_in_ = fit, groups, sum(map(len, groups))
        self.status_, self.n_iter_, self.converged_ = fit.status, fit.n_iter, fit.converged
        packed = pack(fit.parameters, groups)
        sizes = [len(group) for group in groups]
        squares = split(packed["covariances"], [size * size for size in sizes])
        self.inlier_prior_ = show(packed["priors"])
        self.covariances_ = tuple(show(s.reshape(size, size)) for s, size in zip(squares, sizes, strict=True))
        self.log_uniform_density_ = show(torch.stack([each.sum() for each in split(packed["log_uniform"], sizes)]))

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
