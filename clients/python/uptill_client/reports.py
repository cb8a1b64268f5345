"""Calls for reports: create, follow, download, list, cancel, retry."""

import hashlib
import io
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Unpack
from uuid import uuid4

import httpx2

from uptill_client.explanation import Explanation
from uptill_client.frames import read_report
from uptill_client.pages import iterate_pages
from uptill_client.parameters import ReportOptions, to_json
from uptill_client.paths import encode_segment
from uptill_client.report_files import FailedStore, ReportFile
from uptill_client.report_status import ReportStatus
from uptill_client.transport import ApiError, NotReachable, Transport

if TYPE_CHECKING:
    import pandas as pd

_WAIT_S = 20.0


class ReportCalls:
    """Calls for reports. Each call raises `ApiError` on failure."""

    _api: Transport
    _http: httpx2.Client

    def create_report(
        self,
        *,
        as_of: datetime | str = "latest",
        force: bool = False,
        webhook_url: str | None = None,
        idempotency_key: str | None = None,
        **options: Unpack[ReportOptions],
    ) -> ReportStatus:
        """Create a report, or return an existing one for the same options and data. Does not wait for it to end.

        `as_of` ends every window: an aware datetime, "latest" (the newest accepted poll) or "now". `force` computes a
        new report in any case. `webhook_url` is called when the report has ended. Without an `idempotency_key` the
        call generates one, so that its retries never create a second report.
        """
        body = {**to_json(as_of, **options), "force": force}
        if webhook_url is not None:
            body["webhook_url"] = webhook_url
        return self._api.call(
            ReportStatus,
            "POST",
            "/v1/reports",
            json=body,
            headers={"Idempotency-Key": idempotency_key or uuid4().hex},
        )

    def get_report(self, report_id: str, *, wait_s: float = 0) -> ReportStatus:
        """Return the report. Wait up to `wait_s` seconds for it to end; the service caps the wait."""
        return self._api.call(
            ReportStatus, "GET", f"/v1/reports/{encode_segment(report_id)}", params={"wait": f"{wait_s:g}"}
        )

    def reports(
        self,
        *,
        state: str | None = None,
        policy: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
    ) -> Iterator[ReportStatus]:
        """Yield reports, newest first, without their files. `created_after` is inclusive, `created_before` exclusive."""
        query = {
            "state": state,
            "policy": policy,
            "created_after": created_after and created_after.isoformat(),
            "created_before": created_before and created_before.isoformat(),
        }
        return iterate_pages(self._api, ReportStatus, "/v1/reports", "reports", query)

    def failed_stores(self, report_id: str) -> Iterator[FailedStore]:
        """Yield every store that could not be computed and has no row in the report, by id."""
        path = f"/v1/reports/{encode_segment(report_id)}/failed-stores"
        return iterate_pages(self._api, FailedStore, path, "failed_stores", {})

    def explain(
        self, report_id: str, store_id: str, *, window: str | None = None, fold: bool = True
    ) -> Explanation:
        """Explain one store's row of a report: its segments, and the rule and the data behind each.

        `window` is one of the report's windows, None for all. Without `fold`, every poll has a segment of its own.
        """
        query = {"fold": "true" if fold else "false", **({} if window is None else {"window": window})}
        path = f"/v1/reports/{encode_segment(report_id)}/stores/{encode_segment(store_id)}"
        return self._api.call(Explanation, "GET", path, params=query)

    def cancel_report(self, report_id: str) -> ReportStatus:
        """Cancel a report that has not ended. Its state stays if another key requested the same report."""
        return self._api.call(ReportStatus, "DELETE", f"/v1/reports/{encode_segment(report_id)}")

    def retry_report(self, report_id: str) -> ReportStatus:
        """Retry a failed report. Finished batches are kept."""
        return self._api.call(ReportStatus, "POST", f"/v1/reports/{encode_segment(report_id)}/retry")

    def follow(self, report_id: str, *, every_s: float = _WAIT_S) -> Iterator[ReportStatus]:
        """Yield the report every `every_s` seconds, or sooner when it ends. The last value has ended."""
        while True:
            status = self.get_report(report_id, wait_s=every_s)
            yield status
            if status.is_final:
                return

    def finished(self, report_id: str) -> ReportStatus:
        """Wait until a report has ended and return it. Raises `ApiError` with the cause unless it succeeded."""
        *_, status = self.follow(report_id)
        if status.state != "succeeded":
            cause = (status.error or {}).get("detail", "no cause was given")
            raise ApiError(f"report {status.id} {status.state}: {cause}")
        return status

    def download(self, file: ReportFile, target: IO[bytes]) -> int:
        """Write a report's file to `target` and return its size in bytes.

        Raises `ApiError` if the link is refused, if the file is missing, or if its SHA-256 differs, and `NotReachable`.
        """
        digest, size_bytes = hashlib.sha256(), 0
        try:
            with self._http.stream("GET", file.url) as answer:
                if answer.status_code == httpx2.codes.NOT_FOUND:
                    raise ApiError(
                        f"{file.name} was removed from the object store: to create it again, call create_report with the same"
                        " options, the as_of of this report, and force=True",
                        status=answer.status_code,
                        code="file_lost",
                    )
                if not answer.is_success:
                    raise ApiError(
                        f"the object store refused the download link (HTTP {answer.status_code}): get the report again"
                        " for a new link",
                        status=answer.status_code,
                    )
                for block in answer.iter_bytes():
                    digest.update(block)
                    size_bytes += len(block)
                    target.write(block)
        except httpx2.HTTPError as error:
            raise NotReachable(
                f"no answer from the object store at {httpx2.URL(file.url).netloc.decode()}"
                f" ({type(error).__name__}: {error}): check that this machine can reach it"
            ) from error
        if digest.hexdigest() != file.sha256:
            raise ApiError(
                f"{file.name} is damaged (its SHA-256 differs from the report's): download it again"
            )
        return size_bytes

    def save(self, file: ReportFile, path: Path) -> int:
        """Download to `path` and return the size in bytes. An existing file is replaced once the new one is complete.

        Whatever fails, no partial file is left, except by a process that is killed. A device or a pipe is written to
        directly. Raises what `download` raises, and OSError.
        """
        target_path = Path(os.path.realpath(path))
        if target_path.exists() and not target_path.is_file():
            with target_path.open("wb") as target:
                return self.download(file, target)
        # A name of its own, so that nothing of the user and no other download is overwritten.
        partial = target_path.with_name(f".{target_path.name[:200]}.{uuid4().hex[:8]}.part")
        try:
            with partial.open("xb") as target:
                size_bytes = self.download(file, target)
            partial.replace(target_path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        return size_bytes

    def frame(self, report: ReportStatus) -> "pd.DataFrame":
        """Download a succeeded report as a pandas DataFrame, one row per store. Store ids and time zones are text.

        Raises LookupError if the report has no CSV, ImportError without pandas, and what `download` raises.
        """
        csv = io.BytesIO()
        self.download(report.file("csv"), csv)
        csv.seek(0)
        return read_report(csv)
