"""Reads what a command is given in a file or on standard input, such as JSON. Every message names the file."""

import json
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from services.cli.console import fail
from services.ingest.parse.file_signatures import is_gzip
from shared.exit_codes import ExitCode
from shared.unique_json import RefusedJson, load_unique

_STDIN = "-"
_SHOWN_DIGITS = 60


def read_bytes(file: str, most_bytes: int | None = None) -> bytes:
    """Return the bytes of a file or of standard input, and at most one byte more than `most_bytes`."""
    size = -1 if most_bytes is None else most_bytes + 1
    try:
        if file == _STDIN:
            return sys.stdin.buffer.read(size)
        with Path(file).open("rb") as opened:
            return opened.read(size)
    except OSError as error:
        fail(f"cannot read {name_file(file)}: {error}", code=ExitCode.WRONG_USE)


def read_text(file: str) -> str:
    """Return the text of a file or of standard input. Ends the command with a message if it is not UTF-8."""
    try:
        return read_bytes(file).decode()
    except UnicodeDecodeError as error:
        fail(f"cannot read {name_file(file)}: {error}", code=ExitCode.WRONG_USE)


def read_object(file: str) -> dict[str, Any]:
    """Return a JSON object that can be sent. Ends the command with a message if the file is something else."""
    with telling_file(file):
        given = read_bytes(file)
        refuse_gzip(file, given)
        found = load_unique(given)
        json.loads(given, parse_float=_read_finite, parse_int=_read_finite)
        json.dumps(found, ensure_ascii=False).encode()  # as it is sent
    if not isinstance(found, dict):
        fail(f"{name_file(file)} is not a JSON object: write the document of a hook", code=ExitCode.WRONG_USE)
    return found


def refuse_gzip(file: str, given: bytes) -> None:
    """End the command with a message if what was to be JSON is packed."""
    if is_gzip(given):
        fail(f"{name_file(file)} is not JSON, but gzip: unpack it first", code=ExitCode.WRONG_USE)


def _read_finite(text: str) -> float:
    """Return a number. Refuse one that no float holds."""
    if not math.isfinite(number := float(text)):
        shown = text if len(text) <= _SHOWN_DIGITS else f"{text[:_SHOWN_DIGITS]}…"
        raise RefusedJson(f"the number {shown} is too large")
    return number


@contextmanager
def telling_file(file: str) -> Iterator[None]:
    """If the block finds that a file is not JSON, end the command with a message that names it."""
    try:
        yield
    except RecursionError:
        fail(f"{name_file(file)} is nested too deeply", code=ExitCode.WRONG_USE)
    except RefusedJson as error:
        fail(f"{name_file(file)}: {error}", code=ExitCode.WRONG_USE)
    except ValueError as error:
        fail(f"{name_file(file)} is not JSON: {error}", code=ExitCode.WRONG_USE)


def name_file(file: str) -> str:
    """Return the file's name for a message."""
    return "standard input" if file == _STDIN else file
