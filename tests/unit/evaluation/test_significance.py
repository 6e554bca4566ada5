from __future__ import annotations

import numpy as np
import pytest
import torch

from deepgum.errors import InvalidDataError, InvalidParameterError, UnknownNameError
from deepgum.evaluation import compare_to_best, holm, paired_wilcoxon, stars

NAN = float("nan")


def errors(seed: int, n: int = 400) -> np.ndarray:
    return np.random.default_rng(seed).gamma(2.0, size=n)


def test_exact_for_few_pairs():
    # All 5 of 5 differences of one sign: 2 of the 32 equally probable sign patterns are as extreme.
    result = paired_wilcoxon([1.0, 2, 3, 4, 5], [2.0, 4, 6, 8, 10])
    assert result.p_value == pytest.approx(2 / 32)
    assert result.effect == 1.0


def test_exchanging_the_methods_changes_only_the_sign_of_the_effect():
    first, second = errors(0), errors(1) * 1.1
    there, back = paired_wilcoxon(first, second), paired_wilcoxon(second, first)
    assert there.p_value == back.p_value
    assert there.effect == -back.effect > 0


def test_effect_of_hand_worked_ranks():
    # Differences 1, -2, 3: ranks 1 and 3 for the first method, 2 against it.
    assert paired_wilcoxon([0.0, 2, 0], [1.0, 0, 3]).effect == pytest.approx((1 + 3 - 2) / 6)


def test_a_common_factor_does_not_change_the_test():
    first, second = errors(2), errors(3)
    assert paired_wilcoxon(first, second) == paired_wilcoxon(4 * first, 4 * second)


def test_equal_errors_give_no_evidence():
    same = errors(4)
    assert paired_wilcoxon(same, same).p_value == 1.0
    first, second = errors(5, 30), errors(6, 30)
    padded = paired_wilcoxon(np.append(first, same), np.append(second, same))
    assert padded.p_value == pytest.approx(paired_wilcoxon(first, second).p_value, rel=0.1)
    assert padded.n_pairs == 430


def test_pairs_with_a_missing_error_are_dropped():
    first, second = errors(7), errors(8)
    holed, other = np.append(first, [NAN, 1.0, NAN]), np.append(second, [1.0, NAN, NAN])
    assert paired_wilcoxon(holed, other) == paired_wilcoxon(first, second)
    assert paired_wilcoxon([NAN], [1.0]).p_value == 1.0


def test_the_false_positive_rate_is_the_level():
    # Under the null hypothesis the p-value falls below 0.05 in 5 % of the cases; 3 standard errors of 2,000 cases.
    generator = np.random.default_rng(9)
    rejected = [
        paired_wilcoxon(*generator.normal(size=(2, 60))).p_value < 0.05  # one pair of equal methods each
        for _ in range(2000)
    ]
    assert np.mean(rejected) == pytest.approx(0.05, abs=3 * (0.05 * 0.95 / 2000) ** 0.5)


@pytest.mark.parametrize(
    ("p_value", "expected"),
    [(0.0, "***"), (0.000999, "***"), (0.001, "**"), (0.01, "*"), (0.0499, "*"), (0.05, ""), (1.0, "")],
)
def test_stars_begin_below_the_level(p_value: float, expected: str):
    assert stars(p_value) == expected


@pytest.mark.parametrize("p_value", [NAN, -0.1, 1.1])
def test_a_p_value_outside_of_0_to_1_is_refused(p_value: float):
    with pytest.raises(InvalidParameterError, match="p_value"):
        stars(p_value)


def test_holm_is_monotone_bounded_and_keeps_the_order():
    p = np.random.default_rng(10).random(20)
    adjusted = holm(p)
    assert (adjusted >= p).all()
    assert (adjusted <= np.minimum(20 * p, 1)).all()
    assert (np.diff(adjusted[np.argsort(p)]) >= 0).all()
    order = np.random.default_rng(11).permutation(20)
    np.testing.assert_array_equal(holm(p[order]), adjusted[order])
    assert holm([]).tolist() == []
    with pytest.raises(InvalidDataError, match=r"\[0, 1\]"):
        holm([0.1, 1.2])


def test_best_has_the_lowest_mean():
    result = compare_to_best({"l2": errors(0) + 1, "gum": errors(0), "huber": torch.from_numpy(errors(0) + 0.5)})
    assert result.best == "gum"
    assert set(result.tests) == {"l2", "huber"}
    assert result.stars == "***"
    assert result.mean_errors["l2"] == pytest.approx(errors(0).mean() + 1)


def test_an_equal_rival_removes_the_stars():
    result = compare_to_best(
        {"l2": errors(0) + 1, "gum": errors(0), "twin": np.random.default_rng(5).permutation(errors(0))}
    )
    assert result.tests["l2"].p_value < 0.001
    assert result.stars == ""


def test_no_stars_when_the_best_mean_loses_most_pairs():
    # The rival is a little better on nine of ten images, and far worse on the tenth.
    best = errors(0)
    rival = best - 0.01
    rival[::10] += 10
    result = compare_to_best({"best": best, "rival": rival})
    assert result.best == "best"
    assert result.tests["rival"].effect < 0
    assert result.tests["rival"].p_value < 0.001
    assert result.stars == ""


def test_means_are_over_the_samples_that_all_methods_have():
    result = compare_to_best({"a": [1.0, 1.0, NAN], "b": [2.0, NAN, 0.0]})
    assert result.mean_errors == {"a": 1.0, "b": 2.0}


def test_the_holm_correction_removes_stars():
    generator = np.random.default_rng(0)
    best = errors(1, 200)
    methods = {"best": best} | {f"m{i}": best + generator.normal(0.2, 1.0, 200) for i in range(8)}
    plain, corrected = compare_to_best(methods), compare_to_best(methods, correction="holm")
    p = [test.p_value for test in plain.tests.values()]
    assert [test.p_value for test in corrected.tests.values()] == holm(p).tolist()
    assert min(test.p_value for test in corrected.tests.values()) == pytest.approx(8 * min(p))


def test_refused():
    with pytest.raises(InvalidDataError, match=r"`first`.*\(2,\).*\(3,\)"):
        paired_wilcoxon([1.0, 2.0, 3.0], [1.0, 2.0])
    with pytest.raises(InvalidDataError, match=r"`second` should have shape \(n,\)"):
        paired_wilcoxon([1.0], [[1.0]])
    with pytest.raises(InvalidDataError, match="`first` should be finite"):
        paired_wilcoxon([np.inf], [1.0])
    with pytest.raises(InvalidDataError, match="at least two methods"):
        compare_to_best({"alone": [1.0]})
    with pytest.raises(InvalidDataError, match="errors\\['b'\\]"):
        compare_to_best({"a": [1.0], "b": [1.0, 2.0]})
    with pytest.raises(InvalidDataError, match="at least one sample"):
        compare_to_best({"a": [1.0, NAN], "b": [NAN, 1.0]})
    with pytest.raises(UnknownNameError, match="Did you mean 'holm'"):
        compare_to_best({"a": [1.0], "b": [2.0]}, correction="holms")
