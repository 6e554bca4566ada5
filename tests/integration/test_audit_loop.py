"""The whole way, as a person goes it: audit, review in a browser through a kill, export, apply, gain."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from deepgum.audit.corrections.patch_file import read_patch
from deepgum.audit.folder import AuditFolder
from deepgum.review.store import read_decisions

SIDE, TRAIN, TEST, WRONG = 32, 500, 200, 24
NAMES = ("left", "right", "chin")
COLUMNS = [f"{name}_{axis}" for name in NAMES for axis in "xy"]
CONFIG = """
[data]
name = "table"
folder = '{table}'
image_size = 32
options = {{ image = "file", part = "part", landmarks = true, targets = {targets} }}
[method]
groups = "landmark"
[training]
epochs_max = 12
batch_size = 16
schedule = "one-cycle"
learning_rate = 2e-3
[audit]
folds = 3
rounds = 2
"""


def drawn(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return an image with three spots, red, green and blue, and where they are."""
    angle, size = rng.uniform(-0.5, 0.5), rng.uniform(0.2, 0.3) * SIDE
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = np.array([[-1, -0.6], [1, -0.6], [0, 1]]) * size @ turn.T + rng.uniform(0.38, 0.62, 2) * SIDE
    y, x = np.mgrid[0:SIDE, 0:SIDE] + 0.5
    image = rng.normal(60, 10, (SIDE, SIDE, 3))
    for channel, (left, top) in enumerate(points):
        image[..., channel] += 150 * np.exp(-((x - left) ** 2 + (y - top) ** 2) / (2 * 2.5**2))
    return np.clip(image, 0, 255).astype(np.uint8), points


def make_faces(folder: Path) -> dict[tuple[str, str], np.ndarray]:
    """Write 500 images to train on, with 24 wrong landmarks, and 200 to test on; return what the 24 should be."""
    rng = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    truth: dict[tuple[str, str], np.ndarray] = {}
    spoiled = set(rng.choice(TRAIN, WRONG, replace=False).tolist())
    with open(folder / "faces.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["file", "part", *COLUMNS])
        for part, count in (("train", TRAIN), ("test", TEST)):
            for number in range(count):
                image, points = drawn(rng)
                name = f"images/{part}{number:03d}.png"
                Image.fromarray(image).save(folder / name)
                if part == "train" and number in spoiled:
                    place = int(rng.integers(3))
                    truth[name, NAMES[place]] = points[place].copy()
                    while np.linalg.norm(points[place] - truth[name, NAMES[place]]) < 0.4 * SIDE:
                        points[place] = rng.uniform(2, SIDE - 2, 2)
                table.writerow([name, part, *points.round(2).ravel().tolist()])
    return truth


def deepgum(*arguments: object) -> str:
    command = [sys.executable, "-m", "deepgum", *map(str, arguments)]
    environment = os.environ | {"COLUMNS": "160", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def wait(page: Any, function: str, argument: object = None) -> None:
    """Wait until a function is true; the page's policy forbids Playwright's own way."""
    last = time.monotonic() + 60
    while not page.evaluate(function, argument):
        assert time.monotonic() < last, f"{function} of {argument!r} did not become true."
        page.wait_for_timeout(30)


def stored(page: Any, count: int) -> None:
    """Wait until so many labels are decided, and the server has said that it has them."""
    wait(page, "(count) => document.title.startsWith(`${count}/`)", count)
    wait(page, "() => !Object.keys(localStorage).some((name) => name.startsWith('deepgum-review:'))")


def has_focus(page: Any, sample: str) -> None:
    """Wait until the card of a sample has the focus: a key that comes before is another card's."""
    wait(page, "(id) => document.activeElement.closest('.card')?.querySelector('.id').textContent === id", sample)


def test_the_loop_from_wrong_labels_to_the_gain(tmp_path: Path, start_review: Callable[..., Any], browser: Any) -> None:
    truth = make_faces(tmp_path)
    before = (tmp_path / "faces.csv").read_bytes()
    (tmp_path / "audit.toml").write_text(CONFIG.format(table=tmp_path / "faces.csv", targets=COLUMNS))
    run = tmp_path / "run"
    assert "labels flagged" in deepgum("audit", tmp_path / "audit.toml", "--out", run, "--threads", 1)
    folder = AuditFolder(run)
    labels = folder.labels()
    order = [(labels.ids[row], labels.group_names[group]) for row, group in labels.worst_first()]
    assert set(order[:21]) <= set(truth)  # the worst are wrong
    assert folder.summary().fits <= 6

    server = start_review(run, "--who", "ada")
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(server.url)
    page.locator(".card").first.wait_for()
    # The first: dragged to where it is.
    page.locator(".card .picture").first.click()
    page.wait_for_selector("dialog.large .frame img")

    def at(point: np.ndarray) -> tuple[float, float]:
        image = page.locator("dialog.large .frame img").bounding_box()
        return image["x"] + point[0] * image["width"] / SIDE, image["y"] + point[1] * image["height"] / SIDE

    first = order[0]
    place = NAMES.index(first[1])
    page.mouse.move(*at(labels.given[labels.ids.index(first[0]), 2 * place : 2 * place + 2]))
    page.mouse.down()
    page.mouse.move(*at(truth[first]), steps=8)
    page.mouse.up()
    page.get_by_role("button", name="Store").click()
    stored(page, 1)
    page.keyboard.press("Escape")
    # Twenty as suggested, by one key each; the server is killed in between, and the page goes on with the next.
    for count in range(2, 12):
        has_focus(page, order[count - 1][0])
        page.keyboard.press("a")
        stored(page, count)
    server.kill()
    has_focus(page, order[11][0])
    page.keyboard.press("a")
    wait(page, "() => document.title.startsWith('12/')")
    server = start_review(run, "--who", "ada")
    stored(page, 12)
    for count in range(13, 22):
        has_focus(page, order[count - 1][0])
        page.keyboard.press("a")
        stored(page, count)
    context.close()
    assert "21" in server.stop()
    decisions = {(each.sample, each.group): each for each in read_decisions(folder)}
    assert set(decisions) == set(order[:21])
    assert all(each.action == "fix" and each.who == "ada" for each in decisions.values())
    np.testing.assert_allclose(decisions[first].new, truth[first], atol=0.5)

    patch = tmp_path / "fixes.patch.jsonl"
    deepgum("review", run, "--export", f"patch={patch}")
    assert read_patch(patch).count("fix") == 21
    corrected = tmp_path / "corrected.csv"
    deepgum("apply", patch, tmp_path / "faces.csv", "--out", corrected)
    assert (tmp_path / "faces.csv").read_bytes() == before
    rows = {row["file"]: row for row in csv.DictReader(corrected.open(encoding="utf-8"))}
    for (name, group), decision in decisions.items():
        written = [float(rows[name][f"{group}_{axis}"]) for axis in "xy"]
        np.testing.assert_allclose(written, decision.new, atol=1e-6)
    # Corrections are near the truth, and so the test faces are predicted better.
    far = [np.linalg.norm(np.array(each.new) - truth[key]) for key, each in decisions.items()]
    assert np.median(far) < 2
    deepgum("gain", run, patch, "--seeds", 2, "--threads", 1)
    gained = json.loads((run / "gain.json").read_text())
    assert gained["test"] == TEST
    assert gained["failures"]["after"] < gained["failures"]["before"]
    assert gained["failures"]["low"] > 0
