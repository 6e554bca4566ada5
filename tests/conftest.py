"""Fixtures for several files of tests, among them a small audit whose wrong labels are known."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.stats import norm

from deepgum.audit.folder import AuditFolder
from deepgum.audit.labels import ScoredLabels
from deepgum.audit.summary import AuditSummary, DataSource, GroupSummary, Round
from deepgum.data.pictures import Pictures
from deepgum.data.sets.digits import load_digits_landmarks
from deepgum.mixture import GaussianUniformMixture, MixtureStatus
from deepgum.mixture.partition import partition
from deepgum.periods import wrapped
from deepgum.posteriors import label_mixture
from deepgum.posteriors.choice import Choice
from deepgum.posteriors.densities import Gaussian
from deepgum.posteriors.shares import Share, shares_of

SIDE = 64
# Imported once by the process that all others of a test run are copies of.
PRELOADED = [
    "hypothesis.extra.numpy",
    "lightning.fabric",
    "torch._dynamo",
    "deepgum.cli",
    "deepgum.audit.folder",
    "deepgum.experiments.runs.run",
    "deepgum.report.runs.run",
    "deepgum.review.server",
    "deepgum.review.store",
]


@pytest.fixture(scope="session", autouse=True)
def preloaded() -> None:
    """Let `multiprocessing.get_context("forkserver")` copy one process that has imported everything.

    A copy starts in a tenth of a second. A new interpreter needs six seconds of computation for its imports.
    """
    multiprocessing.get_context("forkserver").set_forkserver_preload(PRELOADED)


@pytest.fixture
def gaussian_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give scores the densities of eq. 1 and rough intervals, in tests of other things: both take most of the time."""
    _make_gaussian(monkeypatch)


@pytest.fixture(scope="module")
def gaussian_file() -> Iterator[None]:
    """The same as `gaussian_scores` for all tests of a file and their shared fixtures."""
    with pytest.MonkeyPatch.context() as patches:
        _make_gaussian(patches)
        yield


def _make_gaussian(patches: pytest.MonkeyPatch) -> None:
    patches.setattr(label_mixture, "choose", _choose_gaussian)
    patches.setattr(label_mixture, "find_skews", lambda *_: {})
    patches.setattr(label_mixture, "shares_of", _shares_of_few_replicates)


def _shares_of_few_replicates(*args: Any, replicates: int, **options: Any) -> Any:
    return shares_of(*args, replicates=min(replicates, 5), **options)


def _choose_gaussian(residuals: object, mixture: GaussianUniformMixture, *args: object, **options: object) -> Choice:
    g, gaussian = len(mixture.status_), Gaussian()
    kinds = tuple("none" if status is MixtureStatus.NO_OUTLIERS else "uniform" for status in mixture.status_)
    return Choice((gaussian,) * g, kinds, ({gaussian: 1.0},) * g)


@pytest.fixture
def default_sigint() -> Iterator[None]:
    """Give the processes that a test starts the default handler of Ctrl-C.

    A background job ignores SIGINT, and a program that it starts inherits that.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def audited(tmp_path: Path) -> AuditFolder:
    """The audit of forty digits in `tmp_path / "audit"`; see `make_audit`."""
    return make_audit(tmp_path)


@pytest.fixture(scope="session")
def write_audit() -> Callable[[Path], AuditFolder]:
    """The function `make_audit`, for audits that several tests read."""
    return make_audit


@pytest.fixture
def read_only(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """A function that refuses Python's writes below a folder, also to the superuser, whom permissions do not stop."""

    def protect(folder: Path) -> None:
        def refuse(path: object) -> None:
            if isinstance(path, str | Path) and Path(path).is_relative_to(folder):
                raise PermissionError(errno.EACCES, "Permission denied", str(path))

        def guarded_open(path: Any, mode: str = "r", *more: Any, **options: Any) -> Any:
            if set(mode) & set("wax+"):
                refuse(path)
            return real_open(path, mode, *more, **options)

        def guarded_handle(path: Any, flags: int, *more: Any, **options: Any) -> int:
            if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                refuse(path)
            return real_handle(path, flags, *more, **options)

        real_open, real_handle = open, os.open
        monkeypatch.setattr("builtins.open", guarded_open)
        monkeypatch.setattr("io.open", guarded_open)
        monkeypatch.setattr(os, "open", guarded_handle)
        for name in ("mkdir", "unlink", "remove", "rmdir", "rename", "replace", "truncate", "chmod", "utime"):
            real = getattr(os, name)

            def guarded(path: Any, *more: Any, real: Callable[..., Any] = real, **options: Any) -> Any:
                refuse(path)
                return real(path, *more, **options)

            monkeypatch.setattr(os, name, guarded)

    return protect


def make_audit(folder: Path, n: int = 40) -> AuditFolder:
    """Write an audit into `folder / "audit"`, without any training; its table is `folder / "faces.csv"`.

    The samples are digits as PNG files of 64 pixels, with two landmarks. Every fourth has a wrong first landmark.
    """
    data, _ = load_digits_landmarks(n, 1, 0, 32)
    rng = np.random.default_rng(0)
    truth = SIDE * data.targets.numpy().astype(np.float64)[:, :4]
    given = truth + rng.normal(0, 0.5, truth.shape)
    wrong = np.arange(0, n, 4)
    given[wrong, :2] += 20 * np.where(truth[wrong, :2] < SIDE / 2, 1, -1)
    given = given.round(2)
    predicted = truth + rng.normal(0, 0.5, truth.shape)
    names = [f"{i:03d}.png" for i in range(n)]
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for name, pixels in zip(names, np.asarray(data.inputs), strict=True):
        Image.fromarray(pixels[0]).resize((SIDE, SIDE)).save(folder / "images" / name)
    columns = ("a_x", "a_y", "b_x", "b_y")
    lines = [",".join([f"images/{name}", *map(str, row)]) for name, row in zip(names, given.tolist(), strict=True)]
    (folder / "faces.csv").write_text("\n".join([",".join(("file", *columns)), *lines]) + "\n", encoding="utf-8")
    distance = np.linalg.norm((given - predicted).reshape(n, 2, 2), axis=2)
    responsibilities = np.where(distance > 5, 0.001 + 0.0001 * np.arange(n)[:, None], 0.99)
    flags = responsibilities < 0.5
    spread_out = np.repeat(flags, 2, axis=1)
    labels = ScoredLabels(
        ids=tuple(f"images/{name}" for name in names),
        target_names=columns,
        group_names=("a", "b"),
        partition=((0, 1), (2, 3)),
        given=given,
        predicted=predicted,
        responsibilities=responsibilities,
        mahalanobis=distance / 0.7,
        suggested=np.where(spread_out, predicted, np.nan),
        uncertainty=np.where(spread_out, 0.7, np.nan),
        kinds={(row, group): "shifted" for row, group in np.argwhere(flags).tolist()},
        why={
            (row, group): f"{distance[row, group]:.1f} px from its prediction."
            for row, group in np.argwhere(flags).tolist()
        },
    )
    groups = tuple(
        GroupSummary(
            name=name,
            labels=n,
            flags=int(flags[:, place].sum()),
            expected_false_flags=float(responsibilities[:, place][flags[:, place]].sum()),
            share=Share(flags[:, place].mean(), 0.0, 0.4),
            status="CONVERGED" if flags[:, place].any() else "NO_OUTLIERS",
            verdict="Wrong labels can be distinguished from right ones.",
            prior=1 - float(flags[:, place].mean()),
            covariance=((0.5, 0.0), (0.0, 0.5)),
            log_uniform_density=-8.0,
        )
        for place, name in enumerate(labels.group_names)
    )
    options = {
        "image": "file",
        "targets": list(columns),
        "landmarks": True,
        "swap_pairs": [[0, 1]],
        "mirror": "landmarks",
    }
    summary = AuditSummary(
        data=DataSource("table", str(folder / "faces.csv"), options, str(folder), True, "px", ((0, 1),)),
        samples=n,
        labels=2 * n,
        flags=int(flags.sum()),
        expected_false_flags=labels.expected_false_flags,
        share=Share(0.125, 0.08, 0.18),
        verdict="About one label in eight is wrong.",
        groups=groups,
        history=(
            Round(0, 5, int(flags.sum()), int(flags.sum()), 0.13, 1.0),
            Round(1, 5, int(flags.sum()), 0, 0.125, 1.0),
        ),
        backbone="facenet",
        folds=5,
        fits=10,
        version="0.1.0",
    )
    pictures = Pictures(folder, labels.ids, (None,) * n)
    audit = AuditFolder(folder / "audit")
    audit.write(summary, labels, pictures)
    return audit


@pytest.fixture(scope="session")
def scored():
    """A function that gives labels their posteriors, of a mixture whose parameters are known; it explains nothing."""
    return make_scored


def make_scored(given, predicted, groups="coordinate", *, sigma=1.0, wrong=0.05, width=None, spread=None, **more):
    """Return `ScoredLabels`; `width` of the uniform along each coordinate is by default that of all residuals."""
    n, d = given.shape
    columns = partition(groups, d)
    residuals = wrapped(given - predicted, more.get("periods"))
    seen = ~np.isnan(residuals)
    widths = np.full(d, width or 2 * np.nanmax(np.abs(residuals), initial=6 * sigma))
    log_odds = np.log(1 / wrong - 1) + np.where(seen, norm.logpdf(residuals, scale=sigma) + np.log(widths), 0.0)
    nothing = np.full((n, d), np.nan)

    def by_group(values, combine):
        return np.stack([np.where(seen[:, c].any(axis=1), combine(values[:, c]), np.nan) for c in columns], axis=1)

    prior = (np.array([len(c) for c in columns]) - 1) * np.log(1 / wrong - 1)
    total = by_group(log_odds, lambda part: part.sum(axis=1)) - prior
    return ScoredLabels(
        ids=more.pop("ids", tuple(f"s{row}" for row in range(n))),
        target_names=more.pop("target_names", tuple(f"t{column}" for column in range(d))),
        group_names=more.pop("group_names", tuple(f"g{group}" for group in range(len(columns)))),
        partition=columns,
        given=given,
        predicted=predicted,
        responsibilities=1 / (1 + np.exp(-np.clip(total, -700, 700))),
        mahalanobis=by_group(np.square(residuals / sigma), lambda part: np.sqrt(np.nansum(part, axis=1))),
        suggested=nothing,
        uncertainty=nothing,
        spread=spread,
        **more,
    )


@pytest.fixture(scope="session")
def faces():
    """A function that gives n faces of five landmarks (n, 10) in images of 250 x 250: eyes, nose, mouth."""
    shape = np.array([[-20, -15], [20, -15], [0, 5], [-15, 25], [15, 25]])

    def make(n, rng):
        angle = rng.normal(0, 0.15, n)
        turn = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], axis=1).reshape(n, 2, 2)
        turned = np.einsum("nij,lj->nli", turn, shape) * rng.uniform(0.8, 1.3, (n, 1, 1))
        return (turned + rng.uniform(90, 160, (n, 1, 2))).reshape(n, 10)

    return make
