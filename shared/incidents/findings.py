"""What a rule finds about one subject now, and the judgement of one store by the rules about stores. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final

from shared.incidents.live_store import GONE_STATES, MINUTE_US, WatchedStore
from shared.incidents.terms import RuleKind, RuleTerms


class Verdict(Enum):
    """Whether the condition of a rule holds."""

    HOLDS = auto()
    WEAK = auto()  # too little to open an incident, enough to keep it
    CALM = auto()  # it surely does not hold
    UNCLEAR = auto()  # nothing is known now
    GONE = auto()  # the subject is not one any more


@dataclass(frozen=True, slots=True)
class RuleFinding:
    """A verdict with the bounds of the instant since when it holds.

    `run_us` names the run of polls (or the silence) that was seen: another one is another outage. None: there are no runs.
    """

    verdict: Verdict
    earliest_us: int | None = None
    latest_us: int | None = None
    run_us: int | None = None
    cause: str | None = None
    last_seen_us: int | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)


UNCLEAR: Final = RuleFinding(Verdict.UNCLEAR)
LEFT_RULE: Final = RuleFinding(Verdict.GONE, cause="left_rule")


def judge_store(terms: RuleTerms, store: WatchedStore, now_us: int) -> RuleFinding:
    """Return what a rule about single stores finds about one of them."""
    if store.state in GONE_STATES:
        return RuleFinding(Verdict.GONE, latest_us=store.since_latest_us, cause=store.state)
    return _JUDGES[terms.kind](terms, store, now_us)


def _judge_down(terms: RuleTerms, store: WatchedStore, now_us: int) -> RuleFinding:
    if store.state == "up":
        return _since(Verdict.CALM, store)
    if store.state == "closed":
        return RuleFinding(Verdict.UNCLEAR, latest_us=store.since_latest_us, last_seen_us=store.last_poll_us)
    if store.state != "down":
        return RuleFinding(Verdict.UNCLEAR, last_seen_us=store.last_poll_us)
    given = terms.parameters
    minutes, polls = given.get("down_minutes"), given.get("inactive_polls")
    is_enough = (polls is not None and store.inactive_polls >= polls) or (
        minutes is not None and store.down_open_us >= minutes * MINUTE_US
    )
    is_enough = is_enough and not _is_guarded(terms, store, now_us)
    return _since(Verdict.HOLDS if is_enough else Verdict.WEAK, store)


def _is_guarded(terms: RuleTerms, store: WatchedStore, now_us: int) -> bool:
    after_us = terms.parameters["guard_after_opening_minutes"] * MINUTE_US
    before_us = terms.parameters["guard_before_closing_minutes"] * MINUTE_US
    return (store.open_from_us is not None and now_us < store.open_from_us + after_us) or (
        store.open_until_us is not None and now_us >= store.open_until_us - before_us
    )


def _judge_silent(terms: RuleTerms, store: WatchedStore, now_us: int) -> RuleFinding:
    if store.state == "closed":
        return RuleFinding(Verdict.UNCLEAR, latest_us=store.since_latest_us, last_seen_us=store.last_poll_us)
    if store.state == "silent" and store.is_quiet(now_us, terms.parameters["missed_polls"]):
        return RuleFinding(
            Verdict.HOLDS,
            store.quiet_from_us,
            store.silent_by_us(now_us),
            store.last_poll_us,
            last_seen_us=now_us,
            evidence=_evidence(store),
        )
    return RuleFinding(
        Verdict.CALM,
        latest_us=store.last_poll_us,
        run_us=store.last_poll_us,
        last_seen_us=store.last_poll_us,
    )


def _judge_late(terms: RuleTerms, store: WatchedStore, now_us: int) -> RuleFinding:
    hours_us, opened_us = store.hours_from_us, store.open_from_us
    if store.state == "closed":
        return RuleFinding(Verdict.GONE, cause="closed")
    if store.state not in {"up", "down"} or hours_us is None or opened_us is None:
        return RuleFinding(Verdict.UNCLEAR, last_seen_us=store.last_poll_us)
    has_opened = store.state == "up" or (
        store.since_earliest_us is not None and store.since_earliest_us >= hours_us
    )
    if has_opened:
        seen_us = store.since_latest_us if store.state == "up" else store.since_earliest_us
        # After the opening, which is the run of the incident itself.
        active_us = max(seen_us or 0, opened_us + 1)
        return RuleFinding(Verdict.CALM, latest_us=active_us, run_us=active_us)
    if now_us < opened_us + terms.parameters["after_minutes"] * MINUTE_US:
        return UNCLEAR
    return RuleFinding(Verdict.HOLDS, opened_us, opened_us, opened_us, evidence=_evidence(store))


def _since(verdict: Verdict, store: WatchedStore) -> RuleFinding:
    return RuleFinding(
        verdict,
        store.since_earliest_us,
        store.since_latest_us,
        store.since_latest_us,
        last_seen_us=store.last_poll_us,
        evidence=_evidence(store),
    )


def _evidence(store: WatchedStore) -> Mapping[str, Any]:
    return {
        "inactive_polls": store.inactive_polls,
        "down_open_us": store.down_open_us,
        "last_poll_us": store.last_poll_us,
        "usual_gap_us": store.usual_gap_us,
    }


_JUDGES: Final = {
    RuleKind.STORE_DOWN: _judge_down,
    RuleKind.STORE_SILENT: _judge_silent,
    RuleKind.LATE_OPENING: _judge_late,
}
