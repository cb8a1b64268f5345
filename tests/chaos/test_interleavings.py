"""Claim, complete, finish, expiry and cancel, statement by statement in every drawn order: one of the ends wins, wholly."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from shared.errors import ReportEnded
from shared.reports.acceptance import BatchTerms
from shared.reports.claim import LeaseTerms, claim_batch
from shared.reports.complete import complete_batch
from shared.reports.due import due_finalisations, expire_leases
from shared.reports.end import cancel_report, withdraw
from shared.reports.finalise import claim_finalise, finish_report
from shared.reports.model import FileOfReport, FinaliseLease
from shared.reports.parameters import ReportCaller, ReportRequest
from shared.reports.trigger import trigger_report
from shared.storage import StoredObject
from tests.chaos.turn_by_turn import TurnByTurn
from tests.chaos.turns import Game, Script, Session
from tests.fixtures.fleet import Store, load_fleet
from tests.fixtures.reports import trigger

POLL = datetime(2024, 10, 14, 12, tzinfo=UTC)
TERMS = LeaseTerms("worker", lease_s=60, max_attempts=50)


@dataclass
class Told:
    """What the players of one game were told."""

    finished: list[str] = field(default_factory=list)
    canceled: str = ""


class Scripts:
    """What the players do to one report of two batches."""

    def __init__(self, report_id: UUID) -> None:
        self.report_id = report_id
        self.told = Told()

    def worker(self, name: str, batch_no: int) -> Script:
        return lambda conn: self.work(name, conn, batch_no)

    def work(self, name: str, conn: psycopg.Connection, batch_no: int) -> None:
        """Claim a batch, complete it, and finish the report if it was the last."""
        lease = claim_batch(conn, self.report_id, batch_no, TERMS)
        conn.commit()
        if lease is not None:
            part = StoredObject(lease.part_key, 1, "00")
            completion = complete_batch(conn, lease, part, TERMS, read_seq=1)
            conn.commit()
            if completion.finalise is not None:
                self.finish(name, conn, completion.finalise)

    def finish(self, name: str, conn: psycopg.Connection, lease: FinaliseLease) -> None:
        file = FileOfReport("csv", lease.object_key("csv"), 1, "11", rows=4)
        if finish_report(conn, lease, [file], tzdata_version="2026a"):
            conn.commit()
            self.told.finished.append(f"{name}: {file.object}")

    def rescue(self, conn: psycopg.Connection) -> None:
        """Every lease is over by now: another worker takes what is open, and finishes what is done."""
        conn.execute("update report_batch set lease_until = clock_timestamp() where state = 'leased'")
        conn.commit()
        conn.execute(
            "update report set finalise_lease_until = clock_timestamp() where finalise_lease_until is not null"
        )
        conn.commit()
        expire_leases(conn)
        conn.commit()
        for batch_no in (0, 1):
            self.work("rescuer", conn, batch_no)
        if due_finalisations(conn, TERMS.max_attempts):
            lease = claim_finalise(conn, self.report_id, TERMS)
            conn.commit()
            if lease is not None:
                self.finish("rescuer", conn, lease)

    def cancel(self, conn: Session) -> None:
        """As the API does, which speaks asyncio: the same statements through the same session."""
        try:
            asyncio.run(cancel_report(TurnByTurn(conn), self.report_id))  # type: ignore[arg-type]
            conn.commit()
            self.told.canceled = "yes"
        except ReportEnded:
            self.told.canceled = "too late"


def outcome(conn: psycopg.Connection, report_id: UUID) -> tuple[Any, ...]:
    row = conn.execute(
        "select state, object, rows, finished_at is not null,"
        " (select array_agg(state order by batch_no) from report_batch where report_id = r.id)"
        " from report r left join report_file f on f.report_id = r.id where id = %s",
        [report_id],
    ).fetchone()
    assert row is not None
    return row


@pytest.mark.parametrize(
    "seeds", [range(20), pytest.param(range(20, 1100), marks=[pytest.mark.chaos, pytest.mark.timeout(600)])]
)
def test_cancel_wins_or_loses_and_a_report_is_finished_once(database_url: str, seeds: range) -> None:
    load_fleet(
        database_url, {f"store-{n}": Store(polls=[(POLL - timedelta(hours=n), True)]) for n in range(4)}
    )
    ends: Counter[str] = Counter()
    orders: set[tuple[str, ...]] = set()
    with Game(database_url) as game, psycopg.connect(database_url, autocommit=True) as conn:
        for seed in seeds:
            report_id = trigger(database_url).report_id
            scripts = Scripts(report_id)
            moves = game.play(
                seed,
                {
                    "a": scripts.worker("a", 0),
                    "b": scripts.worker("b", 1),
                    "rescuer": scripts.rescue,
                    "caller": scripts.cancel,
                },
            )
            at_the_end = outcome(conn, report_id)
            if scripts.told.canceled == "too late":
                assert at_the_end[0] == "succeeded", f"seed {seed}: {moves}"
            scripts.rescue(conn)
            state, file, rows, has_ended, batches = outcome(conn, report_id)
            told = scripts.told
            assert has_ended, f"seed {seed}: {moves}"
            if told.canceled == "yes":
                assert (state, file, told.finished) == ("canceled", None, []), f"seed {seed}: {moves}"
                assert (state, file, rows, has_ended) == at_the_end[:4]
            else:
                assert (state, rows, batches) == ("succeeded", 4, ["done", "done"]), f"seed {seed}: {moves}"
                assert [line.partition(": ")[2] for line in told.finished] == [file], f"seed {seed}: {moves}"
            ends[
                f"{told.canceled}, finished by {told.finished[0].partition(':')[0] if told.finished else 'nobody'}"
            ] += 1
            orders.add(tuple(moves))
    print(dict(ends))
    assert len(orders) > 0.9 * len(seeds), "the draws repeat each other"
    assert {end.partition(",")[0] for end in ends} == {"yes", "too late"}, ends


class Sharers:
    """Callers that ask the same question, each with an Idempotency-Key, and some withdraw. What each was told, in order."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.answers: dict[str, list[UUID]] = {}
        self.withdrew: set[str] = set()

    def stays(self, key: str) -> Script:
        return lambda conn: self._ask(key, conn)

    def asks_twice(self, key: str) -> Script:
        """The second time it must not be given what others canceled."""

        def script(conn: Session) -> None:
            self._ask(key, conn)
            self._ask(key, conn)

        return script

    def leaves(self, key: str) -> Script:
        def script(conn: Session) -> None:
            self._ask(key, conn)
            try:
                with conn.transaction():
                    asyncio.run(withdraw(TurnByTurn(conn), self.answers[key][-1], by=key))  # type: ignore[arg-type]
            except ReportEnded:
                return
            self.withdrew.add(key)

        return script

    def _ask(self, key: str, conn: Session) -> None:
        request = ReportRequest(policy="classic", as_of=POLL - timedelta(seconds=self._seed))
        caller = ReportCaller(key, f"{key} {self._seed}")
        accepted = asyncio.run(trigger_report(TurnByTurn(conn), request, caller, BatchTerms(2, 60)))  # type: ignore[arg-type]
        self.answers.setdefault(key, []).append(accepted.report_id)


@pytest.mark.parametrize(
    "seeds", [range(15), pytest.param(range(15, 500), marks=[pytest.mark.chaos, pytest.mark.timeout(600)])]
)
def test_a_shared_report_is_canceled_only_when_nobody_wants_it(database_url: str, seeds: range) -> None:
    """Whoever has not withdrawn has a report that lives; one that all of its callers left is canceled."""
    load_fleet(
        database_url, {f"store-{n}": Store(polls=[(POLL - timedelta(hours=n), True)]) for n in range(4)}
    )
    shared: Counter[int] = Counter()
    with Game(database_url) as game, psycopg.connect(database_url, autocommit=True) as conn:
        for seed in seeds:
            sharers = Sharers(seed)
            moves = game.play(
                seed,
                {
                    "leaves": sharers.leaves("leaves"),
                    "leaves too": sharers.leaves("leaves too"),
                    "stays": sharers.stays("stays") if seed % 2 else sharers.leaves("stays"),
                    "twice": sharers.asks_twice("twice") if seed % 3 else sharers.leaves("twice"),
                },
            )
            wanted = {ids[-1] for key, ids in sharers.answers.items() if key not in sharers.withdrew}
            left = {ids[-1] for ids in sharers.answers.values()} - wanted
            states: dict[UUID, str] = dict(conn.execute("select id, state from report").fetchall())
            assert {states[report_id] for report_id in wanted} <= {"queued"}, f"seed {seed}: {moves}"
            assert {states[report_id] for report_id in left} <= {"canceled"}, f"seed {seed}: {moves}"
            shared[len(wanted | left)] += 1
    print(dict(shared))
    assert shared[1] > 0, "no draw made callers share"
    assert sum(shared.values()) > shared[1], "no draw made a caller come too late to share"
