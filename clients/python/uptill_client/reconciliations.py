"""The call that compares a platform's own figures with Uptill's."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from uptill_client.transport import Transport

_FIGURES_PER_CALL = 1_000


@dataclass(frozen=True, kw_only=True)
class PlatformFigure:
    """A platform's figure of one store: `down_s` seconds of downtime, or `uptime_percent` of the open time.

    The time is a local `day`, or from `begin` to `end`; times without a time zone are local to the store.
    """

    store_id: str
    day: date | None = None
    begin: datetime | None = None
    end: datetime | None = None
    down_s: float | None = None
    uptime_percent: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the figure as the API takes it."""
        given = {
            "store_id": self.store_id,
            "date": self.day and self.day.isoformat(),
            "from": self.begin and self.begin.isoformat(),
            "to": self.end and self.end.isoformat(),
            "down_s": self.down_s,
            "uptime_percent": self.uptime_percent,
        }
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True)
class ReconciledFigure:
    """A figure beside Uptill's, in microseconds. None: it could not be compared.

    `verdict` is "agrees", "within_bounds", "beyond_bounds" or "not_compared". `causes` may explain the difference.
    """

    store_id: str
    name: str | None
    begin: datetime | None
    end: datetime | None
    verdict: str
    causes: Sequence[str]
    theirs_us: int | None
    down_us: int | None
    difference_us: int | None
    down_min_us: int | None
    down_max_us: int | None
    open_us: int | None
    unknown_us: int | None
    excluded_us: int | None
    polls: int | None


@dataclass(frozen=True)
class _Reconciliation:
    figures: Sequence[ReconciledFigure]


class ReconciliationCalls:
    """Calls that compare figures. Each call raises `ApiError` on failure."""

    _api: Transport

    def reconcile(
        self, figures: Sequence[PlatformFigure], *, policy: str | None = None, within_s: float | None = None
    ) -> Iterator[ReconciledFigure]:
        """Compare figures, and yield them in their order. Figures agree if they differ by at most `within_s` seconds."""
        terms = {"policy": policy, "within_s": within_s}
        given = {name: value for name, value in terms.items() if value is not None}
        for first in range(0, len(figures), _FIGURES_PER_CALL):
            some = [figure.to_json() for figure in figures[first : first + _FIGURES_PER_CALL]]
            body = {**given, "figures": some}
            yield from self._api.call(_Reconciliation, "POST", "/v1/reconciliations", json=body).figures
