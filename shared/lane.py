"""Threads for blocking calls to one server. Each server has its own, so a hanging server does not delay other calls."""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import TypeVar

from shared.breaker import Breaker
from shared.errors import InfrastructureError

T = TypeVar("T")
_NEVER = 1 << 62


class Lane:
    """Runs calls in `threads` daemon threads. At most `waiting` more calls queue; a caller waits `within_s` seconds.

    A call that outlasts its caller keeps its thread until it ends, so calls need time limits of their own. A lane that
    `breaks` refuses calls at once after three failures in a row, except for one per second.
    """

    def __init__(
        self,
        server: str,
        unavailable: type[InfrastructureError],
        *,
        threads: int,
        waiting: int,
        within_s: float,
        breaks: bool = True,
    ) -> None:
        self._server, self._unavailable, self._within_s = server, unavailable, within_s
        self._threads, self._most = threads, threads + waiting
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        # Calls that run or wait. Only the event loop's thread changes it.
        self._held = 0
        self._started = 0
        self._breaker = Breaker(server) if breaks else Breaker(server, failures=_NEVER)

    async def run(self, call: Callable[[], T]) -> T:
        """Return what `call` returns. Raises the lane's error if the server does not answer, did not lately, or has too many calls."""
        if self._held >= self._most:
            raise self._unavailable(f"too many calls are waiting for {self._server}; try again")
        if not self._breaker.admits():
            raise self._unavailable(f"{self._server} has not answered lately; try again")
        outcome = self._enqueue(call)
        try:
            result: T = await asyncio.wait_for(asyncio.wrap_future(outcome), self._within_s)
        except TimeoutError:
            self._breaker.failed()
            raise self._unavailable(f"{self._server} did not answer within {self._within_s:g} s") from None
        except InfrastructureError:
            self._breaker.failed()
            raise
        except BaseException as error:
            if isinstance(error, Exception):
                # It answered, with an error.
                self._breaker.succeeded()
            raise
        self._breaker.succeeded()
        return result

    def close(self) -> None:
        """End the idle threads. The others end with their calls, or with the process."""
        for _ in range(self._started):
            self._calls.put(None)

    def _enqueue(self, call: Callable[[], T]) -> "Future[T]":
        loop, outcome = asyncio.get_running_loop(), Future[T]()
        context = contextvars.copy_context()

        def run_call() -> None:
            # False if the caller has stopped waiting.
            if not outcome.set_running_or_notify_cancel():
                self._schedule_free(loop)
                return
            try:
                result = context.run(call)
            except BaseException as error:  # noqa: BLE001 - the caller gets it
                # The place is free before the caller goes on, or its next call could be refused.
                self._schedule_free(loop)
                outcome.set_exception(error)
            else:
                self._schedule_free(loop)
                outcome.set_result(result)

        self._held += 1
        self._calls.put(run_call)
        if self._started < min(self._threads, self._held):
            self._started += 1
            Thread(target=self._run_calls, name=f"lane {self._server}", daemon=True).start()
        return outcome

    def _schedule_free(self, loop: asyncio.AbstractEventLoop) -> None:
        # The loop may have ended.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(self._free_place)

    def _free_place(self) -> None:
        self._held -= 1

    def _run_calls(self) -> None:
        while (run_call := self._calls.get()) is not None:
            run_call()
