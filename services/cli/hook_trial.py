"""What `uptill hooks test` takes and shows: the body and the headers of a call, and what the body would become."""

import json
import os
from collections.abc import Mapping
from typing import Final

from services.cli.console import fail, instant, note
from services.cli.given_files import name_file, read_bytes, refuse_gzip, telling_file
from services.cli.parameters import parse_pairs
from services.cli.tables import print_table
from services.ingest.hooks.call_terms import MAX_HOOK_BYTES, read_value
from services.ingest.hooks.places import HEADER_RULE, is_header_name
from shared.errors import BodyTooLarge
from shared.exit_codes import ExitCode
from shared.unique_json import load_unique
from uptill_client import HookTrial

HEADER_FORM: Final = "NAME:VALUE"
_SHOWN_REJECTS: Final = 20


def parse_headers(given: list[str] | None) -> Mapping[str, str]:
    """Return headers by name, in lower case. Ends the command with a message if one is invalid."""
    found: dict[str, str] = {}
    for name, value in parse_pairs(given, "header", HEADER_FORM, _read_argument, mark=":").items():
        if not is_header_name(name):
            fail(f"invalid name of a header {name!r}: write {HEADER_RULE}", code=ExitCode.WRONG_USE)
        if name.lower() in found:
            fail(f"the header {name!r} is given twice: give it once", code=ExitCode.WRONG_USE)
        found[name.lower()] = value
    return found


def _read_argument(value: str) -> str:
    """Return the text that a call with the bytes of this argument would have."""
    return read_value(os.fsencode(value).strip())


def read_sample(file: str) -> bytes:
    """Return the JSON that a sender would send, as it is. Ends the command with a message if no call would take it."""
    given = read_bytes(file, MAX_HOOK_BYTES)
    if len(given) > MAX_HOOK_BYTES:
        fail(f"{name_file(file)}: {BodyTooLarge(MAX_HOOK_BYTES)}", code=ExitCode.WRONG_USE)
    refuse_gzip(file, given)
    with telling_file(file):
        load_unique(given)
        return given.decode(json.detect_encoding(given), "surrogatepass").encode("utf-8", "surrogatepass")


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
    for reject in found.rejects[:_SHOWN_REJECTS]:
        note(f"rejected as {reject.reason}: {reject.message}; the item: {reject.item}")
    if (more := len(found.rejects) - _SHOWN_REJECTS) > 0:
        note(f"and {more:,} more: --json shows all rejected items")
    if not (found.polls or found.rejects or found.ignored):
        note("ignored, because it has no item")
    if found.ignored:
        note(f"ignored, because of only or a status that means ignore: {found.ignored}")
