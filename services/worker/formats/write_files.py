"""From the finished CSV of a report to its other files: read once, written side by side, in bounded memory."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import IO, cast

import pyarrow as pa

from services.worker.formats.json_file import json_file
from services.worker.formats.parquet_file import parquet_file
from services.worker.formats.table import WriteRows, rows_of
from services.worker.formats.xlsx_file import xlsx_file
from services.worker.provenance import Made
from shared.errors import UptillError
from shared.reports.model import CONTENT_TYPES, FileFormat, FinaliseLease
from shared.storage import ObjectWriter, Storage, StoredObject

_WRITERS: Mapping[FileFormat, Callable[[IO[bytes], Made], AbstractContextManager[WriteRows]]] = {
    "json": json_file,
    "parquet": parquet_file,
    "xlsx": xlsx_file,
}


class RowsMissing(UptillError):
    """The CSV is the one that was written, and yet gave other rows: a fault of the program."""


def write_files(
    storage: Storage,
    lease: FinaliseLease,
    csv: StoredObject,
    formats: Sequence[FileFormat],
    made: Made,
    keep: Callable[[], None],
    *,
    rows: int,
) -> dict[FileFormat, StoredObject]:
    """Upload a file of each format but CSV; `keep` is called again and again, and may raise to stop it all.

    A file appears only once the whole CSV was verified and gave as many rows as the report has. Raises
    `StorageUnavailable`, `ObjectLost` for a CSV that is gone or was changed, and `RowsMissing`.
    """
    wanted = [file_format for file_format in formats if file_format in _WRITERS]
    if not wanted:
        return {}
    targets: dict[FileFormat, ObjectWriter] = {}
    with ExitStack() as stack:
        writers = []
        for file_format in wanted:
            target = stack.enter_context(
                storage.writing(lease.object_key(file_format), CONTENT_TYPES[file_format], on_piece=keep)
            )
            targets[file_format] = target
            writers.append(stack.enter_context(_WRITERS[file_format](cast("IO[bytes]", target), made)))
        blocks, written = storage.read(csv), 0
        try:
            for some in rows_of(blocks, made.columns):
                for write in writers:
                    write(some)
                written += len(some)
                keep()
        except (pa.ArrowException, ValueError, TypeError):
            _exhaust(blocks)  # a damaged CSV may make no sense before its end shows why
            raise
        _exhaust(blocks)
        if written != rows:
            raise RowsMissing(f"{csv.key} gave {written:,} rows instead of {rows:,}")
    return {file_format: target.stored() for file_format, target in targets.items()}


def _exhaust(blocks: Iterator[bytes]) -> None:
    """Read to the end, where the object is verified."""
    for _ in blocks:
        pass
