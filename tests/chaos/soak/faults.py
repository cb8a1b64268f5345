"""Carries a plan of faults out against a stack, one tick at a time, and counts those that hit."""

import heapq
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import psycopg
import redis

from tests.chaos.soak.damage import PartDamage
from tests.chaos.soak.leases import LeaseWatch
from tests.chaos.soak.plan import PARTS, Fault
from tests.fixtures.private_stack import PrivateStack

_CONNECT_TIMEOUT_S = 2
_TICK_S = 0.02
_STOP_PATIENCE_S = 40.0
_WORK_WITHIN_S = 10.0
_PAUSE_S = 0.5  # before a service that ended by itself is started again


@dataclass(order=True)
class _Due:
    at_s: float
    number: int
    act: Callable[[], None] = field(compare=False)


class Tormentor:
    """`tick` as often as possible; at the end `heal` lets everything run again."""

    def __init__(self, stack: PrivateStack, faults: Iterable[Fault], watch: LeaseWatch) -> None:
        self._stack = stack
        self._watch = watch
        self._began_s = time.monotonic()
        self._due: list[_Due] = []
        self._down: set[str] = set()  # ended on purpose, and to be started by what is due
        self.counts: Counter[str] = Counter()
        self._damage = PartDamage(stack.settings, self.counts)
        self._damage.start()
        self.ended_alone: Counter[str] = Counter()
        self.returns: list[tuple[str, float]] = []  # what was down, and when it was started again
        for fault in faults:
            self._later(fault.at_s, partial(self._begin, fault, fault.at_s + _WORK_WITHIN_S))

    @property
    def is_done(self) -> bool:
        return not self._due

    def tick(self) -> None:
        """Do what is due, and start again what ended by itself."""
        while self._due and self._due[0].at_s <= self._now_s():
            heapq.heappop(self._due).act()
        for name in self._stack.services:
            if name not in self._down and self._stack.has_ended(name):
                self.ended_alone[name] += 1
                self._return_later(name, _PAUSE_S)

    def heal(self) -> None:
        """Everything runs and answers."""
        while not self.is_done:
            self.tick()
            time.sleep(0.02)
        self._damage.end()
        for name in (*self._stack.servers, *self._stack.services):
            self._stack.signal(name, signal.SIGCONT)
        self._stack.await_ready(*self._stack.servers, *self._stack.services)

    def _begin(self, fault: Fault, until_s: float) -> None:
        """A worker is hit while it has a batch, if it gets one before long."""
        name, kind = fault.target, fault.kind
        if name == PARTS:
            self._damage.begin(kind)
            return
        if name in self._down or self._stack.has_ended(name):
            return  # by an earlier fault that came late, or by itself just now
        idle = name.startswith("worker") and not self._watch.are_at_work(self._stack.process_ids(name))
        if idle and self._now_s() < until_s:
            self._later(_TICK_S, partial(self._begin, fault, until_s))
            return
        getattr(self, f"_{kind}")(name, fault.lasts_s)
        self.counts[f"{name.rpartition('-')[0] or name} {kind}"] += 1

    def _kill(self, name: str, lasts_s: float) -> None:
        processes = self._stack.process_ids(name)
        self._stack.signal(name, signal.SIGKILL)
        self._watch.orphaned(processes)
        self._return_later(name, lasts_s)

    def _term(self, name: str, lasts_s: float) -> None:
        self._stack.signal(name, signal.SIGTERM)
        self._await_end(name, self._now_s() + _STOP_PATIENCE_S, lasts_s)

    def _immediate(self, name: str, lasts_s: float) -> None:
        """Postgres without a checkpoint: it will replay its log."""
        self._stack.signal(name, signal.SIGQUIT)
        self._return_later(name, lasts_s)

    def _stop(self, name: str, lasts_s: float) -> None:
        self._stack.signal(name, signal.SIGSTOP)
        self._later(lasts_s, lambda: self._stack.signal(name, signal.SIGCONT))

    def _flush(self, _: str, __: float) -> None:
        url = self._stack.settings["UPTILL_REDIS_URL"]
        with suppress(redis.RedisError), redis.Redis.from_url(url) as client:
            client.flushall()

    def _backends(self, _: str, __: float) -> None:
        with (
            suppress(psycopg.OperationalError),
            psycopg.connect(
                self._stack.settings["UPTILL_DATABASE_URL"],
                autocommit=True,
                connect_timeout=_CONNECT_TIMEOUT_S,
            ) as conn,
        ):
            conn.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'uptill-%'"
            )

    def _return_later(self, name: str, pause_s: float) -> None:
        self._down.add(name)
        self._later(pause_s, lambda: self._return(name))

    def _await_end(self, name: str, until_s: float, pause_s: float) -> None:
        """Look every so often whether it has ended; what does not end in time is killed, and counted."""
        self._down.add(name)
        if self._stack.has_ended(name):
            self._return_later(name, pause_s)
        elif self._now_s() > until_s:
            self.counts[f"{name} did not end in time"] += 1
            self._kill(name, pause_s)
        else:
            self._later(0.1, lambda: self._await_end(name, until_s, pause_s))

    def _return(self, name: str) -> None:
        if name not in self._down:
            return  # another fault has brought it back
        if not self._stack.has_ended(name):
            self._later(0.1, lambda: self._return(name))
            return
        self._stack.start(name)
        self._down.discard(name)
        self.returns.append((name, time.time()))

    def _later(self, in_s: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._due, _Due(self._now_s() + in_s, next(_numbers), act))

    def _now_s(self) -> float:
        return time.monotonic() - self._began_s


_numbers = iter(range(10**9))
