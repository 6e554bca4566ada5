"""Pictures of the report and the review for the documentation: 68 landmarks, and a table.

    python benchmarks/page_pictures.py --out runs/pictures --shots runs/shots

Some of these pictures are in docs/images.

The faces are drawn. The table is that of houses in `table_with_text.py`, with changed prices; the predictions are those
of gradient boosting with absolute errors, out of fold.
"""

from __future__ import annotations

import argparse
import io
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from click.testing import CliRunner
from PIL import Image
from playwright.sync_api import Browser, sync_playwright
from sklearn.model_selection import cross_val_predict

from deepgum.cli import main as deepgum
from drawn_landmarks import make
from table_with_text import ames, changed, own_pipeline

VIEWS = (("wide", 1440, 1000, "light"), ("narrow-dark", 420, 900, "dark"))


def score(*arguments: object) -> None:
    """Score labels into a folder."""
    result = CliRunner().invoke(deepgum, ["score", *map(str, arguments)])
    if result.exit_code:
        sys.exit(result.output)


def houses(folder: Path) -> Path:
    """Write the table of houses, with predictions, and score it; return the folder of the scores."""
    table = ames(0)
    price = changed(table["price"].to_numpy(float), 0)
    table = table.drop(columns="price")
    model = own_pipeline([]).set_params(histgradientboostingregressor__loss="absolute_error")
    table["predicted_price"] = cross_val_predict(model, table, price, cv=5).round()
    table["price"] = price.astype(int)
    table.to_csv(folder / "houses.csv", index=False)
    features = "area,Neighborhood,Overall.Qual,Year.Built,House.Style,Sale.Condition,Lot.Area,Garage.Cars"
    score(folder / "houses.csv", "--features", features, "--out", folder / "houses")
    return folder / "houses"


def faces(folder: Path) -> Path:
    """Write faces with 68 landmarks and score them; return the folder of the scores."""
    labels, predicted = make(folder)
    score(labels, predicted, "--out", folder / "faces")
    return folder / "faces"


@contextmanager
def review(folder: Path) -> Iterator[str]:
    """Serve a review, and give its address."""
    command = [sys.executable, "-m", "deepgum", "review", str(folder), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield next(found.group() for line in server.stdout if (found := re.search(r"http://\S+", line)))
        finally:
            server.terminate()


def shoot(browser: Browser, url: str, out: Path, name: str) -> None:
    """Write pictures of a page, from its first card on if it is a review."""
    for view, width, height, scheme in VIEWS:
        page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
        page.goto(url)
        page.wait_for_selector(".card")
        if name.startswith("review"):
            page.evaluate("document.querySelector('.card').scrollIntoView({block: 'start'}); scrollBy(0, -160)")
        page.wait_for_timeout(2000)
        picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        picture.quantize(128, dither=Image.Dither.NONE).save(out / f"{name}-{view}.png", optimize=True)
        page.close()


def main() -> None:
    """Write the folders and the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="a folder for the data and the scores")
    parser.add_argument("--shots", type=Path, required=True, help="the folder of the pictures")
    given = parser.parse_args()
    shutil.rmtree(given.out, ignore_errors=True)
    given.out.mkdir(parents=True)
    given.shots.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, folder in (("68", faces(given.out)), ("table", houses(given.out))):
            shoot(browser, (folder / "report.html").resolve().as_uri(), given.shots, f"report-{name}")
            with review(folder) as url:
                shoot(browser, url, given.shots, f"review-{name}")
        browser.close()


if __name__ == "__main__":
    main()
