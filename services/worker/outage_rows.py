"""Turn outages into the lines of their file. Must not know the database or the storage.

All digits of a column are computed at once: a store has several outages a week, each with six instants.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.worker.columns import OUTAGE_COLUMNS
from services.worker.render import render_texts
from shared.formulas import all_inert
from shared.uptime.intervals import Int64s
from shared.uptime.outages import NO_INSTANT, End, Outages
from shared.uptime.window import Window
from shared.uptime.zones import DAY_S, DEFAULT_TIMEZONE, zone_table

Text = NDArray[np.uint8]  # one row per line; zeros are left out

_SECOND_US: Final = 1_000_000
# Lines of one piece. An id of 1,024 bytes in each of them takes 4 MB.
_LINES: Final = 4096
# Up to this many dates, all between the first and the last are written.
_MOST_DAYS: Final = 1000


@dataclass(frozen=True)
class OutageLines:
    """The lines of a part, and how many outages they are."""

    data: bytes
    rows: int


def render_outages(
    store_ids: Sequence[str],
    zones: Sequence[str | None],
    found: Sequence[Outages],
    windows: Sequence[Window],
    *,
    header: bool,
) -> OutageLines:
    """Render the outages of each window: by store in the order given, then by window, then by their start."""
    head = ",".join(column.name for column in OUTAGE_COLUMNS).encode() + b"\n" if header else b""
    window = np.repeat(np.arange(len(found)), [len(each.store) for each in found])
    joined = Outages(
        *(np.concatenate([getattr(each, field.name) for each in found]) for field in fields(Outages))
    )
    order = np.lexsort((window, joined.store))  # stable: the outages of a window are in order
    names = _texts([window.name for window in windows])
    ids = render_texts(all_inert(store_ids))
    pieces = [
        _render_piece(_select(joined, some), names[window[some]], ids, zones)
        for some in np.split(order, range(_LINES, len(order), _LINES))
        if len(some)
    ]
    return OutageLines(head + b"".join(pieces), len(order))


def _select(outages: Outages, chosen: Int64s) -> Outages:
    return Outages(*(getattr(outages, field.name)[chosen] for field in fields(Outages)))


def _render_piece(outages: Outages, names: Text, ids: Sequence[bytes], zones: Sequence[str | None]) -> bytes:
    stores, place = np.unique(outages.store, return_inverse=True)
    shown = stores.tolist()
    columns = [
        _bytes([ids[store] for store in shown])[place],
        names,
        _instants(outages.started_us),
        _instants(outages.ended_us),
        _ENDS[outages.end],
        _decimal_seconds(outages.down_us),
        _integers(outages.polls),
        _instants(outages.last_up_poll_us),
        _instants(outages.first_down_poll_us),
        _instants(outages.last_down_poll_us),
        _instants(outages.first_up_poll_us),
        _BOOLEANS[outages.began_at_opening.astype(np.int64)],
        _BOOLEANS[outages.starts_before_window.astype(np.int64)],
        *_local_times([zones[store] for store in shown], place, outages),
    ]
    lines = np.hstack(list(_separated(columns)))
    data: bytes = lines[lines != 0].tobytes()
    return data


def _separated(columns: Sequence[Text]) -> Iterator[Text]:
    """Yield the columns with a comma between them and a line end after the last."""
    for number, column in enumerate(columns, start=1):
        yield column
        yield np.full((len(column), 1), ord("\n" if number == len(columns) else ","), dtype=np.uint8)


def _bytes(values: Sequence[bytes]) -> Text:
    width = max(map(len, values), default=1)
    return np.array(values, dtype=f"S{width}").view(np.uint8).reshape(len(values), width)


def _texts(values: Sequence[str]) -> Text:
    return _bytes([value.encode() for value in values])


_END_NAMES: Final = {int(end): end.name.lower() for end in End}
_ENDS: Final = _texts([_END_NAMES.get(number, "") for number in range(max(_END_NAMES) + 1)])
_BOOLEANS: Final = _texts(["false", "true"])
_TWO_DIGITS: Final = _texts([f"{number:02}" for number in range(100)])
_THREE_DIGITS: Final = _texts([f"{number:03}" for number in range(1000)])


def _instants(at_us: Int64s) -> Text:
    """Write `2024-10-18T16:00:00.000000Z`, and nothing for an instant that does not exist."""
    exists = at_us != NO_INSTANT
    at_s, rest_us = np.divmod(np.where(exists, at_us, 0), _SECOND_US)
    text = np.hstack((_clock(at_s), _fraction(rest_us), _repeated(b"Z", len(at_us))))
    text[~exists] = 0
    return text


def _clock(at_s: Int64s) -> Text:
    """Write `2024-10-18T16:00:00`."""
    day, second = np.divmod(at_s, DAY_S)
    first, last = int(day.min(initial=0)), int(day.max(initial=0))
    if last - first < _MOST_DAYS:
        days, place = np.arange(first, last + 1), day - first
    else:
        days, place = np.unique(day, return_inverse=True)
    dates = _texts(np.datetime_as_string(days.astype("datetime64[D]")).tolist())
    return np.hstack((dates[place], _clocks()[second]))


@cache
def _clocks() -> Text:
    """Return the text of each second of a day, such as `T16:00:00`. It takes 0.8 MB."""
    second = np.arange(DAY_S)
    marks = [np.full((DAY_S, 1), ord(mark), dtype=np.uint8) for mark in "T::"]
    parts = (second // 3600, second // 60 % 60, second % 60)
    return np.hstack(
        [piece for mark, part in zip(marks, parts, strict=True) for piece in (mark, _TWO_DIGITS[part])]
    )


def _fraction(rest_us: Int64s) -> Text:
    dot = _repeated(b".", len(rest_us))
    return np.hstack((dot, _THREE_DIGITS[rest_us // 1000], _THREE_DIGITS[rest_us % 1000]))


def _repeated(character: bytes, lines: int) -> Text:
    return np.full((lines, 1), character[0], dtype=np.uint8)


def _integers(values: Int64s) -> Text:
    """Write non-negative integers."""
    digits = len(str(int(values.max(initial=0))))
    powers = 10 ** np.arange(digits - 1, -1, -1, dtype=np.int64)
    text = (values[:, None] // powers % 10 + ord("0")).astype(np.uint8)
    text[(values[:, None] < powers) & (powers > 1)] = 0
    return text


def _decimal_seconds(us: Int64s) -> Text:
    return np.hstack((_integers(us // _SECOND_US), _fraction(us % _SECOND_US)))


def _local_times(zones: Sequence[str | None], place: Int64s, outages: Outages) -> Iterator[Text]:
    """Yield start and end in the store's zone, cut to whole seconds: `2024-10-18T11:00:00-05:00`."""
    names = sorted({zone or DEFAULT_TIMEZONE for zone in zones})
    number = {name: index for index, name in enumerate(names)}
    zone = np.array([number[name or DEFAULT_TIMEZONE] for name in zones], dtype=np.int64)[place]
    for at_us in (outages.started_us, outages.ended_us):
        exists = at_us != NO_INSTANT
        at_s = np.where(exists, at_us, outages.started_us) // _SECOND_US
        # A local date is at most one day from that of UTC.
        table = zone_table(names, int(at_s.min()) // DAY_S - 2, int(at_s.max()) // DAY_S + 2)
        local_s = table.local_s(zone, at_s)
        text = np.hstack((_clock(local_s), _offset(local_s - at_s)))
        text[~exists] = 0
        yield text


def _offset(offset_s: Int64s) -> Text:
    minutes = np.abs(offset_s) // 60
    sign = np.where(offset_s < 0, ord("-"), ord("+")).astype(np.uint8)[:, None]
    colon = _repeated(b":", len(offset_s))
    return np.hstack((sign, _TWO_DIGITS[minutes // 60], colon, _TWO_DIGITS[minutes % 60]))
