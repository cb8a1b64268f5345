"""The mapping of a hook's document, checked before it is stored."""

from collections.abc import Callable, Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from services.ingest.hooks.mapping import ANY_OTHER, StatusMeaning, TimeUnit
from services.ingest.hooks.places import parse_places
from services.ingest.hooks.pointers import parse_pointer
from shared.http.bodies import RequestBody, must_be
from shared.reason_words import WORD_RULE, fold_reason, is_reason_word
from shared.status_words import fold_status

_MAX_WORDS, _MAX_PLACES, _MAX_WORD = 200, 8, 200


def _check_pointer(text: str) -> str:
    parse_pointer(text)
    return text


def _check_places(given: str | list[str]) -> str | list[str]:
    parse_places(given)
    return given


def _check_reason(word: str) -> str:
    if word and not is_reason_word(fold_reason(word)):
        raise ValueError(f"is not a word for a reason; write {WORD_RULE}, or nothing for no reason")
    return word


def _check_words(words: Mapping[str, str], fold: Callable[[str], str], name: str) -> None:
    """Raise ValueError if two words are the same once folded, but mean different things."""
    meanings: dict[str, str] = {}
    for word, meaning in words.items():
        if meanings.setdefault(fold(word), meaning) != meaning:
            raise ValueError(
                f"{name} has {word[:50]!r} twice with different meanings: case and surrounding spaces do not matter;"
                " name it once"
            )


Pointer = Annotated[str, AfterValidator(_check_pointer)]
OnePlace = Annotated[str, Field(max_length=_MAX_WORD), AfterValidator(_check_places)]
PlaceOrPlaces = Annotated[
    str | Annotated[list[str], Field(min_length=1, max_length=_MAX_PLACES)],
    must_be(f"a place, or a list of 1 to {_MAX_PLACES} places"),
    AfterValidator(_check_places),
]
Word = Annotated[str, Field(max_length=_MAX_WORD)]
ReasonWord = Annotated[str, Field(max_length=50), AfterValidator(_check_reason)]


class HookMappingParts(RequestBody):
    """A mapping, or the parts of it that differ from those of a preset. A place is a JSON Pointer, or a list of places."""

    format: Literal["json", "cloudevents"] = Field(
        default="json", description="`cloudevents`: items are CloudEvents 1.0 in any content mode."
    )
    each: Pointer | None = Field(
        default=None,
        description="Pointer to a list whose items are mapped one by one; empty for a payload that is a list itself.",
        examples=["/events"],
    )
    only: dict[OnePlace, list[Word]] = Field(
        default={},
        max_length=_MAX_PLACES,
        description="Places, each with texts: an item counts only if each place has one of its texts. Others are ignored.",
        examples=[{"/event_type": ["store.status"]}],
    )
    store_id: PlaceOrPlaces | None = Field(default=None, examples=["/store/id"])
    observed_at: PlaceOrPlaces | None = Field(
        default=None, description="`received` is when the call arrived.", examples=["/event_time"]
    )
    unit: TimeUnit | None = Field(
        default=None,
        description="Of instants that are numbers: since 1970. Without it, numbers are rejected.",
    )
    assume_utc: bool = Field(
        default=False, strict=True, description="Read instants without a time zone as UTC."
    )
    status: PlaceOrPlaces | None = Field(default=None, examples=["/status"])
    statuses: dict[Word, StatusMeaning] = Field(
        default={},
        max_length=_MAX_WORDS,
        description="What words mean. `*` stands for all others. Items with a status that means `ignore` are ignored.",
        examples=[{"ONLINE": "active", "OFFLINE": "inactive"}],
    )
    reason: PlaceOrPlaces | None = Field(default=None, examples=["/reason"])
    reasons: dict[Word, ReasonWord] = Field(
        default={},
        max_length=_MAX_WORDS,
        description="Translates words into those of the registry of reasons; an empty text means no reason.",
        examples=[{"PAUSED_BY_RESTAURANT": "paused_by_store"}],
    )
    until: PlaceOrPlaces | None = Field(
        default=None, description="When the state of an event ended. An end in the future is left out."
    )
    event: bool = Field(
        default=False,
        strict=True,
        description="True if items are changes of state at their instant, not looks.",
    )
    unknown_stores: Literal["reject", "add"] = "reject"


class HookMappingBody(HookMappingParts):
    """A whole mapping."""

    store_id: PlaceOrPlaces = Field(examples=["/store/id"])
    observed_at: PlaceOrPlaces = Field(examples=["/event_time"])
    status: PlaceOrPlaces = Field(examples=["/status"])

    @model_validator(mode="after")
    def _fits_together(self) -> "HookMappingBody":
        if self.until is not None and not self.event:
            raise ValueError("until belongs to events: set event to true, or leave until out")
        if self.format == "cloudevents" and self.each is not None:
            raise ValueError("each does not belong to the format cloudevents: a batch is split by itself")
        if ANY_OTHER in self.statuses and len(self.statuses) == 1:
            raise ValueError('statuses has only "*": name at least one word')
        _check_words(self.statuses, fold_status, "statuses")
        _check_words(self.reasons, fold_reason, "reasons")
        return self
