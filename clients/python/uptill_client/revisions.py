"""Calls for revisions of a report, and for what differs between two reports."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from uptill_client.pages import iterate_pages
from uptill_client.paths import encode_segment
from uptill_client.report_status import ReportStatus
from uptill_client.transport import Transport


@dataclass(frozen=True)
class ChangedValue:
    """A column of a store that differs. None: the store has no row in that report."""

    column: str
    before: int | float | str | None
    after: int | float | str | None


@dataclass(frozen=True)
class Cause:
    """What changed of a store's data between two reports, such as "closure" or "late_polls", and who changed it.

    `subject` is the closure's id, the calendar's name, or a date. `changed_by` is None for the command and live polls.
    `changes` tells how many changes of the subject they made; the import, its `source` (a file or a call) and the time are
    those of the last one. `before` and `after`: the hours or the zone in words.
    """

    kind: str
    subject: str | None
    import_id: str | None
    changed_by: str | None
    changed_at: datetime | None
    polls: int | None
    first_poll_at: datetime | None
    last_poll_at: datetime | None
    changes: int = 1
    source: str | None = None
    before: str | None = None
    after: str | None = None


@dataclass(frozen=True)
class StoreDiff:
    """A store that differs: "changed", "added" (only in the later report) or "removed", with the causes."""

    store_id: str
    presence: str
    values: Sequence[ChangedValue]
    causes: Sequence[Cause]


class RevisionCalls:
    """Calls for revisions. Each call raises `ApiError` on failure."""

    _api: Transport

    def revise_report(
        self,
        report_id: str,
        *,
        cut: str = "latest",
        force: bool = False,
        webhook_url: str | None = None,
        idempotency_key: str | None = None,
    ) -> ReportStatus:
        """Make a report again as its next revision. Does not wait for it to end.

        `cut` "latest" takes the newest data, "original" the data that the report was made with. Without `force`, a
        revision about the same data is returned if there is one.
        """
        body = {"cut": cut, "force": force}
        if webhook_url is not None:
            body["webhook_url"] = webhook_url
        return self._api.call(
            ReportStatus,
            "POST",
            f"/v1/reports/{encode_segment(report_id)}/revisions",
            json=body,
            headers={"Idempotency-Key": idempotency_key or uuid4().hex},
        )

    def diff_reports(self, before_id: str, after_id: str) -> Iterator[StoreDiff]:
        """Yield every store whose numbers differ between two reports, by id, with the causes."""
        path = f"/v1/reports/{encode_segment(after_id)}/diff"
        return iterate_pages(self._api, StoreDiff, path, "stores", {"against": before_id})

    def diff_csv(self, before_id: str, after_id: str) -> AbstractContextManager[Iterator[bytes]]:
        """Return a context with the same as CSV, in blocks of bytes."""
        return self._api.stream(
            f"/v1/reports/{encode_segment(after_id)}/diff?against={encode_segment(before_id)}&format=csv"
        )
