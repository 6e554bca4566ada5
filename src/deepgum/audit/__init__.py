"""Which labels are wrong, why, and what they should be: posteriors of residuals, made into something to act upon.

`ScoredLabels` is what every part of it gives or takes: the scores of a table of predictions, an audit by out-of-fold
predictions, the report, the review and the patch.
"""

from deepgum.audit.labels import Reason, ScoredLabels
from deepgum.audit.out_of_fold.audit_labels import audit_labels
from deepgum.audit.scoring.score import Scored, score_labels
from deepgum.audit.scoring.score_table import ScoredTable, score_table

__all__ = ["Reason", "Scored", "ScoredLabels", "ScoredTable", "audit_labels", "score_labels", "score_table"]
