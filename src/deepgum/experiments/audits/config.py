"""The configuration of an audit: the sections of the configuration of a run, and the section `[audit]`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from deepgum.audit.out_of_fold.cross_fit import MOST_FITS
from deepgum.checks import check_choice, check_count, check_positive
from deepgum.data.sets.registry import detect, get_dataset
from deepgum.errors import InvalidParameterError
from deepgum.experiments.runs.config import DataConfig, RunConfig
from deepgum.experiments.runs.config_file import CONTENT, recorded, write_toml
from deepgum.plugins import PATH, is_path
from deepgum.posteriors.inliers import AUTO, candidates
from deepgum.storage.decoding import read_toml
from deepgum.storage.nested import build, plain
from deepgum.training import SGDOptions
from deepgum.wording import counted

__all__ = ["PARTS", "QUICK", "TRAINING", "AuditConfig", "AuditSection", "config_of", "read_audit", "read_recorded"]

PARTS = ("", "all", "train", "validation", "test")

TRAINING = SGDOptions(schedule="one-cycle", learning_rate=2e-3, epochs_max=25)
"""Default training of an audit; the schedule runs to its end."""

QUICK: Mapping[str, Mapping[str, int]] = {"training": {"epochs_max": 12}, "audit": {"folds": 2, "rounds": 1}}
"""The defaults of a first look that differ from those of an audit: section -> key -> value."""


@dataclass(frozen=True)
class AuditSection:
    """Section `[audit]`.

    Parameters
    ----------
    part : str
        Part of the data set to audit: "train", "validation", "test" or "all". Empty for all samples except the test
        part. By default the test part is left out, because `deepgum gain` measures errors on its labels.
    folds, rounds : int
        Number of networks per round, and largest number of rounds. The product of the two numbers is at most 15.
    inliers : str
        Density of right labels: "gaussian", "student-t", or the path "package.module:name" of a user's density, which
        is imported when the audit starts. "auto" chooses the density with the highest held-out likelihood.
    periods : dict of str to float
        Periods of cyclic targets, for example `{ yaw = 360 }`.
    unit : str
        Unit of the labels, for the output only; by default the unit of the data set.
    reasons : tuple of str
        Paths "package.module:name" of reasons in addition to the built-in ones.
    quick : bool
        Whether the audit is a first look: what the user does not set has its value from `QUICK`.
    """

    part: str = ""
    folds: int = 5
    rounds: int = 3
    inliers: str = AUTO
    periods: dict[str, float] = field(default_factory=dict)
    unit: str = ""
    reasons: tuple[str, ...] = ()
    quick: bool = False

    def __post_init__(self) -> None:
        check_choice("part", self.part, PARTS)
        if not is_path(self.inliers):  # reading a configuration imports no density
            candidates(self.inliers)
        check_count("folds", self.folds, least=2)
        check_count("rounds", self.rounds)
        if self.folds * self.rounds > MOST_FITS:
            hint = f"{self.rounds} rounds of {self.folds} folds are {self.folds * self.rounds} fits."
            raise InvalidParameterError("rounds", f"at most {MOST_FITS // self.folds}", self.rounds, hint)
        for name, period in self.periods.items():
            check_positive(f"periods.{name}", period)
        for path in self.reasons:
            if not is_path(path):
                raise InvalidParameterError("reasons", f"paths {PATH!r}", path)


@dataclass(frozen=True)
class AuditConfig:
    """The configuration of an audit.

    Attributes
    ----------
    run : RunConfig
        Data, network, groups, training and seed. The section `[corruption]` makes labels wrong on purpose, to test an
        audit.
    audit : AuditSection

    Examples
    --------
    >>> config = AuditConfig.from_mapping({"data": {"name": "digits"}, "audit": {"folds": 3}})
    >>> config.run.training.schedule, config.audit.folds, config.fits_most
    ('one-cycle', 3, 9)
    """

    run: RunConfig
    audit: AuditSection = field(default_factory=AuditSection)

    def __post_init__(self) -> None:
        if self.run.measure.landmarks and self.audit.periods:
            hint = "Landmarks have no period."
            raise InvalidParameterError("audit.periods", "empty for landmarks", self.audit.periods, hint)
        if self.run.data.pixels:
            raise InvalidParameterError("data.pixels", "false in an audit", True)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> AuditConfig:
        """Build the configuration of an audit from the nested mappings of a TOML file.

        A setting of the training that the mappings do not contain gets its value from `TRAINING`; in a first look,
        from `QUICK` if it is there.
        """
        rest = {key: value for key, value in values.items() if key != "audit"}
        training, audit = rest.get("training", {}), values.get("audit", {})
        quick = QUICK if isinstance(audit, Mapping) and audit.get("quick") is True else {}
        if isinstance(audit, Mapping):
            audit = {**quick.get("audit", {}), **audit}
        if isinstance(training, Mapping):
            rest["training"] = {**plain(asdict(TRAINING)), **quick.get("training", {}), **training}
        section: AuditSection = build(AuditSection, audit, "audit")
        return cls(RunConfig.from_mapping(rest), section)

    def to_mapping(self) -> dict[str, Any]:
        """Return the configuration as nested mappings of plain values."""
        return {**self.run.to_mapping(), "audit": plain(asdict(self.audit))}

    @property
    def fits_most(self) -> int:
        """The largest number of networks that the audit trains: folds times rounds."""
        return self.audit.folds * self.audit.rounds

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits that identify the audit. Equal audits have the same digits.

        `reasons` and `quick` are part of the digest only if they are set. Version 0.1.0 did not have these options, so
        the digests of its audits stay the same.
        """
        settings = asdict(self.audit)
        for name in ("reasons", "quick"):
            if not settings[name]:
                del settings[name]
        values = json.dumps(plain(settings), sort_keys=True) + self.run.digest
        return hashlib.sha256(values.encode()).hexdigest()[:16]

    @property
    def notices(self) -> tuple[str, ...]:
        """The sentence of a first look, for its report and summary; nothing for an audit with all networks."""
        if not self.audit.quick:
            return ()
        networks = f"{counted(self.audit.rounds, 'round')} of {self.audit.folds} networks"
        epochs = counted(self.run.training.epochs_max, "epoch")
        return (
            f"This is a first look (--quick): {networks}, each trained for {epochs}. A full audit trains more networks "
            "for longer: run it without --quick, with another --out.",
        )

    def write(self, path: Path) -> None:
        """Write the configuration to a TOML file, with all defaults. A later version with other defaults then reads the
        same configuration.
        """
        write_toml(self.to_mapping(), path)


def read_audit(path: Path) -> AuditConfig:
    """Read the configuration of an audit from a TOML file.

    Raises
    ------
    InvalidDataError
        If the file does not exist, or is not TOML.
    InvalidParameterError
        If a key is unknown, missing or has an invalid value.
    """
    return AuditConfig.from_mapping(read_toml(path, CONTENT))


def read_recorded(path: Path, *, trust: bool | Collection[str] = False) -> AuditConfig:
    """Read the `audit.toml` of an audit folder.

    Parameters and errors are the same as for `deepgum.experiments.runs.config_file.read_recorded`.
    """
    return recorded(path, AuditConfig.from_mapping, trust)


def config_of(data: Path, changes: Mapping[str, Any], columns: Mapping[str, Any]) -> AuditConfig:
    """Return the configuration for an audit of `data`, which is a TOML file, a table or the folder of a data set.

    Parameters
    ----------
    data : Path
    changes : mapping of str to value
        New values: key of the configuration, as "section.key" -> value.
    columns : mapping of str to value
        Options for reading a table: name -> value; see `deepgum.data.sets.table_samples.load_table`.

    Raises
    ------
    InvalidParameterError
        If `data` does not exist, or the kind of the data set cannot be detected.
    """
    if not data.exists():
        raise InvalidParameterError("data", "a folder, a table or a TOML file", str(data), "There is no such path.")
    values: dict[str, Any] = {}
    if data.suffix == ".toml":
        values = read_toml(data, CONTENT)
    else:
        values["data"] = {"folder": str(data), "name": changes.get("data.name") or detect(data).name}
    for section in ("data", "method", "model", "training", "audit", "corruption"):
        if not isinstance(values.setdefault(section, {}), dict):
            raise InvalidParameterError(section, "a table of keys and values", values[section])
    if not isinstance(values["data"].setdefault("options", {}), dict):
        raise InvalidParameterError("data.options", "a table of keys and values", values["data"]["options"])
    for key, value in changes.items():
        section, _, name = key.rpartition(".")
        (values.setdefault(section, {}) if section else values)[name] = value
    if columns:
        options = values["data"]["options"]
        options |= {name: list(value) if isinstance(value, tuple) else value for name, value in columns.items()}
    dataset = get_dataset(values["data"].get("name", DataConfig.name), "data.name")
    if "swap_pairs" in columns:
        options = values["data"]["options"]
        swap = columns["swap_pairs"]
        options["swap_pairs"] = swap if isinstance(swap, str) else [list(pair) for pair in swap]
        if "mirror" in dataset.options:
            options["mirror"] = "landmarks"
    try:
        options = dataset.check_options(values["data"]["options"])
    except InvalidParameterError as error:
        raise error.within("data") from None
    values["method"].setdefault("groups", dataset.audit_groups(options))
    if not dataset.has_images(options):
        values["model"].setdefault("name", "mlp")
    return AuditConfig.from_mapping(values)
