"""The calls about reports."""

import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from uuid import uuid4

import httpx2

from uptill_client.answers import ReportFile, ReportStatus
from uptill_client.frames import read_report
from uptill_client.pages import every
from uptill_client.transport import ApiError, NotReachable, Transport

if TYPE_CHECKING:
    import pandas as pd

FORMATS = ("csv", "json", "parquet", "xlsx")
_WAIT_S = 20.0


def report_parameters(
    *,
    as_of: datetime | str,
    policy: str | None = None,
    detail: bool = False,
    windows: Sequence[str] | None = None,
    formats: Sequence[str] | None = None,
    store_ids: Sequence[str] | None = None,
    labels: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """What is asked of a report, as JSON; None leaves a parameter to the service."""
    stores = {"ids": None if store_ids is None else list(store_ids), "labels": labels}
    stores = {name: value for name, value in stores.items() if value is not None}
    asked: dict[str, Any] = {
        "as_of": as_of.isoformat() if isinstance(as_of, datetime) else as_of,
        "policy": policy,
        "detail": detail,
        "windows": None if windows is None else list(windows),
        "formats": None if formats is None else list(formats),
        "stores": stores or None,
    }
    return {name: value for name, value in asked.items() if value is not None}


class ReportCalls:
    """Reports: create, follow, download, list. Every call raises `ApiError`."""

    _api: Transport
    _http: httpx2.Client

    def create_report(
        self,
        *,
        as_of: datetime | str = "latest",
        policy: str | None = None,
        detail: bool = False,
        windows: Sequence[str] | None = None,
        formats: Sequence[str] | None = None,
        store_ids: Sequence[str] | None = None,
        labels: Mapping[str, str] | None = None,
        force: bool = False,
        webhook_url: str | None = None,
        idempotency_key: str | None = None,
    ) -> ReportStatus:
        """Trigger a report; the parameters are those of `POST /v1/reports`, and None leaves one to the service.

        Without a key of the caller's the call has one of its own, so that asking again makes no second report.
        """
        body = report_parameters(
            as_of=as_of,
            policy=policy,
            detail=detail,
            windows=windows,
            formats=formats,
            store_ids=store_ids,
            labels=labels,
        )
        if webhook_url is not None:
            body["webhook_url"] = webhook_url
        return self._api.call(
            ReportStatus,
            "POST",
            "/v1/reports",
            json={**body, "force": force},
            headers={"Idempotency-Key": idempotency_key or uuid4().hex},
        )

    def get_report(self, report_id: str, *, wait_s: float = 0) -> ReportStatus:
        """Return the report, at the latest after `wait_s` seconds."""
        return self._api.call(ReportStatus, "GET", f"/v1/reports/{report_id}", params={"wait": f"{wait_s:g}"})

    def reports(
        self,
        *,
        state: str | None = None,
        policy: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
    ) -> Iterator[ReportStatus]:
        """Yield reports, newest first; those of a list have no links."""
        query = {
            "state": state,
            "policy": policy,
            "created_after": created_after and created_after.isoformat(),
            "created_before": created_before and created_before.isoformat(),
        }
        return every(self._api, ReportStatus, "/v1/reports", "reports", query)

    def cancel_report(self, report_id: str) -> ReportStatus:
        """Withdraw from a report that has not ended; the state returned is `canceled` if no other key wants it."""
        return self._api.call(ReportStatus, "DELETE", f"/v1/reports/{report_id}")

    def retry_report(self, report_id: str) -> ReportStatus:
        """Try a failed report again."""
        return self._api.call(ReportStatus, "POST", f"/v1/reports/{report_id}/retry")

    def follow(self, report_id: str, *, every_s: float = _WAIT_S) -> Iterator[ReportStatus]:
        """Yield the report's state at least every `every_s` seconds until it has ended."""
        while True:
            status = self.get_report(report_id, wait_s=every_s)
            yield status
            if status.is_final:
                return

    def finished(self, report_id: str) -> ReportStatus:
        """Wait for the end of a report. Raises `ApiError` with its cause unless it succeeded."""
        *_, status = self.follow(report_id)
        if status.state != "succeeded":
            cause = (status.error or {}).get("detail", "no cause was given")
            raise ApiError(f"report {status.id} {status.state}: {cause}")
        return status

    def download(self, file: ReportFile, target: IO[bytes]) -> int:
        """Write a file of a report to `target`, check its SHA-256, and return its size in bytes."""
        digest, size_bytes = hashlib.sha256(), 0
        try:
            with self._http.stream("GET", file.url) as answer:
                if answer.status_code == httpx2.codes.NOT_FOUND:
                    raise ApiError(
                        f"somebody removed {file.name} from the object store; to make it again, ask for the report"
                        " with the same parameters, as_of as it shows it, and force",
                        status=answer.status_code,
                        code="file_lost",
                    )
                if not answer.is_success:
                    raise ApiError("the download link was refused", status=answer.status_code)
                for block in answer.iter_bytes():
                    digest.update(block)
                    size_bytes += len(block)
                    target.write(block)
        except httpx2.HTTPError as error:
            raise NotReachable(f"the object store did not answer: {type(error).__name__}") from error
        if digest.hexdigest() != file.sha256:
            raise ApiError("the downloaded file is not the one the report names (SHA-256 differs)")
        return size_bytes

    def save(self, file: ReportFile, path: Path) -> int:
        """Download to a file that appears complete or not at all."""
        partial = path.with_name(f"{path.name}.part")
        with partial.open("wb") as target:
            size_bytes = self.download(file, target)
        partial.replace(path)
        return size_bytes

    def frame(self, report: ReportStatus) -> "pd.DataFrame":
        """Download a succeeded report as a pandas DataFrame, one row per store; store ids and time zones are text.

        Raises `LookupError` if the report has no file, and ImportError if pandas is not installed.
        """
        csv = io.BytesIO()
        self.download(report.file("csv"), csv)
        csv.seek(0)
        return read_report(csv)
