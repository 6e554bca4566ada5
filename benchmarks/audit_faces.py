"""Audits of landmarks that were made wrong on purpose: ranking, calibration, share, fits.

    for rate in 0.1 0.3; do
        deepgum audit DIR/lfw_net --noise l-ugo --rate $rate --out OUT/$rate --threads 1
    done
    python benchmarks/audit_faces.py OUT/0.1 OUT/0.3

Prints a table in Markdown, and whether what is asked for is met: a calibration error under 0.03 after the correction,
an estimated share within 0.02 of the truth, at most 15 fits.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from deepgum.audit.calibration import Calibration
from deepgum.audit.folder import AuditFolder


def percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path, help="folders of audits with --noise and --rate")
    claims = []
    heads = (
        "audit", "labels", "average precision", "precision", "recall", "calibration error, eq. 1", "after",
        "share wrong", "estimated", "fits", "minutes",
    )  # fmt: skip
    print(f"| {' | '.join(heads)} |\n|---{'|---:' * (len(heads) - 1)}|")
    for run in parser.parse_args().runs:
        folder = AuditFolder(run)
        summary, found = folder.summary(), Calibration.read(folder.calibration_file)
        share = summary.share
        assert share is not None
        cells = (
            run.name,
            f"{summary.labels:,}",
            percent(found.average_precision),
            percent(found.precision),
            percent(found.recall),
            f"{found.before.error:.4f}",
            f"{found.after.error:.4f}",
            percent(found.share),
            f"{percent(share.estimate)} ({percent(share.low)} to {percent(share.high)})",
            str(summary.fits),
            f"{summary.seconds / 60:.0f}",
        )
        print(f"| {' | '.join(cells)} |")
        met = {
            "calibration error under 0.03": found.after.error < 0.03,
            "share within 0.02": abs(share.estimate - found.share) < 0.02,
            "at most 15 fits": summary.fits <= 15,
        }
        claims += [f"- {run.name}: {claim}: {'met' if held else 'NOT met'}" for claim, held in met.items()]
    print("\n" + "\n".join(claims))


if __name__ == "__main__":
    main()
