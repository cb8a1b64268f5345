"""Recovery of killed workers: what the scheduler takes back is published at once, ahead of everything that waits."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest
from dramatiq.brokers.redis import RedisBroker

from services.scheduler import recovery as module
from services.scheduler.recovery import Recovery
from services.scheduler.sweep import sweep
from shared.contracts import REPORT_QUEUE, ComputeBatch
from shared.db.connect import make_pool
from shared.ids import new_id
from shared.metrics.registry import CLAIMS_RETURNED, LEASES_TAKEN_BACK
from shared.queue import make_broker, publish, queue_depth
from shared.reports import presence
from shared.reports.claim import LeaseTerms, claim_batch
from shared.reports.complete import complete_batch
from shared.settings import Settings
from shared.storage import StoredObject
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.reports import trigger
from tests.fixtures.services import wait_until

ABSENT = 77
TERMS = LeaseTerms("killed", 60, 5, lambda: ABSENT)
_BACKLOG = 1000
_STATE = "select state, attempt, burnt from report_batch where batch_no = 0"
_SESSION = (
    "select pid, query_start from pg_stat_activity"
    " where datname = current_database() and application_name = 'uptill-scheduler recovery'"
)


@pytest.fixture
def settings(env: dict[str, str]) -> Settings:
    polls = [(datetime(2024, 10, 14, tzinfo=UTC), True)]
    load_fleet(env["UPTILL_DATABASE_URL"], {"store": Store(polls=polls)})
    values = {name.removeprefix("UPTILL_").lower(): value for name, value in env.items()}
    return Settings.model_validate(values)


@pytest.fixture
def report_id(settings: Settings) -> UUID:
    return trigger(settings.database_url.get_secret_value()).report_id


@pytest.fixture
def conn(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as conn:
        yield conn


@pytest.fixture
def broker(settings: Settings) -> Iterator[RedisBroker]:
    """Its queue is long already."""
    broker = make_broker(settings.redis_url.get_secret_value())
    publish(broker, [ComputeBatch(report_id=new_id(), batch_no=n) for n in range(_BACKLOG)])
    yield broker
    broker.close()


@contextmanager
def recovering(broker: RedisBroker, settings: Settings) -> Iterator[Recovery]:
    recovery = Recovery(broker, settings)
    recovery.start()
    try:
        yield recovery
        assert not recovery.is_alive() or recovery.is_healthy()
    finally:
        recovery.stop(10)


@pytest.fixture(autouse=True)
def _no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """The servers of a test run may have started just now."""
    monkeypatch.setattr(module, "_GRACE_S", 0.0)


def next_message(broker: RedisBroker) -> Any:
    """What the next worker that asks would get."""
    message = next(broker.consume(REPORT_QUEUE))
    assert message is not None
    return message.actor_name, message.kwargs


def test_a_killed_workers_batch_goes_ahead_of_a_thousand_messages(
    settings: Settings, broker: RedisBroker, report_id: UUID, conn: psycopg.Connection
) -> None:
    taken = LEASES_TAKEN_BACK.labels("batch")._value.get()
    assert claim_batch(conn, report_id, 0, TERMS)
    with recovering(broker, settings):
        wait_until(lambda: queue_depth(broker) == _BACKLOG + 1, "the retry")
    assert conn.execute(_STATE).fetchone() == ("pending", 1, 1)
    assert next_message(broker) == ("compute_batch", {"report_id": str(report_id), "batch_no": 0})
    assert LEASES_TAKEN_BACK.labels("batch")._value.get() == taken + 1


def test_a_killed_workers_merge_does_too(
    settings: Settings, broker: RedisBroker, report_id: UUID, conn: psycopg.Connection
) -> None:
    _complete(conn, report_id)
    with recovering(broker, settings):
        wait_until(lambda: queue_depth(broker) == _BACKLOG + 1, "the retry")
    assert next_message(broker) == ("finalise_report", {"report_id": str(report_id)})


def test_a_merge_whose_lease_ran_out_goes_ahead_as_well(
    settings: Settings, broker: RedisBroker, report_id: UUID, conn: psycopg.Connection
) -> None:
    _complete(conn, report_id)
    conn.execute("update report set finalise_lease_until = clock_timestamp()")
    url = settings.database_url.get_secret_value()
    with make_pool(url, application_name="test", max_size=1) as pool:
        assert sweep(pool, broker, settings) == 1
    assert next_message(broker) == ("finalise_report", {"report_id": str(report_id)})


def test_a_claim_is_given_back_when_the_worker_is_there_again(
    settings: Settings, broker: RedisBroker, report_id: UUID, conn: psycopg.Connection
) -> None:
    returned = CLAIMS_RETURNED._value.get()
    assert claim_batch(conn, report_id, 0, TERMS)
    with recovering(broker, settings):
        wait_until(lambda: conn.execute(_STATE).fetchone() == ("pending", 1, 1), "the lease's end")
        conn.execute("select pg_advisory_lock(1433691240, %s)", [ABSENT])
        wait_until(lambda: conn.execute(_STATE).fetchone() == ("pending", 1, 0), "the claim")
    assert CLAIMS_RETURNED._value.get() == returned + 1


def test_no_worker_is_absent_for_a_while_after_the_recovery_lost_its_own_session(
    settings: Settings,
    broker: RedisBroker,
    report_id: UUID,
    conn: psycopg.Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A failover ends every session at once, on a server that has run for long."""
    with recovering(broker, settings) as recovery:
        wait_until(lambda: conn.execute(_SESSION).fetchone(), "the session")
        monkeypatch.setattr(module, "_GRACE_S", 3600.0)
        monkeypatch.setattr(
            module,
            "check_presence",
            lambda conn, **limits: _check_presence(conn, **{**limits, "grace_s": 0.0}),
        )
        assert conn.execute(f"select pg_terminate_backend(pid) from ({_SESSION}) mine").fetchone() == (True,)
        wait_until(lambda: not recovery.is_healthy(), "the loss to be noticed")
        assert claim_batch(conn, report_id, 0, TERMS)
        checks = set()

        def has_checked() -> bool:
            checks.update(conn.execute(_SESSION).fetchall())
            return len(checks) > 4

        wait_until(has_checked, "some checks")
    assert conn.execute(_STATE).fetchone() == ("leased", 1, 1)


_check_presence = presence.check_presence


def _complete(conn: psycopg.Connection, report_id: UUID) -> None:
    """Complete the only batch, and hold the finalisation that comes with it."""
    lease = claim_batch(conn, report_id, 0, TERMS)
    assert lease is not None
    part = StoredObject(lease.part_key, 10, "00" * 32)
    assert complete_batch(conn, lease, part, TERMS, read_seq=1).finalise is not None
