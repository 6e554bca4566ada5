"""A small set in the published form for every data set of the registry."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
from PIL import Image

from deepgum.data.pool import Pool
from deepgum.data.sets.base import Dataset
from deepgum.data.sets.fld import BOX_LIST, LANDMARK_LIST, PARTITION_LIST
from deepgum.data.sets.lfw_net import TEST_LIST, TRAIN_LIST
from deepgum.data.sets.registry import DATASETS
from deepgum.data.sets.request import Request, Subset


@dataclass(frozen=True)
class Small:
    """A small data set, with what tests need.

    Attributes
    ----------
    path : Path or None
    count : int
        Number of samples.
    images : tuple of str
        Image files, relative to the folder; empty where there are none.
    broken : str
        A label file, without which nothing can be read.
    options, settings : dict
        Options, and the sizes of a request.
    """

    name: str
    path: Path | None
    count: int
    images: tuple[str, ...] = ()
    broken: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def dataset(self) -> Dataset:
        return DATASETS[self.name]

    @property
    def folder(self) -> Path:
        assert self.path is not None
        return self.path.parent if self.dataset.is_file else self.path

    def request(self, **changes: Any) -> Request:
        options = self.dataset.check_options({**self.options, **changes.pop("options", {})})
        path = changes.pop("path", self.path)
        cache = None if path is None else path.parent / "cache"
        given = {"image_size": 16, "colour": True, **self.settings, **changes}
        return Request(path, cache_dir=cache, options=options, **given)

    def pool(self, **changes: Any) -> Pool:
        return self.dataset.pool(self.request(**changes), 0)

    def load(self, seed: int = 0, **changes: Any) -> Subset:
        return self.dataset.load(self.request(**changes), seed)


def picture(path: Path, level: int, size: tuple[int, int] = (20, 20)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (level % 256,) * 3).save(path, format="PNG" if path.suffix == ".png" else "JPEG")


def lfw_net(root: Path) -> Small:
    images = []
    for list_name, count in ((TRAIN_LIST, 20), (TEST_LIST, 5)):
        names = [f"{list_name[:4]}_folder/{index:04d}.jpg" for index in range(count)]
        for index, name in enumerate(names):
            picture(root / name, index, (60, 60))
        points = " ".join(f"{value}.5" for value in (20, 20, 40, 20, 30, 30, 22, 40, 38, 40))
        lines = "".join(f"{name} 10 50 10 50 {points}\r\n" for name in names)
        (root / list_name).write_bytes(lines.replace("/", "\\").encode())
        images += names
    return Small("lfw-net", root, 25, tuple(images), broken=TRAIN_LIST)


def digits(root: Path) -> Small:
    return Small("digits", None, 31, settings={"train_size": 18, "validation_size": 6, "test_size": 7})


def fld(root: Path) -> Small:
    """24 images, of which 12 show upper-body clothes; the last landmark of every image is not visible."""
    counts, lines, boxes, parts, images = {1: 6, 2: 4, 3: 8}, [], [], [], []
    for index in range(24):
        kind, name = (1, 1, 2, 3)[index % 4], f"img/img_{index + 1:08d}.jpg"
        picture(root / name, index)
        points = [f"{int(k == counts[kind] - 1)} {4 + k:03d} {5 + k:03d}" for k in range(counts[kind])]
        lines.append(f"{name}  {kind} 3 {' '.join(points)} ")
        boxes.append(f"{name} 002 002 018 018")
        parts.append(f"{name} {('train', 'val', 'test')[index % 3]}")
        images += [name] * (kind == 1)
    for file, body in ((LANDMARK_LIST, lines), (BOX_LIST, boxes), (PARTITION_LIST, parts)):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(("\r\n".join([str(len(body)), "image_name ...", *body]) + "\r\n").encode())
    return Small("fld", root, 12, tuple(images), broken=LANDMARK_LIST, settings={"validation_size": 2, "test_size": 3})


def cacd(root: Path) -> Small:
    """Four images of each of ten celebrities."""
    rows = [(f"{20 + i}_Person_{i % 10:02d}_{i:04d}.jpg", 20 + i, i % 10 + 1) for i in range(40)]
    for name, age, _ in rows:
        picture(root / "CACD2000" / name, age)
    names = np.empty((len(rows), 1), dtype=object)
    names[:, 0] = [row[0] for row in rows]
    of = {"age": [[row[1]] for row in rows], "identity": [[row[2]] for row in rows], "name": names}
    scipy.io.savemat(root / "celebrity2000_meta.mat", {"celebrityImageData": of})
    images = tuple(f"CACD2000/{name}" for name, *_ in rows)
    sizes = {"validation_size": 2, "test_size": 3}
    return Small("cacd", root, 40, images, broken="celebrity2000_meta.mat", settings=sizes)


def utkface(root: Path) -> Small:
    """30 images, and a copy of every third under another age."""
    names = [f"{10 + index}_0_1_2017{index:04d}.jpg.chip.jpg" for index in range(30)]
    for index, name in enumerate(names):
        picture(root / name, 5 * index)
    for index in range(0, 30, 3):
        shutil.copy(root / names[index], root / f"{60 + index}_0_1_2017{index:04d}.jpg.chip.jpg")
    return Small("utkface", root, 40, tuple(sorted(path.name for path in root.iterdir())))


def mcgill(root: Path) -> Small:
    lines, images = ["video,frame,yaw"], []
    for video in range(9):
        for frame in range(3 + video % 3):
            images.append(f"v{video}/frame_{frame:04d}.png")
            picture(root / images[-1], 20 * video + frame)
            lines.append(f"v{video},{frame},{10 * video + frame}")
    (root / "yaw.csv").write_text("\n".join(lines) + "\n")
    return Small("mcgill", root, 36, tuple(images), broken="yaw.csv")


def head_pose(root: Path) -> Small:
    root.mkdir()
    rng = np.random.default_rng(0)
    for name, n in (("biwi_train", 40), ("biwi_test", 12), ("aflw2000", 9)):
        np.savez(root / f"{name}.npz", features=rng.random((n, 6), np.float32), poses=rng.uniform(-60, 60, (n, 3)))
    return Small("head-pose", root, 52, broken="biwi_test.npz")


def table(root: Path) -> Small:
    """Two images of each of twenty persons."""
    lines = ["file,who,part,x,y,age"]
    for index in range(40):
        picture(root / "images" / f"{index}.png", 6 * index, (20, 30))
        part = "train" if index < 30 else "test"
        lines.append(f"images/{index}.png,person {index // 2},{part},{index / 2},{index},{20 + index}")
    (root / "table.csv").write_text("\n".join(lines) + "\n")
    images = tuple(f"images/{index}.png" for index in range(40))
    options = {"targets": ["age"], "image": "file", "keep_together": "who"}
    return Small("table", root / "table.csv", 40, images, broken="table.csv", options=options)


def coco(root: Path) -> Small:
    """One instance in each of six images, and two in each of twelve."""
    images, annotations, names = [], [], []
    for index in range(18):
        name = f"images/{index:04d}.png"
        picture(root / name, 10 * index, (60, 50))
        images.append({"id": index + 1, "file_name": name, "width": 60, "height": 50})
        for place in range(1 if index < 6 else 2):
            x, y = 8 + 25 * place + index % 5, 10 + index
            nose = [x + 4, y + 6, 2] if index % 2 else [0, 0, 0]
            keypoints = [x, y, 2, x + 8.5, y, 1, *nose]
            box = [x - 2, y - 2, 14, 12]
            key = 100 + len(annotations)
            annotations.append(
                {"id": key, "image_id": index + 1, "category_id": 1, "keypoints": keypoints, "bbox": box}
            )
            names.append(name)
    category = {"id": 1, "name": "cat", "keypoints": ["left_ear", "right_ear", "nose"], "skeleton": [[1, 2]]}
    content = {"images": images, "annotations": annotations, "categories": [category]}
    (root / "annotations.json").write_text(json.dumps(content))
    return Small("coco", root / "annotations.json", 30, tuple(names), broken="annotations.json")


def points_of(index: int) -> list[tuple[float, float]]:
    """Three points of sample `index` in an image of 64 x 64 pixels; the numbers have exact fractions."""
    return [(20.5 + index % 7, 12.25 + index), (34.5 + index % 5, 14.75 + index), (28.5, 20.0 + index)]


PARTS_OF_MOUSE = ["nose", "left_ear", "right_ear"]


def deeplabcut(root: Path) -> Small:
    """Thirty frames of two videos; the right ear of every third frame has no label."""
    images = [f"labeled-data/video{index % 2}/img{index:03d}.png" for index in range(30)]
    columns = [(part, axis) for part in PARTS_OF_MOUSE for axis in "xy"]
    lines = ["scorer" + ",ada" * 6, ",".join(["bodyparts", *(part for part, _ in columns)])]
    lines.append(",".join(["coords", *(axis for _, axis in columns)]))
    for index, name in enumerate(images):
        picture(root / name, 8 * index, (64, 64))
        cells = [str(value) for point in points_of(index) for value in point]
        lines.append(",".join([name, *cells[:4], *(["", ""] if index % 3 == 0 else cells[4:])]))
    (root / "CollectedData_ada.csv").write_text("\n".join(lines) + "\n")
    return Small("deeplabcut", root / "CollectedData_ada.csv", 30, tuple(images), broken="CollectedData_ada.csv")


def sleap(root: Path) -> Small:
    """Thirty image files, each with an instance of the user and one of a model."""
    sio = pytest.importorskip("sleap_io")
    images = [f"{'ab'[index % 2]}/{index:03d}.png" for index in range(30)]
    for index, name in enumerate(images):
        picture(root / name, 8 * index, (64, 64))
    skeleton = sio.Skeleton(list(PARTS_OF_MOUSE), edges=[("nose", "left_ear"), ("nose", "right_ear")])
    video = sio.Video.from_filename([str(root / name) for name in images])
    frames = []
    for index in range(30):
        points = np.array(points_of(index))
        predicted = sio.PredictedInstance.from_numpy(points + 0.25, skeleton=skeleton, score=0.9)
        points[2] = np.nan if index % 3 == 0 else points[2]
        user = sio.Instance.from_numpy(points, skeleton=skeleton)
        frames.append(sio.LabeledFrame(video=video, frame_idx=index, instances=[user, predicted]))
    sio.Labels(frames).save(str(root / "labels.slp"))
    return Small("sleap", root / "labels.slp", 30, tuple(images), broken="labels.slp")


def label_studio(root: Path) -> Small:
    """Thirty tasks; the right ear of every third one has no region."""
    images, tasks = [f"images/{index:03d}.png" for index in range(30)], []
    for index, name in enumerate(images):
        picture(root / name, 8 * index, (100, 100))
        size = {"original_width": 100, "original_height": 100, "image_rotation": 0}
        regions = [
            {"id": f"{index}-{part}", "type": "keypointlabels", "value": {"x": x, "y": y, "keypointlabels": [part]}}
            | size
            for part, (x, y) in zip(PARTS_OF_MOUSE, points_of(index), strict=True)
        ][: 2 if index % 3 == 0 else 3]
        data = {"image": f"/data/local-files/?d={name}"}
        tasks.append({"id": index, "data": data, "annotations": [{"id": 100 + index, "result": regions}]})
    (root / "export.json").write_text(json.dumps(tasks, indent=1))
    return Small("label-studio", root / "export.json", 30, tuple(images), broken="export.json")


def ultralytics(root: Path) -> Small:
    """Thirty images in two parts; the third point of every third image has no label."""
    pytest.importorskip("yaml")
    images = []
    for index in range(30):
        part = "train" if index < 25 else "test"
        images.append(f"images/{part}/{index:03d}.png")
        picture(root / images[-1], 8 * index, (64, 64))
        numbers = [0, 0.5, 0.5, 0.75, 0.75]
        for place, (x, y) in enumerate(points_of(index)):
            numbers += [0, 0, 0] if place == 2 and index % 3 == 0 else [x / 64, y / 64, 2]
        labels = root / f"labels/{part}/{index:03d}.txt"
        labels.parent.mkdir(parents=True, exist_ok=True)
        labels.write_text(" ".join(map(str, numbers)) + "\n")
    lines = ["train: images/train", "test: images/test", "kpt_shape: [3, 3]", "flip_idx: [0, 2, 1]"]
    (root / "data.yaml").write_text("\n".join([*lines, "names: {0: mouse}"]) + "\n")
    sizes = {"validation_size": 2, "test_size": 3}
    return Small("ultralytics", root, 30, tuple(images), broken="data.yaml", settings=sizes)


def pts(root: Path) -> Small:
    """Thirty images with three landmarks in two folders."""
    images = []
    for index in range(30):
        images.append(f"{'ab'[index // 15]}/{index:03d}.png")
        picture(root / images[-1], 8 * index, (64, 64))
        lines = [f"{x:.6f} {y:.6f}" for x, y in points_of(index)]
        text = "\n".join(["version: 1", "n_points:  3", "{", *lines, "}"]) + "\n"
        (root / images[-1]).with_suffix(".pts").write_text(text)
    return Small("pts", root, 30, tuple(images), broken="a/003.pts")


MAKERS: Mapping[str, Callable[[Path], Small]] = {
    "lfw-net": lfw_net,
    "digits": digits,
    "fld": fld,
    "cacd": cacd,
    "utkface": utkface,
    "mcgill": mcgill,
    "head-pose": head_pose,
    "table": table,
    "coco": coco,
    "deeplabcut": deeplabcut,
    "sleap": sleap,
    "label-studio": label_studio,
    "ultralytics": ultralytics,
    "pts": pts,
}


@pytest.fixture
def make_small(tmp_path: Path) -> Callable[[str], Small]:
    """Return a function that writes the small set of a name."""
    return lambda name: MAKERS[name](tmp_path / name)


def fixture_over(names: list[str]) -> Any:
    """Return a fixture with the small set of each of these data sets, one after the other."""

    @pytest.fixture(params=names)
    def fixture(request: pytest.FixtureRequest, make_small: Callable[[str], Small]) -> Small:
        return make_small(request.param)

    return fixture


IMAGES = [name for name, dataset in DATASETS.items() if dataset.needs_folder and dataset.image_size]

# A new data set of the registry is included automatically; it needs a maker.
small = fixture_over(list(DATASETS))
on_disk = fixture_over([name for name, dataset in DATASETS.items() if dataset.needs_folder])
with_images = fixture_over(IMAGES)
with_list = fixture_over([name for name in IMAGES if name not in ("utkface", "ultralytics")])  # they have no list
with_folds = fixture_over([name for name, dataset in DATASETS.items() if dataset.folds])
with_labels = fixture_over([name for name, dataset in DATASETS.items() if dataset.has_label_files])
