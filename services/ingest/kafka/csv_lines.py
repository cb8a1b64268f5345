"""Reads a value of CSV: one or more rows without a header."""

from collections.abc import Sequence

from services.ingest.kafka.value_parts import PartFault, PartlyRead, ValuePart
from services.ingest.parse.encodings import is_utf8


def read_csv_value(value: bytes) -> bytes | PartlyRead:
    """Return the rows of a value, each ended by a newline, and those that cannot be read."""
    value = _end_lines(value)
    if b"\r" not in value and is_utf8(value):
        return value
    parts = list_csv_parts(value)
    rows = list(enumerate(_split_rows(value)))
    faults = {number: reason for number, row in rows if (reason := _find_fault(row))}
    good = [(number, row) for number, row in rows if number not in faults]
    return PartlyRead(
        b"".join(row + b"\n" for _, row in good),
        [number for number, _ in good],
        [PartFault(number, reason, parts[number]) for number, reason in faults.items()],
    )


def list_csv_parts(value: bytes) -> Sequence[ValuePart]:
    """Return the rows of a value, named by their line if there are several."""
    rows = _split_rows(_end_lines(value))
    return [
        ValuePart.of_text(f"line {line}" if len(rows) > 1 else "", row) for line, row in enumerate(rows, 1)
    ]


def _end_lines(value: bytes) -> bytes:
    if b"\r" in value:
        value = value.replace(b"\r\n", b"\n").removesuffix(b"\r")
    return value if value.endswith(b"\n") else value + b"\n"


def _split_rows(value: bytes) -> Sequence[bytes]:
    return value.split(b"\n")[:-1]


def _find_fault(row: bytes) -> str | None:
    if b"\r" in row:
        return "control_character"
    return None if is_utf8(row) else "encoding"
