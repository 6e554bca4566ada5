"""Audits of labels: how probably each label is wrong, why it is wrong, and what it should be.

- `deepgum.audit.scoring` scores labels by predictions of the user: arrays, tables and streams.
- `deepgum.audit.out_of_fold` first predicts each label by networks or regressors that were not trained on this label.
- `deepgum.audit.reasons` explains the flags; other packages can add reasons.
- `deepgum.audit.corrections` turns decisions about flags into patches and corrected files.

These packages, the report and the review pass scores to each other as `ScoredLabels`.
"""

from deepgum.audit.labels import ScoredLabels
from deepgum.audit.out_of_fold.audit_labels import audit_labels
from deepgum.audit.reasons import Reason
from deepgum.audit.scoring.score import Scored, score_labels
from deepgum.audit.scoring.score_keypoints import score_keypoints
from deepgum.audit.scoring.score_table import ScoredTable, score_table

__all__ = [
    "Reason",
    "Scored",
    "ScoredLabels",
    "ScoredTable",
    "audit_labels",
    "score_keypoints",
    "score_labels",
    "score_table",
]
