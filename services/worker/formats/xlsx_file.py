"""XLSX: one sheet of numbers with a frozen header, one that says where they come from. Needs room for temporary files."""

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
from services.worker.provenance import Made
from shared.formulas import inert

_NUMBER_FORMATS = {"text": "@", "minutes": "0.0000", "hours": "0.0000", "polls": "0"}
_WIDEST_ID, _WIDTH = 40, 22


@contextmanager
def xlsx_file(target: IO[bytes], made: Made) -> Iterator[WriteRows]:
    """Write rows as typed cells, holding one at a time; the file goes to `target` when the block ends.

    The same rows and provenance give the same bytes. The caller has made sure that the rows fit a sheet.
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
        book.set_properties({"created": datetime.fromisoformat(str(made.provenance["as_of"]))})
        numbers, provenance = book.add_worksheet("uptime"), book.add_worksheet("provenance")
        bold = book.add_format({"bold": True})
        formats = [book.add_format({"num_format": _NUMBER_FORMATS[column.unit]}) for column in made.columns]
        numbers.freeze_panes(1, 1)
        numbers.set_column(0, 0, _WIDEST_ID)
        numbers.set_column(1, len(formats) - 1, _WIDTH)
        for place, column in enumerate(made.columns):
            numbers.write_string(0, place, column.name, bold)
        next_row = 1

        def write(rows: pa.RecordBatch) -> None:
            nonlocal next_row
            is_text = [column.unit == "text" for column in made.columns]
            for row, values in enumerate(zip(*(c.to_pylist() for c in rows.columns), strict=True), next_row):
                for place, value in enumerate(values):
                    put = numbers.write_string if is_text[place] else numbers.write_number
                    put(row, place, value, formats[place])
            next_row += len(rows)

        try:
            yield write
            _explain(provenance, made, bold)
            book.close()
        except FileCreateError as error:
            raise error.args[0] from None  # the OSError that it wraps
        finally:
            for sheet in (numbers, provenance):
                with suppress(OSError):
                    sheet.row_data_fh.close()  # left open where the book could not be closed


def _explain(sheet: Worksheet, made: Made, bold: Format) -> None:
    sheet.set_column(0, 1, _WIDEST_ID)
    facts = [*made.provenance.items(), *((f"unit of {c.name}", c.unit) for c in made.columns)]
    for row, (name, value) in enumerate(facts):
        sheet.write_string(row, 0, name, bold)
        if isinstance(value, int):
            sheet.write_number(row, 1, value)
        else:
            sheet.write_string(row, 1, inert(value))
