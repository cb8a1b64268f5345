"""Turn outages into the lines of their file. Must not know the database or the storage.

All digits of a column are computed at once: a store has several outages a week, each with six instants.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import cache
from typing import Final

import numpy as np

from services.worker.columns import OUTAGE_COLUMNS
from services.worker.further_lines import FurtherLines
from services.worker.render import render_texts
from services.worker.text_pieces import (
    SECOND_US,
    Pieces,
    Text,
    decimal_seconds,
    fraction,
    integers,
    render_lines,
    side_by_side,
    texts,
)
from shared.formulas import all_inert
from shared.uptime.intervals import Int64s
from shared.uptime.outage_reasons import reason_numbers
from shared.uptime.outages import NO_INSTANT, End, Outages
from shared.uptime.window import Window
from shared.uptime.zones import DAY_S, number_zones, zone_table

_DAY_US: Final = DAY_S * SECOND_US
# Lines of one piece. An id of 1,024 bytes in each of them takes 8 MB.
_LINES: Final = 8192
# Up to this many dates, all between the first and the last are written.
_MOST_DAYS: Final = 1000


def render_outages(
    store_ids: Sequence[str],
    zones: Sequence[str | None],
    found: Sequence[Outages],
    windows: Sequence[Window],
    words: Mapping[int, str],
    *,
    header: bool,
) -> FurtherLines:
    """Render the outages of each window: by store in the order given, then by window, then by their start.

    `words` are those of the reasons by their numbers.
    """
    head = ",".join(column.name for column in OUTAGE_COLUMNS).encode() + b"\n" if header else b""
    window = np.repeat(np.arange(len(found)), [len(each.store) for each in found])
    joined = Outages(
        *(np.concatenate([getattr(each, field.name) for each in found]) for field in fields(Outages))
    )
    if not len(window):
        return FurtherLines(head, 0)
    order = np.lexsort((window, joined.store))  # stable: the outages of a window are in order
    names = texts([window.name for window in windows])
    # An id of 1,024 bytes makes 4 MB of 4,000 stores.
    ids = np.array(render_texts(all_inert(store_ids)), dtype=np.bytes_)
    local_times, reasons = _LocalTimes(zones, joined), _ReasonTexts(words)
    pieces = [
        _render_piece(_select(joined, some), names[window[some]], ids, (local_times, reasons))
        for some in np.split(order, range(_LINES, len(order), _LINES))
    ]
    return FurtherLines(head + b"".join(pieces), len(order))


def _select(outages: Outages, chosen: Int64s) -> Outages:
    return Outages(*(getattr(outages, field.name)[chosen] for field in fields(Outages)))


def _render_piece(
    outages: Outages, names: Text, ids: Text, writers: "tuple[_LocalTimes, _ReasonTexts]"
) -> bytes:
    local_times, reasons = writers
    started, ended, *bounds = _instants(
        outages.started_us,
        outages.ended_us,
        outages.last_up_poll_us,
        outages.first_down_poll_us,
        outages.last_down_poll_us,
        outages.first_up_poll_us,
    )
    columns: list[Pieces] = [
        [ids.take(outages.store)],
        [names],
        started,
        ended,
        [_ENDS.take(outages.end)],
        decimal_seconds(outages.down_us),
        integers(outages.polls),
        *bounds,
        [_BOOLEANS.take(outages.began_at_opening)],
        [_BOOLEANS.take(outages.starts_before_window)],
        *local_times.write(outages),
        reasons.write(outages),
    ]
    return render_lines(columns, len(names))


_END_NAMES: Final = {int(end): end.name.lower() for end in End}
_ENDS: Final = texts(_END_NAMES.get(number, "") for number in range(max(_END_NAMES) + 1))
_BOOLEANS: Final = texts(["false", "true"])
_TWO_DIGITS: Final = texts(f"{number:02}" for number in range(100))
_THREE_AND_Z: Final = texts(f"{number:03}Z" for number in range(1000))
# No zone is farther from UTC than a day.
_MOST_MINUTES: Final = 24 * 60
_OFFSETS: Final = texts(
    f"{'-+'[minutes >= 0]}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
    for minutes in range(-_MOST_MINUTES, _MOST_MINUTES + 1)
)


def _instants(*columns: Int64s) -> list[Pieces]:
    """Write `2024-10-18T16:00:00.000000Z` for each instant of each column, and nothing for one that does not exist."""
    at_us = np.concatenate(columns)
    missing = np.flatnonzero(at_us == NO_INSTANT)
    at_us[missing] = at_us.max()
    at_s = at_us // SECOND_US
    pieces = [*_clock(at_s), *fraction(at_us - at_s * SECOND_US, _THREE_AND_Z)]
    return _columns(pieces, missing, len(columns))


def _columns(pieces: Sequence[Text], missing: Int64s, columns: int) -> list[Pieces]:
    """Part pieces of several columns, one after another, into the pieces of each. The missing texts become empty."""
    for piece in pieces:
        piece[missing] = b""
    return [list(column) for column in zip(*(piece.reshape(columns, -1) for piece in pieces), strict=True)]


def _clock(at_s: Int64s) -> tuple[Text, Text]:
    """Write `2024-10-18` and `T16:00:00`."""
    day = at_s // DAY_S
    first, last = int(day.min()), int(day.max())
    if last - first < _MOST_DAYS:
        days, place = np.arange(first, last + 1), day - first
    else:
        days, place = np.unique(day, return_inverse=True)
    dates = texts(np.datetime_as_string(days.astype("datetime64[D]")).tolist())
    return dates.take(place), _clocks().take(at_s - day * DAY_S)


@cache
def _clocks() -> Text:
    """Return the text of each second of a day, such as `T16:00:00`. It takes 0.8 MB."""
    second = np.arange(DAY_S)
    hour, minute = second // 3600, second // 60 % 60
    pieces = [
        b"T",
        *(piece for number in (hour, minute, second % 60) for piece in (_TWO_DIGITS[number], b":")),
    ]
    return side_by_side(pieces[:-1], DAY_S)


class _LocalTimes:
    """Writes instants in the zones of their stores. `covered` are the outages whose instants it can write."""

    def __init__(self, zones: Sequence[str | None], covered: Outages) -> None:
        names, self._zone = number_zones(zones)
        first_us, last_us = int(covered.started_us.min()), int(covered.started_us.max())
        last_us = max(last_us, int(covered.ended_us.max()))
        # A local date is at most one day from that of UTC.
        self._table = zone_table(names, first_us // _DAY_US - 2, last_us // _DAY_US + 2)

    def write(self, outages: Outages) -> list[Pieces]:
        """Return start and end, cut to whole seconds: `2024-10-18T11:00:00-05:00`."""
        missing = np.flatnonzero(outages.ended_us == NO_INSTANT)
        at_s = np.concatenate((outages.started_us, outages.ended_us)) // SECOND_US
        missing += len(outages.started_us)
        at_s[missing] = at_s[0]
        local_s = self._table.local_s(np.tile(self._zone[outages.store], 2), at_s)
        offsets = _OFFSETS.take((local_s - at_s) // 60 + _MOST_MINUTES)
        return _columns([*_clock(local_s), offsets], missing, 2)


class _ReasonTexts:
    """Writes the words of the reasons of outages, with spaces between them. Few combinations occur."""

    def __init__(self, words: Mapping[int, str]) -> None:
        self._words = words

    def write(self, outages: Outages) -> Pieces:
        if not outages.reasons.view(np.uint32).any():
            return []
        different, place = np.unique(outages.reasons, return_inverse=True)
        return [texts(self._name(text) for text in different.tolist()).take(place)]

    def _name(self, text: str) -> str:
        return " ".join(self._words[number] for number in reason_numbers(text))
