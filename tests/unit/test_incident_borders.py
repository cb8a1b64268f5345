"""Each border of the rules of incidents, from both sides: what a random example rarely hits."""

from dataclasses import replace
from math import comb
from typing import Any

import pytest

from shared.incidents.chance import FLEET, GroupCounts, Sighting, chance_of
from shared.incidents.evaluate import FeedCounts, RuleInput, evaluate
from shared.incidents.findings import RuleFinding, Verdict, judge_store
from shared.incidents.groups import DownStores
from shared.incidents.live_store import DAY_US, MINUTE_US, WatchedStore
from shared.incidents.machine import Change, EventKind, OpenIncident, advance
from shared.incidents.terms import RuleKind, RuleTerms

NOW = 1_000 * DAY_US
HOLD = 10 * MINUTE_US
RUN, PROVED = NOW - 60 * MINUTE_US, NOW - 30 * MINUTE_US
INCIDENT = OpenIncident("down", "", 1, PROVED, PROVED, RUN, RUN - MINUTE_US, RUN)
CALM = replace(INCIDENT, calm_us=NOW - 5 * MINUTE_US)
STORE = WatchedStore(
    1, {"city": "oslo"}, "down", RUN - 1, RUN, PROVED, NOW - DAY_US, NOW - DAY_US, NOW + DAY_US, 2, 0, None
)


def finding(verdict: Verdict, at_us: int | None = RUN, **more: Any) -> RuleFinding:
    """A run that began at an instant, a second after the opposite was seen."""
    given = {"latest_us": at_us, "run_us": at_us, "earliest_us": None if at_us is None else at_us - 1_000_000}
    return RuleFinding(verdict, **{**given, **more})


def events(changes: list[Change]) -> list[tuple[str, str | None]]:
    return [(change.event.value, change.cause) for change in changes]


@pytest.mark.parametrize(
    ("incident", "seen", "expected"),
    [
        (INCIDENT, finding(Verdict.HOLDS), []),
        (INCIDENT, finding(Verdict.WEAK), []),
        (INCIDENT, finding(Verdict.HOLDS, PROVED), [("corrected", None)]),
        (INCIDENT, finding(Verdict.HOLDS, PROVED + 1), [("flapped", None)]),
        (INCIDENT, finding(Verdict.HOLDS, RUN - 1), [("corrected", None)]),
        (INCIDENT, finding(Verdict.HOLDS, PROVED + 1, earliest_us=None), []),
        (INCIDENT, finding(Verdict.WEAK, PROVED), [("withdrawn", "late_data")]),
        (INCIDENT, finding(Verdict.WEAK, PROVED + 1), [("flapped", None)]),
        (INCIDENT, finding(Verdict.WEAK, RUN - 1), [("corrected", None)]),
        (INCIDENT, finding(Verdict.CALM, PROVED), [("withdrawn", "late_data")]),
        (INCIDENT, finding(Verdict.CALM, NOW - HOLD + 1), [("calm", None)]),
        (INCIDENT, finding(Verdict.CALM, NOW - HOLD), [("calm", None), ("resolved", None)]),
        (INCIDENT, finding(Verdict.CALM, RUN), []),
        (INCIDENT, finding(Verdict.GONE, RUN, cause="ended"), [("withdrawn", "late_data")]),
        (INCIDENT, finding(Verdict.GONE, RUN + 1, cause="ended"), [("resolved", "ended")]),
        (INCIDENT, finding(Verdict.GONE, None, cause="left_rule"), [("resolved", "left_rule")]),
        (INCIDENT, finding(Verdict.UNCLEAR, RUN), [("withdrawn", "late_data")]),
        (INCIDENT, finding(Verdict.UNCLEAR, RUN + 1), []),
        (CALM, finding(Verdict.HOLDS), [("corrected", None)]),
        (CALM, finding(Verdict.HOLDS, PROVED + 1), [("flapped", None)]),
        (CALM, finding(Verdict.CALM, CALM.calm_us), []),
        (CALM, finding(Verdict.CALM, NOW - MINUTE_US), [("flapped", None)]),
        (CALM, finding(Verdict.CALM, NOW - MINUTE_US, earliest_us=None), []),
        (CALM, finding(Verdict.UNCLEAR, None), []),
        (replace(CALM, run_us=None), finding(Verdict.HOLDS, None), [("flapped", None)]),
        (replace(INCIDENT, run_us=None), finding(Verdict.HOLDS, None), []),
    ],
)
def test_what_follows_from_a_finding(
    incident: OpenIncident, seen: RuleFinding, expected: list[tuple[str, str | None]]
) -> None:
    assert events(advance(incident, seen, NOW, HOLD)) == expected


def test_what_an_incident_is_after_a_correction_and_after_a_flap() -> None:
    (corrected,) = advance(INCIDENT, finding(Verdict.HOLDS, RUN - 7), NOW, HOLD)
    assert (corrected.incident.latest_us, corrected.incident.run_us) == (RUN - 7, RUN - 7)
    assert corrected.incident.earliest_us == RUN - 7 - 1_000_000
    (flapped,) = advance(CALM, finding(Verdict.HOLDS, PROVED + 1), NOW, HOLD)
    assert (flapped.incident.flaps, flapped.incident.calm_us) == (1, None)
    assert (flapped.incident.latest_us, flapped.incident.run_us) == (RUN, PROVED + 1)
    (again,) = advance(CALM, finding(Verdict.HOLDS), NOW, HOLD)
    assert (again.incident.flaps, again.incident.calm_us, again.incident.run_us) == (0, None, RUN)
    (longer,) = advance(CALM, finding(Verdict.CALM, NOW - MINUTE_US), NOW, HOLD)
    assert (longer.incident.flaps, longer.incident.calm_us) == (1, NOW - MINUTE_US)


@pytest.mark.parametrize(("waited_us", "is_ended"), [(7 * DAY_US - 1, False), (7 * DAY_US, True)])
@pytest.mark.parametrize("seen_us", [None, PROVED, PROVED + DAY_US])
def test_an_incident_without_evidence_ends_after_seven_days(
    waited_us: int, seen_us: int | None, *, is_ended: bool
) -> None:
    now_us = max(PROVED, seen_us or 0) + waited_us
    changes = advance(INCIDENT, RuleFinding(Verdict.UNCLEAR, last_seen_us=seen_us), now_us, HOLD)
    assert events(changes) == ([("resolved", "no_evidence")] if is_ended else [])


@pytest.mark.parametrize(("after_us", "is_ended"), [(HOLD - 1, False), (HOLD, True)])
def test_a_calm_incident_ends_by_time_alone(after_us: int, *, is_ended: bool) -> None:
    now_us = (CALM.calm_us or 0) + after_us
    changes = advance(CALM, RuleFinding(Verdict.UNCLEAR), now_us, HOLD)
    assert events(changes) == ([("resolved", None)] if is_ended else [])


@pytest.mark.parametrize(
    ("gap_us", "since_us", "is_quiet"),
    [
        (60 * MINUTE_US, 120 * MINUTE_US - 1, False),
        (60 * MINUTE_US, 120 * MINUTE_US, True),
        (MINUTE_US, 5 * MINUTE_US - 1, False),
        (MINUTE_US, 5 * MINUTE_US, True),
        (DAY_US, DAY_US - 1, False),
        (DAY_US, DAY_US, True),
    ],
)
def test_when_a_store_is_quiet(gap_us: int, since_us: int, *, is_quiet: bool) -> None:
    store = STORE._replace(usual_gap_us=gap_us, last_poll_us=NOW - since_us, open_from_us=NOW - 2 * DAY_US)
    assert store.is_quiet(NOW, 2) == is_quiet
    opened = store._replace(open_from_us=NOW - since_us, last_poll_us=NOW - 3 * DAY_US)
    assert opened.is_quiet(NOW, 2) == is_quiet, "it counts from the opening"
    assert not store._replace(last_poll_us=None).is_quiet(NOW, 2)
    assert not store._replace(state="closed").is_quiet(NOW, 2)


DOWN = RuleTerms(
    RuleKind.STORE_DOWN,
    parameters={
        "inactive_polls": 3,
        "down_minutes": 30,
        "guard_after_opening_minutes": 10,
        "guard_before_closing_minutes": 20,
    },
)


@pytest.mark.parametrize(
    ("store", "verdict"),
    [
        ({"inactive_polls": 2}, Verdict.WEAK),
        ({"inactive_polls": 3}, Verdict.HOLDS),
        ({"down_open_us": 30 * MINUTE_US - 1}, Verdict.WEAK),
        ({"down_open_us": 30 * MINUTE_US}, Verdict.HOLDS),
        ({"inactive_polls": 3, "open_from_us": NOW - 10 * MINUTE_US + 1}, Verdict.WEAK),
        ({"inactive_polls": 3, "open_from_us": NOW - 10 * MINUTE_US}, Verdict.HOLDS),
        ({"inactive_polls": 3, "open_until_us": NOW + 20 * MINUTE_US}, Verdict.WEAK),
        ({"inactive_polls": 3, "open_until_us": NOW + 20 * MINUTE_US + 1}, Verdict.HOLDS),
        ({"inactive_polls": 3, "open_from_us": None, "open_until_us": None}, Verdict.HOLDS),
    ],
)
def test_when_a_store_is_down(store: dict[str, Any], verdict: Verdict) -> None:
    assert judge_store(DOWN, STORE._replace(**store), NOW).verdict is verdict


@pytest.mark.parametrize(
    ("ago_us", "verdict"), [(30 * MINUTE_US - 1, Verdict.UNCLEAR), (30 * MINUTE_US, Verdict.HOLDS)]
)
def test_when_an_opening_is_late(ago_us: int, verdict: Verdict) -> None:
    opened_us = NOW - ago_us
    store = STORE._replace(hours_from_us=opened_us, open_from_us=opened_us, since_earliest_us=opened_us - 1)
    terms = RuleTerms(RuleKind.LATE_OPENING)
    assert judge_store(terms, store, NOW).verdict is verdict
    was_open = store._replace(since_earliest_us=opened_us)
    assert judge_store(terms, was_open, NOW).verdict is Verdict.CALM, "it went down later"


def test_a_store_that_opened_before_a_closure_is_not_late() -> None:
    hours_us, opened_us = NOW - 5 * 60 * MINUTE_US, NOW - 60 * MINUTE_US
    store = STORE._replace(hours_from_us=hours_us, open_from_us=opened_us)
    terms = RuleTerms(RuleKind.LATE_OPENING)

    def judged(**seen: Any) -> Verdict:
        return judge_store(terms, store._replace(**seen), NOW).verdict

    assert judged(since_earliest_us=hours_us) is Verdict.CALM, "it was active before the closure"
    assert judged(since_earliest_us=hours_us - 1) is Verdict.HOLDS, "it was active yesterday"
    assert judged(since_earliest_us=None, hours_from_us=None) is Verdict.UNCLEAR, "open around the clock"


def test_a_silence_out_of_view_began_a_week_ago_at_the_latest() -> None:
    store = STORE._replace(
        state="silent",
        since_earliest_us=None,
        since_latest_us=None,
        open_from_us=None,
        last_poll_us=NOW - 27 * DAY_US,
    )
    found = judge_store(RuleTerms(RuleKind.STORE_SILENT), store, NOW + 5 * MINUTE_US)
    assert found.verdict is Verdict.HOLDS
    assert (found.earliest_us, found.latest_us) == (NOW - 27 * DAY_US, NOW - 7 * DAY_US)


@pytest.mark.parametrize(
    ("number", "open_stores", "given", "is_enough"),
    [
        (2, 9, {"at_least": 3}, False),
        (3, 9, {"at_least": 3}, True),
        (2, 5, {"at_least": None, "share": 0.5}, False),
        (2, 4, {"at_least": None, "share": 0.5}, True),
        (1, 1, {"at_least": None, "share": 0.5}, False),
        (2, 0, {"at_least": None, "share": 1.0}, True),
    ],
)
def test_when_stores_are_a_group(
    number: int, open_stores: int, given: dict[str, Any], *, is_enough: bool
) -> None:
    terms = RuleTerms(RuleKind.GROUP_DOWN, parameters={"by": "city", **given})
    down = [STORE._replace(key=key) for key in range(number)]
    group = DownStores(terms, down, GroupCounts({"oslo": open_stores}), NOW).group("oslo")
    assert group is not None
    assert group.is_enough == is_enough
    assert (group.finding.earliest_us, group.finding.latest_us) == (RUN - 1, RUN)


def test_only_stores_that_went_down_within_the_window_are_a_group() -> None:
    terms = RuleTerms(RuleKind.GROUP_DOWN, parameters={"by": "city", "window_minutes": 60})
    assert RUN == NOW - 60 * MINUTE_US
    assert DownStores(terms, [STORE], GroupCounts(), NOW).group("oslo")
    assert not DownStores(terms, [STORE], GroupCounts(), NOW + 1).group("oslo")
    assert not DownStores(terms, [STORE._replace(since_latest_us=None)], GroupCounts(), NOW).group("oslo")
    stores = [STORE, STORE._replace(key=2, since_earliest_us=None)]
    group = DownStores(terms, stores, GroupCounts(), NOW).group("oslo")
    assert group is not None
    assert group.finding.earliest_us is None, "one begin is not known"


def test_the_chance_of_a_group_is_exact() -> None:
    seen = Sighting(down=5, stores=14, rest_down=9, rest=498)
    chance, expected = chance_of(seen, "city=oslo", {}, 60)
    exact = sum(comb(14, n) * 0.02**n * 0.98 ** (14 - n) for n in range(5, 15))
    assert chance == pytest.approx(exact, rel=1e-9)
    assert expected == pytest.approx(0.28)
    assert chance_of(seen._replace(down=0), "", {}, 60)[0] == 1
    assert chance_of(Sighting(3, 3, 0, 0), "", {FLEET: 1.0}, 60) == (1, 3)


def test_a_group_that_is_often_down_needs_more_stores() -> None:
    seen = Sighting(down=5, stores=14, rest_down=0, rest=500)
    quiet, usual, often = (
        chance_of(seen, "city=oslo", given, 60)[0]
        for given in ({FLEET: 0.001}, {FLEET: 0.02}, {FLEET: 0.02, "city=oslo": 0.1})
    )
    assert quiet < usual < often
    assert chance_of(seen, "city=oslo", {FLEET: 0.02}, 120)[0] == chance_of(seen, "", {FLEET: 0.04}, 60)[0]


@pytest.mark.parametrize(
    ("open_stores", "quiet", "is_open"), [(9, 9, False), (10, 4, False), (10, 5, True), (11, 5, False)]
)
def test_when_a_feed_is_silent(open_stores: int, quiet: int, *, is_open: bool) -> None:
    given = RuleInput("feed", RuleTerms(RuleKind.FEED_SILENT), feed=FeedCounts(open_stores, quiet, RUN))
    changes = evaluate([given], NOW)
    assert [change.event for change in changes] == ([EventKind.OPENED] if is_open else [])
