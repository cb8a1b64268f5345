"""JSON: one object with the provenance, the unit of each column, and the rows, one per line."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc

from services.worker.formats.plain import plain_text
from services.worker.formats.table import WriteRows
from services.worker.provenance import FileContents
from shared.reports.formats import FileKind

_MEMBERS: Mapping[FileKind, str] = {
    "report": "stores",
    "outages": "outages",
    "reasons": "reasons",
    "summary": "rows",
    "service_levels": "service_levels",
}


@contextmanager
def json_file(target: IO[bytes], contents: FileContents) -> Iterator[WriteRows]:
    """Write the head, then the rows that are given, then the end when the block ends."""
    head = {
        "provenance": dict(contents.provenance),
        "columns": {column.name: column.unit for column in contents.columns},
    }
    separator = "\n"
    target.write(f'{_dump_compact(head)[:-1]},"{_MEMBERS[contents.kind]}":['.encode())

    def write_rows(rows: pa.RecordBatch) -> None:
        nonlocal separator
        lines = [_dump_compact(row) for row in _written_instants(plain_text(rows)).to_pylist()]
        if lines:
            target.write((separator + ",\n".join(lines)).encode())
            separator = ",\n"

    yield write_rows
    target.write(b"\n]}\n")


def _written_instants(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Return the rows with instants as text, as in the CSV."""
    for number, field in enumerate(rows.schema):
        if pa.types.is_timestamp(field.type):
            text = pc.strftime(rows.column(number), format="%Y-%m-%dT%H:%M:%SZ")
            rows = rows.set_column(number, field.name, text)
    return rows


def _dump_compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
