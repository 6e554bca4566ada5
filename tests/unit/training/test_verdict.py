"""The verdict on labels after a training: no flags among right labels with heavy tails, and flags of wrong labels."""

from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor

from deepgum.mixture import GaussianUniformMixture, MixtureStatus
from deepgum.posteriors.label_mixture import LabelMixture
from deepgum.processes import SOLO, Processes
from deepgum.training import DeepGUMOptions, ResponsibilityTracker, verdict
from deepgum.training.verdict import fit_verdict, responsibilities_of

N = 1500


def heavy_tails(wrong: int = 0) -> Tensor:
    """Residuals (n, 2) of Student's t; those of the first `wrong` labels are spread over a wide range."""
    rng = np.random.default_rng(0)
    residuals = rng.standard_t(5, size=(N, 2))
    residuals[:wrong] = rng.uniform(-60, 60, size=(wrong, 2))
    return torch.from_numpy(residuals).float()


def tracker_of(residuals: Tensor, **options: object) -> ResponsibilityTracker:
    """Return a tracker after one epoch of a network that predicts 0."""
    given = DeepGUMOptions(warmup_epochs=1, groups="coordinate").with_changes(**options)
    tracker = ResponsibilityTracker(len(residuals), options=given)
    tracker.loss(torch.zeros_like(residuals), residuals, torch.arange(len(residuals)))
    tracker.update()
    return tracker


def test_eq_1_flags_right_labels_with_heavy_tails_and_the_verdict_hardly_any() -> None:
    tracker = tracker_of(heavy_tails(), schedule={"widening": 1.0, "degrees_of_freedom": float("inf")})
    assert tracker.mixture is not None
    assert (tracker.mixture.responsibilities(heavy_tails()) < 0.5).double().mean() > 0.015
    assert tracker.flags.double().mean() < 0.002
    assert tracker.verdict is not None
    assert MixtureStatus.NO_OUTLIERS in tracker.verdict.status


def test_wrong_labels_are_flagged_with_the_posteriors_of_an_audit() -> None:
    residuals = heavy_tails(300)
    tracker = tracker_of(residuals)
    expected = LabelMixture.fit(residuals.double().numpy(), [[0], [1]], intervals=False)
    np.testing.assert_array_equal(tracker.responsibilities, expected.responsibilities(residuals.double().numpy()))
    assert tracker.flags[:300].double().mean() > 0.8
    assert tracker.flags[300:].double().mean() < 0.01


def test_the_verdict_follows_the_residuals_of_the_last_update() -> None:
    tracker = tracker_of(heavy_tails())
    assert tracker.flags.double().mean() < 0.002
    tracker.record(torch.arange(N), heavy_tails(300))
    tracker.update()
    assert tracker.flags[:300].double().mean() > 0.8


def test_densities_that_the_user_has_set_are_the_verdict() -> None:
    residuals = heavy_tails(300)
    tracker = tracker_of(residuals, mixture={"uniform": -4.8})
    assert tracker.mixture is not None
    assert tracker.verdict is None
    torch.testing.assert_close(tracker.responsibilities, tracker.mixture.responsibilities(residuals), rtol=0, atol=0)


def test_samples_of_weight_0_have_no_part_in_the_verdict() -> None:
    residuals = heavy_tails(300)
    weight = torch.ones(N)
    weight[:200] = 0
    mixture = GaussianUniformMixture(groups="coordinate").fit(residuals)
    weighted, kept = fit_verdict(mixture, residuals, weight), fit_verdict(mixture, residuals[200:])
    found, expected = (responsibilities_of(each, mixture, residuals) for each in (weighted, kept))
    assert torch.equal(found, expected)


def test_a_missing_label_has_the_prior_and_no_flag() -> None:
    residuals = heavy_tails(300)
    residuals[:100, 0] = torch.nan
    tracker = tracker_of(residuals)
    assert tracker.verdict is not None
    assert tracker.responsibilities[:100, 0].eq(tracker.verdict.prior(0)).all()
    assert not tracker.flags[:100, 0].any()


class _Two:
    """The first of two processes; the rows of the second are larger by 100."""

    rank, world_size = 0, 2

    def exchange(self, parts: list[Tensor]) -> list[Tensor]:
        return [parts[0], parts[0] + torch.tensor([0.0, 100.0])]


def test_rows_of_all_processes_are_judged_and_at_most_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = torch.arange(10.0)[:, None]

    def found(processes: Processes, weight: Tensor | None = None) -> list[float]:
        return verdict.rows_of_all(rows, weight, processes)[:, 0].tolist()

    two = cast("Processes", _Two())
    assert found(two) == [row + more for row in range(10) for more in (0, 100)]
    monkeypatch.setattr(verdict, "MOST_ROWS", 10)
    assert found(two) == [row + more for row in range(0, 10, 2) for more in (0, 100)]
    assert found(SOLO) == list(range(10))


def test_a_whole_weight_is_a_number_of_copies() -> None:
    rows, weight = torch.arange(4.0)[:, None], torch.tensor([2, 0, 1, 3.0])
    assert verdict.rows_of_all(rows, weight, SOLO)[:, 0].tolist() == [0, 0, 2, 3, 3, 3]
    fractions = torch.tensor([0.4, 0.0, 0.3, 0.3])
    assert verdict.rows_of_all(rows, fractions, SOLO)[:, 0].tolist() == [0, 2, 3]


def test_labels_of_one_coordinate_are_weighted_only_if_wrong_labels_are_proven() -> None:
    right, wrong = heavy_tails()[:, :1], heavy_tails(300)[:, :1]
    assert tracker_of(right, groups="sample").weights(torch.arange(N)).eq(1).all()
    tracker = tracker_of(wrong, groups="sample")
    assert tracker.mixture is not None
    expected = tracker.mixture.responsibilities(wrong).float()
    torch.testing.assert_close(tracker.weights(torch.arange(N)), expected, rtol=0, atol=0)


def test_labels_of_several_coordinates_are_always_weighted() -> None:
    tracker = tracker_of(heavy_tails(), groups="sample")
    assert tracker.mixture is not None
    expected = tracker.mixture.responsibilities(heavy_tails()).float().expand(-1, 2)
    torch.testing.assert_close(tracker.weights(torch.arange(N)), expected, rtol=0, atol=0)


def test_whether_labels_are_weighted_survives_a_resume() -> None:
    tracker = tracker_of(heavy_tails()[:, :1], groups="sample")
    other = ResponsibilityTracker(N, options=tracker.options)
    other.load_state_dict(tracker.state_dict())
    assert other.weights(torch.arange(N)).eq(1).all()


def test_densities_that_the_user_has_set_always_weight_labels() -> None:
    right = heavy_tails()[:, :1]
    tracker = tracker_of(right, groups="sample", mixture={"uniform": -4.8})
    assert tracker.mixture is not None
    expected = tracker.mixture.responsibilities(right).float()
    assert (expected < 0.99).any()
    torch.testing.assert_close(tracker.weights(torch.arange(N)), expected, rtol=0, atol=0)
