"""Parquet: typed columns, with the unit of each and the provenance as metadata."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from services.worker.formats.plain import plain_text
from services.worker.formats.table import WriteRows, make_schema
from services.worker.provenance import FileContents

_GROUP_ROWS = 100_000


@contextmanager
def parquet_file(target: IO[bytes], contents: FileContents) -> Iterator[WriteRows]:
    """Write rows in groups; the file is complete when the block ends."""
    schema = make_schema(contents.columns).with_metadata(
        {f"uptill.{name}": str(value) for name, value in contents.provenance.items()}
    )
    gathered: list[pa.RecordBatch] = []

    def write_group() -> None:
        # The fields of the CSV have no metadata and no nullability, so the arrays get the file's schema.
        groups = [pa.RecordBatch.from_arrays(rows.columns, schema=schema) for rows in gathered]
        file.write_table(pa.Table.from_batches(groups, schema))
        gathered.clear()

    def write_rows(rows: pa.RecordBatch) -> None:
        gathered.append(plain_text(rows))
        if sum(len(group) for group in gathered) >= _GROUP_ROWS:
            write_group()

    with pq.ParquetWriter(target, schema, compression="zstd") as file:
        yield write_rows
        if gathered:
            write_group()
