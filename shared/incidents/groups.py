"""Stores that share the value of a label and went down together: when they are one incident, and when that ends. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from shared.incidents.chance import GroupCounts, Sighting, chance_of, is_nearly_all, is_seldom
from shared.incidents.findings import RuleFinding, Verdict
from shared.incidents.live_store import GONE_STATES, MINUTE_US, WatchedStore
from shared.incidents.machine import NO_EVIDENCE_US, Change, EventKind, OpenIncident
from shared.incidents.terms import ANY_LABEL, RuleTerms

# One store is never a group, whatever its share.
_LEAST: Final = 2
_DISPROVED: Final = "late_data"


def group_label(terms: RuleTerms, subject: str) -> tuple[str, str]:
    """Return the name and the value of the label that an incident of a group is about."""
    if terms.parameters["by"] != ANY_LABEL:
        return terms.parameters["by"], subject
    name, _, value = subject.partition("=")
    return name, value


@dataclass(frozen=True)
class DownGroup:
    """The stores with one value that are down since less than the window, with their runs. `chance` is 1 if it is not tested."""

    runs: Mapping[int, int]
    is_enough: bool
    finding: RuleFinding
    chance: float = 1.0


class DownStores:
    """The stores of a rule that went down within its window, by subject. Those that an incident explains are taken away."""

    def __init__(
        self, terms: RuleTerms, down: Sequence[WatchedStore], counts: GroupCounts, now_us: int
    ) -> None:
        self._terms, self._counts = terms, counts
        from_us = now_us - terms.parameters["window_minutes"] * MINUTE_US
        # A run whose begin is out of view is an old one.
        self._stores = {
            store.key: store
            for store in down
            if store.since_latest_us is not None and store.since_latest_us >= from_us
        }
        self._by_subject: dict[str, list[WatchedStore]] = {}
        for store in self._stores.values():
            for subject in self._subjects(store):
                self._by_subject.setdefault(subject, []).append(store)
        self._taken: set[int] = set()

    def take(self, keys: Iterable[int]) -> None:
        """Take away the stores that an incident explains."""
        self._taken.update(self._stores.keys() & set(keys))

    def width(self, subject: str) -> int:
        """Return how many open stores a subject has."""
        return self._counts.open.get(subject, 0)

    def group(self, subject: str, own: Collection[int] = ()) -> DownGroup | None:
        """Return the group of a subject, with stores that were taken away only if they are its `own`. None: it has none."""
        free = [
            store
            for store in self._by_subject.get(subject, ())
            if store.key in own or store.key not in self._taken
        ]
        return self._judge(subject, free) if free else None

    def groups(self) -> Iterator[tuple[str, DownGroup]]:
        """Yield the groups that are enough, the least likely by chance first. The caller takes each away before the next."""
        found = {subject: self.group(subject) for subject in self._by_subject}
        enough = {subject: group for subject, group in found.items() if group is not None and group.is_enough}
        for subject in sorted(enough, key=lambda name: (enough[name].chance, -len(enough[name].runs), name)):
            group = self.group(subject)
            if group is not None and group.is_enough:
                yield subject, group

    def _subjects(self, store: WatchedStore) -> Iterator[str]:
        by = self._terms.parameters["by"]
        if by == ANY_LABEL:
            yield from (f"{name}={value}" for name, value in store.labels.items())
        elif (value := store.labels.get(by)) is not None:
            yield value

    def _judge(self, subject: str, stores: Sequence[WatchedStore]) -> DownGroup:
        number, given = len(stores), self._terms.parameters
        open_stores = self._counts.open.get(subject, 0)
        at_least, share = given.get("at_least"), given.get("share")
        is_enough = number >= _LEAST and (
            (at_least is not None and number >= at_least)
            or (share is not None and number >= share * max(open_stores, number))
        )
        counted: dict[str, Any] = {"stores_down": number, "stores_open": open_stores}
        chance = 1.0
        if is_enough and given.get("false_alarms_per_year") is not None:
            chance, expected = self._chance(subject, number)
            is_enough = not is_nearly_all(subject, self._counts) and is_seldom(
                chance, number, self._counts, given
            )
            counted["stores_down_by_chance"] = round(expected, 2)
        return DownGroup(
            {store.key: store.since_latest_us or 0 for store in stores},
            is_enough,
            RuleFinding(Verdict.HOLDS, *_begin(stores), evidence=counted),
            chance,
        )

    def _chance(self, subject: str, down: int) -> tuple[float, float]:
        up = self._counts.up.get(subject, 0)
        of_value = sum(store.key not in self._taken for store in self._by_subject[subject])
        # Only stores of this rule are taken away.
        rest_down = len(self._stores) - len(self._taken) - of_value
        seen = Sighting(down, up + down, rest_down, max(self._counts.up_of_all - up, 0) + rest_down)
        label = "=".join(group_label(self._terms, subject))
        return chance_of(seen, label, self._counts.usual, self._terms.parameters["window_minutes"])


def _begin(stores: Sequence[WatchedStore]) -> tuple[int | None, int]:
    """Return the bounds of the begin of the first outage. The first one is None if that of a store is not known."""
    earliest = [store.since_earliest_us for store in stores]
    known = [at for at in earliest if at is not None]
    latest_us = min(store.since_latest_us or 0 for store in stores)
    return (min(known) if len(known) == len(stores) else None), latest_us


def advance_group(
    incident: OpenIncident,
    group: DownGroup | None,
    stores: Mapping[int, WatchedStore],
    terms: RuleTerms,
    now_us: int,
) -> list[Change]:
    """Return what follows for the incident of a group. It goes on until its last member has recovered.

    Until then, whatever else goes down with the same value joins it. After that only a new group makes it a flap.
    """
    left = {
        key: cause
        for key, run in incident.members.items()
        if (cause := _left(stores.get(key), terms, run, now_us))
    }
    left_for_good = {key: cause for key, cause in left.items() if cause != _DISPROVED}
    members = {key: run for key, run in incident.members.items() if key not in left}
    after = replace(incident, members=members, was_real=incident.was_real or bool(left_for_good))
    changes = [Change(after, EventKind.LEFT, left=left)] if left else []
    new = {key: run for key, run in group.runs.items() if key not in members} if group else {}
    if group and new and (members or group.is_enough):
        evidence = group.finding.evidence
        flaps = after.flaps + (after.calm_us is not None)
        event = EventKind.JOINED if after.calm_us is None else EventKind.FLAPPED
        after = replace(after, members={**members, **new}, calm_us=None, flaps=flaps)
        return [*changes, Change(after, event, None, evidence, joined=new)]
    return changes if after.members else changes + _end_group(after, terms, now_us)


def _end_group(after: OpenIncident, terms: RuleTerms, now_us: int) -> list[Change]:
    if not after.was_real:
        return [Change(after, EventKind.WITHDRAWN, _DISPROVED)]
    changes: list[Change] = []
    if after.calm_us is None:
        after = replace(after, calm_us=now_us)
        changes.append(Change(after, EventKind.CALM))
    if after.calm_us is not None and now_us - after.calm_us >= terms.hold_open_minutes * MINUTE_US:
        changes.append(Change(after, EventKind.RESOLVED))
    return changes


def _left(store: WatchedStore | None, terms: RuleTerms, run_us: int, now_us: int) -> str | None:
    """Return why a store is not a member any more; None: it still is."""
    if store is None or not store.has(terms.labels):
        return "left_rule"
    if store.state == "up":
        since_us = store.since_latest_us
        return _DISPROVED if since_us is not None and since_us <= run_us else "recovered"
    if store.state in GONE_STATES:
        return store.state
    seen_us = max(run_us, store.last_poll_us or 0)
    return "no_evidence" if now_us - seen_us >= NO_EVIDENCE_US else None
