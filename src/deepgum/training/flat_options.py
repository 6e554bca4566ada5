"""The options as version 0.1.0 had them, in one flat list: where each of them is now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from deepgum.errors import InvalidParameterError
from deepgum.mixture import GaussianUniformMixture
from deepgum.training.schedules import SCHEDULES, Alternate, Interleaved

if TYPE_CHECKING:
    from deepgum.training.options import DeepGUMOptions

__all__ = ["flat", "moved", "nested", "refuse_moved"]

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
        if place is None:
            found[option] = value
        elif not (options.get("schedule") == Interleaved.name and option in _ROUNDS and option not in _LENIENCY):
            found.setdefault(place[0], {})[place[1]] = value
    return found


def flat(options: DeepGUMOptions) -> dict[str, Any]:
    """Return options as version 0.1.0 wrote them: the keys of runs are made from these, so that old runs keep theirs.

    Settings of the mixture that version 0.1.0 did not have are there only if they are not the default.

    Examples
    --------
    >>> from deepgum.training.options import DeepGUMOptions
    >>> found = flat(DeepGUMOptions())
    >>> found["schedule"], found["widening"], found["restart"], found["em_tol"]
    ('interleaved', 2.0, 'continue', 1e-06)
    """
    values = options.to_mapping()
    schedule, mixture = values.pop("schedule"), values.pop("mixture")
    name = schedule.pop("name")
    known = {old: mixture.pop(new) for old, new in _MIXTURE.items()}
    defaults = GaussianUniformMixture().get_params()
    added = {setting: value for setting, value in mixture.items() if value != defaults[setting]}
    return {**values, **_ROUNDS, **schedule, "schedule": name, **known, **added}


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
