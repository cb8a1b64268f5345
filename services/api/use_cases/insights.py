"""Read what the last run of insights concluded: scores, findings, and the risk of stores in their next open hours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from shared.db.queries import queries
from shared.insights.risk import horizon_of
from shared.insights.sentences import describe_cause, describe_risk
from shared.insights.terms import HORIZONS, RATE_UNIT
from shared.keys import StoreScope
from shared.local_times import instant_of
from shared.zone_names import NAMED_ZONES

_SQL = queries("insights")
_HOUR: Final = timedelta(hours=1)
# Of an older run, the hours after its own instant are shown: its data has nothing later.
_STALE_AFTER: Final = timedelta(days=2)
_WEEK_HOURS: Final = 168
# Of the evidence of a common cause: what other stores did.
_OF_OTHERS: Final = {"expected", "p_value"}


@dataclass(frozen=True)
class MethodScores:
    """A method of the last run, with its scores. `hours` is None if the caller may not see all stores."""

    method: str
    run_id: object
    as_of: datetime
    is_on: bool
    reason: str | None
    hours: int | None
    scores: Mapping[str, Any]

    @property
    def skill(self) -> Mapping[str, Mapping[str, float] | None]:
        """The skill by reference, with its interval. None: too little was scored to know it."""
        unknown = self.scores.get("unknown_skill", ())
        return {name: None if name in unknown else found for name, found in self.scores["skill"].items()}

    def without_sums(self) -> "MethodScores":
        """Return the method without what would tell how many stores there are and how often they are down."""
        kept = {name: value for name, value in self.scores.items() if name != "fleet_rate"}
        return replace(self, hours=None, scores={**kept, "calibration": [], "top_precision": None})


@dataclass(frozen=True)
class StoredFinding:
    """A finding about a store or about the stores with a label, in one sentence, with its evidence."""

    place: int
    store_id: str | None
    name: str | None
    label_name: str | None
    label_value: str | None
    sentence: str
    evidence: Mapping[str, Any]

    def without_sums(self) -> "StoredFinding":
        """Return a common cause without the rates of other stores, with which it was compared."""
        known = {name: value for name, value in self.evidence.items() if name not in _OF_OTHERS}
        earliest, latest = (
            datetime.fromisoformat(known[name]) for name in ("since_earliest", "since_latest")
        )
        label = self.label_name or "", self.label_value or ""
        numbers = known["stores_down"], known["stores"], None
        return replace(self, sentence=describe_cause(label, numbers, (earliest, latest)), evidence=known)


@dataclass(frozen=True)
class InsightChoice:
    """Which stores: those that the caller may see and that have all labels; one of them, if it is named."""

    visible: StoreScope
    labels: Mapping[str, str]
    store_id: str | None = None

    def as_parameters(self) -> dict[str, Any]:
        """Return the parameters of the queries."""
        return {
            "scope": None if self.visible.labels is None else Jsonb(dict(self.visible.labels)),
            "labels": Jsonb(dict(self.labels)) if self.labels else None,
            "store_id": self.store_id,
        }


@dataclass(frozen=True)
class RiskRow:
    """What predicts the hours of a store, as `list_risk` reads it. `last_down` is what is known now."""

    store_id: str
    name: str | None
    timezone: str
    labels: Mapping[str, str]
    place: int
    rates: bytes
    last_day: date
    coming: bytes
    last_down: float
    last_rate: float
    group_rate: float
    store_rate: float
    driver: str


@dataclass(frozen=True)
class HourRisk:
    """An open hour and the probability that the store is down in it. None: no method for it has proven skill."""

    at: datetime
    probability: float | None


@dataclass(frozen=True)
class StoreRiskNow:
    """The next open hours of a store. `driver`: the level that raises its risk most."""

    row: RiskRow
    driver: str
    hours: Sequence[HourRisk]
    sentence: str

    @property
    def expected_down_hours(self) -> float | None:
        """The sum of the probabilities that are known. None: none of them is."""
        known = [hour.probability for hour in self.hours if hour.probability is not None]
        return sum(known) if known else None


async def read_skill(conn: AsyncConnection, visible: StoreScope) -> list[MethodScores]:
    """Return the methods of the last run; none before the first one. Sums of the fleet are for those who may see all of it."""
    async with conn.cursor(row_factory=class_row(MethodScores)) as cursor:
        found = await (await cursor.execute(_SQL["skill"])).fetchall()
    return found if visible.labels is None else [each.without_sums() for each in found]


async def list_findings(
    conn: AsyncConnection, kind: str, choice: InsightChoice, *, after_place: int, limit: int
) -> list[StoredFinding]:
    """Return up to `limit` findings of a kind, the most certain first."""
    asked = {**choice.as_parameters(), "kind": kind, "after_place": after_place, "limit": limit}
    async with conn.cursor(row_factory=class_row(StoredFinding)) as cursor:
        found = await (await cursor.execute(_SQL["list_findings"], asked, prepare=False)).fetchall()
    is_limited = kind == "cause" and choice.visible.labels is not None
    return [each.without_sums() for each in found] if is_limited else found


async def list_risk(
    conn: AsyncConnection,
    choice: InsightChoice,
    methods: Sequence[MethodScores],
    *,
    before: tuple[int, str] | None,
    limit: int,
) -> list[RiskRow]:
    """Return up to `limit` stores, those with the most expected down hours first, beginning after a position."""
    memory = sum(_memory(methods))
    place, store_id = before or (None, None)
    asked = {
        **choice.as_parameters(),
        "memory": memory,
        "before_place": place,
        "before_id": store_id,
        "limit": limit,
    }
    async with conn.cursor(row_factory=class_row(RiskRow)) as cursor:
        return await (await cursor.execute(_SQL["list_risk"], asked, prepare=False)).fetchall()


async def read_risk(conn: AsyncConnection, store_ids: Sequence[str]) -> list[RiskRow]:
    """Return what predicts the hours of some stores, which the caller has found among those that it may see."""
    async with conn.cursor(row_factory=class_row(RiskRow)) as cursor:
        return await (await cursor.execute(_SQL["risk_of"], {"store_ids": list(store_ids)})).fetchall()


def _memory(methods: Sequence[MethodScores]) -> list[float]:
    """Return the memory of each of the next 24 open hours."""
    by_name = {each.method: each.scores.get("memory", 0.0) for each in methods}
    return [by_name.get(_method(ahead), 0.0) for ahead in range(1, HORIZONS[-1] + 1)]


def _method(ahead: int) -> str:
    return f"risk_{HORIZONS[horizon_of(ahead)]}h"


def begin_of(methods: Sequence[MethodScores], now: datetime) -> datetime:
    """Return the instant after which hours are predicted: now, or that of the run's newest poll if it is old."""
    as_of = methods[0].as_of
    return now if as_of <= now < as_of + _STALE_AFTER else as_of


def predict_store(row: RiskRow, methods: Sequence[MethodScores], begin: datetime) -> StoreRiskNow:
    """Return the risk of a store in its next open hours after an instant: none if its zone is unknown since the run.

    `methods` are those that the caller may see: without the fleet's rate, the sentence does not compare with it.
    """
    is_known = row.timezone in NAMED_ZONES
    zone, coming = ZoneInfo(row.timezone if is_known else "UTC"), row.coming if is_known else b""
    midnight = datetime(row.last_day.year, row.last_day.month, row.last_day.day, tzinfo=UTC) + timedelta(
        days=1
    )
    local = begin.astimezone(zone).replace(tzinfo=UTC)
    first = max(0, int((local - midnight) // _HOUR) + 1)
    opened = np.flatnonzero(np.frombuffer(coming, dtype=np.uint8)[first:]) + first
    rates = np.frombuffer(row.rates, dtype=">u2") / RATE_UNIT
    slot = midnight.weekday() * 24
    memory, is_on = _memory(methods), {each.method: each.is_on for each in methods}
    surprise = row.last_down - row.last_rate
    hours = []
    for ahead, hour in enumerate(opened[: HORIZONS[-1]].tolist(), start=1):
        at = instant_of(midnight + hour * _HOUR, zone)
        risk = rates[(slot + hour) % _WEEK_HOURS] + memory[ahead - 1] * surprise
        known = is_on.get(_method(ahead), False)
        hours.append(HourRisk(at, float(np.clip(risk, 0, 1)) if known else None))
    known_hours = [hour for hour in hours if hour.probability is not None]
    expected = sum(hour.probability or 0 for hour in known_hours)
    driver = "state" if sum(memory[: len(hours)]) * surprise > expected / 2 > 0 else row.driver
    fleet_rate = methods[0].scores.get("fleet_rate")
    return StoreRiskNow(row, driver, hours, describe_risk(driver, expected, len(known_hours), fleet_rate))


def visible_group_rate(row: RiskRow, methods: Sequence[MethodScores], visible: StoreScope) -> float | None:
    """Return how often the stores of the row's group are down. None: some of them are not for the caller to see."""
    if visible.labels is None:
        return row.group_rate
    label = methods[0].scores.get("label")
    # The group has all stores with one label, so only a limit to this label has all of them.
    is_whole = label is not None and dict(visible.labels) == {label: row.labels.get(label)}
    return row.group_rate if is_whole else None
