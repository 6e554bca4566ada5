import numpy as np
import pytest

from deepgum.audit.scoring.pairs import find_pairs
from deepgum.errors import InvalidDataError, InvalidParameterError


def columns_of(*arguments, **options):
    return [(pair.predicted, pair.target) for pair in find_pairs(*arguments, **options)]


@pytest.mark.parametrize(
    ("prediction", "label"),
    [
        ("pred_age", "age"),
        ("predicted_age", "age"),
        ("prediction_age", "age"),
        ("age_pred", "age"),
        ("age_predicted", "age"),
        ("age_hat", "age"),
        ("yhat_age", "age"),
        ("predicted_age", "label_age"),
        ("pred_age", "target_age"),
        ("age_pred", "age_true"),
        ("pred.age", "true.age"),
        ("Predicted Age", "Age"),
        ("y_pred", "y"),
        ("y_pred", "y_true"),
        ("yhat", "y"),
        ("prediction", "target"),
        ("pred", "label"),
    ],
)
def test_a_prediction_is_known_by_the_name_of_its_label(prediction, label):
    for columns in ([prediction, label, "weight"], ["weight", label, prediction]):
        assert columns_of(columns) == [(prediction, label)]


def test_pairs_come_in_the_order_of_the_labels_whatever_that_of_the_predictions():
    rng = np.random.default_rng(0)
    for _ in range(20):
        columns = rng.permutation(["a", "b", "c", "pred_a", "pred_b", "pred_c", "id"]).tolist()
        labels = [name for name in columns if name in "abc"]
        assert columns_of(columns, exclude=["id"]) == [(f"pred_{name}", name) for name in labels]


def test_the_files_of_predictions_of_this_library_are_paired():
    columns = ["id", "predicted_eye_x", "predicted_eye_y", "label_eye_x", "label_eye_y"]
    expected = [("predicted_eye_x", "label_eye_x"), ("predicted_eye_y", "label_eye_y")]
    assert columns_of(columns, exclude=["id"]) == expected


def test_the_star_stands_for_the_same_text_in_both_patterns():
    columns = ["t_b", "t_a", "p_a", "p_b", "q_a"]
    assert columns_of(columns, ["p_*"], ["t_*"]) == [("p_b", "t_b"), ("p_a", "t_a")]
    assert columns_of(["x", "y", "x.out", "y.out"], ["*.out"], ["*"]) == [("x.out", "x"), ("y.out", "y")]
    assert columns_of(["a1", "b1", "pa1", "pb1"], ["pa*", "pb*"], ["a*", "b*"]) == [("pa1", "a1"), ("pb1", "b1")]


def test_a_name_without_star_is_one_column():
    assert columns_of(["age", "model", "other"], ["model"], ["age"]) == [("model", "age")]
    assert columns_of(["a", "b", "pa", "pb"], ["pb", "pa"], ["b", "a"]) == [("pa", "a"), ("pb", "b")]


def test_one_pattern_is_enough_if_the_partners_are_found_by_name():
    columns = ["x1", "x2", "x1_hat", "x2_hat", "new_x1", "new_x2", "free"]
    assert columns_of(columns, target=["x*"]) == [("x1_hat", "x1"), ("x2_hat", "x2")]
    assert columns_of(columns, target=["x2"]) == [("x2_hat", "x2")]
    assert columns_of(columns, pred=["new_*"]) == [("new_x1", "x1"), ("new_x2", "x2")]
    assert columns_of(["label_a", "net_a"], pred=["net_*"]) == [("net_a", "label_a")]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["age", "label_age", "age_hat"], "'age_hat' could be the prediction of each of age, label_age"),
        (["age", "age_hat", "pred_age"], "'age' could be the label of each of age_hat, pred_age"),
    ],
)
def test_ambiguous_columns_are_refused(columns, message):
    with pytest.raises(InvalidDataError, match=rf"{message}\. Name the columns with --pred and --target\."):
        find_pairs(columns)


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        (["age", "height", "pred_age", "pred_hieght"], {}, "none for pred_hieght. Did you mean height?"),
        (["pred_a", "label_a", "label_b"], {}, "Each label should have a prediction .* none for label_b"),
        (["a", "b", "pred_a"], {"target": ["a", "b"]}, "Each label .* none for b"),
        (["a", "pred_a", "pred_b"], {"pred": ["pred_*"]}, "Each prediction .* none for pred_b"),
        (["a", "model"], {"pred": ["model"]}, "Each prediction .* none for model"),
        (["t_a", "t_b", "p_a"], {"pred": ["p_*"], "target": ["t_*"]}, "Each label .* none for t_b"),
        (["t_a", "p_a", "p_ab"], {"pred": ["p_*"], "target": ["t_*"]}, "Each prediction .* none for p_ab"),
        (["age", "model"], {}, "such as pred_age and age. Found age, model"),
        ([], {}, "Found no columns"),
        (["a", "a", "pred_a"], {}, "each column once. Found repeated columns: a"),
        (["a", "pred_a"], {"exclude": ["a"]}, "Found pred_a"),
        (["a", "p"], {"pred": ["p", "p"], "target": ["a", "a"]}, "in one pair. Found columns in several pairs: p, a"),
        (["a"], {"pred": ["a"], "target": ["a"]}, "'a' fits both --pred a and --target a"),
    ],
)
def test_columns_that_do_not_pair_are_named(columns, options, message):
    with pytest.raises(InvalidDataError, match=message):
        find_pairs(columns, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pred": ["q_*"], "target": ["a"]}, r"`pred` should be a name without a star, like 'a'"),
        ({"pred": ["p_*_*"]}, "a pattern with one star"),
        ({"target": ["aeg"]}, "`target` should be columns of the table. Found `target = 'aeg'`. Did you mean 'age'?"),
        ({"pred": ["p_age", "age"], "target": ["age"]}, r"as many .* Found 1 for --target \(age\)"),
    ],
)
def test_invalid_patterns_are_refused(options, message):
    with pytest.raises(InvalidParameterError, match=message):
        find_pairs(["age", "p_age"], **options)


def test_other_columns_need_no_prediction():
    assert columns_of(["x", "pred_x", "true_outlier"]) == [("pred_x", "x")]


def test_an_unnamed_index_column_is_ignored():
    assert columns_of(["", "y", "pred"]) == [("pred", "y")]
    assert columns_of(["", "label", "pred"]) == [("pred", "label")]
    with pytest.raises(InvalidDataError):
        columns_of(["", "pred"])


def test_a_column_called_pred_predicts_the_only_other_column():
    assert columns_of(["weight", "pred"]) == [("pred", "weight")]
    with pytest.raises(InvalidDataError):
        columns_of(["weight", "age", "pred"])
