"""JSON: one object with the provenance, the unit of each column, and the stores, one per line."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import pyarrow as pa

from services.worker.formats.plain import plain_text
from services.worker.formats.table import WriteRows
from services.worker.provenance import FileContents


@contextmanager
def json_file(target: IO[bytes], contents: FileContents) -> Iterator[WriteRows]:
    """Write the head, then the rows that are given, then the end when the block ends."""
    head = {
        "provenance": dict(contents.provenance),
        "columns": {column.name: column.unit for column in contents.columns},
    }
    separator = "\n"
    target.write(f'{_dump_compact(head)[:-1]},"stores":['.encode())

    def write_rows(rows: pa.RecordBatch) -> None:
        nonlocal separator
        lines = [_dump_compact(row) for row in plain_text(rows).to_pylist()]
        if lines:
            target.write((separator + ",\n".join(lines)).encode())
            separator = ",\n"

    yield write_rows
    target.write(b"\n]}\n")


def _dump_compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
