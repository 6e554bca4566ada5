"""The report of an audit in a browser: size of the file, time to the first picture, how long a filter takes.

Draws faces with wrong landmarks, audits them without any training, writes the report and opens it from the disk in
Chromium, with no network. Prints a table; with --shots also writes the screenshots of the documentation.

    OMP_NUM_THREADS=1 python benchmarks/report_page.py --flags 10000 --out runs/report-page --shots docs/images
"""

from __future__ import annotations

import argparse
import io
import shutil
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from deepgum.audit.folder import AuditFolder
from deepgum.report.page import write_report
from drawn_faces import make_drawn_audit

# Notes when the first picture of the gallery is decoded, and every task that keeps the page from answering.
WATCH = """
window.seen = {long: []};
new PerformanceObserver((list) => window.seen.long.push(...list.getEntries().map((entry) => entry.duration)))
  .observe({type: "longtask"});
(function look() {
  const picture = document.querySelector(".card img");
  if (picture && picture.complete && picture.naturalWidth) window.seen.first = performance.now();
  else requestAnimationFrame(look);
})();
"""
READ = """
() => new Promise((done) => {
  (function look() {
    if (window.seen && window.seen.first && document.readyState === "complete") done();
    else setTimeout(look, 20);
  })();
})
"""
# Acts, and returns the milliseconds until the next frame after what was drawn.
TIMED = """
async (act) => {
  window.seen.long = [];
  const start = performance.now();
  const until = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  const find = (selector, words) =>
    [...document.querySelectorAll(selector)].find((element) => element.textContent.startsWith(words));
  const choose = (id, value) => {
    const select = document.getElementById(id);
    select.value = value;
    select.dispatchEvent(new Event("change"));
  };
  const acts = {
    "filter by a landmark": () => find(".chip", "right eye").querySelector("input").click(),
    "filter by a reason as well": () => find(".chip", "left and right").querySelector("input").click(),
    "take both away": () => find("button.clear", "").click(),
    "order by distance": () => choose("gallery-sort", "distance"),
    "order by id": () => choose("gallery-sort", "id"),
    "a card a sample": () => choose("gallery-by", "sample"),
    "a card a label": () => choose("gallery-by", "label"),
    "next page": () => find(".pager button", "Next").click(),
    "192 cards a page": () => choose("gallery-size", "192"),
    "48 cards a page": () => choose("gallery-size", "48"),
  };
  acts[act]();
  await until();
  return {ms: performance.now() - start, long: Math.max(0, ...window.seen.long)};
}
"""
ACTS = (
    "filter by a landmark",
    "filter by a reason as well",
    "take both away",
    "order by distance",
    "order by id",
    "a card a sample",
    "a card a label",
    "next page",
    "192 cards a page",
    "48 cards a page",
)
# Name, width, height, colours, part of the page.
SHOTS = (
    ("report-wide", 1440, 1000, "light", ""),
    ("report-wide-dark", 1440, 1000, "dark", ""),
    ("report-gallery", 1440, 820, "light", "#view?reason=swapped"),
    ("report-gallery-dark", 1440, 740, "dark", "#view?reason=shifted,swapped&by=sample"),
    ("report-narrow", 390, 844, "light", ""),
    ("report-gallery-narrow-dark", 390, 844, "dark", "#view?reason=swapped"),
)


@contextmanager
def opened(chromium: str, file: Path, width: int, height: int, colours: str, part: str = "") -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=colours,  # type: ignore[arg-type]
            offline=True,
        )
        page = context.new_page()
        page.add_init_script(WATCH)
        page.goto(f"{file.resolve().as_uri()}{part}", wait_until="commit", timeout=120_000)
        page.evaluate(READ)
        yield page
        browser.close()


def shoot(page: Page, path: Path) -> None:
    """Write a picture of what is seen of a page, in 256 colours, which keep the small coloured marks."""
    page.wait_for_timeout(300)
    seen = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    seen.quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(path, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flags", type=int, default=10_000)
    parser.add_argument("--out", type=Path, required=True, help="folder of the pictures and the audit; used again")
    parser.add_argument("--shots", type=Path, help="folder for screenshots")
    parser.add_argument("--chromium", default=shutil.which("chromium"))
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()

    audit = AuditFolder(arguments.out / "audit")
    if not audit.summary_file.is_file():
        make_drawn_audit(arguments.out, arguments.flags)
    began = time.perf_counter()
    report = write_report(audit)
    seconds = time.perf_counter() - began
    summary = audit.summary()
    print(f"{summary.flags} flagged labels of {summary.samples} drawn faces, pictures of 250 x 250 pixels")
    print(f"{'size of the file':34}{report.stat().st_size / 1e6:10.1f} MB")
    print(f"{'written in':34}{seconds:10.1f} s")

    firsts, loads, times, longest = [], [], {act: [] for act in ACTS}, {act: [] for act in ACTS}
    for _ in range(arguments.repeats):
        with opened(arguments.chromium, report, 1440, 1000, "light") as page:
            firsts.append(page.evaluate("window.seen.first"))
            loads.append(page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd"))
            for act in ACTS:
                found = page.evaluate(TIMED, act)
                times[act].append(found["ms"])
                longest[act].append(found["long"])
    print(f"{'first picture after':34}{statistics.median(firsts):10.0f} ms")
    print(f"{'whole file read after':34}{statistics.median(loads):10.0f} ms")
    for act in ACTS:
        long = max(longest[act])
        note = f"   longest task {long:.0f} ms" if long else ""
        print(f"{act + ', drawn after':34}{statistics.median(times[act]):10.0f} ms{note}")

    if arguments.shots:
        arguments.shots.mkdir(parents=True, exist_ok=True)
        for name, width, height, colours, part in SHOTS:
            with opened(arguments.chromium, report, width, height, colours, part) as page:
                shoot(page, arguments.shots / f"{name}.png")
        with opened(arguments.chromium, report, 1200, 700, "light", "#view?reason=swapped&by=sample") as page:
            page.locator("button.picture").nth(3).click()
            shoot(page, arguments.shots / "report-large.png")


if __name__ == "__main__":
    main()
