"""A day of polls minute by minute: live states by the engine, and incidents by the rules, as a scheduler would have seen them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields

import numpy as np

from services.scheduler.incidents.tell import told_as
from shared.incidents.live_store import WatchedStore
from shared.incidents.machine import EventKind
from shared.uptime.batch import StoreHistory
from shared.uptime.intervals import Int64s
from shared.uptime.live import STATES, LiveRows, history_from_us, live_rows
from shared.uptime.states import Polls
from tests.fixtures.incident_memory import IncidentMemory
from tests.oracle.accounting import MINUTE_US
from tests.oracle.incidents import Rule

SILENT_US = 180 * MINUTE_US


@dataclass
class RuleSet:
    """Rules that are evaluated together, their incidents, and what channels would have got, by rule.

    `alone` counts messages if each incident had its own, `together` those of one per evaluation and event.
    """

    rules: Sequence[Rule]
    alone: Counter[str] = field(default_factory=Counter)
    together: Counter[str] = field(default_factory=Counter)
    opened: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.memory = IncidentMemory(self.rules)

    def evaluate(self, now_us: int, stores: Sequence[WatchedStore]) -> None:
        """Evaluate the rules, and count what they would tell."""
        changes = self.memory.evaluate(now_us, stores, {})
        told = [(change.incident.rule, event) for change in changes if (event := told_as(change))]
        self.alone.update(rule for rule, _ in told)
        self.together.update(rule for rule, _ in set(told))
        self.opened.update(change.incident.rule for change in changes if change.event is EventKind.OPENED)


class DayReplay:
    """Stores whose states are computed at one minute after another from what was polled until then."""

    def __init__(self, whole: StoreHistory, labels: Sequence[dict[str, str]]) -> None:
        self._whole, self._labels = whole, labels
        self._polls = _select(whole.polls, np.argsort(whole.polls.at_us, kind="stable"))
        self._older_from_us, self._older = -1, self._polls

    def run(self, begin_us: int, end_us: int, sets: Sequence[RuleSet]) -> None:
        """Evaluate the rules at each minute, the last one included."""
        for now_us in range(begin_us, end_us + 1, MINUTE_US):
            rows = live_rows(self._known(now_us), now_us, SILENT_US)
            stores = list(_watched(rows, self._labels, now_us))
            for each in sets:
                each.evaluate(now_us, stores)

    def _known(self, now_us: int) -> StoreHistory:
        """Return what is known at an instant: the polls that count, and the last one of each store before."""
        from_us, at_us = history_from_us(now_us), self._polls.at_us
        if from_us != self._older_from_us:
            before = np.flatnonzero(at_us < from_us)
            _, last = np.unique(self._polls.store[before][::-1], return_index=True)
            self._older_from_us, self._older = from_us, _select(self._polls, before[::-1][last])
        recent = slice(np.searchsorted(at_us, from_us), np.searchsorted(at_us, now_us, side="right"))
        polls = (
            np.concatenate((getattr(self._older, name), getattr(self._polls, name)[recent]))
            for name in ("store", "at_us", "active")
        )
        return StoreHistory(self._whole.zones, self._whole.hours, Polls(*polls))


def _select(polls: Polls, chosen: Int64s) -> Polls:
    return Polls(polls.store[chosen], polls.at_us[chosen], polls.active[chosen])


def _watched(rows: LiveRows, labels: Sequence[dict[str, str]], now_us: int) -> Iterator[WatchedStore]:
    """Yield the stores as the scheduler reads them from `store_now`."""
    columns = {each.name: getattr(rows, each.name).tolist() for each in fields(rows)}
    instants = [
        [None if value < 0 else value for value in columns[name]]
        for name in (
            "since_earliest_us",
            "since_latest_us",
            "last_poll_us",
            "hours_from_us",
            "open_from_us",
            "open_until_us",
        )
    ]
    states = [STATES[number].value for number in columns["state"]]
    down_us = [
        open_us + (now_us - counted_us if state == "down" else 0)
        for open_us, counted_us, state in zip(
            columns["down_open_us"], columns["counted_us"], states, strict=True
        )
    ]
    gaps = [None if value < 0 else value for value in columns["usual_gap_us"]]
    rest = zip(*instants, columns["inactive_polls"], down_us, gaps, strict=True)
    for number, (label, state, values) in enumerate(zip(labels, states, rest, strict=True), start=1):
        yield WatchedStore(number, label, state, *values)
