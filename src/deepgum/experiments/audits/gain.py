"""The gain of a patch. Some networks are trained on the original labels, others on the patched labels. All are tested
on the same samples.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from deepgum.audit.corrections.apply import check_patch
from deepgum.audit.corrections.gain import Gain, difference, differences_of
from deepgum.audit.corrections.patch import Patch
from deepgum.audit.folder import AuditFolder
from deepgum.audit.out_of_fold.cross_fit import LEAST_LEARNED
from deepgum.audit.out_of_fold.learners import validation_share
from deepgum.checks import check_count
from deepgum.data.content import Content
from deepgum.data.edits.base import Annotations, Changes
from deepgum.data.regression import RegressionData
from deepgum.data.sets.request import Subset
from deepgum.data.splits import split_validation
from deepgum.data.target_names import landmark_names
from deepgum.errors import InvalidDataError, InvalidParameterError
from deepgum.evaluation import coordinate_errors, landmark_errors
from deepgum.experiments.audits.config import AuditConfig, read_recorded
from deepgum.experiments.audits.data import AuditData, load_audit_data
from deepgum.experiments.observer import Observer
from deepgum.experiments.runs.config import CorruptionConfig
from deepgum.experiments.runs.network import prepare
from deepgum.experiments.runs.title import Title
from deepgum.periods import unrolled, wrapped
from deepgum.residuals import predict
from deepgum.training import get_method, train_method

__all__ = ["LEAST_TEST", "gain_of"]

Values = NDArray[np.float64]

FAILURE, TEST_SHARE, LEAST_TEST = 0.05, 0.2, 10


def gain_of(
    folder: AuditFolder, patch: Patch, *, method: str = "l2", seeds: int = 3, observer: Observer | None = None
) -> Gain:
    """Train networks on the labels before and after a patch, and compare their errors on the same test samples.

    The patch changes no label of a test sample. The test samples are from the test part of the data set. If the data
    set has no test part, a fifth of the samples is held out for the test. Samples that belong together are held out
    together.

    Parameters
    ----------
    folder : AuditFolder
        The folder of the audit to which the patch belongs. The data, the network and the training of this audit are
        used.
    patch : Patch
    method : str
        The method of all trainings: a key of `deepgum.training.METHODS`, or the path of a loss. By default L2, the most
        common loss.
    seeds : int
        Number of pairs of trainings. A pair has one training before the patch and one training after the patch, which
        start from the same weights.
    observer : Observer, optional

    Raises
    ------
    UntrustedCodeError
        If the audit names code outside the package, and the folder of the audit is not trusted.
    InvalidDataError
        If the folder is of `deepgum score`, the data have changed since the audit, the patch is for other data or
        changes no label, or there are too few samples to train or to test on.
    UnknownNameError
        If the method is unknown.
    """
    if get_method(method, "method").oracle:
        raise InvalidParameterError("method", "a method that is not an oracle", method)
    check_count("seeds", seeds)
    observer = observer or Observer()
    if not folder.config_file.is_file() and folder.summary_file.is_file():
        raise InvalidDataError(
            f"'{folder.path}' should be the folder of `deepgum audit`, whose networks are trained again. Found scores "
            "of given predictions, without a network. Train your own model with and without the corrections, or audit "
            "the data: deepgum audit DATA --out FOLDER."
        )
    config = read_recorded(folder.config_file, trust=folder.trust)
    data = load_audit_data(config, observer)
    if folder.content_file.is_file():
        changes = data.content.changes(Content.read(folder.content_file))
        if changes:
            raise InvalidDataError(
                f"The data should be the samples of the audit in '{folder.path}'. Found {changes}. Audit and review "
                "these data first."
            )
    check_patch(patch, _Given.of(data))
    if not patch.count("fix") + patch.count("drop"):
        raise InvalidDataError(
            "The patch should fix or drop a label. This one keeps all labels, so it cannot change the error."
        )
    after = _patched(data, patch)
    test, rows, official = _test_of(config, data, patch, observer)
    if len(rows) < LEAST_LEARNED:
        raise InvalidDataError(
            f"There should be at least {LEAST_LEARNED} samples to train on, besides the test samples. Found "
            f"{len(rows)} in an audit with `part = {config.audit.part!r}`."
        )
    if not bool(test.targets.isfinite().any()):
        raise InvalidDataError("There should be test samples with labels that the patch does not change. Found none.")
    samples = data.pool.data
    network = prepare(
        config.run.model,
        Subset(samples, samples.subset([0]), test),
        seed=config.run.seed,
        cache_dir=config.run.data.cache_dir,
        device=config.run.training.device,
        on_progress=observer.computing,
    )
    keep_together, widest = data.keep_together, max(map(len, data.targets.partition))
    errors: dict[bool, list[Values]] = {False: [], True: []}
    observer.started(2 * seeds, 0)
    for seed in range(config.run.seed, config.run.seed + seeds):
        for corrected, given in ((False, data.given), (True, after)):
            if data.targets.periods is not None:
                given = unrolled(given, data.targets.periods)
            labels = torch.from_numpy((given - data.offset) / data.scale).to(torch.float32)
            observer.run_started(_title(method, seed, corrected), seed)
            parts = _split(network.subset.train.with_targets(labels), rows, keep_together, widest, seed)
            result = train_method(
                method,
                *parts,
                groups=data.targets.partition,
                sgd=config.run.training,
                model=network.build,
                seed=seed,
                on_event=observer.trained,
            )
            predicted = predict(
                result.model, network.subset.test, device=config.run.training.device,
                precision=config.run.training.precision,
            )  # fmt: skip
            errors[corrected].append(_errors(predicted.numpy(), test, data.source.landmarks, data.targets.periods))
    before, now = (np.mean(errors[corrected], axis=0) for corrected in (False, True))
    failures = None
    if data.source.landmarks:
        failed = [np.mean([_failures(each) for each in errors[corrected]], axis=0) for corrected in (False, True)]
        failures = difference("failures", *failed)
    return Gain(
        method=method,
        seeds=tuple(range(config.run.seed, config.run.seed + seeds)),
        train=len(rows),
        test=len(test),
        fixed=patch.count("fix"),
        dropped=patch.count("drop"),
        unit="of the normaliser" if data.source.landmarks else data.source.unit,
        errors=differences_of(_names(data), before, now),
        failures=failures,
        official=official,
    )


@dataclass(frozen=True, eq=False)
class _Given(Annotations):
    """The labels that were audited. A patch is compared with these labels."""

    keeps_missing: ClassVar[bool] = True

    @classmethod
    def of(cls, data: AuditData) -> _Given:
        return cls(Path(data.source.path or data.source.name), data.pool.data.ids, data.targets.names, data.given)

    def write(self, changes: Changes, out: Path) -> tuple[str, ...]:
        """Raise `NotImplementedError`. These labels are never written, because some may be wrong on purpose."""
        raise NotImplementedError


def _patched(data: AuditData, patch: Patch) -> Values:
    rows: Mapping[str, int] = {name: row for row, name in enumerate(data.pool.data.ids)}
    values = data.given.copy()
    for change in patch.changes:
        if change.decision != "keep":
            values[rows[change.id], list(patch.groups[change.group])] = np.nan if change.new is None else change.new
    return values


def _test_of(
    config: AuditConfig, data: AuditData, patch: Patch, observer: Observer
) -> tuple[RegressionData, list[int], bool]:
    """Return the tuple (test samples, row numbers of the samples to train on, flag). The flag is True if the test
    samples are from the test part of the data set.
    """
    touched = {change.id for change in patch.changes if change.decision != "keep"}
    ids = data.pool.data.ids
    clean = replace(config, run=replace(config.run, corruption=CorruptionConfig()))
    if data.has_test_part:
        own = load_audit_data(replace(clean, audit=replace(config.audit, part="test")), observer).pool.data
        untouched = [row for row, name in enumerate(own.ids) if name not in touched]
        _check_enough(len(untouched))
        held = set(own.ids)
        return own.subset(untouched), [row for row, name in enumerate(ids) if name not in held], True
    values = data.keep_together
    closed = {values[row] for row, name in enumerate(ids) if name in touched}
    free = [row for row, value in enumerate(values) if value not in closed]
    order = np.random.default_rng(config.run.seed).permutation(sorted({values[row] for row in free}))
    wanted, count = round(TEST_SHARE * len(ids)), 0
    chosen: set[str] = set()
    sizes = Counter(values)
    for name in order.tolist():
        if count >= wanted:
            break
        chosen.add(name)
        count += sizes[name]
    _check_enough(count)
    rows = [row for row, value in enumerate(values) if value in chosen]
    kept = [row for row, value in enumerate(values) if value not in chosen]
    own = load_audit_data(clean, observer).pool.data if config.run.corruption.rate else data.pool.data
    return own.subset(rows), kept, False


def _check_enough(count: int) -> None:
    if count < LEAST_TEST:
        raise InvalidDataError(
            f"There should be at least {LEAST_TEST} test samples that the patch does not change. Found {count}."
        )


def _split(
    data: RegressionData, rows: list[int], keep_together: Sequence[str], widest: int, seed: int
) -> tuple[RegressionData, RegressionData]:
    """Return the pair (training samples, validation samples).

    The split is the same before and after a patch, except for samples without labels.
    """
    share = validation_share(len(rows), widest)
    train, validation = split_validation(len(rows), share, seed, [keep_together[row] for row in rows])
    labelled = data.targets.isfinite().any(dim=1)
    parts = ([rows[place] for place in part.tolist()] for part in (train, validation))
    one, other = (data.subset([row for row in part if labelled[row]]) for part in parts)
    return one, other


def _errors(
    predicted: NDArray[np.float32], test: RegressionData, landmarks: bool, periods: tuple[float, ...] | None
) -> Values:
    labels = test.targets.numpy().astype(np.float64)
    if not landmarks:
        nearest = labels + wrapped(predicted - labels, periods)
        return coordinate_errors(np.where(np.isnan(labels), predicted, nearest), labels)
    distances: Values = landmark_errors(predicted.astype(np.float64), labels) / test.normaliser.numpy()[:, None]
    return distances


def _failures(errors: Values) -> Values:
    """Return for each sample the share of its landmarks that are failures. It is NaN if a sample has no label."""
    known = ~np.isnan(errors)
    return np.where(known.any(axis=1), (errors > FAILURE).sum(axis=1) / np.maximum(known.sum(axis=1), 1), np.nan)


def _names(data: AuditData) -> tuple[str, ...]:
    names = data.targets.names
    return landmark_names(names) if data.source.landmarks else names


def _title(method: str, seed: int, corrected: bool) -> Title:
    return Title(method, "", 0.0, seed, "corrected labels" if corrected else "original labels")
