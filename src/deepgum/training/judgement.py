"""The judgement of the labels of a training: computed when it is first asked for, because a verdict takes time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from deepgum.mixture import GaussianUniformMixture
from deepgum.mixture.partition import Groups
from deepgum.posteriors.label_mixture import LabelMixture
from deepgum.processes import Processes
from deepgum.training.many_flags import warn_of_many_flags
from deepgum.training.verdict import fit_verdict, responsibilities_of
from deepgum.training.weighting import flags_of, has_label

__all__ = ["Judgement"]


@dataclass(frozen=True, eq=False)
class Judgement:
    """The judgement of labels with the residuals of one epoch.

    Parameters
    ----------
    fitted : GaussianUniformMixture
        The mixture of eq. 1, fitted to the residuals of all processes.
    mixture : GaussianUniformMixture
        The same with the tolerance of the epoch. It judges if the user has set the densities of eq. 1.
    residuals : Tensor (m, d)
        The residuals of this process.
    sample_weight : Tensor (m,) or None
    processes : Processes
        All processes must read `verdict` together.
    """

    fitted: GaussianUniformMixture
    mixture: GaussianUniformMixture
    residuals: Tensor
    sample_weight: Tensor | None
    processes: Processes

    @cached_property
    def verdict(self) -> LabelMixture | None:
        """See `deepgum.training.verdict.fit_verdict`."""
        return fit_verdict(self.fitted, self.residuals, self.sample_weight, self.processes)

    @cached_property
    def responsibilities(self) -> Tensor:
        """Probability (m, g) that each label is right."""
        return responsibilities_of(self.verdict, self.mixture, self.residuals)

    @property
    def flags(self) -> Tensor:
        """Flags (m, g): True for labels with a responsibility below 1/2, and False for missing labels."""
        return flags_of(self.mixture, self.residuals, self.responsibilities)

    def warn_of_many_flags(self, groups: Groups, stacklevel: int = 2) -> bool:
        """Warn if most labels are flagged, and return whether this is so."""
        labelled = has_label(self.mixture, self.residuals)
        return warn_of_many_flags(self.flags, labelled, groups, self.residuals.shape[1], stacklevel=stacklevel + 1)
