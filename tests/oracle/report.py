"""A whole report, computed from the CSV files alone: every row read with the csv module, every store by the oracle."""

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from fractions import Fraction
from math import ceil, floor
from pathlib import Path

from tests.oracle.accounting import DAY_US, EPOCH, HOUR_US, MINUTE_US, HoursRow, Poll, account
from tests.oracle.outage_file import FIGURES, outage_figures
from tests.oracle.outages import Outage

WINDOWS = {"last_hour": HOUR_US, "last_day": DAY_US, "last_week": 7 * DAY_US}
UNITS_US = {"last_hour": MINUTE_US, "last_day": HOUR_US, "last_week": HOUR_US}
SHOWN = {"uptime": "up_us", "downtime": "down_us"}
DETAIL = {
    "unknown": "unknown_us",
    "uptime_min": "up_min_us",
    "uptime_max": "up_max_us",
    "excluded": "excluded_us",
}


def expected_csv(polls: Path, hours: Path, zones: Path, *, policy: str = "classic") -> bytes:
    """The bytes of the seven-column report as of the newest poll of the files."""
    polls_of = read_polls(polls)
    hours_of = read_hours(hours)
    zone_of = {row["store_id"]: row["timezone_str"] for row in rows_of(zones)}
    as_of_us = max(poll.at_us for store in polls_of.values() for poll in store)
    return header() + b"".join(
        row(
            store_id,
            zone_of.get(store_id),
            account(zone_of.get(store_id), hours_of[store_id], polls_of[store_id], as_of_us, policy, WINDOWS),
        )
        for store_id in sorted(polls_of, key=str.encode)
    )


def header(*, detail: bool = False) -> bytes:
    """The first line of a report."""
    columns = ["store_id", *(f"{kind}_{window}" for kind in _shown(detail=detail) for window in WINDOWS)]
    if detail:
        columns += [f"{kind}_{window}" for kind in ("polls", "outages", *FIGURES) for window in WINDOWS]
        columns += ["timezone", "name"]
    return _line(columns)


def row(
    store_id: str,
    zone: str | None,
    measured: Mapping[str, Mapping[str, int]],
    outages: Mapping[str, Sequence[Outage]] | None = None,
) -> bytes:
    """The line of one store; `measured` is what `account` says of it. With its outages it is a line with detail."""
    detail = outages is not None
    fields = [
        store_id,
        *(
            printed_times(measured[window], UNITS_US[window])[measure]
            for measure in _shown(detail=detail).values()
            for window in WINDOWS
        ),
    ]
    if outages is not None:
        figures = {
            window: outage_figures(outages[window], measured[window]["up_us"], UNITS_US[window])
            for window in WINDOWS
        }
        fields += [str(measured[window]["polls"]) for window in WINDOWS]
        fields += [figures[window][kind] for kind in ("outages", *FIGURES) for window in WINDOWS]
        fields += [zone or "America/Chicago", ""]
    return _line(fields)


def _shown(*, detail: bool) -> Mapping[str, str]:
    return SHOWN | DETAIL if detail else SHOWN


def _line(fields: Iterable[str]) -> bytes:
    return (",".join(fields) + "\n").encode()


def rows_of(path: Path) -> Iterator[Mapping[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        yield from csv.DictReader(file)


def read_polls(path: Path) -> dict[str, list[Poll]]:
    """Polls in the order of delivery."""
    polls = defaultdict(list)
    for line in rows_of(path):
        polls[line["store_id"]].append(poll_of(line))
    return polls


def poll_of(line: Mapping[str, str]) -> Poll:
    at_us, active = instant_us(line["timestamp_utc"]), line["status"] == "active"
    return Poll(at_us, active, reason=line.get("reason") or "")


def instant_us(text: str) -> int:
    since = datetime.fromisoformat(text.replace(" UTC", "+00:00")) - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def read_hours(path: Path) -> Mapping[str, list[HoursRow]]:
    """By store; none for a store without rows."""
    return defaultdict(list) | {store_id: hours for (store_id, _), hours in read_versions(path).items()}


def read_versions(path: Path) -> dict[tuple[str, date | None], list[HoursRow]]:
    """By store and the date from which they apply."""
    hours = defaultdict(list)
    for line in rows_of(path):
        day, begins = line.get("dayOfWeek") or line["day"], line.get("effective_from")
        hours[line["store_id"], date.fromisoformat(begins) if begins else None].append(
            HoursRow(int(day), seconds(line["start_time_local"]), seconds(line["end_time_local"]))
        )
    return hours


def seconds(clock: str) -> int:
    hour, minute, second = clock.split(":")
    return int(hour) * 3600 + int(minute) * 60 + int(second)


def printed_times(measured: Mapping[str, int], unit_us: int) -> dict[str, str]:
    """Four decimals each; up, down and unknown add up to the rounded open time, whatever that takes."""
    exact = {name: Fraction(us * 10_000, unit_us) for name, us in measured.items() if name != "polls"}
    whole = floor(exact["open_us"] + Fraction(1, 2))
    numbers = {name: floor(exact[name]) for name in ("up_us", "down_us", "unknown_us", "up_min_us")}
    numbers["up_max_us"] = min(ceil(exact["up_max_us"]), whole)
    numbers["excluded_us"] = floor(exact.get("excluded_us", Fraction(0)) + Fraction(1, 2))
    parts = ["up_us", "down_us", "unknown_us"]
    while sum(numbers[part] for part in parts) < whole:
        largest = max(parts, key=lambda part: exact[part] - numbers[part])
        numbers[largest] += 1
    return {name: f"{number // 10_000}.{number % 10_000:04}" for name, number in numbers.items()}
