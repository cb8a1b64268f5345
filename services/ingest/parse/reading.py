"""How a sender says that values without one plain meaning are to be read. Imports no database."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Self

from services.ingest.parse.date_formats import DateFormat
from services.ingest.parse.dates import parse_date
from shared.errors import InvalidRequest
from shared.row_reasons import ROW_REASONS
from shared.status_words import format_status_words, parse_status_words


@dataclass(frozen=True)
class Reading:
    """What the sender said: words for the status, the format of timestamps, and whether times without a zone are UTC.

    Hours whose rows have no date apply from `effective_from` on. All are kept as text, as they are stored with the
    import. Make one with `parse`, which checks them.
    """

    status: str = ""
    date_format: str = ""
    assume_utc: bool = False
    effective_from: str = ""

    @classmethod
    def parse(
        cls, status: str = "", date_format: str = "", *, assume_utc: bool = False, effective_from: str = ""
    ) -> Self:
        """Return the reading. Raise `InvalidRequest`, whose `field` is the name of the argument."""
        try:
            words = format_status_words(parse_status_words(status))
        except ValueError as error:
            raise InvalidRequest(f"invalid status mapping: {error}", field="status") from None
        try:
            if date_format:
                DateFormat.parse(date_format)
        except ValueError as error:
            raise InvalidRequest(
                f"invalid date format {date_format!r}: {error}", field="date_format"
            ) from None
        first_date = parse_date(effective_from) if effective_from else None
        if effective_from and first_date is None:
            raise InvalidRequest(
                f"invalid effective_from {effective_from!r}: {ROW_REASONS['date']}", field="effective_from"
            )
        return cls(words, date_format, assume_utc, str(first_date or ""))

    @classmethod
    def from_stored(cls, stored: Mapping[str, object] | None) -> Self:
        """Return the reading that `to_stored` returned."""
        given = stored or {}
        texts = {name: str(given.get(name, "")) for name in ("status", "date_format", "effective_from")}
        return cls(**texts, assume_utc="assume_utc" in given)

    def to_stored(self) -> dict[str, object] | None:
        """Return what was said, by name. None if nothing was: then values are read as the documentation describes."""
        return {name: value for name, value in vars(self).items() if value} or None

    @property
    def status_words(self) -> Mapping[str, bool]:
        """The words that mean active (true) or inactive, in addition to these two."""
        return parse_status_words(self.status)

    @property
    def first_date(self) -> date | None:
        """The first local date of hours whose rows have no date. None: they are the hours without a date."""
        return date.fromisoformat(self.effective_from) if self.effective_from else None

    def describe(self) -> Iterator[str]:
        """Yield a sentence for each choice of the sender, except what is counted."""
        if self.status:
            yield f"statuses were read by the mapping {self.status}"
        if self.date_format:
            yield f"timestamps were read by the format {self.date_format!r}"


PLAIN = Reading()
