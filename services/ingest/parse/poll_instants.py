"""Reads the timestamps of the rows of a polls table: in the usual forms, or by the format that the sender gave."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from services.ingest.parse.date_formats import DateFormat
from services.ingest.parse.instants import decode_times, is_cut, parse_instant
from services.ingest.parse.reading import Reading
from services.ingest.parse.rows import Rows

TIMESTAMP = 2  # its place in the layout


@dataclass(frozen=True)
class Instants:
    """The instants of all rows, and the rows that are counted if they are valid: cut to microseconds, without a zone."""

    at_us: NDArray[np.int64]
    cut: list[int]
    zoneless: list[int]


def parse_instants(rows: Rows, latest_us: int, faults: dict[int, str], reading: Reading) -> Instants:
    """Return the instants, and add invalid rows to `faults`."""
    if reading.date_format:
        found = _parse_by_format(rows, faults, reading)
    else:
        found = _parse_usual(rows, faults, reading)
    faults.update((row, "future") for row in np.flatnonzero(found.at_us > latest_us).tolist())
    return found


def _parse_usual(rows: Rows, faults: dict[int, str], reading: Reading) -> Instants:
    at_us, decoded, has_zone = decode_times(rows.text, rows.starts[TIMESTAMP], rows.ends[TIMESTAMP])
    cut: list[int] = []
    zoneless: list[int] = []
    if reading.assume_utc:
        zoneless = np.flatnonzero(decoded & ~has_zone).tolist()
    else:
        decoded &= has_zone
    for row in np.flatnonzero(~decoded).tolist():
        text = rows.decode_field(TIMESTAMP, row)
        parsed = parse_instant(text)
        if parsed == "tz_missing" and reading.assume_utc:
            parsed = parse_instant(f"{text.strip(' ')}Z")
            zoneless.append(row)
        if isinstance(parsed, int):
            at_us[row] = parsed
            if is_cut(text):
                cut.append(row)
        else:
            at_us[row] = 0
            faults[row] = parsed
    return Instants(at_us, cut, zoneless)


def _parse_by_format(rows: Rows, faults: dict[int, str], reading: Reading) -> Instants:
    date_format = DateFormat.parse(reading.date_format)
    found = date_format.decode(pl.Series(rows.decode_column(TIMESTAMP), dtype=pl.String))
    faults.update(found.faults)
    zoneless: list[int] = [] if date_format.names_zone else list(range(len(found.at_us)))
    if not reading.assume_utc:
        faults.update({row: "tz_missing" for row in zoneless if row not in found.faults})
    return Instants(found.at_us, found.cut, zoneless)
