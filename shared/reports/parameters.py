"""What a caller asks a report for, and who asks."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Literal, Self

from shared.keys import EVERY_STORE, StoreScope
from shared.reports.formats import FileFormat, FileKind
from shared.uptime.policy import DEFAULT_POLICY
from shared.uptime.window import DEFAULT_WINDOWS, Window, parse_windows


@dataclass(frozen=True)
class StoreFilter:
    """Which stores a report holds: those with one of the ids and all of the labels. None: no limit."""

    ids: tuple[str, ...] | None = None
    labels: tuple[tuple[str, str], ...] | None = None

    @classmethod
    def of(cls, ids: Sequence[str] | None, labels: Mapping[str, str] | None) -> "StoreFilter | None":
        """Return the filter for these stores, equal for any order. None if neither is given."""
        if ids is None and labels is None:
            return None
        return cls(
            None if ids is None else tuple(sorted(set(ids))),
            None if labels is None else tuple(sorted(labels.items())),
        )

    def as_json(self) -> dict[str, Any]:
        """Return the filter as the row of a report stores it."""
        given = {"ids": self.ids, "labels": None if self.labels is None else dict(self.labels)}
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True)
class ReportParameters:
    """What a report measures and produces. Windows are parsed and in column order; None for stores means every store.

    `exclude_reasons` are the words of reasons whose time is left out, sorted.
    """

    policy: str = DEFAULT_POLICY
    detail: bool = False
    windows: tuple[Window, ...] = DEFAULT_WINDOWS
    formats: tuple[FileFormat, ...] = ("csv",)
    files: tuple[FileKind, ...] = ("report",)
    stores: StoreFilter | None = None
    # Not in the text that is hashed: requests without reasons keep the hash that they had in the release before.
    exclude_reasons: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Read what `as_json` returned; ignore other members, use defaults for missing ones."""
        known = {each.name: stored[each.name] for each in fields(ReportParameters) if each.name in stored}
        given = known.get("stores") or {}
        return cls(
            **{
                **known,
                "windows": parse_windows(known["windows"]) if "windows" in known else DEFAULT_WINDOWS,
                "formats": tuple(known.get("formats", ("csv",))),
                "files": tuple(known.get("files", ("report",))),
                "stores": StoreFilter.of(given.get("ids"), given.get("labels")),
                "exclude_reasons": tuple(known.get("exclude_reasons", ())),
            }
        )

    def as_json(self) -> dict[str, Any]:
        """Return the parameters by name, as a schedule and a report's row store them."""
        values = {each.name: getattr(self, each.name) for each in fields(ReportParameters)}
        return {
            **values,
            "windows": [window.text for window in self.windows],
            "formats": list(self.formats),
            "files": list(self.files),
            "stores": None if self.stores is None else self.stores.as_json(),
            "exclude_reasons": list(self.exclude_reasons),
        }


@dataclass(frozen=True)
class ReportRequest(ReportParameters):
    """A request for one report. `as_of` is an instant, the newest accepted poll or the database's clock.

    Requests with the same parameters about the same data share one report, unless `force` is set. `webhook_url` is called
    when the report has ended.
    """

    as_of: datetime | Literal["latest", "now"] = "latest"
    force: bool = False
    webhook_url: str | None = None

    @property
    def sha256(self) -> bytes:
        """A hash that equal requests share."""
        reasons = repr(self.exclude_reasons) if self.exclude_reasons else ""
        return hashlib.sha256((repr(self) + reasons).encode()).digest()


@dataclass(frozen=True)
class ReportCaller:
    """Who asks: the prefix of the API key, the Idempotency-Key of the request, and the stores that the key may see."""

    key_prefix: str
    idempotency_key: str | None = None
    visible: StoreScope = EVERY_STORE
