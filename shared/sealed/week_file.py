"""The Parquet file of a sealed week: written group by group, read in parts. Imports pyarrow."""

import io
from collections.abc import Iterable, Sequence
from typing import Final, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from shared.errors import ObjectCorrupt
from shared.sealed.sealed_rows import SealedRows
from shared.sealed.sealed_week import WeekPiece

CONTENT_TYPE: Final = "application/vnd.apache.parquet"
_SCHEMA: Final = pa.schema(
    [
        pa.field("store_key", pa.int32(), nullable=False),
        pa.field("observed_at", pa.timestamp("us", "UTC"), nullable=False),
        pa.field("is_active", pa.bool_(), nullable=False),
        pa.field("since_seq", pa.int64(), nullable=False),
    ]
)
# Most of a file is time. Measured, 287,607 polls of a week of the sample: these bytes apart at level 12 take 4.1 bytes a poll
# and twice the time of the default level, where they take 4.4; deltas 4.8; plain values 4.5; a dictionary 6.5.
# Ledger numbers grow with time too. Of a live feed with one a second they take 1.5 bytes a poll, and 3.7 with a dictionary.
# Times in whole minutes take 1.2 bytes as deltas, and 2.9 with their bytes apart.
_ENCODINGS: Final = {
    "store_key": "PLAIN",
    "observed_at": "BYTE_STREAM_SPLIT",
    "is_active": "PLAIN",
    "since_seq": "BYTE_STREAM_SPLIT",
}
_ENCODINGS_OF_MINUTES: Final = {**_ENCODINGS, "observed_at": "DELTA_BINARY_PACKED"}
_MINUTE_US: Final = 60_000_000
_ZSTD_LEVEL: Final = 12


class WeekFileWriter:
    """Writes a file into a stream that only goes forward. The times of the first group decide how all are encoded."""

    def __init__(self, target: io.RawIOBase) -> None:
        self._target = target
        self._file: pq.ParquetWriter | None = None

    def write_group(self, rows: SealedRows) -> None:
        """Write a row group. The polls are in the order of the file."""
        self._file = self._file or self._open(of_minutes=bool((rows.at_us % _MINUTE_US == 0).all()))
        columns = [
            pa.array(rows.store_key.astype(np.int32)),
            pa.array(rows.at_us, pa.timestamp("us", "UTC")),
            pa.array(rows.active),
            pa.array(rows.seq),
        ]
        self._file.write_table(pa.Table.from_arrays(columns, schema=_SCHEMA), row_group_size=len(rows))

    def close(self) -> None:
        """Write the footer."""
        (self._file or self._open(of_minutes=False)).close()

    def _open(self, *, of_minutes: bool) -> pq.ParquetWriter:
        return pq.ParquetWriter(
            cast("io.BufferedWriter", self._target),
            _SCHEMA,
            compression="zstd",
            compression_level=_ZSTD_LEVEL,
            use_dictionary=False,
            column_encoding=_ENCODINGS_OF_MINUTES if of_minutes else _ENCODINGS,
            write_statistics=["store_key", "observed_at"],
        )


def read_groups(
    key: str, size_bytes: int, pieces: Iterable[tuple[WeekPiece, bytes]], numbers: Sequence[int]
) -> SealedRows:
    """Return the polls of some row groups. `pieces` has their bytes, and those of the footer. Raises `ObjectCorrupt`.

    The rest of the file is zeros, which cost no memory until they are read.
    """
    contents = np.zeros(size_bytes, np.uint8)
    for piece, data in pieces:
        contents[piece.first_byte : piece.first_byte + piece.length] = np.frombuffer(data, np.uint8)
    try:
        file = pq.ParquetFile(pa.BufferReader(pa.py_buffer(contents)))
        table = file.read_row_groups(list(numbers), use_threads=False)
        if table.schema.remove_metadata() != _SCHEMA:
            raise ObjectCorrupt(f"the object {key} has other columns than a week of polls")
    except (pa.ArrowInvalid, OSError) as error:
        raise ObjectCorrupt(f"the object {key} cannot be read as Parquet: {error}") from error
    return SealedRows(
        table["store_key"].to_numpy().astype(np.int64),
        table["observed_at"].cast(pa.int64()).to_numpy().astype(np.int64),
        table["is_active"].to_numpy().astype(np.bool_),
        table["since_seq"].to_numpy().astype(np.int64),
    )
