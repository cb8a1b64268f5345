"""Incidents equal those of the oracle, whatever is polled late, corrected or closed, and however often one looks."""

import os
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from shared.incidents.live_store import WatchedStore
from shared.uptime.live import STATES
from tests.fixtures.incident_memory import IncidentMemory
from tests.oracle.accounting import DAY_US, MINUTE_US, SECOND_US, HoursRow, Poll
from tests.oracle.adjusted import TermsStore
from tests.oracle.calendars import Terms, Version
from tests.oracle.incidents import Case, Rule, Seen, Watch
from tests.oracle.live import live
from tests.property.test_uptime_live import rows_of

START_US = int(datetime(2024, 10, 14, 9, tzinfo=UTC).timestamp()) * SECOND_US
SILENT_US = 180 * MINUTE_US
GAP_US = 30 * MINUTE_US
ALWAYS = [Version(None, [])]
DAILY = [Version(None, [HoursRow(day, 8 * 3600, 20 * 3600) for day in range(7)])]
LABELS = ({"region": "a"}, {"region": "a"}, {"region": "a", "kind": "x"}, {"region": "b", "kind": "x"})
NAMES = tuple(f"store-{number}" for number in range(len(LABELS)))
LEVELS = st.sampled_from(("ok", "at_risk", "missed", "no_data"))
USUAL = st.sampled_from(({}, {"": 0.05}, {"": 0.01, "region=a": 0.3}))
some_stores = st.sets(st.integers(0, len(LABELS) - 1))
GROUP: dict[str, st.SearchStrategy[Any]] = {
    "at_least": st.sampled_from((2, 3)),
    "share": st.sampled_from((None, 0.6)),
    "window_minutes": st.sampled_from((45, 120)),
}
PARAMETERS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "store_down": st.fixed_dictionaries(
        {
            "inactive_polls": st.sampled_from((None, 1, 2, 3)),
            "down_minutes": st.sampled_from((30, 90)),
            "guard_after_opening_minutes": st.sampled_from((0, 45)),
            "guard_before_closing_minutes": st.sampled_from((0, 45)),
        }
    ),
    "store_silent": st.fixed_dictionaries({"missed_polls": st.sampled_from((3, 5))}),
    "feed_silent": st.fixed_dictionaries(
        {"share": st.sampled_from((0.5, 0.75)), "min_stores": st.just(2), "missed_polls": st.just(2)}
    ),
    "group_down": st.one_of(
        st.fixed_dictionaries(
            {
                **GROUP,
                "by": st.sampled_from(("region", "kind")),
                "false_alarms_per_year": st.none(),
            }
        ),
        # Four stores are few: only very frequent false alarms allow a group of them.
        st.fixed_dictionaries(
            {
                **GROUP,
                "by": st.sampled_from(("region", "kind", "*")),
                "false_alarms_per_year": st.sampled_from((300, 3_000, 10_000)),
            }
        ),
    ),
    "late_opening": st.fixed_dictionaries({"after_minutes": st.sampled_from((15, 60))}),
    "service_level_at_risk": st.just({"service_level": "fleet"}),
}


@st.composite
def rules_of_one_kind(draw: st.DrawFn, kind: str) -> Rule:
    labels = draw(st.sampled_from(({}, {"region": "a"}, {"kind": "x"})))
    return Rule(kind, kind, draw(PARAMETERS[kind]), labels, draw(st.sampled_from((0, 10, 60))))


all_rules = st.lists(st.sampled_from(tuple(PARAMETERS)), unique=True, min_size=1).flatmap(
    lambda kinds: st.tuples(*(rules_of_one_kind(kind) for kind in kinds))
)


class IncidentMachine(RuleBasedStateMachine):
    """Two stores are open from 8 to 20, two around the clock. They were polled every half hour."""

    @initialize(rules=all_rules, usual=USUAL)
    def begin(self, rules: tuple[Rule, ...], usual: dict[str, float]) -> None:
        self.now_us = START_US
        self.polls: list[dict[int, bool]] = [
            {START_US - number * GAP_US: True for number in range(40)} for _ in LABELS
        ]
        self.terms = [Terms(DAILY if number < 2 else ALWAYS) for number in range(len(LABELS))]
        self.labels: list[dict[str, str]] = [dict(labels) for labels in LABELS]
        self.level = "no_data"
        self.watch, self.memory = Watch(rules, usual), IncidentMemory(rules, usual)

    def stores(self) -> list[TermsStore]:
        return [
            TermsStore("UTC", terms, [Poll(at, active) for at, active in sorted(polls.items())])
            for terms, polls in zip(self.terms, self.polls, strict=True)
        ]

    @rule(down=some_stores, missing=some_stores, rounds=st.integers(1, 4))
    def poll_rounds(self, down: set[int], missing: set[int], rounds: int) -> None:
        for _ in range(rounds):
            self.now_us += GAP_US
            for number, polls in enumerate(self.polls):
                if number not in missing:
                    polls[self.now_us - number * MINUTE_US] = number not in down
            self.look()

    @rule(number=st.integers(0, len(LABELS) - 1), ago=st.integers(0, 240), active=st.booleans())
    def poll_late_or_correct(self, number: int, ago: int, *, active: bool) -> None:
        self.polls[number][self.now_us - ago * MINUTE_US] = active

    @rule(number=st.integers(0, len(LABELS) - 1), back=st.integers(1, 6))
    def correct_a_poll(self, number: int, back: int) -> None:
        at_us = sorted(self.polls[number])[-back]
        self.polls[number][at_us] = not self.polls[number][at_us]

    @rule(minutes=st.sampled_from((1, 7, 30, 200, 12 * 60, 8 * 24 * 60)))
    def wait(self, minutes: int) -> None:
        self.now_us += minutes * MINUTE_US

    @rule(number=st.integers(0, len(LABELS) - 1), ago=st.sampled_from((0, 45, 300)), ends=st.booleans())
    def end_or_revive(self, number: int, ago: int, *, ends: bool) -> None:
        closed_us = self.now_us - ago * MINUTE_US if ends else None
        self.terms[number] = self.terms[number]._replace(closed_us=closed_us)

    @rule(number=st.integers(0, len(LABELS) - 1))
    def change_hours(self, number: int) -> None:
        self.terms[number] = self.terms[number]._replace(
            versions=ALWAYS if self.terms[number].versions is DAILY else DAILY
        )

    @rule(number=st.integers(0, len(LABELS) - 1), region=st.sampled_from(("a", "b")))
    def change_label(self, number: int, region: str) -> None:
        self.labels[number]["region"] = region

    @rule(level=LEVELS)
    def evaluate_level(self, level: str) -> None:
        self.level = level

    @rule()
    def look(self) -> None:
        stores, levels = self.stores(), {"fleet": self.level}
        rows = rows_of(stores, self.now_us, SILENT_US)
        watched = [
            watched_store(rows, number, labels, self.now_us) for number, labels in enumerate(self.labels)
        ]
        seen = {
            number + 1: Seen(dict(labels), live(*store, self.now_us, SILENT_US))
            for number, (labels, store) in enumerate(zip(self.labels, stores, strict=True))
        }
        self.memory.evaluate(self.now_us, watched, levels)
        self.watch.look(self.now_us, seen, levels)
        assert told(self.memory.cases.values()) == told(self.watch.cases)
        assert self.memory.evaluate(self.now_us, watched, levels) == [], "the second look changes nothing"

    @rule()
    def recover(self) -> None:
        """Whatever happened: once all are polled as active for long enough, nothing stays open.

        Labels come back too: a feed with fewer open stores than its rule needs says nothing for seven days.
        """
        self.level = "ok"
        self.labels = [dict(labels) for labels in LABELS]
        self.terms = [terms._replace(closed_us=None) for terms in self.terms]
        opening_us = (self.now_us // DAY_US + 1) * DAY_US + 8 * 60 * MINUTE_US
        for at_us in range(opening_us, opening_us + 6 * GAP_US, GAP_US):
            self.now_us = at_us
            for polls in self.polls:
                polls[at_us] = True
            self.look()
        assert self.memory.open == {}

    @invariant()
    def one_incident_per_subject(self) -> None:
        if hasattr(self, "memory"):
            open_now = [(each.rule, each.subject, each.store_key) for each in self.memory.open.values()]
            assert len(open_now) == len(set(open_now))


def told(cases: Iterable[Case]) -> list[str]:
    return sorted(
        str(replace(case, stores=dict(sorted(case.stores.items())), left=dict(sorted(case.left.items()))))
        for case in cases
    )


def watched_store(rows: Any, number: int, labels: dict[str, str], now_us: int) -> WatchedStore:
    """A row of live state as the scheduler reads it."""

    def instant(name: str) -> int | None:
        value = int(getattr(rows, name)[number])
        return None if value < 0 else value

    state = STATES[int(rows.state[number])].value
    elapsed_us = now_us - int(rows.counted_us[number]) if state == "down" else 0
    return WatchedStore(
        number + 1,
        dict(labels),
        state,
        instant("since_earliest_us"),
        instant("since_latest_us"),
        instant("last_poll_us"),
        instant("hours_from_us"),
        instant("open_from_us"),
        instant("open_until_us"),
        int(rows.inactive_polls[number]),
        int(rows.down_open_us[number]) + elapsed_us,
        instant("usual_gap_us"),
    )


TestIncidents = IncidentMachine.TestCase
TestIncidents.settings = settings(
    max_examples=int(os.environ.get("UPTIME_EXAMPLES", "10")) * 5, stateful_step_count=25, deadline=None
)
