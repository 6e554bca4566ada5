import json
from dataclasses import replace

import numpy as np
import pytest

from deepgum.audit.corrections.outcomes import suggestion
from deepgum.audit.reasons import REASONS
from deepgum.audit.sample_features import SampleFeatures
from deepgum.audit.summary import ReasonCount
from deepgum.data.crops import Square
from deepgum.report.page.data import flagged_rows, gallery_data
from deepgum.report.page.thumbnails import View


@pytest.fixture
def parts(audited):
    labels = audited.labels()
    places = labels.worst_first()
    views = [View(Square(0.0, 0.0, 64.0), (64, 64))] * len(flagged_rows(places))
    return audited.summary(), labels, places, views


def test_the_data_are_json_without_nan(parts):
    summary, labels, places, views = parts
    labels.given[places[0][0], 0] = np.nan
    labels.mahalanobis[places[0]] = np.inf
    data = json.loads(json.dumps(gallery_data(summary, labels, places, views), allow_nan=False))
    assert data["samples"]["given"][0][0] is None
    assert data["flags"]["distance"][0] is None


def test_every_column_is_as_long_as_there_are_samples_or_flags(parts):
    data = gallery_data(*parts)
    for columns, count in ((data["samples"], 10), (data["flags"], 10)):
        assert {len(values) for name, values in columns.items() if name not in ("problem", "features")} == {count}


def test_features_are_those_of_the_sample(parts):
    summary, labels, places, views = parts
    assert gallery_data(summary, labels, places, views)["features"] == []
    rng = np.random.default_rng(0)
    cells = {
        "area": rng.normal(size=len(labels)).round(3).tolist(),
        "city": [f"c{row % 3}" for row in range(len(labels))],
    }
    features = SampleFeatures.of(cells, labels.ids, sorted(flagged_rows(places)))
    data = gallery_data(summary, labels, places, views, features)
    assert data["features"] == ["area", "city"]
    for row, (columns, values, shares) in zip(data["samples"]["row"], data["samples"]["features"], strict=True):
        shown = {data["features"][column]: value for column, value in zip(columns, values, strict=True)}
        assert shown == {"area": f"{cells['area'][row]:.6g}", "city": cells["city"][row]}
        assert shares == sorted(shares)


def test_suggestions_are_those_of_the_group(parts):
    summary, labels, places, views = parts
    data = gallery_data(summary, labels, places, views)
    for place, suggested in zip(places, data["flags"]["suggested"], strict=True):
        assert tuple(suggested) == suggestion(labels, place)  # what a reviewer takes
    labels.suggested[:] = np.nan
    assert set(gallery_data(summary, labels, places, views)["flags"]["suggested"]) == {None}


def test_only_reasons_that_occur_are_listed_and_a_flag_may_have_none(parts):
    summary, labels, places, views = parts
    kinds = {places[0]: "off", places[1]: "copy"}
    data = gallery_data(summary, replace(labels, kinds=kinds), places, views)
    assert [reason["key"] for reason in data["reasons"]] == ["copy", "off"]
    assert data["flags"]["reason"] == [1, 0] + 8 * [None]


def test_words_of_reasons_are_those_of_the_summary_or_else_of_the_built_in_reasons(parts):
    summary, labels, places, views = parts
    kinds = {places[0]: "off", places[1]: "mine", places[2]: "unknown"}
    counted = replace(summary, reasons=(ReasonCount("mine", "a reason of one's own", 1),))
    reasons = gallery_data(counted, replace(labels, kinds=kinds), places, views)["reasons"]
    assert reasons == [
        {"key": "mine", "words": "a reason of one's own"},
        {"key": "off", "words": REASONS["off"].words},
        {"key": "unknown", "words": "unknown"},
    ]


def test_landmarks_have_the_names_of_their_groups_or_of_their_columns(parts):
    summary, labels, places, views = parts
    named = replace(labels, group_names=("left eye", "right eye"))
    assert [p["name"] for p in gallery_data(summary, named, places, views)["points"]] == ["left eye", "right eye"]
    one = np.zeros((40, 1))
    whole = replace(
        labels, group_names=("sample",), partition=((0, 1, 2, 3),), responsibilities=one, mahalanobis=one,
        kinds={}, why={},
    )  # fmt: skip
    assert [p["name"] for p in gallery_data(summary, whole, places[:1], views[:1])["points"]] == ["a", "b"]


def test_an_absurd_label_does_not_stretch_the_scale(parts):
    summary, labels, places, views = parts
    labels.given[places[0][0], 0] = 1e6
    target = gallery_data(summary, labels, places, views)["targets"][0]
    assert 0 < target["low"] < target["high"] < 64
    right = labels.given[~labels.flags[:, 0], 0]
    assert ((right > target["low"] - 0.5) & (right < target["high"] + 0.5)).all()


def test_a_target_without_any_label_or_prediction_still_has_a_scale(parts):
    summary, labels, places, views = parts
    labels.given[:, 0] = labels.predicted[:, 0] = np.nan
    target = gallery_data(summary, labels, places, views)["targets"][0]
    assert (target["low"], target["high"]) == (0, 1)
