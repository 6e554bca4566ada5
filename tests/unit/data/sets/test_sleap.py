"""SLEAP: instances of the user are labels, those of a model are predictions; only changed points differ in a copy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from deepgum.audit.folder import AuditFolder
from deepgum.cli import main
from deepgum.data.sets.registry import detect
from deepgum.data.sets.request import Request
from deepgum.data.sets.sleap import Sleap
from deepgum.errors import DeepGUMWarning, InvalidDataError, MissingImagesError

sio = pytest.importorskip("sleap_io")
h5py = pytest.importorskip("h5py")

SLEAP = Sleap()
OPTIONS = SLEAP.check_options({})
NODES = ["nose", "earL", "earR", "tail"]
N = 40


def skeleton() -> Any:
    return sio.Skeleton(list(NODES), edges=[("nose", "tail"), ("nose", "earL")], symmetries=[("earL", "earR")])


def images(folder: Path, count: int) -> list[str]:
    """Write images, each of another level of grey."""
    folder.mkdir(exist_ok=True)
    for row in range(count):
        Image.new("RGB", (64, 48), (5 * row,) * 3).save(folder / f"{row:03d}.png")
    return [str(folder / f"{row:03d}.png") for row in range(count)]


def truth() -> np.ndarray:
    rng = np.random.default_rng(0)
    shape = np.array([[0, -10], [-6, -4], [6, -4], [0, 10]])
    return rng.uniform(20, 40, (N, 1, 2)) + shape + rng.normal(0, 1, (N, 4, 2))


def project(folder: Path, kind: str = "both", embed: bool = False) -> Path:
    """Write a project. The nose of every tenth instance is off by nine pixels, and a point of the second is missing."""
    points, body = truth(), skeleton()
    given = points + np.random.default_rng(1).normal(0, 0.1, points.shape)
    given[::10, 0] += 9
    given[1, 3] = np.nan
    video = sio.Video.from_filename(images(folder / "images", N))
    frames = []
    for row in range(N):
        user = sio.Instance.from_numpy(given[row], skeleton=body)
        model = sio.PredictedInstance.from_numpy(points[row] + 0.2, skeleton=body, score=0.9)
        instances = {"both": [model, user], "user": [user], "model": [model]}[kind]
        frames.append(sio.LabeledFrame(video=video, frame_idx=row, instances=instances))
    path = folder / f"{kind}{'.pkg' if embed else ''}.slp"
    sio.Labels(frames).save(str(path), embed="all" if embed else None, verbose=False)
    return path


def run(*arguments: object) -> Any:
    return CliRunner().invoke(main, [str(each) for each in arguments])


@pytest.mark.parametrize("embed", [False, True])
def test_points_skeleton_and_symmetries_are_those_that_sleap_io_reads(tmp_path: Path, embed: bool) -> None:
    path = project(tmp_path, embed=embed)
    assert detect(path) == SLEAP
    keypoints = SLEAP.read(path, OPTIONS)
    assert keypoints.names == tuple(NODES)
    assert keypoints.skeleton == ((0, 3), (0, 1))
    assert keypoints.swap_pairs == ((1, 2),)
    assert keypoints.ids[2] == "002.png"
    expected = [
        each.numpy()
        for frame in sio.load_slp(str(path), open_videos=False)
        for each in frame.instances
        if type(each) is sio.Instance
    ]
    np.testing.assert_array_equal(keypoints.points, expected)


@pytest.mark.parametrize("embed", [False, True])
def test_the_images_are_the_frames(tmp_path: Path, embed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = project(tmp_path, embed=embed)
    if embed:
        for image in (tmp_path / "images").iterdir():
            image.unlink()
    pool = SLEAP.pool(Request(path, image_size=16, colour=True, options=OPTIONS, cache_dir=tmp_path / "crops"), 0)
    levels = np.asarray(pool.data.inputs).astype(int).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(levels, 5 * np.arange(N), atol=1)


def test_frames_of_a_video_become_images_and_a_video_elsewhere_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The frames come back as they were written; neither scores nor corrections need the video."""
    iio = pytest.importorskip("imageio.v3")
    pytest.importorskip("imageio_ffmpeg")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    levels = 20 * np.arange(12)
    iio.imwrite(tmp_path / "clip.mp4", np.tile(levels[:, None, None, None], (1, 48, 64, 3)).astype(np.uint8), fps=10)
    video, body = sio.Video.from_filename(str(tmp_path / "clip.mp4")), skeleton()
    points = np.array([[20.0, 10], [15, 15], [25, 15], [20, 30]])
    instance = sio.Instance.from_numpy(points, skeleton=body)
    frames = [sio.LabeledFrame(video=video, frame_idx=frame, instances=[instance]) for frame in (9, 2, 11)]
    sio.Labels(frames).save(str(tmp_path / "a.slp"), verbose=False)
    pool = SLEAP.pool(Request(tmp_path / "a.slp", image_size=16, colour=True, options=OPTIONS), 0)
    assert pool.data.ids == ("clip.mp4/000009.png", "clip.mp4/000002.png", "clip.mp4/000011.png")
    found = np.asarray(pool.data.inputs).astype(int).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(found, levels[[9, 2, 11]], atol=8)
    (tmp_path / "videos").mkdir()
    (tmp_path / "clip.mp4").rename(tmp_path / "videos" / "clip.mp4")
    assert SLEAP.labels(tmp_path / "a.slp", OPTIONS).ids == pool.data.ids
    with pytest.raises(MissingImagesError, match=r"Found none of .*clip\.mp4.*--images"):
        SLEAP.pool(Request(tmp_path / "a.slp", image_size=16, colour=True, options=OPTIONS), 0)
    elsewhere = SLEAP.check_options({"images": str(tmp_path / "videos")})
    assert len(SLEAP.pool(Request(tmp_path / "a.slp", image_size=16, colour=True, options=elsewhere), 0)) == 3


def test_a_project_may_have_image_files_and_embedded_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both become images of one folder; a frame without its file is missing."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    points = truth()
    embedded = sio.load_slp(str(project(tmp_path, "user", embed=True)))
    video = sio.Video.from_filename(images(tmp_path / "others", 3))
    for row in range(3):
        instance = sio.Instance.from_numpy(points[row], skeleton=embedded.skeletons[0])
        embedded.append(sio.LabeledFrame(video=video, frame_idx=row, instances=[instance]))
    embedded.save(str(tmp_path / "mixed.slp"), embed=False, restore_original_videos=False, verbose=False)
    (tmp_path / "others" / "001.png").unlink()
    with pytest.warns(DeepGUMWarning, match="1 of the 43 images"):
        pool = SLEAP.pool(
            Request(tmp_path / "mixed.slp", image_size=16, colour=True, skip_missing=True, options=OPTIONS), 0
        )
    assert len(pool) == N + 2


def test_labels_are_scored_with_the_predictions_of_the_same_or_another_file(tmp_path: Path) -> None:
    both, user, model = (project(tmp_path, kind) for kind in ("both", "user", "model"))
    wrong = [[f"{row:03d}.png", "nose"] for row in range(0, N, 10)]
    for files in ([both], [user, model], [user, both]):
        result = run("score", *files, "--inliers", "gaussian", "--out", tmp_path / "scores.csv")
        assert result.exit_code == 0, result.output
        scores = pd.read_csv(tmp_path / "scores.csv")
        flagged = scores.loc[scores["responsibility"] < 0.5, ["id", "group"]].to_numpy().tolist()
        assert all(label in flagged for label in wrong)
        assert len(flagged) <= len(wrong) + 2
    assert "should have instances of a model" in run("score", user).output
    assert "should have instances of a user" in run("score", model, both).output


@pytest.mark.parametrize("there", [True, False])
def test_the_folder_of_scores_shows_the_frames_if_they_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = project(tmp_path, embed=True)

    def missing(*_: object) -> None:
        raise MissingImagesError("The videos should be on this machine.")

    if not there:
        monkeypatch.setattr(Sleap, "prepare", missing)
    result = run("score", path, "--inliers", "gaussian", "--out", tmp_path / "run")
    assert result.exit_code == 0, result.output
    folder = AuditFolder(tmp_path / "run")
    pictures = folder.pictures()
    if there:
        assert pictures is not None
        row = folder.labels().worst_first()[0][0]
        assert pictures.sha256[row]
        with Image.open(pictures.file(row)) as image:
            assert np.asarray(image).mean() == pytest.approx(5 * row, abs=1)
    else:
        assert pictures is None
        assert "has no pictures. The videos should be on this machine." in " ".join(result.output.split())


def test_only_changed_points_differ_in_a_copy_and_sleap_io_reads_them(tmp_path: Path) -> None:
    path = project(tmp_path)
    annotations = SLEAP.labels(path, OPTIONS)
    moved, dropped, added = annotations.values[0].copy(), annotations.values[5].copy(), annotations.values[1].copy()
    moved[:2], dropped[2:4], added[6:] = (1.5, 2.25), np.nan, (3.0, 4.0)
    annotations.write({"000.png": moved, "005.png": dropped, "001.png": added}, tmp_path / "new.slp")
    with h5py.File(path) as old, h5py.File(tmp_path / "new.slp") as new:
        assert set(old) == set(new)
        for name in ("frames", "instances", "pred_points"):
            assert old[name][...].tobytes() == new[name][...].tobytes()
        for name in ("videos_json", "tracks_json"):
            assert old[name][...].tolist() == new[name][...].tolist()
        assert old["metadata"].attrs["json"] == new["metadata"].attrs["json"]
        differ = np.flatnonzero([a.tobytes() != b.tobytes() for a, b in zip(old["points"], new["points"], strict=True)])
        assert differ.tolist() == [0, 7, 21]
    users = [
        each.numpy()
        for frame in sio.load_slp(str(tmp_path / "new.slp"), open_videos=False)
        for each in frame.instances
        if type(each) is sio.Instance
    ]
    expected = annotations.values.copy()
    expected[0], expected[5], expected[1] = moved, dropped, added
    np.testing.assert_array_equal(np.reshape(users, (N, 8)), expected)


def test_several_instances_in_a_frame_have_their_places_in_their_names(tmp_path: Path) -> None:
    body = skeleton()
    video = sio.Video.from_filename(images(tmp_path / "images", 2))
    points = truth()
    two = [sio.Instance.from_numpy(each, skeleton=body) for each in points[:2]]
    hidden = sio.Instance.from_numpy(np.full((4, 2), np.nan), skeleton=body)
    frames = [
        sio.LabeledFrame(video=video, frame_idx=0, instances=[hidden, *two]),
        sio.LabeledFrame(video=video, frame_idx=1, instances=[sio.Instance.from_numpy(points[2], skeleton=body)]),
    ]
    sio.Labels(frames).save(str(tmp_path / "a.slp"), verbose=False)
    keypoints = SLEAP.read(tmp_path / "a.slp", OPTIONS)
    assert keypoints.ids == ("000.png#2", "000.png#3", "001.png")
    assert "1 instances without a visible point are left out" in keypoints.notices[0]


@pytest.mark.parametrize(
    ("table", "field", "value"),
    [
        ("frames", "instance_id_end", 10**6),
        ("frames", "instance_id_start", 10**6),
        ("frames", "instance_id_start", 0),
        ("frames", "video", 5),
        ("frames", "frame_idx", 10**6),
        ("instances", "point_id_end", 10**6),
        ("instances", "point_id_start", 3),
        ("points", "x", np.inf),
    ],
)
def test_tables_that_contradict_each_other_are_refused(tmp_path: Path, table: str, field: str, value: float) -> None:
    path = project(tmp_path, "user")
    with h5py.File(path, "r+") as file:
        rows = file[table][...]
        rows[field][2] = value
        file[table][...] = rows
    with pytest.raises(InvalidDataError, match=r"user\.slp"):
        SLEAP.read(path, OPTIONS)


def test_instances_with_points_in_common_are_refused(tmp_path: Path) -> None:
    path = project(tmp_path, "user")
    with h5py.File(path, "r+") as file:
        rows = file["instances"][...]
        rows["point_id_start"][2], rows["point_id_end"][2] = 2, 6
        file["instances"][...] = rows
    with pytest.raises(InvalidDataError, match="points in common"):
        SLEAP.read(path, OPTIONS)


def test_a_file_without_its_tables_is_refused(tmp_path: Path) -> None:
    path = project(tmp_path, "user")
    with h5py.File(path, "r+") as file:
        del file["instances"]
    with pytest.raises(InvalidDataError, match=r"a file of SLEAP"):
        SLEAP.read(path, OPTIONS)
    path.write_bytes(b"not HDF5")
    with pytest.raises(InvalidDataError, match=r"a file of SLEAP"):
        SLEAP.read(path, OPTIONS)
