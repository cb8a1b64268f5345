"""Group commit: one thread writes all waiting calls in one transaction, and then wakes each caller.

While it commits, the next calls gather. So groups grow with the load. Of many callers, it also waits a moment for those
that were just answered, since a transaction costs as much for few calls as for many.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread

import psycopg
import structlog

from services.ingest.http.live_polls import LivePolls
from services.ingest.http.write_live import LiveWriter, UnindexedWeek, index_all_weeks
from services.ingest.write.counts import NO_ROWS, RowCounts
from shared.db.connect import connect
from shared.db.driver_errors import is_outage
from shared.errors import DatabaseUnavailable, InvalidRequest, Overloaded

# A group ends with the call that reaches this size, which is also the limit of one call.
_GROUP_POLLS = 10_000
_MAX_WAITING_POLLS = 200_000
ANSWERED_S = 25.0  # longer than the patience for a lock, which has its own answer
# A transaction takes 2 ms of processor here and 2 ms in Postgres, for 16 calls of one poll as for 64 (measured).
_MANY_CALLERS, _FEW_POLLS = 8, 500
_GATHERED_WITHIN_S = 0.02
_LOOK_EVERY_S = 0.002
_log = structlog.get_logger()


@dataclass(frozen=True)
class _WaitingCall:
    polls: LivePolls
    loop: asyncio.AbstractEventLoop
    answer: "asyncio.Future[RowCounts]"
    on_end: Callable[[int], None]

    @property
    def size(self) -> int:
        """How much of a group it takes. A call of a hook may have no polls, and still be written."""
        return max(1, len(self.polls))

    @property
    def is_given_up(self) -> bool:
        """Whether the caller no longer waits."""
        return self.answer.done()

    def set_answer(self, outcome: RowCounts | Exception) -> None:
        """End the call, and wake the caller if it still waits. Called in the loop's thread, once."""
        self.on_end(self.size)
        if self.answer.done():
            return
        if isinstance(outcome, Exception):
            self.answer.set_exception(outcome)
        else:
            self.answer.set_result(outcome)


def _answer_all(calls: Sequence[_WaitingCall], outcomes: Sequence[RowCounts | Exception]) -> None:
    """Answer every call, if its loop still runs. One message per loop, since waking it costs more than an answer."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[_WaitingCall, RowCounts | Exception]]] = {}
    for call, outcome in zip(calls, outcomes, strict=True):
        by_loop.setdefault(call.loop, []).append((call, outcome))
    for loop, ended in by_loop.items():
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_set_answers, ended)


def _set_answers(ended: Sequence[tuple[_WaitingCall, RowCounts | Exception]]) -> None:
    for call, outcome in ended:
        call.set_answer(outcome)


class GroupCommit:
    """Start it, `submit` calls from asyncio, and `close` it: calls that were submitted before are still written."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._calls: SimpleQueue[_WaitingCall | None] = SimpleQueue()
        # Changed only in the loop's thread.
        self._waiting_polls = 0
        self._connection = ExitStack()
        self._writer: LiveWriter | None = None
        self._thread = Thread(target=self._write_groups, name="live-polls", daemon=True)

    def start(self) -> None:
        """Start the thread. It connects with the first call."""
        self._thread.start()

    def close(self, within_s: float) -> None:
        """Return when all calls are written or refused, but at the latest after `within_s` seconds."""
        self._calls.put(None)
        self._thread.join(within_s)

    async def submit(self, polls: LivePolls) -> RowCounts:
        """Return when the polls are committed. Raise `InvalidRequest`, `DatabaseUnavailable` or `Overloaded`.

        Raise `DatabaseUnavailable` after `ANSWERED_S` seconds. The polls may still be written, and it is safe to send
        them again.
        """
        if self._waiting_polls + max(1, len(polls)) > _MAX_WAITING_POLLS:
            raise Overloaded(
                "live polls arrive faster than they can be written; send these polls again later"
            )
        loop = asyncio.get_running_loop()
        call = _WaitingCall(polls, loop, loop.create_future(), self._forget_call)
        self._waiting_polls += call.size
        self._calls.put(call)
        try:
            async with asyncio.timeout(ANSWERED_S):
                return await call.answer
        except TimeoutError:
            raise DatabaseUnavailable(
                f"the database did not answer within {ANSWERED_S:g} s; send the polls again"
            ) from None

    def _forget_call(self, polls: int) -> None:
        self._waiting_polls -= polls

    def _write_groups(self) -> None:
        with self._connection:
            while (group := self._take_group()) is not None:
                given_up: list[_WaitingCall] = []
                waiting: list[_WaitingCall] = []
                for call in group:
                    (given_up if call.is_given_up else waiting).append(call)
                # The answer reaches no caller; it only ends the call.
                _answer_all(given_up, [NO_ROWS] * len(given_up))
                if waiting:
                    _answer_all(waiting, self._write_group(waiting))
                self._await_callers(group)

    def _await_callers(self, answered: Sequence[_WaitingCall]) -> None:
        """After a small group, return when as many calls wait as there are callers, or soon."""
        callers, until_s = len(answered) + self._calls.qsize(), time.monotonic() + _GATHERED_WITHIN_S
        if callers < _MANY_CALLERS or sum(call.size for call in answered) >= _FEW_POLLS:
            return
        while self._calls.qsize() < callers and time.monotonic() < until_s:
            time.sleep(_LOOK_EVERY_S)

    def _take_group(self) -> list[_WaitingCall] | None:
        """Return the waiting calls, up to the size of a group, or None at the end."""
        call = self._calls.get()
        if call is None:
            return None
        group, polls = [call], call.size
        while polls < _GROUP_POLLS:
            try:
                call = self._calls.get_nowait()
            except Empty:
                break
            if call is None:
                self._calls.put(None)
                break
            group.append(call)
            polls += call.size
        return group

    def _write_group(self, group: list[_WaitingCall]) -> Sequence[RowCounts | Exception]:
        """Write the calls together. If the database refuses their data, write each alone, so that one fails alone."""
        outcomes = self._write_together(group)
        if len(group) == 1 or not all(_is_refusal(outcome) for outcome in outcomes):
            return outcomes
        return [outcome for call in group for outcome in self._write_together([call])]

    def _write_together(self, group: list[_WaitingCall]) -> Sequence[RowCounts | Exception]:
        try:
            calls = [call.polls for call in group]
            try:
                return self._get_writer().write_calls(calls)
            except UnindexedWeek:
                with self._connect() as conn:
                    index_all_weeks(conn)
                return self._get_writer().write_calls(calls)
        except Exception as error:  # noqa: BLE001 (raised in the callers)
            self._connection.close()
            self._writer = None
            fault = _translate_error(error)
            _log.warning("live_polls_not_written", calls=len(group), error=str(error))
            return [fault for _ in group]

    def _get_writer(self) -> LiveWriter:
        if self._writer is None:
            self._writer = LiveWriter(self._connection.enter_context(self._connect()))
        return self._writer

    def _connect(self) -> AbstractContextManager[psycopg.Connection]:
        return connect(self._database_url, application_name="uptill-ingest live", autocommit=True)


def _is_refusal(outcome: object) -> bool:
    """Return whether the database or the driver rejected the data."""
    return isinstance(outcome, psycopg.Error | ValueError) and not isinstance(outcome, InvalidRequest)


def _translate_error(error: Exception) -> Exception:
    if isinstance(error, psycopg.errors.LockNotAvailable | psycopg.errors.QueryCanceled):
        return DatabaseUnavailable("another import has locked the tables for too long; send the polls again")
    if isinstance(error, psycopg.Error) and is_outage(error):
        return DatabaseUnavailable("the database did not answer")
    return error
