"""The parameter `inliers` takes names and densities from outside, and refuses what lacks a part before any work."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from deepgum.audit import audit_labels, score_labels
from deepgum.errors import InvalidParameterError, UnknownNameError
from deepgum.posteriors.densities import Density, Gaussian, StudentT
from deepgum.posteriors.inliers import candidates


class Seven(Density):
    """Student's t with 7 degrees of freedom, written down once more."""

    words = "t of seven"
    has_mean_weight_1 = True

    def log_density(self, squared, dimensions):
        return StudentT(7.0).log_density(squared, dimensions)

    def em_weight(self, squared, dimensions):
        return (7.0 + dimensions) / (7.0 + squared)

    def variance(self, dimensions):
        return 7 / 5

    def cdf(self, squared, dimensions):
        return StudentT(7.0).cdf(squared, dimensions)


class Shaped(Seven):
    """A family with two members."""

    def __init__(self, shape: float = 1.0) -> None:
        self.shape = shape

    @classmethod
    def family(cls):
        return cls(1.0), cls(2.0)


def test_auto_is_every_density_with_a_name() -> None:
    assert candidates("auto") == candidates("gaussian") + candidates("student-t")
    assert candidates("gaussian") == (Gaussian(),)
    assert StudentT(2.0) in candidates("student-t")


def test_an_object_is_itself_and_a_class_is_its_family() -> None:
    one = Shaped(3.0)
    assert candidates(one) == (one,)
    assert [each.shape for each in candidates(Shaped)] == [1.0, 2.0]
    assert candidates(StudentT) == candidates("student-t")
    assert candidates(StudentT(3.0)) == (StudentT(3.0),)


def test_a_path_leads_to_an_object_or_a_class(tmp_path, monkeypatch) -> None:
    (tmp_path / "heavy.py").write_text(
        "from deepgum.posteriors.densities import StudentT\nsix = StudentT(6.0)\nclass Heavy(StudentT): ...\n"
    )
    monkeypatch.chdir(tmp_path)
    assert candidates("heavy:six") == (StudentT(6.0),)
    assert len(candidates("heavy:Heavy")) == len(StudentT.family())


def lacking(name: str) -> type[Density]:
    parts = {each: getattr(Seven, each) for each in ("log_density", "em_weight", "variance", "cdf", "words")}
    del parts[name]
    return type("Partial", (Density,), parts)


@pytest.mark.parametrize("name", ["log_density", "em_weight", "variance", "cdf", "words"])
def test_a_missing_part_is_named(name: str) -> None:
    with pytest.raises(InvalidParameterError, match=f"Partial lacks `{name}`"):
        candidates(lacking(name))


BROKEN = {
    "log_density": lambda self, squared, dimensions: -3.0,
    "em_weight": lambda self, squared, dimensions: torch.full_like(squared, torch.nan),
    "variance": lambda self, dimensions: -1.0,
    "cdf": lambda self, squared, dimensions: 2 * np.ones_like(squared),
    "words": 7,
    "__hash__": None,
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_part_with_a_wrong_result_is_named(name: str) -> None:
    broken = type("Broken", (Seven,), {name: BROKEN[name]})
    with pytest.raises(InvalidParameterError, match=re.escape(f"`Broken.{name}` should return")):
        candidates(broken())


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("variance", lambda self, dimensions: 0.0),
        ("variance", lambda self, dimensions: torch.inf),
        ("cdf", lambda self, squared, dimensions: np.full(3, -0.1)),
        ("cdf", lambda self, squared, dimensions: 0.5),
        ("log_density", lambda self, squared, dimensions: torch.zeros(1)),
    ],
)
def test_a_part_with_a_result_just_out_of_range_or_of_another_shape_is_named(name: str, part: object) -> None:
    with pytest.raises(InvalidParameterError, match=re.escape(f"`Broken.{name}` should return")):
        candidates(type("Broken", (Seven,), {name: part})())


def test_an_error_in_a_part_is_shown() -> None:
    def cdf(self, squared, dimensions):
        raise RuntimeError("no table")

    with pytest.raises(InvalidParameterError, match="RuntimeError: no table"):
        candidates(type("Broken", (Seven,), {"cdf": cdf}))


@pytest.mark.parametrize("inliers", [3.0, None, object(), "no_such_module:x", "deepgum.losses:L1"])
def test_what_is_no_density_is_refused(inliers: object) -> None:
    with pytest.raises(InvalidParameterError, match="inliers"):
        candidates(inliers)
    with pytest.raises(UnknownNameError, match=r"package\.module:name"):
        candidates("laplace")


def test_it_is_refused_before_any_work() -> None:
    nothing = object()  # no table, no array: any work on it would be another error
    for call in (score_labels, audit_labels):
        with pytest.raises(InvalidParameterError, match="lacks `cdf`"):
            call(nothing, nothing, inliers=lacking("cdf"))


def test_a_density_from_outside_gives_the_same_as_its_twin_inside() -> None:
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 60, size=400)
    given = truth + 2 * rng.standard_t(7, size=400)
    given[:40] = rng.uniform(0, 60, size=40)
    own, known = (score_labels(truth, given, inliers=each) for each in (Seven(), StudentT(7.0)))
    np.testing.assert_array_equal(own.labels.responsibilities, known.labels.responsibilities)
    np.testing.assert_array_equal(own.labels.mahalanobis, known.labels.mahalanobis)
    assert own.summary.inliers == "t of seven"
    assert own.summary.share == known.summary.share
    assert (own.summary.groups[0].degrees_of_freedom, known.summary.groups[0].degrees_of_freedom) == (None, 7.0)
    assert known.summary.groups[0].density is None
    assert own.summary.groups[0].density is not None
