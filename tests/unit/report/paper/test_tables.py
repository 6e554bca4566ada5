import io
import math
from dataclasses import replace

import pytest
from rich.console import Console

from deepgum.experiments.paper.records import RunRecord
from deepgum.report.paper.summary import spread
from deepgum.report.paper.tables import detection_table, failure_table, tables

RECORD = RunRecord("l2", "l-ugo", 0.4, 0, 0.5, 0.03, 0.02, None, None, 0.6, 9, 1.5, 3000, 48)
RECORDS = [
    RECORD,
    replace(RECORD, seed=1, failure_rate=0.6),
    replace(RECORD, rate=0.0, failure_rate=0.11, average_precision=None),
    replace(RECORD, method="deepgum", failure_rate=0.123, precision=0.96, recall=0.95, average_precision=0.97),
    replace(RECORD, method="oracle", failure_rate=0.1),
]


def rendered(*renderables):
    console = Console(file=io.StringIO(), width=120)
    console.print(*renderables)
    return console.file.getvalue()


def cells(table, row):
    return [list(column.cells)[row] for column in table.columns]


def test_spread_is_the_mean_and_the_sample_deviation():
    found = spread([1.0, None, 3.0])
    assert (found.mean, found.lowest, found.highest, found.count) == (2, 1, 3, 2)
    assert found.deviation == pytest.approx(math.sqrt(2))
    assert math.isnan(spread([1.0]).deviation)
    assert spread([None]) is None


def test_failure_rates_are_in_percent_with_their_spread():
    table = failure_table(RECORDS)
    assert [column.header for column in table.columns] == ["method", "0 % wrong", "40 % wrong", "epochs", "seconds"]
    assert [str(cell) for cell in cells(table, 0)] == ["L2", "11.0", "55.0 ± 7.1", "9", "2"]
    assert [str(cell) for cell in cells(table, 1)][:3] == ["DeepGUM", "-", "12.3"]


def test_the_lowest_is_bold_and_an_oracle_never_is():
    table = failure_table(RECORDS)
    assert [[cell.style for cell in cells(table, row)[1:3]] for row in range(3)] == [
        ["bold", ""],
        ["dim", "bold"],
        ["dim", ""],
    ]


def test_detection_leaves_out_oracles_and_rates_without_outliers():
    table = detection_table(RECORDS)
    assert [column.header for column in table.columns] == ["method", "40 % wrong"]
    assert [str(cell) for cell in table.columns[1].cells] == ["(60.0)", "96.0 / 95.0 (97.0)"]


def test_there_are_two_tables_a_noise_and_none_without_rows():
    assert len(tables([*RECORDS, replace(RECORD, noise="ngo")])) == 4
    clean = tables([replace(RECORD, rate=0.0, average_precision=None)])
    assert len(clean) == 1
    text = rendered(*tables(RECORDS))
    assert "l-UGO, 2 seeds: failure rate in %" in text
    assert "precision / recall (average precision)" in text


def test_runs_with_deleted_labels_have_tables_of_their_own():
    less = [replace(record, missing=0.2, failure_rate=0.9) for record in RECORDS]
    text = rendered(*tables([*RECORDS, *less]))
    assert text.count("failure rate in %") == 2
    assert text.count("l-UGO, 20 % of labels deleted") == 2
    assert "12.3" in text
    assert "90.0 ± 0.0" in text
