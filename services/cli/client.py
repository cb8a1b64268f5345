"""A small typed client of the HTTP API: what the `uptill` command uses, and a library for others."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import httpx2

_TIMEOUT_S = 60.0
_WAIT_S = 20.0
_OK_BELOW = 400


class ApiError(Exception):
    """The API refused or could not be reached; the text says why. `status` is None when there was no answer."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class ReportStatus:
    """A report as the API shows it."""

    id: str
    state: str
    as_of: str
    policy: str
    stores_done: int
    stores_total: int
    files: list[dict[str, Any]]
    error: dict[str, Any] | None

    @property
    def is_final(self) -> bool:
        """Whether waiting longer is of no use."""
        return self.state not in ("queued", "running")

    @classmethod
    def parse(cls, body: dict[str, Any]) -> Self:
        """Read the fields of an answer; others are ignored."""
        return cls(
            id=body["id"],
            state=body["state"],
            as_of=body["as_of"],
            policy=body["policy"],
            stores_done=body["progress"]["stores_done"],
            stores_total=body["progress"]["stores_total"],
            files=body["files"],
            error=body["error"],
        )


class UptillClient:
    """`with UptillClient(url, key) as client: client.report(policy="strict")`. Raises `ApiError`."""

    def __init__(self, api_url: str, api_key: str) -> None:
        self._url = api_url.rstrip("/")
        self._http = httpx2.Client(timeout=_TIMEOUT_S)
        self._headers = {"Authorization": f"Bearer {api_key}"}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def create_report(self, **parameters: Any) -> ReportStatus:
        """Trigger a report; the parameters are those of `POST /v1/reports`."""
        return ReportStatus.parse(self._call("POST", "/v1/reports", json=parameters))

    def get_report(self, report_id: str, *, wait_s: float = 0) -> ReportStatus:
        """Return the report, at the latest after `wait_s` seconds."""
        return ReportStatus.parse(
            self._call("GET", f"/v1/reports/{report_id}", params={"wait": f"{wait_s:g}"})
        )

    def cancel_report(self, report_id: str) -> ReportStatus:
        """Cancel a report that has not ended."""
        return ReportStatus.parse(self._call("DELETE", f"/v1/reports/{report_id}"))

    def retry_report(self, report_id: str) -> ReportStatus:
        """Try a failed report again."""
        return ReportStatus.parse(self._call("POST", f"/v1/reports/{report_id}/retry"))

    def follow(self, report_id: str, *, every_s: float = _WAIT_S) -> Iterator[ReportStatus]:
        """Yield the report's state at least every `every_s` seconds until it has ended."""
        while True:
            status = self.get_report(report_id, wait_s=every_s)
            yield status
            if status.is_final:
                return

    def download(self, file: dict[str, Any], target: IO[bytes]) -> int:
        """Write a file of a report to `target`, check its SHA-256, and return its size in bytes."""
        digest, size_bytes = hashlib.sha256(), 0
        try:
            with self._http.stream("GET", file["url"]) as answer:
                if answer.status_code >= _OK_BELOW:
                    raise ApiError("the download link was refused", status=answer.status_code)
                for block in answer.iter_bytes():
                    digest.update(block)
                    size_bytes += len(block)
                    target.write(block)
        except httpx2.HTTPError as error:
            raise ApiError(f"the object store did not answer: {type(error).__name__}") from error
        if digest.hexdigest() != file["sha256"]:
            raise ApiError("the downloaded file is not the one the report names (SHA-256 differs)")
        return size_bytes

    def save(self, file: dict[str, Any], path: Path) -> int:
        """Download to a file that appears complete or not at all."""
        partial = path.with_name(f"{path.name}.part")
        with partial.open("wb") as target:
            size_bytes = self.download(file, target)
        partial.replace(path)
        return size_bytes

    def _call(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        try:
            answer = self._http.request(method, f"{self._url}{path}", headers=self._headers, **arguments)
        except httpx2.HTTPError as error:
            raise ApiError(
                f"no answer from {self._url} ({type(error).__name__}); is `uptill up` running?"
            ) from error
        try:
            body: dict[str, Any] = answer.json()
        except ValueError:
            body = {}
        if answer.status_code >= _OK_BELOW:
            detail = body.get("detail") or f"HTTP {answer.status_code}"
            raise ApiError(detail, status=answer.status_code)
        return body
