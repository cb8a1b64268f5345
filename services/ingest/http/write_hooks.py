"""Writes what calls of hooks have beside polls: rejected items, and the ids of messages.

Runs in the transaction of the polls, under the writer lock.
"""

import math
import time
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

import numpy as np
import psycopg

from services.ingest.hooks.map_items import HookReject
from services.ingest.http.hook_delivery import HookDelivery
from services.ingest.http.live_polls import LivePolls
from shared.db.queries import queries
from shared.metrics.registry import HOOK_ITEMS

MAX_KEPT: Final = 10_000  # rejected items of a hook and day; further ones are only counted
_FORGOTTEN_AT_ONCE: Final = 1000
FORGET_EVERY_S: Final = 1.0
_SQL = queries("hooks")


@dataclass(frozen=True)
class Storable:
    """What a poll of a hook must be to be stored: not later than `latest_us`, with a known reason and a known store."""

    latest_us: int
    reasons: Container[str]
    stores: Container[str]

    def has_all(self, polls: LivePolls, hook: HookDelivery) -> bool:
        """Whether all polls of a call can be stored, as nearly always. Plain Python: most calls have one poll."""
        return (
            all(at_us <= self.latest_us for at_us in polls.at_us.tolist())
            and (polls.notes is None or all(not word or word in self.reasons for word in polls.notes.reasons))
            and (hook.adds_stores or all(store_id in self.stores for store_id in polls.ids))
        )


def sift_call(polls: LivePolls, hook: HookDelivery, storable: Storable) -> LivePolls:
    """Move the polls that cannot be stored to the rejected items. An end in the future is left out, as a mere plan."""
    if storable.has_all(polls, hook):
        return polls
    place = np.arange(len(polls)) if polls.notes is None else polls.notes.place
    is_end = np.zeros(len(polls), np.bool_) if polls.notes is None else polls.notes.is_end
    late = polls.at_us > storable.latest_us
    faults = dict.fromkeys(place[late & ~is_end].tolist(), "future")
    if polls.notes is not None:
        for at, word in zip(place.tolist(), polls.notes.reasons, strict=True):
            if word and word not in storable.reasons:
                faults.setdefault(at, "unknown_reason")
    if not hook.adds_stores:
        for at, store_id in zip(place.tolist(), polls.ids, strict=True):
            if store_id not in storable.stores:
                faults.setdefault(at, "unknown_store")
    rejects = [HookReject.of_item(reason, hook.items[at], hook.places[at]) for at, reason in faults.items()]
    rejects = sorted([*hook.rejects, *rejects], key=lambda one: one.place)
    kept = ~(late | np.isin(place, list(faults)))
    return replace(polls.pick(kept), hook=replace(hook, rejects=rejects))


class HookTable:
    """The tables of hooks, written through one connection."""

    def __init__(self, conn: psycopg.Connection) -> None:
        self._conn = conn
        self._rejected: Counter[tuple[str, str]] = Counter()
        self._remembered = 0  # since messages were last forgotten
        self._forgot_s = -math.inf

    def end(self, *, committed: bool) -> None:
        """Count the rejected items of a transaction that has ended, if it was committed."""
        for (hook, reason), number in self._rejected.items() if committed else ():
            HOOK_ITEMS.labels(hook, reason).inc(number)
        self._rejected.clear()

    def find_stores(self, ids: Sequence[str]) -> Mapping[str, int]:
        """Return the keys of those stores that exist."""
        return dict(self._conn.execute(_SQL["known_stores"], {"ids": list(ids)}).fetchall())

    def remember_messages(self, deliveries: Sequence[HookDelivery]) -> set[UUID]:
        """Store the ids of messages. Return those that were not received before."""
        keep_s = {one.message: one.keep_s for one in deliveries if one.message is not None}
        if not keep_s:
            return set()
        given = {"ids": list(keep_s), "keep_s": list(keep_s.values())}
        fresh = {message for (message,) in self._conn.execute(_SQL["remember_messages"], given)}
        self._remembered += len(keep_s)
        if time.monotonic() - self._forgot_s > FORGET_EVERY_S:
            self._conn.execute(_SQL["forget_messages"], {"most": _FORGOTTEN_AT_ONCE + 2 * self._remembered})
            self._forgot_s, self._remembered = time.monotonic(), 0
        return fresh

    def count_calls(self, deliveries: Sequence[HookDelivery]) -> None:
        """Count stored calls, their rejected items, and ignored calls, for those who look at hooks."""
        calls: Counter[str] = Counter()
        rejected: Counter[str] = Counter()
        ignored: Counter[str] = Counter()
        for one in deliveries:
            calls[one.hook] += not one.ignored_calls
            rejected[one.hook] += len(one.rejects)
            ignored[one.hook] += one.ignored_calls
        if calls:
            numbers = {"calls": calls, "rejected": rejected, "ignored": ignored}
            given = {name: [counted[hook] for hook in calls] for name, counted in numbers.items()}
            self._conn.execute(_SQL["count_calls"], {"hooks": list(calls), **given})

    def add_rejects(self, import_id: UUID, deliveries: Sequence[HookDelivery]) -> int:
        """Store rejected items as rejected rows of the import, except those beyond `MAX_KEPT`. Return how many there are."""
        rejects = [(one, reject) for one in deliveries for reject in one.rejects]
        self._rejected.update((one.hook, reject.reason) for one, reject in rejects)
        if not rejects:
            return 0
        room = self._count_kept(import_id, Counter(one.hook for one, _ in rejects))
        kept = [
            (reject, one.source)
            for hook, number in room.items()
            for one, reject in [each for each in rejects if each[0].hook == hook][:number]
        ]
        ((rejected,),) = self._conn.execute(_SQL["rejected_so_far"], {"import_id": import_id})
        given = {
            "import_id": import_id,
            "rejected": rejected,
            "reasons": [reject.reason for reject, _ in kept],
            "raws": [reject.raw for reject, _ in kept],
            "sources": [source for _, source in kept],
        }
        self._conn.execute(_SQL["insert_hook_rejects"], given)
        return len(rejects)

    def _count_kept(self, import_id: UUID, numbers: Mapping[str, int]) -> Mapping[str, int]:
        """Count rejected items per hook. Return how many of each there is still room for."""
        given = {
            "import_id": import_id,
            "hooks": list(numbers),
            "numbers": list(numbers.values()),
            "most": MAX_KEPT,
        }
        return dict(self._conn.execute(_SQL["count_kept"], given).fetchall())
