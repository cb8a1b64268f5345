"""Reads a JSON value: the object of one poll, as `POST /v1/observations` takes it, or a list of them."""

import csv
import io
import re
from collections.abc import Sequence
from typing import Final

from pydantic import TypeAdapter, ValidationError

from services.ingest.kafka.json_elements import count_quotes, is_list, list_elements, read_element
from services.ingest.kafka.value_parts import PartFault, PartlyRead, ValuePart, read_nothing
from services.ingest.parse.observation import Observation

JSON_HEADER: Final = b"store_id,status,observed_at,reason,event,until"
_ONE, _SEVERAL = TypeAdapter(Observation), TypeAdapter(list[Observation])
# A line end in a field would begin another row. As a control character it is refused.
_NO_LINE_ENDS: Final = str.maketrans("\r\n", "\0\0")
_NEEDS_QUOTES: Final = re.compile('["\r\n]').search
_COMMAS: Final = JSON_HEADER.count(b",")


def read_json_value(value: bytes) -> bytes | PartlyRead:
    """Return the polls as lines of CSV, and what of the value cannot be read."""
    try:
        polls = _SEVERAL.validate_json(value) if is_list(value) else [_ONE.validate_json(value)]
    except ValidationError:
        return _read_elements(value)
    if not polls or value.count(b'"') != sum(map(count_quotes, polls)):
        return _read_elements(value)
    return _write_lines(polls)


def list_json_parts(value: bytes) -> Sequence[ValuePart]:
    """Return the polls of a value that was read."""
    return [ValuePart.of_text(*element) for element in list_elements(value)]


def _read_elements(value: bytes) -> PartlyRead:
    """Read each poll alone."""
    try:
        elements = list_elements(value)
    except (ValueError, RecursionError):
        elements = []
    if not elements:
        return read_nothing("message", value)
    read = [read_element(number, element) for number, element in enumerate(elements)]
    good = [(number, poll) for number, poll in enumerate(read) if isinstance(poll, Observation)]
    return PartlyRead(
        _write_lines([poll for _, poll in good]),
        [number for number, _ in good],
        [fault for fault in read if isinstance(fault, PartFault)],
    )


def _write_lines(polls: Sequence[Observation]) -> bytes:
    return "".join([_write_line(poll) for poll in polls]).encode()


def _write_line(poll: Observation) -> str:
    if poll.says_more:
        more = ("yes" if poll.event else "", poll.until or "")
        fields = (poll.store_id, poll.status, poll.observed_at, poll.reason or "", *more)
    else:
        fields = (poll.store_id, poll.status, poll.observed_at, "", "", "")
    line = ",".join(fields)
    if line.count(",") == _COMMAS and not _NEEDS_QUOTES(line):
        return f"{line}\n"
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow([field.translate(_NO_LINE_ENDS) for field in fields])
    return text.getvalue()
