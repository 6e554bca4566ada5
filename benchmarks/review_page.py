"""A review in a browser: time to the first card, and from a key to the decision on the disk.

Places digits on canvases, moves some of their corners, audits them without any training, serves the review and opens it
in Chromium. Prints a table; with --shots also writes the screenshots of the documentation.

    OMP_NUM_THREADS=1 python benchmarks/review_page.py --flags 10000 --out runs/review-page --shots docs/images
"""

from __future__ import annotations

import argparse
import io
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from deepgum.audit.folder import AuditFolder
from deepgum.audit.labels import ScoredLabels
from deepgum.audit.summary import AuditSummary, DataSource
from deepgum.data.pictures import Pictures
from deepgum.data.sets.digits import CORNERS, load_digits_landmarks

SIDE, DECISIONS = 96, 40
STORED = "() => !Object.keys(localStorage).some((name) => name.startsWith('deepgum-review:'))"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flags", type=int, default=10_000, help="Wrong corners, one a digit.")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--shots", type=Path, help="Folder of screenshots.")
    options = parser.parse_args()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        measure(browser, digits_audit(options.out / "many", options.flags))
        if options.shots is not None:
            draw(browser, digits_audit(options.out / "few", 60), options.shots)
        browser.close()


def digits_audit(folder: Path, n: int) -> AuditFolder:
    """Write n digits, a corner of each moved, and what an audit would say of them."""
    rng = np.random.default_rng(0)
    data, _ = load_digits_landmarks(n, 1, 0, SIDE)
    truth = SIDE * data.targets.numpy().astype(np.float64)
    predicted = truth + rng.normal(0, 0.6, truth.shape)
    given = truth + rng.normal(0, 0.6, truth.shape)
    corner, angle = rng.integers(0, 4, n), rng.uniform(0, 2 * np.pi, n)
    moved = np.zeros((n, 4), dtype=bool)
    moved[np.arange(n), corner] = True
    shift = rng.uniform(12, 35, n)[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    given.reshape(n, 4, 2)[moved] += shift
    given = given.round(2)
    distance = np.linalg.norm((given - predicted).reshape(n, 4, 2), axis=2)
    flagged = np.repeat(moved, 2, axis=1)
    names = tuple(f"digits/{i:05d}.png" for i in range(n))
    (folder / "digits").mkdir(parents=True, exist_ok=True)
    for name, pixels in zip(names, np.asarray(data.inputs), strict=True):
        Image.fromarray(pixels[0]).save(folder / name)
    places = [(int(row), int(group)) for row, group in np.argwhere(moved)]
    labels = ScoredLabels(
        ids=names,
        target_names=tuple(data.target_names),
        group_names=CORNERS,
        partition=tuple((2 * i, 2 * i + 1) for i in range(4)),
        given=given,
        predicted=predicted,
        responsibilities=np.where(moved, np.exp(-distance / 3), 0.99),
        mahalanobis=distance / 0.85,
        suggested=np.where(flagged, predicted, np.nan),
        uncertainty=np.where(flagged, 0.6, np.nan),
        kinds=dict.fromkeys(places, "shifted"),
        why={place: f"{distance[place]:.0f} px from its prediction." for place in places},
    )
    summary = AuditSummary(
        data=DataSource("table", root=str(folder.resolve()), landmarks=True, unit="px"),
        samples=n, labels=4 * n, flags=n, expected_false_flags=labels.expected_false_flags, share=None,
        verdict="About one label in four is wrong.", groups=(),
    )  # fmt: skip
    audit = AuditFolder(folder / "audit")
    audit.decisions_file.unlink(missing_ok=True)
    audit.write(summary, labels, Pictures(folder.resolve(), names, (None,) * n))
    return audit


@contextmanager
def served(folder: AuditFolder) -> Iterator[str]:
    command = [sys.executable, "-m", "deepgum", "review", str(folder.path), "--no-browser", "--who", "ada"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        assert found is not None
        try:
            yield found[0]
        finally:
            process.terminate()


def measure(browser: Browser, folder: AuditFolder) -> None:
    with served(folder) as url:
        rows = {}
        for visit in ("first visit, to the first card", "second visit"):
            page = browser.new_page()
            rows[visit] = timed(lambda page=page: (page.goto(url), page.wait_for_selector(".card")))  # type: ignore[misc]
        keys, stored = [], []
        for _ in range(DECISIONS):
            start = time.perf_counter()
            page.keyboard.press("k")
            keys.append(time.perf_counter() - start)
            until(page, STORED)
            stored.append(time.perf_counter() - start)
        rows["a key, until the next card has the focus"] = statistics.median(keys)
        rows["a key, until its decision is acknowledged"] = statistics.median(stored)
        page.get_by_role("button", name="Only undecided").click()
        rows["the same with a filter that it leaves"] = statistics.median(
            timed(lambda: page.keyboard.press("k")) for _ in range(DECISIONS)
        )
    for name, seconds in rows.items():
        print(f"{name:45} {1000 * seconds:7.0f} ms")


def draw(browser: Browser, folder: AuditFolder, shots: Path) -> None:
    def page_of(url: str, width: int, height: int, scheme: str) -> Page:
        page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]
        page.goto(url)
        page.wait_for_selector(".card")
        page.wait_for_timeout(1000)
        return page

    with served(folder) as url:
        page = page_of(url, 1280, 860, "light")
        for key in "akadsa":
            page.keyboard.press(key)
            page.wait_for_timeout(200)
        until(page, STORED)
        page.reload()
        page.wait_for_timeout(1500)
        shoot(page, shots / "review-wide.png")
        page.keyboard.press("e")
        page.wait_for_timeout(800)
        box = page.locator("dialog.large .mark.fixed.selected").bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 13, y - 9, steps=5)
        page.wait_for_timeout(300)
        shoot(page, shots / "review-drag.png")
        page.mouse.up()
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
        page.keyboard.press("m")
        page.keyboard.press("Enter")
        page.wait_for_timeout(1500)
        shoot(page, shots / "review-many.png")
        shoot(page_of(url, 390, 844, "dark"), shots / "review-narrow-dark.png")


def shoot(page: Page, path: Path) -> None:
    """Write what is seen, in 256 colours, which keep the small coloured marks."""
    with Image.open(io.BytesIO(page.screenshot())) as image:
        few = image.convert("RGB").quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        few.save(path, optimize=True)


def timed(act: Callable[[], object]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def until(page: Page, function: str) -> None:
    while not page.evaluate(function):
        time.sleep(0.002)


if __name__ == "__main__":
    main()
