"""Validates opening hours and time zones, and the rows of a chunk of any kind except polls."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from services.ingest.parse.adjustments import (
    Fields,
    parse_closure,
    parse_lifetime,
    parse_special_hours,
)
from services.ingest.parse.chunk import Chunk
from services.ingest.parse.dates import parse_date
from services.ingest.parse.days import parse_day
from services.ingest.parse.directory import EVERY_STORE, make_directory_parser
from services.ingest.parse.encodings import FileEncoding
from services.ingest.parse.header import Layout
from services.ingest.parse.held_rows import hold_back
from services.ingest.parse.joined_files import REPEATED_HEADER, find_headers, mark_headers
from services.ingest.parse.kinds import PACKED_KINDS, Kind
from services.ingest.parse.parsed import ParsedLocalHours
from services.ingest.parse.row_columns import find_around, locate_rows, number_fields
from services.ingest.parse.rows import Ints, Rows, split_rows
from services.ingest.parse.store_ids import check_store_ids
from services.ingest.parse.store_numbers import StoreNumbers
from services.ingest.parse.summary_rows import mark_summaries
from services.ingest.parse.times_of_day import find_doubt, parse_closing, parse_opening
from services.ingest.parse.zones import find_zone
from shared.columns import RaggedColumn, RepeatedValues, ValueColumn

_REMEMBERED = 4096


def parse_local_hours(
    chunk: Chunk,
    layout: Layout,
    encoding: FileEncoding | None = None,
    *,
    stores: StoreNumbers | None = None,
    allow_odd_ids: bool = False,
    effective_from: date | None = None,
) -> ParsedLocalHours:
    """Validate one chunk of any kind except polls. Hours apply from the row's date, or else from `effective_from`.

    `stores` are those of earlier chunks, and get the new ones.
    """
    is_directory = layout.kind == "stores"
    parse_fields = make_directory_parser(layout) if is_directory else _PARSERS[layout.kind]
    encoding = encoding or FileEncoding(layout.encoding)
    rows = split_rows(chunk, layout, encoding)
    faults: dict[int, str] = {}
    stores = StoreNumbers() if stores is None else stores
    store = stores.find_fields(rows.text, rows.starts[0], rows.ends[0])
    # The ids of earlier chunks are valid.
    fresh = np.flatnonzero(store < 0)
    ids = check_store_ids(rows, faults, allow_odd=allow_odd_ids, some=fresh)
    if layout.kind != "closures":
        faults |= dict.fromkeys(fresh[(ids == EVERY_STORE).to_numpy()].tolist(), "every_store")
    if is_directory:
        faults |= dict.fromkeys(find_headers(rows), REPEATED_HEADER)
    texts, places = number_fields(rows)
    found = [parse_fields(*fields) for fields in texts]
    if effective_from and layout.kind == "hours":
        found = [_apply_from(effective_from, fields) for fields in found]
    is_fault = np.array([isinstance(one, str) for one in found], np.bool_)
    faults = {row: str(found[places[row]]) for row in np.flatnonzero(is_fault[places]).tolist()} | faults
    mark_headers(rows, faults)
    mark_summaries(rows, faults, allow_odd_ids=allow_odd_ids)
    kept = np.ones(len(places), np.bool_)
    kept[list(faults)] = False
    known = len(stores)
    store[fresh[kept[fresh]]] = stores.number_ids(ids.filter(kept[fresh]))
    valid = _unite_columns(rows, found, places, kept)
    if layout.kind in PACKED_KINDS:
        valid["store"] = store[kept].astype(np.int64)
    else:
        valid["store_id"] = _name_stores(stores, store[kept])
    # The ids of earlier chunks were found by their bytes.
    is_verbatim = not faults and bool((ids == rows.pick_ids(fresh)).all())
    return ParsedLocalHours(
        chunk,
        valid,
        list(hold_back(rows, faults)),
        rows.collect_rejects(faults),
        encoding.name,
        stores.get_ids(known, len(stores)),
        known,
        find_around(rows, texts) if is_verbatim else None,
    )


def _unite_columns(
    rows: Rows, found: Sequence[Fields | str], places: Ints, kept: NDArray[np.bool_]
) -> dict[str, ValueColumn]:
    """Return the `kept` rows by column. `found` are the distinct fields of all rows, and `places` those of each."""
    valid = [{} if isinstance(one, str) else one for one in found]
    names = dict.fromkeys(name for fields in valid for name in fields)
    columns: dict[str, Ints | RaggedColumn | RepeatedValues] = {
        **({"line": rows.lines} if rows.layout.kind in PACKED_KINDS else locate_rows(rows)),
        **{name: RepeatedValues([fields.get(name) for fields in valid], places) for name in names},
    }
    if kept.all():
        return dict(columns)
    return {
        name: values[kept] if isinstance(values, np.ndarray) else values.filter(kept)
        for name, values in columns.items()
    }


def _name_stores(stores: StoreNumbers, store: NDArray[np.int32]) -> RepeatedValues:
    distinct, places = np.unique(store, return_inverse=True)
    return RepeatedValues(stores.name_stores(distinct).to_list(), places)


def _apply_from(effective_from: date, fields: Fields | str) -> Fields | str:
    """Return the fields of hours with the date from which they apply, unless they have one."""
    return fields if isinstance(fields, str) else {**fields, "date": fields["date"] or effective_from}


# A file repeats few distinct values.
@lru_cache(_REMEMBERED)
def parse_hours(day: str, opens: str, closes: str, effective_from: str = "") -> Fields | str:
    """Return the day as written, the opening and closing second of the local day, and the date, or the reason to reject."""
    found = parse_day(day)
    if found is None:
        return "day"
    seconds = parse_opening(opens), parse_closing(closes)
    if None in seconds:
        return "time"
    if doubt := find_doubt(opens, closes):
        return doubt
    start = parse_date(effective_from) if effective_from.strip(" ") else None
    if start is None and effective_from.strip(" "):
        return "effective_from"
    return {
        "day_of_week": found.named,
        "day_number": found.number,
        "opens": seconds[0],
        "closes": seconds[1],
        "date": start,
        # 00:00 to 24:00 is clear, unlike the same time twice.
        "all_day": seconds[0] == seconds[1] and "24:00" in closes,
    }


@lru_cache(_REMEMBERED)
def parse_zone(name: str) -> Fields | str:
    """Return the IANA name of the time zone and its Windows name if that was given, or the reason to reject it."""
    zone = find_zone(name)
    return zone if isinstance(zone, str) else {"timezone": zone.name, "written_zone": zone.windows_name}


_PARSERS: Mapping[Kind, Callable[..., Fields | str]] = {
    "hours": parse_hours,
    "timezones": parse_zone,
    "special_hours": parse_special_hours,
    "lifetimes": parse_lifetime,
    "closures": parse_closure,
}
