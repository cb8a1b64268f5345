"""The form of a closure: times as a person reads them, in the store's zone, and as the ingest service takes them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from services.api.web.forms import PageForm
from shared.clock import from_us, to_us
from shared.errors import InvalidRequest
from shared.uptime.closures import Treatment
from shared.uptime.store_terms import StoreClosure

TREATMENTS: Final[Mapping[str, str]] = {
    "exclude": "left out of the opening time",
    "as_up": "counted as up",
    "ignore": "only a note; the numbers stay",
}
REASONS: Final = ("planned_maintenance", "holiday", "force_majeure", "platform", "other")
_SECOND_US: Final = 1_000_000


@dataclass(frozen=True)
class ClosureDraft:
    """A closure as it stands in the form. Texts are those that the person wrote."""

    starts: str = ""
    ends: str = ""
    treatment: str = "exclude"
    reason: str = "other"
    note: str = ""

    @classmethod
    def of_stretch(cls, begin_us: int | None, end_us: int | None, zone: ZoneInfo) -> "ClosureDraft":
        """Return a draft for a stretch of time, widened to whole seconds."""
        return cls(
            "" if begin_us is None else _local(begin_us, zone),
            "" if end_us is None else _local(-(-end_us // _SECOND_US) * _SECOND_US, zone),
        )

    @classmethod
    def of_form(cls, form: PageForm) -> "ClosureDraft":
        """Return what was sent."""
        return cls(*(form.text(name) for name in ("starts", "ends", "treatment", "reason", "note")))

    def as_body(self, store_id: str, zone: ZoneInfo) -> Mapping[str, Any]:
        """Return the body of `POST /v1/closures`. Raises `InvalidRequest`."""
        ends = self._parse("ends", zone) if self.ends else None
        return {
            "store_id": store_id,
            "starts_at": self._parse("starts", zone).isoformat(),
            "ends_at": ends and ends.isoformat(),
            "treatment": self.treatment,
            "reason": self.reason or "other",
            "note": self.note,
        }

    def as_closure(self, zone: ZoneInfo) -> StoreClosure:
        """Return the closure for the accounting. Raises `InvalidRequest`."""
        if self.treatment not in TREATMENTS:
            raise InvalidRequest(
                f"unknown treatment {self.treatment[:50]!r}: choose one of the list", field="treatment"
            )
        return StoreClosure(
            id="",
            starts_us=to_us(self._parse("starts", zone)),
            ends_us=to_us(self._parse("ends", zone)) if self.ends else None,
            treatment=Treatment[self.treatment.upper()],
        )

    def _parse(self, name: str, zone: ZoneInfo) -> datetime:
        """Return a local time as an instant. A time that clocks repeat is its first occurrence."""
        text = getattr(self, name)
        try:
            local = datetime.fromisoformat(text)
        except ValueError:
            raise InvalidRequest(
                f"{name}: {text[:50]!r} is not a date with a time: write it as 2024-10-14T18:00", field=name
            ) from None
        return local if local.tzinfo else local.replace(tzinfo=zone)


def _local(us: int, zone: ZoneInfo) -> str:
    return f"{from_us(us).astimezone(zone):%Y-%m-%dT%H:%M:%S}"
