"""Inputs that failed, from public reports: a table of what came before, what comes now, and the tests that hold it.

    python benchmarks/cases.py
    python benchmarks/cases.py --out docs/results/cases/README.md

The script runs all tests with the mark `case(number)` and prints one row per case. It ends with status 1 if a test
fails, or if a case has no test. "Before" is version 0.1.0 (commit a75e381), in which each of the cases was observed.
"""

from __future__ import annotations

from marked_tests import Change, run_marked

CASES = {
    1: Change(
        '`score` with predictions of other rows, another scale or one constant: "No wrong labels were found"',
        '"Nothing can be told", and the cause: other rows, a constant, an offset, another scale, the sign, ...',
    ),
    2: Change('`audit_labels` with features that say nothing: "No wrong labels were found"', '"Nothing can be told"'),
    3: Change(
        '-9999, -1 or 0 for a missing label: "15 % wrong", and few of the wrong labels are found',
        "A notice names the value and `--missing -9999`; the other labels are judged as if these were missing",
    ),
    4: Change(
        'Landmarks at exactly (0, 0), the mark of an unlabelled one: "24 % wrong", each with a suggestion',
        "A notice counts the landmarks at the point and names `--missing 0,0`; no suggestion for them",
    ),
    5: Change(
        "The mask of a NumPy masked array is ignored; its fill value counts as a label",
        "Masked, `NaT` and `NA` are missing",
    ),
    7: Change(
        "Angles without `--period`: labels that differ by one full turn are wrong with certainty",
        "A notice names the period (`--period heading=360`); no such label is flagged, and they count in no share",
    ),
    8: Change(
        "A 16-bit grey image becomes one constant", "The range of the image, or of the data set, is scaled to 8 bits"
    ),
    9: Change(
        "An EXIF orientation is not applied, without a word",
        "A notice counts the images and says which reading fits the landmarks; `--apply-orientation` turns the pixels",
    ),
    10: Change(
        "`x1,y1,v1,x2,y2,v2` is accepted as landmarks `1`, `v1+x2`, `y2+v2`",
        "Columns of visibility are known by their names: 0 is a missing label; other third columns are refused",
    ),
    13: Change(
        '`audit TABLE` with categories or gaps: "a cell should be a number"; the input columns are not asked for',
        "Categories and gaps are encoded; without `--features` or `--image` the columns are listed",
    ),
    14: Change(
        "`audit_labels` refuses text, categories, gaps and sparse features before the user's own pipeline",
        "`X` goes to the regressor as it is; the default regressor takes categories, dates, texts and gaps",
    ),
    15: Change(
        "`DeepGUMRegressor`: sparse features are a TypeError, text a ValueError without a column",
        "Sparse features are taken; a column of text is named, with the remedy",
    ),
    16: Change(
        "Networks that return tuples or dicts, and lazy layers: tracebacks from torch",
        "The one tensor that fits is taken, or `output=` names it; lazy layers work; else a typed error",
    ),
    17: Change(
        "The tracker: dicts, NumPy targets, (b, l, 2) and file names give tracebacks; batch samplers fail",
        "Taken where the meaning is clear; else a typed error with the remedy; lists of positions are served",
    ),
    18: Change(
        "Augmentation that moves labels, drawn with replacement: refused, with no way to go on",
        "`labels_vary=True`: each sample has one vote, that of its last draw",
    ),
    19: Change(
        "Excel, gz, feather, UTF-16, JSON, comments, `sep=`, pipes and blanks: wrong or no explanation",
        "Compressed text, Feather, flat JSON, comments, `sep=`, pipes and blanks are read; other kinds are named",
    ),
    20: Change(
        "`NA`, `NULL`, `None`, `<NA>`, `#N/A` are refused",
        "Read as missing; `?`, `-` and `.` are refused with `--missing '?'`",
    ),
    21: Change(
        "`apply` fails on Decimal and dictionary columns that `score` reads",
        "Rounded to the scale of the column, with a note; dictionaries stay",
    ),
    22: Change(
        'Ties and zero-inflated labels: "learned its labels by heart", and nothing is flagged',
        "The exact hits count as right, and the others are judged",
    ),
    24: Change(
        "Labels that are cut at a cap are flagged as wrong",
        "The cap is named, and labels at it count as right where predictions expect it",
    ),
    26: Change(
        'The three header lines of DeepLabCut: "each column once"',
        "Read; the message names DeepLabCut and the commands to type",
    ),
}

if __name__ == "__main__":
    run_marked("case", CASES, __doc__, {})
