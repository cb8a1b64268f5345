"""What to do about a rejected row, by the way that it came in: what helps with a file helps no sender of a hook's calls."""

from collections.abc import Mapping
from typing import Any, Final, Literal

from shared.row_reasons import ROW_REASONS
from shared.store_ids import NO_ID, ODD_LOOKS

WayIn = Literal["file", "hook", "kafka", "live"]

_OF_HOOKS: Final[Mapping[str, str]] = {
    "status": "the value at status of the mapping is missing, or is a word that the mapping does not know; add the word to statuses as active, inactive or ignore, or correct status",
    NO_ID: "the value at store_id of the mapping is missing or empty; correct store_id, or ask the sender what changed",
    "store_id": "the value at store_id of the mapping is . or .. (which no URL can contain), is longer than 1024 bytes, or contains a space other than the plain one; correct store_id, or ask the sender what changed",
    "control_character": "the value at store_id of the mapping contains a control character or an invisible character; name another place in store_id, or ask the sender for clean ids",
    "odd_id": f"the value at store_id of the mapping looks like {ODD_LOOKS}; name another place in store_id, or allow such ids with UPTILL_ALLOW_ODD_IDS=true of the ingest service",
    "timestamp": "the value at observed_at of the mapping is missing, or is not an instant such as 2024-10-14T18:00:00Z; correct observed_at, and for numbers since 1970 set unit to s, ms or us",
    "tz_missing": "the value at observed_at of the mapping names no time zone; if it is UTC, set assume_utc to true",
    "timestamp_range": "the value at observed_at of the mapping is outside the years 2000 to 2100; if it is a number, check unit",
    "future": "the value at observed_at of the mapping is more than 5 minutes in the future by the database's clock; check unit, assume_utc and the sender's clock",
    "until": "the value at until of the mapping is not an instant with a time zone such as 2024-10-14T18:00:00Z, from 2000 to 2100; correct until or leave it out, set unit to s, ms or us for numbers since 1970, or set assume_utc to true",
    "until_order": "the value at until of the mapping is not after that at observed_at; correct the two places, or leave until out",
    "unknown_reason": "the value at reason of the mapping is not one of the known words; translate it in reasons, where * stands for all others, or add the word with `uptill reasons add WORD`",
}
_OF_KAFKA: Final[Mapping[str, str]] = {
    "columns": "the row does not have as many fields as UPTILL_KAFKA_COLUMNS; correct the producer or the setting",
    "unnamed_column": "the row has a value where UPTILL_KAFKA_COLUMNS has no name, so it is unclear what the value means; name the column there, or send nothing in it",
    "repeated_header": "the row is a header; send rows only, since UPTILL_KAFKA_COLUMNS is the header",
    NO_ID: "the store id is empty; send it with each poll",
    "text_mark": 'a value is written as ="00123", as spreadsheets mark text; send the value alone, as 00123',
    "encoding": "the row is not UTF-8; send UTF-8",
    "control_character": "the poll contains a control character or an invisible character, such as one that reverses text; leave it out",
    "line_too_long": "the poll is longer than 64 KB; send only the fields of a poll",
    "odd_id": f"the store id looks like {ODD_LOOKS}; send the real id, or allow such ids with UPTILL_ALLOW_ODD_IDS=true of the consumer",
    "status": "the status is neither active nor inactive; send one of these, or map other words with UPTILL_STATUS_WORDS of the consumer, such as online=active,offline=inactive",
    "timestamp": "the instant does not have a form such as 2024-10-14T18:00:00Z (year first, 24 hours), or does not exist",
    "event": "event is neither yes nor no; send yes if the poll reports the change of state at its very instant, and no or nothing if it is a look",
    "until": "until is not an instant with a time zone such as 2024-10-14T18:00:00Z, from 2000 to 2100; send nothing if the state has not ended",
    "until_of_look": "until is given, but the poll is not an event; set event to true (yes in CSV), or send no until",
    "until_order": "until is not after the poll's own instant, or is more than 5 minutes in the future; send no until, and the end as an event of its own when it has come",
    "unknown_reason": "the reason is not one of the known words; send a word that `uptill reasons list` shows, add the word with `uptill reasons add WORD`, or send no reason",
}
_OF_CALLS: Final[Mapping[str, str]] = {
    "timestamp": "the instant does not have a form such as 2024-10-14T18:00:00Z (year first, 24 hours), or does not exist",
    "until": "until is not an instant with a time zone such as 2024-10-14T18:00:00Z, from 2000 to 2100; leave it out if the state has not ended",
    "until_of_look": "until is given, but the poll is not an event; set event to true, or leave until out",
    "until_order": "until is not after observed_at, or is more than 5 minutes in the future; leave it out, and send the end as an event of its own when it has come",
    "unknown_reason": "the reason is not one of the known words; use a word that GET /v1/reasons lists, add the word with PUT /v1/reasons/{word}, or leave the field out",
}
ADVICE: Final[Mapping[WayIn, Mapping[str, str]]] = {
    "file": {},
    "hook": _OF_HOOKS,
    "kafka": _OF_KAFKA,
    "live": _OF_CALLS,
}


def find_way_in(origin: str | None) -> WayIn:
    """Return how the rejected rows of an import with this `origin` came in. Live calls keep none: they are refused whole."""
    return "kafka" if origin == "kafka" else "hook" if origin == "live" else "file"


def advise(reason: str, way: WayIn) -> str | None:
    """Return what is wrong with such a row and what to do, or None for a reason of a later release."""
    return ADVICE[way].get(reason) or ROW_REASONS.get(reason)


def require_advice(reason: str, way: WayIn) -> str:
    """Like `advise`, for a reason of this release. Raise KeyError for any other."""
    return ADVICE[way].get(reason) or ROW_REASONS[reason]


def describe_listed(rejected: int, quality: Mapping[str, Any] | None) -> str:
    """Return how many of an import's rejected rows are listed, or nothing if all are."""
    unlisted = sum((quality or {}).get("rejects_unlisted", {}).values())
    return f"the first {rejected - unlisted:,} of {rejected:,} rejected rows are listed" if unlisted else ""
