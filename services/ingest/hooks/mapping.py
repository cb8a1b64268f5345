"""A hook's mapping, ready to use. Documents are checked before they are stored, so making one from them succeeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

from services.ingest.hooks.places import Places, parse_places
from services.ingest.hooks.pointers import Steps, parse_pointer
from shared.reason_words import fold_reason
from shared.status_words import fold_status

ANY_OTHER: Final = "*"
StatusMeaning = Literal["active", "inactive", "ignore"]
TimeUnit = Literal["s", "ms", "us"]
UNIT_US: Final[Mapping[str, int]] = {"s": 1_000_000, "ms": 1000, "us": 1}


@dataclass(frozen=True)
class HookMapping:
    """Where each field of a poll comes from.

    `only`: places with texts; an item without one of the texts there is ignored. `statuses` and `reasons` translate
    folded words; `*` stands for all others. Numbers are instants only with a `unit`.
    """

    is_cloud_events: bool
    each: Steps | None
    only: Sequence[tuple[Places, frozenset[str]]]
    store: Places
    at: Places
    unit: TimeUnit | None
    assume_utc: bool
    status: Places
    statuses: Mapping[str, StatusMeaning]
    reason: Places
    reasons: Mapping[str, str]
    until: Places
    is_event: bool
    adds_stores: bool

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> Self:
        """Build a mapping from a checked document. Raise ValueError for a place that is not valid."""
        each = document.get("each")
        return cls(
            is_cloud_events=document.get("format") == "cloudevents",
            each=None if each is None else parse_pointer(each),
            only=[
                (parse_places(place), frozenset(texts))
                for place, texts in (document.get("only") or {}).items()
            ],
            store=parse_places(document["store_id"]),
            at=parse_places(document["observed_at"]),
            unit=document.get("unit"),
            assume_utc=bool(document.get("assume_utc")),
            status=parse_places(document["status"]),
            statuses={fold_status(word): to for word, to in (document.get("statuses") or {}).items()},
            reason=parse_places(document.get("reason")),
            reasons={
                fold_reason(word): fold_reason(to) for word, to in (document.get("reasons") or {}).items()
            },
            until=parse_places(document.get("until")),
            is_event=bool(document.get("event")),
            adds_stores=document.get("unknown_stores") == "add",
        )
