"""DeepLabCut and SLEAP as formats of the benchmark; see `formats.py`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keypoints.material import Material

Values = NDArray[np.float64]


class DeepLabCut:
    """A table of DeepLabCut in CSV, and the output of a model in HDF5. The other program is pandas."""

    def write(self, material: Material, folder: Path) -> Path:
        """Write the three header lines, and a row for each image."""
        path = folder / "CollectedData_ada.csv"
        self._frame(material, material.given, "ada", ["x", "y"]).to_csv(path)
        return path

    def write_predictions(self, material: Material, predicted: Values, labels: Path) -> Path:
        """Write the output of a model in the format "table", as DeepLabCut does."""
        path = labels.with_name("output.h5")
        values = np.concatenate([predicted, np.full((*predicted.shape[:2], 1), 0.9)], axis=2)
        self._frame(material, values, "net", ["x", "y", "likelihood"]).to_hdf(
            path, key="df_with_missing", format="table"
        )
        return path

    def read(self, path: Path, material: Material) -> Values:
        """Read with pandas."""
        import pandas as pd

        values = pd.read_csv(path, header=[0, 1, 2], index_col=0).to_numpy(np.float64)
        return values.reshape(material.given.shape).copy()

    def beyond(self, before: Path, after: Path, changed: set[int]) -> Mapping[str, int]:
        """Count lines of other frames that differ."""
        old, new = (path.read_bytes().splitlines() for path in (before, after))
        others = sum(a != b for row, (a, b) in enumerate(zip(old[3:], new[3:], strict=True)) if row not in changed)
        return {"other lines that differ": others + (old[:3] != new[:3])}

    def _frame(self, material: Material, values: Values, scorer: str, axes: list[str]) -> Any:
        import pandas as pd

        levels = ["scorer", "bodyparts", "coords"]
        columns = pd.MultiIndex.from_product([[scorer], material.names, axes], names=levels)
        return pd.DataFrame(values.reshape(len(values), -1), pd.Index(material.files), columns)


class Sleap:
    """A SLEAP file of image files, and the instances of a model in a second file. The other program is sleap-io."""

    def write(self, material: Material, folder: Path) -> Path:
        """Write an instance of the user for each image."""
        path = folder / "labels.slp"
        self._save(material, material.given, path, predicted=False)
        return path

    def write_predictions(self, material: Material, predicted: Values, labels: Path) -> Path:
        """Write an instance of a model for each image."""
        path = labels.with_name("predictions.slp")
        self._save(material, predicted, path, predicted=True)
        return path

    def read(self, path: Path, material: Material) -> Values:
        """Read with sleap-io."""
        import sleap_io

        labels = sleap_io.load_slp(str(path), open_videos=False)
        return np.array([frame.instances[0].numpy() for frame in labels])

    def beyond(self, before: Path, after: Path, changed: set[int]) -> Mapping[str, int]:
        """Count points of other instances, and values of other tables, that differ."""
        import h5py

        with h5py.File(before) as old, h5py.File(after) as new:
            names = {name for name in {*old, *new} if name not in ("metadata", "points")}
            others = sum(repr(old[name][...].tolist()) != repr(new[name][...].tolist()) for name in names)
            attributes = repr(dict(old["metadata"].attrs)) != repr(dict(new["metadata"].attrs))
            rows = [file["points"][...] for file in (old, new)]
            keypoints = int(old["instances"][0]["point_id_end"])
        unlike = {row // keypoints for row, (a, b) in enumerate(zip(*rows, strict=True)) if a.tobytes() != b.tobytes()}
        return {"other instances that differ": len(unlike - changed), "other tables that differ": others + attributes}

    def _save(self, material: Material, points: Values, path: Path, *, predicted: bool) -> None:
        import sleap_io

        skeleton = sleap_io.Skeleton(list(material.names))
        video = sleap_io.Video.from_filename([str((material.images / file).resolve()) for file in material.files])
        kind = sleap_io.PredictedInstance if predicted else sleap_io.Instance
        frames = [
            sleap_io.LabeledFrame(video=video, frame_idx=row, instances=[kind.from_numpy(each, skeleton=skeleton)])
            for row, each in enumerate(points)
        ]
        sleap_io.Labels(frames).save(str(path), verbose=False)
