"""The contract of a reason: its name, its description, its rank, and the rule that finds labels with this reason."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from deepgum.audit.labels import Place

if TYPE_CHECKING:
    from deepgum.audit.reasons.case import Case

__all__ = ["Explanation", "Finding", "Reason", "single_groups"]

Values = NDArray[np.float64]


class Reason(ABC):
    """A kind of error that a flagged label can have.

    A subclass sets `name`, `words` and `rank` as class attributes and defines `find`. `deepgum.audit.reasons.REASONS`
    lists the built-in reasons; `score_labels(..., reasons=[MyReason()])` adds a reason.

    Examples
    --------
    >>> class Placeholder(Reason):
    ...     name = "placeholder"
    ...     words = "99 stands for a missing value"
    ...     rank = 5
    ...
    ...     def find(self, case):
    ...         for row, group in case.places:
    ...             if (case.labels.given[row, list(case.labels.partition[group])] == 99).all():
    ...                 yield Finding(self, (row, group), "The label is 99, which stands for a missing value.")
    >>> Placeholder().name
    'placeholder'
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """Name of the reason, also in the column `error_kind` of files: lower-case letters, digits, _ and - only."""

    @property
    @abstractmethod
    def words(self) -> str:
        """Short description of the mistake, for the summary and the report."""

    @property
    @abstractmethod
    def rank(self) -> int:
        """Precedence: if several reasons apply to a label, the reason with the lowest rank is reported.

        The built-in ranks are 10 (`copy`, `mark`), 15 (`drift`), 20 (`swapped`, `foreign`, `unit`), 40 (`outside`),
        50 (`hard`) and 60 (`shifted`, `off`). Of two reasons with equal ranks, the first in the list is reported.
        Built-in reasons come first in the list.
        """

    applied_once: bool = False
    """Whether the explanations of the rule do not depend on other reasons: the rule does not use `Case.wrong_labels`,
    `Case.log_wrong` or `Case.log_unexplained`. Such a rule is applied only once."""

    @abstractmethod
    def find(self, case: Case) -> Iterable[Finding | Explanation]:
        """Apply the rule to all samples of a case.

        Parameters
        ----------
        case : Case
            Labels, predictions, densities and other evidence. `case.places` lists the flagged labels.

        Returns
        -------
        iterable of Finding or Explanation
            A `Finding` is a statement about one label. An `Explanation` is a hypothesis about many labels. An
            explanation is reported if it is far more probable than all other explanations. Statements about unflagged
            labels are ignored. A rule that yields explanations is applied twice to a case, unless it is `applied_once`.
        """


@dataclass(frozen=True, eq=False, slots=True)
class Finding:
    """A statement about one flagged label of k coordinates.

    Attributes
    ----------
    reason : Reason
    place : tuple of (int, int)
        Row and group of the label.
    why : str
        A sentence that explains the statement.
    suggested, uncertainty : array (k,) or None
        The suggested label, and the standard deviation of the right label around the suggested label; None if there is
        no suggestion.
    rank : int or None
        Rank of this finding; by default the rank of `reason`.
    """

    reason: Reason
    place: Place
    why: str
    suggested: Values | None = None
    uncertainty: Values | None = None
    rank: int | None = None


@dataclass(frozen=True, eq=False)
class Explanation:
    """A hypothesis on m samples: the same mistake was made in the labels of each sample.

    Attributes
    ----------
    reason : Reason
    mechanism : str
        Name of the mistake. All cases of one mechanism are counted together: a frequent mistake needs less evidence.
    weight : float
        Prior count: the number of mistakes of this mechanism that is assumed before the data are seen.
    rows : array (m,) of int
        Rows of the samples. A row may be repeated: then these are alternatives, in which other groups are wrong.
    covers : array or sparse array (m, g) of bool
        The groups whose labels the hypothesis explains. `single_groups` makes a sparse array.
    log_likelihood : array (m,)
        Log density of the covered labels under the hypothesis.
    suggest : callable
        ``suggest(i, group)`` returns a pair for sample ``rows[i]`` and the group with number `group`: the label (k,)
        that is right under the hypothesis, and the variance (k,) of the true label around this label.
    why : callable
        ``why(i, group)`` returns a sentence that explains the mistake, for the same sample and group.
    """

    reason: Reason
    mechanism: str
    weight: float
    rows: NDArray[np.intp]
    covers: NDArray[np.bool_] | csr_array
    log_likelihood: Values
    suggest: Callable[[int, int], tuple[Values, Values]]
    why: Callable[[int, int], str]


def single_groups(groups: NDArray[np.intp], count: int) -> csr_array:
    """Return the sparse array (m, `count`) for `Explanation.covers` in which row i covers only the group `groups[i]`.

    Examples
    --------
    >>> single_groups(np.array([2, 0]), 3).toarray().astype(int)
    array([[0, 0, 1],
           [1, 0, 0]])
    """
    m = len(groups)
    return csr_array((np.ones(m, dtype=bool), groups, np.arange(m + 1)), shape=(m, count))
