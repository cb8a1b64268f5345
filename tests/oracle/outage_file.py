"""The file of outages and the figures of a report's detail, written one value after the other."""

from collections.abc import Mapping, Sequence
from datetime import UTC, timedelta
from fractions import Fraction
from math import floor
from zoneinfo import ZoneInfo

from tests.oracle.accounting import EPOCH
from tests.oracle.outages import Outage, ReasonTime

COLUMNS = (
    "store_id,window,started_at,ended_at,end,down_s,polls,last_up_poll_at,first_down_poll_at,last_down_poll_at,"
    "first_up_poll_at,began_at_opening,starts_before_window,started_at_local,ended_at_local,reasons"
)
FIGURES = ("longest_outage", "mttr", "mtbf")


def outages_file(found: Mapping[str, tuple[str | None, Mapping[str, Sequence[Outage]]]]) -> bytes:
    """The bytes of the file, given the zone of each store and its outages in each window."""
    lines = [
        outage_line(store_id, zone or "America/Chicago", window, outage)
        for store_id, (zone, by_window) in sorted(found.items(), key=lambda item: item[0].encode())
        for window, outages in by_window.items()
        for outage in outages
    ]
    return "".join(f"{line}\n" for line in [COLUMNS, *lines]).encode()


def reasons_file(found: Mapping[str, Mapping[str, Sequence[ReasonTime]]]) -> bytes:
    """The bytes of the file of downtime by reason, given that of each store in each window."""
    lines = [
        f"{store_id},{window},{time.reason},{in_seconds(time.down_us)},{time.outages}"
        for store_id, by_window in sorted(found.items(), key=lambda item: item[0].encode())
        for window, times in by_window.items()
        for time in times
    ]
    return "".join(f"{line}\n" for line in ["store_id,window,reason,down_s,outages", *lines]).encode()


def outage_line(store_id: str, zone: str, window: str, outage: Outage) -> str:
    fields = (
        store_id,
        window,
        in_utc(outage.started_us),
        in_utc(outage.ended_us),
        outage.end,
        in_seconds(outage.down_us),
        str(outage.polls),
        in_utc(outage.last_up_poll_us),
        in_utc(outage.first_down_poll_us),
        in_utc(outage.last_down_poll_us),
        in_utc(outage.first_up_poll_us),
        str(outage.began_at_opening).lower(),
        str(outage.starts_before_window).lower(),
        in_zone(outage.started_us, zone),
        in_zone(outage.ended_us, zone),
        " ".join(outage.reasons),
    )
    return ",".join(fields)


def in_seconds(us: int) -> str:
    return f"{us // 1_000_000}.{us % 1_000_000:06}"


def in_utc(at_us: int | None) -> str:
    if at_us is None:
        return ""
    return f"{EPOCH + timedelta(microseconds=at_us):%Y-%m-%dT%H:%M:%S.%f}Z"


def in_zone(at_us: int | None, zone: str) -> str:
    if at_us is None:
        return ""
    at = EPOCH.replace(tzinfo=UTC) + timedelta(microseconds=at_us)
    return at.astimezone(ZoneInfo(zone)).replace(microsecond=0).isoformat()


def outage_figures(outages: Sequence[Outage], up_us: int, unit_us: int) -> dict[str, str]:
    """The number of outages, the longest, and the two mean times; empty where nothing can be divided."""
    ended = [outage.down_us for outage in outages if outage.end != "ongoing"]
    began = sum(not outage.starts_before_window for outage in outages)
    return {
        "outages": str(len(outages)),
        "longest_outage": rounded(max((outage.down_us for outage in outages), default=0), 1, unit_us),
        "mttr": rounded(sum(ended), len(ended), unit_us),
        "mtbf": rounded(up_us, began, unit_us),
    }


def rounded(total_us: int, number: int, unit_us: int) -> str:
    if not number:
        return ""
    shown = floor(Fraction(total_us * 10_000, number * unit_us) + Fraction(1, 2))
    return f"{shown // 10_000}.{shown % 10_000:04}"
