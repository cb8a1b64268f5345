"""Reads columns of a plain chunk: every line is a row, and no field is quoted."""

from collections.abc import Sequence

import polars as pl


def read_column(data: bytes, column: int, separator: str) -> pl.Series:
    """Return the texts of one column."""
    return read_columns(data, [column], separator).to_series()


def read_columns(data: bytes, columns: Sequence[int], separator: str) -> pl.DataFrame:
    """Return the texts of columns, which are given in the order of the file."""
    return pl.read_csv(
        data,
        has_header=False,
        separator=separator,
        columns=columns,
        infer_schema=False,
        quote_char=None,
        empty_string_is_null=False,
    )
