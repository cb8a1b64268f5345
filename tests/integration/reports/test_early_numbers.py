"""Files of local data are written under a number taken early: earlier cuts stay as they were, and polls do not wait."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

from services.ingest.http.change_hours import replace_hours
from services.ingest.http.change_store import ChangeOptions
from services.ingest.http.live_polls import LivePolls
from services.ingest.http.local_intervals import LocalInterval
from services.ingest.http.write_live import LiveWriter
from services.ingest.run import ingest_paths, plan_paths
from shared.clock import to_us
from shared.db.connect import connect
from shared.db.queries import queries
from tests.fixtures.local_stack import eventually
from tests.integration.ingest.database import check_ledger, load

_LOCK, _HISTORY, _ADJUSTED = queries("ingest")["lock_writers"], queries("history"), queries("adjustments")
_STORES = {"store_keys": [1, 2, 3]}
_AT = datetime(2024, 10, 18, 12, tzinfo=UTC)
_EVER: dict[str, object] = {
    "from_time": datetime(1990, 1, 1, tzinfo=UTC),
    "to_time": datetime(2090, 1, 1, tzinfo=UTC),
    # No week is sealed.
    **{key: [] for key in ("sealed_keys", "sealed_at_us", "sealed_active", "sealed_seqs")},
}
HOURS = "store_id,dayOfWeek,start_time_local,end_time_local"
DATED = f"{HOURS},effective_from"
SPECIAL = "store_id,date,start_time_local,end_time_local"
LIFETIMES = "store_id,opened_at,closed_at"
CLOSURES = "store_id,starts_at,ends_at,treatment,reason,note"
# What a store has at first, and what the second file replaces it by.
FILES = {
    "hours": (HOURS, "{id},0,09:00,17:00", "{id},1,10:00,18:00"),
    "dated": (DATED, "{id},0,09:00,17:00,2024-10-01", "{id},1,10:00,18:00,2024-10-01"),
    "zones": ("store_id,timezone_str", "{id},Asia/Tokyo", "{id},Europe/Berlin"),
    "special": (SPECIAL, "{id},2024-10-18,,", "{id},2024-10-18,09:00,12:00"),
    "lifetimes": (LIFETIMES, "{id},2024-01-01T00:00Z,", "{id},2024-10-15T00:00Z,"),
    "closures": (
        CLOSURES,
        "{id},2024-10-18T10:00Z,2024-10-18T11:00Z,exclude,,",
        "{id},2024-10-18T10:00Z,2024-10-18T13:00Z,exclude,,",
    ),
}


def read_local(url: str, seq: int) -> dict[str, list[Any]]:
    """Return all local data of the stores at a ledger number, in order."""
    given = {**_STORES, "seq": seq}
    with psycopg.connect(url) as conn:
        found = {name: conn.execute(_HISTORY[name], given).fetchall() for name in ("hours", "timezones")}
        names = ("dated_hours", "special_hours", "lifetimes", "closures")
        found |= {name: conn.execute(_ADJUSTED[name], given).fetchall() for name in names}
    return {name: sorted(rows) for name, rows in found.items()}


def head(url: str) -> int:
    with psycopg.connect(url) as conn:
        ((seq,),) = conn.execute("select seq from ledger_head")
    return int(seq)


def list_causes(url: str, low: int, high: int) -> list[tuple[str, str]]:
    with psycopg.connect(url) as conn:
        given = {"low": low, "high": high, "store_ids": ["a", "b", "c"], **_EVER}
        return [(store_id, kind) for store_id, kind, *_ in conn.execute(_HISTORY["causes"], given)]


def write_file(folder: Path, kind: str, version: int) -> Path:
    file, (header, *lines) = folder / f"{kind}-{version}.csv", FILES[kind]
    rows = [lines[version].format(id=store) for store in "abc"]
    file.write_text("\n".join([header, *rows]) + "\n")
    return file


def poll_live(url: str) -> None:
    with connect(url, application_name="uptill-live", autocommit=True) as conn:
        LiveWriter(conn).write_calls([LivePolls(["a"], np.array([to_us(_AT)]), np.array([True]))])


@contextmanager
def waiting(url: str, application: str, locks: int = 1) -> Iterator[None]:
    """Wait until a session of this application waits for an advisory lock, in this database: tests share the server."""
    query = (
        "select count(*) from pg_stat_activity"
        " where datname = current_database() and application_name = %s and wait_event = 'advisory'"
    )
    with psycopg.connect(url, autocommit=True) as conn:
        eventually(lambda: conn.execute(query, [application]).fetchone() == (locks,))
    yield


@pytest.mark.parametrize("kind", FILES)
def test_a_cut_between_the_early_number_and_the_commit_reads_as_before(
    database_url: str, tmp_path: Path, kind: str
) -> None:
    for each in FILES:
        ingest_paths(database_url, [str(write_file(tmp_path, each, 0))])
    begun = head(database_url)
    before = read_local(database_url, begun)
    file = write_file(tmp_path, kind, 1)
    with ThreadPoolExecutor() as pool:
        with psycopg.connect(database_url) as blocker:
            blocker.execute(_LOCK)
            polled = pool.submit(poll_live, database_url)
            with waiting(database_url, "uptill-live"):
                loaded = pool.submit(ingest_paths, database_url, [str(file)])
            with waiting(database_url, "uptill-ingest"):
                blocker.commit()
        polled.result()
        (result,) = loaded.result()
    assert (result.state, result.rejected) == ("succeeded", 0)
    check_ledger(database_url)
    with psycopg.connect(database_url) as conn:
        ((early, effective),) = conn.execute("select * from early_number order by seq desc limit 1")
    # The poll came between.
    assert (early, effective, head(database_url)) == (effective - 2, effective, effective)
    after = read_local(database_url, effective)
    assert after != before
    for seq in range(begun, effective):
        assert read_local(database_url, seq) == before
    assert {cause for _, cause in list_causes(database_url, begun, effective - 1)} == {"late_polls"}
    assert len(list_causes(database_url, effective - 1, effective)) == 3


def test_live_polls_are_stored_while_a_file_is_written(database_url: str, tmp_path: Path) -> None:
    load(database_url, tmp_path / "first.csv", [HOURS, "a,0,09:00,17:00"])
    with ThreadPoolExecutor() as pool, psycopg.connect(database_url) as blocker:
        # As another file that is being written: the table cannot be changed.
        blocker.execute("lock table business_hours in exclusive mode")
        loaded = pool.submit(ingest_paths, database_url, [str(write_file(tmp_path, "hours", 1))])
        query = (
            "select count(*) from pg_stat_activity where datname = current_database()"
            " and wait_event_type = 'Lock' and application_name = 'uptill-ingest'"
        )
        with psycopg.connect(database_url, autocommit=True) as conn:
            eventually(lambda: conn.execute(query).fetchone() == (1,))
            poll_live(database_url)
            assert conn.execute("select count(*) from observation").fetchone() == (1,)
        blocker.rollback()
        assert loaded.result()[0].state == "succeeded"
    check_ledger(database_url)


def test_a_dry_run_keeps_nobody_waiting(database_url: str, tmp_path: Path) -> None:
    load(database_url, tmp_path / "first.csv", [HOURS, "a,0,09:00,17:00"])
    with psycopg.connect(database_url) as blocker:
        blocker.execute(_LOCK)
        (plan,) = plan_paths(database_url, [str(write_file(tmp_path, "hours", 1))])
    assert (plan.state, plan.accepted) == ("succeeded", 3)


def test_a_change_of_one_store_waits_for_a_file(database_url: str, tmp_path: Path) -> None:
    load(database_url, tmp_path / "first.csv", [HOURS, "a,0,09:00,17:00"])
    interval = LocalInterval("3", "05:00", "06:00")
    with ThreadPoolExecutor() as pool:
        with psycopg.connect(database_url) as blocker:
            blocker.execute(_LOCK)
            loaded = pool.submit(ingest_paths, database_url, [str(write_file(tmp_path, "hours", 1))])
            with waiting(database_url, "uptill-ingest"):
                changed = pool.submit(replace_hours, database_url, "a", [interval], ChangeOptions("test"))
            with waiting(database_url, "uptill-ingest change"):
                blocker.commit()
        assert loaded.result()[0].state == "succeeded"
        assert changed.result().counts.accepted == 1
    with psycopg.connect(database_url) as conn:
        held = conn.execute(
            "select day_of_week from business_hours join store using (store_key) where store_id = 'a'"
        )
        assert held.fetchall() == [(3,)]
