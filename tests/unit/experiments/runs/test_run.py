"""A run's folder: what is in it, when it is trained again, what is refused, and that its network can be read again."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import deepgum.experiments.runs.run as module
import deepgum.experiments.runs.run_data as data_module
from deepgum.errors import (
    DeepGUMError,
    InvalidDataError,
    InvalidParameterError,
    OutputFolderError,
    UnreadableImagesError,
)
from deepgum.experiments.observer import Observer
from deepgum.experiments.runs.config import RunConfig
from deepgum.experiments.runs.config_file import read_config
from deepgum.experiments.runs.examples import Examples
from deepgum.experiments.runs.network import load_network
from deepgum.experiments.runs.run import run
from deepgum.experiments.runs.run_data import Data, load_subset
from deepgum.experiments.runs.run_folder import RunFolder
from deepgum.experiments.runs.tables import Posteriors, Predictions
from deepgum.report.runs.run import draw_run
from deepgum.residuals import predict

# Networks of one or two epochs; what they find does not matter here.
pytestmark = pytest.mark.filterwarnings("ignore::deepgum.errors.IdentifiabilityWarning")

TINY = {
    "data": {"name": "digits", "image_size": 16, "train_size": 24, "validation_size": 12, "test_size": 15},
    "training": {"epochs_max": 1, "patience": 1},
}
FILES = {"content.parquet", "config.toml", "environment.json", "history.jsonl", "metrics.json", "posteriors.parquet"}
FILES |= {"predictions.parquet", "network.json", "weights.safetensors"}

# A network of the user's own, with layers below the cut that behave otherwise in training.
FACTORY = """
from torch import nn

def small(num_classes):
    trunk = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5), nn.AdaptiveAvgPool2d(4))
    return nn.Sequential(trunk, nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, num_classes)))
"""


def tiny(**sections: Any) -> RunConfig:
    values: dict[str, Any] = {**TINY}
    for name, section in sections.items():
        values[name] = {**TINY.get(name, {}), **section} if isinstance(section, dict) else section
    return RunConfig.from_mapping(values)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("It was trained.")

    monkeypatch.setattr(module, "train_method", refuse)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunConfig, RunFolder]:
    config = tiny(corruption={"noise": "l-ugo", "rate": 0.5})
    return config, run(config, tmp_path_factory.mktemp("runs") / "digits")


def test_a_run_writes_its_folder(finished: tuple[RunConfig, RunFolder]) -> None:
    config, folder = finished
    assert {path.name for path in folder.path.iterdir()} == FILES | {"examples.npz"}
    assert read_config(folder.config) == config
    metrics = folder.metrics()
    assert (metrics.dataset, metrics.method, metrics.noise, metrics.rate) == ("digits", "deepgum", "l-ugo", 0.5)
    assert (metrics.train_size, metrics.validation_size, metrics.test_size) == (24, 12, 15)
    assert (metrics.key, metrics.fold, metrics.unit) == (config.digest, None, "of the side")
    assert set(metrics.each) == {"top_left", "top_right", "bottom_right", "bottom_left"}
    assert metrics.mae == pytest.approx(np.mean(list(metrics.each.values())))
    environment = json.loads((folder.path / "environment.json").read_text())
    assert environment["packages"]["torch"] == torch.__version__
    assert str(Path.home()) not in json.dumps(environment)


def test_its_tables_say_what_the_metrics_say(finished: tuple[RunConfig, RunFolder]) -> None:
    config, folder = finished
    metrics, subset = folder.metrics(), load_subset(config)
    predictions = Predictions.read(folder.predictions)
    assert predictions.ids == subset.test.ids
    np.testing.assert_allclose(predictions.labels, subset.test.targets)
    errors = predictions.errors(landmarks=True)
    assert errors.mean() == pytest.approx(metrics.mae)
    assert (errors > 0.05).mean() == pytest.approx(metrics.failure_rate)
    posteriors = Posteriors.read(folder.posteriors)
    assert posteriors.sample_ids == subset.train.ids
    assert posteriors.group_names == ("top_left", "top_right", "bottom_right", "bottom_left")
    assert posteriors.true_outliers is not None
    assert posteriors.true_outliers.sum() == 48
    assert posteriors.responsibilities is not None
    assert (posteriors.responsibilities < 0.5).mean() == pytest.approx(metrics.flagged)


def test_its_history_counts_epochs_and_rounds(finished: tuple[RunConfig, RunFolder]) -> None:
    metrics = finished[1].metrics()
    epochs, rounds = finished[1].history()
    assert len(epochs) == metrics.epochs
    assert len(rounds) == metrics.rounds
    assert all(np.isfinite(epoch.validation_score) for epoch in epochs)


def test_its_examples_are_the_least_likely_labels_as_they_were_given(finished: tuple[RunConfig, RunFolder]) -> None:
    config, folder = finished
    examples, posteriors = Examples.read(folder.examples), Posteriors.read(folder.posteriors)
    clean = load_subset(config)
    assert posteriors.responsibilities is not None
    lowest = posteriors.responsibilities.min(axis=1)
    assert list(examples.responsibilities) == sorted(lowest)
    rows = [clean.train.ids.index(name) for name in examples.suspect_ids]
    np.testing.assert_array_equal(lowest[rows], examples.responsibilities)
    np.testing.assert_array_equal(examples.suspects, np.asarray(clean.train.inputs)[rows])
    # The labels are the corrupted ones, and a network's prediction lies as far from them as the posteriors say.
    distances = np.linalg.norm((examples.given - examples.predicted).reshape(-1, 4, 2), axis=2)
    np.testing.assert_allclose(distances, posteriors.residual_norms[rows], rtol=1e-5)
    wrong = (np.abs(examples.given - clean.train.targets[rows].numpy()).reshape(-1, 4, 2) > 1e-6).any(axis=2)
    np.testing.assert_array_equal(wrong, posteriors.true_outliers[rows])
    np.testing.assert_array_equal(examples.tests, np.asarray(clean.test.inputs))
    np.testing.assert_allclose(examples.test_predicted, Predictions.read(folder.predictions).predicted)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", None])
def test_spoilt_examples_are_named_and_the_other_pictures_are_drawn(
    tmp_path: Path, finished: tuple[RunConfig, RunFolder], content: bytes | None
) -> None:
    for path in finished[1].path.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    if content is None:
        np.savez(tmp_path / "examples.npz", suspects=np.zeros(3))
    else:
        (tmp_path / "examples.npz").write_bytes(content)
    with pytest.raises(InvalidDataError, match=r"examples\.npz' should be the images of a run"):
        Examples.read(tmp_path / "examples.npz")
    with pytest.warns(UserWarning, match=r"examples\.npz"):
        drawn = {path.name for path in draw_run(RunFolder(tmp_path))}
    assert drawn == {f"{name}.{kind}" for name in ("history", "posteriors") for kind in ("png", "svg")}


@pytest.mark.usefixtures("no_training")
def test_a_finished_run_is_not_trained_again(finished: tuple[RunConfig, RunFolder]) -> None:
    config, folder = finished
    before = files(folder.path)
    # A process was killed while it drew a picture of the finished run.
    left = folder.path / ".history.png.17-0123abcd.partial"
    left.mkdir()
    (left / "history.png").write_bytes(b"half")
    # Nor when the same run is asked for with other paths.
    moved = replace(config, data=replace(config.data, cache_dir=Path("elsewhere")))
    for asked in (config, moved):
        assert run(asked, folder.path).metrics() == folder.metrics()
    assert files(folder.path) == before


@pytest.mark.usefixtures("no_training")
def test_a_folder_of_another_run_is_refused_with_the_settings_that_differ(
    finished: tuple[RunConfig, RunFolder],
) -> None:
    config, folder = finished
    before = files(folder.path)
    other = replace(config, training=replace(config.training, learning_rate=0.5), seed=3)
    with pytest.raises(OutputFolderError) as caught:
        run(other, folder.path)
    message = str(caught.value)
    assert "training.learning_rate = 0.001 there and 0.5 here" in message
    assert "seed = 0 there and 3 here" in message
    assert "training.patience" not in message
    assert files(folder.path) == before


def test_a_run_that_failed_does_not_stand_in_the_way_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        # What a run writes before its last file; of another kind of data, so that it is not written over.
        for name in ("examples.npz", "history.jsonl", ".weights-0123abcd.tmp", "suspects.png"):
            (tmp_path / "run" / name).write_bytes(b"left over")
        raise InvalidDataError("The training failed.")

    with monkeypatch.context() as patched:
        patched.setattr(module, "train_method", fail)
        with pytest.raises(InvalidDataError, match="failed"):
            run(tiny(training={"learning_rate": 9.0}), tmp_path / "run")
    corrected = tiny(method={"name": "l2"})
    monkeypatch.setattr(Examples, "of", lambda *_: None)
    folder = run(corrected, tmp_path / "run")
    assert folder.metrics().key == corrected.digest
    assert read_config(folder.config) == corrected
    assert {path.name for path in folder.path.iterdir()} == FILES


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("name", ["thesis.tex", "predictions.parquet/"])
def test_a_folder_that_holds_more_than_a_run_is_not_taken_over(
    tmp_path: Path, finished: tuple[RunConfig, RunFolder], name: str
) -> None:
    (tmp_path / "config.toml").write_bytes(finished[1].config.read_bytes())
    (tmp_path / name).mkdir() if name.endswith("/") else (tmp_path / name).write_text("mine")
    before = {path.name for path in tmp_path.iterdir()}
    with pytest.raises(OutputFolderError, match="seed = 0 there and 3 here"):
        run(replace(finished[0], seed=3), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == before


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("names", [["notes.txt"], ["metrics.json"], ["results.jsonl", "config.json"]])
def test_a_foreign_folder_is_refused_and_left_alone(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).write_text("mine")
    with pytest.raises(OutputFolderError, match=re.escape(names[0])):
        run(tiny(), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(names)


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("text", ["[project]\nname = 'of another program'\n", "[data\n"])
def test_a_configuration_of_something_else_is_refused_and_left_alone(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.toml").write_text(text)
    with pytest.raises(OutputFolderError, match=re.escape(str(tmp_path))):
        run(tiny(), tmp_path)
    assert files(tmp_path) == {"config.toml": text.encode()}


@pytest.mark.usefixtures("no_training")
def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    with pytest.raises(OutputFolderError, match="Found a file"):
        run(tiny(), tmp_path / "run")


def test_an_interrupted_run_is_begun_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny(method={"name": "l2"})

    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(module, "train_method", stop)
        with pytest.raises(KeyboardInterrupt):
            run(config, tmp_path)
    assert not (tmp_path / "metrics.json").exists()
    (tmp_path / "weights.safetensors").write_bytes(b"cut short")
    with pytest.raises(InvalidDataError, match="finished run"):
        RunFolder(tmp_path).metrics()
    folder = run(config, tmp_path)
    assert folder.metrics().key == config.digest
    assert {path.name for path in tmp_path.iterdir()} == FILES | {"examples.npz"}
    load_network(config, tmp_path)


def test_the_same_seed_gives_the_same_run(tmp_path: Path) -> None:
    a, b = (run(tiny(method={"name": "l2"}), tmp_path / name).metrics() for name in "ab")
    assert replace(a, seconds=0.0) == replace(b, seconds=0.0)
    assert (tmp_path / "a" / "weights.safetensors").read_bytes() == (
        tmp_path / "b" / "weights.safetensors"
    ).read_bytes()


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"data": {"name": "utkface", "folder": "nowhere"}}, InvalidParameterError),
        ({"data": {"name": "table", "folder": "nowhere.csv"}}, InvalidParameterError),
        ({"data": {"train_size": 3, "validation_size": 1}}, InvalidDataError),  # too few for the mixture
        ({"model": {"name": "mlp"}}, InvalidParameterError),
        ({"model": {"name": "facenett"}}, InvalidParameterError),
        ({"model": {"frozen": "layers.99"}}, InvalidParameterError),
        ({"model": {"weights": "nowhere.pth"}}, InvalidParameterError),
        ({"method": {"name": "dex"}}, InvalidDataError),  # of one coordinate only
        ({"method": {"options": {"covariance_type": "round"}}}, InvalidParameterError),
        ({"training": {"device": "cuda:99"}}, InvalidParameterError),
    ],
)
def test_what_cannot_be_run_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], error: type[DeepGUMError]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEEPGUM_CACHE", str(tmp_path / "cache"))
    if changes.get("data", {}).get("folder"):
        changes["data"] = {**dict.fromkeys(("image_size", "train_size", "validation_size", "test_size"), 30)} | (
            changes["data"]
        )
    with pytest.raises(error):
        run(tiny(**changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize("cache", [True, False])
@pytest.mark.parametrize(
    ("model", "name"),
    [
        ({"frozen": "layers.99"}, "frozen"),
        ({"weights": "weights.bin"}, "weights"),
        ({"weights": "weights.pth", "sha256": "short"}, "sha256"),
    ],
)
def test_a_mistake_in_the_model_is_named_by_its_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: dict[str, Any], name: str, cache: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({}, "weights.pth")
    with pytest.raises(InvalidParameterError) as caught:
        run(tiny(model={**model, "cache": cache}), tmp_path / "run")
    assert caught.value.parameter == f"model.{name}"


def test_runs_on_the_same_data_share_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = []
    original = data_module.load_subset
    monkeypatch.setattr(data_module, "load_subset", lambda *a: loaded.append(a[0].seed) or original(*a))
    data, observer = Data(), Observer()
    one, two = tiny(method={"name": "l2"}), tiny(method={"name": "huber"})
    assert data.subset(one, observer) is data.subset(two, observer)
    data.subset(replace(one, seed=1), observer)
    assert loaded == [0, 1]


def test_a_table_that_was_moved_is_the_same_run_and_one_that_was_changed_is_not(
    tmp_path: Path, ages: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = of_ages({**ages, "options": {**ages["options"], "root": str(tmp_path)}}, method={"name": "l2"})
    folder = run(config, tmp_path / "run")
    monkeypatch.setattr(module, "train_method", None)
    moved = (tmp_path / "elsewhere").with_suffix(".csv")
    (tmp_path / "ages.csv").rename(moved)
    config = replace(config, data=replace(config.data, folder=moved))
    assert run(config, tmp_path / "run").metrics() == folder.metrics()
    moved.write_text(moved.read_text().replace("faces/3.png,", "faces/3.png,9"))
    with pytest.raises(OutputFolderError, match="has changed since"):
        run(config, tmp_path / "run")


# ---- that what is kept is the network, whatever its kind


@pytest.fixture
def ages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return the section of a table of small images, whose brightness is their age; and provide a network for them."""
    rng = np.random.default_rng(0)
    (tmp_path / "faces").mkdir()
    lines = ["file,age,one,two,split"]
    for index in range(40):
        age = int(rng.integers(10, 60))
        pixels = np.clip(rng.normal(3 * age, 20, (20, 20, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "faces" / f"{index}.png")
        part = "train" if index < 24 else "val" if index < 32 else "test"
        lines.append(f"faces/{index}.png,{age},{age / 10},{rng.normal():.4f},{part}")
    (tmp_path / "ages.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "network_of_a_user.py").write_text(FACTORY)
    monkeypatch.syspath_prepend(tmp_path)
    options = {"targets": ["age"], "part": "split", "mirror": "keep", "image": "file"}
    section = {"name": "table", "folder": tmp_path / "ages.csv", "image_size": 16, "options": options}
    return section | {"cache_dir": tmp_path / "cache"}


def of_ages(section: dict[str, Any], **sections: Any) -> RunConfig:
    return RunConfig.from_mapping({"data": section, "training": {"epochs_max": 2, "batch_size": 8}, **sections})


def predicted(folder: RunFolder) -> Any:
    return Predictions.read(folder.predictions).predicted


def check_reloaded(config: RunConfig, folder: RunFolder) -> None:
    """Assert that the network that is read again predicts what the run's own did."""
    network, signature = load_network(config, folder.path)
    test = load_subset(config).test
    assert signature.inputs == tuple(test.inputs.shape[1:])
    assert signature.targets == test.target_names
    again = config.measure.factor * predict(network, test).double().numpy()
    np.testing.assert_allclose(again, predicted(folder), rtol=1e-6, atol=1e-6)


def test_a_regressor_is_read_again(finished: tuple[RunConfig, RunFolder]) -> None:
    check_reloaded(*finished)


@pytest.mark.parametrize("method", ["dex", "dexgum"])
def test_a_deep_expectation_is_read_again(tmp_path: Path, ages: dict[str, Any], method: str) -> None:
    config = of_ages(ages, method={"name": method})
    folder = run(config, tmp_path / "run")
    check_reloaded(config, folder)
    signature = json.loads((folder.path / "network.json").read_text())
    assert signature["head"] == "expectation"
    labels = load_subset(config).train.targets
    assert signature["outputs"] == labels.max() - labels.min() + 1


@pytest.mark.parametrize("method", ["l2", "dex"])
def test_a_network_of_features_is_read_again(tmp_path: Path, ages: dict[str, Any], method: str) -> None:
    options = {"targets": ["age"], "part": "split", "features": ["one", "two"]}
    section = {"name": "table", "folder": ages["folder"], "options": options}
    config = of_ages(section, model={"name": "mlp"}, method={"name": method})
    folder = run(config, tmp_path / "run")
    check_reloaded(config, folder)
    assert {path.name for path in folder.path.iterdir()} == FILES


def test_a_feature_that_never_varies_does_not_spoil_the_network(tmp_path: Path, ages: dict[str, Any]) -> None:
    lines = (tmp_path / "ages.csv").read_text().splitlines()
    ages["folder"].write_text("\n".join([f"{lines[0]},same", *(f"{line},7" for line in lines[1:])]) + "\n")
    options = {"targets": ["age"], "part": "split", "features": ["one", "same"]}
    config = of_ages({"name": "table", "folder": ages["folder"], "options": options}, model={"name": "mlp"})
    check_reloaded(config, run(config, tmp_path / "run"))


@pytest.mark.parametrize("method", ["l2", "dex"])
def test_a_network_with_a_frozen_trunk_is_the_same_with_and_without_the_cache(
    tmp_path: Path, ages: dict[str, Any], method: str
) -> None:
    model = {"name": "network_of_a_user:small", "frozen": "0"}
    folders = {}
    for cache in (True, False):
        config = of_ages(ages, model={**model, "cache": cache}, method={"name": method})
        folders[cache] = run(config, tmp_path / f"run-{cache}")
        check_reloaded(config, folders[cache])
    assert list((tmp_path / "cache").glob("trunk-*.bin"))
    np.testing.assert_allclose(predicted(folders[True]), predicted(folders[False]), rtol=1e-5)
    scores = [[epoch.validation_score for epoch in folder.history()[0]] for folder in folders.values()]
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-5)


def test_a_vgg16_begins_from_weights_that_a_finished_run_can_do_without(
    tmp_path: Path, ages: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from deepgum.models.vgg import VGG16
    from deepgum.models.weights import save_weights

    torch.manual_seed(5)
    save_weights(VGG16(1000, image_size=32, fc_width=8), tmp_path / "vgg.safetensors")
    model = {"name": "vgg16", "frozen": "features.30", "fc_width": 8, "weights": tmp_path / "vgg.safetensors"}
    config = of_ages({**ages, "image_size": 32}, model=model, method={"name": "l2"})
    config = replace(config, training=replace(config.training, epochs_max=1))
    folder = run(config, tmp_path / "run")
    (tmp_path / "vgg.safetensors").unlink()
    check_reloaded(config, folder)
    read_config(folder.config)
    with monkeypatch.context() as patched:
        patched.setattr(module, "train_method", None)
        assert run(config, folder.path).metrics() == folder.metrics()
    with pytest.raises(InvalidParameterError, match=r"`model\.weights` should be a file of pretrained weights"):
        run(config, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_an_image_that_cannot_be_read_is_named_before_anything_is_written(tmp_path: Path, ages: dict[str, Any]) -> None:
    (tmp_path / "faces" / "7.png").write_bytes(b"not an image")
    with pytest.raises(UnreadableImagesError, match=r"faces/7\.png"):
        run(of_ages(ages, method={"name": "l2"}), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    config = of_ages({**ages, "skip_unreadable": True}, method={"name": "l2"})
    with pytest.warns(UserWarning, match=r"faces/7\.png"):
        folder = run(config, tmp_path / "run")
    assert folder.metrics().train_size == 23


@pytest.mark.parametrize("name", ["network.json", "metrics.json", "weights.safetensors"])
def test_a_folder_that_lacks_a_file_is_no_finished_run(
    tmp_path: Path, finished: tuple[RunConfig, RunFolder], name: str
) -> None:
    for path in finished[1].path.iterdir():
        if path.name != name:
            (tmp_path / path.name).write_bytes(path.read_bytes())
    if name == "metrics.json":
        with pytest.raises(InvalidDataError, match="finished run"):
            RunFolder(tmp_path).metrics()
    else:
        with pytest.raises(DeepGUMError, match=re.escape(str(tmp_path))):
            load_network(finished[0], tmp_path)
