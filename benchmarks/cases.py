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
    3: Change('-9999, -1 or 0 for a missing label: "15 % wrong", and few of the wrong labels are found', ""),
    4: Change('Landmarks at exactly (0, 0), the mark of an unlabelled one: "24 % wrong", each with a suggestion', ""),
    5: Change("The mask of a NumPy masked array is ignored; its fill value counts as a label", ""),
    7: Change("Angles without `--period`: labels that differ by one full turn are wrong with certainty", ""),
    8: Change("A 16-bit grey image becomes one constant", ""),
    9: Change("An EXIF orientation is not applied, without a word", ""),
    10: Change("`x1,y1,v1,x2,y2,v2` is accepted as landmarks `1`, `v1+x2`, `y2+v2`", ""),
    13: Change(
        '`audit TABLE` with categories or gaps: "a cell should be a number"; the input columns are not asked for', ""
    ),
    14: Change("`audit_labels` refuses text, categories, gaps and sparse features before the user's own pipeline", ""),
    15: Change("`DeepGUMRegressor`: sparse features are a TypeError, text a ValueError without a column", ""),
    16: Change("Networks that return tuples or dicts, and lazy layers: tracebacks from torch", ""),
    17: Change("The tracker: dicts, NumPy targets, (b, l, 2) and file names give tracebacks; batch samplers fail", ""),
    18: Change("Augmentation that moves labels, drawn with replacement: refused, with no way to go on", ""),
    19: Change("Excel, gz, feather, UTF-16, JSON, comments, `sep=`, pipes and blanks: wrong or no explanation", ""),
    20: Change("`NA`, `NULL`, `None`, `<NA>`, `#N/A` are refused", ""),
    21: Change("`apply` fails on Decimal and dictionary columns that `score` reads", ""),
    22: Change(
        'Ties and zero-inflated labels: "learned its labels by heart", and nothing is flagged',
        "The exact hits count as right, and the others are judged",
    ),
    24: Change(
        "Labels that are cut at a cap are flagged as wrong",
        "The cap is named, and labels at it count as right where predictions expect it",
    ),
    26: Change('The three header lines of DeepLabCut: "each column once"', ""),
}

if __name__ == "__main__":
    run_marked("case", CASES, __doc__, {})
