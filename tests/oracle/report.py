"""A whole report, computed from the CSV files alone: every row read with the csv module, every store by the oracle."""

import csv
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

from tests.oracle.accounting import DAY_US, EPOCH, HOUR_US, MINUTE_US, HoursRow, Poll, account

WINDOWS = {"last_hour": HOUR_US, "last_day": DAY_US, "last_week": 7 * DAY_US}
UNITS_US = {"last_hour": MINUTE_US, "last_day": HOUR_US, "last_week": HOUR_US}


def expected_csv(polls: Path, hours: Path, zones: Path, *, policy: str = "classic") -> bytes:
    """The bytes of the seven-column report as of the newest poll of the files."""
    polls_of = read_polls(polls)
    hours_of = read_hours(hours)
    zone_of = {row["store_id"]: row["timezone_str"] for row in rows_of(zones)}
    as_of_us = max(poll.at_us for store in polls_of.values() for poll in store)
    lines = [
        "store_id," + ",".join(f"{kind}_{window}" for kind in ("uptime", "downtime") for window in WINDOWS)
    ]
    for store_id in sorted(polls_of, key=str.encode):
        measured = account(
            zone_of.get(store_id), hours_of[store_id], polls_of[store_id], as_of_us, policy, WINDOWS
        )
        numbers = [
            four_decimals(measured[window][kind], UNITS_US[window])
            for kind in ("up_us", "down_us")
            for window in WINDOWS
        ]
        lines.append(",".join([store_id, *numbers]))
    return "".join(f"{line}\n" for line in lines).encode()


def rows_of(path: Path) -> Iterator[Mapping[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        yield from csv.DictReader(file)


def read_polls(path: Path) -> dict[str, list[Poll]]:
    """Polls in the order of delivery."""
    polls = defaultdict(list)
    for row in rows_of(path):
        at = datetime.fromisoformat(row["timestamp_utc"].replace(" UTC", "+00:00"))
        since = at - EPOCH
        at_us = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
        polls[row["store_id"]].append(Poll(at_us, row["status"] == "active"))
    return polls


def read_hours(path: Path) -> dict[str, list[HoursRow]]:
    hours = defaultdict(list)
    for row in rows_of(path):
        day = row.get("dayOfWeek") or row["day"]
        hours[row["store_id"]].append(
            HoursRow(int(day), seconds(row["start_time_local"]), seconds(row["end_time_local"]))
        )
    return hours


def seconds(clock: str) -> int:
    hour, minute, second = clock.split(":")
    return int(hour) * 3600 + int(minute) * 60 + int(second)


def four_decimals(us: int, unit_us: int) -> str:
    return str((Decimal(us) / Decimal(unit_us)).quantize(Decimal("0.0001"), ROUND_HALF_UP))
