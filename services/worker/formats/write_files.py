"""From the finished CSV of a report to its other files: read once, written side by side, in bounded memory."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import IO, cast

from services.worker.formats.json_file import json_file
from services.worker.formats.parquet_file import parquet_file
from services.worker.formats.table import WriteRows, rows_of
from services.worker.formats.xlsx_file import xlsx_file
from services.worker.provenance import Made
from shared.reports.model import CONTENT_TYPES, FileFormat, FinaliseLease
from shared.storage import ObjectWriter, Storage, StoredObject

_WRITERS: Mapping[FileFormat, Callable[[IO[bytes], Made], AbstractContextManager[WriteRows]]] = {
    "json": json_file,
    "parquet": parquet_file,
    "xlsx": xlsx_file,
}


def write_files(
    storage: Storage,
    lease: FinaliseLease,
    csv: StoredObject,
    formats: Sequence[FileFormat],
    made: Made,
    keep: Callable[[], None],
) -> dict[FileFormat, StoredObject]:
    """Upload a file of each format but CSV; `keep` is called again and again, and may raise to stop it all.

    Raises `StorageUnavailable`.
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
        for rows in rows_of(storage.read(csv.key), made.columns):
            for write in writers:
                write(rows)
            keep()
    return {file_format: target.stored() for file_format, target in targets.items()}
