import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from PIL import Image

import deepgum.audit.scoring.table_rows as table_rows
from deepgum.audit import ScoredLabels, score_labels, score_table
from deepgum.audit.labels import COLUMNS
from deepgum.audit.scoring.ids import Digests
from deepgum.audit.scoring.image_sizes import ImageSizes
from deepgum.audit.scoring.spool import Spool
from deepgum.errors import DeepGUMWarning, InvalidDataError, InvalidParameterError

pytestmark = pytest.mark.usefixtures("gaussian_scores")

TARGETS = ["eye_x", "eye_y", "nose_x", "nose_y"]


def faces(n=300, seed=0):
    """A frame with names, labels of two landmarks, a sixth of the first of them wrong, and predictions."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(20, 200, size=(n, 4))
    given, predicted = truth + rng.normal(0, 1, truth.shape), truth + rng.normal(0, 1, truth.shape)
    wrong = np.arange(n) % 6 == 0
    given[wrong, :2] += 30 * np.sign(rng.normal(size=(wrong.sum(), 2)))
    given[[3, 4], 2:] = np.nan
    values = np.hstack([given, predicted])
    frame = pd.DataFrame(values, columns=[*TARGETS, *(f"{name}_hat" for name in TARGETS)])
    frame.insert(0, "id", [f"face {row}" for row in range(n)])
    return frame


def write(frame, path):
    if path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    else:
        frame.to_csv(path, index=False, sep=";" if path.stem == "semicolons" else ",")
    return path


@pytest.fixture(params=["faces.csv", "semicolons.csv", "faces.parquet"])
def table(request, tmp_path):
    return write(faces(), tmp_path / request.param)


def by_hand(frame, **options):
    return score_labels(
        frame[[f"{name}_hat" for name in TARGETS]].to_numpy(), frame[TARGETS], ids=frame["id"], **options
    ).labels


def same(one: ScoredLabels, other: ScoredLabels, rtol=1e-12):
    assert (one.ids, one.target_names, one.group_names) == (other.ids, other.target_names, other.group_names)
    assert one.kinds == other.kinds
    for name in ("given", "predicted", "responsibilities", "mahalanobis", "suggested", "uncertainty"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=rtol, atol=1e-12)


def test_a_table_is_scored_as_its_arrays_are(table):
    scored = score_table(table)
    same(scored.labels, by_hand(faces()))
    assert scored.summary.flags == 50
    assert scored.summary.data.name == "table"
    assert scored.summary.data.path == str(table.resolve())
    assert scored.summary.data.options["targets"] == TARGETS
    assert [(pair.predicted, pair.target) for pair in scored.pairs] == [(f"{name}_hat", name) for name in TARGETS]


@pytest.mark.parametrize("out", ["scores.csv", "scores.parquet"])
def test_the_file_has_one_row_per_sample_and_group_in_the_order_of_the_table(table, tmp_path, out):
    labels = score_table(table, out=tmp_path / "new" / out).labels
    path = tmp_path / "new" / out
    read = pyarrow.csv.read_csv(path) if out.endswith("csv") else pq.read_table(path)
    assert read.column_names == list(COLUMNS)
    assert read.column("id").to_pylist() == [f"face {row}" for row in range(300) for _ in range(2)]
    assert read.column("group").to_pylist() == ["eye", "nose"] * 300
    for name in ("responsibility", "residual_norm", "mahalanobis"):
        np.testing.assert_allclose(
            read.column(name).to_pandas().to_numpy(), labels.table().column(name).to_pandas().to_numpy(), rtol=1e-9
        )
    if out.endswith("parquet"):
        same(ScoredLabels.read(path), labels)
    assert [file.name for file in path.parent.iterdir()] == [out]


@pytest.mark.parametrize("out", ["scores.csv", "scores.parquet"])
def test_a_stream_is_scored_as_what_fits_in_memory_is(table, tmp_path, monkeypatch, out):
    monkeypatch.setattr(table_rows, "BATCH", 8 * 37)  # of 37 rows, and the last of 4
    stages = []
    options = {"inliers": "gaussian", "periods": {"nose_y": 360}, "unit": "px"}
    whole = score_table(table, out=tmp_path / f"whole-{out}", on_stage=stages.append, **options)
    assert not stages
    streamed = score_table(table, out=tmp_path / out, in_memory=600, on_stage=stages.append, **options)
    assert len(stages) == 3
    assert streamed.labels is None
    paths = (tmp_path / f"whole-{out}", tmp_path / out)
    one, other = (pd.read_csv(path) if out.endswith("csv") else pd.read_parquet(path) for path in paths)
    if out.endswith("parquet"):
        labels = [ScoredLabels.read(path) for path in paths]
        same(*labels, rtol=1e-8)
        assert labels[0].why == labels[1].why
        assert pq.read_schema(paths[0]).equals(pq.read_schema(paths[1]), check_metadata=True)
    else:
        numbers = ["responsibility", "residual_norm", "mahalanobis"]
        np.testing.assert_allclose(one[numbers], other[numbers], rtol=1e-8, atol=1e-12)
        assert one.drop(columns=[*numbers, "uncertainty"]).equals(other.drop(columns=[*numbers, "uncertainty"]))
    a, b = whole.summary, streamed.summary
    assert (a.samples, a.labels, a.flags, a.data) == (b.samples, b.labels, b.flags, b.data)
    assert a.expected_false_flags == pytest.approx(b.expected_false_flags, rel=1e-6)
    assert [group.status for group in a.groups] == [group.status for group in b.groups]
    assert [flag[:4] for flag in whole.worst] == [flag[:4] for flag in streamed.worst]
    assert {path.name for path in tmp_path.iterdir()} == {table.name, out, f"whole-{out}"}


def test_a_stream_without_an_output_file_is_summarised(table):
    assert score_table(table, in_memory=0).summary.flags == 50


def test_a_spool_gives_back_what_was_written(tmp_path, monkeypatch):
    monkeypatch.setattr(table_rows, "BATCH", 512)
    frame = faces(100)
    layout = table_rows.Layout.of(write(frame.rename(columns={"id": "file"}), tmp_path / "faces.csv"), image="file")
    rows = list(table_rows.read_rows(layout))
    assert [len(part) for part in rows] == [64, 36]
    with Spool(tmp_path) as spool:
        spool.write(iter(rows))
        for part, again in zip(rows, spool, strict=True):
            assert list(part.places) == list(again.places)
            assert list(part.images) == list(again.images) == list(again.names)
            np.testing.assert_array_equal(part.given, again.given)
            np.testing.assert_array_equal(part.predicted, again.predicted)


@pytest.mark.fault(14)
def test_a_killed_stream_leaves_nothing_because_its_rows_have_no_name(tmp_path, monkeypatch):
    monkeypatch.setattr(table_rows, "BATCH", 512)
    path = write(faces(100), tmp_path / "faces.csv")
    seen = []
    score_table(
        path,
        out=tmp_path / "out.csv",
        in_memory=0,
        on_stage=lambda _: seen.append({p.name for p in tmp_path.iterdir()}),
    )
    assert len(seen) == 3  # the rows are read, the mixture is fitted, the labels are scored
    assert seen[:2] == [{"faces.csv"}] * 2


def test_another_order_of_rows_changes_only_the_order_of_scores(tmp_path):
    frame = faces()
    shuffled = frame.sample(frac=1, random_state=1)
    one = score_table(write(frame, tmp_path / "a.csv")).labels
    other = score_table(write(shuffled, tmp_path / "b.csv")).labels
    assert list(other.ids) == shuffled["id"].tolist()
    np.testing.assert_allclose(other.responsibilities, one.responsibilities[shuffled.index], rtol=1e-6, atol=1e-12)


def test_separated_columns_of_a_landmark_are_joined(tmp_path):
    columns = ["id", "eye_x", "nose_x", "eye_y", "nose_y", *(f"{name}_hat" for name in TARGETS)]
    labels = score_table(write(faces()[columns], tmp_path / "faces.csv")).labels
    same(labels, by_hand(faces()))


@pytest.mark.parametrize("in_memory", [2_000_000, 0])
def test_samples_are_named_by_ids_or_else_images_or_else_rows(tmp_path, in_memory):
    frame = faces(60)

    def ids(path, **options):
        out = tmp_path / "out.parquet"
        score_table(path, out=out, in_memory=in_memory, **options)
        return ScoredLabels.read(out).ids

    renamed = frame.rename(columns={"id": "name"}).assign(file=[f"{row // 2}.png" for row in range(60)])
    path = write(renamed, tmp_path / "faces.csv")
    assert ids(write(frame, tmp_path / "a.csv"))[:2] == ("face 0", "face 1")
    assert ids(path, id="name")[:2] == ("face 0", "face 1")
    assert ids(path)[:2] == ("faces:line 2", "faces:line 3")
    assert ids(write(renamed, tmp_path / "faces.parquet"))[:2] == ("faces:row 1", "faces:row 2")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeepGUMWarning)  # the images are not there
        assert ids(path, image="file")[:2] == ("0.png:line 2", "0.png:line 3")
        assert ids(write(renamed.assign(file=frame["id"]), tmp_path / "b.csv"), image="file")[0] == "face 0"


def spoiled(column, row, value):
    frame = faces(60).astype({column: object})
    frame.loc[row, column] = value
    return frame


BAD = {
    "text": (spoiled("eye_x", 4, "left"), r"line 6, column 'eye_x': a cell should be a number.* Found 'left'"),
    "infinite": (
        spoiled("eye_x_hat", 4, "inf"),
        r"line 6, column 'eye_x_hat': .* a number.* Found 'inf'",
    ),
    "no prediction": (
        spoiled("eye_x_hat", 4, None),
        r"line 6, column 'eye_x_hat': a cell should be a prediction, because",
    ),
    "ids": (spoiled("id", 4, "face 2"), r"line 6, column 'id': .* no other row has. Found 'face 2'"),
    "no id": (spoiled("id", 4, None), r"line 6, column 'id': a cell should be some text"),
    "three rows": (faces(60).head(3), "at least 10 samples to find wrong labels among them. Found 3"),
    "no rows": (faces(60).head(0), "at least one row"),
    "all the same": (faces(60).assign(nose_y=5), r"from sample to sample.* nose_y \(always 5\)"),
    "no labels": (faces(60).assign(**dict.fromkeys(TARGETS, np.nan)), "There should be labels"),
    "no pair": (faces(60).drop(columns="eye_x"), "none for eye_x_hat"),
    "no labels' columns": (faces(60).drop(columns=TARGETS), "predictions and labels with matching names"),
}


@pytest.mark.parametrize("in_memory", [2_000_000, 50], ids=["memory", "stream"])
@pytest.mark.parametrize("fault", BAD)
def test_a_faulty_table_is_refused_and_nothing_is_written(fault, in_memory, tmp_path):
    frame, message = BAD[fault]
    path = write(frame, tmp_path / "faces.csv")
    with pytest.raises(InvalidDataError, match=message):
        score_table(path, out=tmp_path / "scores.csv", in_memory=in_memory)
    assert [file.name for file in tmp_path.iterdir()] == ["faces.csv"]


def test_repeated_ids_are_found_across_batches(tmp_path, monkeypatch):
    monkeypatch.setattr(table_rows, "BATCH", 512)
    frame = faces()
    frame.loc[[200, 250], "id"] = frame["id"][10]
    for path, place in (("a.csv", "line 202"), ("a.parquet", "row 201")):
        with pytest.raises(InvalidDataError, match=rf"{place}, column 'id': .* 'face 10'. 1 more is repeated"):
            score_table(write(frame, tmp_path / path), in_memory=100)


def test_digests_find_what_a_set_finds():
    rng = np.random.default_rng(0)
    names = [str(number) for number in rng.integers(0, 500, size=700)]
    digests, seen, repeated = Digests(), set(), []
    for first in range(0, 700, 64):
        digests.add(names[first : first + 64])
    for place, name in enumerate(names):
        if name in seen:
            repeated.append(place)
        seen.add(name)
    assert digests.repeated() == repeated
    assert Digests().repeated() == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"id": "name"}, "`id` should be a column of the table. .* The table has id, eye_x"),
        ({"image": "file"}, "`image` should be a column of the table"),
        ({"pred": ["p_*"]}, "`pred` should be columns of the table"),
        ({"periods": {"yaw": 360}}, "`periods` should be one of 'eye_x'"),
        ({"in_memory": -1}, "`in_memory` should be a whole number of at least 0"),
    ],
)
def test_options_that_do_not_fit_the_table_are_named(options, message, tmp_path):
    path = write(faces(60), tmp_path / "faces.csv")
    with pytest.raises(InvalidParameterError, match=message):
        score_table(path, **options)


def test_files_that_cannot_be_read_or_written_to(tmp_path):
    path = write(faces(60), tmp_path / "faces.csv")
    before = path.read_bytes()
    with pytest.raises(InvalidParameterError, match="`out` should be another file than the inputs"):
        score_table(path, out=tmp_path / "." / "faces.csv")
    assert path.read_bytes() == before
    with pytest.raises(InvalidParameterError, match="`path` should be a CSV or Parquet file"):
        score_table(tmp_path / "none.csv")
    (tmp_path / "faces.parquet").write_bytes(before)
    with pytest.raises(InvalidDataError, match="should be a Parquet file"):
        score_table(tmp_path / "faces.parquet")


def test_a_failed_write_keeps_the_old_scores(tmp_path, monkeypatch):
    path, out = write(faces(), tmp_path / "faces.csv"), tmp_path / "scores.parquet"
    score_table(path, out=out)
    before = out.read_bytes()
    whole = ScoredLabels.table
    calls = []

    def table(self):
        calls.append(len(self))
        if len(calls) == 3:
            raise OSError(28, "No space left on device")
        return whole(self)

    monkeypatch.setattr(table_rows, "BATCH", 512)
    monkeypatch.setattr(ScoredLabels, "table", table)
    with pytest.raises(OSError, match="No space left"):
        score_table(path, out=out, in_memory=0)
    assert len(calls) == 3
    assert out.read_bytes() == before
    assert {file.name for file in tmp_path.iterdir()} == {"faces.csv", "scores.parquet"}


def test_the_files_of_predictions_of_this_library_are_scored(tmp_path):
    from deepgum.experiments.runs.tables import Predictions

    frame = faces()
    predicted, given = frame[[f"{name}_hat" for name in TARGETS]].to_numpy(), frame[TARGETS].to_numpy()
    for name in ("predictions.csv", "predictions.parquet"):
        Predictions(tuple(frame["id"]), tuple(TARGETS), predicted, given).write(tmp_path / name)
        labels = score_table(tmp_path / name).labels
        # A target has the name of its column, so that corrections find the column.
        assert labels.target_names == tuple(f"label_{name}" for name in TARGETS)
        np.testing.assert_allclose(labels.responsibilities, by_hand(frame).responsibilities)


def test_only_the_requested_image_sizes_are_read(tmp_path):
    Image.new("L", (30, 20)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("no image")
    images = ImageSizes(tmp_path)
    sizes = images.sizes(["a.png", "b.png", "a.png"])([0, 1])
    np.testing.assert_array_equal(sizes, [[30, 20], [np.nan, np.nan], [np.nan, np.nan]])
    assert images.unreadable == ["b.png"]
    with pytest.warns(DeepGUMWarning, match="image sizes of flagged samples cannot be read: b.png"):
        images.warn()


def test_numbers_of_a_parquet_file_may_be_of_any_type(tmp_path):
    frame = faces()
    for name in TARGETS:
        frame[name] = frame[name].round()
        frame[f"{name}_hat"] = frame[f"{name}_hat"].astype("float32")
    expected = score_table(write(frame, tmp_path / "a.parquet")).labels
    whole = pa.Table.from_pandas(frame, preserve_index=False)
    for name in TARGETS:
        place = whole.column_names.index(name)
        whole = whole.set_column(
            place, name, pa.array(frame[name].to_numpy(), pa.float64(), from_pandas=True).cast("int16")
        )
    pq.write_table(whole, tmp_path / "b.parquet")
    same(score_table(tmp_path / "b.parquet").labels, expected)
