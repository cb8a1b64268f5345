"""An outage as a row of a table, in the local time of its store. Where clocks change, times have their offsets."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self
from zoneinfo import ZoneInfo

from services.cli.local_times import need_offsets, zone_to_show
from services.cli.timeline import format_length
from shared.local_times import offset_text
from uptill_client import StoreOutage

TITLES = ("store", "from", "to", "down", "then", "polls", "began between", "ended between")
_SECOND_US = 1_000_000
_TO_MINUTES, _TO_SECONDS = "%H:%M", "%H:%M:%S"


def make_table(outages: Sequence[StoreOutage]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the titles and the rows, with a column of reasons if polls gave any."""
    rows = [_make_row(outage) for outage in outages]
    if not any(outage.reasons for outage in outages):
        return TITLES, rows
    reasons = [(" ".join(outage.reasons) or "-",) for outage in outages]
    return (*TITLES, "reasons"), [(*row, *cell) for row, cell in zip(rows, reasons, strict=True)]


def _make_row(outage: StoreOutage) -> tuple[str, ...]:
    """Return the cells of an outage."""
    clock = _Clock.of_outage(outage)
    start, end = outage.started_at, outage.ended_at
    return (
        outage.store_id,
        clock.show(start, _TO_MINUTES),
        clock.show(end, _TO_MINUTES, beside=start) if end else "-",
        format_length(outage.down_us // _SECOND_US * _SECOND_US),
        outage.end,
        str(outage.polls),
        _describe_begin(outage, clock),
        _describe_end(outage, clock),
    )


@dataclass(frozen=True)
class _Clock:
    """A clock at a store."""

    zone: ZoneInfo
    has_offsets: bool

    @classmethod
    def of_outage(cls, outage: StoreOutage) -> Self:
        zone = zone_to_show(outage.timezone)
        given = (
            *(outage.started_at, outage.ended_at, outage.last_up_poll_at),
            *(outage.first_down_poll_at, outage.last_down_poll_at, outage.first_up_poll_at),
        )
        return cls(zone, need_offsets([at.astimezone(zone) for at in given if at]))

    def show(self, at: datetime, form: str, beside: datetime | None = None) -> str:
        """Format a time, with its date unless it stands beside a time of the same date."""
        local = at.astimezone(self.zone)
        has_date = beside is None or beside.astimezone(self.zone).date() != local.date()
        day = f"{local:%a %Y-%m-%d} " if has_date else ""
        return f"{day}{local:{form}}{offset_text(local) if self.has_offsets else ''}"


def _describe_begin(outage: StoreOutage, clock: _Clock) -> str:
    if outage.starts_before_window:
        return "before the window"
    if outage.began_at_opening:
        return "opening"
    bounds = outage.last_up_poll_at, outage.first_down_poll_at
    return " and ".join(_show_poll(at, clock, outage.started_at) for at in bounds)


def _describe_end(outage: StoreOutage, clock: _Clock) -> str:
    if outage.ended_at is None:
        return f"after {_show_poll(outage.last_down_poll_at, clock, outage.started_at)}"
    bounds = outage.last_down_poll_at, outage.first_up_poll_at
    return " and ".join(_show_poll(at, clock, outage.ended_at) for at in bounds)


def _show_poll(at: datetime | None, clock: _Clock, beside: datetime) -> str:
    return clock.show(at, _TO_SECONDS, beside) if at else "?"
