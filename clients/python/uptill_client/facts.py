"""Calls for jobs that compute daily facts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from uptill_client.following import JobEnd, follow_job
from uptill_client.pages import iterate_pages
from uptill_client.paths import encode_segment
from uptill_client.report_status import Progress
from uptill_client.transport import Transport


@dataclass(frozen=True)
class FactsStatus(JobEnd):
    """A job that computes the daily facts of every store. `stores_failed`: stores that could not be computed."""

    id: str
    state: str
    policy: str
    first_day: date
    last_day: date
    as_of: datetime
    progress: Progress
    stores_failed: int
    error: Mapping[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class FactsCalls:
    """Calls for daily facts. They need a key with the scope `admin`. Each call raises `ApiError` on failure."""

    _api: Transport

    def build_facts(self, first: date, last: date, *, policy: str = "classic") -> FactsStatus:
        """Compute the facts of these local dates, both included. Does not wait for the job to end."""
        body = {"first_day": first.isoformat(), "last_day": last.isoformat(), "policy": policy}
        return self._api.call(FactsStatus, "POST", "/v1/facts", json=body)

    def facts(self, *, state: str | None = None, policy: str | None = None) -> Iterator[FactsStatus]:
        """Yield the jobs that compute daily facts, newest first."""
        query = {"state": state, "policy": policy}
        return iterate_pages(self._api, FactsStatus, "/v1/facts", "jobs", query)

    def get_facts(self, job_id: str) -> FactsStatus:
        """Return a job and its progress."""
        return self._api.call(FactsStatus, "GET", f"/v1/facts/{encode_segment(job_id)}")

    def cancel_facts(self, job_id: str) -> FactsStatus:
        """Cancel a job. The facts of finished batches stay."""
        return self._api.call(FactsStatus, "DELETE", f"/v1/facts/{encode_segment(job_id)}")

    def follow_facts(self, job_id: str, *, every_s: float = 1) -> Iterator[FactsStatus]:
        """Yield the job's states until it has ended."""
        return follow_job(lambda: self.get_facts(job_id), every_s)
