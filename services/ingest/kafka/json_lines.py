"""Reads a JSON value: the object of one poll, as `POST /v1/observations` takes it, or an array of them."""

import csv
import io
import json
import re
from collections.abc import Sequence
from typing import Final

from pydantic import TypeAdapter, ValidationError

from services.ingest.parse.observation import Observation
from shared.http.unique_names import load_unique

JSON_HEADER: Final = b"store_id,status,observed_at,reason,event,until"
_FEWEST_TEXTS: Final = 3  # store_id, status, observed_at
_ONE, _SEVERAL = TypeAdapter(Observation), TypeAdapter(list[Observation])
# A line end in a field would begin another row. As a control character it is refused.
_NO_LINE_ENDS: Final = str.maketrans("\r\n", "\0\0")
_NEEDS_QUOTES: Final = re.compile('["\r\n]').search
_COMMAS: Final = JSON_HEADER.count(b",")


def read_json_value(value: bytes) -> bytes | str:
    """Return the polls as lines of CSV, or why the value cannot be read."""
    try:
        is_array = value.lstrip().startswith(b"[")
        polls = _SEVERAL.validate_json(value) if is_array else [_ONE.validate_json(value)]
        if value.count(b'"') != sum(map(_count_quotes, polls)):
            load_unique(value)  # the parser above keeps the last of several members with one name
    except (ValidationError, json.JSONDecodeError):
        return "message"
    return _write_lines(polls) if polls else "message"


def _count_quotes(poll: Observation) -> int:
    """Return how many quotes the poll takes as JSON, if no text has an escape. A repeated member takes more."""
    texts = _FEWEST_TEXTS + (poll.reason is not None) + (poll.until is not None)
    return 2 * (len(poll.model_fields_set) + texts)


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
