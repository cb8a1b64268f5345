"""The use case of a timeline: which window, read in one snapshot, explained by the accounting."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from psycopg import AsyncConnection, IsolationLevel

from services.api.use_cases.stores import Store, find_store, hours_of, latest_poll
from shared.clock import from_us, to_us
from shared.db.queries import queries
from shared.errors import InvalidRequest
from shared.keys import StoreScope
from shared.uptime.bounds import bounds_us
from shared.uptime.calendar import Hours
from shared.uptime.policy import POLICIES, history_us
from shared.uptime.states import Polls
from shared.uptime.timeline import StoreTimeline, timeline_of
from shared.uptime.window import parse_window

MAX_RANGE = timedelta(days=62)
MAX_POLLS = 50_000
_SQL = queries("stores")


@dataclass(frozen=True)
class TimelineRequest:
    """A window by its text, or from and to. `as_of`: polls after it are not known; default: the window's end.

    Without any of them: the last day up to the newest poll of any store.
    """

    policy: str
    window: str | None = None
    from_time: datetime | None = None
    to_time: datetime | None = None
    as_of: datetime | None = None


@dataclass(frozen=True)
class TimelineInput:
    """All that the accounting needs, read in one snapshot."""

    store: Store
    policy: str
    as_of_us: int
    window_us: tuple[int, int]
    hours: Sequence[tuple[int, int, int]]
    at_us: Sequence[int]
    active: Sequence[bool]

    def explain(self) -> StoreTimeline:
        """Compute the timeline; a matter of milliseconds, in which nothing waits."""
        hours = np.array(self.hours, dtype=np.int64).reshape(-1, 3)
        return timeline_of(
            self.store.timezone,
            Hours(np.zeros(len(hours), dtype=np.int64), hours[:, 0], hours[:, 1], hours[:, 2]),
            Polls(
                np.zeros(len(self.at_us), dtype=np.int64),
                np.array(self.at_us, dtype=np.int64),
                np.array(self.active, dtype=np.bool_),
            ),
            self.as_of_us,
            self.window_us,
            POLICIES[self.policy],
        )


async def read_timeline(
    conn: AsyncConnection, store_id: str, request: TimelineRequest, visible: StoreScope
) -> TimelineInput:
    """Read a store and its polls. `conn` must be outside a transaction. Raises `StoreNotFound` and `InvalidRequest`."""
    await conn.set_isolation_level(IsolationLevel.REPEATABLE_READ)
    try:
        async with conn.transaction():
            store = await find_store(conn, store_id, visible)
            as_of_us, window_us = _window(request, store, await latest_poll(conn))
            hours = await hours_of(conn, store)
            at_us, active = await _polls(conn, store, as_of_us, window_us, request.policy)
    finally:
        await conn.set_isolation_level(None)
    return TimelineInput(store, request.policy, as_of_us, window_us, hours, at_us, active)


def _window(request: TimelineRequest, store: Store, latest: datetime | None) -> tuple[int, tuple[int, int]]:
    """As_of and the window. Raises `InvalidRequest`."""
    as_of = request.as_of or request.to_time or latest
    if as_of is None:
        raise InvalidRequest("no poll was ever accepted; name the time with from and to", field="to")
    as_of_us = to_us(as_of)
    if request.window is not None or (request.from_time is None and request.to_time is None):
        if request.from_time is not None or request.to_time is not None:
            raise InvalidRequest("name a window, or from and to, not both", field="window")
        starts_us, ends_us = bounds_us(
            [parse_window(request.window or "last_day")], as_of_us, [store.timezone]
        )
        start_us, end_us = int(starts_us[0, 0]), int(ends_us[0, 0])
    else:
        end_us = to_us(request.to_time or as_of)
        start_us = to_us(request.from_time) if request.from_time else end_us - 86_400_000_000
    if not start_us <= end_us <= as_of_us:
        raise InvalidRequest("from, to and as_of must follow each other in this order", field="from")
    longest_us = MAX_RANGE // timedelta(microseconds=1)
    if end_us - start_us > longest_us or as_of_us - end_us > longest_us:
        raise InvalidRequest(f"a timeline covers at most {MAX_RANGE.days} days", field="from")
    return as_of_us, (start_us, end_us)


async def _polls(
    conn: AsyncConnection, store: Store, as_of_us: int, window_us: tuple[int, int], policy: str
) -> tuple[list[int], list[bool]]:
    within = {
        "store_key": store.store_key,
        "from_time": from_us(window_us[0] - history_us(POLICIES[policy])),
        "to_time": from_us(as_of_us),
        "limit": MAX_POLLS + 1,
    }
    row = await (await conn.execute(_SQL["polls_of_store"], within, prepare=False)).fetchone()
    at_us, active = row or ([], [])
    if len(at_us) > MAX_POLLS:
        raise InvalidRequest(
            f"more than {MAX_POLLS:,} polls lie in that time; ask for less of it", field="from"
        )
    return at_us, active
