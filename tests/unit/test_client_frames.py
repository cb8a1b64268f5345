"""A report as a DataFrame: ids and zones as they were delivered, numbers as they are in the file."""

import io
import sys

import pandas as pd
import pytest

from shared.formulas import all_inert
from uptill_client.frames import read_report

IDS = ["0042", "1e5", "NA", "nan", "", "=1+1", "'=1", "''-x", "'quoted", "a,b", 'say "hi"', "@x"]


def test_ids_are_what_was_delivered_and_numbers_are_exact() -> None:
    frame = pd.DataFrame(
        {"store_id": all_inert(IDS), "uptime_last_hour": 59.9999, "polls": 3, "timezone": "America/Denver"}
    )
    read = read_report(io.BytesIO(frame.to_csv(index=False).encode()))
    assert list(read["store_id"]) == IDS
    assert set(read["timezone"]) == {"America/Denver"}
    assert set(read["uptime_last_hour"]) == {59.9999}
    assert read["polls"].dtype == "int64"


def test_a_report_of_no_stores_has_its_columns() -> None:
    read = read_report(io.BytesIO(b"store_id,uptime_last_hour\n"))
    assert (list(read.columns), len(read)) == (["store_id", "uptime_last_hour"], 0)


def test_without_pandas_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"pip install 'uptill-client\[pandas\]'"):
        read_report(io.BytesIO(b"store_id\n"))
