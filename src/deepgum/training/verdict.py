"""The verdict on the labels after a training: which labels are wrong, if any, by the rule of audits.

The weights of a training come from eq. 1, as in the paper. Eq. 1 always finds outliers in residuals with heavy tails,
which networks have, so its flags are no verdict. The verdict compares densities with heavy tails, with and without
wrong labels (`deepgum.posteriors.label_mixture`). If right labels alone describe the residuals well, no label is
flagged.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from deepgum.mixture import GaussianUniformMixture
from deepgum.posteriors.label_mixture import LabelMixture
from deepgum.processes import SOLO, Processes

__all__ = ["MOST_ROWS", "fit_verdict", "responsibilities_of"]

MOST_ROWS = 20_000
"""Maximum number of rows, over all processes, for which densities are compared."""

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
    [70, 0]
    """
    given, default = mixture.get_params(), GaussianUniformMixture().get_params()
    if any(given[name] != default[name] for name in _SETTINGS):
        return None
    rows = residuals if sample_weight is None else residuals[sample_weight.to(residuals.device) > 0]
    rows = _evenly_spread(rows.double().cpu(), processes)
    return LabelMixture.fit(rows.numpy(), [list(group) for group in mixture.partition_], intervals=False)


def responsibilities_of(verdict: LabelMixture | None, mixture: GaussianUniformMixture, residuals: Tensor) -> Tensor:
    """Return the probability (m, g) that each label is right; the prior where a group has no label.

    The verdict gives the probability, or, if there is none, the mixture of eq. 1.
    """
    if verdict is None:
        return torch.as_tensor(mixture.responsibilities(residuals))
    found = verdict.responsibilities(residuals.double().cpu().numpy())
    priors = [verdict.prior(group) for group in range(found.shape[1])]
    return torch.from_numpy(np.where(np.isnan(found), priors, found)).to(residuals.device)


def _evenly_spread(rows: Tensor, processes: Processes) -> Tensor:
    """Return at most `MOST_ROWS` rows of all processes, the same in each process."""
    step = -(-len(rows) * processes.world_size // MOST_ROWS)
    return torch.cat(processes.exchange([rows[:: max(1, step)]] * processes.world_size))
