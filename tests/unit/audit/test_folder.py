import json
from dataclasses import replace

import numpy as np
import pytest

from deepgum.audit.folder import AuditFolder
from deepgum.audit.labels import COLUMNS, ScoredLabels
from deepgum.data.image_reading import ImageReading
from deepgum.errors import InvalidDataError


def test_an_audit_folder_is_read_as_it_was_written(audited):
    labels, summary = audited.labels(), audited.summary()
    assert labels.table().column_names == list(COLUMNS)
    again = AuditFolder(audited.path.with_name("again"))
    again.write(summary, labels, audited.pictures())
    assert again.labels().table() == labels.table()
    assert again.summary() == summary
    assert again.pictures() == audited.pictures()


def test_a_summary_of_version_0_1_0_is_read(audited):
    values = json.loads(audited.summary_file.read_text())
    assert values.pop("reasons") == []  # a key that version 0.1.0 does not have
    audited.summary_file.write_text(json.dumps(values))
    assert audited.summary().reasons == ()


def test_worst_first(audited):
    labels = audited.labels()
    places = labels.worst_first()
    r = [labels.responsibilities[place] for place in places]
    assert len(places) == labels.flags.sum() == 10
    assert r == sorted(r)


def test_norms_are_over_the_observed_coordinates():
    labels = ScoredLabels(
        ids=("a", "b"), target_names=("x", "y"), group_names=("p",), partition=((0, 1),),
        given=np.array([[3.0, np.nan], [np.nan, np.nan]]), predicted=np.zeros((2, 2)),
        responsibilities=np.array([[0.5], [np.nan]]), mahalanobis=np.array([[3.0], [np.nan]]),
        suggested=np.full((2, 2), np.nan), uncertainty=np.full((2, 2), np.nan),
    )  # fmt: skip
    assert labels.residual_norms[0, 0] == 3
    assert np.isnan(labels.residual_norms[1, 0])
    row = labels.table().to_pylist()[1]
    assert (row["responsibility"], row["residual_norm"]) == (None, None)
    assert not labels.flags.any()


def test_residuals_are_wrapped_by_periods():
    one = np.array([[179.0]])
    labels = ScoredLabels(
        ids=("a",), target_names=("yaw",), group_names=("yaw",), partition=((0,),), given=one, predicted=-one,
        responsibilities=one / 200, mahalanobis=one, suggested=one, uncertainty=one, periods=(360.0,),
    )  # fmt: skip
    assert labels.residual_norms.item() == 2


def test_a_folder_without_audit_says_what_to_do(tmp_path):
    with pytest.raises(InvalidDataError, match="deepgum audit DATA"):
        AuditFolder(tmp_path).summary()
    with pytest.raises(InvalidDataError, match="file of scores"):
        AuditFolder(tmp_path).labels()


def test_a_repeated_id_is_named():
    one = np.zeros((2, 1))
    with pytest.raises(InvalidDataError, match=r"should be unique\. Found more than once: a"):
        ScoredLabels(("a", "a"), ("y",), ("y",), ((0,),), one, one, one, one, one, one)


def test_an_audit_folder_keeps_the_reading_of_its_pictures(audited: AuditFolder) -> None:
    summary, labels, pictures = audited.summary(), audited.labels(), audited.pictures()
    assert pictures is not None
    assert pictures.reading == ImageReading()  # the default
    reading = ImageReading(apply_orientation=True, ranges={"16 bits": (0.0, 4095.0)})
    audited.write(summary, labels, replace(pictures, reading=reading))
    again = audited.pictures()
    assert again is not None
    assert again.reading.apply_orientation
    assert {kind: tuple(ends) for kind, ends in again.reading.ranges.items()} == {"16 bits": (0.0, 4095.0)}
