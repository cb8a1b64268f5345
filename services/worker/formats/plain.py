"""Formats that no spreadsheet opens show text as it was delivered."""

import pyarrow as pa
import pyarrow.compute as pc

from shared.formulas import INERT_FORMULA


def plain_text(rows: pa.RecordBatch) -> pa.RecordBatch:
    """The rows without the apostrophes that the CSV has before what looks like a formula."""
    for number, field in enumerate(rows.schema):
        if field.type == pa.string():
            text = pc.replace_substring_regex(rows.column(number), INERT_FORMULA, r"\1")
            rows = rows.set_column(number, field, text)
    return rows
