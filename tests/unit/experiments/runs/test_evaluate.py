"""Errors of the network of a finished run: on its parts, on another data set, and refused where there are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from deepgum.errors import InvalidDataError, InvalidParameterError, UnknownNameError
from deepgum.experiments.runs.evaluate import evaluate_run
from deepgum.experiments.runs.predict import predict_inputs
from deepgum.experiments.runs.run_folder import RunFolder


@pytest.mark.parametrize("name", ["digits", "ages", "vectors"])
def test_an_evaluation_of_the_test_part_says_what_the_metrics_say(name: str, request: pytest.FixtureRequest) -> None:
    folder: RunFolder = request.getfixturevalue(name)
    metrics, evaluation = folder.metrics(), evaluate_run(folder.path)
    assert (evaluation.part, evaluation.samples, evaluation.unit) == ("test", metrics.test_size, metrics.unit)
    assert evaluation.mae == pytest.approx(metrics.mae, rel=1e-5)
    assert evaluation.rmse == pytest.approx(metrics.rmse, rel=1e-5)
    assert evaluation.failure_rate == metrics.failure_rate
    assert evaluation.each == pytest.approx(metrics.each, rel=1e-5)


def test_every_part_can_be_scored_and_no_other(ages: RunFolder) -> None:
    sizes = {part: evaluate_run(ages.path, part=part).samples for part in ("train", "validation", "test", "all")}
    assert sizes == {"train": 18, "validation": 6, "test": 6, "all": 30}
    with pytest.raises(UnknownNameError, match="Did you mean 'validation'"):
        evaluate_run(ages.path, part="validatoin")


def test_another_table_of_the_same_format_can_be_scored(ages: RunFolder, vectors: RunFolder) -> None:
    lines = (ages.path.parent / "ages.csv").read_text().splitlines()
    # Labels 100 years higher: beyond what the network can say, so that every error grows by just that.
    rows = [line.split(",") for line in lines[1:]]
    moved = [",".join([row[0], str(int(row[1]) + 100), *row[2:]]) for row in rows]
    other = ages.path.parent / "other.csv"
    other.write_text("\n".join([lines[0], *moved]) + "\n")
    predicted = predict_inputs(ages.path, [other])
    said = dict(zip(predicted.ids, predicted.predicted[:, 0], strict=True))
    for part in (None, "all", "test"):
        of = {row[0]: float(row[1]) + 100 for row in rows if part != "test" or row[4] == "test"}
        shifted = evaluate_run(ages.path, other, part)
        assert (shifted.part, shifted.samples) == (part or "all", len(of))
        assert shifted.mae == pytest.approx(np.mean([label - said[name] for name, label in of.items()]), rel=1e-5)
    other.write_text("\n".join([lines[0].replace("one", "uno"), *lines[1:]]) + "\n")
    with pytest.raises(InvalidDataError, match="one"):
        evaluate_run(vectors.path, other)


def test_a_table_of_test_rows_only_is_scored_whole(ages: RunFolder) -> None:
    lines = (ages.path.parent / "ages.csv").read_text().splitlines()
    other = ages.path.parent / "tests.csv"
    other.write_text("\n".join([lines[0], *(line for line in lines if line.endswith(",test"))]) + "\n")
    whole, own = evaluate_run(ages.path, other), evaluate_run(ages.path)
    assert (whole.samples, whole.part) == (6, "all")
    assert (whole.mae, whole.rmse) == pytest.approx((own.mae, own.rmse), rel=1e-5)
    with pytest.raises(InvalidDataError, match="samples of the part 'train'"):
        evaluate_run(ages.path, other, "test")
    with pytest.raises(InvalidParameterError, match=r"`data` should be .*nowhere\.csv"):
        evaluate_run(ages.path, ages.path.parent / "nowhere.csv")


def test_all_parts_together_score_as_their_samples_do(digits: RunFolder) -> None:
    parts = [evaluate_run(digits.path, part=part) for part in ("train", "validation", "test")]
    whole = evaluate_run(digits.path, part="all")
    counts = [part.samples for part in parts]
    assert whole.samples == sum(counts) == 51
    assert whole.mae == pytest.approx(np.average([part.mae for part in parts], weights=counts), rel=1e-5)
    assert whole.rmse**2 == pytest.approx(np.average([part.rmse**2 for part in parts], weights=counts), rel=1e-5)
    rates = [part.failure_rate for part in parts]
    assert whole.failure_rate == pytest.approx(np.average(rates, weights=counts))


def test_a_run_that_is_not_finished_is_of_no_use(tmp_path: Path, digits: RunFolder) -> None:
    for action in (evaluate_run, lambda path: predict_inputs(path, [path])):
        with pytest.raises(InvalidDataError, match="should be the folder of a finished run"):
            action(tmp_path)
        with pytest.raises(InvalidDataError, match="should be the folder of a finished run"):
            action(tmp_path / "nowhere")


def test_what_was_trained_on_an_accelerator_is_used_without_it(tmp_path: Path, digits: RunFolder) -> None:
    for path in digits.path.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    text = (tmp_path / "config.toml").read_text()
    (tmp_path / "config.toml").write_text(text.replace('device = "cpu"', 'device = "cuda:99"'))
    assert evaluate_run(tmp_path).mae == evaluate_run(digits.path).mae
