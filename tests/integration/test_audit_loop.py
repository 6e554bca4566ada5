"""The whole trip of a user: audit, review in a browser, export, apply, gain; the server is killed on the way."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from deepgum.audit.corrections.patch_file import read_patch
from deepgum.audit.folder import AuditFolder
from deepgum.review.store import read_decisions

SIDE, TRAIN, TEST, WRONG = 24, 240, 80, 18
DECIDED = 15
NAMES = ("left", "right", "chin")
COLUMNS = [f"{name}_{axis}" for name in NAMES for axis in "xy"]
CONFIG = """
[data]
name = "table"
folder = '{table}'
image_size = 24
options = {{ image = "file", part = "part", landmarks = true, targets = {targets} }}
[method]
groups = "landmark"
[training]
epochs_max = 8
batch_size = 16
schedule = "one-cycle"
learning_rate = 2e-3
[audit]
folds = 2
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
    """Write images to train and to test on, some of the first with one wrong landmark; return the true ones."""
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


def wait(page: Any, function: str, argument: object = None) -> None:
    """Wait until a function is true. (The page's policy forbids Playwright's own way.)"""
    last = time.monotonic() + 120
    while not page.evaluate(function, argument):
        assert time.monotonic() < last, f"{function} of {argument!r} did not become true."
        page.wait_for_timeout(30)


def stored(page: Any, count: int) -> None:
    """Wait until this number of labels is decided, and the server has confirmed each."""
    wait(page, "(count) => document.title.startsWith(`${count}/`)", count)
    wait(page, "() => !Object.keys(localStorage).some((name) => name.startsWith('deepgum-review:'))")


def has_focus(page: Any, sample: str) -> None:
    """Wait until the card of a sample has the focus; a key that is pressed before acts on another card."""
    wait(page, "(id) => document.activeElement.closest('.card')?.querySelector('.id').textContent === id", sample)


def test_the_loop_from_wrong_labels_to_the_gain(
    tmp_path: Path, deepgum: Callable[..., str], start_review: Callable[..., Any], browser: Any
) -> None:
    truth = make_faces(tmp_path)
    before = (tmp_path / "faces.csv").read_bytes()
    (tmp_path / "audit.toml").write_text(CONFIG.format(table=tmp_path / "faces.csv", targets=COLUMNS))
    run = tmp_path / "run"
    assert "labels flagged" in deepgum("audit", tmp_path / "audit.toml", "--out", run, "--threads", 1)
    folder = AuditFolder(run)
    labels = folder.labels()
    order = [(labels.ids[row], labels.group_names[group]) for row, group in labels.worst_first()]
    assert set(order[:DECIDED]) <= set(truth)  # the worst are wrong
    assert folder.summary().fits <= 4

    server = start_review(run, "--who", "ada")
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    page = context.new_page()
    page.set_default_timeout(120_000)
    page.goto(server.url)
    page.locator(".card").first.wait_for()
    # Drag the first to its true place.
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
    # Take the suggestion for the others, by one key each. The server is killed on the way, and started again.
    for count in range(2, 8):
        has_focus(page, order[count - 1][0])
        page.keyboard.press("a")
        stored(page, count)
    server.kill()
    has_focus(page, order[7][0])
    page.keyboard.press("a")
    wait(page, "() => document.title.startsWith('8/')")
    server = start_review(run, "--who", "ada")
    page.goto(server.url)  # an address is valid for one start; the decision has waited in the browser
    stored(page, 8)
    for count in range(9, DECIDED + 1):
        has_focus(page, order[count - 1][0])
        page.keyboard.press("a")
        stored(page, count)
    context.close()
    said = server.stop().casefold()
    assert f"suggestion taken {DECIDED - 1}" in said
    assert "corrected by hand 1" in said
    decisions = {(each.sample, each.group): each for each in read_decisions(folder)}
    assert set(decisions) == set(order[:DECIDED])
    assert all(each.action == "fix" and each.who == "ada" for each in decisions.values())
    np.testing.assert_allclose(decisions[first].new, truth[first], atol=0.5)

    patch = tmp_path / "fixes.patch.jsonl"
    deepgum("review", run, "--export", f"patch={patch}")
    assert read_patch(patch).count("fix") == DECIDED
    corrected = tmp_path / "corrected.csv"
    deepgum("apply", patch, tmp_path / "faces.csv", "--out", corrected)
    assert (tmp_path / "faces.csv").read_bytes() == before
    rows = {row["file"]: row for row in csv.DictReader(corrected.open(encoding="utf-8"))}
    for (name, group), decision in decisions.items():
        written = [float(rows[name][f"{group}_{axis}"]) for axis in "xy"]
        np.testing.assert_allclose(written, decision.new, atol=1e-6)
    # Corrections are near the truth, so a network that learns from them predicts the test faces better.
    far = [np.linalg.norm(np.array(each.new) - truth[key]) for key, each in decisions.items()]
    assert np.median(far) < 2
    deepgum("gain", run, patch, "--seeds", 2, "--threads", 1)
    gained = json.loads((run / "gain.json").read_text())
    assert gained["test"] == TEST
    assert gained["failures"]["after"] < gained["failures"]["before"]
    assert gained["failures"]["low"] > 0
