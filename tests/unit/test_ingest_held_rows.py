"""Which stores rejected rows hold back. A row without an id may be one of the store above it."""

import pytest

from services.ingest.parse.chunk import Chunk
from services.ingest.parse.chunks import TAIL_BYTES, open_table
from services.ingest.parse.header import Layout
from services.ingest.parse.local_hours import parse_local_hours

HOURS = "store_id,day_of_week,start_time_local,end_time_local"
LATE_ID = "day_of_week,store_id,start_time_local,end_time_local"
CLOSURES = "store_id,starts_at,ends_at,treatment,reason,note"
ONE_LINE, ONE_CHUNK = 1, 4 << 20


def held(layout: Layout, chunk: Chunk) -> list[tuple[str, int, str]]:
    found = parse_local_hours(chunk, layout).held
    return sorted((one.store_id, one.line, one.reason) for one in found)


@pytest.mark.parametrize("chunk_bytes", [ONE_LINE, 40, ONE_CHUNK])
@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            [HOURS, "a,0,09:00,10:00", ",1,09:00,10:00", " ,2,09:00,10:00", "b,0,09:00,10:00"],
            [("a", 3), ("a", 4)],
        ),
        ([HOURS, "a,0,09:00,10:00", ",1,09:00", '"",2,09:00,10:00'], [("a", 3), ("a", 4)]),
        ([HOURS, "a,0,09:00,10:00", "c,1,09:00", ",2,09:00,10:00"], [("c", 3), ("c", 4)]),
        ([HOURS, "a,0,09:00,10:00", "c,9,09:00,10:00", ",,,", ",2,,"], [("c", 3), ("c", 5)]),
        ([HOURS, ",1,09:00,10:00", "a,0,09:00,10:00"], []),
        ([LATE_ID, "0,a,09:00,10:00", "1,,09:00,10:00", "2,,09:00,10:00"], [("a", 3), ("a", 4)]),
        (["store_id;date;open;close", "a;2024-12-24;9:00;12:00", ";2024-12-25;;"], [("a", 3)]),
        (["store_id,timezone", "a,UTC", ",UTC", "b,UTC"], [("a", 3)]),
        (["store_id,opened_at,closed_at", "a,,", ",2024-01-01T00:00:00Z,"], [("a", 3)]),
        (["store_id,name,city", "a,Alpha,Bern", ",Beta,Bonn"], [("a", 3)]),
        ([CLOSURES, "a,2024-01-01T00:00:00Z,,exclude,,", ",2024-02-01T00:00:00Z,,exclude,,"], [("a", 3)]),
    ],
)
def test_a_row_without_an_id_holds_the_store_above(
    lines: list[str], expected: list[tuple[str, int]], chunk_bytes: int
) -> None:
    data = ("\n".join(lines) + "\n").encode()
    layout, chunks = open_table(iter([data]), chunk_bytes)
    found = [one for chunk in chunks for one in held(layout, chunk)]
    assert [(store, line) for store, line, _ in found] == expected


def test_a_total_and_an_id_that_names_no_store_hold_nothing_back() -> None:
    lines = [
        HOURS,
        "a,0,09:00,10:00",
        "12345.0,1,09:00,10:00",
        ",2,09:00,10:00",
        "b,0,09:00,10:00",
        "Total,2,,",
        ",3,,",
    ]
    layout, (chunk,) = open_table(iter([("\n".join(lines) + "\n").encode()]))
    assert held(layout, chunk) == []


def test_a_resumed_file_knows_the_store_above() -> None:
    body = "".join(f"s{row},0,09:00,10:00\n" for row in range(5000))
    data = f"{HOURS}\n{body},1,09:00,10:00\n".encode()
    layout, whole = open_table(iter([data]), len(body))
    first, last = whole
    _, (resumed,) = open_table(iter([data]), len(body), resume_at=first.checkpoint)
    assert resumed == last
    assert len(resumed.above) == TAIL_BYTES
    assert held(layout, resumed) == [("s4999", 5002, "no_id")]
