"""A day of the sample, replayed: its incidents are the outages that a finished day has, computed slowly from all polls."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, time
from pathlib import Path

from services.sample import write_sample
from services.sample.write_sample import DEFAULT_END
from shared.clock import to_us
from tests.fixtures.incident_memory import IncidentMemory
from tests.oracle.accounting import DAY_US, MINUTE_US, HoursRow, Poll
from tests.oracle.adjusted import TermsStore
from tests.oracle.calendars import Terms, Version
from tests.oracle.incidents import Rule
from tests.oracle.outages import outages
from tests.property.test_incidents import SILENT_US, watched_store
from tests.property.test_uptime_live import rows_of

STORES, DAYS, STEP_US = 25, 5, 4 * MINUTE_US
EVERY_OUTAGE = Rule(
    "every",
    "store_down",
    {"inactive_polls": 1, "guard_after_opening_minutes": 0, "guard_before_closing_minutes": 0},
    hold_open_minutes=0,
)
END_US = to_us(DEFAULT_END)
Known = tuple[int, int, int | None]


@dataclass
class SampleStore:
    zone: str | None = None
    hours: list[HoursRow] = field(default_factory=list)
    polls: dict[int, bool] = field(default_factory=dict)

    def until(self, at_us: int) -> TermsStore:
        """What is known of the store at an instant."""
        polls = [Poll(poll_us, active) for poll_us, active in sorted(self.polls.items()) if poll_us <= at_us]
        return TermsStore(self.zone, Terms([Version(None, self.hours)]), polls)


def read_sample(folder: Path) -> list[SampleStore]:
    stores: dict[str, SampleStore] = {}
    for row in rows_in(folder / "timezones.csv"):
        stores.setdefault(row["store_id"], SampleStore()).zone = row["timezone_str"]
    for row in rows_in(folder / "menu_hours.csv"):
        opens_s, closes_s = seconds(row["start_time_local"]), seconds(row["end_time_local"])
        hours = HoursRow(int(row["dayOfWeek"]), opens_s, closes_s)
        stores.setdefault(row["store_id"], SampleStore()).hours.append(hours)
    for row in rows_in(folder / "store_status.csv"):
        at = datetime.fromisoformat(row["timestamp_utc"].replace(" UTC", "+00:00"))
        stores.setdefault(row["store_id"], SampleStore()).polls[to_us(at)] = row["status"] == "active"
    return list(stores.values())


def rows_in(path: Path) -> Iterator[dict[str, str]]:
    with path.open(newline="") as file:
        yield from csv.DictReader(file)


def seconds(text: str) -> int:
    at = time.fromisoformat(text)
    return at.hour * 3_600 + at.minute * 60 + at.second


def replay(stores: list[SampleStore], begin_us: int, end_us: int) -> IncidentMemory:
    """Evaluate every few minutes, each time with what was polled until then."""
    memory = IncidentMemory([EVERY_OUTAGE])
    for now_us in range(begin_us, end_us + 1, STEP_US):
        rows = rows_of([store.until(now_us) for store in stores], now_us, SILENT_US)
        memory.evaluate(now_us, [watched_store(rows, n, {}, now_us) for n in range(len(stores))], {})
    return memory


def test_a_replayed_day_has_the_incidents_of_the_finished_day(tmp_path: Path) -> None:
    write_sample(tmp_path, stores=STORES, days=DAYS)
    stores = read_sample(tmp_path)
    begin_us = END_US - DAY_US
    cases = replay(stores, begin_us, END_US).cases.values()
    assert not [case for case in cases if case.state == "withdrawn"], "no poll of the sample comes late"
    found = {
        (case.store or 0, case.latest_us, case.calm_us)
        for case in cases
        if case.latest_us >= begin_us and case.latest_us < END_US - STEP_US
    }
    expected = set(outages_of_the_day(stores, begin_us))
    assert found == expected
    assert len(found) > STORES // 4, "a day without outages proves nothing"


def outages_of_the_day(stores: list[SampleStore], begin_us: int) -> Iterator[Known]:
    """Yield store, first inactive and next active poll of each outage that began on the day, from all polls at once.

    One that begins and ends between two evaluations is left out: no evaluation can see it.
    """
    for number, store in enumerate(stores, start=1):
        for outage in outages(*store.until(END_US), END_US, "classic", (DAYS - 1) * DAY_US):
            first_us, up_us = outage.first_down_poll_us, outage.first_up_poll_us
            if first_us is None or not begin_us <= first_us < END_US - STEP_US:
                continue
            seen_us = begin_us - (begin_us - first_us) // STEP_US * STEP_US
            if up_us is None or seen_us < up_us:
                yield number, first_us, up_us
