"""The form of a closure: times as a person reads them, in the store's zone, and as the ingest service takes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

from services.api.web.forms import PageForm
from shared.clock import from_us, to_us
from shared.errors import InvalidRequest
from shared.local_times import instant_of, instants_of, offset_text
from shared.pictures.words import moment
from shared.uptime.closures import Treatment
from shared.uptime.store_terms import StoreClosure

TREATMENTS: Final[Mapping[str, str]] = {
    "exclude": "left out of the opening time",
    "as_up": "counted as up",
    "ignore": "only a note; the numbers stay",
}
REASONS: Final = ("planned_maintenance", "holiday", "force_majeure", "platform", "other")
_SECOND_US: Final = 1_000_000


_End = Literal["starts", "ends"]


class OffsetChoice(NamedTuple):
    """One of the two instants that a time means: its offset from UTC. `is_chosen`: the form means this one."""

    offset: str
    is_chosen: bool


@dataclass(frozen=True)
class ClosureDraft:
    """A closure as it stands in the form. Texts are those that the person wrote.

    The offsets say which instant a time means that clocks show twice. They do not matter to another time.
    """

    starts: str = ""
    ends: str = ""
    treatment: str = "exclude"
    reason: str = "other"
    note: str = ""
    starts_offset: str = ""
    ends_offset: str = ""

    @classmethod
    def of_stretch(cls, begin_us: int | None, end_us: int | None, zone: ZoneInfo) -> "ClosureDraft":
        """Return a draft for a stretch of time, widened to whole seconds."""
        ends_us = None if end_us is None else -(-end_us // _SECOND_US) * _SECOND_US
        (starts, starts_offset), (ends, ends_offset) = (_local(each, zone) for each in (begin_us, ends_us))
        return cls(starts, ends, starts_offset=starts_offset, ends_offset=ends_offset)

    @classmethod
    def of_form(cls, form: PageForm) -> "ClosureDraft":
        """Return what was sent."""
        return cls(**{field.name: form.text(field.name) for field in fields(cls)})

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

    def offsets(self, name: _End, zone: ZoneInfo) -> Sequence[OffsetChoice]:
        """Return the offsets to choose from, in order: none unless clocks show the time twice."""
        try:
            found = instants_of(self._read(name), zone)
        except InvalidRequest:
            return []
        chosen = self._parse(name, zone)
        return [
            OffsetChoice(offset_text(at.astimezone(zone)), at == chosen) for at in found if len(found) > 1
        ]

    def skipped(self, zone: ZoneInfo) -> Sequence[str]:
        """Say what each time means that clocks skip. Raises `InvalidRequest`."""
        names: Sequence[_End] = ("starts", "ends") if self.ends else ("starts",)
        return [
            f"{self._read(name):%Y-%m-%d %H:%M:%S} does not exist in {zone.key}, where clocks go forward:"
            f" {moment(to_us(self._parse(name, zone)), zone)} is taken"
            for name in names
            if not instants_of(self._read(name), zone)
        ]

    def _parse(self, name: _End, zone: ZoneInfo) -> datetime:
        """Return the instant that a time means: the one with the chosen offset, or else as `instant_of` does."""
        local = self._read(name)
        if local.tzinfo is not None:
            return local
        offset = self.starts_offset if name == "starts" else self.ends_offset
        found = (at for at in instants_of(local, zone) if offset_text(at.astimezone(zone)) == offset)
        return next(found, None) or instant_of(local, zone)

    def _read(self, name: _End) -> datetime:
        """Return a time as it is written."""
        text = self.starts if name == "starts" else self.ends
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            raise InvalidRequest(
                f"{name}: {text[:50]!r} is not a date with a time: write it as 2024-10-14T18:00", field=name
            ) from None


def _local(us: int | None, zone: ZoneInfo) -> tuple[str, str]:
    """Return an instant as local time, to the second, and its offset; empty texts without one."""
    if us is None:
        return "", ""
    local = from_us(us).astimezone(zone)
    return f"{local:%Y-%m-%dT%H:%M:%S}", offset_text(local)
