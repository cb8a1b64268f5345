"""Follow news at once: run a step as soon as the database notifies of what it depends on.

Sweeps run the same steps, so a notice that is lost, or a session that ends, costs one sweep.
"""

import time
from collections.abc import Callable, Mapping
from typing import Final

import psycopg
import structlog
from dramatiq.brokers.redis import RedisBroker
from psycopg_pool import ConnectionPool

from services.scheduler.duty import Duty, try_step
from services.scheduler.incidents.evaluate_due import evaluate_rules
from services.scheduler.live_state import keep_live_state, lags_behind
from shared.db.connect import connect
from shared.errors import InfrastructureError
from shared.settings import Settings

# Of each step. Notices that come meanwhile count as one.
EVERY_S: Final = 1.0
# How soon a stop is noticed.
_WAIT_S: Final = 1.0
# A session that broke silently is noticed within this.
_PROBE_EVERY_S: Final = 10.0
_RECONNECT_S: Final = 1.0
_log = structlog.get_logger()
# Returns whether to run again as soon as that is allowed.
Step = Callable[[], bool]


def news_steps(pool: ConnectionPool, broker: RedisBroker, settings: Settings) -> Mapping[str, Step]:
    """Return the steps by the channels of migration 0045: refresh live state after new data, then evaluate the rules."""

    def refresh() -> bool:
        keep_live_state(pool, broker, settings)
        # It may have been too early for the next refresh.
        return lags_behind(pool)

    def evaluate() -> bool:
        evaluate_rules(pool)
        return False

    return {"data_changed": refresh, "live_state_refreshed": evaluate}


class NewsFollower(Duty):
    """A thread with a session of its own that listens to the channels of `steps`.

    However many notices come, each step runs at most once in `EVERY_S` seconds.
    """

    def __init__(self, database_url: str, steps: Mapping[str, Step]) -> None:
        super().__init__("news")
        self._database_url, self._steps = database_url, steps
        self._asked: set[str] = set()
        self._free_at_s = dict.fromkeys(steps, float("-inf"))

    def perform(self) -> None:
        while not self._stopping.is_set():
            try:
                with connect(
                    self._database_url, application_name="uptill-scheduler news", autocommit=True
                ) as conn:
                    self._follow(conn)
            except (InfrastructureError, psycopg.OperationalError) as error:
                self._was_healthy = False
                _log.warning("news_interrupted", error=str(error))
                self._stopping.wait(_RECONNECT_S)

    def _follow(self, conn: psycopg.Connection) -> None:
        for channel in self._steps:
            conn.execute(f"listen {channel}".encode())
        # What was told before the session listened counts as told now.
        self._asked.update(self._steps)
        probe_at_s = time.monotonic() + _PROBE_EVERY_S
        while not self._stopping.is_set():
            for channel in [each for each in self._asked if self._free_at_s[each] <= time.monotonic()]:
                self._run_step(channel)
            if time.monotonic() >= probe_at_s:
                conn.execute("select 1")
                probe_at_s = time.monotonic() + _PROBE_EVERY_S
            wait_s = min([_WAIT_S, *(self._free_at_s[each] - time.monotonic() for each in self._asked)])
            notices = conn.notifies(timeout=max(wait_s, 0.0), stop_after=1)
            self._asked.update(notice.channel for notice in notices)

    def _run_step(self, channel: str) -> None:
        self._asked.discard(channel)

        def run() -> None:
            if self._steps[channel]():
                self._asked.add(channel)

        self._was_healthy = try_step(self.name, run)
        self._free_at_s[channel] = time.monotonic() + EVERY_S
