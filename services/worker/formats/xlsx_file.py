"""XLSX: a sheet of numbers with a frozen header, and a sheet with the provenance. Needs room for temporary files."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import IO, Any

import pyarrow as pa
import xlsxwriter
from xlsxwriter.exceptions import FileCreateError
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from services.worker.columns import Unit
from services.worker.formats.table import WriteRows
from services.worker.provenance import FileContents
from shared.formulas import inert
from shared.reports.formats import MAX_XLSX_ROWS, FileKind

NUMBER_FORMATS: Mapping[Unit, str] = {
    "text": "@",
    "minutes": "0.0000",
    "hours": "0.0000",
    "seconds": "0.000000",
    "polls": "0",
    "outages": "0",
    "stores": "0",
    "share": "0.0000%",
    "rate": "0.00",
    "days": "0",
    "instant": "yyyy-mm-dd hh:mm:ss.000",
    "boolean": "General",
}
_SHEETS: Mapping[FileKind, str] = {
    "report": "uptime",
    "outages": "outages",
    "reasons": "reasons",
    "service_levels": "service levels",
}
_WIDEST_ID, _WIDTH = 40, 22


@contextmanager
def xlsx_file(target: IO[bytes], contents: FileContents) -> Iterator[WriteRows]:
    """Write rows as typed cells, holding one row at a time. The file goes to `target` when the block ends.

    The same rows and provenance give the same bytes. Rows that do not fit on a sheet go to another.
    """
    with tempfile.TemporaryDirectory(prefix="uptill-xlsx-") as folder:
        book = xlsxwriter.Workbook(
            target,
            {
                "constant_memory": True,
                "tmpdir": folder,
                "strings_to_formulas": False,
                "strings_to_urls": False,
                "strings_to_numbers": False,
            },
        )
        book.use_zip64()
        book.set_properties({"created": datetime.fromisoformat(str(contents.provenance["as_of"]))})
        numbers, provenance = book.add_worksheet(_SHEETS[contents.kind]), book.add_worksheet("provenance")
        rows = _SheetRows(book, contents, numbers)
        try:
            yield rows.write_rows
            write_provenance(provenance, contents, rows.bold)
            book.close()
        except FileCreateError as error:
            # Raise the OSError that it wraps.
            raise error.args[0] from None
        finally:
            for sheet in (*rows.sheets, provenance):
                # Left open if the book could not be closed.
                with suppress(OSError):
                    sheet.row_data_fh.close()


class _SheetRows:
    """The sheets of rows of one book."""

    def __init__(self, book: xlsxwriter.Workbook, contents: FileContents, sheet: Worksheet) -> None:
        self._book, self._contents = book, contents
        self.bold: Format = book.add_format({"bold": True})
        self._formats: Sequence[Format] = [
            book.add_format({"num_format": NUMBER_FORMATS[column.unit]}) for column in contents.columns
        ]
        self.sheets: list[Worksheet] = []
        self._start_sheet(sheet)

    def write_rows(self, rows: pa.RecordBatch) -> None:
        """Write the rows below those before."""
        columns = [
            _cell_values(column.unit, values.to_pylist())
            for column, values in zip(self._contents.columns, rows.columns, strict=True)
        ]
        for values in zip(*columns, strict=True):
            if self._next_row > MAX_XLSX_ROWS:
                name = f"{_SHEETS[self._contents.kind]} {len(self.sheets) + 1}"
                self._start_sheet(self._book.add_worksheet(name))
            for place, value in enumerate(values):
                if value is not None:
                    self._puts[place](self._next_row, place, value, self._formats[place])
            self._next_row += 1

    def _start_sheet(self, sheet: Worksheet) -> None:
        """Write the header. The next rows go to this sheet."""
        special = {
            "text": sheet.write_string,
            "instant": sheet.write_datetime,
            "boolean": sheet.write_boolean,
        }
        columns = self._contents.columns
        self._puts = [special.get(column.unit, sheet.write_number) for column in columns]
        self._next_row = 1
        self.sheets.append(sheet)
        sheet.freeze_panes(1, 1)
        sheet.set_column(0, 0, _WIDEST_ID)
        sheet.set_column(1, len(columns) - 1, _WIDTH)
        for place, column in enumerate(columns):
            sheet.write_string(0, place, column.name, self.bold)


def _cell_values(unit: Unit, values: Sequence[Any]) -> Sequence[Any]:
    """Return the values as cells take them: a cell has no time zone, so instants are in UTC."""
    if unit != "instant":
        return values
    return [value and value.replace(tzinfo=None) for value in values]


def write_provenance(sheet: Worksheet, contents: FileContents, bold: Format) -> None:
    """Write where the numbers come from, and the unit of each column."""
    sheet.set_column(0, 1, _WIDEST_ID)
    facts = [*contents.provenance.items(), *((f"unit of {c.name}", c.unit) for c in contents.columns)]
    for row, (name, value) in enumerate(facts):
        sheet.write_string(row, 0, name, bold)
        if isinstance(value, int):
            sheet.write_number(row, 1, value)
        else:
            sheet.write_string(row, 1, inert(value))
