"""The CSV of a report is what pandas writes for the same columns, byte for byte."""

import csv

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.worker.render import Values, render_csv

TEN_THOUSANDTHS = st.one_of(
    st.integers(0, 700_000), st.integers(0, 10**9), st.sampled_from([0, 9_999, 10_000])
)
# Whether a carriage return is quoted depends on the Python below pandas; ingest lets none into the data. What pandas does
# not quote, as it is a formula in some locales only, is looked at below.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r;\t"), min_size=1, max_size=12)
ROWS = st.lists(
    st.tuples(TEXT, TEN_THOUSANDTHS, TEN_THOUSANDTHS, st.integers(0, 10**6), TEXT), min_size=0, max_size=30
)


@given(rows=ROWS, header=st.booleans())
def test_as_pandas(rows: list[tuple[str, int, int, int, str]], header: bool) -> None:
    ids, hours, minutes, polls, zones = map(list, zip(*rows, strict=True)) if rows else ([], [], [], [], [])
    columns: dict[str, Values] = {
        "store_id": ids,
        "uptime_last_day": np.array(hours, dtype=np.int64) / 10_000,
        "uptime_last_hour": np.array(minutes, dtype=np.int64) / 10_000,
        "polls_last_day": np.array(polls, dtype=np.int64),
        'time"zone': zones,
    }
    frame = pd.DataFrame(columns).astype({"store_id": "str", 'time"zone': "str"})
    text = frame.to_csv(index=False, header=header, float_format="%.4f", lineterminator="\n")
    assert render_csv(columns, header=header) == text.encode()


@pytest.mark.parametrize("separator", [";", "\t", "; ", ";'", "\t  ''"])
@pytest.mark.parametrize("sign", "=+-@")
def test_a_second_cell_that_would_be_a_formula_is_within_quotes(separator: str, sign: str) -> None:
    store_id = f"north{separator}{sign}1+1"
    columns: dict[str, Values] = {"store_id": [store_id, "plain;text"], "n": np.array([1, 2])}
    lines = render_csv(columns, header=False).decode()
    assert lines == f'"{store_id}",1\nplain;text,2\n'
    assert next(csv.reader(lines.splitlines()))[0] == store_id, "and is the same text"
