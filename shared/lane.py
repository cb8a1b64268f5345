"""Threads for blocking calls to one server. Each server has its own, so that one that hangs holds up nobody else's calls."""

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

    A call that outlasts its caller keeps its thread until it ends, so the calls need time limits of their own. A lane that
    `breaks` refuses calls at once after three failures in a row, except for one a second.
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
        self._held = 0  # calls that run or wait; changed in the loop's thread only
        self._started = 0
        self._breaker = Breaker(server) if breaks else Breaker(server, failures=_NEVER)

    async def run(self, call: Callable[[], T]) -> T:
        """Return what `call` returns. Raises the lane's error when the server is silent, was silent, or has too many calls."""
        if self._held >= self._most:
            raise self._unavailable(f"too many calls wait for {self._server}; try again")
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
                self._breaker.succeeded()  # it answered, and said no
            raise
        self._breaker.succeeded()
        return result

    def close(self) -> None:
        """End the threads that are idle; the others end with their calls, or with the process."""
        for _ in range(self._started):
            self._calls.put(None)

    def _enqueue(self, call: Callable[[], T]) -> "Future[T]":
        loop, outcome = asyncio.get_running_loop(), Future[T]()
        context = contextvars.copy_context()

        def work() -> None:
            if outcome.set_running_or_notify_cancel():  # its caller still waits
                try:
                    outcome.set_result(context.run(call))
                except BaseException as error:  # noqa: BLE001 (the caller gets it)
                    outcome.set_exception(error)
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self._free)

        self._held += 1
        self._calls.put(work)
        if self._started < min(self._threads, self._held):
            self._started += 1
            Thread(target=self._work, name=f"lane {self._server}", daemon=True).start()
        return outcome

    def _free(self) -> None:
        self._held -= 1

    def _work(self) -> None:
        while (work := self._calls.get()) is not None:
            work()
