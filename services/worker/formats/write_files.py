"""Write the other formats from the finished CSV: read it once, write all formats side by side, in bounded memory."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import IO, cast

import pyarrow as pa

from services.worker.formats.json_file import json_file
from services.worker.formats.parquet_file import parquet_file
from services.worker.formats.summary_xlsx import summary_xlsx
from services.worker.formats.table import WriteRows, read_rows
from services.worker.formats.xlsx_file import xlsx_file
from services.worker.provenance import FileContents
from shared.errors import UptillError
from shared.reports.formats import CONTENT_TYPES, FileFormat, FileKind
from shared.reports.model import FinaliseLease
from shared.storage import ObjectWriter, Storage, StoredObject

Writer = Callable[[IO[bytes], FileContents], AbstractContextManager[WriteRows]]
_WRITERS: Mapping[FileFormat, Writer] = {
    "json": json_file,
    "parquet": parquet_file,
    "xlsx": xlsx_file,
}
# Files of a kind that a format writes in its own way.
_SPECIAL: Mapping[tuple[FileFormat, FileKind], Writer] = {("xlsx", "summary"): summary_xlsx}


class RowsMissing(UptillError):
    """The CSV was verified and yet gave another number of rows: a bug in Uptill."""


def write_files(
    storage: Storage,
    lease: FinaliseLease,
    csv: StoredObject,
    formats: Sequence[FileFormat],
    contents: FileContents,
    *,
    on_piece: Callable[[], None],
) -> dict[FileFormat, StoredObject]:
    """Upload a file of each format except CSV. `on_piece` is called often, and may raise to stop.

    A file appears only after the whole CSV was verified and had every row of the report. Raises `StorageUnavailable`,
    `ObjectLost` for a CSV that is missing or was changed, and `RowsMissing`.
    """
    wanted = [file_format for file_format in formats if file_format in _WRITERS]
    if not wanted:
        return {}
    targets: dict[FileFormat, ObjectWriter] = {}
    with ExitStack() as stack:
        writers = []
        for file_format in wanted:
            target = stack.enter_context(
                storage.writing(
                    lease.object_key(file_format, contents.kind),
                    CONTENT_TYPES[file_format],
                    on_piece=on_piece,
                )
            )
            targets[file_format] = target
            writer = _SPECIAL.get((file_format, contents.kind), _WRITERS[file_format])
            writers.append(stack.enter_context(writer(cast("IO[bytes]", target), contents)))
        written = _copy_rows(storage.read(csv), contents, writers, on_piece)
        if written != contents.rows:
            raise RowsMissing(f"{csv.key} gave {written:,} rows instead of {contents.rows:,}")
    return {file_format: target.stored() for file_format, target in targets.items()}


def _copy_rows(
    blocks: Iterator[bytes],
    contents: FileContents,
    writers: Sequence[WriteRows],
    on_piece: Callable[[], None],
) -> int:
    """Hand every row to every writer; return how many rows."""
    written = 0
    try:
        for rows in read_rows(blocks, contents.columns):
            for write in writers:
                write(rows)
            written += len(rows)
            on_piece()
    except (pa.ArrowException, ValueError, TypeError):
        # A damaged CSV may not parse. Its end shows whether it is damaged.
        _read_to_end(blocks)
        raise
    _read_to_end(blocks)
    return written


def _read_to_end(blocks: Iterator[bytes]) -> None:
    """Read to the end, where the object is verified."""
    for _ in blocks:
        pass
