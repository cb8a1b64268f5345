"""What `uptill hooks test` takes and shows: the body and the headers of a call, and what the body would become."""

import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from services.cli.console import fail, instant, note
from services.cli.parameters import parse_pairs
from services.cli.tables import print_table
from services.ingest.hooks.places import HEADER_RULE, is_header_name
from shared.exit_codes import ExitCode
from uptill_client import HookTrial

HEADER_FORM: Final = "NAME:VALUE"


def parse_headers(given: list[str] | None) -> Mapping[str, str]:
    """Return headers by name, in lower case. Ends the command with a message if one is invalid."""
    found: dict[str, str] = {}
    for name, value in parse_pairs(given, "header", HEADER_FORM, str.strip, mark=":").items():
        if not is_header_name(name):
            fail(f"invalid name of a header {name!r}: write {HEADER_RULE}", code=ExitCode.WRONG_USE)
        if name.lower() in found:
            fail(f"the header {name!r} is given twice: give it once", code=ExitCode.WRONG_USE)
        found[name.lower()] = value
    return found


def read_sample(file: str) -> bytes:
    """Return the JSON that a sender would send, as it is. Ends the command with a message if it is not JSON."""
    try:
        given = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        text = given.decode(json.detect_encoding(given), "surrogatepass")
        json.loads(text, parse_constant=refuse_constant)
    except OSError as error:
        fail(f"cannot read {file}: {error}", code=ExitCode.WRONG_USE)
    except RecursionError:
        fail(f"{file} is nested too deeply", code=ExitCode.WRONG_USE)
    except ValueError as error:
        fail(f"{file} is not JSON: {error}", code=ExitCode.WRONG_USE)
    return text.encode("utf-8", "surrogatepass")


def refuse_constant(text: str) -> float:
    """Refuse NaN and the infinities, which no JSON has."""
    raise ValueError(f"{text} is not a JSON value")


def read_finite(text: str) -> float:
    """Return a number with a point or an exponent. Refuse one that no float holds."""
    if not math.isfinite(number := float(text)):
        raise ValueError(f"the number {text} is too large")
    return number


def show_trial(found: HookTrial) -> None:
    """Print what a sample would become. There is a table only of polls."""
    if found.polls:
        print_table(
            ("store", "status", "at (UTC)", "event", "reason", "until (UTC)"),
            [
                (
                    one.store_id, one.status, instant(one.observed_at), "yes" if one.event else "no",
                    one.reason or "-", instant(one.until) if one.until else "-",
                )
                for one in found.polls
            ],
        )  # fmt: skip
    for reject in found.rejects:
        note(f"rejected as {reject.reason}: {reject.message}; the item: {reject.item}")
    if not (found.polls or found.rejects or found.ignored):
        note("ignored, because it has no item")
    if found.ignored:
        note(f"ignored, because of only or a status that means ignore: {found.ignored}")
