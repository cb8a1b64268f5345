"""Choose, sort and page outages. Works on arrays: only the outages of the page become objects."""

import json
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, NamedTuple

import numpy as np

from services.api.use_cases.outages import FoundOutages
from shared.clock import from_us
from shared.errors import InvalidRequest
from shared.http.cursors import invalid_cursor, read_text_cursor, text_cursor
from shared.reason_words import RESERVED_WORDS
from shared.uptime.intervals import Bools, Int64s
from shared.uptime.notes import NO_REASON
from shared.uptime.outage_reasons import reason_numbers
from shared.uptime.outages import NO_INSTANT, End, Outages

OutageOrder = Literal["start", "length"]
# Kinds of outages. They cannot be words of reasons.
OUTAGE_KINDS: Final = RESERVED_WORDS


@dataclass(frozen=True)
class OutageChoice:
    """Which outages to show, in which order: the latest start first, or the longest first. None does not limit.

    `reason` is one of `OUTAGE_KINDS`, or a word that a poll of the outage gave.

    `list_no` tells the lists of different requests apart, so that a cursor is used for its own list only.
    """

    min_length_us: int = 0
    ongoing: bool | None = None
    reason: str | None = None
    order: OutageOrder = "start"
    list_no: int = 0

    def chosen(self, found: FoundOutages) -> Bools:
        """Return which outages to show."""
        outages = found.outages
        chosen: Bools = outages.down_us >= self.min_length_us
        if self.ongoing is not None:
            chosen &= (outages.end == End.ONGOING) == self.ongoing
        if self.reason == "unknown_end":
            chosen &= outages.end == End.UNKNOWN
        elif self.reason == "late_opening":
            chosen &= outages.began_at_opening
        elif self.reason is not None:
            number = next((each for each, word in found.reasons.items() if word == self.reason), NO_REASON)
            chosen &= np.char.find(outages.reasons, chr(number)) >= 0 if number else False
        return chosen


class OutagePosition(NamedTuple):
    """The last outage of a page, and the list and `as_of` of all pages. `rank_us` is its start or its length."""

    as_of_us: int
    rank_us: int
    started_us: int
    store_id: str
    list_no: int

    def as_cursor(self) -> str:
        """Return the cursor for the outages after it."""
        return text_cursor(json.dumps(self))


def read_position(cursor: str | None, list_no: int) -> OutagePosition | None:
    """Decode a cursor of the list `list_no`. Raises `InvalidRequest` if it is malformed, or of another list."""
    text = read_text_cursor(cursor)
    if text is None:
        return None
    try:
        position = OutagePosition(*json.loads(text))
        from_us(position.as_of_us)
    except (ValueError, TypeError, OverflowError):
        raise invalid_cursor() from None
    numbers = (position.as_of_us, position.rank_us, position.started_us, position.list_no)
    if not all(type(number) is int and abs(number) < 1 << 62 for number in numbers):
        raise invalid_cursor()
    if not isinstance(position.store_id, str):
        raise invalid_cursor()
    if position.list_no != list_no:
        raise InvalidRequest(
            "the cursor belongs to another list: repeat all parameters of the first page",
            field="query.cursor",
        )
    return position


@dataclass(frozen=True)
class ListedOutage:
    """One outage with its store. An instant of None does not exist."""

    store_id: str
    timezone: str | None
    started_at: datetime
    ended_at: datetime | None
    end: str
    down_us: int
    polls: int
    began_at_opening: bool
    starts_before_window: bool
    last_up_poll_at: datetime | None
    first_down_poll_at: datetime | None
    last_down_poll_at: datetime | None
    first_up_poll_at: datetime | None
    reasons: Sequence[str]


def page_outages(
    found: FoundOutages, choice: OutageChoice, after: OutagePosition | None, limit: int
) -> tuple[Sequence[ListedOutage], OutagePosition | None]:
    """Return up to `limit` outages after a position, and the position of the last one if there are more."""
    outages = found.outages
    rank_us = outages.started_us if choice.order == "start" else outages.down_us
    shown = choice.chosen(found)
    if after is not None:
        shown &= _is_after(found, rank_us, after)
    kept = np.flatnonzero(shown)
    order = kept[np.lexsort((outages.store[kept], -outages.started_us[kept], -rank_us[kept]))]
    page = list(_list_rows(found, order[:limit]))
    if len(order) <= limit:
        return page, None
    last = int(order[limit - 1])
    return page, OutagePosition(
        found.as_of_us,
        int(rank_us[last]),
        int(outages.started_us[last]),
        found.store_ids[int(outages.store[last])],
        choice.list_no,
    )


def _is_after(found: FoundOutages, rank_us: Int64s, after: OutagePosition) -> Bools:
    outages = found.outages
    # Postgres compares ids byte by byte.
    next_store = bisect_right(found.store_ids, after.store_id.encode(), key=str.encode)
    same_rank, same_start = rank_us == after.rank_us, outages.started_us == after.started_us
    is_after: Bools = (rank_us < after.rank_us) | (same_rank & (outages.started_us < after.started_us))
    is_after |= same_rank & same_start & (outages.store >= next_store)
    return is_after


def _list_rows(found: FoundOutages, places: Int64s) -> Iterator[ListedOutage]:
    columns = (getattr(found.outages, name)[places].tolist() for name in Outages.__slots__)
    for row in zip(*columns, strict=True):
        store, started, ended, end, down, polls, opening, before, *polls_us, reasons = row
        last_up, first_down, last_down, first_up = map(_instant, polls_us)
        yield ListedOutage(
            found.store_ids[store],
            found.zones[store],
            from_us(started),
            _instant(ended),
            End(end).name.lower(),
            down,
            polls,
            opening,
            before,
            last_up,
            first_down,
            last_down,
            first_up,
            [found.reasons[number] for number in reason_numbers(reasons)],
        )


def _instant(at_us: int) -> datetime | None:
    return None if at_us == NO_INSTANT else from_us(at_us)
