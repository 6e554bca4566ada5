"""What an audit found, in numbers and words: the head of its report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from deepgum.errors import InvalidDataError
from deepgum.posteriors.shares import Share
from deepgum.posteriors.tabulated import TabulatedDensity
from deepgum.storage.disk import write_atomically
from deepgum.storage.upgrade import upgraded_options

__all__ = ["AuditSummary", "DataSource", "GroupSummary", "Round"]

FORMAT = "deepgum-audit 1"


@dataclass(frozen=True)
class GroupSummary:
    """One group of labels (a landmark, a coordinate, or all of a sample) and the mixture that was fitted to it.

    Attributes
    ----------
    name : str
    labels, flags : int
        How many labels it has, and how many of those are flagged.
    expected_false_flags : float
    share : Share or None
        None where the mixture cannot tell.
    status : str
        Name of a `deepgum.MixtureStatus`.
    verdict : str
        The same in words, a sentence.
    prior : float
        pi of eq. 1.
    covariance : tuple of tuples of float
        Sigma (k, k), in the unit of the labels.
    log_uniform_density : float
    degrees_of_freedom : float or None
        Degrees of freedom of Student's t, the density of right labels; None for a Gaussian or another density.
    exponent, radius : float or None
        b and R of the density of wrong labels, `deepgum.posteriors.power_law`; R in standard deviations of right
        labels.
    density : TabulatedDensity or None
        The density of right labels, if degrees of freedom do not describe it.
    """

    name: str
    labels: int
    flags: int
    expected_false_flags: float
    share: Share | None
    status: str
    verdict: str
    prior: float
    covariance: tuple[tuple[float, ...], ...]
    log_uniform_density: float
    degrees_of_freedom: float | None = None
    exponent: float | None = None
    radius: float | None = None
    density: TabulatedDensity | None = None


@dataclass(frozen=True)
class Round:
    """Networks fitted, labels flagged, and labels whose flag has changed, in one round of an audit."""

    round: int
    fits: int
    flags: int
    changed: int
    share: float | None
    seconds: float


@dataclass(frozen=True)
class DataSource:
    """Where the data are, so that they can be read again, shown and corrected.

    Attributes
    ----------
    name : str
        A key of `deepgum.data.sets.registry.DATASETS`, the path of a plug-in, or "arrays".
    path : str
        The folder, or for a table the file; empty where there is none.
    options : mapping
        Of this data set.
    root : str
        The folder of the image files; empty where the inputs are no image files.
    landmarks : bool
        Whether labels are points, x y x y ..., in pixels of the image file.
    unit : str
        What labels are in, for people: "px", "years".
    swap_pairs : tuple of (int, int)
        Landmarks that are each other's left and right.
    """

    name: str
    path: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    root: str = ""
    landmarks: bool = False
    unit: str = ""
    swap_pairs: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class AuditSummary:
    """All of an audit but its labels.

    Attributes
    ----------
    data : DataSource
    samples, labels, flags : int
        Samples; labels that are not missing, by groups; those that are flagged.
    expected_false_flags : float
        How many of the flagged are right, as the posteriors have it.
    share : Share or None
        Of wrong labels; None where the mixture cannot tell.
    verdict : str
        What to make of it, in words.
    groups : tuple of GroupSummary
    history : tuple of Round
    conflicts : tuple of tuples of str
        Ids of samples with the same content and different labels, a tuple a set of copies.
    unreadable : mapping of str to str
        Samples that could not be read, and why.
    backbone, inliers : str
        What predicted, and the density of right labels that was chosen, in words.
    folds, fits, seed : int
    seconds : float
    version : str
        Of deepgum.
    """

    data: DataSource
    samples: int
    labels: int
    flags: int
    expected_false_flags: float
    share: Share | None
    verdict: str
    groups: tuple[GroupSummary, ...]
    history: tuple[Round, ...] = ()
    conflicts: tuple[tuple[str, ...], ...] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict)
    backbone: str = ""
    inliers: str = "Gaussian"
    folds: int = 0
    fits: int = 0
    seed: int = 0
    seconds: float = 0.0
    version: str = ""

    def write(self, path: Path) -> None:
        """Write JSON; whole or not at all."""
        with write_atomically(path) as temporary:
            text = json.dumps({"format": FORMAT, **asdict(self)}, indent=2, ensure_ascii=False, allow_nan=False)
            temporary.write_text(text + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> AuditSummary:
        """Read what `write` wrote.

        Raises
        ------
        InvalidDataError
            If there is no such file, or it is not one of `write`'s.
        """
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            if values.pop("format") != FORMAT:
                raise ValueError(f"it should be of the format {FORMAT!r}")
            data = values.pop("data")
            data["options"] = upgraded_options(data["name"], data["options"])
            data["swap_pairs"] = tuple((int(a), int(b)) for a, b in data["swap_pairs"])
            groups = tuple(
                GroupSummary(
                    **{
                        **group,
                        "share": _share(group["share"]),
                        "covariance": tuple(tuple(row) for row in group["covariance"]),
                        "density": _density(group.get("density")),
                    }
                )
                for group in values.pop("groups")
            )
            return cls(
                data=DataSource(**data),
                share=_share(values.pop("share")),
                groups=groups,
                history=tuple(Round(**each) for each in values.pop("history")),
                conflicts=tuple(tuple(each) for each in values.pop("conflicts")),
                **values,
            )
        except (OSError, KeyError, ValueError, TypeError) as error:
            raise InvalidDataError(
                f"'{path}' should be the summary of an audit. It cannot be read: {error}."
            ) from error


def _density(values: Mapping[str, Any] | None) -> TabulatedDensity | None:
    if values is None:
        return None
    return TabulatedDensity(
        float(values["coordinate_variance"]), tuple(values["distances"]), tuple(values["probabilities"])
    )


def _share(values: Mapping[str, float] | None) -> Share | None:
    return None if values is None else Share(**values)
