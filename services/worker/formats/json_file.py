"""JSON: an object with the provenance, the unit of each column, and the stores, one a line."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import pyarrow as pa

from services.worker.formats.plain import plain_text
from services.worker.formats.table import WriteRows
from services.worker.provenance import Made


@contextmanager
def json_file(target: IO[bytes], made: Made) -> Iterator[WriteRows]:
    """Write the head, then whatever rows are given, and the end when the block ends."""
    head = {
        "provenance": dict(made.provenance),
        "columns": {column.name: column.unit for column in made.columns},
    }
    separator = "\n"
    target.write(f'{_compact(head)[:-1]},"stores":['.encode())

    def write(rows: pa.RecordBatch) -> None:
        nonlocal separator
        lines = [_compact(row) for row in plain_text(rows).to_pylist()]
        if lines:
            target.write((separator + ",\n".join(lines)).encode())
            separator = ",\n"

    yield write
    target.write(b"\n]}\n")


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
