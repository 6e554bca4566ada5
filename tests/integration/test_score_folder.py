"""Scores in a folder: the report, the review and corrections take them like an audit, and the page tells the truth."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from deepgum.audit.folder import AuditFolder
from deepgum.cli import main
from deepgum.experiments.audits.score_folder import score_to_folder
from deepgum.report.page.thumbnails import PictureViewer
from deepgum.review.session import Review

pytestmark = pytest.mark.usefixtures("gaussian_scores")

ROWS, WRONG = 60, (4, 17, 31)
SIZE = (80, 50)
TRUE = (30.0, 20.0)


def deepgum(*arguments: object, code: int = 0) -> str:
    result = CliRunner(env={"COLUMNS": "200"}).invoke(main, [*map(str, arguments)])
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


def landmarks() -> tuple[np.ndarray, np.ndarray]:
    """Return labels and predictions (n, 2, 2) in pixels; the first landmark of the rows `WRONG` is far off."""
    rng = np.random.default_rng(0)
    truth = np.array([TRUE, [50.0, 30.0]]) + rng.uniform(-8, 8, (ROWS, 2, 2))
    labels, predicted = ((truth + rng.normal(0, 0.4, truth.shape)).round(2) for _ in range(2))
    labels[WRONG, 0] = [[70.0, 45.0], [3.5, 40.25], [75.0, 2.0]]
    return labels, predicted


def write_images(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for row in range(ROWS):
        Image.new("RGB", SIZE, (row, 90, 30)).save(folder / f"{row:02d}.png")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / ".cache"))


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """A table of landmarks with image files; the columns of labels have a prefix, as those of `deepgum predict`."""
    labels, predicted = landmarks()
    frame = pd.DataFrame({"file": [f"photos/{row:02d}.png" for row in range(ROWS)], "camera": np.arange(ROWS) % 3})
    for place, name in enumerate(("eye_x", "eye_y", "nose_x", "nose_y")):
        frame[f"label_{name}"] = labels.reshape(ROWS, -1)[:, place]
        frame[f"predicted_{name}"] = predicted.reshape(ROWS, -1)[:, place]
    frame.to_csv(tmp_path / "faces.csv", index=False)
    write_images(tmp_path / "photos")
    return tmp_path / "faces.csv"


@pytest.fixture
def persons(tmp_path: Path) -> tuple[Path, Path]:
    """A COCO file with boxes, and the predictions of a model as COCO results."""
    both = []
    for points, visible in zip(landmarks(), (2, 0.9), strict=True):
        both.append(
            [
                {
                    "id": 100 + row,
                    "image_id": row,
                    "category_id": 1,
                    "bbox": [10, 0, 50, 45],
                    "keypoints": [number for x, y in each.tolist() for number in (x, y, visible)],
                }
                for row, each in enumerate(points)
            ]
        )
    category = {"id": 1, "name": "cat", "keypoints": ["eye", "nose"], "skeleton": [[1, 2]]}
    images = [{"id": row, "file_name": f"{row:02d}.png", "width": SIZE[0], "height": SIZE[1]} for row in range(ROWS)]
    content = {"images": images, "annotations": both[0], "categories": [category]}
    (tmp_path / "labels.json").write_text(json.dumps(content, indent=1))
    (tmp_path / "results.json").write_text(json.dumps(both[1]))
    return tmp_path / "labels.json", tmp_path / "results.json"


def review(run: Path, patch: Path) -> dict[str, tuple[float, ...]]:
    """Take the suggestion for each flagged label, and export the patch. Return the new values by sample."""
    folder = AuditFolder(run)
    with Review(folder) as opened:
        assert [opened.labels.ids[row] for row, _ in opened.places]
        fixed = opened.together(opened.places, "fix", suggested=True, reason="")
        opened.store.decide_many(fixed)
    deepgum("review", run, "--export", f"patch={patch}")
    return {each.sample: each.new for each in fixed if each.new is not None}


def text_of(page: Path) -> str:
    text = re.sub(r"<(script|style|svg).*?</\1>", " ", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def gallery_of(page: Path) -> dict:
    found = re.search(r'id="gallery-data">(.*?)</script>', page.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_a_table_with_images_is_looked_at_reviewed_and_corrected(faces: Path, tmp_path: Path) -> None:
    run, patch, new = tmp_path / "run", tmp_path / "fixes.patch.jsonl", tmp_path / "new.csv"
    output = deepgum("score", faces, "--image", "file", "--features", "camera", "--unit", "px", "--out", run)
    assert f"Written: {run / 'report.html'} Review the flagged labels: deepgum review {run}" in output
    folder = AuditFolder(run)
    labels, pictures, features = folder.labels(), folder.pictures(), folder.features()
    wrong = tuple(f"photos/{row:02d}.png" for row in WRONG)
    assert {labels.ids[row] for row, _ in labels.worst_first()} == set(wrong)

    assert pictures is not None
    assert features is not None
    viewer = PictureViewer.of(folder.summary().data, pictures)
    view, jpeg = viewer.jpeg(WRONG[0], 64)
    assert view.size == SIZE
    assert jpeg is not None
    assert dict(zip(features.ids, features.values, strict=True)) == {
        name: (str(row % 3),) for name, row in zip(wrong, WRONG, strict=True)
    }
    gallery = gallery_of(run / "report.html")
    assert len(gallery["points"]) == 2
    assert gallery["features"] == ["camera"]

    fixed = review(run, patch)
    deepgum("apply", patch, faces, "--out", new)
    with open(faces, newline="") as before, open(new, newline="") as after:
        changed = {
            (old["file"], name): float(cells[name])
            for old, cells in zip(csv.DictReader(before), csv.DictReader(after), strict=True)
            for name in old
            if old[name] != cells[name]
        }
    assert changed == {
        (sample, f"label_eye_{axis}"): value
        for sample, point in fixed.items()
        for axis, value in zip("xy", point, strict=True)
    }
    assert all(abs(value - TRUE["xy".index(name[-1])]) < 10 for (_, name), value in changed.items())

    # An image that was exchanged after the scores is not shown: the labels may belong to the other one.
    Image.new("RGB", SIZE, "red").save(faces.parent / wrong[0])
    assert "has changed" in viewer.view(WRONG[0]).problem


def test_a_table_without_images_has_values_on_scales(faces: Path, tmp_path: Path) -> None:
    run, patch, new = tmp_path / "run", tmp_path / "fixes.patch.jsonl", tmp_path / "new.csv"
    deepgum("score", faces, "--out", run)
    assert not (run / "pictures.parquet").exists()
    gallery = gallery_of(run / "report.html")
    assert (gallery["pictures"], gallery["points"]) == (False, [])
    assert "given, outside the scale" in text_of(run / "report.html")
    with Review(AuditFolder(run)) as opened:
        assert opened.data["landmarks"] is False  # values are typed, and no picture has a mark to drag
    review(run, patch)
    deepgum("apply", patch, faces, "--out", new)
    assert new.read_text() != faces.read_text()


@pytest.mark.parametrize("folder", ["photos", ""])
def test_keypoints_are_shown_around_their_instance_and_corrected(
    persons: tuple[Path, Path], tmp_path: Path, folder: str
) -> None:
    run, patch, new = tmp_path / "run", tmp_path / "fixes.patch.jsonl", tmp_path / "new.json"
    if folder:
        write_images(tmp_path / folder)
    options = ["--images", tmp_path / folder] if folder else []
    output = deepgum("score", *persons, *options, "--out", run)
    scores = AuditFolder(run)
    if folder:
        pictures = scores.pictures()
        assert pictures is not None
        left, top, side = pictures.square(WRONG[1])
        assert (left + side / 2, top + side / 2) == (35, 22.5)  # the centre of the box
        assert pictures.squares[WRONG[1] + 1] is None  # nothing of this sample is shown
        assert gallery_of(run / "report.html")["skeleton"] == [[0, 1]]
    else:
        assert "The report has no pictures. No image of a flagged sample" in output
        assert "--images DIR" in output
        assert scores.pictures() is None
        assert gallery_of(run / "report.html")["skeleton"] == []
    assert "Predictions results.json" in text_of(run / "report.html")
    fixed = review(run, patch)
    assert len(fixed) == len(WRONG)
    deepgum("apply", patch, persons[0], "--out", new)
    expected = json.loads(persons[0].read_text())
    for row in WRONG:
        x, y = fixed[f"{row:02d}.png"]
        expected["annotations"][row]["keypoints"][:2] = [x, y]
    assert json.loads(new.read_text()) == expected


def test_images_of_another_size_than_the_file_states_are_refused(persons: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for row in range(ROWS):
        Image.new("RGB", SIZE[::-1]).save(tmp_path / "photos" / f"{row:02d}.png")
    output = deepgum("score", *persons, "--images", tmp_path / "photos", "--out", tmp_path / "run", code=2)
    assert "--apply-orientation" in output
    assert not (tmp_path / "run").exists()


def test_turned_images_are_shown_turned(faces: Path, tmp_path: Path) -> None:
    for row in range(ROWS):
        image = Image.new("RGB", SIZE[::-1])
        image.getexif()[0x0112] = 6
        image.save(tmp_path / "photos" / f"{row:02d}.png", exif=image.getexif())
    sizes = []
    for name, options in (("stored", []), ("turned", ["--apply-orientation"])):
        deepgum("score", faces, "--image", "file", *options, "--out", tmp_path / name)
        folder = AuditFolder(tmp_path / name)
        pictures = folder.pictures()
        assert pictures is not None
        sizes.append(PictureViewer.of(folder.summary().data, pictures).view(WRONG[0]).size)
    assert sizes == [SIZE[::-1], SIZE]


def test_the_page_says_what_is_true_for_scores(faces: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(faces).assign(day=np.arange(ROWS) // 6)
    frame.to_csv(faces, index=False)
    deepgum("score", faces, "--runs", "day", "--groups", "sample", "--out", tmp_path / "run")
    text = text_of(tmp_path / "run" / "report.html")
    assert "Nothing was trained: given predictions were compared with the labels." in text
    assert "Predictions predicted_eye_x, predicted_eye_y, predicted_nose_x and 1 more" in text
    assert "from the column of --runs ." in text
    for word in ("network", "were trained on", "fold", "Rounds", "Time", "Model "):
        assert word not in text


def test_a_long_table_gets_the_same_folder(faces: Path, tmp_path: Path) -> None:
    columns = {"image": "file", "features": ["camera"]}
    short, _ = score_to_folder(faces, None, tmp_path / "short", columns=columns)
    long, scored = score_to_folder(faces, None, tmp_path / "long", columns=columns | {"in_memory": 0})
    assert scored.labels is None  # it was scored in batches
    assert long.pictures() == short.pictures()
    assert long.features() == short.features()
    np.testing.assert_allclose(long.labels().responsibilities, short.labels().responsibilities, atol=1e-6)


def test_scores_without_decisions_are_replaced_whole(faces: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    deepgum("score", faces, "--image", "file", "--features", "camera", "--out", run)
    deepgum("score", faces, "--unit", "px", "--out", run)
    folder = AuditFolder(run)
    assert folder.summary().data.unit == "px"
    assert folder.pictures() is None
    assert folder.features() is None
    before = {file.name: file.read_bytes() for file in run.iterdir() if file.suffix}
    deepgum("score", faces, "--target", "label_mouth_x", "--out", run, code=2)
    assert {file.name: file.read_bytes() for file in run.iterdir() if file.suffix} == before


def test_decisions_and_other_files_are_never_replaced(faces: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    deepgum("score", faces, "--out", run)
    review(run, tmp_path / "fixes.patch.jsonl")
    assert "It holds decisions.jsonl." in deepgum("score", faces, "--out", run, code=2)
    assert "should be new, empty, or of this audit" in deepgum(
        "audit", faces, "--features", "camera", "--targets", "label_eye_x", "--out", run, code=2
    )
    assert "It holds faces.csv, fixes.patch.jsonl, photos, run" in deepgum("score", faces, "--out", tmp_path, code=2)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "report.html").write_text("mine")
    assert "It holds report.html." in deepgum("score", faces, "--out", tmp_path / "own", code=2)
    (tmp_path / "file").write_text("mine")
    assert "should be a folder. Found a file." in deepgum("score", faces, "--out", tmp_path / "file", code=2)
    assert "another file than the inputs" in deepgum("score", faces, "--out", run / "scores.parquet", code=2)


def test_a_table_in_its_own_folder_is_not_replaced(faces: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    table = pd.read_csv(faces).to_parquet(tmp_path / "run" / "scores.parquet") or tmp_path / "run" / "scores.parquet"
    before = table.read_bytes()
    assert "would be lost" in deepgum("score", table, "--out", tmp_path / "run", code=2)
    assert table.read_bytes() == before


def test_the_gain_of_scores_cannot_be_measured_and_the_message_says_why(faces: Path, tmp_path: Path) -> None:
    deepgum("score", faces, "--out", tmp_path / "run")
    review(tmp_path / "run", tmp_path / "fixes.patch.jsonl")
    output = deepgum("gain", tmp_path / "run", tmp_path / "fixes.patch.jsonl", code=2)
    assert "Found scores of given predictions, without a network." in output


def test_the_output_is_a_folder_or_a_file_by_its_name(faces: Path, tmp_path: Path) -> None:
    deepgum("score", faces, "--out", tmp_path / "scores.CSV")
    assert (tmp_path / "scores.CSV").is_file()
    (tmp_path / "v1.2").mkdir()
    deepgum("score", faces, "--out", tmp_path / "v1.2")
    assert (tmp_path / "v1.2" / "report.html").is_file()
    output = deepgum("score", faces, "--out", tmp_path / "v1.3", code=2)
    assert "a folder, whose name has no ending, or a file that ends in .csv or .parquet" in output
    output = deepgum("score", faces, "--features", "camera", "--out", tmp_path / "scores.csv", code=2)
    assert "`--features` should be left out if --out is no folder" in output
    assert "`--features` should be a column of the table" in deepgum(
        "score", faces, "--features", "lens", "--out", tmp_path / "x", code=2
    )
