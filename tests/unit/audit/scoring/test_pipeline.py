"""The scoring pipeline: laws that hold for arrays, streams and audits."""

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest

from deepgum.audit.notices.aside import Aside
from deepgum.audit.reasons import Evidence, all_reasons
from deepgum.audit.scoring.pipeline import ArrayPredictions, Batch, score_predictions, the_only
from deepgum.audit.scoring.tally import Provenance
from deepgum.audit.summary import AuditSummary, DataSource, Round
from deepgum.audit.targets import Targets
from deepgum.posteriors.kinds.kind_mixture import KindMixture
from deepgum.posteriors.label_mixture import LabelMixture

N = 200
TARGETS = Targets.of(["age"], unit="years")
PROVENANCE = Provenance(DataSource("arrays"), seed=0, begun=0.0)


@dataclass
class Fixed:
    """Predictions whose posterior is fitted already."""

    mixture: LabelMixture
    parts: list
    unit: float = 1.0

    @property
    def n_batches(self):
        return len(self.parts)

    fit_share, spikes, aside = 0, None, Aside(TARGETS)

    def sample(self):
        return tuple(np.concatenate([getattr(part, name) for part in self.parts]) for name in ("given", "predicted"))

    def posterior(self, on_progress=None):
        return KindMixture(self.mixture)

    def batches(self):
        return iter(self.parts)


@pytest.fixture(scope="module")
def whole():
    """One batch of ages, ten of which are wrong, and the mixture of its residuals."""
    rng = np.random.default_rng(0)
    predicted = rng.uniform(20, 60, size=(N, 1))
    given = predicted + rng.normal(0, 2, size=(N, 1))
    given[:10] += (np.linspace(61, 149, 10) * np.tile([1, -1], 5))[:, None]
    batch = Batch(tuple(map(str, range(N))), given, predicted, TARGETS.comparison(given, predicted))
    return batch, LabelMixture.fit(batch.comparison.residuals, inliers="gaussian", intervals=False)


def rows(batch, chosen):
    given, predicted = batch.given[chosen], batch.predicted[chosen]
    ids = tuple(np.array(batch.ids)[chosen].tolist())
    return replace(batch, ids=ids, given=given, predicted=predicted, comparison=TARGETS.comparison(given, predicted))


def score(predictions, provenance=PROVENANCE, deliver=list):
    return score_predictions(predictions, TARGETS, all_reasons(), provenance, deliver)


def test_batches_have_the_scores_and_the_summary_of_the_whole(whole):
    batch, mixture = whole
    parts = [rows(batch, slice(start, start + 70)) for start in range(0, N, 70)]
    many, one = score(Fixed(mixture, parts)), score(Fixed(mixture, [batch]))
    for name in ("responsibilities", "mahalanobis", "given", "predicted"):
        joined = np.concatenate([getattr(labels, name) for labels in many.labels])
        np.testing.assert_array_equal(joined, getattr(one.labels[0], name))
    assert [len(labels) for labels in many.labels] == [70, 70, 60]
    assert many.worst == one.worst
    assert replace(many.summary, seconds=0, expected_false_flags=0, groups=()) == replace(
        one.summary, seconds=0, expected_false_flags=0, groups=()
    )
    assert many.summary.expected_false_flags == pytest.approx(one.summary.expected_false_flags, rel=1e-12)


def test_the_posterior_of_an_array_is_that_of_the_mixture_in_memory(whole):
    batch, mixture = whole
    labels, summary, worst = score(ArrayPredictions(batch, TARGETS, "gaussian"), deliver=the_only)
    np.testing.assert_array_equal(labels.responsibilities, mixture.responsibilities(batch.comparison.residuals))
    assert summary.flags == labels.flags.sum() == 10
    assert [flag.id for flag in worst[:2]] == ["9", "8"]
    assert {flag.kind for flag in worst} <= {each.name for each in summary.reasons}


def test_at_most_one_label_of_a_content_is_right(whole):
    batch, mixture = whole
    given, predicted = batch.given.copy(), batch.predicted.copy()
    given[100:102] = predicted[100:102] = predicted[100]
    given[101] += 3.0
    copies = replace(batch, given=given, predicted=predicted, comparison=TARGETS.comparison(given, predicted))
    evidence = Evidence(copies=[(100, 101)], conflicts=[("100", "101")])
    (alone,) = score(Fixed(mixture, [copies])).labels
    (labels,) = score(Fixed(mixture, [replace(copies, evidence=evidence)])).labels
    assert (alone.responsibilities[100:102] > 0.5).all()
    assert labels.responsibilities[100:102].sum() <= 1
    assert labels.kinds[101, 0] == "copy"
    others = np.delete(np.arange(N), [100, 101])
    np.testing.assert_array_equal(labels.responsibilities[others], alone.responsibilities[others])


def test_in_another_unit_uncertainties_and_the_summary_are_in_that_of_the_labels(whole):
    batch, mixture = whole
    # Residuals in days, labels in years.
    in_days = replace(
        batch.comparison,
        residuals_of=lambda labels: 365 * (labels - batch.predicted),
        log_slope_of=lambda labels: np.full_like(labels, np.log(365)),
    )
    days = replace(batch, comparison=in_days, unit=1 / 365)
    in_days = LabelMixture.fit(days.comparison.residuals, inliers="gaussian", intervals=False)
    one, other = score(Fixed(mixture, [batch])), score(Fixed(in_days, [days], unit=1 / 365))
    np.testing.assert_allclose(other.labels[0].responsibilities, one.labels[0].responsibilities, rtol=1e-6)
    assert other.labels[0].kinds == one.labels[0].kinds
    # The posterior's densities are in days, so reasons estimate theirs from the labels that are not flagged.
    (labels,) = other.labels
    deviation = np.sqrt(np.mean(np.square(labels.residuals[~labels.flags])))
    np.testing.assert_allclose(labels.uncertainty[labels.flags], deviation, rtol=1e-4)
    np.testing.assert_allclose(
        one.labels[0].uncertainty[labels.flags], np.sqrt(mixture.covariances[0][0, 0]), rtol=1e-4
    )
    (years,), (converted,) = one.summary.groups, other.summary.groups
    np.testing.assert_allclose(converted.covariance, years.covariance, rtol=1e-6)
    assert converted.log_uniform_density == pytest.approx(years.log_uniform_density, rel=1e-6)


def test_the_summary_states_the_provenance(whole, tmp_path):
    batch, mixture = whole
    history = (Round(0, 5, 12, 12, 0.1, 1.0), Round(1, 5, 10, 2, None, 1.0))
    provenance = replace(
        PROVENANCE, seed=7, backbone="mlp", history=history, folds=5, conflicts=(("1", "2"),), unreadable={"x": "gone"}
    )
    summary = score(Fixed(mixture, [batch]), provenance).summary
    assert (summary.backbone, summary.folds, summary.fits, summary.seed) == ("mlp", 5, 10, 7)
    assert (summary.history, summary.conflicts, summary.unreadable) == (history, (("1", "2"),), {"x": "gone"})
    summary.write(tmp_path / "summary.json")
    assert AuditSummary.read(tmp_path / "summary.json") == summary
    # A file of an earlier version has shares with two ends, and no faults.
    text = json.loads((tmp_path / "summary.json").read_text())
    for share in (text["share"], *(group["share"] for group in text["groups"])):
        del share["is_two_sided"]
    for group in text["groups"]:
        del group["fault"], group["settled"]
    (tmp_path / "summary.json").write_text(json.dumps(text))
    assert AuditSummary.read(tmp_path / "summary.json").share.is_two_sided


def test_without_flags_there_are_no_reasons(whole):
    batch, mixture = whole
    outcome = score(Fixed(mixture, [rows(batch, slice(10, N))]))
    assert outcome.labels[0].kinds == {}
    assert outcome.summary.reasons == outcome.worst == ()
