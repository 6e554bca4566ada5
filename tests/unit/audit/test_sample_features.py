"""Features of flagged samples: the most unusual values come first, and a file keeps them all."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from deepgum.audit.sample_features import MOST, SampleFeatures, unusualness
from deepgum.errors import InvalidDataError


@pytest.mark.parametrize("seed", range(3))
def test_a_number_is_as_unusual_as_its_tail(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = [*rng.normal(size=30).round(1).tolist(), *[0.0] * 10, math.nan, None, ""]
    n = len(values)
    known = [value for value in values if isinstance(value, float) and value == value]
    for value, found in zip(values, unusualness(values), strict=True):
        if value in known:
            below, above = sum(each <= value for each in known), sum(each >= value for each in known)
            assert found == pytest.approx(min(1.0, 2 * min(below, above) / n))
        else:
            assert found == pytest.approx(3 / n)


def test_a_word_is_as_unusual_as_it_is_rare() -> None:
    words = [*"aaaaabbbccd", "", None]
    counts = Counter(word or "" for word in words)
    for word, found in zip(words, unusualness(words), strict=True):
        rarer = sum(count for count in counts.values() if count <= counts[word or ""])
        assert found == pytest.approx(rarer / len(words))


def test_text_of_a_csv_file_counts_as_numbers_and_is_shown_as_it_is() -> None:
    cells = {"area": ["1e2", "100.0", " 7 ", ""], "floor": [1.0, 2.123456789, math.nan, None]}
    found = SampleFeatures.of(cells, tuple("abcd"), [0, 1, 2, 3])
    at = [dict(zip(columns, values, strict=True)) for columns, values in zip(found.columns, found.values, strict=True)]
    assert [each[0] for each in at] == ["1e2", "100.0", "7", ""]
    assert [each[1] for each in at] == ["1", "2.12346", "", ""]


def test_the_most_unusual_features_are_first_and_most_of_many_are_kept() -> None:
    rng = np.random.default_rng(0)
    cells = {f"f{place}": rng.normal(size=500).tolist() for place in range(MOST + 50)}
    cells["f7"][3], cells["f120"][3] = 100.0, -50.0
    found = SampleFeatures.of(cells, tuple(map(str, range(500))), [3, 9])
    assert set(found.columns[0][:2]) <= {column for column in range(150) if found.shares[0][0] <= 4 / 500}
    assert {7, 120} <= set(found.columns[0][:12])
    assert [len(columns) for columns in found.columns] == [MOST, MOST]
    assert all(list(shares) == sorted(shares) for shares in found.shares)
    assert len(found.names) == MOST + 50


def test_a_file_keeps_them(tmp_path: Path) -> None:
    cells = {"<b>": ["x" * 500, "é", "=1", "\u2028"], "id": [1, 2, 3, 400]}
    found = SampleFeatures.of(cells, ("a", "b", "c", "d"), [3, 0])
    found.write(tmp_path / "features.parquet")
    assert SampleFeatures.read(tmp_path / "features.parquet") == found
    assert max(len(value) for values in found.values for value in values) == 200


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "features.parquet"
    good = SampleFeatures.of({"a": [1, 2]}, ("x", "y"), [0])
    for change in ({"feature": [[1]]}, {"value": [["1", "2"]]}, {"id": [3]}):
        good.write(path)
        table = pq.read_table(path)
        for name, column in change.items():
            table = table.set_column(table.column_names.index(name), name, pa.array(column))
        pq.write_table(table, path)
        with pytest.raises(InvalidDataError, match="features"):
            SampleFeatures.read(path)
    path.write_bytes(b"no parquet")
    with pytest.raises(InvalidDataError, match="features"):
        SampleFeatures.read(path)
