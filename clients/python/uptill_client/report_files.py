"""The files of a report, and the stores that have no row in them. Fields that this release does not know are ignored."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class ReportFile:
    """A finished file. `url` works without a key until `expires_at`; get the report again for a new link.

    `kind` is "report" for a row per store, "outages" for a row per outage, "summary" for sums over the stores,
    "service_levels" for levels and their stores.
    """

    name: str
    format: str
    url: str
    expires_at: datetime
    size_bytes: int
    sha256: str
    rows: int
    kind: str = "report"


@dataclass(frozen=True)
class LostFile:
    """A file that was removed from or changed in the object store. `detail` says what to do."""

    name: str
    format: str
    detail: str
    kind: str = "report"


@dataclass(frozen=True)
class FailedStore:
    """A store that has no row in a report, because it could not be computed. `detail` says what to do."""

    store_id: str
    reason: str
    detail: str
