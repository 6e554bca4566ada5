import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from deepgum.data.sets.digits import load_digits_landmarks
from deepgum.data.sets.registry import DATASETS
from deepgum.data.sets.request import Request, Subset, sizes, split
from deepgum.errors import (
    ComparisonError,
    InvalidDataError,
    InvalidParameterError,
    NonFiniteLossError,
    OutputFolderError,
    UnknownNameError,
)
from deepgum.experiments.observer import Observer
from deepgum.experiments.paper.compare import compare
from deepgum.experiments.paper.demo import free_folder, run_demo
from deepgum.experiments.paper.folder import OutputFolder
from deepgum.experiments.paper.options import CompareOptions
from deepgum.experiments.paper.records import ResultsFile
from deepgum.experiments.runs.cells import make_cell
from deepgum.experiments.runs.scoring import by_group, residual_norms, score_run
from deepgum.experiments.runs.tables import Posteriors
from deepgum.mixture import partition
from deepgum.training import SGDOptions, TrainingResult
from deepgum.training.history import EpochRecord, History

OPTIONS = CompareOptions(
    dataset="digits",
    noises=("l-ugo", "g-ugo"),
    rates=(0.5,),
    methods=("l2", "deepgum"),
    train_size=24,
    validation_size=10,
    image_size=16,
)


class Constant(torch.nn.Module):
    def __init__(self, outputs):
        super().__init__()
        self.outputs = torch.nn.Parameter(outputs)

    def forward(self, inputs):
        return self.outputs.expand(len(inputs), -1)


class StubTrainer:
    """Predicts the middle of every label, and knows the truth when its method has a mixture."""

    def __init__(self, stop_before=None, fail=None):
        self.calls = []
        self.stop_before = stop_before
        self.fail = fail or {}

    def __call__(self, name, train, validation, **settings):
        if len(self.calls) == self.stop_before:
            raise KeyboardInterrupt
        self.calls.append((name, settings["groups"], settings["seed"], train.targets))
        if name in self.fail:
            raise self.fail[name]
        model = Constant(train.targets.nanmedian(dim=0).values)
        history = History()
        history.add(EpochRecord("l2", 0, 1, 1.0, 1.0, 0.1, best=True))
        responsibilities = None
        if name.startswith("deepgum"):
            wrong = torch.from_numpy(by_group(settings["true_outlier"], partition(settings["groups"], 8)))
            responsibilities = 1 - wrong
        return TrainingResult(
            model=model,
            residuals=(train.targets - model.outputs).detach(),
            responsibilities=responsibilities,
            flags=None if responsibilities is None else responsibilities < 0.5,
            mixture=None,
            history=history,
            seconds=1.0,
        )


def test_every_run_of_the_grid_is_trained_and_recorded(tmp_path):
    trainer = StubTrainer()
    records = compare(OPTIONS, tmp_path, train=trainer)
    assert [(record.method, record.noise) for record in records] == [
        ("l2", "l-ugo"),
        ("deepgum", "l-ugo"),
        ("l2", "g-ugo"),
        ("deepgum", "g-ugo"),
    ]
    assert ResultsFile(tmp_path / "results.jsonl").read() == records
    # As the paper does: a landmark is wrong alone under l-UGO, all of an image's together under g-UGO.
    assert [call[1] for call in trainer.calls] == ["landmark", "landmark", "sample", "sample"]
    perfect = records[1]
    assert (perfect.precision, perfect.recall, perfect.average_precision, perfect.flagged) == (1, 1, 1, 0.5)
    assert (records[0].precision, records[0].recall, records[0].flagged) == (None, None, None)
    assert 0 < records[0].average_precision < 1
    assert records[0].train_size == 24
    assert records[0].image_size == 16


def test_posteriors_name_samples_groups_and_the_truth(tmp_path):
    compare(OPTIONS, tmp_path, train=StubTrainer())
    by_method = {record.method: record for record in ResultsFile(tmp_path / "results.jsonl").read()[:2]}
    found = Posteriors.read(tmp_path / by_method["deepgum"].posteriors)
    assert found.group_names == ("top_left", "top_right", "bottom_right", "bottom_left")
    assert len(set(found.sample_ids)) == 24
    assert found.true_outliers.sum() == 48
    np.testing.assert_array_equal(found.true_outliers, found.responsibilities < 0.5)
    assert Posteriors.read(tmp_path / by_method["l2"].posteriors).responsibilities is None


def test_methods_of_a_cell_get_the_same_labels_and_seeds_get_others(tmp_path):
    trainer = StubTrainer()
    compare(replace(OPTIONS, noises=("ngo",), seeds=(0, 1)), tmp_path, train=trainer)
    labels = [call[3] for call in trainer.calls]
    assert torch.equal(labels[0], labels[1])
    assert torch.equal(labels[2], labels[3])
    assert not torch.equal(labels[0], labels[2])


def test_an_interrupted_comparison_goes_on_where_it_stopped(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        compare(OPTIONS, tmp_path, train=StubTrainer(stop_before=2))
    assert len(ResultsFile(tmp_path / "results.jsonl").read()) == 2
    written = (tmp_path / "results.jsonl").read_bytes()
    trainer = StubTrainer()
    records = compare(OPTIONS, tmp_path, train=trainer)
    assert [call[:2] for call in trainer.calls] == [("l2", "sample"), ("deepgum", "sample")]
    assert len(records) == 4
    assert (tmp_path / "results.jsonl").read_bytes().startswith(written)
    again = StubTrainer()
    assert compare(OPTIONS, tmp_path, train=again) == records
    assert again.calls == []


def test_the_grid_may_grow(tmp_path):
    compare(OPTIONS, tmp_path, train=StubTrainer())
    trainer = StubTrainer()
    grown = replace(OPTIONS, methods=("l2", "cauchy", "deepgum"), seeds=(0, 1))
    assert len(compare(grown, tmp_path, train=trainer)) == 12
    assert len(trainer.calls) == 8


def test_runs_that_do_the_same_are_trained_once(tmp_path):
    trainer = StubTrainer()
    options = replace(OPTIONS, noises=("ngo", "l-ugo"), rates=(0.0,), methods=("l2", "oracle"))
    records = compare(options, tmp_path, train=trainer)
    assert len(trainer.calls) == 1
    assert len({record.failure_rate for record in records}) == 1
    assert [(r.method, r.noise) for r in ResultsFile(tmp_path / "results.jsonl").read()] == [
        ("l2", "ngo"),
        ("oracle", "ngo"),
        ("l2", "l-ugo"),
        ("oracle", "l-ugo"),
    ]
    assert records[0].precision is None
    assert records[0].average_precision is None


@pytest.mark.parametrize("kind", [NonFiniteLossError, InvalidDataError])
def test_runs_that_fail_do_not_stop_the_others(tmp_path, kind):
    failed = []

    class Listener(Observer):
        def run_failed(self, run, error):
            failed.append((run.method, run.noise, type(error)))

    trainer = StubTrainer(fail={"l2": kind("no good")})
    with pytest.raises(
        ComparisonError, match=r"2 of the 4 runs failed. l2_l-ugo_0.5_seed0_\w+: no good l2_g"
    ) as caught:
        compare(OPTIONS, tmp_path, Listener(), train=trainer)
    assert len(trainer.calls) == 4
    assert failed == [("l2", "l-ugo", kind), ("l2", "g-ugo", kind)]
    assert caught.value.records == ResultsFile(tmp_path / "results.jsonl").read()
    assert [record.method for record in ResultsFile(tmp_path / "results.jsonl").read()] == ["deepgum", "deepgum"]


def test_a_folder_of_another_configuration_is_refused_and_left_alone(tmp_path):
    compare(OPTIONS, tmp_path, train=StubTrainer())
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    other = replace(OPTIONS, image_size=20, sgd=SGDOptions(epochs_max=3))
    trainer = StubTrainer()
    with pytest.raises(OutputFolderError) as caught:
        compare(other, tmp_path, train=trainer)
    assert "epochs_max = 100 there and 3 here; image_size = 16 there and 20 here" in str(caught.value)
    assert trainer.calls == []
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputFolderError, match=r"It holds thesis\.tex"):
        compare(OPTIONS, tmp_path, train=StubTrainer())
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(OutputFolderError, match="Found a file"):
        compare(OPTIONS, tmp_path / "thesis.tex", train=StubTrainer())


def test_the_folder_is_refused_before_any_data_is_read(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(OutputFolderError):
        compare(replace(OPTIONS, dataset="lfw-net", data=tmp_path / "nowhere"), tmp_path, train=StubTrainer())


def test_a_broken_configuration_is_refused(tmp_path):
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(OutputFolderError, match="should be the settings of a comparison"):
        OutputFolder(tmp_path).check({})
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(OutputFolderError, match="should hold a JSON object"):
        OutputFolder(tmp_path).check({})


def test_another_device_or_data_folder_is_the_same_configuration(tmp_path):
    moved = replace(OPTIONS, data=tmp_path, cache_dir=tmp_path, sgd=SGDOptions(device="cuda"))
    assert moved.shared == OPTIONS.shared
    assert moved.runs() == OPTIONS.runs()
    json.dumps(OPTIONS.shared)


@pytest.mark.parametrize("data", ["nowhere", "."])
def test_data_that_cannot_be_used_leaves_no_folder(tmp_path, data):
    options = replace(OPTIONS, dataset="lfw-net", data=tmp_path / data)
    with pytest.raises(InvalidParameterError, match="Parameter `data` should be a folder that holds"):
        compare(options, tmp_path / "out", train=StubTrainer())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("model", ["facenett", "no_such_package:model", "torch.nn:Flatten"])
def test_a_network_that_cannot_be_built_leaves_no_folder(tmp_path, model):
    trainer = StubTrainer()
    with pytest.raises(InvalidParameterError, match="Parameter `model`"):
        compare(replace(OPTIONS, model=model), tmp_path / "out", train=trainer)
    assert trainer.calls == []
    assert not (tmp_path / "out").exists()


def test_too_few_samples_for_one_method_are_refused_before_any_other_is_trained(tmp_path):
    train = StubTrainer()
    with pytest.raises(InvalidDataError, match=r"`validation` should have at least 9 samples.*Found 8"):
        compare(replace(OPTIONS, validation_size=8), tmp_path / "out", train=train)
    assert train.calls == []
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dataset": "lfw_net"}, "Did you mean 'lfw-net'"),
        ({"dataset": "lfw-net"}, "`data` should be the folder of the data set 'lfw-net'"),
        ({"noises": ("l-ugoo",)}, "`noise` .*Did you mean 'l-ugo'"),
        ({"methods": ("l2", "biwieght")}, "`methods` .*Did you mean 'biweight'"),
        ({"rates": (0.4, 40.0)}, r"`rate` should be a number in \[0, 1\]. Found `rate = 40.0`"),
        ({"rates": ()}, "`rate` should be one or more values"),
        ({"seeds": (0, 0)}, "`seed` should be one or more values, each once"),
        ({"seeds": (-1,)}, "`seed` should be a whole number of at least 0"),
        ({"train_size": 0}, "`train_size`"),
        ({"validation_size": 0}, "`validation_size`"),
        ({"image_size": 8}, "`image_size`"),
        ({"groups": "landmarks"}, "Did you mean 'landmark'"),
    ],
)
def test_options_are_checked_at_the_door(change, message):
    with pytest.raises(InvalidParameterError, match=message):
        replace(OPTIONS, **change)


def test_all_methods_have_the_same_number_of_epochs(tmp_path):
    """The validation score of random labels does not improve, so a method with patience would stop early."""
    sgd = SGDOptions(schedule="one-cycle", epochs_max=7, learning_rate=1e-5)
    options = replace(OPTIONS, noises=("l-ugo",), rates=(1.0,), methods=("l2", "cauchy", "deepgum"), sgd=sgd)
    assert [record.epochs for record in compare(options, tmp_path)] == [7, 7, 7]
    assert options.shared["patience"] == 7  # as in a comparison with this patience


@pytest.mark.parametrize("schedule", ["one-cycle", "cosine"])
def test_a_patience_that_only_some_methods_follow_is_refused(schedule):
    early = SGDOptions(schedule=schedule, epochs_max=20, patience=5)
    with pytest.raises(InvalidParameterError, match=r"`patience` .* at least 20 epochs.* deepgum trains .* l2 would"):
        replace(OPTIONS, sgd=early)
    for fair in (replace(early, patience=20), replace(early, schedule="constant")):
        replace(OPTIONS, sgd=fair)
    replace(OPTIONS, methods=("l2", "cauchy", "deepgum-alternate"), sgd=early)  # all of them follow it


def test_names_are_typed_errors():
    with pytest.raises(UnknownNameError):
        replace(OPTIONS, methods=("nothing like it",))


@pytest.mark.parametrize(
    ("train_size", "validation_size", "expected"),
    [(None, None, (900, 100)), (90, None, (90, 10)), (90, 50, (90, 50)), (None, 30, (970, 30)), (3, None, (3, 1))],
)
def test_one_in_ten_validates_unless_it_is_said(train_size, validation_size, expected):
    assert sizes(Request(None, train_size, validation_size, 32), 1000) == expected


@pytest.mark.parametrize(
    ("train_size", "validation_size", "message"),
    [
        (
            30,
            5,
            "`train_size` should be from 1 to 15, with 5 for validation. Found `train_size = 30`. .*has 20 samples",
        ),
        (19, None, "from 1 to 18, with a ninth of this number for validation"),
        (None, 20, "from 1 to 0, with 20 for validation"),
    ],
)
def test_more_samples_than_there_are_is_an_error_with_the_most(train_size, validation_size, message):
    pool, test = load_digits_landmarks(20, 5, image_size=16)
    with pytest.raises(InvalidParameterError, match=message):
        split(pool, test, Request(None, train_size, validation_size, 16), 0)


def test_training_validation_and_test_samples_do_not_overlap():
    subset = DATASETS["digits"].load(Request(None, 60, 20, 16), 3)
    ids = [set(data.ids) for data in (subset.train, subset.validation, subset.test)]
    assert [len(names) for names in ids] == [60, 20, 500]
    assert not ids[0] & ids[1]
    assert not (ids[0] | ids[1]) & ids[2]


def test_test_labels_stay_clean_and_the_truth_is_kept():
    subset = DATASETS["digits"].load(Request(None, 20, 10, 16), 0)
    cell = make_cell(subset, "ngo", 0.5, seed=0)
    assert torch.equal(cell.test.targets, subset.test.targets)
    assert torch.equal(cell.clean_targets, subset.train.targets)
    moved = (cell.train.targets != cell.clean_targets).unflatten(1, (-1, 2)).any(dim=2)
    assert torch.equal(moved, cell.corruption.outlier)


def test_validation_labels_are_not_moved_as_training_labels_are():
    data = DATASETS["digits"].load(Request(None, 20, 10, 16), 0).train
    cell = make_cell(Subset(data, data, data), "ngo", 0.5, seed=0)
    assert not torch.equal(cell.corruption.outlier, cell.validation_corruption.outlier)


def test_a_group_is_as_long_as_its_observed_coordinates():
    nan = float("nan")
    residuals = torch.tensor([[3.0, 4.0, 1.0], [nan, 2.0, nan], [nan, nan, -5.0]])
    norms = residual_norms(residuals, ((0, 1), (2,)))
    np.testing.assert_allclose(norms, [[5, 1], [2, np.nan], [np.nan, 5]])


def test_a_group_is_wrong_when_any_of_its_landmarks_is():
    wrong = torch.tensor([[True, False], [False, False]])
    np.testing.assert_array_equal(by_group(wrong, ((0, 1, 2, 3),)), [[1], [0]])
    np.testing.assert_array_equal(by_group(wrong, ((1,), (2,), (0, 3))), [[1, 0, 1], [0, 0, 0]])


def test_posteriors_that_round_to_nought_still_rank():
    subset = DATASETS["digits"].load(Request(None, 20, 10, 16), 0)
    cell = make_cell(subset, "g-ugo", 0.5, seed=0)
    trained = StubTrainer()("l2", cell.train, cell.validation, groups="sample", seed=0)
    wrong = cell.corruption.outlier.any(dim=1, keepdim=True)
    responsibilities = torch.where(wrong, 1e-30, 1e-20).double()
    result = replace(trained, responsibilities=responsibilities, flags=responsibilities < 0.5)
    scores, _, _ = score_run(result, cell, "sample", SGDOptions())
    assert scores.average_precision == pytest.approx(1.0)
    assert scores.precision == 0.5


def test_without_wrong_labels_there_is_nothing_to_find():
    cell = make_cell(DATASETS["digits"].load(Request(None, 20, 10, 16), 0), "ngo", 0.0, seed=0)
    trained = StubTrainer()("l2", cell.train, cell.validation, groups="landmark", seed=0)
    flags = torch.zeros(20, 4, dtype=torch.bool)
    flags[0] = True
    scores, _, _ = score_run(replace(trained, flags=flags), cell, "landmark", SGDOptions())
    assert (scores.precision, scores.recall, scores.average_precision, scores.recall_moved) == (None,) * 4
    assert scores.flagged == 0.05


def test_deleted_labels_are_neither_right_nor_wrong(tmp_path):
    options = replace(OPTIONS, noises=("l-ugo",), missing=0.25)
    whole = compare(replace(OPTIONS, noises=("l-ugo",)), tmp_path / "whole", train=StubTrainer())
    trainer = StubTrainer()
    records = compare(options, tmp_path / "less", train=trainer)
    assert [record.missing for record in records] == [0.25, 0.25]
    assert not {record.key for record in records} & {record.key for record in whole}
    assert all(call[3].isnan().sum() == 2 * 24 for call in trainer.calls)
    found = Posteriors.read(tmp_path / "less" / records[1].posteriors)
    assert (~found.observed).sum() == 24
    # The stub knows what is wrong among the labels that are left, and so do the scores.
    assert found.true_outliers[~found.observed].sum() == 0
    assert (records[1].precision, records[1].recall, records[1].average_precision) == (1, 1, 1)
    assert records[1].flagged == pytest.approx(found.true_outliers.sum() / 72)
    before = Posteriors.read(tmp_path / "whole" / whole[1].posteriors)
    np.testing.assert_array_equal(found.true_outliers, before.true_outliers & found.observed)
    with pytest.raises(OutputFolderError, match="missing"):
        compare(replace(options, missing=0.5), tmp_path / "less", train=StubTrainer())


def test_an_observer_hears_of_every_run(tmp_path):
    heard = []

    class Listener(Observer):
        def started(self, total, finished):
            heard.append((total, finished))

        def run_started(self, run, number):
            heard.append((run.method, number))

        def run_finished(self, run, record):
            assert record.method == run.method
            heard.append("finished")

    compare(replace(OPTIONS, noises=("ngo",)), tmp_path, Listener(), train=StubTrainer())
    assert heard == [(2, 0), ("l2", 1), "finished", ("deepgum", 2), "finished"]


def test_the_demo_needs_its_own_method_and_an_empty_folder(tmp_path):
    with pytest.raises(InvalidParameterError, match="'deepgum' among the methods"):
        run_demo(tmp_path, options=replace(OPTIONS, noises=("ngo",), methods=("l2",)))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(OutputFolderError, match=r"should be new or empty. It holds config\.json"):
        run_demo(tmp_path)


def test_a_free_folder_is_the_next_in_number(tmp_path):
    (tmp_path / "demo").mkdir()
    assert free_folder(tmp_path / "demo") == tmp_path / "demo-2"
    (tmp_path / "demo-2").mkdir()
    assert free_folder(tmp_path / "demo") == tmp_path / "demo-3"


def test_landmarks_in_pixels_are_the_same_landmarks():
    fractions, pixels = (replace(OPTIONS, pixels=pixels) for pixels in (False, True))
    one, other = (make_cell(options.load(0, Observer()), "l-ugo", 0.5, 0) for options in (fractions, pixels))
    torch.testing.assert_close(other.train.targets, 224 * one.train.targets)
    torch.testing.assert_close(other.corruption.displacement, 224 * one.corruption.displacement)
    results = [StubTrainer()("l2", cell.train, cell.validation, groups="landmark", seed=0) for cell in (one, other)]
    scores = [
        score_run(result, cell, "landmark", SGDOptions(), options.measure)[0]
        for result, cell, options in zip(results, (one, other), (fractions, pixels), strict=True)
    ]
    assert scores[1].failure_rate == pytest.approx(scores[0].failure_rate)
    assert scores[1].mae == pytest.approx(224 * scores[0].mae)
    assert scores[1].nme == pytest.approx(scores[0].nme)
    assert [run.digest for run in fractions.runs()] != [run.digest for run in pixels.runs()]
