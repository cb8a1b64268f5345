"""Chunks that are refused for one line or as a whole: their rejected rows are kept, and every way of telling agrees."""

from pathlib import Path

import pytest

from services.ingest.quality_warnings import list_warnings
from services.ingest.run import Limits, LoadOptions, plan_paths
from services.ingest.show import describe_quality
from tests.integration.ingest.database import POLLS_HEADER, counts, load
from tests.integration.ingest.ledger_tables import HOURS, TINY, bad, error_of, good, tables

ZONES = "store_id,timezone_str"
OTHER_POLLS = "timestamp_utc,store_id,status"


@pytest.mark.parametrize(
    ("rows", "reason", "lines"),
    [
        ([POLLS_HEADER, good(1), bad(2), good(3), "a\rb", bad(4)], "line_ends", [3]),
        ([POLLS_HEADER, bad(1), "x,y", OTHER_POLLS, bad(4)], "header", [2, 3]),
        ([f"{POLLS_HEADER},shop", f"{good(1)},x", "x,y", f"{good(2)}\r,x"], "line_ends", [3]),
        ([POLLS_HEADER, OTHER_POLLS, "a\rb"], "line_ends", []),
        ([HOURS, "a,1,09:00,10:00", "b,9,09:00,10:00", "c,9", ZONES, "d,8,x,y"], "header", [3, 4]),
        ([ZONES, "a,UTC", "b,Mars", "c,UTC\rd,UTC"], "line_ends", [3]),
        (["store_id,name,city", "a,A,", "NULL,B,C", ZONES, "x,y"], "header", [3]),
        ([HOURS, "a,0,09:00,10:00", "b,7,09:00,10:00", "c,9,09:00,10:00"], "day_numbers", [4]),
        ([HOURS, "a,0,09:00,10:00", "b,mon,09:00,10:00", "c,9,09:00,10:00"], "day_numbers", [4]),
    ],
)
def test_the_bad_rows_of_a_refused_chunk_are_kept(
    database_url: str, tmp_path: Path, rows: list[str], reason: str, lines: list[int]
) -> None:
    result = load(database_url, tmp_path / "file.csv", rows)
    assert (result.state, result.reason) == ("failed", reason)
    assert counts(result) == (0, 0, 0, len(lines))
    assert [reject.line for reject in result.first_rejects] == lines
    assert tables(database_url)[4] == len(lines)
    (dry,) = plan_paths(database_url, [str(tmp_path / "file.csv")])
    assert (dry.state, dry.error, counts(dry)) == (result.state, result.error, counts(result))
    assert dry.first_rejects == result.first_rejects
    shown = [describe_quality([each.quality or {}]) for each in (result, dry)]
    assert shown[0] == shown[1]
    assert ("rejected" in dict(shown[0])) == bool(lines)
    assert [*list_warnings(dry.quality or {})] == [*list_warnings(result.quality or {})]


def test_a_line_that_refuses_a_later_chunk_stops_the_import(database_url: str, tmp_path: Path) -> None:
    rows = [POLLS_HEADER, *map(good, range(30)), bad(1), bad(2), OTHER_POLLS, good(31)]
    result = load(database_url, tmp_path / "polls.csv", rows, chunk_bytes=TINY)
    assert (result.state, result.reason, result.rejected) == ("stopped", "header", 2)
    assert 10 < result.accepted <= 30
    options = LoadOptions(limits=Limits(chunk_bytes=TINY))
    (dry,) = plan_paths(database_url, [str(tmp_path / "polls.csv")], options=options)
    assert (dry.state, dry.error, dry.rejected) == (result.state, result.error, 2)
    assert error_of(database_url, result)["rejects"] == {"status": 2}
