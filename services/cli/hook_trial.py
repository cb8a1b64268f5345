"""What `uptill hooks test` takes and shows: the headers of a call, and what a sample would become."""

from collections.abc import Mapping
from typing import Final

from services.cli.console import instant, note
from services.cli.parameters import parse_pairs
from services.cli.tables import print_table
from uptill_client import HookTrial

HEADER_FORM: Final = "NAME:VALUE"


def parse_headers(given: list[str] | None) -> Mapping[str, str]:
    """Return headers by name. Ends the command with a message if one is invalid."""
    return parse_pairs(given, "header", HEADER_FORM, str.strip, mark=":")


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
