from dataclasses import replace

import numpy as np

from deepgum.audit.corrections.decisions import Decision
from deepgum.audit.corrections.patch_of import patch_of


def test_a_patch_holds_the_old_labels_and_the_reasons(audited):
    labels = audited.labels()
    patch = patch_of(
        audited,
        [
            Decision(labels.ids[4], "a", "drop", who="ann", at="2024-05-01T10:00:00"),
            Decision(labels.ids[0], "a", "fix", (7.0, 8.0), reason="clicked"),
        ],
    )
    assert [change.id for change in patch.changes] == [labels.ids[0], labels.ids[4]]
    fixed, dropped = patch.changes
    assert (fixed.old, fixed.new, fixed.reason) == (
        tuple(labels.given[0, :2]),
        (7.0, 8.0),
        "Corrected by hand. clicked",
    )
    assert dropped.reason == labels.why[4, 0]
    assert (dropped.who, dropped.at) == ("ann", "2024-05-01T10:00:00")
    assert (patch.dataset, patch.source, patch.unit) == ("table", "faces.csv", "px")
    # What leads to the labels, and no path of the machine that it was made on.
    assert patch.options == {"targets": ["a_x", "a_y", "b_x", "b_y"], "image": "file"}


def test_old_labels_have_the_digits_of_a_float32(audited):
    labels = audited.labels()
    given = labels.given.copy()
    given[0, :2] = np.float32(31.4), np.nan
    audited.write(audited.summary(), replace(labels, given=given), audited.pictures())
    (change,) = patch_of(audited, [Decision(labels.ids[0], "a", "keep")]).changes
    assert change.old[0] == 31.4
    assert np.isnan(change.old[1])
