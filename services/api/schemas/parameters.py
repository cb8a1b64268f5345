"""The parameters of a report in requests, shared by reports and schedules."""

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    model_validator,
)

from shared.http.bodies import RequestBody
from shared.http.written_times import WrittenInstant
from shared.labels import checked_labels
from shared.reason_words import WORD_RULE, fold_reason, is_reason_word
from shared.reports.formats import CONTENT_TYPES, FILE_KINDS, FileFormat, FileKind
from shared.reports.needs import MAX_SUMMARY_WINDOWS
from shared.reports.parameters import ReportParameters, StoreFilter
from shared.store_ids import clean_store_id, describe_id_fault, find_id_fault
from shared.uptime.periods import PERIOD_EXAMPLES
from shared.uptime.policy import DEFAULT_POLICY, POLICIES
from shared.uptime.window import DEFAULT_WINDOWS, MAX_WINDOWS, NAMED_WINDOWS, Window, parse_windows

MAX_STORE_IDS = 10_000
MAX_EXCLUDED_REASONS = 50
_FIRST_YEAR, _LAST_YEAR = 2000, 2100
_SHOWN = 100  # characters of a wrong value in an error


def _known_policy(name: str) -> str:
    if name not in POLICIES:
        raise ValueError(f"unknown policy {name[:_SHOWN]!r}: use one of {', '.join(POLICIES)}")
    return name


KnownPolicy = Annotated[str, AfterValidator(_known_policy)]


def _parse_as_of(as_of: object) -> datetime | Literal["latest", "now"]:
    if as_of == "latest" or as_of == "now":  # noqa: PLR1714 - keeps the literal types
        return as_of
    try:
        instant = datetime.fromisoformat(as_of) if isinstance(as_of, str) else None
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise ValueError(
            f"invalid as_of {str(as_of)[:_SHOWN]!r}: use an instant with a UTC offset such as 2024-10-14T18:00:00Z, or latest, or now"
        )
    return _known_year(instant)


def _known_year(instant: datetime) -> datetime:
    if not _FIRST_YEAR <= instant.year <= _LAST_YEAR:
        raise ValueError(
            f"{instant.isoformat()} is out of range: use a year from {_FIRST_YEAR} to {_LAST_YEAR}"
        )
    return instant


Instant = Annotated[WrittenInstant, AfterValidator(_known_year)]
AsOf = Annotated[
    AwareDatetime | Literal["latest", "now"],
    PlainValidator(_parse_as_of, json_schema_input_type=AwareDatetime | Literal["latest", "now"]),
]

_WindowTexts = Annotated[list[str], Field(min_length=1, max_length=MAX_WINDOWS)]


def _parse_window_texts(texts: object) -> tuple[Window, ...]:
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError('windows is not a list of texts: use for example ["last_day", "PT6H"]')
    return parse_windows(texts)


# A list of texts in JSON, parsed windows in Python.
Windows = Annotated[
    tuple[Window, ...],
    PlainValidator(_parse_window_texts, json_schema_input_type=_WindowTexts),
    PlainSerializer(lambda windows: [window.name for window in windows], return_type=_WindowTexts),
]


def _read_store_id(text: str) -> str:
    store_id = clean_store_id(text)
    # A stored id may be odd: the import that brought it allowed that.
    if fault := find_id_fault(store_id, allow_odd=True):
        raise ValueError(describe_id_fault(store_id, fault))
    return store_id


class StoreSelection(BaseModel):
    """The stores of a report. With both fields, stores must match both."""

    model_config = ConfigDict(extra="forbid")

    ids: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=1024), AfterValidator(_read_store_id)]] | None,
        Field(
            min_length=1,
            max_length=MAX_STORE_IDS,
            description="Store ids. Unknown ids are refused. A store that was never polled gets no row.",
        ),
    ] = None
    labels: Annotated[Mapping[str, str] | None, AfterValidator(lambda v: v and checked_labels(v))] = Field(
        default=None,
        min_length=1,
        description="Labels that a store must have, by name. All of them must match.",
    )

    @model_validator(mode="after")
    def _require_choice(self) -> "StoreSelection":
        if self.ids is None and self.labels is None:
            raise ValueError(
                "stores is empty: give ids or labels, or leave stores out to report on every store"
            )
        return self


def _known_words(words: list[str]) -> list[str]:
    folded = sorted({fold_reason(word) for word in words})
    for word in folded:
        if not is_reason_word(word):
            raise ValueError(f"{word[:_SHOWN]!r} cannot be a reason: a word has {WORD_RULE}")
    return folded


# Words of reasons, sorted, each once. Whether they exist is checked later.
ExcludedReasons = Annotated[list[str], Field(max_length=MAX_EXCLUDED_REASONS), AfterValidator(_known_words)]


class ReportParametersBody(RequestBody):
    """The parameters of a report. Every field has a default."""

    policy: KnownPolicy = Field(
        default=DEFAULT_POLICY,
        description=f"The rule that turns polls into uptime: one of {', '.join(POLICIES)}.",
    )
    detail: bool = Field(
        default=False,
        strict=True,
        description="Add columns for unknown time, bounds, excluded time, poll counts, outages and time zones.",
    )
    stores: StoreSelection | None = Field(
        default=None, description="The stores to report on. Default: every store the key can see."
    )
    windows: Windows = Field(
        default=DEFAULT_WINDOWS,
        json_schema_extra={"default": [window.text for window in DEFAULT_WINDOWS]},
        description=(
            f"The time windows, in column order. Each is one of {', '.join(NAMED_WINDOWS)}, a local period such as"
            f" {PERIOD_EXAMPLES}, or an ISO 8601 duration up to 366 days such as PT6H or P30D. Columns, files and answers"
            " name these `last_6h`, `last_30d` and `month_of_2026_10`, which can be given too. `before:` and one of these is the"
            " window just before it."
        ),
    )
    formats: list[FileFormat] = Field(
        default=["csv"],
        min_length=1,
        max_length=len(CONTENT_TYPES),
        description=(
            "The file formats to produce. CSV is always included. `pdf` is for paper: a page of all stores, and one of each"
            " store in a report of at most 200 stores. It has no file of outages; they are on the pages."
        ),
    )
    files: list[FileKind] = Field(
        default=["report"],
        min_length=1,
        max_length=len(FILE_KINDS),
        description=(
            "The files to produce, each as CSV and in every format but PDF: `outages` has one row per outage, `reasons` one row"
            " per store, window and reason with its downtime, `summary` sums by label, zone, weekday"
            f" and hour beside the window before, for at most {MAX_SUMMARY_WINDOWS} windows, `service_levels` the last evaluation of each level. `report` is always"
            " included."
        ),
    )

    exclude_reasons: ExcludedReasons = Field(
        default=[],
        description=(
            "Reasons whose time leaves the open time: the time that polls with such a reason speak for counts as excluded. See"
            " `GET /v1/reasons` for the words."
        ),
        examples=[["paused_by_store"]],
    )

    @model_validator(mode="after")
    def _limit_windows(self) -> Self:
        if "summary" in self.files and len(self.windows) > MAX_SUMMARY_WINDOWS:
            raise ValueError(
                f"a report with a summary has at most {MAX_SUMMARY_WINDOWS} windows, because it measures the windows before them"
                f" too; {len(self.windows)} were given: request several reports"
            )
        return self

    def parameters(self) -> ReportParameters:
        """Return the parameters as a value. Only windows depend on the order given."""
        values = {each.name: getattr(self, each.name) for each in fields(ReportParameters)}
        chosen = self.stores
        return ReportParameters(
            **{
                **values,
                "formats": tuple(each for each in CONTENT_TYPES if each == "csv" or each in self.formats),
                "files": tuple(each for each in FILE_KINDS if each == "report" or each in self.files),
                "stores": None if chosen is None else StoreFilter.of(chosen.ids, chosen.labels),
                "exclude_reasons": tuple(self.exclude_reasons),
            }
        )
