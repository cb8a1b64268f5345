"""Group commit: one thread writes all calls that wait in one transaction, and then wakes each caller.

While it commits, the next calls gather: the busier the service, the larger the groups.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread

import psycopg
import structlog

from services.ingest.http.live_polls import LivePolls
from services.ingest.http.write_live import LiveWriter, WeekWithoutKey, settle_weeks
from services.ingest.write.counts import RowCounts
from shared.db.connect import connect, is_outage
from shared.errors import DatabaseUnavailable, InvalidRequest, Overloaded

_GROUP_POLLS = 10_000  # a group ends with the call that reaches it; as many as one call may have
_MAX_WAITING_POLLS = 200_000
ANSWERED_S = 25.0  # longer than the patience for a lock, which has an answer of its own
_log = structlog.get_logger()


@dataclass(frozen=True)
class _Call:
    polls: LivePolls
    loop: asyncio.AbstractEventLoop
    answer: "asyncio.Future[RowCounts]"
    on_end: Callable[[int], None]

    @property
    def is_given_up(self) -> bool:
        """Whether nobody waits for the answer any more."""
        return self.answer.done()

    def resolve(self, outcome: RowCounts | Exception) -> None:
        """Wake the caller, if its loop still runs and it still waits. Every call is resolved once."""
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self._set, outcome)

    def _set(self, outcome: RowCounts | Exception) -> None:
        self.on_end(len(self.polls))
        if self.answer.done():
            return
        if isinstance(outcome, Exception):
            self.answer.set_exception(outcome)
        else:
            self.answer.set_result(outcome)


class GroupCommit:
    """Start it, `submit` from asyncio, `close` it: what was submitted before is still written."""

    def __init__(self, database_url: str) -> None:
        self._database_url = database_url
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._waiting_polls = 0  # changed in the loop's thread only
        self._connection = ExitStack()
        self._writer: LiveWriter | None = None
        self._thread = Thread(target=self._run, name="live-polls", daemon=True)

    def start(self) -> None:
        """Start the thread; it connects with the first call."""
        self._thread.start()

    def close(self, within_s: float) -> None:
        """Return when everything is written or refused, or after `within_s` seconds: a frozen database ends nothing."""
        self._calls.put(None)
        self._thread.join(within_s)

    async def submit(self, polls: LivePolls) -> RowCounts:
        """Return once the polls are committed. Raises `InvalidRequest`, `DatabaseUnavailable` or `Overloaded`.

        After `ANSWERED_S` seconds it is `DatabaseUnavailable`; the polls may still be written, and may be sent again.
        """
        if self._waiting_polls + len(polls) > _MAX_WAITING_POLLS:
            raise Overloaded("more live polls arrive than can be written; send them again later")
        loop = asyncio.get_running_loop()
        call = _Call(polls, loop, loop.create_future(), self._end)
        self._waiting_polls += len(polls)
        self._calls.put(call)
        try:
            return await asyncio.wait_for(call.answer, ANSWERED_S)
        except TimeoutError:
            raise DatabaseUnavailable(
                f"the database did not answer within {ANSWERED_S:g} s; send the polls again"
            ) from None

    def _end(self, polls: int) -> None:
        self._waiting_polls -= polls

    def _run(self) -> None:
        with self._connection:
            group: list[_Call] | None = []
            while (group := self._next_group()) is not None:
                wanted: list[_Call] = []
                for call in group:
                    if call.is_given_up:
                        call.resolve(
                            RowCounts()
                        )  # nobody hears it; the call no longer counts among those that wait
                    else:
                        wanted.append(call)
                for call, outcome in zip(wanted, self._write(wanted) if wanted else [], strict=True):
                    call.resolve(outcome)

    def _next_group(self) -> list[_Call] | None:
        """What waits, up to the size of a group; None at the end."""
        call = self._calls.get()
        if call is None:
            return None
        group, polls = [call], len(call.polls)
        while polls < _GROUP_POLLS:
            try:
                call = self._calls.get_nowait()
            except Empty:
                break
            if call is None:
                self._calls.put(None)
                break
            group.append(call)
            polls += len(call.polls)
        return group

    def _write(self, group: list[_Call]) -> Sequence[RowCounts | Exception]:
        """Write the calls together; if the database refuses what they say, each alone, so that one cannot spoil others."""
        outcomes = self._write_together(group)
        if len(group) == 1 or not all(_is_refusal(outcome) for outcome in outcomes):
            return outcomes
        return [outcome for call in group for outcome in self._write_together([call])]

    def _write_together(self, group: list[_Call]) -> Sequence[RowCounts | Exception]:
        try:
            calls = [call.polls for call in group]
            try:
                return self._connected().write(calls)
            except WeekWithoutKey:
                with self._connect() as conn:
                    settle_weeks(conn)
                return self._connected().write(calls)
        except Exception as error:  # noqa: BLE001 (handed to the callers)
            self._connection.close()
            self._writer = None
            fault = _translated(error)
            _log.warning("live_polls_not_written", calls=len(group), error=str(error))
            return [fault for _ in group]

    def _connected(self) -> LiveWriter:
        if self._writer is None:
            self._writer = LiveWriter(self._connection.enter_context(self._connect()))
        return self._writer

    def _connect(self) -> AbstractContextManager[psycopg.Connection]:
        return connect(self._database_url, application_name="uptill-ingest live", autocommit=True)


def _is_refusal(outcome: object) -> bool:
    """Whether the database, or the driver, took the fault to be in what was written."""
    return isinstance(outcome, psycopg.Error | ValueError) and not isinstance(outcome, InvalidRequest)


def _translated(error: Exception) -> Exception:
    if isinstance(error, psycopg.errors.LockNotAvailable | psycopg.errors.QueryCanceled):
        return DatabaseUnavailable("another import holds the tables for long; send the polls again")
    if isinstance(error, psycopg.Error) and is_outage(error):
        return DatabaseUnavailable("the database did not answer")
    return error
