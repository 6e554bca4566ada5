"""The pairs of columns of a table: a column of predictions and a column of labels.

Columns are paired by their names, or by patterns with a star such as ``p_*`` and ``t_*``. Without patterns,
``pred_age``, ``predicted_age`` or ``age_hat`` is the prediction of ``age`` or ``label_age``, and ``pred`` is the
prediction of the only other column. With two patterns, the stars of both patterns stand for the same characters. An
ambiguous column is refused. A range such as ``x1-y68`` stands for all columns from the one to the other.

A column of visibilities or confidences beside an x and a y (v1, nose_likelihood) is no target.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, NoReturn

from deepgum.data.column_patterns import find_range, is_row_number
from deepgum.data.visibility import visibility_columns
from deepgum.errors import InvalidDataError, InvalidParameterError, listing

__all__ = ["Pair", "find_pairs"]

_PREDICTION = "prediction|predicted|preds?|yhat|hat"
_LABEL = "labels?|targets?|true|truth|actual|gt"
_SIGN = r"[_\-. ]"
_REMEDY = "Name the columns with --pred and --target."


class Pair(NamedTuple):
    """A target: the column of its predictions, and the column of its labels, whose name is that of the target."""

    predicted: str
    target: str


def find_pairs(
    columns: Sequence[str], pred: Sequence[str] = (), target: Sequence[str] = (), *, exclude: Collection[str] = ()
) -> tuple[Pair, ...]:
    """Return the targets of a table, in the order of the label columns.

    Parameters
    ----------
    columns : sequence of str
        All columns of the table.
    pred, target : sequences of str
        Columns of predictions and columns of labels, or patterns with one star. If neither is empty, they must have the
        same length, and are paired in this order. Otherwise columns are paired by their names.
    exclude : collection of str
        Columns that are neither predictions nor labels, for example ids and images.

    Raises
    ------
    InvalidParameterError
        If a pattern has two stars or matches no column, or patterns cannot be paired.
    InvalidDataError
        If a column of predictions does not match exactly one column of labels, or a column of labels does not match
        exactly one column of predictions. The message names the columns.

    Examples
    --------
    >>> find_pairs(["id", "x", "y", "pred_x", "pred_y"])
    (Pair(predicted='pred_x', target='x'), Pair(predicted='pred_y', target='y'))
    >>> find_pairs(["p_age", "t_age"], ["p_*"], ["t_*"])
    (Pair(predicted='p_age', target='t_age'),)
    >>> find_pairs(["age", "label_age", "age_hat"])
    Traceback (most recent call last):
        ...
    deepgum.errors.InvalidDataError: Column 'age_hat' could be the prediction of each of age, label_age. Name the
    columns with --pred and --target.
    """
    twice = [name for name, count in Counter(columns).items() if count > 1]
    if twice:
        raise InvalidDataError(f"The table should have each column once. Found repeated columns: {listing(twice)}.")
    free = [name for name in columns if not is_row_number(name) and name not in exclude]
    pred, target = (_without_ranges(each, free) for each in (pred, target))
    try:
        pairs = _pairs(free, pred, target)
    except InvalidDataError as error:
        visibilities = [name for name in visibility_columns(free) if name not in (*pred, *target)]
        if not visibilities:
            raise
        try:  # without columns of visibilities, of which only labels or only predictions have some
            pairs = _pairs([name for name in free if name not in visibilities], pred, target)
        except InvalidDataError:
            raise error from None
    labels = {label for _, label in pairs}
    seen = {name for name, xy in visibility_columns(free).items() if labels.issuperset(xy) and name not in target}
    pairs = [pair for pair in pairs if pair[1] not in seen]
    pairs.sort(key=lambda pair: columns.index(pair[1]))
    return tuple(Pair(*pair) for pair in pairs)


def _without_ranges(wanted: Sequence[str], columns: Sequence[str]) -> list[str]:
    """Return names and patterns, with the columns of a range in place of the range."""
    return [name for each in wanted for name in find_range(each, columns) or [each]]


def _pairs(free: Sequence[str], pred: Sequence[str], target: Sequence[str]) -> list[tuple[str, str]]:
    """Return the pairs (column of predictions, column of labels)."""
    if pred and target:
        pairs = _by_patterns(free, pred, target)
    else:
        pairs = _by_name(free, pred, target)
        if not pairs:
            raise InvalidDataError(
                "The table should have predictions and labels with matching names, such as pred_age and age. "
                f"Found {listing(free, most=20) or 'no columns'}. {_REMEDY}"
            )
    return pairs


def _by_name(columns: Sequence[str], pred: Sequence[str], target: Sequence[str]) -> list[tuple[str, str]]:
    """Pair columns of predictions with columns of labels by their names.

    Every column whose name is in `pred` or `target` must be in a pair.
    """
    chosen = {
        name: {star.lower()}
        for each in (pred or target)
        for star, name in _matching("pred" if pred else "target", each, columns).items()
        # The pattern x* stands for labels; x1_hat is a prediction.
        if pred or "*" not in each or _stem(name, _PREDICTION) is None
    }
    stems = {name: _stem(name, _PREDICTION) for name in columns if not (target and name in chosen)}
    predictions = {
        name: _keys(stem) | chosen.get(name, set())
        for name, stem in stems.items()
        if (name in chosen if pred else stem is not None)
    }
    labels = {
        name: {name.lower()} | _keys(_stem(name, _LABEL)) | chosen.get(name, set())
        for name in columns
        if (name in chosen if target else name not in predictions)
    }
    if len(labels) == 1 and not target:  # a column named pred predicts the only other column
        labels = {name: keys | {""} for name, keys in labels.items()}
    pairs: list[tuple[str, str]] = []
    for name, keys in predictions.items():
        matches = [label for label, others in labels.items() if keys & others]
        if len(matches) > 1:
            _refuse(f"Column {name!r} could be the prediction of each of {listing(matches)}.")
        pairs += [(name, label) for label in matches]
    by_label = {label: [one for one, other in pairs if other == label] for _, label in pairs}
    for label, several in by_label.items():
        if len(several) > 1:
            _refuse(f"Column {label!r} could be the label of each of {listing(several)}.")
    paired = {name for pair in pairs for name in pair}
    if not target and (pairs or pred):
        _check_all(predictions, paired, labels, "prediction", "label")
    # If label_x is paired, label_y must be a label too; true_outlier need not be one.
    words = {_word(label) for label in by_label} - {None}
    required = labels if target else {name: keys for name, keys in labels.items() if _word(name) in words}
    _check_all(required, paired, predictions, "label", "prediction")
    return pairs


def _by_patterns(columns: Sequence[str], pred: Sequence[str], target: Sequence[str]) -> list[tuple[str, str]]:
    if len(pred) != len(target):
        hint = f"Found {len(target)} for --target ({listing(target)})."
        raise InvalidParameterError("pred", "as many columns or patterns as --target", tuple(pred), hint)
    pairs: list[tuple[str, str]] = []
    for one, other in zip(pred, target, strict=True):
        if ("*" in one) != ("*" in other):
            expected = f"a {'pattern with a star' if '*' in other else 'name without a star'}, like {other!r}"
            raise InvalidParameterError("pred", expected, one)
        predictions, labels = _matching("pred", one, columns), _matching("target", other, columns)
        # A column that fits both patterns belongs to the longer pattern: x*_hat, not x*.
        for star in [star for star, name in predictions.items() if name in labels.values()]:
            name = predictions[star]
            if len(one) == len(other):
                _refuse(f"Column {name!r} fits both --pred {one} and --target {other}.")
            wider = labels if len(one) > len(other) else predictions
            del wider[next(star for star, each in wider.items() if each == name)]
        if "*" in one:
            by_name = {name: {star} for star, name in predictions.items()}, {n: {star} for star, n in labels.items()}
            paired = {mapping[star] for star in predictions.keys() & labels.keys() for mapping in (predictions, labels)}
            _check_all(by_name[0], paired, by_name[1], "prediction", "label")
            _check_all(by_name[1], paired, by_name[0], "label", "prediction")
            pairs += [(name, labels[star]) for star, name in predictions.items()]
        else:
            pairs.append((one, other))
    repeats = [name for name, count in Counter(name for pair in pairs for name in pair).items() if count > 1]
    if repeats:
        _refuse(f"Each column should be in one pair. Found columns in several pairs: {listing(repeats)}.")
    return pairs


def _matching(parameter: str, pattern: str, columns: Sequence[str]) -> dict[str, str]:
    """Return a mapping to the columns that match a pattern.

    The key of a column is the part of its name in place of the star, or the whole name if the pattern has no star.
    """
    if pattern.count("*") > 1:
        raise InvalidParameterError(parameter, "the name of a column, or a pattern with one star", pattern)
    before, star, after = pattern.partition("*")
    least = len(before) + len(after)
    if star:
        matches = [n for n in columns if n.startswith(before) and n.endswith(after) and len(n) >= least]
        matching = {name[len(before) : len(name) - len(after)]: name for name in matches}
    else:
        matching = {name: name for name in columns if name == pattern}
    if not matching:
        nearest = difflib.get_close_matches(pattern.replace("*", ""), columns, n=1)
        hint = f"Did you mean {nearest[0]!r}? " if nearest else ""
        remedy = f"{hint}The table has {listing(columns, most=20)}."
        raise InvalidParameterError(parameter, "columns of the table", pattern, remedy)
    return matching


def _check_all(
    names: Mapping[str, set[str]], paired: set[str], others: Mapping[str, set[str]], kind: str, partner: str
) -> None:
    """Refuse columns of `names` that are not in a pair. The message names the most similar columns of `others`."""
    unpaired = [name for name in names if name not in paired]
    if not unpaired:
        return
    by_key = {key: name for name, keys in others.items() for key in keys}
    nearest = (difflib.get_close_matches(key, by_key, n=1) for name in unpaired for key in sorted(names[name]))
    similar = list(dict.fromkeys(by_key[each] for keys in nearest for each in keys))
    hint = f" Did you mean {listing(similar)}?" if similar else ""
    _refuse(f"Each {kind} should have a {partner} with a matching name. Found none for {listing(unpaired)}.{hint}")


def _refuse(message: str) -> NoReturn:
    raise InvalidDataError(f"{message} {_REMEDY}")


def _parts(name: str, words: str) -> tuple[str, str] | None:
    """Return the pair (word, rest of the name) if a name starts or ends with one of the `words`, else None."""
    match = re.fullmatch(rf"(?:({words})(?:{_SIGN}(.+))?)|(?:(.+){_SIGN}({words}))", name, re.IGNORECASE)
    if match is None:
        return None
    before, rest, other_rest, after = match.groups()
    return (before or after).lower(), (rest or other_rest or "").lower()


def _stem(name: str, words: str) -> str | None:
    """Return the rest of a name if the name starts or ends with one of the `words`, else None."""
    parts = _parts(name, words)
    # A column named yhat predicts y.
    return None if parts is None else ("y" if parts == ("yhat", "") else parts[1])


def _word(name: str) -> str | None:
    parts = _parts(name, _LABEL)
    return None if parts is None else parts[0]


def _keys(stem: str | None) -> set[str]:
    return set() if stem is None else {stem}
