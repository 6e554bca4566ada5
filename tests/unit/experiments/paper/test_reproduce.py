"""The needs of each table and figure: the data set and the runs of each scale. No run is trained twice."""

from __future__ import annotations

import itertools
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deepgum.experiments.runs.run as run_module
from deepgum.data.sets.registry import DATASETS
from deepgum.errors import ComparisonError, InvalidParameterError, NonFiniteLossError, UnknownNameError
from deepgum.experiments.observer import Observer
from deepgum.experiments.paper.reproduce import ARTEFACTS, figure5_options, find_data, make_plan, run_all
from deepgum.experiments.paper.scales import SCALES, Scale
from deepgum.experiments.runs.config import ModelConfig
from deepgum.training import METHODS, SGDOptions, train_method

# Files by which each data set is detected.
MARKS = {
    "fld": ("Anno/list_landmarks.txt",),
    "cacd": ("celebrity2000_meta.mat",),
    "utkface": ("26_0_1_20170104.jpg.chip.jpg",),
    "mcgill": ("yaw.csv",),
    "head-pose": ("biwi_train.npz",),
    "lfw-net": ("trainImageList.txt", "testImageList.txt"),
}
QUICK = SGDOptions(epochs_max=1, patience=1, batch_size=8)
TINY = Scale(
    images=ModelConfig("facenet"),
    image_size=16,
    features=ModelConfig("mlp"),
    sgd=QUICK,
    features_sgd=QUICK,
    faces=ModelConfig("facenet"),
    faces_size=16,
    faces_sgd=QUICK,
)


def mark(folder: Path, name: str) -> Path:
    for file in MARKS[name]:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(b"")
    return folder


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "vgg16.safetensors"
    path.write_bytes(b"")
    return path


# ---- the data


@pytest.mark.parametrize(
    ("artefact", "name"), [(artefact, name) for artefact in ARTEFACTS for name in ARTEFACTS[artefact].datasets]
)
def test_a_data_set_is_found_in_its_folder_and_in_a_folder_of_folders(tmp_path: Path, artefact: str, name: str) -> None:
    nested = mark(tmp_path / "data" / "any name", name)
    (tmp_path / "data" / "a file").write_text("")
    assert find_data(artefact, nested) == (name, nested)
    assert find_data(artefact, tmp_path / "data") == (name, nested)
    assert find_data(artefact, tmp_path / "data", name) == (name, nested)


@pytest.mark.parametrize("artefact", [name for name, of in ARTEFACTS.items() if len(of.datasets) > 1])
def test_the_papers_own_data_set_comes_first_unless_another_is_named(tmp_path: Path, artefact: str) -> None:
    own, other = ARTEFACTS[artefact].datasets
    places = {name: mark(tmp_path / place, name) for place, name in (("z", own), ("a", other))}
    assert find_data(artefact, tmp_path) == (own, places[own])
    assert find_data(artefact, tmp_path, other) == (other, places[other])


def test_a_folder_without_the_data_set_is_refused(tmp_path: Path) -> None:
    mark(tmp_path / "faces", "lfw-net")
    with pytest.raises(InvalidParameterError, match="a folder with the data set 'cacd' or 'utkface'"):
        find_data("figure4", tmp_path)
    with pytest.raises(InvalidParameterError, match="`data`"):
        find_data("figure4", tmp_path / "nowhere")
    with pytest.raises(UnknownNameError, match="`dataset` should be one of 'cacd', 'utkface'"):
        find_data("figure4", tmp_path, "lfw-net")
    with pytest.raises(UnknownNameError, match="Did you mean 'table1'"):
        find_data("tabel1", tmp_path)
    # Two folders below is too far.
    mark(tmp_path / "one" / "two", "fld")
    with pytest.raises(InvalidParameterError):
        find_data("table1", tmp_path)


# ---- the runs


def test_every_artefact_is_of_known_methods_and_data_sets() -> None:
    assert set(ARTEFACTS) == {"table1", "table2", "figure2", "figure3", "figure4", "figure5"}
    for artefact in ARTEFACTS.values():
        assert set(artefact.methods) <= set(METHODS)
        assert set(artefact.datasets) <= set(DATASETS)


@pytest.mark.parametrize(("artefact", "name"), [("table1", "fld"), ("figure4", "cacd"), ("table2", "mcgill")])
def test_the_papers_scale_is_the_papers_protocol(tmp_path: Path, weights: Path, artefact: str, name: str) -> None:
    plan = make_plan(artefact, name, tmp_path, SCALES["paper"], weights=weights)
    assert plan.differences == {}
    for config in plan.runs:
        assert config.data.image_size == 224
        assert (config.model.name, config.model.frozen, config.model.fc_width) == ("vgg16", "features.23", 4096)
        assert config.model.weights == weights
        sgd = config.training
        assert (sgd.optimizer, sgd.learning_rate, sgd.batch_size, sgd.patience) == ("sgd", 1e-4, 128, 5)
        assert sgd.mirror
        assert config.corruption.rate == 0
        assert (config.data.train_size, config.data.validation_size, config.data.test_size) == (None, None, None)


def test_a_plan_has_a_run_for_each_method_fold_and_seed(tmp_path: Path) -> None:
    assert [run.method.name for run in make_plan("table1", "fld", tmp_path, TINY).runs] == [
        "l2",
        "huber",
        "biweight",
        "deepgum-alternate",
    ]
    assert {"l2", "huber", "biweight", "dex", "dexgum", "deepgum-paper"} == set(ARTEFACTS["figure4"].methods)
    methods = TINY.methods(ARTEFACTS["figure4"].methods)
    plan = make_plan("figure4", "utkface", tmp_path, TINY, rate=0.3, seed=4)
    assert [(run.method.name, run.seed) for run in plan.runs] == [(name, 4) for name in methods]
    assert all((run.corruption.noise, run.corruption.rate) == ("uniform", 0.3) for run in plan.runs)
    for name in ("mcgill", "head-pose"):
        runs = make_plan("table2", name, tmp_path, TINY).runs
        assert {(run.method.name, run.data.fold) for run in runs} == set(
            itertools.product(TINY.methods(ARTEFACTS["table2"].methods), range(7))
        )
        assert len(runs) == 28
        # One fold after the other, so that each is loaded once.
        assert [run.data.fold for run in runs] == sorted(run.data.fold for run in runs)
    some = make_plan("table1", "fld", tmp_path, TINY, methods=("deepgum-paper", "l1"), clothes="lower")
    assert [run.method.name for run in some.runs] == ["deepgum-paper", "l1"]
    assert all(run.data.options == {"clothes": "lower"} for run in some.runs)
    digests = [run.digest for run in [*plan.runs, *some.runs]]
    assert len(set(digests)) == len(digests)


def test_algorithm_1_stands_for_deepgum_at_either_scale_unless_methods_are_named(tmp_path: Path) -> None:
    weights = Path("imagenet")
    for name, scale in SCALES.items():
        of_mixture = {"paper": "deepgum-paper", "cpu": "deepgum-alternate"}[name]
        made = make_plan("table1", "fld", tmp_path, scale, weights=weights)
        assert [run.method.name for run in made.runs] == ["l2", "huber", "biweight", of_mixture]
        assert METHODS[of_mixture].options.schedule.name == "alternate"  # type: ignore[union-attr]
        grid: dict[str, Any] = {"noises": ("ngo",), "rates": (0.4,), "seeds": (0,), "weights": weights}
        assert of_mixture in figure5_options(tmp_path, scale, methods=None, **grid).methods
        asked = make_plan("table1", "fld", tmp_path, scale, weights=weights, methods=("deepgum",))
        assert [run.method.name for run in asked.runs] == ["deepgum"]
    assert SCALES["cpu"].differences("faces")["DeepGUM"] == ("deepgum-paper", "deepgum-alternate")


def test_figure_3_asks_for_a_run_of_table_1(tmp_path: Path) -> None:
    table, figure = (make_plan(name, "fld", tmp_path, TINY) for name in ("table1", "figure3"))
    assert {run.digest for run in figure.runs} < {run.digest for run in table.runs}
    assert len(figure.runs) == 1


def test_features_get_the_network_of_features(tmp_path: Path) -> None:
    plan = make_plan("table2", "head-pose", tmp_path, SCALES["cpu"])
    assert {run.model.name for run in plan.runs} == {"mlp"}
    assert plan.differences["network"] == ("vgg16", "mlp")


@pytest.mark.parametrize("scale", SCALES.values(), ids=SCALES)
def test_pretrained_weights_must_be_named_and_be_there(tmp_path: Path, scale: Scale) -> None:
    with pytest.raises(InvalidParameterError, match=r"`weights` should be a file of VGG-16's pretrained weights"):
        make_plan("table1", "fld", tmp_path, scale)
    with pytest.raises(InvalidParameterError, match=r"nowhere\.pth"):
        make_plan("table1", "fld", tmp_path, scale, weights=tmp_path / "nowhere.pth")
    assert make_plan("table1", "fld", tmp_path, scale, weights=Path("imagenet")).runs[0].model.weights == Path(
        "imagenet"
    )


def test_figure_5_is_a_comparison_at_the_scale(tmp_path: Path, weights: Path) -> None:
    grid: dict[str, Any] = {"noises": ("ngo", "g-ugo"), "rates": (0.0, 0.4), "methods": ("l2",), "seeds": (0, 1)}
    for name, scale in SCALES.items():
        options = figure5_options(tmp_path, scale, weights=weights, **grid)
        assert (options.dataset, options.image_size, options.sgd) == ("lfw-net", scale.faces_size, scale.faces_sgd)
        assert len(options.runs()) == 8
        assert options.train_size is None
        assert options.network.name == ("vgg16" if name == "paper" else "facenet")
    with pytest.raises(InvalidParameterError, match="weights"):
        figure5_options(tmp_path, SCALES["paper"], **grid)


# ---- what a scale changes

_SECTIONS = {"images": ("images", "sgd", "image_size"), "faces": ("faces", "faces_sgd", "faces_size")}
# What has no influence on a result, or does not say what is done at a scale.
_UNSAID = {"device", "cache", "weights", "sha256"}


@pytest.mark.parametrize("network", _SECTIONS)
def test_every_number_that_the_cpu_scale_changes_is_listed(network: str) -> None:
    paper, here = SCALES["paper"], SCALES["cpu"]
    listed = list(here.differences(network).values())
    model, sgd, size = _SECTIONS[network]
    if getattr(paper, size) != getattr(here, size):
        assert (getattr(paper, size), getattr(here, size)) in listed
    for section in (model, sgd):
        sections = [getattr(scale, section) for scale in (paper, here)]
        of = [dict(each.effective) if section == sgd else asdict(each) for each in sections]
        for name in of[0].keys() - _UNSAID:
            # The width of VGG-16's layers says nothing of a network without them, nor does a cache that is not there.
            if of[0][name] == of[1][name] or (name == "cache_dtype" and not of[1]["frozen"]):
                continue
            pairs = [(str(theirs), str(ours)) for theirs, ours in listed]
            found = (str(of[0][name]), str(of[1][name]) or "none") in pairs
            assert found, f"{name}: {of[0][name]} and {of[1][name]}"
    assert paper.differences(network) == {}


@pytest.mark.parametrize("field", [field.name for field in fields(SGDOptions) if field.name != "device"])
def test_every_change_of_the_training_is_listed(field: str) -> None:
    others = {"optimizer": "adamw", "schedule": "cosine", "precision": "bf16", "mirror": False}
    value = others.get(field, 17)
    for network in ("images", "faces"):
        changed = SCALES["paper"].with_training(**{field: value}).differences(network)
        assert changed == {field.replace("_", " "): (getattr(SCALES["paper"].sgd, field), value)}
    assert SCALES["paper"].with_training(device="cuda").differences("images") == {}


def test_every_change_of_the_network_is_listed() -> None:
    paper = SCALES["paper"]
    for changes in ({"fc_width": 512}, {"frozen": "features.16"}, {"cache_dtype": "float16"}, {"name": "facenet"}):
        other = replace(paper, images=replace(paper.images, **changes))  # type: ignore[arg-type]
        assert other.differences("images"), changes
    assert replace(paper, image_size=112).differences("images") == {"image size": (224, 112)}


# ---- training


@pytest.fixture
def head_pose(tmp_path: Path) -> Path:
    root, rng = tmp_path / "head_pose", np.random.default_rng(0)
    root.mkdir()
    for name, n in (("biwi_train", 60), ("biwi_test", 24)):
        np.savez(root / f"{name}.npz", features=rng.random((n, 4), np.float32), poses=rng.uniform(-60, 60, (n, 3)))
    return root


class Counted:
    """Trains, counts, and fails on request."""

    def __init__(self, fail: str = "") -> None:
        self.methods: list[str] = []
        self.fail = fail

    def __call__(self, name: str, *arguments: Any, **settings: Any) -> Any:
        self.methods.append(name)
        if name == self.fail:
            raise NonFiniteLossError("The loss is not finite.")
        return train_method(name, *arguments, **settings)


class Watching(Observer):
    def __init__(self) -> None:
        self.begun: list[tuple[int, int]] = []
        self.numbers: list[int] = []
        self.about: list[str] = []
        self.failed: list[tuple[str, str]] = []

    def started(self, total: int, finished: int) -> None:
        self.begun.append((total, finished))

    def run_started(self, run: Any, number: int) -> None:
        self.numbers.append(number)
        self.about.append(run.about)

    def run_failed(self, run: Any, error: Exception) -> None:
        self.failed.append((run.method, run.about))


def plan_of(folder: Path, methods: tuple[str, ...], **settings: Any) -> Any:
    plan = make_plan("table2", "head-pose", folder, TINY, methods=methods, **settings)
    return replace(plan, runs=tuple(run for run in plan.runs if run.data.fold < 2))


def test_a_run_that_two_plans_want_is_trained_once(
    tmp_path: Path, head_pose: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer, observer, out = Counted(), Watching(), tmp_path / "out"
    monkeypatch.setattr(run_module, "train_method", trainer)
    table, figure = plan_of(head_pose, ("l2", "huber")), plan_of(head_pose, ("huber",))
    folders = run_all([table, figure], out, observer)
    assert sorted(trainer.methods) == ["huber", "huber", "l2", "l2"]
    assert observer.begun == [(4, 0)]
    assert observer.numbers == [1, 2, 3, 4]
    assert observer.about == ["head-pose fold 0"] * 2 + ["head-pose fold 1"] * 2
    assert set(folders) == {run.digest for run in table.runs}
    for run in table.runs:
        metrics = folders[run.digest].metrics()
        assert (metrics.key, metrics.method, metrics.fold) == (run.digest, run.method.name, run.data.fold)
    # What is finished is not trained again, and what is new is.
    more = plan_of(head_pose, ("huber", "l1"))
    run_all([more], out, observer)
    assert sorted(trainer.methods[4:]) == ["l1", "l1"]
    assert observer.begun[-1] == (4, 2)
    # Nor is it when only its folder has moved.
    run_all([plan_of(head_pose, ("l2",), cache_dir=tmp_path)], out)
    assert len(trainer.methods) == 6


def test_labels_as_they_are_and_made_wrong_are_different_runs(
    tmp_path: Path, head_pose: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = Counted()
    monkeypatch.setattr(run_module, "train_method", trainer)
    plans = [plan_of(head_pose, ("l2",), rate=rate) for rate in (0.0, 0.3)]
    folders = run_all(plans, tmp_path / "out")
    assert len(trainer.methods) == 4
    for plan in plans:
        for run in plan.runs:
            metrics = folders[run.digest].metrics()
            assert metrics.rate == plan.rate
            assert (metrics.average_precision is None) == (plan.rate == 0)


def test_a_run_that_fails_does_not_keep_the_others_from_being_done(
    tmp_path: Path, head_pose: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, out, observer = plan_of(head_pose, ("huber", "l2")), tmp_path / "out", Watching()
    monkeypatch.setattr(run_module, "train_method", Counted(fail="huber"))
    with pytest.raises(ComparisonError) as caught:
        run_all([plan], out, observer)
    assert observer.failed == [("huber", "head-pose fold 0"), ("huber", "head-pose fold 1")]
    message = str(caught.value)
    assert "2 of the 4 runs failed" in message
    assert "The loss is not finite." in message
    failed = [run for run in plan.runs if run.method.name == "huber"]
    assert all(run.stem in message for run in failed)
    done = {path.parent.name for path in out.glob("runs/*/metrics.json")}
    assert done == {run.stem for run in plan.runs if run not in failed}
    # Once the cause is gone, the same call goes on.
    trainer = Counted()
    monkeypatch.setattr(run_module, "train_method", trainer)
    run_all([plan], out)
    assert trainer.methods == ["huber", "huber"]
