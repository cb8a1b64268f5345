"""Calls for service levels, and their answers."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypedDict, Unpack

from uptill_client.pages import iterate_pages
from uptill_client.paths import encode_segment
from uptill_client.transport import Transport

_PATH = "/v1/service-levels"


@dataclass(frozen=True)
class LevelTotal:
    """Where all stores of a service level stand together. Shares are None if nothing counts."""

    state: str
    achieved: float | None
    counted_minutes: float
    budget_minutes: float
    used_minutes: float
    left_minutes: float
    burn_rate: float | None
    projected: float | None


@dataclass(frozen=True)
class ServiceLevelStore(LevelTotal):
    """Where one store stands. `days_missing`: days that are not counted, because nothing is known of them."""

    store_id: str
    unknown_minutes: float
    excluded_minutes: float
    over_cap_minutes: float
    days_missing: int


@dataclass(frozen=True)
class LevelOutcome:
    """The last evaluation of a period. `stores` is their number by state."""

    first_day: date
    last_day: date
    through: date
    as_of: datetime
    data_cut: int
    evaluated_at: datetime
    total: LevelTotal
    stores: Mapping[str, int]
    stores_failed: int
    days_missing: int


@dataclass(frozen=True)
class ServiceLevel:
    """A service level. `evaluation` is None until a worker has evaluated its terms."""

    name: str
    target: float
    labels: Mapping[str, str]
    profile: str
    period: str
    policy: str
    unknown: str
    excluded: str
    caps: Mapping[str, float]
    changed_by: str | None
    changed_at: datetime
    evaluation: LevelOutcome | None


@dataclass(frozen=True)
class _ServiceLevels:
    service_levels: Sequence[ServiceLevel]


class LevelOptions(TypedDict, total=False):
    """The terms of a service level besides its target. The service uses its default for one that is missing or None."""

    # All stores that have these labels. Default: every store.
    labels: Mapping[str, str] | None
    # "plain", "constant-denominator" or "unknown-as-up": what the next three are unless they are given.
    profile: str | None
    # "calendar_month", "rolling_30_days" or "last_12_months".
    period: str | None
    # "left_out", "up" or "down".
    unknown: str | None
    # "left_out" or "up".
    excluded: str | None
    # The name of an accounting policy.
    policy: str | None
    # The most hours in a period that are excluded, by the reason of closures.
    caps: Mapping[str, float] | None


class ServiceLevelCalls:
    """Calls for service levels. Each call raises `ApiError` on failure."""

    _api: Transport

    def set_service_level(self, name: str, target: float, **options: Unpack[LevelOptions]) -> ServiceLevel:
        """Add a service level, or replace all of its terms. Does not wait for the evaluation."""
        given = {key: value for key, value in options.items() if value is not None}
        return self._api.call(ServiceLevel, "PUT", _level_path(name), json={"target": target, **given})

    def service_levels(self) -> Sequence[ServiceLevel]:
        """Return all service levels by name, each with the total of its current period."""
        return self._api.call(_ServiceLevels, "GET", _PATH).service_levels

    def get_service_level(self, name: str, *, period: str = "current") -> ServiceLevel:
        """Return a service level with the total of its "current" or "previous" period."""
        return self._api.call(ServiceLevel, "GET", _level_path(name), params={"period": period, "limit": 1})

    def service_level_stores(
        self, name: str, *, period: str = "current", state: str | None = None
    ) -> Iterator[ServiceLevelStore]:
        """Yield the stores of the last evaluation by id, with `state` only those in it."""
        query: dict[str, Any] = {"period": period, "state": state}
        return iterate_pages(self._api, ServiceLevelStore, _level_path(name), "stores", query)

    def remove_service_level(self, name: str) -> None:
        """Remove a service level and its evaluations."""
        self._api.call(type(None), "DELETE", _level_path(name))

    def await_service_level(self, name: str, *, every_s: float = 0.5, within_s: float = 60) -> ServiceLevel:
        """Return the service level once its terms are evaluated, or as it is after `within_s` seconds."""
        deadline = time.monotonic() + within_s
        while True:
            level = self.get_service_level(name)
            if level.evaluation is not None or time.monotonic() > deadline:
                return level
            time.sleep(every_s)


def _level_path(name: str) -> str:
    return f"{_PATH}/{encode_segment(name)}"
