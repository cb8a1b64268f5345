"""Data read at an earlier ledger number equals what was read then, whatever was committed since."""

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg import Connection

from services.ingest.http.change_hours import replace_hours
from services.ingest.http.change_labels import replace_labels
from services.ingest.http.change_store import ChangeOptions
from services.ingest.http.change_timezone import replace_timezone
from services.ingest.http.live_polls import LivePolls
from services.ingest.http.local_intervals import LocalInterval
from services.ingest.http.write_live import LiveWriter
from services.ingest.run import Limits, LoadOptions, LoadProgress, ingest_paths
from services.worker.inputs import InputCache
from services.worker.part import RenderedPart
from shared.clock import to_us
from shared.db.connect import connect
from shared.db.queries import queries
from shared.errors import DataForgotten
from shared.reports.batch import Batch
from tests.integration.reports.test_input_cache import ZONES, CacheWorld, part

STEPS = int(os.environ.get("PAST_STEPS", "6"))
_SQL = queries("history")
_EVER: dict[str, object] = {
    "from_time": datetime(1990, 1, 1, tzinfo=UTC),
    "to_time": datetime(2090, 1, 1, tzinfo=UTC),
    # No week is sealed.
    **{key: [] for key in ("sealed_keys", "sealed_at_us", "sealed_active", "sealed_seqs")},
}
_WEEK_US = 7 * 86_400_000_000
Rows = Mapping[int, Any]  # by store


@dataclass(frozen=True)
class Content:
    """All that stores were: polls as instant and status, weekly hours, time zone, labels."""

    polls: Rows
    hours: Rows
    zones: Rows
    labels: Rows


class PastWorld(CacheWorld):
    """Also changes data in the ways that the parent does not, and records the data after each commit."""

    def __init__(self, url: str, folder: Path, seed: int) -> None:
        self.recorded: dict[int, Content] = {}
        super().__init__(url, folder, seed)

    def change(self) -> None:
        super().change()
        self._record()
        steps = [
            self._poll_live,
            self._fill_new_weeks,
            self._set_hours,
            self._set_zone,
            self._remove_labels,
            self._load_again,
        ]
        for step in self.random.sample(steps, 3):
            step()
            self._record()

    def replace_all(self) -> None:
        """Replace the hours, the zone and the labels of one store by others, twice."""
        for hour, zone, labels in ((8, ZONES[0], {"side": "left"}), (9, ZONES[1], {"side": "right"})):
            replace_hours(
                self._url, "store-0", [LocalInterval("0", f"{hour:02}:00", "20:00")], ChangeOptions("test")
            )
            self._record()
            replace_timezone(self._url, "store-0", zone, ChangeOptions("test"))
            self._record()
            replace_labels(self._url, "store-0", labels, ChangeOptions("test"))
            self._record()

    def _record(self) -> None:
        with psycopg.connect(self._url) as conn:
            ((seq,),) = conn.execute("select seq from ledger_head")
            self.recorded[seq] = read_now(conn)

    def _poll_live(self) -> None:
        count = self.random.randint(1, 5)
        ids = [self._store() for _ in range(count)]
        minutes = [self.random.randrange(300) for _ in range(count)]
        at_us = np.array([to_us(self.now - timedelta(minutes=n)) for n in minutes], np.int64)
        active = np.array([self.random.random() < 0.5 for _ in range(count)])
        with connect(self._url, application_name="test", autocommit=True) as conn:
            LiveWriter(conn).write_calls([LivePolls(ids, at_us, active)])

    def _fill_new_weeks(self) -> None:
        """A file in tiny chunks, whose polls repeat and correct one another, for a week that has no index yet."""
        week = self.now + timedelta(days=7 * self.random.randrange(-30, 1))
        lines = [
            f"{self._store()},{self.random.choice(['active', 'inactive'])},{week + timedelta(hours=self.random.randrange(9)):%FT%TZ}"
            for _ in range(60)
        ]
        file = self._folder / "weeks.csv"
        file.write_text("\n".join(["store_id,status,timestamp_utc", *lines]) + "\n")

        def on_progress(_: LoadProgress) -> None:
            self._record()

        (done,) = ingest_paths(
            self._url,
            [str(file)],
            options=LoadOptions(limits=Limits(chunk_bytes=400), on_progress=on_progress),
        )
        assert done.state == "succeeded"

    def _set_hours(self) -> None:
        days = self.random.sample(range(7), self.random.randrange(3))
        hours = [LocalInterval(str(day), f"{self.random.randrange(9, 12):02}:00", "20:00") for day in days]
        replace_hours(self._url, self._store(), hours, ChangeOptions("test"))

    def _set_zone(self) -> None:
        replace_timezone(self._url, self._store(), self.random.choice(ZONES), ChangeOptions("test"))

    def _remove_labels(self) -> None:
        replace_labels(self._url, self._store(), {}, ChangeOptions("test"))

    def _load_again(self) -> None:
        (done,) = ingest_paths(self._url, [str(self._folder / f"{self.random.randint(1, self._files)}.csv")])
        assert done.state == "succeeded"


def read_now(conn: Connection) -> Content:
    polls, hours = defaultdict(list), defaultdict(list)
    for store_key, *poll in conn.execute(
        "select store_key, observed_at, is_active from observation order by 1, 2"
    ):
        polls[store_key].append((to_us(poll[0]), poll[1]))
    for store_key, *interval in conn.execute(
        "select store_key, day_of_week, opens, closes from business_hours order by 1, 2, 3, 4"
    ):
        hours[store_key].append(tuple(interval))
    stores = conn.execute("select store_key, timezone, labels from store").fetchall()
    return Content(
        polls, hours, {key: zone for key, zone, _ in stores}, {key: labels for key, _, labels in stores}
    )


def read_past(conn: Connection, seq: int, store_keys: list[int]) -> Content:
    polls, hours = defaultdict(list), defaultdict(list)
    for store_key in store_keys:
        for at_us, is_active, *_ in conn.execute(
            _SQL["polls_of_store"], {"store_key": store_key, "seq": seq, **_EVER}
        ):
            polls[store_key].append((at_us, is_active))
    given = {"store_keys": store_keys, "seq": seq}
    for store_key, *interval in conn.execute(_SQL["hours"], given):
        hours[store_key].append(tuple(interval))
    zones: Rows = dict(conn.execute(_SQL["timezones"], given).fetchall())
    labels: Rows = dict(conn.execute(_SQL["labels"], given).fetchall())
    return Content(polls, hours, zones, labels)


def without_weeks(polls: Rows, weeks: list[datetime]) -> Rows:
    starts = [to_us(week) for week in weeks]
    kept = {
        key: [poll for poll in rows if not any(start <= poll[0] < start + _WEEK_US for start in starts)]
        for key, rows in polls.items()
    }
    return {key: rows for key, rows in kept.items() if rows}


@pytest.fixture
def conn(database_url: str) -> Iterator[Connection]:
    with psycopg.connect(database_url) as conn:
        conn.rollback()
        yield conn


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_each_ledger_number_reads_as_it_was_recorded(
    database_url: str, conn: Connection, tmp_path: Path, seed: int
) -> None:
    world = PastWorld(database_url, tmp_path, seed)
    for _ in range(STEPS):
        world.change()
    world.replace_all()
    assert len(world.recorded) > STEPS
    for seq, then in world.recorded.items():
        ((oldest, weeks),) = conn.execute(_SQL["find_gone"], {"seq": seq, **_EVER})
        assert oldest == 0
        past = read_past(conn, seq, list(then.zones))
        kept = replace(then, polls=without_weeks(then.polls, weeks))
        assert replace(past, polls=without_weeks(past.polls, weeks)) == kept
    counted = conn.execute(
        "select (select count(*) from superseded_poll), (select count(*) from superseded_hours),"
        " (select count(*) from superseded_timezone), (select count(*) from superseded_labels)"
    ).fetchone()
    assert all(counted or ())


@pytest.mark.parametrize("seed", [4, 5])
def test_a_report_at_an_earlier_cut_has_the_bytes_that_it_had(
    database_url: str, conn: Connection, tmp_path: Path, seed: int
) -> None:
    world, made = PastWorld(database_url, tmp_path, seed), list[tuple[Batch, RenderedPart]]()
    for _ in range(STEPS):
        for _ in range(2):
            batch = world.batch()
            made.append((replace(batch, pinned_cut=batch.accepted_seq), part(conn, InputCache(0), batch)))
        world.change()
    equal, refusals = 0, list[str]()
    for batch, bytes_then in made:
        try:
            assert part(conn, InputCache(1 << 20), batch) == bytes_then
            equal += 1
        except DataForgotten as error:
            refusals.append(str(error))
        conn.rollback()
    assert equal > STEPS / 2
    assert all("retention dropped the week of" in text for text in refusals)


def test_what_retention_leaves_can_still_be_read(database_url: str, conn: Connection, tmp_path: Path) -> None:
    """Forgetting imports moves the oldest ledger number that can be read, and removes only what came before it."""
    world = PastWorld(database_url, tmp_path, 6)
    for _ in range(4):
        world.change()
    world.replace_all()
    until = " union all ".join(
        f"select until_seq from superseded_{name}" for name in ("poll", "hours", "timezone", "labels")
    )
    kept = [len(conn.execute(until.encode()).fetchall())]
    for keep in (0.5, 0.75):
        # Those whose last change is the newest stay.
        numbers = sorted(world.recorded)
        newest = numbers[int(len(numbers) * keep)]
        conn.execute(
            "update import set finished_at = finished_at - interval '1 day' where id in ("
            "select import_id from import_chunk group by 1 having max(commit_seq) <= %s)",
            [newest],
        )
        while conn.execute("select more from forget_imports(now() - interval '1 hour', 10)").fetchone() == (
            True,
        ):
            pass
        conn.commit()
        ((oldest, _),) = conn.execute(_SQL["find_gone"], {"seq": 0, **_EVER})
        assert 0 < oldest <= newest
        ends = [seq for (seq,) in conn.execute(until.encode())]
        assert min(ends) > oldest
        kept.append(len(ends))
        for seq in (number for number in numbers if number >= oldest):
            then = world.recorded[seq]
            ((_, weeks),) = conn.execute(_SQL["find_gone"], {"seq": seq, **_EVER})
            past = read_past(conn, seq, list(then.zones))
            assert replace(past, polls=without_weeks(past.polls, weeks)) == replace(
                then, polls=without_weeks(then.polls, weeks)
            )
        conn.rollback()
    assert kept[0] > kept[-1] > 0
