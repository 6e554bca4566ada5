"""The reasons that apply: the built-in ones, and those that a user adds."""

import numpy as np
import pytest

from deepgum.audit import audit_labels, score_labels, score_table
from deepgum.audit.reasons import REASONS, Explanation, Finding, Reason, all_reasons
from deepgum.errors import InvalidDataError, InvalidParameterError, UnknownNameError


class Placeholder(Reason):
    name = "placeholder"
    words = "99 stands for a missing value"
    rank = 5

    def find(self, case):
        labels = case.labels
        # Also where a label is not flagged: that is ignored.
        for row, group in np.argwhere(labels.given[:, [columns[0] for columns in labels.partition]] == 99).tolist():
            yield Finding(self, (row, group), "The label is 99.")


class WithoutWords(Reason):
    name = "wordless"
    rank = 1

    def find(self, case):
        return ()


def changed(**parts):
    return type("Changed", (Placeholder,), parts)()


def ages(n=400, placeholders=8):
    rng = np.random.default_rng(0)
    truth = rng.uniform(20, 60, size=n)
    given = truth + rng.normal(0, 2, size=n)
    given[:placeholders] = 99
    return truth, given


def test_built_in_reasons_are_in_the_order_of_their_ranks_and_known_by_their_names():
    ranks = [reason.rank for reason in all_reasons()]
    assert ranks == sorted(ranks)
    assert all_reasons() == tuple(REASONS.values())
    assert all(REASONS[reason.name] is reason for reason in all_reasons())


@pytest.mark.parametrize("added", [Placeholder, Placeholder()])
def test_an_added_reason_is_an_object_or_a_class(added):
    assert [reason.name for reason in all_reasons([added])] == ["placeholder", *REASONS]


def test_the_lowest_rank_is_reported_and_labels_that_are_not_flagged_have_no_reason():
    predicted, given = ages()
    given[50] = predicted[50] = 99.0  # right: not flagged
    scored = score_labels(predicted, given, target_names=["age"], reasons=[Placeholder()])
    flagged = {(int(row), 0) for row in np.flatnonzero(scored.labels.flags[:, 0])}
    assert (50, 0) not in flagged
    assert {place for place, kind in scored.labels.kinds.items() if kind == "placeholder"} == {(i, 0) for i in range(8)}
    assert set(scored.labels.kinds) == flagged
    assert np.isnan(scored.labels.suggested[:8]).all()
    last = score_labels(predicted, given, target_names=["age"], reasons=[changed(rank=100)])
    assert "placeholder" not in last.labels.kinds.values()


def test_an_added_reason_changes_no_posterior_and_no_other_reason():
    predicted, given = ages()
    given[20:24] *= 10
    plain = score_labels(predicted, given)
    added = score_labels(predicted, given, reasons=[Placeholder])
    np.testing.assert_array_equal(added.labels.responsibilities, plain.labels.responsibilities)
    others = {place: why for place, why in added.labels.why.items() if added.labels.kinds[place] != "placeholder"}
    assert others == {place: plain.labels.why[place] for place in others}
    assert {place[0] for place in others} >= {20, 21, 22, 23}


class RowBefore(Reason):
    """The label is that of the row before."""

    name = "row-before"
    words = "the label of the row before"
    rank = 20

    def find(self, case):
        labels = case.labels
        rows = np.array([row for row, _ in case.places if row > 0], dtype=np.intp)
        yield Explanation(
            reason=self,
            mechanism="row before",
            weight=1.0,
            rows=rows,
            covers=np.ones((len(rows), 1), dtype=bool),
            log_likelihood=case.log_right(labels.given[rows] - labels.predicted[rows - 1], rows - 1, 0),
            suggest=lambda i, group: (labels.predicted[rows[i]], np.square(case.deviation[rows[i]])),
            why=lambda i, group: f"It fits '{labels.ids[rows[i] - 1]}', the sample before.",
        )


def test_an_added_explanation_is_weighed_against_all_others():
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 1000, size=600)
    given = truth + rng.normal(0, 2, size=600)
    shifted, anywhere = np.arange(5, 200, 10), np.arange(305, 400, 10)
    given[shifted] = given[shifted - 1]
    given[anywhere] = (truth[anywhere - 1] + rng.uniform(200, 800, size=len(anywhere))) % 1000
    labels = score_labels(truth, given, reasons=[RowBefore()]).labels
    kinds = np.array([labels.kinds.get((row, 0), "") for row in range(600)])
    flagged = labels.flags[:, 0]
    assert (kinds[shifted[flagged[shifted]]] == "row-before").mean() > 0.9
    assert not (kinds[anywhere] == "row-before").any()
    assert labels.why[5, 0] == "It fits '4', the sample before."


def test_the_summary_counts_the_flags_of_each_reason_in_the_order_of_ranks():
    predicted, given = ages()
    given[20:30] *= 10
    given[40] += 25.3
    scored = score_labels(predicted, given, reasons=[Placeholder])
    counts = scored.summary.reasons
    assert [each.name for each in counts] == ["placeholder", "unit", "off"]
    assert [each.words for each in counts] == [Placeholder.words, REASONS["unit"].words, REASONS["off"].words]
    assert sum(each.flags for each in counts) == scored.summary.flags
    assert counts[0].flags == 8


@pytest.mark.parametrize(
    ("added", "message"),
    [
        ([WithoutWords], "complete Reason.*WithoutWords lacks `words`"),
        ([changed(words=" ")], r"`words` describe it \(`Changed.words`\)"),
        ([changed(name="Place holder")], "`name` has lower-case letters"),
        ([changed(name=None)], "`name` has lower-case letters"),
        ([changed(rank="first")], "`rank` is a whole number"),
        ([changed(name="unit")], "different names.*'unit'.*Rename it"),
        ([Placeholder, Placeholder()], "different names.*'placeholder'"),
        (["unit"], "different names.*'unit'.*built-in reasons always apply"),
        ([len], "a Reason, its name, or its path"),
        (["nowhere:Placeholder"], "a Reason that can be imported.*No module named 'nowhere'"),
        ("my_reasons:Placeholder", "a list of reasons"),
        (Placeholder, "a list of reasons"),
    ],
)
def test_a_reason_that_breaks_the_contract_is_refused_before_any_work(added, message, tmp_path):
    with pytest.raises(InvalidParameterError, match=f"`reasons` should be .*{message}"):
        all_reasons(added)
    nothing = [[float("inf")]]
    with pytest.raises(InvalidParameterError, match="`reasons`"):
        score_labels(nothing, nothing, reasons=added)
    with pytest.raises(InvalidParameterError, match="`reasons`"):
        score_table(tmp_path / "none.csv", reasons=added)
    with pytest.raises(InvalidParameterError, match="`reasons`"):
        audit_labels(nothing, nothing, reasons=added)


def test_a_name_that_is_neither_built_in_nor_a_path_is_refused():
    with pytest.raises(UnknownNameError, match=r"one of 'copy', .*'package\.module:name'"):
        all_reasons(["placeholder"])


def test_a_rule_that_yields_something_else_is_named():
    predicted, given = ages()
    with pytest.raises(InvalidDataError, match=r"'placeholder' should yield `Finding`s or `Explanation`s\. Found 99"):
        score_labels(predicted, given, reasons=[changed(find=lambda self, case: [99])])
