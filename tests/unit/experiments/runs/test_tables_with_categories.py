"""Tables with categories, gaps, dates and true or false, from the file to the network and back."""

from __future__ import annotations

import csv
import json

import numpy as np
import pandas as pd
import pytest
import torch

from deepgum.audit.corrections.patch import Change, Patch
from deepgum.data import load_table
from deepgum.data.feature_encoding import FeatureEncoding
from deepgum.errors import InvalidDataError, InvalidParameterError
from deepgum.experiments.audits.config import config_of
from deepgum.experiments.audits.gain import gain_of
from deepgum.experiments.audits.run import run_audit
from deepgum.experiments.runs.config import RunConfig
from deepgum.experiments.runs.evaluate import evaluate_run
from deepgum.experiments.runs.predict import predict_inputs
from deepgum.experiments.runs.run import run
from deepgum.export import export_run
from deepgum.models import build_model
from deepgum.models.table_inputs import TableInputs
from deepgum.posteriors.label_mixture import LabelMixture

N = 120
RNG = np.random.default_rng(0)
AREA, TOWN = RNG.normal(60, 10, N), RNG.choice(["bern", "kiel", "lyon"], N)
RENT = 2 * AREA + 30 * (TOWN == "kiel") + RNG.normal(size=N)
FEATURES = ["area", "town"]


def write(path, rows, header=("area", "town", "rent")):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    area = ["" if row % 11 == 0 else f"{value:.2f}" for row, value in enumerate(AREA)]
    town = ["" if row % 13 == 0 else name for row, name in enumerate(TOWN)]
    return write(tmp_path_factory.mktemp("flats") / "flats.csv", zip(area, town, np.round(RENT, 2), strict=True))


@pytest.fixture(scope="module")
def trained(table, tmp_path_factory):
    config = RunConfig.from_mapping(
        {
            "data": {"name": "table", "folder": str(table), "options": {"targets": ["rent"], "features": FEATURES}},
            "model": {"name": "mlp"},
            "method": {"name": "l1"},
            "training": {"epochs_max": 2},
        }
    )
    return run(config, tmp_path_factory.mktemp("run") / "run").path


def test_the_matrix_has_places_of_categories_and_gaps(table):
    data = load_table(table, targets=["rent"], features=FEATURES).data
    assert data.encoding == FeatureEncoding(("area", "town"), ((), ("bern", "kiel", "lyon")), (True, True))
    gaps = np.isnan(np.asarray(data.inputs))
    np.testing.assert_array_equal(gaps, [[row % 11 == 0, row % 13 == 0] for row in range(N)])
    known = ~gaps[:, 1]
    names = np.array(["bern", "kiel", "lyon"])[np.asarray(data.inputs)[known, 1].astype(int)]
    np.testing.assert_array_equal(names, TOWN[known])


def test_a_table_of_numbers_without_gaps_has_no_encoding(tmp_path):
    data = load_table(write(tmp_path / "a.csv", [("1", "2", "3")] * 12), targets=["rent"], features=FEATURES).data
    assert data.encoding is None


@pytest.mark.filterwarnings("ignore::deepgum.errors.DeepGUMWarning")
def test_parquet_columns_of_other_types_are_numbers_or_categories(tmp_path):
    frame = pd.DataFrame(
        {
            "day": pd.to_datetime(["2020-01-01", "2020-01-03", None]),
            "lift": [True, False, True],
            "kind": pd.Categorical(["old", "new", "old"]),
            "rent": [1.0, 2.0, 3.0],
        }
    )
    frame.to_parquet(tmp_path / "a.parquet")
    data = load_table(tmp_path / "a.parquet", targets=["rent"], features=["day", "lift", "kind"]).data
    assert data.encoding.categories == ((), (), ("new", "old"))
    inputs = np.asarray(data.inputs)
    assert inputs[1, 0] - inputs[0, 0] == 2  # days
    np.testing.assert_array_equal(inputs[:, 1:], [[1, 1], [0, 0], [1, 1]])


@pytest.mark.case(13)
@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([(str(k), "x", "1") for k in range(30)] + [("n.n.", "x", "1")], "line 32, column 'area'.*Found 'n.n.'"),
        ([(f"{k},5", "x", "1") for k in range(30)], "line 2, column 'area'.*--decimal ,"),
        ([("1", f"flat {k}", "1") for k in range(600)], "'town'.*at most 255 different texts. Found 600 in 600 rows"),
        ([("1", f"flat {k}", "1") for k in range(60)], "'town'.*at most 30 different texts. Found 60 in 60 rows"),
    ],
)
def test_columns_that_are_neither_numbers_nor_categories_are_named(tmp_path, rows, message):
    with pytest.raises(InvalidDataError, match=message):
        load_table(write(tmp_path / "a.csv", rows), targets=["rent"], features=FEATURES)


@pytest.mark.case(13)
def test_free_texts_are_learned_and_new_tables_are_read_in_the_same_way(tmp_path):
    rng = np.random.default_rng(0)
    good = rng.random(200) < 0.5
    kinds = np.where(good, "sunny garden flat", "dark cellar room")
    names = [f"{kind}, {rng.choice(10**6)} by the owner" for kind in kinds]
    table = write(tmp_path / "a.csv", [(names[row], "1", 5.0 * good[row] + rng.normal() / 10) for row in range(200)])
    config = RunConfig.from_mapping(
        {
            "data": {"name": "table", "folder": str(table), "options": {"targets": ["rent"], "features": FEATURES}},
            "model": {"name": "mlp"},
            "method": {"name": "l1"},
            "training": {"epochs_max": 20},
        }
    )
    trained = run(config, tmp_path / "run").path
    encoding = json.loads((trained / "network.json").read_text())["encoding"]
    assert encoding["texts"] == ["area"] * 32 + [""]
    # Other columns, another order, and a text that the training has not seen.
    rows = [("x", "1", "sunny garden flat by someone"), ("x", "1", "dark cellar room by someone"), ("x", "1", "")]
    new = write(tmp_path / "new.csv", rows, ("other", "town", "area"))
    bright, dark, none = predict_inputs(trained, [new]).predicted[:, 0]
    assert bright - dark > 2
    assert np.isfinite(none)


@pytest.mark.case(13)
def test_a_table_without_inputs_says_which_columns_there_are(table):
    with pytest.raises(InvalidParameterError, match=r"Say what the input is: --features or --image.*'area', 'town'"):
        load_table(table, targets=["rent"])


def test_the_layer_is_learned_from_the_training_part_only():
    encoding = FeatureEncoding(("x", "kind"), ((), ("a", "b")), (True, False))
    train = torch.tensor([[1.0, 0.0], [3.0, 0.0], [torch.nan, 0.0]])
    layer = TableInputs.for_features(encoding, train)
    new = torch.tensor([[torch.nan, 1.0], [9.0, -1.0]])
    torch.testing.assert_close(layer(new), torch.tensor([[2.0, 1.0, 0.0, 1.0], [9.0, 0.0, 0.0, 0.0]]))


def test_a_category_that_the_training_part_lacks_changes_nothing(table):
    data = load_table(table, targets=["rent"], features=FEATURES).data
    train = data.subset(np.flatnonzero(np.asarray(data.inputs)[:, 1] != 2))
    network = build_model("mlp", train, seed=0).eval()
    known, unknown = (torch.tensor([[60.0, place]]) for place in (2.0, -1.0))
    torch.testing.assert_close(network(known), network(unknown))


def test_new_tables_are_read_as_the_training_table(trained, tmp_path):
    assert json.loads((trained / "network.json").read_text())["encoding"]["categories"] == [
        [],
        ["bern", "kiel", "lyon"],
    ]
    # The places of categories are those of the training, although this table has others.
    rows = [("60", "kiel"), ("60", "paris"), ("", "kiel"), ("60", "")]
    new = write(tmp_path / "new.csv", rows, ("area", "town"))
    found = predict_inputs(trained, [new]).predicted[:, 0]
    one = predict_inputs(trained, [write(tmp_path / "one.csv", rows[:1], ("area", "town"))]).predicted[:, 0]
    np.testing.assert_allclose(found[:1], one, rtol=1e-6)
    assert len(set(found.round(4).tolist())) == 4
    with pytest.raises(InvalidDataError, match=r"column 'area'.*a number.*Found 'large'"):
        predict_inputs(trained, [write(tmp_path / "bad.csv", [("large", "kiel")], ("area", "town"))])
    np.savez(tmp_path / "features.npz", features=np.zeros((2, 2), np.float32))
    with pytest.raises(InvalidParameterError, match="some hold categories, texts or gaps"):
        predict_inputs(trained, [tmp_path / "features.npz"])


def test_errors_on_another_table_use_the_categories_of_the_training(trained, tmp_path):
    rows = [(f"{area:.2f}", town, f"{rent:.2f}") for area, town, rent in zip(AREA, TOWN, RENT, strict=True)]
    expected = evaluate_run(trained, write(tmp_path / "all.csv", rows)).mae
    part = [row for row in rows if row[1] == "lyon"]  # alone, its place would be 0
    others = [row for row in rows if row[1] != "lyon"]
    mae = [evaluate_run(trained, write(tmp_path / f"{k}.csv", each)).mae for k, each in enumerate((part, others))]
    assert np.average(mae, weights=[len(part), len(others)]) == pytest.approx(expected, rel=1e-5)


def test_the_onnx_file_takes_places_and_gaps_and_lists_them(trained, table, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    export_run(trained, [tmp_path / "net.onnx"])
    session = runtime.InferenceSession(tmp_path / "net.onnx")
    about = json.loads(session.get_modelmeta().custom_metadata_map["deepgum.features"])
    assert about["categories"][1] == ["bern", "kiel", "lyon"]
    inputs = np.asarray(load_table(table, targets=["rent"], features=FEATURES).data.inputs, dtype=np.float32)
    (found,) = session.run(None, {"inputs": inputs})
    expected = predict_inputs(trained, [table]).predicted
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.case(13)
def test_an_audit_and_its_gain_take_categories_and_gaps(table, tmp_path, monkeypatch):
    fit = LabelMixture.fit
    monkeypatch.setattr(LabelMixture, "fit", lambda *given, **options: fit(*given, **options | {"intervals": False}))
    changes = {"audit.folds": 2, "audit.rounds": 1, "training.epochs_max": 1}
    config = config_of(table, changes, {"targets": ("rent",), "features": tuple(FEATURES)})
    folder = run_audit(config, tmp_path / "audit")
    labels = folder.labels()
    assert labels.responsibilities.shape == (N, 1)
    assert np.isfinite(labels.predicted).all()
    change = Change(labels.ids[5], "rent", (labels.given[5, 0],), (100.0,), "fix")
    found = gain_of(folder, Patch("table", {}, ("rent",), {"rent": (0,)}, changes=(change,)), seeds=1)
    assert np.isfinite(found.errors[0].before)
