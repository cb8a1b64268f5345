"""XLSX of a summary: a sheet for each section with a colour scale, a chart and sparklines, and one with the provenance."""

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import groupby
from typing import IO, Any, Final

import pyarrow as pa
import xlsxwriter
from xlsxwriter.exceptions import FileCreateError
from xlsxwriter.utility import xl_range_abs
from xlsxwriter.worksheet import Worksheet

from services.worker.columns import SUMMARY_COLUMNS, Column
from services.worker.formats.table import WriteRows
from services.worker.formats.xlsx_file import NUMBER_FORMATS, write_provenance
from services.worker.provenance import FileContents

Rows = Sequence[Mapping[str, Any]]
# The section is the sheet.
_COLUMNS: Final = tuple(column for column in SUMMARY_COLUMNS if column.name != "section")
_PLACE: Final = {column.name: place for place, column in enumerate(_COLUMNS)}
_AVAILABILITY, _PREVIOUS = _PLACE["availability"], _PLACE["previous_availability"]
_SPARKLINE: Final = len(_COLUMNS)
_WIDE, _WIDTH = 40, 20
# What a sheet cannot be called, and how long its name can be. Names that are cut get a number.
_NOT_IN_NAMES: Final = re.compile(r"[\[\]:*?/\\]")
_LONGEST_NAME: Final = 27
_COLOURS: Final = {
    "type": "3_color_scale",
    "min_color": "#F8696B",
    "mid_color": "#FFEB84",
    "max_color": "#63BE7B",
}
_DAY_HOURS: Final = 24


@contextmanager
def summary_xlsx(target: IO[bytes], contents: FileContents) -> Iterator[WriteRows]:
    """Gather the rows, which are few, and write the file when the block ends. The same rows give the same bytes."""
    gathered: list[pa.RecordBatch] = []
    yield gathered.append
    rows = [row for batch in gathered for row in batch.to_pylist()]
    with tempfile.TemporaryDirectory(prefix="uptill-xlsx-") as folder:
        book = xlsxwriter.Workbook(
            target,
            {
                "tmpdir": folder,
                "strings_to_formulas": False,
                "strings_to_urls": False,
                "strings_to_numbers": False,
            },
        )
        book.set_properties({"created": datetime.fromisoformat(str(contents.provenance["as_of"]))})
        sections: dict[str, list[Mapping[str, Any]]] = {}
        for row in rows:
            sections.setdefault(row["section"], []).append(row)
        names = _name_sheets(list(sections))
        for section, some in sections.items():
            _write_section(book, names, section, some)
        write_provenance(book.add_worksheet("provenance"), contents, book.add_format({"bold": True}))
        try:
            book.close()
        except FileCreateError as error:
            # Raise the OSError that it wraps.
            raise error.args[0] from None


def _name_sheets(sections: Sequence[str]) -> Mapping[str, str]:
    """Return a name that Excel allows for the sheet of each section; it does not tell upper from lower case."""
    names: dict[str, str] = {}
    for section in sections:
        name = _NOT_IN_NAMES.sub(" ", section)[:_LONGEST_NAME]
        taken = {other.lower() for other in names.values()}
        number = sum(other == name.lower() or other.startswith(f"{name.lower()} ~") for other in taken)
        names[section] = f"{name} ~{number + 1}" if number else name
    return names


def _write_section(book: xlsxwriter.Workbook, names: Mapping[str, str], section: str, rows: Rows) -> None:
    sheet = book.add_worksheet(names[section])
    bold = book.add_format({"bold": True})
    sheet.freeze_panes(1, 2)
    sheet.set_column(0, len(_COLUMNS), _WIDTH)
    sheet.set_column(_PLACE["group"], _PLACE["group"], _WIDE)
    for place, column in enumerate(_COLUMNS):
        sheet.write_string(0, place, column.name, bold)
        _write_column(
            sheet, place, column, rows, book.add_format({"num_format": NUMBER_FORMATS[column.unit]})
        )
    sheet.write_string(0, _SPARKLINE, "24 hours" if section == "weekday" else "previous, now", bold)
    sheet.conditional_format(1, _AVAILABILITY, len(rows), _AVAILABILITY, _COLOURS)
    for number in range(len(rows)):
        if section == "weekday":
            sparkline = _sparkline_of_day(names["hour"], number)
        else:
            sparkline = _sparkline_of_row(names[section], number + 1)
        sheet.add_sparkline(number + 1, _SPARKLINE, sparkline)
    sheet.insert_chart(1, _SPARKLINE + 2, _make_chart(book, names[section], section, rows))


def _write_column(sheet: Worksheet, place: int, column: Column, rows: Rows, shown: Any) -> None:
    put = sheet.write_string if column.unit == "text" else sheet.write_number
    for number, row in enumerate(rows):
        if row[column.name] is not None:
            put(number + 1, place, row[column.name], shown)


def _sparkline_of_row(sheet: str, row: int) -> Mapping[str, object]:
    """Return the sparkline of the window before and the window, which lie side by side in the other order."""
    return {
        "range": f"{_quoted(sheet)}!{xl_range_abs(row, _AVAILABILITY, row, _PREVIOUS)}",
        "type": "column",
        "reverse": True,
        "min": 0,
        "max": 1,
    }


def _sparkline_of_day(hours: str, number: int) -> Mapping[str, object]:
    """Return the sparkline of the hours of a weekday: both sheets have their rows in the order of the week."""
    first = number * _DAY_HOURS + 1
    cells = xl_range_abs(first, _AVAILABILITY, first + _DAY_HOURS - 1, _AVAILABILITY)
    return {"range": f"{_quoted(hours)}!{cells}", "type": "line", "min": 0, "max": 1}


def _make_chart(book: xlsxwriter.Workbook, sheet: str, section: str, rows: Rows) -> Any:
    """Return a chart of the availability: of the first window by group, or of all stores by window."""
    by_window = section == "all"
    _, first = next(groupby(rows, key=lambda row: None if by_window else row["window"]))
    last = len(list(first))
    chart = book.add_chart({"type": "line" if section == "hour" else "bar"})
    named = _PLACE["window" if by_window else "group"]
    chart.add_series(
        {
            "name": "availability",
            "categories": f"={_quoted(sheet)}!{xl_range_abs(1, named, last, named)}",
            "values": f"={_quoted(sheet)}!{xl_range_abs(1, _AVAILABILITY, last, _AVAILABILITY)}",
        }
    )
    chart.set_title({"name": "availability" if by_window else f"availability, {rows[0]['window']}"})
    chart.set_legend({"none": True})
    if section == "hour":
        chart.set_y_axis({"max": 1, "num_format": "0%"})
        chart.set_x_axis({"interval_unit": _DAY_HOURS})
    else:
        chart.set_x_axis({"max": 1, "num_format": "0%"})
        chart.set_y_axis({"reverse": True})
    return chart


def _quoted(sheet: str) -> str:
    return "'" + sheet.replace("'", "''") + "'"
