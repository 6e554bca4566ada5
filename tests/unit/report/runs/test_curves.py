import numpy as np
import pytest

from deepgum.errors import InvalidDataError, InvalidParameterError
from deepgum.report.runs.curves import draw_history
from deepgum.report.style import save
from deepgum.training.history import EpochRecord, RoundRecord

NAN = float("nan")


def fit(phase, round, scores, losses=None):
    best = [score == min(scores[: i + 1]) and score not in scores[:i] for i, score in enumerate(scores)]
    losses = losses or [2 * score for score in scores]
    return [
        EpochRecord(phase, round, i + 1, loss, score, 0.1, flag)
        for i, (loss, score, flag) in enumerate(zip(losses, scores, best, strict=True))
    ]


def fitted(round, *flagged):
    groups = len(flagged)
    return RoundRecord(
        round, (0.5,) * groups, (0.0,) * groups, (((1.0,),),) * groups, flagged, ("converged",) * groups, 5, 0.1, 0.1
    )


EPOCHS = (
    fit("cauchy", 0, [5.0, 4.0, 3.0, 3.5]) + fit("weighted l1", 1, [0.3, 0.2]) + fit("weighted l1", 2, [0.25, 0.26])
)
ROUNDS = [fitted(0, 10, 20), fitted(1, 30, 40), fitted(2, 35, 45)]


def panels(figure):
    """Loss and score of the first fit, loss and score of the rounds, what was flagged."""
    return figure.axes


def curves(axes):
    return [
        (line.get_xdata().tolist(), line.get_ydata().tolist()) for line in axes.get_lines() if line.get_marker() == "."
    ]


def stars(axes):
    (line,) = (line for line in axes.get_lines() if line.get_marker() == "*")
    return list(zip(line.get_xdata().tolist(), line.get_ydata().tolist(), strict=True))


def test_the_first_fit_and_the_rounds_have_axes_of_their_own():
    loss, score, later_loss, later_score, _ = panels(draw_history(EPOCHS, ROUNDS))
    assert curves(loss) == [([1, 2, 3, 4], [10.0, 8.0, 6.0, 7.0])]
    assert curves(score) == [([1, 2, 3, 4], [5.0, 4.0, 3.0, 3.5])]
    # Epochs are counted on, and a line ends with its round: scores are comparable within it only.
    assert curves(later_loss) == [([5, 6], [0.6, 0.4]), ([7, 8], [0.5, 0.52])]
    assert curves(later_score) == [([5, 6], [0.3, 0.2]), ([7, 8], [0.25, 0.26])]
    assert [axes.get_title() for axes in (loss, later_loss)] == ["first fit (cauchy)", "rounds (weighted l1)"]


def test_rounds_are_numbered_and_set_apart_by_lines():
    _, _, loss, score, _ = panels(draw_history(EPOCHS, ROUNDS))
    assert [text.get_text() for text in loss.texts] == ["1", "2"]
    assert [text.get_position()[0] for text in loss.texts] == [5.5, 7.5]
    for axes in (loss, score):
        assert [line.get_xdata() for line in axes.get_lines() if line.get_marker() == "None"] == [[6.5, 6.5]]


def test_a_star_marks_the_epoch_whose_weights_were_kept():
    _, score, _, later, _ = panels(draw_history(EPOCHS, ROUNDS))
    assert stars(score) == [(3, 3.0)]
    assert stars(later) == [(6, 0.2), (7, 0.25)]


def test_a_round_that_kept_the_weights_of_its_start_has_no_star():
    start_was_best = [EpochRecord("weighted l1", 1, 1, 0.4, 0.5, 0.1, False)]
    later = panels(draw_history(EPOCHS[:4] + start_was_best, ROUNDS[:2]))[3]
    assert stars(later) == []


def test_a_loss_that_changes_in_the_first_fit_breaks_its_line_but_not_the_scores():
    epochs = fit("l2", 0, [9.0, 8.0], [90.0, 80.0])
    epochs += [
        EpochRecord("huber", 0, 3, 0.5, 7.0, 0.1, True),
        EpochRecord("huber", 0, 4, 0.4, 6.0, 0.1, True),
    ]
    loss, score = panels(draw_history(epochs))
    assert curves(loss) == [([1, 2], [90.0, 80.0]), ([3, 4], [0.5, 0.4])]
    assert curves(score) == [([1, 2, 3, 4], [9.0, 8.0, 7.0, 6.0])]
    assert loss.get_title() == "one run (l2, then huber)"
    assert [text.get_text() for text in loss.texts] == ["l2", "huber"]
    # Both are to be seen, though one is two hundred times the other.
    assert loss.get_yscale() == "log"


def test_the_mixtures_of_one_run_stand_below_their_epochs():
    epochs = fit("cauchy", 0, [5.0, 4.0]) + [
        EpochRecord("weighted l1", 0, epoch, 0.5, 6.0 - epoch, 0.1, True) for epoch in (3, 4)
    ]
    loss, score, flagged = panels(draw_history(epochs, [fitted(2, 10), fitted(3, 15), fitted(4, 20)], samples=100))
    assert loss.get_title() == "one run (cauchy, then weighted l1)"
    ((x, y),) = [(line.get_xdata().tolist(), line.get_ydata().tolist()) for line in flagged.get_lines()]
    assert (x, y) == ([2, 3, 4], [10, 15, 20])
    assert flagged.get_xlim() == score.get_xlim() == (0.5, 4.5)
    assert flagged.get_xlabel() == "mixture fitted after epoch"


@pytest.mark.parametrize(("scores", "scale"), [([5.0, 4.0], "linear"), ([5.0, 0.5], "log"), ([5.0, -0.5], "linear")])
def test_only_positive_values_of_a_wide_span_are_logarithmic(scores, scale):
    assert panels(draw_history(fit("l2", 0, scores)))[1].get_yscale() == scale


def test_values_that_are_not_finite_are_left_out():
    figure = draw_history(fit("l2", 0, [5.0, 4.0, 3.0], [5.0, NAN, float("inf")]))
    ((_, y),) = curves(panels(figure)[0])
    np.testing.assert_array_equal(y, [5.0, NAN, NAN])
    figure.draw_without_rendering()


def test_flags_are_shares_where_the_number_of_samples_is_known():
    flagged = panels(draw_history(EPOCHS, ROUNDS, samples=50, group_names=["eyes", "mouth"]))[4]
    np.testing.assert_allclose([line.get_ydata() for line in flagged.get_lines()], [[20, 60, 70], [40, 80, 90]])
    assert flagged.get_ylabel() == "flagged (%)"
    assert [label.get_text() for label in flagged.get_xticklabels()] == ["first fit", "round 1", "round 2"]
    counted = panels(draw_history(EPOCHS, ROUNDS))[4]
    assert counted.get_ylabel() == "flagged samples"
    np.testing.assert_allclose([line.get_ydata() for line in counted.get_lines()], [[10, 30, 35], [20, 40, 45]])


def test_groups_are_named_in_the_legend_if_there_are_several():
    figure = draw_history(EPOCHS, ROUNDS, group_names=["eyes", "mouth"])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["eyes", "mouth"]
    assert [t.get_text() for t in draw_history(EPOCHS, ROUNDS).legends[0].get_texts()] == ["group 1", "group 2"]
    assert not draw_history(EPOCHS, [fitted(0, 10), fitted(1, 12)]).legends


def test_many_rounds_have_few_ticks():
    rounds = [fitted(round, 10) for round in range(40)]
    flagged = panels(draw_history(EPOCHS, rounds))[4]
    assert len(flagged.get_xticks()) <= 10
    assert len(flagged.get_lines()[0].get_xdata()) == 40


def test_the_same_bytes_twice(tmp_path):
    files = [save(draw_history(EPOCHS, ROUNDS, title="run"), tmp_path / name, ["svg"]) for name in ("one", "two")]
    assert [a.read_bytes() == b.read_bytes() for a, b in zip(*files, strict=True)] == [True]


def test_bad_input_is_refused():
    with pytest.raises(InvalidDataError, match="at least one record"):
        draw_history([])
    with pytest.raises(InvalidDataError, match=r"the same number of groups. Found \[1, 2\]"):
        draw_history(EPOCHS, [*ROUNDS, fitted(3, 5)])
    with pytest.raises(InvalidDataError, match=r"the same number of groups. Found \[2, 3\]"):
        draw_history(EPOCHS, ROUNDS, group_names="abc")
    with pytest.raises(InvalidDataError, match=r"at most 44 samples. Found 45"):
        draw_history(EPOCHS, ROUNDS, samples=44)
    with pytest.raises(InvalidParameterError, match="samples"):
        draw_history(EPOCHS, ROUNDS, samples=0)
