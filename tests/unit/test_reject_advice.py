"""What to do about a rejected row fits the way that it came in."""

import re
from typing import get_args

import pytest

from services.api.web.import_rejects import group_rejects, title_sources
from services.api.web.import_view import ShownReject
from shared.reject_advice import ADVICE, WayIn, advise, find_way_in
from shared.row_reasons import ROW_REASONS

ROWS = [
    ShownReject(line=1, reason="status", raw="x", source="polls[0]@7"),
    ShownReject(line=2, reason="later", raw="y"),
]
# What can be wrong with a poll of each way in.
_OF_POLLS = {
    "no_id",
    "store_id",
    "odd_id",
    "control_character",
    "status",
    "timestamp",
    "tz_missing",
    "timestamp_range",
    "future",
}
_OF_NOTES = {"until", "until_order", "unknown_reason"}
POSSIBLE: dict[WayIn, set[str]] = {
    "hook": _OF_POLLS | _OF_NOTES | {"unknown_store", "not_a_list", "cloud_event"},
    "kafka": _OF_POLLS
    | _OF_NOTES
    | {
        "until_of_look",
        "event",
        "columns",
        "unnamed_column",
        "repeated_header",
        "quoting",
        "text_mark",
        "encoding",
        "line_too_long",
    }
    | {
        "message",
        "no_value",
        "empty_value",
        "field_missing",
        "field_unknown",
        "field_type",
        "field_repeated",
        "refused",
    },
    "live": {"timestamp", "tz_missing", "timestamp_range", "future", "until_of_look"} | _OF_NOTES,
}
_OF_FILES = re.compile(r"--|\bfiles?\b|\bupload|given date format|\bexport|leave it empty")


@pytest.mark.parametrize("way", POSSIBLE)
def test_no_advice_speaks_of_files_that_were_not_loaded(way: WayIn) -> None:
    texts = {reason: advise(reason, way) or "" for reason in POSSIBLE[way]}
    assert {reason: text for reason, text in texts.items() if not text or _OF_FILES.search(text)} == {}
    assert ADVICE[way].keys() <= POSSIBLE[way]


def test_every_reason_has_advice_for_files() -> None:
    assert ADVICE.keys() == set(get_args(WayIn))
    assert all(advise(reason, "file") for reason in ROW_REASONS)
    assert advise("of a later release", "hook") is None


def test_an_import_tells_how_its_rows_came_in() -> None:
    origins = ("upload", "command", "change", "live", "kafka", None)
    assert [find_way_in(origin) for origin in origins] == ["file", "file", "file", "hook", "kafka", "file"]


def test_the_page_names_messages_and_no_field_of_the_form() -> None:
    status, later = group_rejects(ROWS, {"status": 1, "later": 1}, "kafka")[::-1]
    assert "UPTILL_STATUS_WORDS" in status.advice
    assert not status.has_field
    assert "no text for this reason" in later.advice
    assert group_rejects(ROWS, {"status": 1})[1].has_field
    assert (title_sources(ROWS, "kafka"), title_sources(ROWS[:1], "hook")) == ("Message", "Hook")
    assert (title_sources(ROWS, "file"), title_sources(ROWS[:1], "file")) == ("File", "")
