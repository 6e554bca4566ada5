"""An exported network predicts the same as the original, or nothing is written."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import safetensors.torch
import torch
from click.testing import CliRunner
from numpy.typing import NDArray
from safetensors import safe_open
from torch import Tensor, nn

from deepgum.cli import main
from deepgum.data.regression import RegressionData
from deepgum.errors import (
    ExportError,
    InvalidDataError,
    InvalidParameterError,
    MissingDependencyError,
    OutputExistsError,
)
from deepgum.estimator import DeepGUMRegressor
from deepgum.experiments.runs.config import RunConfig
from deepgum.experiments.runs.network import load_network
from deepgum.experiments.runs.run import run
from deepgum.experiments.runs.run_data import load_subset
from deepgum.experiments.runs.run_folder import RunFolder
from deepgum.experiments.runs.tables import Posteriors, Predictions
from deepgum.export import OPSET, export_onnx, export_posteriors, export_run, export_weights
from deepgum.mixture import GaussianUniformMixture
from deepgum.models import MODELS, VGG16, TrunkAndHead, build_model, load_weights
from deepgum.residuals import predict
from deepgum.training import TrainingResult
from deepgum.training.history import History

pytestmark = pytest.mark.filterwarnings("ignore::deepgum.errors.IdentifiabilityWarning")


def images(channels: int, size: int, targets: Any) -> RegressionData:
    generator = torch.Generator().manual_seed(0)
    shape = (len(targets), channels, size, size)
    return RegressionData.from_arrays(torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator), targets)


POINTS = np.random.default_rng(0).random((7, 4))
AGES = np.array([[20.0], [31.0], [25.0], [22.0], [29.0], [30.0], [24.0]])
GREY, COLOUR = images(1, 16, POINTS), images(3, 32, POINTS)
VECTORS = np.random.default_rng(1).normal(50, 9, (7, 5)).astype(np.float32)
FEATURES, OLD = RegressionData.from_arrays(VECTORS, 100 * POINTS), RegressionData.from_arrays(VECTORS, AGES)


def vgg16(_: RegressionData, n_outputs: int) -> nn.Module:
    return VGG16(n_outputs, image_size=32, fc_width=8)


class Users(nn.Module):
    """A network of somebody's own, whose layers behave otherwise in training."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(5, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 4))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.layers(inputs)


NETWORKS: dict[str, tuple[RegressionData, Callable[[RegressionData], nn.Module]]] = {
    "facenet": (GREY, lambda data: build_model("facenet", data, 0)),
    "mlp": (FEATURES, lambda data: build_model("mlp", data, 0)),
    "vgg16": (COLOUR, lambda data: build_model(vgg16, data, 0)),
    "expectation": (OLD, lambda data: build_model("mlp", data, 0, head="expectation")),
    "a user's": (FEATURES, lambda data: Users()),
}


def session(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def run_onnx(path: Path, data: RegressionData) -> NDArray[np.float32]:
    inputs = np.asarray(data.inputs)
    given = inputs.astype(np.float32) / 255 if inputs.dtype == np.uint8 else inputs
    found: NDArray[np.float32] = session(path).run(None, {"inputs": given})[0]
    return found


def test_every_named_network_is_exported() -> None:
    assert set(MODELS) <= set(NETWORKS)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_predicts_the_same_in_onnx(tmp_path: Path, name: str) -> None:
    data, build = NETWORKS[name]
    model, path = build(data).train(), tmp_path / "made" / "network.onnx"
    modes = [module.training for module in model.modules()]
    export_onnx(model, path, data.inputs.shape[1:], about={"mine": "yes"})
    assert [module.training for module in model.modules()] == modes
    # Of any number of samples, none of which is the exporter's own.
    for rows in (slice(0, 1), slice(0, 7)):
        some = data.subset(torch.arange(7)[rows])
        expected = predict(model, some).numpy()
        np.testing.assert_allclose(run_onnx(path, some), expected, rtol=0, atol=1e-4 * np.abs(expected).max())
    opened = session(path)
    (taken,), (given,) = opened.get_inputs(), opened.get_outputs()
    assert (taken.name, taken.shape) == ("inputs", ["batch", *data.inputs.shape[1:]])
    assert (given.name, given.shape) == ("predictions", ["batch", data.targets.shape[1]])
    about = opened.get_modelmeta().custom_metadata_map
    assert about["mine"] == "yes"
    assert ("[0, 1]" in about["deepgum.inputs"]) == (data.inputs.ndim == 4)
    onnx = pytest.importorskip("onnx")
    assert [(one.domain, one.version) for one in onnx.load(path).opset_import] == [("", OPSET)]


class Drawing(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input) + 0.01 * torch.rand(len(input), 1)


class BySize(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        # Traced for one number of samples, it would do the same for every other.
        return super().forward(input) * (2.0 if len(input) > 3 else 1.0)


class ByValue(nn.Linear):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input if input.sum() > 0 else -input)


@pytest.mark.parametrize(
    ("network", "message"),
    [(Drawing, "should have the same predictions as the network"), (BySize, "ONNX"), (ByValue, "for any batch size")],
)
def test_a_network_that_predicts_something_else_in_onnx_is_not_written(
    tmp_path: Path, network: type[nn.Linear], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    path = tmp_path / "network.onnx"
    path.write_bytes(b"before")
    with pytest.raises(ExportError, match=message):
        export_onnx(network(3, 2), path, (3,), overwrite=True)
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]
    assert capfd.readouterr() == ("", "")


def test_a_difference_beyond_the_tolerance_is_an_error(tmp_path: Path) -> None:
    # A thousandth of the predictions: as much as the one tolerance allows, and ten times what the other does.
    class Off(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(1))

        def forward(self, inputs: Tensor) -> Tensor:
            return inputs * self.weight * (1.0 if torch.compiler.is_exporting() else 1.001)

    with pytest.raises(ExportError, match="difference"):
        export_onnx(Off(), tmp_path / "network.onnx", (3,))
    export_onnx(Off(), tmp_path / "network.onnx", (3,), tolerance=2e-3)


@pytest.mark.parametrize(
    ("network", "shape", "message"),
    [
        (nn.Sequential(nn.Linear(4, 2)), (3,), "cannot take inputs of shape"),
        (nn.Sequential(nn.Linear(3, 2), nn.Flatten(0)), (3,), r"should return values of shape \(2, d\)"),
        (nn.LSTM(3, 2), (4, 3), "should give one tensor.*Found a tuple of 2"),
    ],
)
def test_a_network_of_other_inputs_or_outputs_is_refused(
    tmp_path: Path, network: nn.Module, shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(InvalidDataError, match=message):
        export_onnx(network, tmp_path / "network.onnx", shape)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_package_is_named_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependencyError, match=rf"`{package}`.*deepgum\[onnx\]"):
        export_onnx(nn.Linear(3, 2), tmp_path / "network.onnx", (3,))
    # What needs none of them works without.
    export_weights(nn.Linear(3, 2), tmp_path / "weights.safetensors")


def test_weights_are_the_whole_state_with_their_version(tmp_path: Path) -> None:
    model, path = build_model("facenet", GREY, 0), tmp_path / "weights.safetensors"
    export_weights(model, path, about={"deepgum.run": "abc"})
    fresh = build_model("facenet", GREY, 1)
    load_weights(fresh, path, complete=True)
    assert torch.equal(predict(fresh, GREY), predict(model, GREY))
    with safe_open(path, "pt") as file:
        assert file.metadata()["deepgum.run"] == "abc"


def test_the_python_of_the_documentation_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).parents[3] / "docs" / "export.md").read_text(encoding="utf-8")
    exec(re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)[-1], {})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["network.onnx", "weights.safetensors"]


def test_a_file_is_replaced_only_when_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    export_weights(nn.Linear(3, 2), path)
    before = path.read_bytes()
    with pytest.raises(InvalidParameterError, match="--overwrite"):
        export_weights(nn.Linear(5, 2), path)
    assert path.read_bytes() == before
    export_weights(nn.Linear(5, 2), path, overwrite=True)
    assert path.read_bytes() != before


@pytest.mark.parametrize("name", ["network.pt", "network", "there"])
def test_a_path_that_cannot_be_written_to_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(InvalidParameterError, match="`to`"):
        export_onnx(nn.Linear(3, 2), tmp_path / name, (3,))


def trained() -> tuple[TrainingResult, RegressionData]:
    """Four faces with two landmarks; one lacks an x, one a landmark, one every label."""
    nan = float("nan")
    residuals = torch.tensor([[3.0, 4.0, 0.1, 0.0], [nan, 2.0, 0.0, 0.2], [nan, nan, 6.0, -8.0], [nan] * 4])
    data = RegressionData.from_arrays(
        np.zeros((4, 2), np.float32), residuals, ids="abcd", target_names=["eye_x", "eye_y", "nose_x", "nose_y"]
    )
    responsibilities = torch.tensor([[0.25, 0.75], [0.5, 0.875], [0.125, 0.0], [0.125, 0.125]], dtype=torch.float64)
    mixture = GaussianUniformMixture(groups="landmark").fit(torch.randn(20, 4, generator=torch.Generator()))
    result = TrainingResult(nn.Identity(), residuals, responsibilities, responsibilities < 0.5, mixture, History(), 1.0)
    return result, data


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_posteriors_have_a_row_per_sample_and_group_and_nulls_without_a_label(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"posteriors.{ending}"
    export_posteriors(*trained(), path)
    table = pyarrow.csv.read_csv(path) if ending == "csv" else pq.read_table(path)
    rows = [tuple(row.values())[:5] for row in table.to_pylist()]
    assert rows == [
        ("a", "eye", 0.25, 5.0, True),
        ("a", "nose", 0.75, pytest.approx(0.1), False),
        ("b", "eye", 0.5, 2.0, False),
        ("b", "nose", 0.875, pytest.approx(0.2), False),
        ("c", "eye", None, None, None),
        ("c", "nose", 0.0, 10.0, True),
        ("d", "eye", None, None, None),
        ("d", "nose", None, None, None),
    ]


def test_a_network_in_float64_has_outputs_in_float32(tmp_path: Path) -> None:
    X = VECTORS.repeat(3, axis=0)
    regressor = DeepGUMRegressor(max_epochs=1, random_state=0).fit(X, X @ np.arange(5.0))
    names = list(regressor.module_.state_dict())
    export_onnx(regressor.module_, tmp_path / "network.onnx", (5,))
    found = run_onnx(tmp_path / "network.onnx", FEATURES)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[:, 0], regressor.predict(VECTORS), rtol=1e-5)
    assert not regressor.module_.training
    assert list(regressor.module_.state_dict()) == names


def test_another_number_of_samples_is_explained_by_several_processes(tmp_path: Path) -> None:
    result, _ = trained()
    mine = replace(result, index=torch.tensor([1, 3, 5, 7]))
    both = RegressionData.from_arrays(torch.zeros(8, 1), torch.zeros(8, 4))
    with pytest.raises(
        InvalidDataError, match=r"Found \(8, 4\)\. Each of several .* give `data.subset\(result.index\)`"
    ):
        export_posteriors(mine, both, tmp_path / "posteriors.csv")
    export_posteriors(mine, both.subset(mine.index), tmp_path / "posteriors.csv")
    with pytest.raises(InvalidDataError, match=r"Found \(8, 4\)\.$"):
        export_posteriors(result, both, tmp_path / "posteriors.csv", overwrite=True)


def test_posteriors_of_other_samples_are_refused(tmp_path: Path) -> None:
    result, data = trained()
    with pytest.raises(InvalidDataError, match="should be the training set of the result"):
        export_posteriors(result, data.subset([0, 1]), tmp_path / "posteriors.csv")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunConfig, Path]:
    config = RunConfig.from_mapping(
        {
            "data": {"name": "digits", "image_size": 16, "train_size": 24, "validation_size": 12, "test_size": 15},
            "model": {"name": "facenet", "frozen": "2", "cache": False},
            "method": {"schedule": {"name": "alternate", "rounds_max": 1}},
            "corruption": {"noise": "l-ugo", "rate": 0.5},
            "training": {"epochs_max": 1, "patience": 1},
        }
    )
    path = tmp_path_factory.mktemp("runs") / "digits"
    run(config, path)
    return config, path


def test_a_run_is_exported_by_the_endings_of_files(tmp_path: Path, finished: tuple[RunConfig, Path]) -> None:
    config, folder = finished
    names = ("network.onnx", "weights.safetensors", "posteriors.csv", "posteriors.parquet")
    content = export_run(folder, [tmp_path / name for name in names])
    assert [file.name for file in content] == list(names)
    test = load_subset(config).test
    expected = Predictions.read(RunFolder(folder).predictions).predicted
    np.testing.assert_allclose(run_onnx(tmp_path / "network.onnx", test), expected, atol=1e-5)
    network, _ = load_network(config, folder)
    assert isinstance(network.backbone, TrunkAndHead)
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    load_weights(network, tmp_path / "weights.safetensors", complete=True)
    assert all(torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items())
    about = session(tmp_path / "network.onnx").get_modelmeta().custom_metadata_map
    assert about["deepgum.run"] == config.digest
    assert about["deepgum.targets"] == ", ".join(test.target_names)
    assert about["deepgum.unit"] == "of the side"
    posteriors = Posteriors.read(RunFolder(folder).posteriors)
    again = Posteriors.read(tmp_path / "posteriors.parquet")
    np.testing.assert_array_equal(again.responsibilities, posteriors.responsibilities)
    text = pyarrow.csv.read_csv(tmp_path / "posteriors.csv").to_pydict()
    assert text["sample_id"][::4] == list(posteriors.sample_ids)
    np.testing.assert_allclose(text["responsibility"], posteriors.responsibilities.ravel())


def test_every_path_is_checked_before_the_first_file(tmp_path: Path, finished: tuple[RunConfig, Path]) -> None:
    (tmp_path / "network.onnx").write_bytes(b"before")
    for last in ("network.onnx", "network.pt", "weights.safetensors"):
        with pytest.raises(InvalidParameterError, match="`to`"):
            export_run(finished[1], [tmp_path / "weights.safetensors", tmp_path / last])
    with pytest.raises(InvalidDataError, match="finished run"):
        export_run(tmp_path / "nowhere", [tmp_path / "weights.safetensors"])
    assert [path.name for path in tmp_path.iterdir()] == ["network.onnx"]


def test_the_command_lists_its_files_and_refuses_one_that_exists(
    tmp_path: Path, finished: tuple[RunConfig, Path]
) -> None:
    command = ["export", str(finished[1]), "--to", str(tmp_path / "w.safetensors"), "--to", str(tmp_path / "p.csv")]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    assert f"Written: {tmp_path / 'w.safetensors'} (takes float32 of shape (batch, 1, 16, 16)" in done.output
    assert "24 training samples" in done.output
    again = CliRunner().invoke(main, command)
    assert again.exit_code == 2
    assert "--overwrite" in again.output
    assert CliRunner().invoke(main, [*command, "--overwrite"]).exit_code == 0


@pytest.mark.fault(15)
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_that_appears_during_an_export_is_kept_without_overwrite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, overwrite: bool
) -> None:
    out, save = tmp_path / "w.safetensors", safetensors.torch.save

    def meanwhile(*arguments: Any) -> bytes:
        out.write_text("theirs")
        return save(*arguments)

    monkeypatch.setattr(safetensors.torch, "save", meanwhile)
    if overwrite:
        export_weights(nn.Linear(2, 1), out, overwrite=True)
        assert sorted(safetensors.torch.load_file(out)) == ["bias", "weight"]
        return
    with pytest.raises(OutputExistsError, match="Nothing was written"):
        export_weights(nn.Linear(2, 1), out)
    assert out.read_text() == "theirs"
