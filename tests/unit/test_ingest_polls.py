"""Rows and polls: splitting vectorised equals splitting by line; every line is a poll, a reject or blank."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.parse.chunk import Chunk
from services.ingest.parse.chunks import MAX_LINE_BYTES
from services.ingest.parse.header import Layout, read_header
from services.ingest.parse.polls import PollParser, ValidPolls, validate_polls
from services.ingest.parse.reasons import RAW_BYTES
from services.ingest.parse.row_columns import locate_rows, number_fields
from services.ingest.parse.rows import split_by_line, split_plain, split_rows
from shared.row_reasons import ROW_REASONS
from tests.fixtures.columns import list_values
from tests.unit.test_ingest_instants import POLL

LAYOUT = Layout("polls", 3, (0, 1, 2))
NOW = POLL + 3_600_000_000
AT = b"2024-10-14 23:55:18.727055 UTC"


def chunk_of(data: bytes) -> Chunk:
    return Chunk(first_line=2, first_byte=30, end_byte=30 + len(data), data=data)


def parse(data: bytes, layout: Layout = LAYOUT) -> ValidPolls:
    return validate_polls(split_rows(chunk_of(data), layout), NOW)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b"a,active", "columns"),
        (b"a,active," + AT + b",", "columns"),
        (b"   ", "columns"),
        (b'"a,active,' + AT, "quoting"),
        (b'"a"b,active,' + AT, "quoting"),
        (b'b",active,' + AT, "quoting"),  # the second line of an id with a newline
        (b' "b",active,' + AT, "quoting"),
        (b"a,activ\xff," + AT, "encoding"),
        (b"a\0b,active," + AT, "control_character"),
        (b"a\x7f,active," + AT, "control_character"),
        (b'"a\rb",active,' + AT, "control_character"),
        (b"8E5,active," + AT, "odd_id"),
        (b"x" * MAX_LINE_BYTES + b",active," + AT, "line_too_long"),
        (b",active," + AT, "no_id"),
        (b'"",active,' + AT, "no_id"),
        (b"  ,active," + AT, "no_id"),
        (b"x" * 1025 + b",active," + AT, "store_id"),
        (b"a,on," + AT, "status"),
        (b"a,,when", "status"),
        (b"a,active,when", "timestamp"),
        (b"a,active,2024-10-14 23:55:18", "tz_missing"),
        (b"a,active,1999-10-14 23:55:18Z", "timestamp_range"),
        (b"a,active,2024-10-15 23:55:18Z", "future"),
    ],
)
def test_a_bad_row_between_good_ones(row: bytes, reason: str) -> None:
    good = b"g,active," + AT + b"\n"
    polls = parse(good + row + b"\n" + good)
    assert polls.ids.to_list() == ["g", "g"]
    (reject,) = polls.rejects
    assert (reject.line, reject.byte_offset, reject.reason) == (3, 30 + len(good), reason)
    assert reject.raw == row[:RAW_BYTES]
    assert reason in ROW_REASONS


def test_good_rows_in_many_forms() -> None:
    data = b"\n".join(
        [
            b"007,active," + AT,
            b"fca22568-98bf-449b-89ed-15a37ab475e1,inactive," + AT + b"\r",
            b"\r",
            b"",
            b'"a,""b""","ACTIVE","' + AT + b'"',
            b" c , Inactive , " + AT + b" ",
            "é=cmd|x,active,".encode() + AT,
            b"",
        ]
    )
    polls = parse(data)
    assert polls.rejects == []
    assert polls.ids.to_list() == ["007", "fca22568-98bf-449b-89ed-15a37ab475e1", 'a,"b"', "c", "é=cmd|x"]
    assert polls.active.tolist() == [True, False, True, False, True]
    assert polls.at_us.tolist() == [POLL] * 5


def test_columns_in_any_order_with_others_between() -> None:
    layout = read_header(b"x,timestamp_utc,status,y,store_id")
    data = b"1," + AT + b",active,2,b\r\n,,\r\n1," + AT + b",inactive,2,c\r\n"
    for lines in (data, data.replace(b",,\r\n", b"")):
        polls = parse(lines, layout)
        assert polls.ids.to_list() == ["b", "c"]
        assert polls.active.tolist() == [True, False]


def test_a_newline_in_quotes_rejects_only_its_two_lines() -> None:
    polls = parse(b'a,active,"x\ny"\nb,active,' + AT + b"\n")
    assert polls.ids.to_list() == ["b"]
    assert [reject.reason for reject in polls.rejects] == ["quoting", "quoting"]


_FIELD = st.text(st.characters(codec="utf-8", exclude_characters='\n\r"'), max_size=8)
_ROW = st.one_of(
    st.tuples(
        st.sampled_from(["a", " b", "007", "", "ü"]),
        st.sampled_from(["active", "inactive", "Active ", "x", ""]),
        st.sampled_from(
            [AT.decode(), "2024-10-14T01:02:03Z", "2024-10-14 01:02:03+02:00", "2030-01-01 00:00:00Z", ""]
        ),
    ),
    st.tuples(_FIELD, _FIELD, _FIELD),
).map(",".join)


@given(rows=st.lists(_ROW, min_size=1, max_size=30), newline=st.sampled_from(["\n", "\r\n"]))
def test_splitting_vectorised_equals_splitting_by_line(rows: list[str], newline: str) -> None:
    chunk = chunk_of(newline.join([*rows, ""]).encode())
    plain = split_plain(chunk, LAYOUT)
    by_line = split_by_line(chunk, LAYOUT)
    lines = [row for row in rows if row.strip(',"')]
    assert by_line.rows_read == len(lines)
    if plain is not None:
        assert by_line.rejects == plain.rejects == []
        _assert_equal(validate_polls(plain, NOW), validate_polls(by_line, NOW))


@given(rows=st.lists(_ROW, min_size=1, max_size=30), newline=st.sampled_from(["\n", "\r\n"]))
def test_rows_are_numbered_and_cut_as_if_read_one_by_one(rows: list[str], newline: str) -> None:
    data = newline.join([*rows, ""]).encode()
    for found in (split_plain(chunk_of(data), LAYOUT), split_by_line(chunk_of(data), LAYOUT)):
        if found is None:
            continue
        texts, places = number_fields(found)
        columns = [found.decode_column(column) for column in (1, 2)]
        assert [texts[place] for place in places.tolist()] == list(zip(*columns, strict=True))
        assert len(set(texts)) == len(texts)
        lines = [found.read_line(row) for row in range(len(found.lines))]
        assert list_values(locate_rows(found)["raw"]) == lines


@given(rows=st.lists(_ROW, min_size=1, max_size=20))
def test_quoting_every_field_changes_nothing(rows: list[str]) -> None:
    plain = chunk_of("\n".join([*rows, ""]).encode())
    quoted_rows = [",".join(f'"{field}"' for field in row.split(",")) for row in rows]
    quoted = chunk_of("\n".join([*quoted_rows, ""]).encode())
    left, right = (validate_polls(split_rows(chunk, LAYOUT), NOW) for chunk in (plain, quoted))
    left_reasons = [(reject.line, reject.reason) for reject in left.rejects]
    assert left_reasons == [(reject.line, reject.reason) for reject in right.rejects]
    _assert_equal(replace(left, rejects=[]), replace(right, rejects=[]))


@pytest.mark.parametrize("blank", ["", ",,", '"","",""', ",,\r"])
def test_rows_of_nothing_but_separators_are_skipped(blank: str) -> None:
    """A spreadsheet saves its empty rows in this way."""
    valid = parse(f"a,active,{AT.decode()}\n{blank}\nb,active,{AT.decode()}\n{blank}\n".encode())
    assert (valid.ids.to_list(), valid.rejects) == (["a", "b"], [])


def test_a_row_with_anything_in_it_is_read() -> None:
    assert [one.reason for one in parse(f",,{AT.decode()}\n , ,\n".encode()).rejects] == [
        "no_id",
        "no_id",
    ]


def test_most_real_looking_chunks_are_plain() -> None:
    data = b"".join(b"%d,active,%s\r\n" % (row, AT) for row in range(100))
    rows = split_plain(chunk_of(data), LAYOUT)
    assert rows is not None
    assert rows.lines.tolist() == list(range(2, 102))


def test_new_stores_are_numbered_by_id_and_seen_polls_are_marked() -> None:
    parser = PollParser(LAYOUT)
    first = parser.parse_chunk(chunk_of(b"b,active,%b\na,active,%b\nx,on,%b\n" % (AT, AT, AT)), NOW)
    second = parser.parse_chunk(chunk_of(b"C,inactive,%b\na,inactive,%b\n" % (AT, AT)), NOW)
    assert (first.rows_read, len(first.rejects), first.store_count) == (3, 1, 2)
    assert (second.rows_read, second.store_count, second.chunk.data) == (2, 3, b"")
    assert second.stores.get_ids(0, 3) == ["a", "b", "C"]
    assert not first.maybe_repeated.any()
    met = [second.stores.get_ids(number, number + 1)[0] for number in second.deduped.polls.store.tolist()]
    assert dict(zip(met, second.maybe_repeated.tolist(), strict=True)) == {"a": True, "C": False}


def _assert_equal(left: ValidPolls, right: ValidPolls) -> None:
    assert left.ids.to_list() == right.ids.to_list()
    assert np.array_equal(left.at_us, right.at_us)
    assert np.array_equal(left.active, right.active)
    assert left.rejects == right.rejects
