import json
from dataclasses import replace

import numpy as np
import pytest

from deepgum.experiments.paper.demo import DEMO, run_demo
from deepgum.report.runs.demo import draw_demo
from deepgum.training import SGDOptions

# The demonstration's own path, too short to learn anything.
SHORT = replace(DEMO, train_size=40, image_size=16, sgd=SGDOptions(epochs_max=1, patience=1))


@pytest.mark.usefixtures("gaussian_scores")
def test_the_demo_writes_records_posteriors_and_pictures(tmp_path):
    result = run_demo(tmp_path, options=SHORT)
    pictures = draw_demo(result, tmp_path)
    assert [record.method for record in result.records] == ["l2", "cauchy", "deepgum", "oracle"]
    assert [path.name for path in pictures] == ["comparison.png", "gallery.png", "posteriors.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures)
    assert len((tmp_path / "results.jsonl").read_text().splitlines()) == 4
    assert json.loads((tmp_path / "config.json").read_text())["dataset"] == "digits"
    assert len(list((tmp_path / "posteriors").iterdir())) == 4


@pytest.mark.usefixtures("gaussian_scores")
def test_what_it_shows_belongs_together(tmp_path):
    result = run_demo(tmp_path, options=SHORT)
    n = len(result.images)
    assert n == 40
    assert result.given.shape == result.predicted.shape == result.clean.shape == (n, 8)
    lengths = np.linalg.norm((result.given - result.predicted).reshape(n, 4, 2), axis=2)
    np.testing.assert_allclose(lengths, result.posteriors.residual_norms, atol=1e-6)
    moved = (result.given != result.clean).reshape(n, 4, 2).any(axis=2)
    assert (moved == result.posteriors.true_outliers).all()
    assert moved.sum() == round(0.4 * 4 * n)


def test_by_its_own_schedule_the_wrong_landmarks_are_found_and_learned_without(tmp_path):
    few = replace(DEMO, train_size=400, image_size=24, methods=("l2", "deepgum"))
    l2, deepgum = run_demo(tmp_path, options=few).records
    assert l2.epochs == deepgum.epochs == DEMO.sgd.epochs_max
    assert deepgum.failure_rate < 0.4 * l2.failure_rate
    assert deepgum.precision > 0.9
    assert deepgum.recall > 0.85
