"""Absent workers, misjudged workers, retries and their pauses: what the database alone decides, without processes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
import pytest

from shared.db.queries import queries
from shared.reports.batch import BatchLease
from shared.reports.claim import LeaseTerms, claim_batch, claim_next, release_batch, return_claim
from shared.reports.complete import complete_batch
from shared.reports.due import bury_poison, expire_leases
from shared.reports.finalise import claim_finalise, release_finalise, renew_finalise, return_finalise_claim
from shared.reports.model import FinaliseLease
from shared.reports.presence import PresenceCheck, check_presence, return_claims, take_back, take_retries
from shared.storage import StoredObject
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.reports import trigger

LIMIT = 5
ABSENT = 77
TERMS = LeaseTerms("worker", 60, LIMIT, lambda: ABSENT)
_SQL = queries("presence")


@pytest.fixture
def conn(database_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_url, autocommit=True) as conn:
        yield conn


@pytest.fixture
def report_id(database_url: str) -> UUID:
    load_fleet(database_url, {"store": Store(polls=[(datetime(2024, 10, 14, tzinfo=UTC), True)])})
    return trigger(database_url).report_id


@contextmanager
def present(database_url: str, number: int) -> Iterator[None]:
    """A session that stands for a worker."""
    with psycopg.connect(database_url, autocommit=True) as session:
        assert session.execute(_SQL["take_lock"], {"number": number}).fetchone() == (True,)
        yield


def claim(conn: psycopg.Connection, report_id: UUID, terms: LeaseTerms = TERMS) -> BatchLease:
    lease = claim_batch(conn, report_id, 0, terms)
    assert lease is not None
    return lease


def claim_end(conn: psycopg.Connection, report_id: UUID, terms: LeaseTerms = TERMS) -> FinaliseLease:
    lease = claim_finalise(conn, report_id, terms)
    assert lease is not None
    return lease


def complete(conn: psycopg.Connection, lease: BatchLease) -> bool:
    part = StoredObject(lease.part_key, 10, "00" * 32)
    return complete_batch(conn, lease, part, replace(TERMS, max_attempts=0), read_seq=1).accepted


def glance(conn: psycopg.Connection) -> PresenceCheck:
    return check_presence(conn, grace_s=0, max_attempts=LIMIT)


def batch(conn: psycopg.Connection) -> Any:
    return conn.execute("select state, attempt, burnt from report_batch").fetchone()


def end_pause(conn: psycopg.Connection) -> None:
    conn.execute("update report_batch set due_at = clock_timestamp(), due_since = clock_timestamp()")
    conn.execute("update report set finalise_lease_until = clock_timestamp() where finaliser is null")


def let_leases_end(conn: psycopg.Connection) -> None:
    """Of the claims that were missed: their workers could not have renewed them any more."""
    conn.execute("update missed_claim set lease_until = clock_timestamp()")


class TestAbsence:
    def test_a_holder_without_a_session_is_absent_and_loses_its_lease(
        self, conn: psycopg.Connection, report_id: UUID
    ) -> None:
        claim(conn, report_id)
        assert glance(conn).absent == {ABSENT}
        assert take_back(conn, [ABSENT]).batches == 1
        assert batch(conn) == ("pending", 1, 1)
        assert glance(conn).absent == frozenset()

    def test_one_with_a_session_keeps_it_also_if_it_came_back_only_now(
        self, conn: psycopg.Connection, report_id: UUID, database_url: str
    ) -> None:
        claim(conn, report_id)
        with present(database_url, ABSENT):
            assert glance(conn).absent == frozenset()
            assert take_back(conn, [ABSENT]).batches == 0
        assert batch(conn) == ("leased", 1, 1)

    def test_a_session_of_another_database_stands_for_nobody_here(
        self, conn: psycopg.Connection, report_id: UUID, servers: Any
    ) -> None:
        claim(conn, report_id)
        with present(servers.database_url, ABSENT):
            assert glance(conn).absent == {ABSENT}

    def test_who_claims_without_presence_is_never_absent(
        self, conn: psycopg.Connection, report_id: UUID
    ) -> None:
        claim(conn, report_id, replace(TERMS, presence=lambda: None))
        assert glance(conn).absent == frozenset()

    def test_a_row_that_its_worker_is_changing_is_left_alone(
        self, conn: psycopg.Connection, report_id: UUID, database_url: str
    ) -> None:
        lease = claim(conn, report_id)
        with psycopg.connect(database_url) as busy:
            assert complete(busy, lease)
            assert take_back(conn, [ABSENT]).batches == 0
        assert batch(conn)[0] == "done"

    def test_nobody_is_judged_soon_after_the_server_has_started(
        self, conn: psycopg.Connection, report_id: UUID
    ) -> None:
        claim(conn, report_id)
        assert not check_presence(conn, grace_s=1e6, max_attempts=LIMIT).is_past_grace


class TestMisjudged:
    def test_a_claim_is_given_back_once_when_its_worker_says_that_it_lives(
        self, conn: psycopg.Connection, report_id: UUID
    ) -> None:
        lease = claim(conn, report_id)
        take_back(conn, [ABSENT])
        assert not complete(conn, lease)
        assert return_claim(conn, lease)
        assert not return_claim(conn, lease)
        assert batch(conn) == ("pending", 1, 0)

    def test_and_after_another_has_claimed_the_batch_and_given_it_back_too(
        self, conn: psycopg.Connection, report_id: UUID
    ) -> None:
        first = claim(conn, report_id)
        take_back(conn, [ABSENT])
        second = claim(conn, report_id)
        assert return_claim(conn, first)
        assert batch(conn) == ("leased", 2, 1)
        for _ in range(2):  # a lost reply lets the worker say it twice
            assert release_batch(conn, second, error="S3 away", pause_s=0, give_back=True)
        assert batch(conn) == ("pending", 2, 0)

    def test_the_return_of_its_session_proves_it_as_well(
        self, conn: psycopg.Connection, report_id: UUID, database_url: str
    ) -> None:
        lease = claim(conn, report_id)
        take_back(conn, [ABSENT])
        assert not glance(conn).has_returned
        with present(database_url, ABSENT):
            assert glance(conn).has_returned
            assert return_claims(conn) == 1
        assert batch(conn) == ("pending", 1, 0)
        assert not return_claim(conn, lease)

    @pytest.mark.parametrize("is_ended_first", [True, False])
    def test_a_frozen_worker_gets_its_claim_back_by_its_own_word_only(
        self, conn: psycopg.Connection, report_id: UUID, database_url: str, is_ended_first: bool
    ) -> None:
        """Its session was open all the time; a batch that hangs must end after five claims."""
        first = claim(conn, report_id)
        conn.execute("update report_batch set lease_until = clock_timestamp()")
        if is_ended_first:
            assert expire_leases(conn) == 1
        second = claim(conn, report_id, replace(TERMS, worker="another"))
        with present(database_url, ABSENT):
            assert return_claims(conn) == 0
        assert batch(conn) == ("leased", 2, 2)
        assert not complete(conn, first)
        assert return_claim(conn, first)
        assert complete(conn, second)
        assert batch(conn) == ("done", 2, 1)

    def test_a_batch_that_fails_while_its_worker_is_misjudged_has_failed(
        self, conn: psycopg.Connection, report_id: UUID, database_url: str
    ) -> None:
        lease = claim(conn, report_id)
        take_back(conn, [ABSENT])
        assert release_batch(conn, lease, error="KeyError: zone", pause_s=0, give_back=False)
        with present(database_url, ABSENT):
            assert return_claims(conn) == 0
        assert batch(conn) == ("pending", 1, 1)

    def test_nothing_is_buried_while_a_worker_may_still_say_that_it_lives(
        self, conn: psycopg.Connection, report_id: UUID
    ) -> None:
        leases = []
        for _ in range(LIMIT):
            leases.append(claim(conn, report_id))
            take_back(conn, [ABSENT])
            end_pause(conn)
        assert bury_poison(conn, LIMIT) == []
        assert return_claim(conn, leases[2])
        let_leases_end(conn)
        assert bury_poison(conn, LIMIT) == []
        assert claim(conn, report_id).attempt == LIMIT + 1


class TestPoisonWhileAbsent:
    def test_a_batch_that_kills_its_workers_ends_after_five_claims(
        self, conn: psycopg.Connection, report_id: UUID
    ) -> None:
        pauses_s = []
        for _ in range(LIMIT):
            claim(conn, report_id)
            take_back(conn, [ABSENT])
            row = conn.execute(
                "select extract(epoch from due_since - clock_timestamp())::float8 from report_batch"
            ).fetchone()
            assert row is not None
            pauses_s.append(max(0, round(row[0])))
            end_pause(conn)
        assert pauses_s == [0, 1, 5, 25, 60]
        assert claim_batch(conn, report_id, 0, TERMS) is None
        assert not glance(conn).has_retries
        let_leases_end(conn)
        assert bury_poison(conn, LIMIT) == [report_id]

    def test_neither_a_message_nor_a_look_shortens_the_pause(
        self, conn: psycopg.Connection, report_id: UUID
    ) -> None:
        for _ in range(2):
            claim(conn, report_id)
            take_back(conn, [ABSENT])
        conn.execute("update report_batch set due_since = clock_timestamp() + interval '1 minute'")
        assert claim_batch(conn, report_id, 0, TERMS) is None
        assert claim_next(conn, TERMS) is None

    def test_a_failing_batch_waits_longer_each_time_too(
        self, conn: psycopg.Connection, report_id: UUID
    ) -> None:
        for _ in range(3):
            end_pause(conn)
            release_batch(conn, claim(conn, report_id), error="KeyError", pause_s=1, give_back=False)
        waits = "select due_since > clock_timestamp() + interval '3 seconds' from report_batch"
        assert conn.execute(waits).fetchone() == (True,)


class TestRetryPauses:
    def test_a_retry_is_published_once_when_it_is_due(
        self, conn: psycopg.Connection, report_id: UUID
    ) -> None:
        claim(conn, report_id)
        take_back(conn, [ABSENT])
        assert glance(conn).has_retries
        taken = take_retries(conn, republish_s=10, max_attempts=LIMIT)
        assert [(wake.report_id, wake.batch_no) for wake in taken] == [(report_id, 0)]
        assert not glance(conn).has_retries
        assert take_retries(conn, republish_s=10, max_attempts=LIMIT) == []

    @pytest.mark.usefixtures("report_id")
    def test_what_was_never_claimed_is_no_retry(self, conn: psycopg.Connection) -> None:
        conn.execute("update report_batch set due_at = clock_timestamp(), due_since = clock_timestamp()")
        assert not glance(conn).has_retries


class TestFinalisation:
    @pytest.fixture
    def done(self, conn: psycopg.Connection, report_id: UUID) -> UUID:
        """A report that only lacks its end."""
        assert complete(conn, claim(conn, report_id))
        return report_id

    def test_it_is_taken_back_and_due_at_once(self, conn: psycopg.Connection, done: UUID) -> None:
        claim_end(conn, done)
        assert glance(conn).absent == {ABSENT}
        taken = take_back(conn, [ABSENT])
        assert (taken.finalisations, [wake.report_id for wake in taken.due]) == (1, [done])
        assert claim_end(conn, done).attempt == 2
        assert take_back(conn, [ABSENT]).due == (), "the second retry waits"
        assert claim_finalise(conn, done, TERMS) is None

    def test_a_misjudged_worker_keeps_it_if_nobody_else_has_claimed(
        self, conn: psycopg.Connection, done: UUID
    ) -> None:
        lease = claim_end(conn, done)
        take_back(conn, [ABSENT])
        assert renew_finalise(conn, lease, TERMS)
        assert claim_finalise(conn, done, TERMS) is None

    def test_its_claim_is_given_back_once(self, conn: psycopg.Connection, done: UUID) -> None:
        burnt = "select finalise_attempt, finalise_burnt from report"
        first = claim_end(conn, done)
        take_back(conn, [ABSENT])
        second = claim_end(conn, done)
        assert return_finalise_claim(conn, first)
        assert not return_finalise_claim(conn, first)
        assert conn.execute(burnt).fetchone() == (2, 1)
        for _ in range(2):
            release_finalise(conn, second, error="S3 away", give_back=True)
        assert conn.execute(burnt).fetchone() == (2, 0)

    def test_a_frozen_worker_that_lost_it_gives_its_claim_back(
        self, conn: psycopg.Connection, done: UUID
    ) -> None:
        first = claim_end(conn, done)
        conn.execute("update report set finalise_lease_until = clock_timestamp()")
        claim_end(conn, done)
        assert not renew_finalise(conn, first, TERMS)
        assert return_finalise_claim(conn, first)

    def test_a_merge_that_kills_its_workers_ends_after_five_claims(
        self, conn: psycopg.Connection, done: UUID
    ) -> None:
        for _ in range(LIMIT):
            claim_end(conn, done)
            take_back(conn, [ABSENT])
            end_pause(conn)
        assert claim_finalise(conn, done, TERMS) is None
        assert bury_poison(conn, LIMIT) == []
        let_leases_end(conn)
        assert bury_poison(conn, LIMIT) == [done]
