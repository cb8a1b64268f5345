"""XLSX: a sheet of numbers with a frozen header, and a sheet with the provenance. Needs room for temporary files."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import IO

import pyarrow as pa
import xlsxwriter
from xlsxwriter.exceptions import FileCreateError
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from services.worker.formats.table import WriteRows
from services.worker.provenance import FileContents
from shared.formulas import inert

_NUMBER_FORMATS = {"text": "@", "minutes": "0.0000", "hours": "0.0000", "polls": "0"}
_WIDEST_ID, _WIDTH = 40, 22


@contextmanager
def xlsx_file(target: IO[bytes], contents: FileContents) -> Iterator[WriteRows]:
    """Write rows as typed cells, holding one row at a time. The file goes to `target` when the block ends.

    The same rows and provenance give the same bytes. The caller must make sure that the rows fit on a sheet.
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
        numbers, provenance = book.add_worksheet("uptime"), book.add_worksheet("provenance")
        bold = book.add_format({"bold": True})
        formats = [
            book.add_format({"num_format": _NUMBER_FORMATS[column.unit]}) for column in contents.columns
        ]
        numbers.freeze_panes(1, 1)
        numbers.set_column(0, 0, _WIDEST_ID)
        numbers.set_column(1, len(formats) - 1, _WIDTH)
        for place, column in enumerate(contents.columns):
            numbers.write_string(0, place, column.name, bold)
        next_row = 1

        def write_rows(rows: pa.RecordBatch) -> None:
            nonlocal next_row
            is_text = [column.unit == "text" for column in contents.columns]
            for row, values in enumerate(zip(*(c.to_pylist() for c in rows.columns), strict=True), next_row):
                for place, value in enumerate(values):
                    put = numbers.write_string if is_text[place] else numbers.write_number
                    put(row, place, value, formats[place])
            next_row += len(rows)

        try:
            yield write_rows
            _write_provenance(provenance, contents, bold)
            book.close()
        except FileCreateError as error:
            # Raise the OSError that it wraps.
            raise error.args[0] from None
        finally:
            for sheet in (numbers, provenance):
                # Left open if the book could not be closed.
                with suppress(OSError):
                    sheet.row_data_fh.close()


def _write_provenance(sheet: Worksheet, contents: FileContents, bold: Format) -> None:
    sheet.set_column(0, 1, _WIDEST_ID)
    facts = [*contents.provenance.items(), *((f"unit of {c.name}", c.unit) for c in contents.columns)]
    for row, (name, value) in enumerate(facts):
        sheet.write_string(row, 0, name, bold)
        if isinstance(value, int):
            sheet.write_number(row, 1, value)
        else:
            sheet.write_string(row, 1, inert(value))
