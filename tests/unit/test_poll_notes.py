"""Columns for reasons and events, their faults, and what is left of several notes about one poll."""

import numpy as np
import pytest

from services.ingest.parse.chunk import Chunk
from services.ingest.parse.header import Layout, read_header
from services.ingest.parse.parsed import GivenNotes, ParsedPolls
from services.ingest.parse.polls import PollParser
from services.ingest.parse.reading import Reading
from services.ingest.write.note_table import last_notes
from shared.uptime.intervals import Line
from shared.uptime.notes import PollNotes, match_notes

SECOND = 1_000_000
NOON = 1_728_907_200 * SECOND  # 2024-10-14T12:00:00Z
REASONS = {"busy": 4, "other": 10}
LAYOUT = read_header(b"store_id,status,timestamp_utc,reason,event,until")


def parse(*rows: str, layout: Layout = LAYOUT, latest_us: int = NOON + 3600 * SECOND) -> ParsedPolls:
    data = "".join(f"{row}\n" for row in rows).encode()
    chunk = Chunk(2, 0, len(data), data)
    return PollParser(layout, reasons=REASONS).parse_chunk(chunk, latest_us)


def notes_of(parsed: ParsedPolls) -> list[tuple[str, int, int]]:
    notes = parsed.notes
    assert notes is not None
    ids = parsed.stores.get_ids(0, parsed.store_count)
    seconds = (notes.at_us - NOON) // SECOND
    stores = [ids[number] for number in notes.store.tolist()]
    return list(zip(stores, seconds.tolist(), notes.code.tolist(), strict=True))


def test_a_table_without_the_columns_has_no_notes() -> None:
    layout = read_header(b"store_id,status,timestamp_utc")
    assert (layout.optional, layout.is_utc) == ((), True)
    assert parse("a,active,2024-10-14 12:00:00 UTC", layout=layout).notes is None
    assert parse("a,active,2024-10-14 12:00:00 UTC,,,").notes is None


@pytest.mark.parametrize(
    "header", [b"reason,status,store_id,timestamp_utc", b"store_id,event,status,timestamp_utc"]
)
def test_the_columns_may_stand_anywhere(header: bytes) -> None:
    layout = read_header(header)
    assert layout.is_utc
    name = "reason" if b"reason" in header else "event"
    assert layout.optional == ((3, name),)
    assert layout.columns[3] == header.decode().split(",").index(name)


def test_reasons_events_and_ends() -> None:
    parsed = parse(
        "a,active,2024-10-14 12:00:00 UTC,,no,",
        "a,inactive,2024-10-14 12:00:10 UTC, Busy ,yes,2024-10-14T12:00:30Z",
        "b,inactive,2024-10-14 12:00:20 UTC,other,,",
        'b,active,2024-10-14 12:00:25 UTC,"",TRUE,',
    )
    assert parsed.rejects == []
    assert parsed.rows_read == 5
    assert notes_of(parsed) == [("a", 10, 4 * 4 + 2), ("a", 30, 3), ("b", 20, 40), ("b", 25, 3)]
    polls = parsed.deduped.polls
    ids = parsed.stores.get_ids(0, parsed.store_count)
    found = zip(polls.store.tolist(), (polls.at_us - NOON).tolist(), polls.active.tolist(), strict=True)
    assert sorted((ids[number], at_us // SECOND, active) for number, at_us, active in found) == [
        ("a", 0, True), ("a", 10, False), ("a", 30, True), ("b", 20, False), ("b", 25, True)
    ]  # fmt: skip


def test_ends_without_a_zone_are_counted_once_a_row() -> None:
    parsed = parse(
        "a,inactive,2024-10-14 12:00:10Z,,yes,2024-10-14 12:00:30",
        "a,inactive,2024-10-14 12:01:10,,yes,2024-10-14 12:01:30",
        "a,inactive,2024-10-14 12:02:10Z,,yes,2024-10-14 12:02:30Z",
        "a,inactive,2024-10-14 12:03:10Z,,no,2024-10-14 12:03:30",
    )
    assert [reject.line for reject in parsed.rejects] == [5]
    assert parsed.assumed_utc == 2


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("a,inactive,2024-10-14 12:00:00 UTC,unheard,,", "unknown_reason"),
        ("a,inactive,2024-10-14 12:00:00 UTC,,perhaps,", "event"),
        ("a,inactive,2024-10-14 12:00:00 UTC,,,2024-10-14T12:00:30Z", "until_of_look"),
        ("a,inactive,2024-10-14 12:00:00 UTC,,yes,soon", "until"),
        ("a,inactive,2024-10-14 12:00:00 UTC,,yes,2024-10-14T12:00:00Z", "until_order"),
        ("a,inactive,2024-10-14 12:00:00 UTC,,yes,2024-10-14T13:00:01Z", "until_order"),
        ("a,perhaps,2024-10-14 12:00:00 UTC,unheard,,", "status"),
    ],
)
def test_a_bad_value_rejects_its_row_alone(row: str, reason: str) -> None:
    parsed = parse(row, "b,inactive,2024-10-14 12:00:00 UTC,busy,,")
    assert [(reject.line, reject.reason) for reject in parsed.rejects] == [(2, reason)]
    assert notes_of(parsed) == [("b", 0, 16)]


def test_ends_have_the_date_format_of_the_timestamps() -> None:
    data = b"a,inactive,10/14/2024 12:00,,yes,10/14/2024 12:30\nb,inactive,10/14/2024 12:00,,yes,2024-10-14T12:30Z\n"
    reading = Reading(date_format="%m/%d/%Y %H:%M", assume_utc=True)
    parsed = PollParser(LAYOUT, reading, reasons=REASONS).parse_chunk(
        Chunk(2, 0, len(data), data), NOON + 3600 * SECOND
    )
    assert notes_of(parsed) == [("a", 0, 2), ("a", 1800, 3)]
    assert [(reject.line, reject.reason) for reject in parsed.rejects] == [(3, "until")]


def test_the_second_event_follows_its_row_and_a_later_line_corrects_it() -> None:
    parsed = parse(
        "a,inactive,2024-10-14 12:00:00 UTC,,yes,2024-10-14T12:00:30Z",
        "a,inactive,2024-10-14 12:00:30 UTC,busy,,",
    )
    polls = parsed.deduped.polls
    assert (polls.first_active.tolist(), polls.active.tolist()) == ([False, True], [False, False])
    assert parsed.deduped.is_correction.sum() == 1


def given(*rows: tuple[int, int, int]) -> GivenNotes:
    store, at_us, code = np.array(rows, np.int64).T
    return GivenNotes(store.astype(np.int32), at_us, code.astype(np.int16))


def test_the_last_event_and_the_last_reason_of_a_poll_are_left() -> None:
    last = last_notes(
        given(
            (2, 5, 2),  # event, inactive
            (1, 7, 16),  # reason, inactive
            (1, 7, 3),  # event, active: another status than the reason came with
            (2, 5, 40),  # reason, inactive: joins the event
            (1, 8, 41),
            (1, 8, 17),  # a later reason
        )
    )
    found = zip(last.store.tolist(), last.at_us.tolist(), last.code.tolist(), strict=True)
    assert sorted(found) == [(1, 7, 3), (1, 7, 16), (1, 8, 17), (2, 5, 42)]


def test_notes_belong_to_polls_with_their_status() -> None:
    line = Line.covering(0, 100, 2)
    place = line.place(np.array([0, 0, 1, 1]), np.array([0, 10, 10, 100]))
    active = np.array([False, True, False, True])
    notes = PollNotes(
        np.array([0, 0, 1, 1, 1, 0]),
        np.array([10, 10, 10, 10, 100, -5]),  # the last one lies before the line
        np.array([True, False, False, False, True, False]),
        np.array([True, False, True, False, False, True]),
        np.array([0, 7, 3, 4, 5, 0]),
    )
    event, reason = match_notes(notes, line, place, active)
    assert event.tolist() == [False, True, True, False]
    assert reason.tolist() == [0, 0, 4, 5]
