"""Read a report's CSV as typed Arrow batches."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from io import BufferedReader, RawIOBase
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.csv

from services.worker.columns import Column, Unit

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_BLOCK_BYTES = 1 << 20
_TYPES: Mapping[Unit, pa.DataType] = {
    "text": pa.string(),
    "minutes": pa.float64(),
    "hours": pa.float64(),
    "seconds": pa.float64(),
    "polls": pa.int64(),
    "outages": pa.int64(),
    "stores": pa.int64(),
    "share": pa.float64(),
    "rate": pa.float64(),
    "days": pa.int64(),
    "instant": pa.timestamp("us", tz="UTC"),
    "boolean": pa.bool_(),
}

WriteRows = Callable[[pa.RecordBatch], None]


def read_rows(csv: Iterator[bytes], columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
    """Read the CSV that `render_csv` wrote, a megabyte at a time. Text is not changed."""
    with (
        pa.PythonFile(BufferedReader(_BlockFile(csv)), mode="r") as source,
        pa.csv.open_csv(
            source,
            pa.csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES),
            pa.csv.ParseOptions(newlines_in_values=False),
            pa.csv.ConvertOptions(
                column_types={column.name: _TYPES[column.unit] for column in columns},
                null_values=[""] if any(column.is_optional for column in columns) else [],
                strings_can_be_null=False,
            ),
        ) as reader,
    ):
        yield from reader


def make_schema(columns: Sequence[Column]) -> pa.Schema:
    """Return names and types, with the unit as metadata of each column."""
    return pa.schema(
        [
            pa.field(
                column.name, _TYPES[column.unit], nullable=column.is_optional, metadata={"unit": column.unit}
            )
            for column in columns
        ]
    )


class _BlockFile(RawIOBase):
    """A readable file over an iterator of blocks."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks, self._rest = blocks, memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        while not self._rest:
            try:
                self._rest = memoryview(next(self._blocks))
            except StopIteration:
                return 0
        target = memoryview(buffer).cast("B")
        size_bytes = min(len(target), len(self._rest))
        target[:size_bytes] = self._rest[:size_bytes]
        self._rest = self._rest[size_bytes:]
        return size_bytes
