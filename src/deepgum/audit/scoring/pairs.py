"""Which columns of a table are predictions, and which are the labels that they predict.

By name, ``pred_age``, ``predicted_age`` or ``age_hat`` is the prediction of ``age`` or ``label_age``, and ``pred`` that
of the only other column. By patterns, what the star stands for in the one is what it stands for in the other. Where two
columns could be meant, neither is taken.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, NoReturn

from deepgum.errors import InvalidDataError, InvalidParameterError, listing

__all__ = ["Pair", "find_pairs"]

_PREDICTION = "prediction|predicted|preds?|yhat|hat"
_LABEL = "labels?|targets?|true|truth|actual|gt"
_SIGN = r"[_\-. ]"
_OF_LABEL = re.compile(rf"(?:{_LABEL}){_SIGN}(.+)|(.+){_SIGN}(?:{_LABEL})", re.IGNORECASE)
_SAY = "Say which are meant with --pred and --target."


class Pair(NamedTuple):
    """A target: its name, the column of its predictions, and the column of its labels."""

    name: str
    predicted: str
    target: str


def find_pairs(
    columns: Sequence[str], pred: Sequence[str] = (), target: Sequence[str] = (), *, apart: Collection[str] = ()
) -> tuple[Pair, ...]:
    """Return the targets of a table, in the order in which it has their labels.

    Parameters
    ----------
    columns : sequence of str
        What the table has.
    pred, target : sequences of str
        Columns, or patterns with one star. Both, then as many of the one as of the other, which go together in this
        order; or only one of the two, and what it goes with is found by name; or neither.
    apart : collection of str
        Columns that are something else: ids, images.

    Raises
    ------
    InvalidParameterError
        If a pattern has two stars or fits no column, or two patterns cannot go together.
    InvalidDataError
        If a prediction has no label or a label no prediction, or more than one; the message names them.

    Examples
    --------
    >>> find_pairs(["id", "x", "y", "pred_x", "pred_y"])
    (Pair(name='x', predicted='pred_x', target='x'), Pair(name='y', predicted='pred_y', target='y'))
    >>> find_pairs(["p_age", "t_age"], ["p_*"], ["t_*"])
    (Pair(name='t_age', predicted='p_age', target='t_age'),)
    >>> find_pairs(["age", "label_age", "age_hat"])
    Traceback (most recent call last):
        ...
    deepgum.errors.InvalidDataError: Column 'age_hat' could be the prediction of each of age, label_age. Say which are
    meant with --pred and --target.
    """
    twice = [name for name, count in Counter(columns).items() if count > 1]
    if twice:
        raise InvalidDataError(f"The table should have each column once. Found more than one: {listing(twice)}.")
    # A column without a name is the index of a frame, which pandas writes unless it is told not to.
    free = [name for name in columns if name and name not in apart]
    if pred and target:
        pairs = _by_patterns(free, pred, target)
    else:
        pairs = _by_name(free, pred, target)
        if not pairs:
            raise InvalidDataError(
                "The table should have predictions and labels whose names belong together, such as pred_age and age. "
                f"Found {listing(free, most=20) or 'no columns'}. {_SAY}"
            )
    pairs.sort(key=lambda pair: columns.index(pair[1]))
    return tuple(Pair(name, *pair) for name, pair in zip(_names([label for _, label in pairs]), pairs, strict=True))


def _by_name(free: Sequence[str], pred: Sequence[str], target: Sequence[str]) -> list[tuple[str, str]]:
    """Pair the columns that may be predictions with those that may be labels; what was asked for has to have a pair."""
    chosen = {
        name: {star.lower()}
        for each in (pred or target)
        for star, name in _matching("pred" if pred else "target", each, free).items()
        # x* is to mean labels, and x1_hat is none.
        if pred or "*" not in each or _stem(name, _PREDICTION) is None
    }
    affixed = {name: _stem(name, _PREDICTION) for name in free if not (target and name in chosen)}
    predictions = {
        name: _keys(stem) | chosen.get(name, set())
        for name, stem in affixed.items()
        if (name in chosen if pred else stem is not None)
    }
    labels = {
        name: {name.lower()} | _keys(_stem(name, _LABEL)) | chosen.get(name, set())
        for name in free
        if (name in chosen if target else name not in predictions)
    }
    if len(labels) == 1 and not target:  # what a column called pred says nothing of, it is of the only other one
        labels = {name: keys | {""} for name, keys in labels.items()}
    pairs: list[tuple[str, str]] = []
    for name, keys in predictions.items():
        fitting = [label for label, others in labels.items() if keys & others]
        if len(fitting) > 1:
            _refuse(f"Column {name!r} could be the prediction of each of {listing(fitting)}.")
        pairs += [(name, label) for label in fitting]
    of_label = {label: [one for one, other in pairs if other == label] for _, label in pairs}
    for label, several in of_label.items():
        if len(several) > 1:
            _refuse(f"Column {label!r} could be the label of each of {listing(several)}.")
    paired = {name for pair in pairs for name in pair}
    if not target and (pairs or pred):
        _check_all(predictions, paired, labels, "prediction", "label")
    # A table that calls one of its labels label_x means by label_y another; by true_outlier it may mean anything.
    kinds = {_word(label) for label in of_label} - {None}
    meant = labels if target else {name: keys for name, keys in labels.items() if _word(name) in kinds}
    _check_all(meant, paired, predictions, "label", "prediction")
    return pairs


def _by_patterns(free: Sequence[str], pred: Sequence[str], target: Sequence[str]) -> list[tuple[str, str]]:
    if len(pred) != len(target):
        hint = f"Found {len(target)} for --target ({listing(target)})."
        raise InvalidParameterError("pred", "as many columns or patterns as there are for --target", tuple(pred), hint)
    pairs: list[tuple[str, str]] = []
    for one, other in zip(pred, target, strict=True):
        if ("*" in one) != ("*" in other):
            raise InvalidParameterError("pred", f"a pattern with a star as {other!r} has, or without", one)
        predictions, labels = _matching("pred", one, free), _matching("target", other, free)
        # A column that fits both belongs to the one that says more of it: x*_hat, not x*.
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
    several = [name for name, count in Counter(name for pair in pairs for name in pair).items() if count > 1]
    if several:
        _refuse(f"Each column should be in one pair. Found in more than one: {listing(several)}.")
    return pairs


def _matching(parameter: str, pattern: str, columns: Sequence[str]) -> dict[str, str]:
    """Return the columns that fit a pattern, by what the star stands for; of a name without star, by itself."""
    if pattern.count("*") > 1:
        raise InvalidParameterError(parameter, "the name of a column, or a pattern with one star", pattern)
    before, star, after = pattern.partition("*")
    least = len(before) + len(after)
    if star:
        fits = [n for n in columns if n.startswith(before) and n.endswith(after) and len(n) >= least]
        found = {name[len(before) : len(name) - len(after)]: name for name in fits}
    else:
        found = {name: name for name in columns if name == pattern}
    if not found:
        nearest = difflib.get_close_matches(pattern.replace("*", ""), columns, n=1)
        hint = f"Did you mean {nearest[0]!r}? " if nearest else ""
        found_instead = f"{hint}The table has {listing(columns, most=20)}."
        raise InvalidParameterError(parameter, "columns of the table", pattern, found_instead)
    return found


def _check_all(
    names: Mapping[str, set[str]], paired: set[str], others: Mapping[str, set[str]], kind: str, partner: str
) -> None:
    """Refuse columns without a partner, with the columns whose names are the nearest."""
    alone = [name for name in names if name not in paired]
    if not alone:
        return
    by_key = {key: name for name, keys in others.items() for key in keys}
    nearest = (difflib.get_close_matches(key, by_key, n=1) for name in alone for key in sorted(names[name]))
    meant = list(dict.fromkeys(by_key[each] for found in nearest for each in found))
    hint = f" Did you mean {listing(meant)}?" if meant else ""
    _refuse(f"Each {kind} should have a {partner} whose name belongs to it. Found none for {listing(alone)}.{hint}")


def _refuse(message: str) -> NoReturn:
    raise InvalidDataError(f"{message} {_SAY}")


def _parts(name: str, words: str) -> tuple[str, str] | None:
    """Return the word that a name begins or ends with, and the rest of it; the rest of a word alone is empty."""
    found = re.fullmatch(rf"(?:({words})(?:{_SIGN}(.+))?)|(?:(.+){_SIGN}({words}))", name, re.IGNORECASE)
    if found is None:
        return None
    before, rest, of_other, after = found.groups()
    return (before or after).lower(), (rest or of_other or "").lower()


def _stem(name: str, words: str) -> str | None:
    """Return what a name says beside one of the words; None where it has none of them."""
    parts = _parts(name, words)
    # y is what is meant by a yhat that stands alone.
    return None if parts is None else ("y" if parts == ("yhat", "") else parts[1])


def _word(name: str) -> str | None:
    parts = _parts(name, _LABEL)
    return None if parts is None else parts[0]


def _keys(stem: str | None) -> set[str]:
    return set() if stem is None else {stem}


def _names(labels: Sequence[str]) -> list[str]:
    """Return what the targets are called: label_age is an age, unless there is another."""
    short = [found[1] or found[2] if (found := _OF_LABEL.fullmatch(name)) else name for name in labels]
    times = Counter(short)
    return [one if times[one] == 1 else name for one, name in zip(short, labels, strict=True)]
