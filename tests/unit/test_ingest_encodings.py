"""Encodings: Windows-1252 is read where only ids and unused columns hold its bytes; what is mixed is rejected."""

from itertools import pairwise

import pytest

from services.ingest.parse.chunks import open_table
from services.ingest.parse.encodings import FileEncoding, decode_cp1252
from services.ingest.parse.local_hours import parse_local_hours
from services.ingest.parse.parsed import ParsedPolls
from services.ingest.parse.polls import PollParser
from shared.errors import BadInputFile
from tests.unit.test_ingest_instants import POLL

HEADER = b"store_id,status,timestamp_utc"
AT = b"2024-10-14 23:55:18 UTC"
CAFE, CAFE_UTF8 = b"caf\xe9,active," + AT, "caf\u00e9,active,".encode() + AT
PLAIN = b"plain,active," + AT
NUMBERED = {str(number) for number in range(200)}


def load(
    lines: list[bytes], chunk_bytes: int = 1 << 20
) -> tuple[set[str], list[tuple[int, str]], str | None]:
    """Return the stores, the rejected rows as (line, reason), and the file's encoding."""
    layout, chunks = open_table(iter([b"\n".join([*lines, b""])]), chunk_bytes)
    parser = PollParser(layout)
    parsed: list[ParsedPolls] = [parser.parse_chunk(chunk, POLL + 3_600_000_000) for chunk in chunks]
    rejects = [(reject.line, reject.reason) for chunk in parsed for reject in chunk.rejects]
    return set(parser.list_stores()), rejects, parsed[-1].encoding


@pytest.mark.parametrize(
    ("row", "store"),
    [
        (CAFE, "caf\u00e9"),
        (b"\x80\x93A\x94,active," + AT, "\u20ac\u201cA\u201d"),
        (b"\xc3\x28,active," + AT, "\u00c3("),
        (b"\xa0caf\xe9\xa0,active," + AT, "caf\u00e9"),
        (b'"caf\xe9, old",active,' + AT, "caf\u00e9, old"),
        (b"\xff,active," + AT + b"\r", "\u00ff"),
        (b"stra\xdfe,inactive," + AT, "stra\u00dfe"),
        (b"e\xb4,active," + AT, "e\u00b4"),
    ],
)
def test_ids_in_windows_1252(row: bytes, store: str) -> None:
    assert load([HEADER, PLAIN, row]) == ({"plain", store}, [], "cp1252")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b"a,activ\xe9," + AT, "encoding"),
        (b"caf\xe9,activ\xe9," + AT, "encoding"),
        (b"a,active,2024-10-14\xa023:55:18 UTC", "encoding"),
        (b"a,\x93active\x94," + AT, "encoding"),
        (b"caf\x81,active," + AT, "control_character"),
        (b"caf\xad\xe9,active," + AT, "control_character"),
        (b"caf\xe9,active", "columns"),
        (b"a\xa0\xe9,active," + AT, "store_id"),
    ],
)
def test_such_bytes_in_another_column_are_rejected(row: bytes, reason: str) -> None:
    stores, rejects, _ = load([HEADER, PLAIN, CAFE, row])
    assert (stores, rejects) == ({"plain", "caf\u00e9"}, [(4, reason)])


def test_a_row_that_is_rejected_does_not_make_the_file_windows_1252() -> None:
    assert load([HEADER, PLAIN, b"a,activ\xe9," + AT]) == ({"plain"}, [(3, "encoding")], None)


def test_columns_that_are_not_needed_may_hold_such_bytes() -> None:
    lines = [HEADER + b",name", PLAIN + b",Caf\xe9", b"b,active," + AT + b',"Gr\xfcn, alt"']
    assert load(lines) == ({"plain", "b"}, [], "cp1252")
    assert load([HEADER + b",Gr\xf6\xdfe", PLAIN + b",1"]) == ({"plain"}, [], "cp1252")


@pytest.mark.parametrize(
    ("lines", "stores", "rejected"),
    [
        ([CAFE_UTF8, CAFE], ["caf\u00e9"], [3]),
        ([CAFE, CAFE_UTF8], ["caf\u00e9"], [2]),  # of one chunk, UTF-8 counts
        ([PLAIN, CAFE, CAFE_UTF8, b"\xfcber,active," + AT], ["plain", "caf\u00e9"], [3, 5]),
        ([CAFE_UTF8 + b"", b"caf\xc3,active," + AT, PLAIN], ["caf\u00e9", "plain"], [3]),
        (["\u6771\u4eac,active,".encode() + AT, CAFE], ["\u6771\u4eac"], [3]),
    ],
)
def test_a_mixed_file_is_utf_8(lines: list[bytes], stores: list[str], rejected: list[int]) -> None:
    assert load([HEADER, *lines]) == (set(stores), [(line, "encoding") for line in rejected], "utf-8")


@pytest.mark.parametrize("start", [b"\xef\xbb\xbf" + HEADER, HEADER + ",gr\u00f6\u00dfe".encode()])
def test_a_byte_order_mark_or_a_header_in_utf_8_settles_it(start: bytes) -> None:
    more = b",1" if start.endswith("\u00dfe".encode()) else b""
    assert load([start, CAFE + more, PLAIN + more]) == ({"plain"}, [(2, "encoding")], "utf-8")


def test_later_chunks_follow_the_first_that_tells() -> None:
    plain = [b"%d,active,%b" % (number, AT) for number in range(200)]
    stores, rejects, encoding = load([HEADER, *plain, CAFE, *plain, CAFE_UTF8, b"\xfc,active," + AT], 1000)
    assert (stores - NUMBERED, rejects, encoding) == ({"caf\u00e9", "\u00fc"}, [(403, "encoding")], "cp1252")
    stores, rejects, encoding = load([HEADER, *plain, CAFE_UTF8, *plain, CAFE], 1000)
    assert (stores - NUMBERED, rejects, encoding) == ({"caf\u00e9"}, [(403, "encoding")], "utf-8")


def test_an_import_that_resumes_keeps_its_encoding() -> None:
    layout, chunks = open_table(iter([HEADER + b"\n" + CAFE + b"\n"]))
    (chunk,) = chunks
    parsed = PollParser(layout, encoding=FileEncoding("utf-8")).parse_chunk(chunk, POLL + 3_600_000_000)
    assert [reject.reason for reject in parsed.rejects] == ["encoding"]


def test_hours_and_zones_too() -> None:
    header = b"store_id,day_of_week,start_time_local,end_time_local"
    data = b"\n".join([header, b"caf\xe9,0,09:00,17:00", b"b\xe9,0,09:00\xa0,17:00", b""])
    layout, chunks = open_table(iter([data]))
    (parsed,) = (parse_local_hours(chunk, layout) for chunk in chunks)
    assert parsed.new_ids == ["caf\u00e9"]
    assert [(row.store_id, row.reason) for row in parsed.held] == [("b\u00e9", "encoding")]
    assert parsed.encoding == "cp1252"


def test_a_header_without_the_columns_is_not_read_as_windows_1252() -> None:
    with pytest.raises(BadInputFile, match="UTF-8") as refusal:
        load(["st\u00f6re_id,status,timestamp_utc".encode("latin-1"), PLAIN])
    assert refusal.value.reason == "encoding"


def test_every_byte_is_read() -> None:
    text = decode_cp1252(bytes(range(256)))
    assert len(set(text)) == 256
    assert text[0x80] == "\u20ac"
    assert all(ord(left) + 1 == ord(right) for left, right in pairwise(text[0xA0:]))
