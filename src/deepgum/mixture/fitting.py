"""The fit of all groups of a partition: one batched EM for each group size, in the order of the partition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from deepgum.errors import InvalidDataError, InvalidParameterError, listing
from deepgum.mixture.blocks import make_block
from deepgum.mixture.em import EM
from deepgum.mixture.parameters import Parameters, merge, to_device
from deepgum.mixture.partition import Partition, SizeClass, size_classes
from deepgum.mixture.samples import Samples
from deepgum.mixture.sources import Source
from deepgum.mixture.spread import spread
from deepgum.mixture.status import MixtureStatus
from deepgum.mixture.uniform import OutlierMoments
from deepgum.mixture.verdict import Verdict, judge

__all__ = [
    "MixtureFit",
    "check_count_of_samples",
    "check_sizes",
    "complaint",
    "fit_groups",
    "responsibilities_without_verdict",
]

WITHOUT_VERDICT = EM("full", OutlierMoments(), None, separation=0.0, reg_covar=1e-6, tol=1e-3, max_iter=100)


@dataclass(frozen=True)
class MixtureFit:
    """The result of a fit.

    Attributes
    ----------
    parameters : tuple of Parameters
        One `Parameters` per group size (number of coordinates), from the smallest size up.
    status : tuple of MixtureStatus
        One status per group.
    n_iter : int
        Number of M steps: the largest number over all group sizes.
    converged : bool
        Whether EM converged in every group, regardless of the verdict.
    """

    parameters: tuple[Parameters, ...]
    status: tuple[MixtureStatus, ...]
    n_iter: int
    converged: bool


def check_sizes(em: EM, groups: Partition) -> None:
    """Raise `InvalidParameterError` if `em` requires a shared covariance, but the groups have different sizes."""
    sizes = sorted(set(map(len, groups)))
    if em.structure.is_tied and len(sizes) > 1:
        hint = f"Groups of {sizes} coordinates cannot share a covariance. Use `covariance_type='spherical'`."
        raise InvalidParameterError(
            "covariance_type", "one that groups of these sizes can have", em.covariance_type, hint
        )


def check_count_of_samples(em: EM, n: int, groups: Partition) -> None:
    """Raise `InvalidDataError` if there are fewer samples than the covariance of the largest group needs."""
    size = max(map(len, groups))
    needed = em.structure.least_samples(size)
    if n < needed:
        raise InvalidDataError(
            f"A {em.covariance_type} covariance of {size} coordinates needs at least {needed} samples of positive "
            f"weight. Found {n}. Use smaller `groups` or more samples."
        )


def fit_groups(em: EM, source: Source, warm: MixtureFit | None) -> MixtureFit:
    """Fit every group of the residuals of a source.

    If the source has responsibilities, EM begins with these responsibilities. Otherwise EM begins with `warm`, which is
    an earlier fit of the same partition, or with the robust start if `warm` is None.
    """
    status: dict[int, MixtureStatus] = {}
    fits: list[tuple[Parameters, int, bool]] = []
    for position, size_class in enumerate(size_classes(source.groups)):
        samples, scales = source.open(size_class)
        start = em.start(scales)
        given = source.given(size_class)
        if given is not None or warm is None:
            fit = em.run(samples, scales, start, given)
        else:
            fit = em.run(samples, scales, _warm_start(warm, position, size_class, start))
        verdict = _agreed(samples, judge(em, samples, scales, start, fit))
        status.update(zip(size_class.groups, verdict.status, strict=True))
        fits.append((verdict.parameters, fit.n_iter, bool(fit.converged.all())))
    parameters, n_iter, converged = zip(*fits, strict=True)
    return MixtureFit(
        parameters=parameters,
        status=tuple(status[group] for group in range(len(source.groups))),
        n_iter=max(n_iter),
        converged=all(converged),
    )


def responsibilities_without_verdict(residuals: Tensor) -> Tensor:
    """Return the responsibilities (n,) under the mixture to which EM converges, for complete residuals (n, k).

    The residuals are those of one group. `GaussianUniformMixture` replaces the parameters if a test finds no mixture.
    This function makes no such test. It therefore finds outliers even in the residuals of a single Gaussian.

    Examples
    --------
    >>> clean = torch.randn(500, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    >>> bool(responsibilities_without_verdict(clean).min() < 0.5)
    True
    """
    values = residuals.T.contiguous()[None]
    scales = spread(values)
    parameters = WITHOUT_VERDICT.run(make_block(values.clone()), scales, WITHOUT_VERDICT.start(scales)).parameters
    inlier, outlier = parameters.log_joint(values)
    return torch.sigmoid(inlier - outlier)[0]


def complaint(
    status: tuple[MixtureStatus, ...], names: Sequence[str] | None = None, *, fixed_steps: bool = False
) -> str:
    """Return a message that names the groups whose fit is not usable, and the remedy; empty if all fits are usable.

    `names` are the names of the groups, by default their numbers. `fixed_steps` tells whether the user wants a fixed
    number of EM steps. If so, the iteration limit is not a fault.
    """
    parts = []
    for fault in MixtureStatus:
        groups = [index if names is None else names[index] for index, each in enumerate(status) if each is fault]
        expected = fixed_steps and fault is MixtureStatus.ITERATION_LIMIT
        if groups and not fault.is_usable and not expected:
            parts.append(f"{'Groups' if len(groups) > 1 else 'Group'} {listing(groups)}: {fault.value}. {fault.remedy}")
    return " ".join(parts)


def _agreed(samples: Samples, verdict: Verdict) -> Verdict:
    """Return the verdict of process 0 on all processes, because in borderline cases the verdicts may differ."""
    known = tuple(MixtureStatus)
    codes = verdict.parameters.inlier_prior.new_tensor([known.index(status) for status in verdict.status])
    *tensors, codes = samples.agreed((*verdict.parameters.tensors, codes))
    return Verdict(Parameters.of(*tensors), tuple(known[int(code)] for code in codes.tolist()))


def _warm_start(warm: MixtureFit, position: int, size_class: SizeClass, start: Parameters) -> Parameters:
    """Return the start of EM: `warm` for the groups that are a mixture in `warm`, and `start` for the other groups."""
    usable = (MixtureStatus.CONVERGED, MixtureStatus.ITERATION_LIMIT)
    device = start.inlier_prior.device
    where = torch.tensor([warm.status[group] in usable for group in size_class.groups], device=device)
    return merge(where, to_device(warm.parameters[position], device), start)
