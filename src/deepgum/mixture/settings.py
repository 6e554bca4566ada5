"""The estimator's settings: kept as they were given, checked, and turned into an EM when a fit begins."""

from __future__ import annotations

from typing import Any, Self

from deepgum.checks import check_choice, check_count, check_fraction, check_positive
from deepgum.errors import UnknownNameError
from deepgum.mixture.em import EM
from deepgum.mixture.gaussian import STRUCTURES
from deepgum.mixture.partition import NAMES, Groups
from deepgum.mixture.uniform import uniform_rule

__all__ = ["SETTINGS", "MixtureSettings"]

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
