"""Instants and dates as people type them. A time without an offset is refused, unless it is of one store with a known zone."""

from collections.abc import Callable
from datetime import datetime
from typing import NoReturn, Protocol
from zoneinfo import ZoneInfo

import typer

from services.cli.console import fail, note
from services.cli.local_times import zone_to_read
from shared.exit_codes import ExitCode
from shared.local_times import instant_of, instants_of, offset_text
from shared.texts import quoted

INSTANT_HELP = "such as 2024-10-18T16:00-05:00 or 2024-10-18T21:00Z"
STORE_INSTANT_HELP = f"{INSTANT_HELP}; without an offset, local time of the store, if only one is named"


class ZonedStore(Protocol):
    """A store, and whether its zone was set."""

    @property
    def store_id(self) -> str: ...
    @property
    def timezone(self) -> str: ...
    @property
    def timezone_is_default(self) -> bool: ...


def parse_instant(text: str) -> datetime:
    """Parse an instant with its offset. Ends the command with a message if it is invalid, or has none."""
    found = _parse(text)
    if found.tzinfo is None:
        _refuse(
            text,
            "has no offset from UTC",
            f"{found.isoformat(timespec='minutes')}Z",
            "or an offset such as -05:00",
        )
    return found


class StoreTimes:
    """The times of one call. `read_store` is called at most once, and only if a time has no offset."""

    def __init__(self, read_store: Callable[[], ZonedStore] | None) -> None:
        self._read_store = read_store
        self._zone: ZoneInfo | None = None

    def parse(self, text: str | None) -> datetime | None:
        """Parse an instant, if there is one. Ends the command with a message if it is not clear which one is meant."""
        return None if text is None else self.parse_given(text)

    def parse_given(self, text: str) -> datetime:
        """Parse an instant."""
        found = _parse(text)
        if found.tzinfo is not None or self._read_store is None:
            return parse_instant(text)
        zone = self._zone or self._read_zone(text, self._read_store())
        meant = [at.astimezone(zone) for at in instants_of(found, zone)]
        if not meant:
            after = instant_of(found, zone).astimezone(zone).isoformat(timespec="minutes")
            _refuse(text, f"does not occur in {zone.key}, where clocks go forward then", after)
        if len(meant) > 1:
            first, second = (f"{found.isoformat()}{offset_text(at)}" for at in meant)
            _refuse(text, f"occurs twice in {zone.key}, where clocks go back then", first, f"or {second}")
        return meant[0]

    def _read_zone(self, text: str, store: ZonedStore) -> ZoneInfo:
        if store.timezone_is_default:
            where = f"has no offset from UTC, and store {quoted(store.store_id)} has no time zone of its own"
            _refuse(
                text, where, f"{_parse(text).isoformat(timespec='minutes')}Z", "or an offset such as -05:00"
            )
        self._zone = zone_to_read(store.timezone)
        note(f"times without an offset are local times of store {store.store_id}: {store.timezone}")
        return self._zone


def _parse(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        fail(
            f"invalid time {text!r}: write it as 2024-10-18T21:00Z or 2024-10-18T16:00-05:00",
            code=ExitCode.WRONG_USE,
        )


def _refuse(text: str, why: str, *forms: str) -> NoReturn:
    fail(f"the time {text!r} {why}: write {' '.join(forms)}", code=ExitCode.WRONG_USE)


def parse_date(text: str) -> datetime:
    """Return the start of a date, without a zone. Raise `typer.BadParameter`, which names the option."""
    try:
        return datetime.strptime(text, "%Y-%m-%d")  # noqa: DTZ007 - the caller knows the zone
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a date: write it as 2024-12-25") from None
