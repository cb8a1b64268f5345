"""Lines within a quoted field are no rows, even if they look like one."""

import pytest

from services.ingest.parse.chunk import Chunk
from services.ingest.parse.header import read_header
from services.ingest.parse.local_hours import parse_local_hours
from services.ingest.parse.polls import validate_polls
from services.ingest.parse.rows import split_rows
from tests.unit.test_ingest_instants import POLL

AT = "2024-10-14 23:55:18.727055 UTC"
HEADER = b"store_id,status,timestamp_utc,comment"


def parse(text: str, *, of_messages: bool = False) -> tuple[list[str], list[tuple[int, str]]]:
    """Return the stores of the polls, and the rejected lines."""
    data = text.encode()
    chunk = Chunk(first_line=2, first_byte=30, end_byte=30 + len(data), data=data, of_messages=of_messages)
    found = validate_polls(split_rows(chunk, read_header(HEADER)), POLL + 3_600_000_000)
    return found.ids.to_list(), [(reject.line, reject.reason) for reject in found.rejects]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    "comment",
    [
        "see{0}x,active,{1},old{0}end",
        'a ""b"" c{0}x,active,{1},old{0}',
        "{0}x,active,{1},old{0}{0}y,active,{1},old{0}",
        "naïve{0}x,active,{1},old{0}end",
    ],
)
def test_a_row_within_a_comment_is_not_a_poll(comment: str, end: str) -> None:
    text = f'a,active,{AT},"{comment.format(end, AT)}"{end}b,active,{AT},ok{end}'
    stores, rejects = parse(text)
    assert stores == ["b"]
    assert {reason for _, reason in rejects} == {"quoting"}


@pytest.mark.parametrize(
    "first",
    [
        'a,active,{},"never closed',  # the next quote opens another field
        'a,active,{},5" pipe',
        '"a,active,{},x',
    ],
)
def test_a_quote_that_is_not_closed_costs_its_own_line(first: str) -> None:
    stores, rejects = parse(
        f'{first.format(AT)}\nb,active,{AT},x\nc,active,{AT},"fine"\nd,active,{AT},say "x"\n'
    )
    assert (stores, rejects) == (["b", "c"], [(2, "quoting"), (5, "quoting")])


def test_lines_that_make_no_row_together_are_rows() -> None:
    stores, rejects = parse(f'"a\nb,active,{AT},x\nz"\nc,active,{AT},x\n')
    assert (stores, rejects) == (["b", "c"], [(2, "quoting"), (4, "quoting")])


def test_a_message_does_not_reach_into_the_next_one() -> None:
    text = f'a,active,{AT},"open\nb,active,{AT},x\nc"\n'
    assert parse(text) == ([], [(line, "quoting") for line in (2, 3, 4)])
    assert parse(text, of_messages=True) == (["b"], [(2, "quoting"), (4, "quoting")])


def test_an_address_of_several_lines_adds_no_store() -> None:
    data = b'a,"Main St\nSuite 5, Floor 2\nBoston"\nb,Other\n'
    chunk = Chunk(first_line=2, first_byte=14, end_byte=14 + len(data), data=data)
    parsed = parse_local_hours(chunk, read_header(b"store_id,name"))
    assert parsed.new_ids == ["b"]
    assert [(reject.line, reject.reason) for reject in parsed.rejects] == [(n, "quoting") for n in (2, 3, 4)]


def test_lines_of_nothing_but_open_quotes() -> None:
    """Each line begins a quoted field, and none of them is a row together with others."""
    stores, rejects = parse('"a\n' * 50_000 + '"""b\n' * 50_000 + f"b,active,{AT},x\n")
    assert (stores, len(rejects)) == (["b"], 100_000)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('="00123",active,{0},', "text_mark"),
        ('a,="active",{0},', "text_mark"),
        ('a,active,{0},="x"', "text_mark"),
        ('a,active,{0},x="y"', "quoting"),
        ('a,active,{0},="x', "quoting"),
        ('"=""00123""",active,{0},', "odd_id"),
    ],
)
def test_a_value_that_is_marked_as_text_is_told_from_a_quote_too_much(line: str, reason: str) -> None:
    assert parse(f"{line.format(AT)}\nb,active,{AT},\n") == (["b"], [(2, reason)])


def test_a_row_marked_as_text_holds_back_its_store() -> None:
    data = b'="0042",1,9:00,17:00\n0042,2,9:00,17:00\n'
    layout = read_header(b"store_id,day,open,close")
    found = parse_local_hours(Chunk(2, 24, 24 + len(data), data), layout)
    assert [(one.store_id, one.line, one.reason) for one in found.held] == [("0042", 2, "text_mark")]
