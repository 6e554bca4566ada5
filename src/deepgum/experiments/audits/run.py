"""An audit, from its configuration to its folder. Each network checks labels on which it was not trained."""

from __future__ import annotations

import io
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from torch import nn

from deepgum.audit.calibration import Calibration
from deepgum.audit.folder import AuditFolder
from deepgum.audit.labels import ScoredLabels
from deepgum.audit.out_of_fold.cross_fit import CrossFit, cross_fit
from deepgum.audit.out_of_fold.features import points_of, standardised
from deepgum.audit.out_of_fold.label_units import LabelUnits
from deepgum.audit.out_of_fold.learners import NetworkLearner
from deepgum.audit.out_of_fold.local_noise import LocalNoise
from deepgum.audit.out_of_fold.predictions import OutOfFoldPredictions
from deepgum.audit.reasons.evidence import Evidence
from deepgum.audit.reasons.registry import all_reasons
from deepgum.audit.sample_features import SampleFeatures
from deepgum.audit.scoring.image_sizes import ImageSizes
from deepgum.audit.scoring.pipeline import score_predictions, the_only
from deepgum.audit.scoring.survey import check_samples
from deepgum.audit.scoring.tally import Provenance
from deepgum.audit.summary import AuditSummary
from deepgum.data.content import Content
from deepgum.data.pictures import Pictures
from deepgum.data.regression import RegressionData
from deepgum.data.sets.request import Subset
from deepgum.experiments.audits.clock import Clock
from deepgum.experiments.audits.config import AuditConfig, read_recorded
from deepgum.experiments.audits.data import AuditData, load_audit_data
from deepgum.experiments.audits.fits import KeptLearner
from deepgum.experiments.observer import Observer
from deepgum.experiments.output import another, held
from deepgum.experiments.runs.key import weights_digest
from deepgum.experiments.runs.network import prepare
from deepgum.experiments.same_data import check_finished, check_same_data, check_same_weights
from deepgum.models import build_model
from deepgum.plugins import code_named
from deepgum.posteriors.inliers import candidates
from deepgum.storage.disk import remove_abandoned, remove_partial, write_atomically
from deepgum.storage.lock import alone_in
from deepgum.storage.upgrade import made_by
from deepgum.training import check_device, get_method

__all__ = ["run_audit"]

FITS, SECONDS = "fits", "seconds"


def run_audit(config: AuditConfig, out: Path, observer: Observer | None = None) -> AuditFolder:
    """Audit a data set, write the folder of the audit, and return this folder. If the audit is finished, only return
    the folder.

    The folder holds `audit.toml` (with all defaults) and the files of `AuditFolder`. The summary is written last. Until
    the summary is written, `fits/` holds the predictions of every trained network, so that an interrupted audit
    continues with the next network.

    Parameters
    ----------
    config : AuditConfig
    out : Path
        A new folder, an empty folder, or the folder of the same audit.
    observer : Observer, optional
        Its methods are called at every step.

    Raises
    ------
    OutputFolderError
        If `out` holds other files, or results of other data, or if another process writes to `out`.
    InvalidDataError, InvalidParameterError
        If the data or the network cannot be used. This is checked before any training, and no file is written.
    """
    # The folder may be somebody else's: only code that the user's configuration names is imported.
    observer, folder = observer or Observer(), AuditFolder(out, trust=[*code_named(config.to_mapping()).values()])
    if not _is_done(folder, config):
        with alone_in(out):
            if not _is_done(folder, config):
                _audit(config, folder, observer)
                return folder
    before = _recorded(folder, config) or config
    # Read without `AuditFolder.summary`, which refuses a summary that names code, although no code is imported here.
    weights = AuditSummary.read(folder.summary_file).weights
    check_same_weights(out, "audit", weights, weights_digest(config.run.model))

    def read() -> Content:
        return load_audit_data(config, observer).content

    check_finished(out, "audit", folder.content_file, before.run.data, config.run.data, read)
    remove_abandoned(folder.path)  # of a process that was killed while it wrote the report
    return folder


def _is_done(folder: AuditFolder, config: AuditConfig) -> bool:
    """Return whether the audit is done. Raise an error unless the folder is new, is empty, or belongs to this audit."""
    before = _recorded(folder, config)
    if before is None:
        return False
    # The data may have moved, so the old settings are compared with their new path. The samples are compared later.
    moved = replace(before.run, data=replace(before.run.data, folder=config.run.data.folder))
    if replace(before, run=moved).digest != config.digest:
        made = made_by(folder.config_file)
        raise another(folder.path, "audit", before.to_mapping(), config.to_mapping(), made_by=made)
    return folder.summary_file.is_file()


def _recorded(folder: AuditFolder, config: AuditConfig) -> AuditConfig | None:
    """Return the configuration that the folder holds, or None if the folder is new or empty."""
    trusted = code_named(config.to_mapping()).values()
    return held(folder.path, "audit", folder.config_file, lambda path: read_recorded(path, trust=trusted))


def _audit(config: AuditConfig, folder: AuditFolder, observer: Observer) -> None:
    clock = Clock(folder.path / FITS / SECONDS)
    reasons = all_reasons(config.audit.reasons, "audit.reasons")
    check_device(config.run.training.device)
    config.run.model.check_weights("model.weights")
    candidates(config.audit.inliers)
    data = load_audit_data(config, observer)
    check_samples(data.targets.names, data.pool.data.ids, data.given)
    if (folder.path / FITS).is_dir() and folder.content_file.is_file():
        check_same_data(folder.path, "audit", Content.read(folder.content_file), data.content)
    learner = _learner(config, data, observer)
    remove_partial(folder.path)
    config.write(folder.config_file)
    data.content.write(folder.content_file)
    audit, epochs = config.audit, config.run.training.epochs_max
    observer.audit_started(audit.folds, audit.rounds, epochs, quick=audit.quick)
    crossfit = cross_fit(
        KeptLearner(learner, folder.path / FITS, config.digest + data.content.digest, observer, clock),
        data.pool.data.targets.numpy().astype(np.float64),
        groups=data.targets.partition,
        keep_together=data.keep_together,
        sequence=data.sequence,
        n_folds=config.audit.folds,
        most_rounds=config.audit.rounds,
        periods=data.targets.periods,
        units=_units(data),
        noise=_noise(data),
        inliers=config.audit.inliers,
        seed=config.run.seed,
        on_round=observer.round_finished,
    )
    predictions = _predictions(data, crossfit)
    provenance = _provenance(config, data, crossfit, clock.began)
    labels, summary, _ = score_predictions(predictions, data.targets, reasons, provenance, the_only, observer.scoring)
    if data.wrong is not None:
        plain = crossfit.mixture.base.mixture.responsibilities(predictions.comparison.residuals)
        before = np.where(np.isnan(labels.responsibilities), np.nan, plain)
        Calibration.of(labels.responsibilities, before, data.wrong).write(folder.calibration_file)
    folder.write(summary, labels, _pictures(data, labels, folder), _features(data, labels))
    shutil.rmtree(folder.path / FITS, ignore_errors=True)


def _learner(config: AuditConfig, data: AuditData, observer: Observer) -> NetworkLearner:
    """Return a learner that trains the configured networks. The outputs of a frozen part are computed only once."""
    run, samples = config.run, data.pool.data
    # All samples are training samples here, so that the outputs of the trunk are computed for all samples.
    subset = Subset(samples, samples.subset([0]), samples.subset([0]))
    network = prepare(
        run.model,
        subset,
        seed=run.seed,
        cache_dir=run.data.cache_dir,
        device=run.training.device,
        on_progress=observer.computing,
    )

    def build(train: RegressionData, seed: int) -> nn.Module:
        return build_model(network.build, train, seed)

    build(network.subset.train, run.seed)  # raises before anything is written
    options = get_method(run.method.name).with_changes(data.targets.partition, run.method.changes)
    return NetworkLearner(network.subset.train, build, options, run.training, data.keep_together, observer.trained)


def _units(data: AuditData) -> LabelUnits:
    return LabelUnits(data.aside.without(data.given), data.targets, offset=data.offset, factor=data.scale)


def _predictions(data: AuditData, crossfit: CrossFit) -> OutOfFoldPredictions:
    samples = data.pool.data
    pictures = samples.pictures
    return OutOfFoldPredictions(
        data.targets,
        samples.ids,
        data.given,
        _units(data),
        crossfit,
        evidence=Evidence(
            # Rows with identical features may have different labels, and all these labels may be right.
            copies=data.copies if samples.inputs.ndim == 4 else (),
            conflicts=data.conflicts,
            sizes=None if pictures is None else ImageSizes(pictures.folder, pictures.reading).sizes(pictures.names),
        ),
        unit=float(np.median(data.scale) * np.median(crossfit.scale)),
        runs=data.runs,
        untaught=data.aside,
        whole_ids=samples.whole_ids,
    )


def _noise(data: AuditData) -> LocalNoise | None:
    """Return the local noise of features; None for images."""
    inputs, runs = data.pool.data.inputs, data.runs
    if inputs.ndim != 2:
        return None
    encoding = data.pool.data.encoding
    points = standardised(np.asarray(inputs)) if encoding is None else points_of(encoding.columns(np.asarray(inputs)))
    return LocalNoise(points, None if runs is None else runs.numbers)


def _provenance(config: AuditConfig, data: AuditData, crossfit: CrossFit, begun: float) -> Provenance:
    model = config.run.model
    frozen = f", frozen up to {model.frozen}" if model.frozen else ""
    return Provenance(
        data.source,
        config.run.seed,
        begun,
        backbone=f"{model.name}{frozen}",
        history=crossfit.history,
        folds=config.audit.folds,
        conflicts=data.conflicts,
        unreadable=data.left_out,
        weights=weights_digest(model),
        notices=(*config.notices, *data.pool.notices),
    )


def _features(data: AuditData, labels: ScoredLabels) -> SampleFeatures | None:
    """Return the features of the flagged samples, or None if the data have no columns of features."""
    rows = np.flatnonzero(labels.flags.any(axis=1)).tolist()
    return SampleFeatures.of(data.features, labels.ids, rows) if data.features else None


def _pictures(data: AuditData, labels: ScoredLabels, folder: AuditFolder) -> Pictures | None:
    """Return the image files of the samples. If the data set has no image files, write images of the flagged samples
    first.
    """
    samples = data.pool.data
    if samples.pictures is not None or samples.inputs.ndim != 4:
        return samples.pictures
    folder.images.mkdir(exist_ok=True)
    names = tuple(f"{row:06d}.png" for row in range(len(samples)))
    for row in np.flatnonzero(labels.flags.any(axis=1)).tolist():
        pixels = np.asarray(samples.inputs[row])
        drawn = io.BytesIO()
        Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0)).save(drawn, format="PNG")
        with write_atomically(folder.images / names[row]) as temporary:
            temporary.write_bytes(drawn.getbuffer())
    return Pictures(folder.images, names, (None,) * len(names))
