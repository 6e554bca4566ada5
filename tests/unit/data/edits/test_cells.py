"""Cells of a CSV text are found where the standard library finds them."""

import csv
import io

from hypothesis import given, settings
from hypothesis import strategies as st

from deepgum.data.edits.cells import cell_rows, inner

CELL = st.text(alphabet='ab ,;\t"\r\n', max_size=6)


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=5),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    ending=st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_cells_are_where_the_standard_library_finds_them(rows, quoting, ending):
    text = io.StringIO(newline="")
    csv.writer(text, quoting=quoting, lineterminator=ending).writerows(rows)
    expected = [
        row for row in csv.reader(io.StringIO(text.getvalue(), newline=""), strict=True) if "".join(row).strip()
    ]
    found = [[inner(text.getvalue()[a:b]) for a, b in cells] for _, _, cells in cell_rows(text.getvalue(), ",")]
    assert found == expected
