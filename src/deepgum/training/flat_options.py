"""The options as version 0.1.0 had them, in one flat list: where each of them is now."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from deepgum.errors import InvalidParameterError
from deepgum.mixture import GaussianUniformMixture
from deepgum.training.schedules import SCHEDULES, Alternate, Interleaved

if TYPE_CHECKING:
    from deepgum.training.options import DeepGUMOptions

__all__ = ["UNRECORDED", "key_options", "moved", "nested", "refuse_flat", "refuse_moved", "translated"]

_MIXTURE = {
    "covariance_type": "covariance_type",
    "uniform": "uniform",
    "inlier_prior": "inlier_prior",
    "separation": "separation",
    "em_tol": "tol",
    "em_max_iter": "max_iter",
}
"""Names of the mixture's settings in version 0.1.0, and now."""

_ROUNDS = asdict(Alternate())
_LENIENCY = [field.name for field in fields(Interleaved)]
_NOTHING = object()

UNRECORDED: Mapping[str, Any] = {
    "schedule": "alternate",
    "widening": 1.0,
    "least_weight": 0.0,
    "degrees_of_freedom": math.inf,
    "separation": 0.0,
}
"""Options that early runs did not record, because there was no choice yet, and the value that they had."""


def moved(option: str) -> tuple[str, str] | None:
    """Return the section that an option of version 0.1.0 is in now, and its name there; None if it has not moved.

    Examples
    --------
    >>> moved("em_tol"), moved("restart"), moved("first_loss")
    (('mixture', 'tol'), ('schedule', 'restart'), None)
    """
    if option in _MIXTURE:
        return "mixture", _MIXTURE[option]
    return ("schedule", option) if option in _ROUNDS else None


def nested(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options of version 0.1.0 as `DeepGUMOptions.with_changes` takes them.

    Options of rounds are left out if the schedule is interleaved: they made no difference.

    Parameters
    ----------
    options : mapping
        Fields of version 0.1.0's `DeepGUMOptions`, all or some of them.

    Examples
    --------
    >>> nested({"schedule": "alternate", "restart": "fresh", "em_tol": 0.0, "first_loss": "l2"})
    {'schedule': {'name': 'alternate', 'restart': 'fresh'}, 'mixture': {'tol': 0.0}, 'first_loss': 'l2'}
    >>> nested({"schedule": "interleaved", "restart": "fresh"})
    {'schedule': {'name': 'interleaved'}}
    """
    found: dict[str, Any] = {}
    for option, value in options.items():
        place = ("schedule", "name") if option == "schedule" else moved(option)
        if place is None or isinstance(value, Mapping):
            found[option] = value
        elif not (options.get("schedule") == Interleaved.name and option in _ROUNDS and option not in _LENIENCY):
            found.setdefault(place[0], {})[place[1]] = value
    return found


def translated(method: Mapping[str, Any]) -> dict[str, Any]:
    """Return the section `[method]` of a run that version 0.1.0 recorded as this version writes it.

    Options that early runs did not record get the value that they had. A section of this version is returned as it is,
    and so is one of a method without a mixture.

    Examples
    --------
    >>> found = translated({"name": "deepgum-paper", "options": {"restart": "continue", "em_max_iter": 200}})
    >>> found["schedule"]["name"], found["schedule"]["widening"], found["mixture"]
    ('alternate', 1.0, {'separation': 0.0, 'max_iter': 200})
    """
    options = method.get("options")
    if not isinstance(options, Mapping) or not any(map(_is_flat, options)):
        return dict(method)
    found = nested({**UNRECORDED, **options})
    sections = {name: found.pop(name) for name in ("schedule", "mixture")}
    return {**method, "options": found, **sections}


def key_options(options: DeepGUMOptions) -> dict[str, Any]:
    """Return the options that the key of a run is made from: those of version 0.1.0, so that runs keep their keys.

    Examples
    --------
    >>> from deepgum.training.options import DeepGUMOptions
    >>> found = key_options(DeepGUMOptions())
    >>> found["schedule"], found["widening"], found["restart"], found["em_tol"]
    ('interleaved', 2.0, 'continue', 1e-06)
    >>> "schedule" in key_options(DeepGUMOptions.preset("paper"))
    False
    """
    values = options.to_mapping()
    schedule, mixture = values.pop("schedule"), values.pop("mixture")
    name = schedule.pop("name")
    known = {old: mixture.pop(new) for old, new in _MIXTURE.items()}
    # Settings that version 0.1.0 did not have are part of the key only if they are not the default.
    defaults = GaussianUniformMixture().get_params()
    added = {setting: value for setting, value in mixture.items() if value != defaults[setting]}
    whole = {**values, **_ROUNDS, **schedule, "schedule": name, **known, **added}
    return {option: value for option, value in whole.items() if value != UNRECORDED.get(option, _NOTHING)}


def refuse_moved(options: Mapping[str, Any], schedule: object = None) -> None:
    """Refuse keyword arguments of `DeepGUMOptions` that are arguments of a schedule or of the mixture.

    Raises
    ------
    InvalidParameterError
        With what to write instead.
    """
    for option, value in options.items():
        place = moved(option)
        if place is None:
            continue
        section, name = place
        owner = "GaussianUniformMixture"
        if section == "schedule":
            given = schedule if isinstance(schedule, str) and schedule in SCHEDULES else getattr(schedule, "name", None)
            interleaved = option in _LENIENCY and given != Alternate.name
            owner = "Interleaved" if interleaved else "Alternate"
        hint = f"Write `{section}={owner}({name}={value!r})`."
        raise InvalidParameterError(option, f"an option of `{owner}`", value, hint)


def refuse_flat(options: Mapping[str, Any]) -> None:
    """Refuse the table `options` of a TOML file if it has options that are in the tables `schedule` and `mixture` now.

    Raises
    ------
    InvalidParameterError
        With the lines to write instead.

    Examples
    --------
    >>> refuse_flat({"schedule": "alternate", "restart": "fresh", "em_tol": 0.0})
    Traceback (most recent call last):
        ...
    deepgum.errors.InvalidParameterError: Parameter `options.schedule` should be in the table `schedule`. Found
    `options.schedule = 'alternate'`. Write `schedule = { name = "alternate", restart = "fresh" }` and
    `mixture = { tol = 0.0 }` beside `options`.
    """
    found = {option: value for option, value in options.items() if _is_flat(option)}
    if not found:
        return
    first, value = next(iter(found.items()))
    tables = nested(found)
    section, _ = moved(first) or ("schedule", "")
    lines = " and ".join(f"`{name} = {{ {_inline(table)} }}`" for name, table in tables.items())
    raise InvalidParameterError(
        f"options.{first}", f"in the table `{section}`", value, f"Write {lines} beside `options`."
    )


def _is_flat(option: str) -> bool:
    return option == "schedule" or moved(option) is not None


def _inline(table: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {_toml(value)}" for name, value in table.items())


def _toml(value: object) -> str:
    """Return a text, a truth value or a number in TOML."""
    if isinstance(value, str):
        return f'"{value}"'
    return str(value).lower() if isinstance(value, bool) else repr(value)
