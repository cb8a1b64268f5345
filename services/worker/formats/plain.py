"""Restore text as it was delivered, for formats that spreadsheets do not open."""

import pyarrow as pa
import pyarrow.compute as pc

from shared.formulas import INERT_FORMULA


def plain_text(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Return the rows without the apostrophes that the CSV puts before text that looks like a formula."""
    for number, field in enumerate(rows.schema):
        if field.type == pa.string():
            text = pc.replace_substring_regex(rows.column(number), INERT_FORMULA, r"\1")
            rows = rows.set_column(number, field, text)
    return rows
