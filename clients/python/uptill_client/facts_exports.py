"""Calls for jobs that write months of daily facts as Parquet into the bucket."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from uptill_client.following import JobEnd, follow_job
from uptill_client.paths import encode_segment
from uptill_client.transport import Transport


@dataclass(frozen=True)
class FactsFile:
    """An object with a month of daily facts. `is_current`: no day of the month has changed since it was written."""

    month: str
    object: str
    rows: int
    size_bytes: int
    sha256: str
    written_at: datetime
    is_current: bool


@dataclass(frozen=True)
class FactsExportStatus(JobEnd):
    """An export of daily facts. `files` are the objects of its months, whichever export wrote them."""

    id: str
    state: str
    policy: str
    first_month: str
    last_month: str
    months_done: int
    months_total: int
    files: Sequence[FactsFile]
    error: Mapping[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class FactsExportCalls:
    """Calls for exports of daily facts. They need a key with the scope `admin`. Each raises `ApiError` on failure."""

    _api: Transport

    def export_facts(
        self,
        first_month: str | None = None,
        last_month: str | None = None,
        *,
        policy: str = "classic",
        force: bool = False,
    ) -> FactsExportStatus:
        """Write the facts of these months (such as `2026-10`), both included, to the bucket. Does not wait for the end."""
        body = {"first_month": first_month, "last_month": last_month, "policy": policy, "force": force}
        return self._api.call(FactsExportStatus, "POST", "/v1/facts/exports", json=body)

    def get_facts_export(self, export_id: str) -> FactsExportStatus:
        """Return an export and its progress."""
        return self._api.call(FactsExportStatus, "GET", f"/v1/facts/exports/{encode_segment(export_id)}")

    def cancel_facts_export(self, export_id: str) -> FactsExportStatus:
        """Cancel an export. Months that were written stay."""
        return self._api.call(FactsExportStatus, "DELETE", f"/v1/facts/exports/{encode_segment(export_id)}")

    def follow_facts_export(self, export_id: str, *, every_s: float = 1) -> Iterator[FactsExportStatus]:
        """Yield the export's states until it has ended."""
        return follow_job(lambda: self.get_facts_export(export_id), every_s)
