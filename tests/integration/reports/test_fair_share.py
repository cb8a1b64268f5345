"""No key starves another: whose batch, merge or webhook comes next, and what one key may have open at a time."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import AsyncConnection

from services.scheduler.sender import Sender
from services.scheduler.webhooks.dial import Dialer
from services.scheduler.webhooks.outbox import WebhookOutbox
from shared.contracts import ComputeBatch, ShortBatch
from shared.db.connect import make_pool
from shared.errors import TooManyOpenReports
from shared.keys import create_key, rotate_key
from shared.limits import KeyLimits
from shared.reports.acceptance import Accepted, BatchTerms
from shared.reports.batch import BatchLease
from shared.reports.claim import LeaseTerms, claim_next, release_batch
from shared.reports.due import take_due
from shared.reports.parameters import ReportCaller, ReportRequest, StoreFilter
from shared.reports.trigger import trigger_report
from shared.settings import Settings
from shared.uptime.window import parse_windows
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.in_process import problem
from tests.fixtures.receiver import receiver
from tests.fixtures.services import wait_until
from tests.fixtures.two_keys import KeyHolder, make_key, two_keys

POLL = datetime(2024, 10, 14, 12, tzinfo=UTC)
TERMS = LeaseTerms("worker", lease_s=60, max_attempts=5)
STORES = 20


@pytest.fixture
def conn(database_url: str) -> Iterator[psycopg.Connection]:
    load_fleet(
        database_url, {f"{n:02d}": Store(polls=[(POLL - timedelta(hours=n), True)]) for n in range(STORES)}
    )
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def ask(
    conn: psycopg.Connection,
    key: str,
    *,
    stores: int = STORES,
    windows: tuple[str, ...] = ("last_day",),
    batch_stores: int = 2,
    limits: KeyLimits | None = None,
) -> Accepted:
    """Accept a report of the first stores as the API would."""

    async def run() -> Accepted:
        url = conn.info.dsn + f" password={conn.info.password}"
        chosen = StoreFilter(ids=tuple(f"{n:02d}" for n in range(stores)))
        request = ReportRequest(policy="classic", force=True, windows=parse_windows(windows), stores=chosen)
        terms = BatchTerms(batch_stores, 60, limits=limits or KeyLimits())
        async with await AsyncConnection.connect(url) as session:
            return await trigger_report(session, request, ReportCaller(key), terms)

    return asyncio.run(run())


def claim(conn: psycopg.Connection, *, only_short: bool = False) -> BatchLease:
    lease = claim_next(conn, TERMS, only_short=only_short)
    assert lease is not None
    return lease


class TestTurns:
    def test_a_key_with_nothing_in_hand_comes_before_a_long_backlog(self, conn: psycopg.Connection) -> None:
        backlog = [ask(conn, "greedy").report_id for _ in range(3)]
        claim(conn)
        small = ask(conn, "small").report_id
        assert claim(conn).batch.report_id == small
        assert claim(conn).batch.report_id in {small, backlog[0]}

    def test_keys_share_alike_whoever_came_first(self, conn: psycopg.Connection) -> None:
        owner = {ask(conn, key).report_id: key for key in ("first", "first", "second", "third")}
        served = Counter(owner[claim(conn).batch.report_id] for _ in range(24))
        assert served == {"first": 8, "second": 8, "third": 8}

    def test_what_one_key_leaves_is_for_the_others(self, conn: psycopg.Connection) -> None:
        small, large = ask(conn, "small", stores=4).report_id, ask(conn, "large").report_id
        served = Counter(claim(conn).batch.report_id for _ in range(12))
        assert served == {small: 2, large: 10}
        assert claim_next(conn, TERMS) is None

    def test_of_one_key_the_oldest_report_comes_first(self, conn: psycopg.Connection) -> None:
        first, second = (ask(conn, "one", stores=4).report_id for _ in range(2))
        claimed = [(lease.batch.report_id, lease.batch.batch_no) for lease in (claim(conn) for _ in range(4))]
        assert claimed == [(first, 0), (first, 1), (second, 0), (second, 1)]

    def test_a_merge_is_work_in_hand(self, conn: psycopg.Connection) -> None:
        merging = ask(conn, "merges").report_id
        conn.execute(
            "update report set state = 'running', finalise_lease_until = clock_timestamp() + interval '1 minute'"
            " where id = %s",
            [merging],
        )
        other = ask(conn, "other").report_id
        assert [claim(conn).batch.report_id for _ in range(1)] == [other]

    def test_a_rotated_key_gets_no_second_turn(self, conn: psycopg.Connection) -> None:
        old = create_key(conn, name="old", scopes=["reports:write"]).split("_")[1]
        new = rotate_key(conn, old).split("_")[1]
        owner = {
            ask(conn, old).report_id: "line",
            ask(conn, new).report_id: "line",
            ask(conn, "x").report_id: "x",
        }
        served = Counter(owner[claim(conn).batch.report_id] for _ in range(10))
        assert served == {"line": 5, "x": 5}

    def test_two_workers_that_claim_at_once_get_two_batches(
        self, conn: psycopg.Connection, database_url: str
    ) -> None:
        ask(conn, "one", stores=4)
        conn.execute("update report set state = 'running'")  # by an earlier claim
        with psycopg.connect(database_url) as undecided:
            first = claim(undecided)
            second = claim(conn)  # does not wait for the other to commit
            assert {first.batch.batch_no, second.batch.batch_no} == {0, 1}

    @pytest.mark.parametrize(
        "made",
        [
            "update report_batch set due_since = clock_timestamp() + interval '1 minute'",
            "update report_batch set burnt = 5",
            "update report_batch set state = 'dead'",
            "update report set state = 'canceled'",
            "update report set state = 'failed'",
        ],
    )
    def test_what_must_wait_or_has_ended_is_not_claimed(self, conn: psycopg.Connection, made: str) -> None:
        ask(conn, "one")
        conn.execute(made.encode())
        assert claim_next(conn, TERMS) is None

    def test_a_batch_that_failed_waits_for_its_pause(self, conn: psycopg.Connection) -> None:
        ask(conn, "one", stores=2)
        lease = claim(conn)
        assert release_batch(conn, lease, error="x", pause_s=60, give_back=False)
        assert claim_next(conn, TERMS) is None
        conn.execute("update report_batch set due_since = clock_timestamp()")
        assert claim(conn).attempt == lease.attempt + 1


class TestShortWork:
    def test_the_thread_for_short_work_takes_nothing_else(self, conn: psycopg.Connection) -> None:
        long = ask(
            conn, "greedy", stores=2, batch_stores=8
        )  # one batch, and more than an eighth of a full one
        assert {type(wake) for wake in long.wakes} == {ComputeBatch}
        assert claim_next(conn, TERMS, only_short=True) is None
        short = ask(conn, "small", stores=1, batch_stores=8)
        assert [type(wake) for wake in short.wakes] == [ShortBatch]
        assert claim(conn, only_short=True).batch.report_id == short.report_id
        assert claim(conn).batch.report_id == long.report_id

    def test_long_windows_are_no_short_work(self, conn: psycopg.Connection) -> None:
        assert type(ask(conn, "x", stores=20, batch_stores=4000).wakes[0]) is ShortBatch
        assert type(ask(conn, "x", stores=20, batch_stores=4000, windows=("P366D",)).wakes[0]) is ComputeBatch

    def test_many_small_reports_of_one_key_take_turns_with_anothers(self, conn: psycopg.Connection) -> None:
        flood = {ask(conn, "greedy", stores=1).report_id for _ in range(10)}
        claim(conn, only_short=True)
        own = ask(conn, "small", stores=1).report_id
        assert claim(conn, only_short=True).batch.report_id == own
        assert claim(conn, only_short=True).batch.report_id in flood

    def test_a_message_that_was_lost_is_published_as_short_again(self, conn: psycopg.Connection) -> None:
        ask(conn, "small", stores=1)
        conn.execute("update report_batch set due_at = clock_timestamp()")
        assert [type(wake) for wake in take_due(conn, republish_s=60)] == [ShortBatch]


@contextmanager
def keys(env_settings: Settings, **changed: Any) -> Iterator[tuple[KeyHolder, KeyHolder, KeyHolder]]:
    with two_keys(env_settings.model_copy(update=changed)) as found:
        yield found


@pytest.mark.usefixtures("conn")
class TestLimits:
    def test_one_key_has_so_many_unfinished_reports_and_another_is_not_concerned(
        self, settings: Settings
    ) -> None:
        with keys(settings, max_open_reports=3) as (one, other, _):
            left = []
            for _ in range(3):
                accepted = one.post("/v1/reports", {"force": True})
                assert accepted.headers["quota-policy"] == '"open-reports";q=3'
                left.append(accepted.headers["quota"])
            assert left == [f'"open-reports";r={n}' for n in (2, 1, 0)]
            refused = one.post("/v1/reports", {"force": True})
            assert "3 unfinished reports" in problem(refused, 429, "too_many_open_reports")["detail"]
            assert refused.headers["quota"] == '"open-reports";r=0'
            assert int(refused.headers["retry-after"]) > 0
            other.ask(force=True)
            one.cancel(accepted.json()["id"])
            one.ask(force=True)

    def test_a_question_that_is_answered_already_costs_nothing(self, settings: Settings) -> None:
        with keys(settings, max_open_reports=1) as (one, _, _):
            report_id = one.ask()
            assert one.ask() == report_id

    def test_a_rotated_key_has_no_second_share(self, conn: psycopg.Connection) -> None:
        old = create_key(conn, name="old", scopes=["reports:write"]).split("_")[1]
        ask(conn, old)
        new = rotate_key(conn, old).split("_")[1]
        with pytest.raises(TooManyOpenReports):
            ask(conn, new, limits=KeyLimits(open_reports=1))

    def test_failed_reports_that_are_tried_again_count(
        self, settings: Settings, conn: psycopg.Connection
    ) -> None:
        with keys(settings, max_open_reports=1) as (one, _, _):
            failed = one.ask()
            conn.execute("update report set state = 'failed' where id = %s", [failed])
            one.ask(force=True)
            problem(one.post(f"/v1/reports/{failed}/retry"), 429, "too_many_open_reports")
            assert one.state(failed) == "failed"

    def test_webhooks_that_wait_and_endpoints_are_limited(
        self, settings: Settings, conn: psycopg.Connection
    ) -> None:
        with keys(settings, max_pending_webhooks=2, max_webhook_endpoints=1) as (one, other, admin):
            for holder in (one, other):
                assert holder.post("/v1/webhook-secret").status_code == 201
            for number in range(2):
                one.ask(webhook_url=f"https://one.example/{number}")
            body = {"webhook_url": "https://one.example/2"}
            problem(one.post("/v1/reports", body), 429, "too_many_pending_webhooks")
            one.ask()
            report_id = other.ask(webhook_url="https://other.example/")
            conn.execute("update report set state = 'failed' where id = %s", [report_id])
            problem(
                one.post("/v1/reports", body), 429, "too_many_pending_webhooks"
            )  # they wait for receivers
            conn.execute("update webhook_delivery set state = 'delivered', ended_at = clock_timestamp()")
            one.ask(**body)
            endpoint = {"url": "https://one.example/all"}
            assert admin.post("/v1/webhook-endpoints", endpoint).status_code == 201
            problem(admin.post("/v1/webhook-endpoints", endpoint), 409, "limit_reached")

    def test_the_backlog_of_one_key_is_no_reason_to_refuse_another(
        self, settings: Settings, conn: psycopg.Connection
    ) -> None:
        with keys(settings, max_queue_age_s=60) as (one, other, _):
            one.ask(force=True)
            conn.execute("update report_batch set due_since = due_since - interval '2 minutes'")
            claim(conn)  # a worker is at work
            problem(once_refused(one), 503, "overloaded")
            other.ask(force=True)

    def test_a_backlog_that_no_worker_touches_refuses_everybody(
        self, settings: Settings, conn: psycopg.Connection
    ) -> None:
        with keys(settings, max_queue_age_s=60) as (one, other, _):
            one.ask(force=True)
            conn.execute("update report_batch set due_since = due_since - interval '2 minutes'")
            problem(once_refused(other), 503, "overloaded")


def once_refused(holder: KeyHolder) -> Any:
    """The first answer that accepts nothing: the API looks at the backlog once a second."""
    answers: list[Any] = []

    def is_refused() -> bool:
        answers.append(holder.post("/v1/reports", {"force": True}))
        return bool(answers[-1].status_code != 202)

    wait_until(is_refused, "a refusal", every_s=0.1)
    return answers[-1]


def test_a_receiver_that_never_answers_holds_up_nobody_else(
    settings: Settings, conn: psycopg.Connection
) -> None:
    """120 webhooks of one key to a tarpit, to several addresses of it; another key's is delivered meanwhile."""
    loose = settings.model_copy(update={"webhook_allow_private": True})
    url = settings.database_url.get_secret_value()
    with (
        receiver() as tarpit,
        receiver() as hook,
        two_keys(loose) as (greedy, other, _),
        make_pool(url, application_name="test", max_size=6) as pool,
    ):
        tarpit.silent.set()
        for holder in (greedy, other):
            assert holder.post("/v1/webhook-secret").status_code == 201
        for number in range(120):
            greedy.ask(webhook_url=f"{tarpit.url}/{number}")
        asked = greedy.ask()
        conn.execute(
            "update report set state = 'failed', finished_at = clock_timestamp() where id = %s", [asked]
        )
        sender = Sender([WebhookOutbox(pool, Dialer(allow_private=True, timeout_s=30))], threads=4)
        sender.start()
        try:
            wait_until(lambda: len(tarpit.received) == 2, "as many as one key may have under way")
            small = other.ask(force=True, webhook_url=hook.url)
            conn.execute(
                "update report set state = 'failed', finished_at = clock_timestamp() where id = %s", [small]
            )
            wait_until(lambda: hook.received, "another key's webhook")
            assert len(tarpit.received) == 2
        finally:
            sender.stop(0)


def test_a_line_of_keys_begins_with_its_first(conn: psycopg.Connection) -> None:
    first = create_key(conn, name="first", scopes=["admin"]).split("_")[1]
    second = rotate_key(conn, first).split("_")[1]
    third = rotate_key(conn, second).split("_")[1]
    lines = conn.execute(
        "select key_line(prefix) from unnest(%s::text[]) given (prefix)",
        [[first, second, third, "unknown", None]],
    ).fetchall()
    assert [line for (line,) in lines] == [first, first, first, "unknown", ""]


def test_every_report_knows_whose_it_is(conn: psycopg.Connection, database_url: str) -> None:
    prefix = make_key(database_url, "one").split("_")[1]
    report_id: UUID = ask(conn, prefix).report_id
    assert conn.execute("select key_line from report where id = %s", [report_id]).fetchone() == (prefix,)
