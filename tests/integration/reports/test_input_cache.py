"""What a worker remembers gives the same bytes as a read of everything, whatever was committed meanwhile."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import psycopg
import pytest
from prometheus_client import REGISTRY
from psycopg import Connection
from psycopg.types.json import Jsonb

from services.ingest.http.change_labels import replace_labels
from services.ingest.http.change_store import ChangeOptions
from services.ingest.http.record_change import ChangeKind, record_change
from services.ingest.run import ingest_paths
from services.ingest.write.history_table import CALENDARS, CLOSURES, HistoryTable
from services.worker.inputs import InputCache
from services.worker.load import one_snapshot
from services.worker.part import RenderedPart, render_part
from shared.ids import new_id
from shared.reports.batch import Batch
from shared.uptime.policy import POLICIES

START = datetime(2024, 10, 14, 18, tzinfo=UTC)
ZONES = ("Asia/Kathmandu", "America/St_Johns", "UTC")
WINDOWS = (["PT1H", "P1D", "P7D"], ["PT1H"], ["P30D"], ["previous_day", "month_to_date"])
STEPS = int(os.environ.get("CACHE_STEPS", "10"))
ROOMY, NARROW = 1 << 27, 4000


class CacheWorld:
    """A database that changes at random, and the time of its newest poll."""

    def __init__(self, url: str, folder: Path, seed: int) -> None:
        self.random, self._files_random = Random(seed), Random(seed)
        self.now = START
        self._url = url
        self._folder = folder
        self._stores = 3
        self._files = 0
        for day in range(16):
            self._load_polls([START - timedelta(days=day, minutes=self.random.randrange(600))])

    def change(self) -> None:
        """Commit a change, or two, or none."""
        steps = [
            self._later,
            self._later,
            self._late,
            self._correct,
            self._events,
            self._hours,
            self._zones,
            self._new_store,
            self._dated_hours,
            self._special_hours,
            self._lifetime,
            self._closure,
            self._labels,
            self._labelled_closure,
            self._calendar,
        ]
        for step in self.random.choices([*steps, self._drop_week], k=self.random.randint(0, 2)):
            step()

    def batch(self) -> Batch:
        """Any report's batch: mostly about now, of all stores or some."""
        with psycopg.connect(self._url) as conn:
            stores = conn.execute(
                "select store_key, store_id from store where polled_since_seq is not null order by store_id"
            ).fetchall()
            cut = conn.execute("select data_cut from ledger_head").fetchone()
        assert cut is not None
        chosen = stores if self.random.random() < 0.7 else self.random.sample(stores, 2)
        keys = None if chosen is stores else sorted(key for key, _ in chosen)
        ids = sorted(store_id for _, store_id in chosen)
        back = self.random.choice([0, 0, 0, 0, 3, -50, 24, 400])
        return Batch(
            new_id(), 0, ids[0], ids[-1], len(ids), keys,
            self.now - timedelta(hours=back), self.random.choice(list(POLICIES)), self.random.random() < 0.5,
            self.random.choice(WINDOWS), cut[0], None,
            self._files_random.choice(
                [("report",), ("report", "outages"), ("report", "summary"), ("report", "reasons")]
            ),
            exclude_reasons=self._files_random.choice([(), (), ("busy",), ("other", "paused_by_store")]),
        )  # fmt: skip

    def _load_polls(self, instants: list[datetime]) -> None:
        status = ["active", "inactive"]
        self.load_polls(
            [(self._store(), self.random.choice(status), at) for at in instants for _ in range(4)]
        )

    def load_polls(self, polls: list[tuple[str, str, datetime]]) -> None:
        rows = (f"{store_id},{status},{at:%Y-%m-%d %H:%M:%S.%f} UTC" for store_id, status, at in polls)
        self._load("store_id,status,timestamp_utc", *rows)

    def _load(self, *lines: str) -> None:
        self._files += 1
        file = self._folder / f"{self._files}.csv"
        file.write_text("\n".join(lines) + "\n")
        (done,) = ingest_paths(self._url, [str(file)])
        assert done.state == "succeeded"

    def _store(self) -> str:
        return f"store-{self.random.randrange(self._stores)}"

    def _later(self) -> None:
        self.now += timedelta(minutes=self.random.choice([1, 61, 61, 61, 3000]))
        self._load_polls([self.now - timedelta(minutes=self.random.randrange(120)), self.now])

    def _late(self) -> None:
        days = self.random.choice([[16], [16, 60]])
        self._load_polls(
            [self.now - timedelta(minutes=self.random.randrange(60 * 24 * most)) for most in days]
        )

    def _correct(self) -> None:
        with psycopg.connect(self._url) as conn:
            polls = conn.execute(
                "select store_id, is_active, observed_at from observation join store using (store_key)"
            ).fetchall()
        store_id, active, at = self.random.choice(polls)
        self.load_polls([(store_id, "inactive" if active else "active", at)])

    def _events(self) -> None:
        """Say more about known polls, some with another status, and report a pause with its end."""
        with psycopg.connect(self._url) as conn:
            polls = conn.execute(
                "select store_id, observed_at from observation join store using (store_key) where observed_at > %s",
                [self.now - timedelta(days=9)],
            ).fetchall()
        rows = [
            f"{store_id},{self.random.choice(['active', 'inactive'])},{at:%Y-%m-%d %H:%M:%S.%f} UTC,"
            + self.random.choice(["busy,yes,", "other,,", ",yes,", ",no,"])
            for store_id, at in self.random.choices(polls, k=min(len(polls), 6))
        ]
        paused = self.now - timedelta(minutes=self.random.randrange(60, 600))
        ended = paused + timedelta(minutes=self.random.randrange(1, 50))
        pause = f"{self._store()},inactive,{paused:%FT%TZ},paused_by_store,yes,{ended:%FT%TZ}"
        self._load("store_id,status,timestamp_utc,reason,event,until", *rows, pause)

    def _hours(self) -> None:
        opens = self.random.randrange(12)
        row = f"{self._store()},{self.now.weekday()},{opens:02}:00:00,21:00:00"
        self._load("store_id,dayOfWeek,start_time_local,end_time_local", row)

    def _dated_hours(self) -> None:
        opens = self.random.randrange(12)
        row = f"{self._store()},{self._weekday()},{opens:02}:00:00,21:00:00,{self._day():%F}"
        self._load("store_id,dayOfWeek,start_time_local,end_time_local,effective_from", row)

    def _special_hours(self) -> None:
        times = self.random.choice([",", "08:00,12:00", "20:00,04:00"])
        self._load(
            "store_id,date,start_time_local,end_time_local", f"{self._store()},{self._day():%F},{times}"
        )

    def _lifetime(self) -> None:
        opened, closed = sorted([self._day(), self._day() + timedelta(hours=1)])
        instants = self.random.choice(
            [f"{opened:%FT%TZ},", f",{closed:%FT%TZ}", ",", f"{opened:%FT%TZ},{closed:%FT%TZ}"]
        )
        self._load("store_id,opened_at,closed_at", f"{self._store()},{instants}")

    def _closure(self) -> None:
        starts = self._day()
        ends = self.random.choice(["", f"{starts + timedelta(hours=self.random.randrange(1, 90)):%FT%TZ}"])
        store_id, treatment = (
            self.random.choice([self._store(), "*"]),
            self.random.choice(["exclude", "as_up", "ignore"]),
        )
        self._load(
            "store_id,starts_at,ends_at,treatment,reason,note",
            f"{store_id},{starts:%FT%TZ},{ends},{treatment},,",
        )

    def _labels(self) -> None:
        replace_labels(self._url, self._store(), self._side(), ChangeOptions("test"))

    def _labelled_closure(self) -> None:
        starts = self._day()
        row = {
            "id": new_id(),
            "labels": Jsonb(self._side()),
            "starts_at": starts,
            "ends_at": starts + timedelta(hours=30),
        }
        self._merge("closures", CLOSURES, {**row, "treatment": "exclude", "reason": "other"})

    def _calendar(self) -> None:
        dates = {f"{self._day():%F}": self.random.choice([[], [28_800, 43_200]]) for _ in range(3)}
        name = self.random.choice(["a", "b"])
        self._merge(
            "calendars", CALENDARS, {"name": name, "labels": Jsonb(self._side()), "dates": Jsonb(dates)}
        )

    def _merge(self, kind: ChangeKind, table: HistoryTable, row: dict[str, object]) -> None:
        record_change(self._url, kind, "test", "test", lambda _, change: change.merge_rows(table, [row]))

    def _side(self) -> dict[str, str]:
        return {"side": self.random.choice(["left", "right"])}

    def _day(self) -> datetime:
        return self.now + timedelta(
            days=self.random.choice([-40, -6, -5, -2, -1, -1, 0, 1]), hours=self.random.randrange(5)
        )

    def _weekday(self) -> int:
        return self.random.choice([self.now.weekday(), (self.now.weekday() - 1) % 7])

    def _zones(self) -> None:
        self._load("store_id,timezone_str", f"{self._store()},{self.random.choice(ZONES)}")

    def _new_store(self) -> None:
        self._stores += 1
        self.load_polls([(f"store-{self._stores - 1}", "active", self.now)])

    def _drop_week(self) -> None:
        with psycopg.connect(self._url) as conn:
            conn.execute("select drop_oldest_week(%s, %s)", [self.now - timedelta(days=20), new_id()])


@pytest.fixture
def conn(database_url: str) -> Iterator[Connection]:
    with psycopg.connect(database_url) as conn:
        conn.rollback()
        yield conn


def part(conn: Connection, cache: InputCache, batch: Batch) -> RenderedPart:
    with one_snapshot(conn) as moment:
        return render_part(batch, cache.load_input(conn, batch, moment))


def inputs() -> dict[str, float]:
    names = ("memory", "both", "database")
    return {
        name: REGISTRY.get_sample_value("uptill_batch_inputs_total", {"source": name}) or 0 for name in names
    }


@pytest.mark.parametrize(
    ("seed", "most_bytes"), [(1, ROOMY), (2, ROOMY), (3, NARROW)], ids=["1", "2", "narrow"]
)
def test_it_is_as_good_as_a_read_of_everything(
    database_url: str, conn: Connection, tmp_path: Path, seed: int, most_bytes: int
) -> None:
    world, cache = CacheWorld(database_url, tmp_path, seed), InputCache(most_bytes)
    before = inputs()
    for _ in range(STEPS):
        for _ in range(3):
            batch = world.batch()
            assert part(conn, cache, batch) == part(conn, InputCache(0), batch)
        world.change()
    after = inputs()
    assert all(after[name] > before[name] for name in after)


def test_a_ledger_number_that_is_given_twice_is_told_apart(
    database_url: str, conn: Connection, tmp_path: Path
) -> None:
    """After a restore, or on a standby that had not got the last commit, another change has the same number."""
    world, cache = CacheWorld(database_url, tmp_path, 1), InputCache(ROOMY)
    batch = world.batch()
    lost = part(conn, cache, batch)
    with psycopg.connect(database_url) as other:
        other.execute("delete from import_chunk where commit_seq >= (select data_cut from ledger_head)")
        other.execute("update ledger_head set seq = data_cut - 1")
        other.execute("update observation set is_active = not is_active")
    world.load_polls([("store-0", "active", START - timedelta(microseconds=1))])
    with psycopg.connect(database_url) as other:
        assert other.execute("select data_cut from ledger_head").fetchone() == (batch.accepted_seq,)
    assert part(conn, cache, batch) == part(conn, InputCache(0), batch) != lost


def test_a_change_that_the_ledger_has_forgotten_is_not_overlooked(
    database_url: str, conn: Connection, tmp_path: Path
) -> None:
    world, cache = CacheWorld(database_url, tmp_path, 1), InputCache(ROOMY)
    batch = world.batch()
    before = part(conn, cache, batch)
    world.load_polls([("store-0", "active", START - timedelta(minutes=n)) for n in range(1, 60)])
    with psycopg.connect(database_url) as other:
        other.execute("delete from import_chunk where commit_seq = (select seq from ledger_head)")
        other.execute("update ledger_head set forgotten_seq = seq")
    world.load_polls([("store-0", "active", START - timedelta(days=300))])
    assert part(conn, cache, batch) == part(conn, InputCache(0), batch) != before
