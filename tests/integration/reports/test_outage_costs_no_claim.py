"""Postgres goes away while a batch is at work and comes back after its lease: the claim does not count against it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from threading import Timer

import psycopg
import pytest

from services.worker import compute_batch as use_case
from services.worker.compute_batch import compute_batch
from services.worker.context import WorkerContext
from services.worker.finalise_report import finalise_report
from services.worker.inputs import InputCache
from shared.db.connect import make_pool
from shared.errors import StorageUnavailable
from shared.reports.claim import LeaseTerms
from shared.reports.due import expire_leases
from shared.settings import Settings
from shared.storage import make_storage
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.proxy import LostCommit, PostgresProxy
from tests.fixtures.reports import trigger

POLL = datetime(2024, 10, 14, tzinfo=UTC)


@pytest.fixture
def proxy(env: dict[str, str]) -> Iterator[PostgresProxy]:
    load_fleet(env["UPTILL_DATABASE_URL"], {"store": Store(polls=[(POLL, True)])})
    with PostgresProxy(env["UPTILL_DATABASE_URL"]) as proxy:
        yield proxy


@pytest.fixture
def worker(env: dict[str, str], proxy: PostgresProxy) -> Iterator[WorkerContext]:
    values = {name.removeprefix("UPTILL_").lower(): value for name, value in env.items()}
    storage = make_storage(Settings.model_validate(values))
    with make_pool(proxy.url, application_name="test", max_size=2) as pool:
        yield WorkerContext(pool, storage, LeaseTerms("test", 60, 5), lambda _: None, InputCache(1 << 27))


def test_it_is_given_back_when_the_database_is_there_again(
    proxy: PostgresProxy, worker: WorkerContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    report_id = trigger(proxy.database_url).report_id
    back = Timer(1.0, proxy.come_back)

    def lose_everything(*_: object) -> bytes:
        proxy.go_away()
        with psycopg.connect(proxy.database_url) as conn:
            conn.execute("update report_batch set lease_until = clock_timestamp()")
            conn.commit()
            assert expire_leases(conn) == 1
        back.start()
        raise StorageUnavailable("S3 went with it")

    monkeypatch.setattr(use_case, "render_part", lose_everything)
    assert not compute_batch(worker, report_id, 0)
    back.join()
    with psycopg.connect(proxy.database_url) as conn:
        batch = conn.execute("select state, attempt, burnt, error ->> 'detail' from report_batch").fetchone()
    assert batch == ("pending", 1, 0, "S3 went with it")


@pytest.mark.parametrize("lost", ["reply", "request"])
@pytest.mark.parametrize("commit", range(5))
def test_a_session_that_is_cut_at_a_commit_costs_none_either(
    proxy: PostgresProxy, worker: WorkerContext, commit: int, lost: LostCommit
) -> None:
    """The claim, the load, the completion, what finishing reads, the end: whichever answer is lost, no claim counts."""
    report_id = trigger(proxy.database_url).report_id
    proxy.lost, proxy.lost_commits = lost, {commit}
    with psycopg.connect(proxy.database_url, autocommit=True) as conn:
        for _ in range(3):
            compute_batch(worker, report_id, 0)
            conn.execute("update report_batch set due_since = clock_timestamp()")  # the pause is over
            finalise_report(worker, report_id)
        counts = conn.execute(
            "select r.state, b.state, b.burnt, finalise_burnt, (select count(*) from missed_claim)"
            " from report r join report_batch b on b.report_id = r.id"
        ).fetchone()
    assert proxy.faults == 1
    assert counts == ("succeeded", "done", 1, 1, 0)
