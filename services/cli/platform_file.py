"""Read a platform's CSV file of downtime: any separator, any names of columns, numbers and dates as written there."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.cli.platform_dates import refuse_other_order
from services.cli.platform_figure import VALUES, describe_time, has_decimal_comma, read_figure
from shared.errors import InvalidRequest
from shared.texts import quoted
from uptill_client import PlatformFigure

_TIMES: Final = ("date", "from", "to")
FIELDS: Final = ("store", *_TIMES, *VALUES)
_SEPARATORS: Final = ",;\t|"
_STORE_NAMES: Final = ("store", "store_id")
_SEPARATOR_LINE: Final = len("sep=;")
_LOOK_BYTES: Final = 4096


@dataclass(frozen=True)
class PlatformRow:
    """One row: its line in the file, its time as written, and the figure."""

    line: int
    time: str
    figure: PlatformFigure


def read_platform_file(
    path: Path, columns: Mapping[str, str], date_format: str | None
) -> tuple[list[PlatformRow], list[str]]:
    """Return the rows, and a sentence for each row that cannot be read.

    `columns` names the column of each of `FIELDS`. Raise `InvalidRequest` if a column is missing or if the dates
    contradict `date_format`, and OSError.
    """
    numbered = _split(_decode(path.read_bytes()))
    header = next((fields for _, fields in numbered if not _is_separator_line(fields)), [])
    if not header:
        raise InvalidRequest("the first line is empty, but it must name the columns")
    places = _find_columns(header, columns)
    lines = [(line, fields) for line, fields in numbered if fields is None or any(map(str.strip, fields))]
    (value,) = (place for name, place in places.items() if name in VALUES)
    has_commas = any(
        has_decimal_comma(fields[value]) for _, fields in lines if fields and value < len(fields)
    )
    rows: list[PlatformRow] = []
    faults: list[str] = []
    times: list[tuple[int, str]] = []
    for line, fields in lines:
        try:
            given = _name_fields(fields, header, places)
            times += [(line, given[name]) for name in _TIMES if given.get(name)]
            figure = read_figure(given, date_format, has_commas=has_commas)
            rows.append(PlatformRow(line, describe_time(given), figure))
        except (ValueError, InvalidRequest) as error:
            faults.append(f"line {line:,}: {error}")
    if date_format:
        refuse_other_order(times, date_format)
    percents = [row.figure.uptime_percent or 0 for row in rows if row.figure.uptime_percent is not None]
    if any(percents) and max(percents) <= 1:
        raise InvalidRequest("every uptime is at most 1 per cent: write 98.5 for 98.5 %, not 0.985")
    return rows, faults


def find_repeated(rows: Sequence[PlatformRow]) -> str | None:
    """Return a sentence if a store and time are there several times, with the first one's lines; else None."""
    lines: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        lines.setdefault((row.figure.store_id, row.time), []).append(row.line)
    repeated = {key: found for key, found in lines.items() if len(found) > 1}
    if not repeated:
        return None
    (store_id, time), (first, second, *_) = next(iter(repeated.items()))
    return (
        f"{len(repeated):,} {'figure is' if len(repeated) == 1 else 'figures are'} there more than once, such as store"
        f" {store_id}, {time} (lines {first:,} and {second:,}): each row is compared alone, so add them up first if they are"
        " parts of one downtime"
    )


def parse_columns(text: str | None) -> Mapping[str, str]:
    """Parse `store=Outlet,date=Day`. Raise `InvalidRequest`."""
    found: dict[str, str] = {}
    for part in next(csv.reader([text or ""])) if text else ():
        name, is_pair, column = part.partition("=")
        if not is_pair or name.strip() not in FIELDS:
            raise InvalidRequest(
                f"invalid column {quoted(part)}: write FIELD=COLUMN; fields are {', '.join(FIELDS)}"
            )
        if name.strip() in found:
            raise InvalidRequest(f"--columns names {name.strip()} twice: name each field once")
        found[name.strip()] = column.strip()
    return found


def _name_fields(
    fields: Sequence[str] | None, header: Sequence[str], places: Mapping[str, int]
) -> dict[str, str]:
    """Return the fields of a row by name. Raise ValueError if they do not fit the header."""
    if fields is None:
        raise ValueError(
            "a quoted field is not closed, or text follows it: write a quote within a field twice"
        )
    if len(fields) != len(header):
        raise ValueError(f"the row has {len(fields)} fields, and the header has {len(header)}")
    return {name: fields[place].strip() for name, place in places.items()}


def _split(text: str) -> Iterator[tuple[int, list[str] | None]]:
    """Yield the line on which each row begins, and its fields: None if its quotes are wrong."""
    first = next(iter(text.splitlines()), "").strip()
    is_told = len(first) == _SEPARATOR_LINE and _is_separator_line([first])
    separator = first[-1] if is_told else max(_SEPARATORS, key=first.count)
    # Not strict, a quote that is not closed would take the rows after it into its field.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            yield line, next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield line, None


def _is_separator_line(fields: Sequence[str] | None) -> bool:
    """Whether this is the line `sep=;` that spreadsheets write above the header."""
    return (
        fields is not None
        and bool(fields)
        and fields[0].casefold().startswith("sep=")
        and not "".join(fields[1:])
    )


def _decode(data: bytes) -> str:
    if b"\0" in data[:_LOOK_BYTES]:
        raise InvalidRequest("this is not a CSV file: it has zero bytes, as archives and spreadsheets do")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _find_columns(header: Sequence[str], columns: Mapping[str, str]) -> dict[str, int]:
    """Return the place of each field that the file has."""
    folded = {_fold(name): place for place, name in enumerate(header)}
    places: dict[str, int] = {}
    for field in FIELDS:
        names = [columns[field]] if field in columns else _STORE_NAMES if field == "store" else [field]
        found = [folded[_fold(name)] for name in names if _fold(name) in folded]
        if len(found) > 1 or (found and list(map(_fold, header)).count(_fold(header[found[0]])) > 1):
            raise InvalidRequest(f"more than one column is {field}: rename all but one")
        if found:
            places[field] = found[0]
        elif field in columns:
            raise InvalidRequest(
                f"the file has no column {quoted(columns[field])}: it has {', '.join(map(quoted, header))}"
            )
    values = [name for name in VALUES if name in places]
    if len(values) > 1:
        raise InvalidRequest(
            f"the file has the columns {' and '.join(values)}, and each figure is one number: rename all but one of them"
        )
    has_time = "date" in places or {"from", "to"} <= places.keys()
    if "store" not in places or not has_time or len(values) != 1:
        raise InvalidRequest(
            f"the file needs a store, a date (or from and to), and one of {', '.join(VALUES)}; its columns are"
            f" {', '.join(map(quoted, header))}: name them with --columns store=…,date=…,down_minutes=…"
        )
    return places


def _fold(name: str) -> str:
    return name.casefold().strip().replace(" ", "_")
