"""Incidents once more, from docs/reference/incidents.md: row after row, one store at a time, sharing no line with the engine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import comb
from typing import Any, NamedTuple

from tests.oracle.accounting import DAY_US, MINUTE_US
from tests.oracle.live import Live

OPEN = ("up", "down", "unknown", "silent")
KINDS = ("feed_silent", "group_down", "store_down", "store_silent", "late_opening", "service_level_at_risk")


class Rule(NamedTuple):
    name: str
    kind: str
    parameters: Mapping[str, Any]
    labels: Mapping[str, str] = {}
    hold_open_minutes: int = 10


class Seen(NamedTuple):
    """A store at the instant of an evaluation."""

    labels: Mapping[str, str]
    live: Live


@dataclass
class Case:
    """An incident. `store` is None for groups, feeds and levels. `stores` are members with their runs, `left` those that left."""

    rule: str
    subject: str
    store: int | None
    opened_us: int
    evidence_us: int
    run_us: int | None
    earliest_us: int | None
    latest_us: int
    state: str = "open"
    cause: str | None = None
    calm_us: int | None = None
    ended_us: int | None = None
    flaps: int = 0
    stores: dict[int, int] = field(default_factory=dict)
    left: dict[int, str] = field(default_factory=dict)


class View(NamedTuple):
    """What a rule sees of a subject: "holds", "weak", "calm", "nothing", or "gone"."""

    word: str
    earliest_us: int | None = None
    latest_us: int | None = None
    run_us: int | None = None
    cause: str | None = None
    polled_us: int | None = None


class Watch:
    """Evaluates rules and remembers incidents."""

    def __init__(self, rules: Sequence[Rule], usual: Mapping[str, float] | None = None) -> None:
        self.usual = usual or {}
        self.rules = sorted(rules, key=lambda rule: (KINDS.index(rule.kind), rule.name))
        self.cases: list[Case] = []

    def look(self, now_us: int, stores: Mapping[int, Seen], levels: Mapping[str, str]) -> None:
        silent_feeds: list[Rule] = []
        members: set[int] = set()
        for rule in self.rules:
            if rule.kind == "feed_silent":
                self.go_on(rule, "", None, view_feed(rule, now_us, stores), now_us)
                if self.current(rule.name, "", None):
                    silent_feeds.append(rule)
            elif rule.kind == "service_level_at_risk":
                name = rule.parameters["service_level"]
                word = {"at_risk": "holds", "missed": "holds", "ok": "calm"}.get(
                    levels.get(name, ""), "nothing"
                )
                self.go_on(rule, name, None, View(word), now_us)
            elif rule.kind == "group_down":
                self.look_at_groups(rule, now_us, stores, silent_feeds)
                for case in self.cases:
                    if case.rule == rule.name and case.ended_us is None:
                        members |= set(case.stores)
            else:
                for key, seen in stores.items():
                    view = self.view_store(rule, now_us, key, seen, silent_feeds, members)
                    self.go_on(rule, "", key, view, now_us)

    def current(self, rule: str, subject: str, store: int | None) -> Case | None:
        for case in self.cases:
            if (case.rule, case.subject, case.store) == (rule, subject, store) and case.ended_us is None:
                return case
        return None

    def view_store(
        self,
        rule: Rule,
        now_us: int,
        key: int,
        seen: Seen,
        silent_feeds: Sequence[Rule],
        members: set[int],
    ) -> View:
        if not has(seen, rule.labels):
            return View("gone", cause="left_rule")
        if rule.kind == "store_silent" and any(has(seen, feed.labels) for feed in silent_feeds):
            return View("gone", cause="feed_silent")
        if rule.kind != "store_silent" and key in members:
            return View("gone", cause="grouped")
        if rule.kind != "store_silent" and is_held(seen, now_us, silent_feeds):
            return View("nothing")
        if seen.live.state in ("ended", "excluded"):
            return View("gone", latest_us=seen.live.since_latest_us, cause=seen.live.state)
        return {"store_down": view_down, "store_silent": view_silent, "late_opening": view_late}[rule.kind](
            rule, now_us, seen.live
        )

    def go_on(self, rule: Rule, subject: str, store: int | None, view: View, now_us: int) -> None:
        case = self.current(rule.name, subject, store)
        if case is None:
            if view.word == "holds":
                self.cases.append(new_case(rule, subject, store, view, now_us))
            return
        if is_disproved(case, view):
            end(case, "withdrawn", "late_data", now_us)
        elif view.word == "gone":
            end(case, "resolved", view.cause, now_us)
        elif view.word in ("holds", "weak"):
            see_again(case, view)
        elif view.word == "calm" and (view.run_us is None or view.run_us != case.run_us):
            see_calm(case, view, now_us)
            end_if_calm(case, rule, now_us)
        else:
            end_if_calm(case, rule, now_us)
            last_us = max(case.opened_us, view.polled_us or 0)
            if case.ended_us is None and now_us >= last_us + 7 * DAY_US:
                end(case, "resolved", "no_evidence", now_us)

    def look_at_groups(
        self, rule: Rule, now_us: int, stores: Mapping[int, Seen], silent_feeds: Sequence[Rule]
    ) -> None:
        of_rule = {key: seen for key, seen in stores.items() if has(seen, rule.labels)}
        from_us = now_us - rule.parameters["window_minutes"] * MINUTE_US
        recent = {
            key
            for key, seen in of_rule.items()
            if seen.live.state == "down"
            and (seen.live.since_latest_us or 0) >= from_us
            and not is_held(seen, now_us, silent_feeds)
        }
        cases = [case for case in self.cases if case.rule == rule.name and case.ended_us is None]
        for case in sorted(cases, key=lambda case: (width(rule, of_rule, case.subject), case.subject)):
            new = self.went_down(rule, of_rule, recent, case.subject, case)
            enough = self.chance(rule, of_rule, recent, case.subject, case) is not None
            runs = {key: of_rule[key].live.since_latest_us or 0 for key in new}
            go_on_with_group(case, rule, now_us, stores, runs, enough=enough)
        subjects = {subject for seen in of_rule.values() for subject in subjects_of(rule, seen)}
        ranked = []
        for subject in subjects.difference(case.subject for case in cases):
            found = self.chance(rule, of_rule, recent, subject, None)
            if found is not None:
                new = self.went_down(rule, of_rule, recent, subject, None)
                ranked.append((found, -len(new), subject))
        for _, _, subject in sorted(ranked):
            if self.chance(rule, of_rule, recent, subject, None) is not None:
                new = self.went_down(rule, of_rule, recent, subject, None)
                bounds = [of_rule[key].live.since_earliest_us for key in new]
                known = [at for at in bounds if at is not None]
                earliest_us = min(known) if len(known) == len(bounds) else None
                runs = {key: of_rule[key].live.since_latest_us or 0 for key in new}
                made = View("holds", earliest_us, min(runs.values()))
                self.cases.append(new_case(rule, subject, None, made, now_us))
                self.cases[-1].stores = runs

    def explained(self, rule: Rule, case: Case | None) -> set[int]:
        """The stores of the rule's other incidents."""
        return {
            key for each in self.cases if each.rule == rule.name and each is not case for key in each.stores
        }

    def went_down(
        self, rule: Rule, of_rule: Mapping[int, Seen], recent: set[int], subject: str, case: Case | None
    ) -> set[int]:
        return {key for key in recent if subject in subjects_of(rule, of_rule[key])} - self.explained(
            rule, case
        )

    def chance(
        self, rule: Rule, of_rule: Mapping[int, Seen], recent: set[int], subject: str, case: Case | None
    ) -> Fraction | None:
        """The chance of what went down. None: it is not enough for the rule."""
        new = self.went_down(rule, of_rule, recent, subject, case)
        at_least, share = rule.parameters["at_least"], rule.parameters["share"]
        wide = width(rule, of_rule, subject)
        by_number = at_least is not None and len(new) >= at_least
        if len(new) < 2 or not (by_number or (share is not None and len(new) >= share * wide)):
            return None
        allowed = rule.parameters["false_alarms_per_year"]
        if allowed is None:
            return Fraction(1)
        if wide > 0.95 * sum(seen.live.state in OPEN for seen in of_rule.values()):
            return None
        within = {key for key, seen in of_rule.items() if subject in subjects_of(rule, seen)}
        ups = {key for key, seen in of_rule.items() if seen.live.state == "up"}
        rest_down = recent - within - self.explained(rule, case)
        label = subject if rule.parameters["by"] == "*" else f"{rule.parameters['by']}={subject}"
        rate = self.rate(rule, label, len(rest_down), len(ups - within) + len(rest_down))
        found = tail(len(new), len(ups & within) + len(new), rate)
        subjects = {name for seen in of_rule.values() for name in subjects_of(rule, seen)}
        values = max(1, sum(width(rule, of_rule, name) > 1 for name in subjects))
        windows = Fraction(365 * 24 * 60, rule.parameters["window_minutes"])
        return found if found * len(new) * values * windows <= Fraction(allowed) else None

    def rate(self, rule: Rule, label: str, rest_down: int, rest: int) -> Fraction:
        """The highest of the rates at which stores with a label may go down within the window."""
        if "" not in self.usual:
            return Fraction(rest_down + 1, rest + 2)
        hours = max(Fraction(1), Fraction(rule.parameters["window_minutes"], 60))
        fleet = min(Fraction(1), Fraction(self.usual[""]) * hours)
        own = min(Fraction(1), Fraction(self.usual.get(label, 0)) * hours)
        return max(fleet, own, (rest_down + 5 * fleet) / (rest + 5))


def width(rule: Rule, of_rule: Mapping[int, Seen], subject: str) -> int:
    """How many open stores have the subject."""
    return sum(seen.live.state in OPEN and subject in subjects_of(rule, seen) for seen in of_rule.values())


def subjects_of(rule: Rule, seen: Seen) -> list[str]:
    by = rule.parameters["by"]
    if by == "*":
        return [f"{name}={value}" for name, value in seen.labels.items()]
    return [value for name, value in seen.labels.items() if name == by]


def tail(least: int, trials: int, rate: Fraction) -> Fraction:
    if least <= trials * rate:
        return Fraction(1)
    return sum(
        (
            comb(trials, hits) * rate**hits * (1 - rate) ** (trials - hits)
            for hits in range(least, trials + 1)
        ),
        Fraction(0),
    )


def go_on_with_group(
    case: Case, rule: Rule, now_us: int, stores: Mapping[int, Seen], new: Mapping[int, int], *, enough: bool
) -> None:
    for key, run_us in list(case.stores.items()):
        if cause := why_it_left(rule, now_us, stores[key], run_us):
            del case.stores[key]
            case.left[key] = cause
    joining = {key: run_us for key, run_us in new.items() if key not in case.stores}
    if joining and (case.stores or enough):
        if case.calm_us is not None:
            case.flaps += 1
            case.calm_us = None
        case.stores.update(joining)
        for key in joining:
            case.left.pop(key, None)
        return
    if case.stores:
        return
    if all(cause == "late_data" for cause in case.left.values()):
        end(case, "withdrawn", "late_data", now_us)
        return
    if case.calm_us is None:
        case.calm_us = now_us
    end_if_calm(case, rule, now_us)


def why_it_left(rule: Rule, now_us: int, seen: Seen, run_us: int) -> str | None:
    live = seen.live
    if not has(seen, rule.labels):
        return "left_rule"
    if live.state == "up":
        return (
            "late_data"
            if live.since_latest_us is not None and live.since_latest_us <= run_us
            else "recovered"
        )
    if live.state in ("ended", "excluded"):
        return live.state
    polled_us = live.last_poll.at_us if live.last_poll else 0
    return "no_evidence" if now_us - max(run_us, polled_us) >= 7 * DAY_US else None


def has(seen: Seen, labels: Mapping[str, str]) -> bool:
    return all(seen.labels.get(name) == value for name, value in labels.items())


def quiet_for(live: Live, now_us: int, gaps: int) -> bool:
    if live.state not in OPEN or live.last_poll is None:
        return False
    if live.usual_gap_us is None:
        return live.state == "silent"
    from_us = max(live.last_poll.at_us, live.open_from_us or 0)
    return now_us >= from_us + min(max(gaps * live.usual_gap_us, 5 * MINUTE_US), DAY_US)


def is_held(seen: Seen, now_us: int, silent_feeds: Sequence[Rule]) -> bool:
    for feed in silent_feeds:
        if has(seen, feed.labels) and quiet_for(seen.live, now_us, feed.parameters["missed_polls"]):
            return True
    return False


def view_feed(rule: Rule, now_us: int, stores: Mapping[int, Seen]) -> View:
    of_feed = [seen.live for seen in stores.values() if has(seen, rule.labels) and seen.live.state in OPEN]
    if len(of_feed) < rule.parameters["min_stores"]:
        return View("nothing")
    quiet = [live for live in of_feed if quiet_for(live, now_us, rule.parameters["missed_polls"])]
    if len(quiet) < rule.parameters["share"] * len(of_feed):
        return View("calm")
    return View("holds", max(live.last_poll.at_us for live in quiet if live.last_poll), now_us)


def view_down(rule: Rule, now_us: int, live: Live) -> View:
    polled_us = live.last_poll.at_us if live.last_poll else None
    given = rule.parameters
    if live.state == "closed":
        return View("nothing", latest_us=live.since_latest_us, polled_us=polled_us)
    if live.state not in ("up", "down"):
        return View("nothing", polled_us=polled_us)
    since = (live.since_earliest_us, live.since_latest_us, live.since_latest_us)
    if live.state == "up":
        return View("calm", *since, polled_us=polled_us)
    enough = given["inactive_polls"] is not None and live.inactive_polls >= given["inactive_polls"]
    if given["down_minutes"] is not None and live.down_open_us >= given["down_minutes"] * MINUTE_US:
        enough = True
    after_us = given["guard_after_opening_minutes"] * MINUTE_US
    before_us = given["guard_before_closing_minutes"] * MINUTE_US
    if live.open_from_us is not None and now_us - live.open_from_us < after_us:
        enough = False
    if live.open_until_us is not None and live.open_until_us - now_us <= before_us:
        enough = False
    return View("holds" if enough else "weak", *since, polled_us=polled_us)


def view_silent(rule: Rule, now_us: int, live: Live) -> View:
    polled_us = live.last_poll.at_us if live.last_poll else None
    if live.state == "closed":
        return View("nothing", latest_us=live.since_latest_us, polled_us=polled_us)
    if live.state == "silent" and quiet_for(live, now_us, rule.parameters["missed_polls"]):
        from_us = max(polled_us or 0, live.open_from_us or 0)
        # Silent for more than eight days: since midnight a week ago at the latest.
        by_us = (
            now_us // DAY_US * DAY_US - 7 * DAY_US if live.since_latest_us is None else live.since_latest_us
        )
        return View("holds", from_us, by_us, polled_us, polled_us=now_us)
    return View("calm", latest_us=polled_us, run_us=polled_us, polled_us=polled_us)


def view_late(rule: Rule, now_us: int, live: Live) -> View:
    if live.state == "closed":
        return View("gone", cause="closed")
    hours_us, opened_us = live.hours_from_us, live.open_from_us
    if live.state not in ("up", "down") or hours_us is None or opened_us is None:
        return View("nothing", polled_us=live.last_poll.at_us if live.last_poll else None)
    active_us = live.since_latest_us if live.state == "up" else live.since_earliest_us
    if live.state == "up" or (active_us is not None and active_us >= hours_us):
        # An active poll at the opening, or before it, comes after the run of the incident all the same.
        active_us = max(active_us or 0, opened_us + 1)
        return View("calm", latest_us=active_us, run_us=active_us)
    if now_us - opened_us < rule.parameters["after_minutes"] * MINUTE_US:
        return View("nothing")
    return View("holds", opened_us, opened_us, opened_us)


def new_case(rule: Rule, subject: str, store: int | None, view: View, now_us: int) -> Case:
    return Case(
        rule=rule.name,
        subject=subject,
        store=store,
        opened_us=now_us,
        evidence_us=now_us if view.polled_us is None else view.polled_us,
        run_us=view.run_us,
        earliest_us=view.earliest_us,
        latest_us=now_us if view.latest_us is None else view.latest_us,
    )


def is_disproved(case: Case, view: View) -> bool:
    """Row 1: the four ways in which data contradict those that opened the incident."""
    if case.run_us is None:
        return False
    if view.word == "calm" and view.run_us is not None:
        return view.run_us != case.run_us and view.run_us <= case.evidence_us
    if view.word == "weak" and view.earliest_us is not None and view.run_us is not None:
        return case.run_us < view.run_us <= case.evidence_us
    if view.word in ("nothing", "gone") and view.latest_us is not None:
        return view.latest_us <= case.latest_us
    return False


def see_again(case: Case, view: View) -> None:
    """Rows 3 to 6."""
    if case.run_us is None or view.run_us is None:
        case.flaps += case.calm_us is not None
    elif view.run_us > case.run_us and view.earliest_us is not None and view.run_us > case.evidence_us:
        case.flaps += 1
        case.run_us = view.run_us
    elif view.run_us < case.run_us or (view.run_us > case.run_us and view.earliest_us is not None):
        case.run_us = view.run_us
        if view.run_us <= case.evidence_us:
            case.earliest_us = view.earliest_us
            case.latest_us = view.latest_us if view.latest_us is not None else case.latest_us
    case.calm_us = None


def see_calm(case: Case, view: View, now_us: int) -> None:
    calm_us = now_us if view.latest_us is None else view.latest_us
    if case.calm_us is None:
        case.calm_us = calm_us
    elif view.earliest_us is not None and calm_us > case.calm_us:
        case.flaps += 1
        case.calm_us = calm_us


def end_if_calm(case: Case, rule: Rule, now_us: int) -> None:
    if case.calm_us is not None and now_us >= case.calm_us + rule.hold_open_minutes * MINUTE_US:
        end(case, "resolved", None, now_us)


def end(case: Case, state: str, cause: str | None, now_us: int) -> None:
    case.state, case.cause, case.ended_us = state, cause, now_us
