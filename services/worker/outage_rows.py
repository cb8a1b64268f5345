"""Turn outages into the lines of their file. Must not know the database or the storage.

All digits of a column are computed at once: a store has several outages a week, each with six instants.
"""

from collections.abc import Sequence
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

Text = NDArray[np.bytes_]  # padded with zeros, which are left out in the end

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
    started, ended, *bounds = _instants(
        outages.started_us,
        outages.ended_us,
        outages.last_up_poll_us,
        outages.first_down_poll_us,
        outages.last_down_poll_us,
        outages.first_up_poll_us,
    )
    columns = [
        np.array([ids[store] for store in shown]).take(place),
        names,
        started,
        ended,
        _ENDS.take(outages.end),
        _decimal_seconds(outages.down_us),
        _integers(outages.polls),
        *bounds,
        _BOOLEANS.take(outages.began_at_opening),
        _BOOLEANS.take(outages.starts_before_window),
        *_local_times([zones[store] for store in shown], place, outages),
    ]
    separators = [b","] * (len(columns) - 1) + [b"\n"]
    pieces = [piece for pair in zip(columns, separators, strict=True) for piece in pair]
    characters = _side_by_side(pieces, len(place)).view(np.uint8)
    data: bytes = characters[characters != 0].tobytes()
    return data


def _side_by_side(pieces: Sequence[Text | bytes], lines: int) -> Text:
    """Return the texts of several columns as one column. A piece of bytes is the same in each line."""
    kinds = [f"S{len(piece)}" if isinstance(piece, bytes) else piece.dtype for piece in pieces]
    # The fields of a record lie side by side, and numpy copies each field at once.
    records = np.empty(lines, dtype=np.dtype([(f"f{n}", kind) for n, kind in enumerate(kinds)]))
    for number, piece in enumerate(pieces):
        records[f"f{number}"] = piece
    return records.view(f"S{records.dtype.itemsize}")


def _texts(values: Sequence[str]) -> Text:
    return np.array([value.encode() for value in values])


_END_NAMES: Final = {int(end): end.name.lower() for end in End}
_ENDS: Final = _texts([_END_NAMES.get(number, "") for number in range(max(_END_NAMES) + 1)])
_BOOLEANS: Final = _texts(["false", "true"])
_TWO_DIGITS: Final = _texts([f"{number:02}" for number in range(100)])
_THREE_DIGITS: Final = _texts([f"{number:03}" for number in range(1000)])
_UP_TO_999: Final = _texts([str(number) for number in range(1000)])


def _instants(*columns: Int64s) -> Text:
    """Write `2024-10-18T16:00:00.000000Z` for each instant of each column, and nothing for one that does not exist."""
    at_us = np.concatenate(columns)
    exists = at_us != NO_INSTANT
    at_s, rest_us = np.divmod(np.where(exists, at_us, at_us.max()), _SECOND_US)
    text = _side_by_side([*_clock(at_s), *_fraction(rest_us), b"Z"], len(at_us))
    text[~exists] = b""
    return text.reshape(len(columns), -1)


def _clock(at_s: Int64s) -> tuple[Text, Text]:
    """Write `2024-10-18` and `T16:00:00`."""
    day, second = np.divmod(at_s, DAY_S)
    first, last = int(day.min()), int(day.max())
    if last - first < _MOST_DAYS:
        days, place = np.arange(first, last + 1), day - first
    else:
        days, place = np.unique(day, return_inverse=True)
    dates = _texts(np.datetime_as_string(days.astype("datetime64[D]")).tolist())
    return dates.take(place), _clocks().take(second)


@cache
def _clocks() -> Text:
    """Return the text of each second of a day, such as `T16:00:00`. It takes 0.8 MB."""
    second = np.arange(DAY_S)
    hour, minute = second // 3600, second // 60 % 60
    pieces = [
        b"T",
        *(piece for number in (hour, minute, second % 60) for piece in (_TWO_DIGITS[number], b":")),
    ]
    return _side_by_side(pieces[:-1], DAY_S)


def _fraction(rest_us: Int64s) -> tuple[bytes, Text, Text]:
    """Write `.000000`."""
    thousands, ones = np.divmod(rest_us, 1000)
    return b".", _THREE_DIGITS.take(thousands), _THREE_DIGITS.take(ones)


def _integers(values: Int64s) -> Text:
    """Write non-negative integers."""
    higher, last = np.divmod(values, 1000)
    if not higher.any():
        return _UP_TO_999.take(last)
    has_higher = higher > 0
    text = np.where(has_higher, _THREE_DIGITS.take(last), _UP_TO_999.take(last))
    return _side_by_side([np.where(has_higher, _integers(higher), b""), text], len(values))


def _decimal_seconds(us: Int64s) -> Text:
    seconds, rest_us = np.divmod(us, _SECOND_US)
    return _side_by_side([_integers(seconds), *_fraction(rest_us)], len(us))


def _local_times(zones: Sequence[str | None], place: Int64s, outages: Outages) -> Text:
    """Return start and end in the store's zone, cut to whole seconds: `2024-10-18T11:00:00-05:00`."""
    names = sorted({zone or DEFAULT_TIMEZONE for zone in zones})
    number = {name: index for index, name in enumerate(names)}
    zone = np.array([number[name or DEFAULT_TIMEZONE] for name in zones], dtype=np.int64)[place]
    exists = outages.ended_us != NO_INSTANT
    at_us = np.concatenate((outages.started_us, np.where(exists, outages.ended_us, outages.started_us)))
    at_s = at_us // _SECOND_US
    # A local date is at most one day from that of UTC.
    table = zone_table(names, int(at_s.min()) // DAY_S - 2, int(at_s.max()) // DAY_S + 2)
    local_s = table.local_s(np.tile(zone, 2), at_s)
    offset_s = local_s - at_s
    minutes = np.abs(offset_s) // 60
    signs = np.where(offset_s < 0, b"-", b"+")
    offset = [signs, _TWO_DIGITS.take(minutes // 60), b":", _TWO_DIGITS.take(minutes % 60)]
    text = _side_by_side([*_clock(local_s), *offset], len(at_s)).reshape(2, -1)
    text[1, ~exists] = b""
    return text
