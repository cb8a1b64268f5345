"""A worker whose time zone database differs from its report's leaves work to others where the difference may show.

It gives way until the last claim: a report must end even if no worker has the right database (decision 25).
"""

from collections.abc import Sequence

from shared.reports.batch import BatchLease
from shared.reports.model import StoreFailure
from shared.uptime.tzdata_release import tzdata_version


class OtherTzdata(Exception):
    """Another worker may have the time zone database with which the report was accepted."""


def give_way(lease: BatchLease, failed: Sequence[StoreFailure]) -> None:
    """Raise `OtherTzdata` if a store failed for its zone, and another worker may know that zone."""
    if any(store.reason == "unknown_timezone" for store in failed):
        require_tzdata(lease.batch.tzdata_version, is_last=lease.is_last)


def require_tzdata(accepted: str | None, *, is_last: bool) -> None:
    """Raise `OtherTzdata` unless this process has the database `accepted`, or this is the last claim."""
    if accepted not in (None, tzdata_version()) and not is_last:
        raise OtherTzdata(
            f"this worker has the time zone database {tzdata_version()}, and the report was accepted with {accepted}:"
            " run one release everywhere"
        )
