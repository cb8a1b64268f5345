"""Parquet: the columns with their types, the unit of each and the provenance as metadata."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from services.worker.formats.plain import plain_text
from services.worker.formats.table import WriteRows, schema_of
from services.worker.provenance import Made

_GROUP_ROWS = 100_000


@contextmanager
def parquet_file(target: IO[bytes], made: Made) -> Iterator[WriteRows]:
    """Write rows in groups; the file is complete when the block ends."""
    schema = schema_of(made.columns).with_metadata(
        {f"uptill.{name}": str(value) for name, value in made.provenance.items()}
    )
    gathered: list[pa.RecordBatch] = []

    def flush() -> None:
        # The fields of the CSV have neither metadata nor nullability: the arrays are put under the schema.
        groups = [pa.RecordBatch.from_arrays(rows.columns, schema=schema) for rows in gathered]
        file.write_table(pa.Table.from_batches(groups, schema))
        gathered.clear()

    def write(rows: pa.RecordBatch) -> None:
        gathered.append(plain_text(rows))
        if sum(len(group) for group in gathered) >= _GROUP_ROWS:
            flush()

    with pq.ParquetWriter(target, schema, compression="zstd") as file:
        yield write
        if gathered:
            flush()
