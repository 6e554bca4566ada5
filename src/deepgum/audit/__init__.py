"""Which labels are wrong, why, and what they should be: posteriors of residuals, made into something to act upon.

`ScoredLabels` is what every part of it gives or takes: the scores of a table of predictions, an audit by out-of-fold
predictions, the report, the review and the patch.
"""

from deepgum.audit.labels import ScoredLabels
from deepgum.audit.reason import Reason

__all__ = ["Reason", "ScoredLabels"]
