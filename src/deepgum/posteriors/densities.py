"""Right labels with heavy tails, and wrong ones that crowd around the right place: eq. 1 with other densities.

Equation 1 has a Gaussian for right labels and a uniform density for wrong ones. To rank labels and to train, that
suffices; as probabilities its posteriors are too sure of themselves. A network errs much more on some samples than on
others, so that right labels have the tails of a Student's t; and a wrong label is more often near the right place than
a uniform density has it: a slip of the mouse is, and so is another person's eye. With m the Mahalanobis distance of a
residual of k coordinates, S the scale and nu the degrees of freedom,

    p(delta) = pi t_nu(delta; 0, S) + (1 - pi) g(m),    g(m) proportional to max(m, c) ** (b - k)  up to  m = R.

b = k is eq. 1's uniform density. b = 1 is a wrong label whose distance is uniform, in a uniformly drawn direction, as
in the paper's own l-UGO noise. The power law is cut off at the core of right labels, c = max(1, sqrt(k - b)): else a
residual of 0 would be wrong for certain. For every b up to k and every nu the posterior then falls with the distance.

Of a group that is observed in part, o of its k coordinates, the marginal of t is exact. The power law has none in
closed form: its exponent b is taken for b o / k there, which is exact for the uniform density.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from deepgum.mixture.partition import Partition

__all__ = ["Part", "Tails", "TailsOfGroup", "parts_of", "student_variance"]

SWEEPS = 6

_FARTHEST = 1e300
"""A squared distance that overflows is held here: infinitely unlikely both ways would be no probability at all."""


@dataclass(frozen=True)
class Part:
    """The residuals of one group of which the same coordinates are observed.

    Attributes
    ----------
    rows : Tensor (m,)
    seen : Tensor (o,)
        Positions in the group.
    values : Tensor (m, o)
    """

    rows: Tensor
    seen: Tensor
    values: Tensor


def parts_of(values: Tensor) -> list[Part]:
    """Sort the residuals of a group (n, k) by what is observed of them; rows without any label are in none."""
    observed = ~values.isnan()
    if bool(observed.all()):
        rows, seen = torch.arange(len(values)), torch.arange(values.shape[1])
        return [Part(rows, seen, values)]
    parts = []
    for pattern in torch.unique(observed, dim=0):
        seen = pattern.nonzero().flatten()
        if len(seen):
            rows = (observed == pattern).all(dim=1).nonzero().flatten()
            parts.append(Part(rows, seen, values[rows][:, seen]))
    return parts


@dataclass(frozen=True)
class TailsOfGroup:
    """Parameters of one group; see the head of this module.

    Attributes
    ----------
    prior : float
        pi.
    scale : Tensor (k, k)
        S: the covariance of a Gaussian, and of a t with nu > 2 that times (nu - 2) / nu.
    degrees_of_freedom : float
        nu; infinite for a Gaussian.
    exponent : float
        b, above 0 and at most k.
    radius : float
        R: the largest Mahalanobis distance of the residuals that were fitted.
    """

    prior: float
    scale: Tensor
    degrees_of_freedom: float
    exponent: float
    radius: float

    def distance(self, part: Part) -> Tensor:
        """Squared Mahalanobis distance (m,) of what is observed."""
        factor = torch.linalg.cholesky(self._scale_of(part))
        whitened: Tensor = torch.linalg.solve_triangular(factor, part.values.T, upper=False)
        return whitened.square().sum(dim=0).clamp_max(_FARTHEST)

    def log_volume(self, part: Part) -> float:
        """Half the log determinant of the scale of what is observed."""
        return 0.5 * float(torch.linalg.slogdet(self._scale_of(part)).logabsdet)

    def log_inlier(self, part: Part, squared: Tensor) -> Tensor:
        """Log of pi t_nu, (m,)."""
        o, nu = len(part.seen), torch.tensor(self.degrees_of_freedom, dtype=torch.float64)
        return math.log(self.prior) - self.log_volume(part) + log_student(squared, o, nu)

    def log_outlier(self, part: Part, squared: Tensor) -> Tensor:
        """Log of (1 - pi) g, (m,); beyond the radius g goes on as it falls."""
        o, k = len(part.seen), len(self.scale)
        b = self.exponent * o / k
        core = core_of(b, o)
        surface = math.log(2) + 0.5 * o * math.log(math.pi) - math.lgamma(0.5 * o)
        log_constant = log_mass(b, o, core, max(self.radius, core)) + surface + self.log_volume(part)
        falling = (b - o) * 0.5 * squared.clamp_min(core**2).log()
        return math.log1p(-self.prior) + falling - log_constant

    def _scale_of(self, part: Part) -> Tensor:
        return self.scale[part.seen][:, part.seen]


def log_student(squared: Tensor, k: int | Tensor, nu: Tensor) -> Tensor:
    """Log density of Student's t of unit scale in k dimensions at a squared distance; a Gaussian's for infinite nu.

    Examples
    --------
    >>> import scipy.stats
    >>> got = log_student(torch.tensor([4.0], dtype=torch.float64), 1, torch.tensor(3.0, dtype=torch.float64))
    >>> bool(abs(got.item() - scipy.stats.t(3).logpdf(2.0)) < 1e-12)
    True
    """
    gaussian = -0.5 * (k * math.log(2 * math.pi) + squared)
    finite = torch.where(nu.isinf(), 1.0, nu)
    peak = torch.lgamma((finite + k) / 2) - torch.lgamma(finite / 2) - 0.5 * k * (finite * math.pi).log()
    return torch.where(nu.isinf(), gaussian, peak - 0.5 * (finite + k) * torch.log1p(squared / finite))


def core_of(b: float, k: int) -> float:
    """Return c, up to which the density of wrong labels is flat."""
    return math.sqrt(max(1.0, k - b))


def log_mass(b: float, k: int, core: float, radius: float) -> float:
    """Log of the integral over the distance m, from 0 to R, of max(m, c) ** (b - k) m ** (k - 1)."""
    log_radius = math.log(radius)
    return b * log_radius - math.log(b) + math.log1p(-math.exp(b * (math.log(core) - log_radius)) * (1 - b / k))


@dataclass(frozen=True)
class Tails:
    """The densities of all groups, and what they say of residuals.

    Attributes
    ----------
    groups : tuple of TailsOfGroup
    partition : tuple of tuples of int

    Examples
    --------
    >>> one = TailsOfGroup(0.8, torch.eye(2, dtype=torch.float64), 4.0, 1.0, 20.0)
    >>> tails = Tails((one,), ((0, 1),))
    >>> tails.responsibilities(torch.tensor([[0.0, 1.0], [3.0, 3.0], [9.0, 9.0]])).flatten().round(decimals=2)
    tensor([0.9800, 0.6700, 0.0100], dtype=torch.float64)
    """

    groups: tuple[TailsOfGroup, ...]
    partition: Partition

    def log_density(self, residuals: Tensor) -> Tensor:
        """Log of p(delta) of what is observed, (n, g); 0 where nothing is."""
        inlier, outlier, _, _, seen = self._evidence(residuals)
        return torch.where(seen > 0, torch.logaddexp(inlier, outlier), 0.0)

    def mahalanobis(self, residuals: Tensor) -> Tensor:
        """Distance of what is observed, (n, g); NaN where nothing is."""
        _, _, squared, _, seen = self._evidence(residuals)
        return torch.where(seen > 0, squared.sqrt(), torch.nan)

    def responsibilities(self, residuals: Tensor) -> Tensor:
        """Probability of being right, (n, g); NaN where nothing is observed.

        Student's t is a Gaussian whose scale differs from sample to sample: S times a factor u, inverse-gamma with nu
        degrees of freedom. The groups of a sample share u, so each learns from the others how hard the sample is; see
        `deepgum.mixture.evidence`, whose formulas these are. Where groups differ in nu, each takes its own for what is
        known of u beforehand.
        """
        inlier, outlier, squared, volume, seen = self._evidence(residuals)
        right = torch.sigmoid(inlier - outlier)
        nu = torch.tensor([group.degrees_of_freedom for group in self.groups], dtype=torch.float64)
        heavy = nu.isfinite()
        if len(self.groups) > 1 and bool(heavy.any()):
            plain = right
            nu = torch.where(heavy, nu, 1.0)
            log_prior = torch.tensor([group.prior for group in self.groups], dtype=torch.float64).log()
            for _ in range(SWEEPS):
                certain = torch.where(seen > 0, right, 0.0)
                weighted = torch.where(certain > 0, certain * squared, 0.0)
                freedom, total = (
                    nu + (each.sum(dim=1, keepdim=True) - each).clamp_min(0.0) for each in (certain * seen, weighted)
                )
                wider = total / freedom
                inlier = log_prior - volume - 0.5 * seen * wider.log() + log_student(squared / wider, seen, freedom)
                right = torch.where(heavy, torch.sigmoid(inlier - outlier), plain)
        return torch.where(seen > 0, right, torch.nan)

    def _evidence(self, residuals: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Log of pi t and of (1 - pi) g, squared distance, log volume, and how many coordinates are seen: (n, g)."""
        n, g = len(residuals), len(self.groups)
        inlier, outlier, squared, volume, seen = (torch.zeros(n, g, dtype=torch.float64) for _ in range(5))
        for place, (group, columns) in enumerate(zip(self.groups, self.partition, strict=True)):
            for part in parts_of(residuals.to(torch.float64)[:, list(columns)]):
                distance = group.distance(part)
                inlier[part.rows, place] = group.log_inlier(part, distance)
                outlier[part.rows, place] = group.log_outlier(part, distance)
                squared[part.rows, place] = distance
                volume[part.rows, place] = group.log_volume(part)
                seen[part.rows, place] = float(len(part.seen))
        return inlier, outlier, squared, volume, seen


_LEAST_WITH_VARIANCE = 2.5


def student_variance(degrees_of_freedom: float) -> float:
    """Return the variance of Student's t of unit scale; below 2.5 degrees of freedom, of hardly any, that of 2.5.

    Examples
    --------
    >>> student_variance(4.0), student_variance(2.0), student_variance(math.inf)
    (2.0, 5.0, 1.0)
    """
    nu = max(degrees_of_freedom, _LEAST_WITH_VARIANCE)
    return nu / (nu - 2) if math.isfinite(nu) else 1.0
