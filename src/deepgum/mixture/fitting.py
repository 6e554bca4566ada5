"""The fit of all groups: one batched EM for each size of group, put back in the partition's order."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from deepgum.errors import InvalidDataError, InvalidParameterError, listing
from deepgum.mixture.em import EM
from deepgum.mixture.parameters import Parameters, merge, to_device
from deepgum.mixture.partition import Partition, SizeClass, size_classes
from deepgum.mixture.samples import Samples
from deepgum.mixture.sources import Source
from deepgum.mixture.status import MixtureStatus
from deepgum.mixture.verdict import Verdict, judge

__all__ = ["MixtureFit", "check_count_of_samples", "check_sizes", "complaint", "fit_groups"]


@dataclass(frozen=True)
class MixtureFit:
    """What a fit yields.

    Attributes
    ----------
    parameters : tuple of Parameters
        One for each size of group, smallest first.
    status : tuple of MixtureStatus
        One for each group.
    n_iter : int
        M steps, the most over the sizes.
    converged : bool
        Whether EM came to rest in every group, whatever the verdict then made of it.
    """

    parameters: tuple[Parameters, ...]
    status: tuple[MixtureStatus, ...]
    n_iter: int
    converged: bool


def check_sizes(em: EM, groups: Partition) -> None:
    """Raise `InvalidParameterError` when groups are to share a covariance and are not of one size."""
    sizes = sorted(set(map(len, groups)))
    if em.structure.is_tied and len(sizes) > 1:
        hint = f"Groups of {sizes} coordinates cannot share a covariance. Use `covariance_type='spherical'`."
        raise InvalidParameterError(
            "covariance_type", "one that groups of these sizes can have", em.covariance_type, hint
        )


def check_count_of_samples(em: EM, n: int, groups: Partition) -> None:
    """Raise `InvalidDataError` when there are fewer samples than the largest group's covariance needs."""
    size = max(map(len, groups))
    needed = em.structure.least_samples(size)
    if n < needed:
        raise InvalidDataError(
            f"A {em.covariance_type} covariance of {size} coordinates needs at least {needed} samples of positive "
            f"weight. Found {n}. Use smaller `groups` or more samples."
        )


def fit_groups(em: EM, source: Source, warm: MixtureFit | None) -> MixtureFit:
    """Fit every group of the source's residuals.

    EM begins with the source's responsibilities, or goes on from `warm`, a fit of the same partition.
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


def _agreed(samples: Samples, verdict: Verdict) -> Verdict:
    """Return the verdict of process 0: where the last bit decides, another's may differ."""
    known = tuple(MixtureStatus)
    codes = verdict.parameters.inlier_prior.new_tensor([known.index(status) for status in verdict.status])
    *tensors, codes = samples.agreed((*verdict.parameters.tensors, codes))
    return Verdict(Parameters.of(*tensors), tuple(known[int(code)] for code in codes.tolist()))


def _warm_start(warm: MixtureFit, position: int, size_class: SizeClass, start: Parameters) -> Parameters:
    """Start from the last fit where it was a mixture; a degenerate one is no place to start from."""
    usable = (MixtureStatus.CONVERGED, MixtureStatus.ITERATION_LIMIT)
    device = start.inlier_prior.device
    where = torch.tensor([warm.status[group] in usable for group in size_class.groups], device=device)
    return merge(where, to_device(warm.parameters[position], device), start)


def complaint(status: tuple[MixtureStatus, ...], *, fixed_steps: bool = False) -> str:
    """Return one message naming the groups that are no usable mixture, with the remedy; empty where all are.

    With `fixed_steps` EM was not asked to come to rest, and that it did not is no fault.
    """
    parts = []
    for fault in MixtureStatus:
        groups = [index for index, each in enumerate(status) if each is fault]
        asked_for = fixed_steps and fault is MixtureStatus.ITERATION_LIMIT
        if groups and not fault.is_usable and not asked_for:
            parts.append(f"{'Groups' if len(groups) > 1 else 'Group'} {listing(groups)}: {fault.value}. {fault.remedy}")
    return " ".join(parts)
