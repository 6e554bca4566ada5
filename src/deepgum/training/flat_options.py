"""Translation of the options of version 0.1.0, which were one flat list, into the options of this version."""

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

__all__ = ["UNRECORDED", "find_section", "key_options", "nest_options", "refuse_flat", "refuse_moved", "translated"]

_MIXTURE_NAMES = {
    "covariance_type": "covariance_type",
    "uniform": "uniform",
    "inlier_prior": "inlier_prior",
    "separation": "separation",
    "em_tol": "tol",
    "em_max_iter": "max_iter",
}
"""Names of the mixture's settings: in version 0.1.0, and in this version."""

_ALTERNATE_OPTIONS = asdict(Alternate())
_INTERLEAVED_OPTIONS = [field.name for field in fields(Interleaved)]
_UNSET = object()

UNRECORDED: Mapping[str, Any] = {
    "schedule": "alternate",
    "widening": 1.0,
    "least_weight": 0.0,
    "degrees_of_freedom": math.inf,
    "separation": 0.0,
}
"""The options that early runs did not record, with their values. Each of these options had only one possible value."""


def find_section(option: str) -> tuple[str, str] | None:
    """Return the pair (section, name) that an option of version 0.1.0 has now. Return None if it has not moved.

    Examples
    --------
    >>> find_section("em_tol"), find_section("restart"), find_section("first_loss")
    (('mixture', 'tol'), ('schedule', 'restart'), None)
    """
    if option in _MIXTURE_NAMES:
        return "mixture", _MIXTURE_NAMES[option]
    return ("schedule", option) if option in _ALTERNATE_OPTIONS else None


def nest_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options of version 0.1.0 in the form that `DeepGUMOptions.with_changes` accepts.

    With the interleaved schedule, the options of Algorithm 1 are left out, because they had no effect.

    Parameters
    ----------
    options : mapping
        All or some of the fields of `DeepGUMOptions` in version 0.1.0.

    Examples
    --------
    >>> nest_options({"schedule": "alternate", "restart": "fresh", "em_tol": 0.0, "first_loss": "l2"})
    {'schedule': {'name': 'alternate', 'restart': 'fresh'}, 'mixture': {'tol': 0.0}, 'first_loss': 'l2'}
    >>> nest_options({"schedule": "interleaved", "restart": "fresh"})
    {'schedule': {'name': 'interleaved'}}
    """
    found: dict[str, Any] = {}
    for option, value in options.items():
        place = ("schedule", "name") if option == "schedule" else find_section(option)
        if place is None or isinstance(value, Mapping):
            found[option] = value
        elif not (
            options.get("schedule") == Interleaved.name
            and option in _ALTERNATE_OPTIONS
            and option not in _INTERLEAVED_OPTIONS
        ):
            found.setdefault(place[0], {})[place[1]] = value
    return found


def translated(method: Mapping[str, Any]) -> dict[str, Any]:
    """Return `method`, the section `[method]` of a recorded run, translated into the form of this version.

    Options that early runs did not record get the values of `UNRECORDED`. If the section already has the form of this
    version, or the method has no mixture, the section is returned without changes.

    Examples
    --------
    >>> found = translated({"name": "deepgum-paper", "options": {"restart": "continue", "em_max_iter": 200}})
    >>> found["schedule"]["name"], found["schedule"]["widening"], found["mixture"]
    ('alternate', 1.0, {'separation': 0.0, 'max_iter': 200})
    """
    options = method.get("options")
    if not isinstance(options, Mapping) or not any(map(_is_flat, options)):
        return dict(method)
    found = nest_options({**UNRECORDED, **options})
    sections = {name: found.pop(name) for name in ("schedule", "mixture")}
    return {**method, "options": found, **sections}


def key_options(options: DeepGUMOptions) -> dict[str, Any]:
    """Return the options in the form of version 0.1.0, from which the key of a run is computed.

    With the old form, a run has the same key in all versions.

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
    known = {old: mixture.pop(new) for old, new in _MIXTURE_NAMES.items()}
    # A setting that version 0.1.0 did not have is part of the key only if its value is not the default.
    defaults = GaussianUniformMixture().get_params()
    added = {setting: value for setting, value in mixture.items() if value != defaults[setting]}
    whole = {**values, **_ALTERNATE_OPTIONS, **schedule, "schedule": name, **known, **added}
    return {option: value for option, value in whole.items() if value != UNRECORDED.get(option, _UNSET)}


def refuse_moved(options: Mapping[str, Any], schedule: object = None) -> None:
    """Refuse keyword arguments of `DeepGUMOptions` that are arguments of a schedule or of the mixture.

    Raises
    ------
    InvalidParameterError
        If there is such an argument; the message shows the correct code.
    """
    for option, value in options.items():
        place = find_section(option)
        if place is None:
            continue
        section, name = place
        owner = "GaussianUniformMixture"
        if section == "schedule":
            given = schedule if isinstance(schedule, str) and schedule in SCHEDULES else getattr(schedule, "name", None)
            is_interleaved = option in _INTERLEAVED_OPTIONS and given != Alternate.name
            owner = "Interleaved" if is_interleaved else "Alternate"
        hint = f"Write `{section}={owner}({name}={value!r})`."
        raise InvalidParameterError(option, f"an option of `{owner}`", value, hint)


def refuse_flat(options: Mapping[str, Any]) -> None:
    """Refuse the table `options` of a TOML file if one of its options belongs in the table `schedule` or `mixture`.

    Raises
    ------
    InvalidParameterError
        If there is such an option; the message shows the correct lines.

    Examples
    --------
    >>> refuse_flat({"schedule": "alternate", "restart": "fresh", "em_tol": 0.0})
    Traceback (most recent call last):
        ...
    deepgum.errors.InvalidParameterError: Parameter `options.schedule` should be in the table `schedule`. Found
    `options.schedule = 'alternate'`. Write `schedule = { name = "alternate", restart = "fresh" }` and
    `mixture = { tol = 0.0 }` in the section `[method]`, outside the table `options`.
    """
    found = {option: value for option, value in options.items() if _is_flat(option)}
    if not found:
        return
    first, value = next(iter(found.items()))
    tables = nest_options(found)
    section, _ = find_section(first) or ("schedule", "")
    lines = " and ".join(f"`{name} = {{ {_inline(table)} }}`" for name, table in tables.items())
    raise InvalidParameterError(
        f"options.{first}",
        f"in the table `{section}`",
        value,
        f"Write {lines} in the section `[method]`, outside the table `options`.",
    )


def _is_flat(option: str) -> bool:
    return option == "schedule" or find_section(option) is not None


def _inline(table: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {_toml(value)}" for name, value in table.items())


def _toml(value: object) -> str:
    """Return a string, a boolean or a number in TOML."""
    if isinstance(value, str):
        return f'"{value}"'
    return str(value).lower() if isinstance(value, bool) else repr(value)
