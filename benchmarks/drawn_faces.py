"""Drawn faces with five landmarks, some of them wrong, and the folder of an audit of them; without any training.

What `report_page.py` measures with, and what the screenshots of the documentation show: nobody's face.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from deepgum.audit.folder import AuditFolder
from deepgum.audit.labels import ScoredLabels
from deepgum.audit.summary import AuditSummary, DataSource, GroupSummary, Round
from deepgum.data.crops import Square
from deepgum.data.pictures import Pictures
from deepgum.posteriors.label_mixture import LabelMixture
from deepgum.posteriors.shares import Share

SIZE = 250
NAMES = ("left eye", "right eye", "nose", "left mouth corner", "right mouth corner")
PLACES = np.array([[-0.2, -0.12], [0.2, -0.12], [0.0, 0.08], [-0.15, 0.25], [0.15, 0.25]])
PARTNER = (1, 0, 2, 4, 3)


def place_face(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, float]:
    """Return five landmarks, their centre, and the width of the face, in pixels."""
    width, turn = rng.uniform(95, 135), rng.normal(0, 0.15)
    centre = SIZE / 2 + rng.normal(0, 12, 2)
    rotation = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    return centre + width * (PLACES + rng.normal(0, 0.012, PLACES.shape)) @ rotation.T, centre, width


def draw_face(rng: np.random.Generator, points: np.ndarray, centre: np.ndarray, width: float) -> Image.Image:
    """Return a picture of 250 x 250 pixels."""
    skin = tuple(int(v) for v in np.clip(rng.uniform(80, 235) * np.array([1.0, 0.8, 0.66]), 0, 255))
    dark = tuple(int(0.35 * v) for v in skin)
    ground = np.linspace(rng.uniform(40, 200, 3), rng.uniform(40, 200, 3), SIZE)[:, None].repeat(SIZE, 1)
    image = Image.fromarray((ground + rng.normal(0, 7, (SIZE, SIZE, 3))).clip(0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)

    def oval(at: np.ndarray, rx: float, ry: float, colour: object) -> None:
        draw.ellipse((at[0] - rx, at[1] - ry, at[0] + rx, at[1] + ry), fill=colour)

    down = np.array([0.0, width])
    oval(centre - 0.1 * down, 0.52 * width, 0.62 * width, tuple(rng.integers(15, 120, 3).tolist()))
    oval(centre + 0.05 * down, 0.43 * width, 0.56 * width, skin)
    for eye in points[:2]:
        oval(eye, 0.085 * width, 0.05 * width, (245, 245, 240))
        oval(eye, 0.04 * width, 0.045 * width, (35, 30, 30))
        x, y = eye - 0.11 * down
        draw.line((x - 0.1 * width, y, x + 0.1 * width, y), fill=dark, width=4)
    bridge, low = points[:2].mean(axis=0), points[3:].mean(axis=0) + 0.06 * down
    draw.line([tuple(bridge), tuple(points[2] + 0.05 * down[::-1]), tuple(points[2])], fill=dark, width=3)
    draw.line([tuple(points[3]), tuple(low), tuple(points[4])], fill=(150, 50, 50), width=5, joint="curve")
    return image.filter(ImageFilter.GaussianBlur(1))


def spoil(rng: np.random.Generator, points: np.ndarray, side: float) -> tuple[np.ndarray, dict[int, str]]:
    """Return landmarks of which some are wrong, in one of four ways, and which and how."""
    given, kind = points.copy(), rng.random()
    if kind < 0.25:
        pairs = (0, 1) if rng.random() < 0.5 else (3, 4)
        given[list(pairs)] = points[[PARTNER[p] for p in pairs]]
        return given, dict.fromkeys(pairs, "swapped")
    if kind < 0.35:
        given = points + rng.normal(0, 0.25 * side, 2)
        return given, dict.fromkeys(range(5), "foreign")
    place = int(rng.integers(5))
    if kind < 0.45:
        given[place] = points[place] + rng.choice([-1, 1]) * np.array([SIZE, 0.4 * SIZE])
        return given, {place: "outside"}
    given[place] = points[place] + rng.normal(0, 0.2 * side, 2)
    return given, {place: "shifted"}


def make_drawn_audit(folder: Path, flags: int, *, seed: int = 0, right: int = 5) -> AuditFolder:
    """Write pictures and the audit of them with as many flags; of each five samples `right` have no wrong label."""
    rng = np.random.default_rng(seed)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    ids, points, given, squares, kinds = [], [], [], [], {}
    found = 0
    while found < 1.02 * flags + 50:
        row, wrong = len(ids), len(ids) % (right + 1) == 0
        truth, centre, width = place_face(rng)
        square = Square.around(*(centre[0] + [-width / 2, width / 2]), *(centre[1] + [-width / 2, width / 2]), 1.3)
        label, reasons = spoil(rng, truth, square.side) if wrong else (truth.copy(), {})
        ids.append(f"images/person_{row // 4:05d}/{row % 4 + 1}.jpg")
        if wrong or row < 50:  # no other is ever opened
            (folder / ids[-1]).parent.mkdir(exist_ok=True)
            draw_face(rng, truth, centre, width).save(folder / ids[-1], quality=88)
        points.append(truth)
        given.append(label + rng.normal(0, 1.0, label.shape))
        squares.append(square)
        kinds |= {(row, place): reason for place, reason in reasons.items()}
        found += len(reasons)
    shape = (len(ids), 10)
    given_values = np.array(given).reshape(shape)
    predicted = np.array(points).reshape(shape) + rng.normal(0, 1.6, shape)
    return _write(folder, tuple(ids), given_values, predicted, tuple(squares), kinds, flags)


def _write(folder, ids, given, predicted, squares, kinds, most) -> AuditFolder:
    partition = tuple((2 * place, 2 * place + 1) for place in range(5))
    fitted = LabelMixture.fit(given - predicted, [list(group) for group in partition])
    r, distance = fitted.responsibilities(given - predicted), fitted.mahalanobis(given - predicted)
    kept, found = [], 0
    for row, count in enumerate((r < 0.5).sum(axis=1).tolist()):
        if found + count <= most:
            kept.append(row)
            found += count
    kinds = {
        (new, place): kinds[old, place] for new, old in enumerate(kept) for place in range(5) if (old, place) in kinds
    }
    ids, squares = tuple(ids[row] for row in kept), tuple(squares[row] for row in kept)
    given, predicted, r, distance = (values[kept] for values in (given, predicted, r, distance))
    keep = len(kept)
    flags = r < 0.5
    wide = np.repeat(flags, 2, axis=1)
    norms = np.linalg.norm((given - predicted).reshape(keep, 5, 2), axis=2)
    flagged = [tuple(place) for place in np.argwhere(flags).tolist()]
    labels = ScoredLabels(
        ids=ids,
        target_names=tuple(f"{name}_{axis}" for name in NAMES for axis in "xy"),
        group_names=NAMES,
        partition=partition,
        given=given,
        predicted=predicted,
        responsibilities=r,
        mahalanobis=distance,
        suggested=np.where(wide, predicted, np.nan),
        uncertainty=np.where(wide, 1.6, np.nan),
        kinds={place: kinds.get(place, "hard") for place in flagged},
        why={place: f"{norms[place]:.0f} px from its prediction." for place in flagged},
    )
    mixture = fitted.mixture
    groups = tuple(
        GroupSummary(
            name=name,
            labels=keep,
            flags=int(flags[:, place].sum()),
            expected_false_flags=float(r[flags[:, place], place].sum()),
            share=_interval(1 - float(mixture.inlier_prior_[place]), keep),
            status=fitted.status[place].name,
            verdict="Wrong labels can be distinguished from right ones.",
            prior=float(mixture.inlier_prior_[place]),
            covariance=tuple(map(tuple, np.asarray(mixture.covariances_[place]).reshape(2, 2).tolist())),
            log_uniform_density=float(mixture.log_uniform_density_[place]),
        )
        for place, name in enumerate(NAMES)
    )
    count = int(flags.sum())
    share = _interval(float(np.mean([group.share.estimate for group in groups])), 5 * keep)
    summary = AuditSummary(
        data=DataSource("table", str(folder / "faces.csv"), {}, str(folder), True, "px", ((0, 1), (3, 4))),
        samples=keep,
        labels=5 * keep,
        flags=count,
        expected_false_flags=labels.expected_false_flags,
        share=share,
        verdict=f"About {100 * share.estimate:.1f} % of the landmarks are wrong.",
        groups=groups,
        history=(
            Round(0, 5, round(1.3 * count), round(1.3 * count), None, 300.0),
            Round(1, 5, round(1.04 * count), round(0.31 * count), None, 300.0),
            Round(2, 5, count, round(0.05 * count), None, 300.0),
        ),
        backbone="facenet",
        inliers="Gaussian",
        folds=5,
        fits=15,
        seconds=900.0,
        version="0.1.0",
    )
    audit = AuditFolder(folder / "audit")
    audit.write(summary, labels, Pictures(folder, ids, squares))
    return audit


def _interval(share: float, n: int) -> Share:
    half = 1.96 * math.sqrt(share * (1 - share) / n)
    return Share(share, max(0.0, share - half), share + half)
