"""The verdict on labels, by the rule of audits: whether labels are wrong, and which.

The weights of a training come from eq. 1, as in the paper. Eq. 1 finds outliers in all residuals with heavy tails,
which networks have, so its flags are no verdict. The verdict compares densities with heavy tails, with and without
wrong labels (`deepgum.posteriors.label_mixture`). If right labels alone describe the residuals well, no label is
flagged.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepgum.mixture import GaussianUniformMixture, MixtureStatus
from deepgum.posteriors.densities import StudentT
from deepgum.posteriors.label_mixture import LabelMixture
from deepgum.processes import SOLO, Processes

__all__ = ["MOST_ROWS", "fit_verdict", "groups_to_weight", "responsibilities_of", "rows_of_all"]

MOST_ROWS = 20_000
"""Maximum number of rows, over all processes, for which densities are compared."""

EARLY_DENSITY = StudentT(3.0)
"""Density of right labels during the training. The choice among several densities takes much more time."""

_SETTINGS = ("covariance_type", "uniform", "inlier_prior", "separation")
"""Settings of eq. 1 that describe the residuals."""


def fit_verdict(
    mixture: GaussianUniformMixture,
    residuals: Tensor,
    sample_weight: Tensor | None = None,
    processes: Processes = SOLO,
) -> LabelMixture | None:
    """Return the verdict on labels with residuals (m, d), NaN for missing labels.

    Parameters
    ----------
    mixture : GaussianUniformMixture
        The mixture of eq. 1, fitted to the residuals of all processes.
    residuals : Tensor (m, d)
        The residuals of this process.
    sample_weight : Tensor (m,), optional
        Samples with weight 0 have no part in the verdict.
    processes : Processes
        All processes call this function and get the same verdict.

    Returns
    -------
    LabelMixture or None
        None if the user has set the densities of `mixture`: its responsibilities are then the verdict.

    Examples
    --------
    >>> residuals = torch.from_numpy(np.random.default_rng(0).standard_t(3, size=(2000, 1)))
    >>> mixture = GaussianUniformMixture().fit(residuals)
    >>> verdict = fit_verdict(mixture, residuals)
    >>> [int((responsibilities_of(each, mixture, residuals) < 0.5).sum()) for each in (None, verdict)]
    [96, 0]
    """
    if _has_own_settings(mixture):
        return None
    rows = rows_of_all(residuals, sample_weight, processes)
    return LabelMixture.fit(rows, [list(group) for group in mixture.partition_], intervals=False)


def groups_to_weight(
    mixture: GaussianUniformMixture,
    residuals: Tensor,
    sample_weight: Tensor | None = None,
    processes: Processes = SOLO,
) -> Tensor:
    """Return a mask (g,): True for groups in which the responsibilities are the weights of labels in the loss.

    In a group of one coordinate, labels are weighted only if the verdict is that some labels are wrong. Without wrong
    labels, the weights would remove rare samples, for example old people among many young people, from the training.
    In groups of several coordinates, labels are always weighted, as in the paper. There, wrong labels that are not far
    from right labels are proven only late in the training, but weights are useful from the beginning.

    The parameters are those of `fit_verdict`.

    Examples
    --------
    >>> residuals = torch.from_numpy(np.random.default_rng(0).standard_t(3, size=(2000, 1)))
    >>> mixture = GaussianUniformMixture().fit(residuals)
    >>> groups_to_weight(mixture, residuals).tolist()
    [False]
    >>> residuals[:400] *= 20
    >>> groups_to_weight(mixture, residuals).tolist()
    [True]
    """
    is_weighted = torch.ones(len(mixture.partition_), dtype=torch.bool)
    single = [place for place, group in enumerate(mixture.partition_) if len(group) == 1]
    if not single or _has_own_settings(mixture):
        return is_weighted
    columns = [mixture.partition_[place][0] for place in single]
    rows = rows_of_all(residuals[:, columns], sample_weight, processes)
    found = LabelMixture.fit(rows, "coordinate", inliers=EARLY_DENSITY, intervals=False)
    is_weighted[single] = torch.tensor([status is not MixtureStatus.NO_OUTLIERS for status in found.status])
    return is_weighted


def responsibilities_of(verdict: LabelMixture | None, mixture: GaussianUniformMixture, residuals: Tensor) -> Tensor:
    """Return the probability (m, g) that each label is right; the prior where a group has no label.

    The verdict gives the probability, or, if there is none, the mixture of eq. 1.
    """
    if verdict is None:
        return torch.as_tensor(mixture.responsibilities(residuals))
    found = verdict.responsibilities(residuals.double().cpu().numpy())
    priors = [verdict.prior(group) for group in range(found.shape[1])]
    return torch.from_numpy(np.where(np.isnan(found), priors, found)).to(residuals.device)


def _has_own_settings(mixture: GaussianUniformMixture) -> bool:
    """Return whether the user has set how eq. 1 describes residuals."""
    given, default = mixture.get_params(), GaussianUniformMixture().get_params()
    return any(given[name] != default[name] for name in _SETTINGS)


def rows_of_all(residuals: Tensor, sample_weight: Tensor | None, processes: Processes) -> NDArray[np.float64]:
    """Return at most `MOST_ROWS` rows of all processes, evenly spread, the same in each process.

    A row with the weight 2 counts as two rows, if all weights are whole numbers. Otherwise there are as many rows as
    samples with a positive weight, and heavy rows occur several times.
    """
    weight = torch.ones(len(residuals)) if sample_weight is None else sample_weight
    step = -(-len(residuals) * processes.world_size // MOST_ROWS)
    own = torch.cat([weight.double().cpu()[:, None], residuals.double().cpu()], dim=1)[:: max(1, step)]
    parts = processes.exchange([own] * processes.world_size)
    # Sample i belongs to process i modulo P; with this order the result does not depend on P.
    places = [torch.arange(len(part)) * len(parts) + rank for rank, part in enumerate(parts)]
    rows = torch.cat(parts)[torch.cat(places).argsort()]
    weight, sums = rows[:, 0], rows[:, 0].cumsum(dim=0)
    is_whole = bool(weight.eq(weight.round()).all())
    count = min(int(weight.sum() if is_whole else weight.gt(0).sum()), MOST_ROWS)
    chosen = torch.searchsorted(sums, (torch.arange(count) + 0.5).double() * (sums[-1:] / max(1, count)), right=True)
    return rows[chosen, 1:].numpy()
