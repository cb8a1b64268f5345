"""Download links of report files: signing them, auditing who gets them, and checking that the files exist."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

import structlog
from psycopg_pool import AsyncConnectionPool

from shared.audit import record_async
from shared.db.connect import borrowed_async
from shared.errors import FileLost, StorageUnavailable
from shared.keys import ApiKey
from shared.lane import Lane
from shared.metrics.registry import OBJECTS_REFUSED
from shared.reports.formats import CONTENT_TYPES
from shared.reports.model import FileOfReport, Report
from shared.storage import Storage

MAX_SIGNED = 10_000  # links kept for reuse; others are signed again
MAX_AUDITED = 10_000  # audit entries remembered; others are written again
MAX_CHECKED = 10_000  # files known to exist; others are checked again
_AUDIT_INTERVAL_S = 3600.0
_CHECK_TIMEOUT_S = 0.5  # an object store that hangs must not delay answers longer
_RETRY_AFTER_S = 1.0  # after a failed check, skip checks for this long
# A check costs more CPU than the rest of a call. Beyond this rate, callers share the checks of the last second.
MOST_CHECKS_PER_S = 20
_SHARED_S = 1.0
_log = structlog.get_logger()


@dataclass(frozen=True)
class DownloadLink:
    """A URL that opens a file without an API key until `expires_at`."""

    url: str
    expires_at: datetime


class LinkSigner:
    """Sign links that are valid for `valid_s` seconds, and reuse each for half of that time.

    Signing a link costs half as much as reading its report.
    """

    def __init__(self, storage: Storage, valid_s: int) -> None:
        self._storage = storage
        self._valid_s = valid_s
        self._signed: OrderedDict[str, DownloadLink] = OrderedDict()

    def get_link(self, file: FileOfReport) -> DownloadLink:
        """Return a link with at least half of its time left. Raises `ConfigurationError` without S3 credentials."""
        now = datetime.now(UTC)
        known = self._signed.get(file.object)
        if known is None or (known.expires_at - now).total_seconds() < self._valid_s / 2:
            known = self._sign_link(file, now)
            self._signed.pop(file.object, None)
            self._signed[file.object] = known
            if len(self._signed) > MAX_SIGNED:
                self._signed.popitem(last=False)
        return known

    def _sign_link(self, file: FileOfReport, now: datetime) -> DownloadLink:
        url = self._storage.presign(
            file.object,
            file_name=file.name,
            content_type=CONTENT_TYPES[file.format],
            expires_s=self._valid_s,
        )
        return DownloadLink(url, now + timedelta(seconds=self._valid_s))


class LinkAudit:
    """Record which key received links to which report: once an hour, not for each answer."""

    def __init__(self, pool: AsyncConnectionPool) -> None:
        self._pool = pool
        self._recorded_s: OrderedDict[tuple[str, UUID], float] = OrderedDict()

    async def record_links(self, key: ApiKey, report: Report) -> None:
        """Write an audit entry before links are returned, unless a recent one exists. Raises `DatabaseUnavailable`."""
        subject, now_s = (key.prefix, report.id), time.monotonic()
        is_recent = self._recorded_s.get(subject, -_AUDIT_INTERVAL_S) > now_s - _AUDIT_INTERVAL_S
        if report.state != "succeeded" or is_recent:
            return
        async with borrowed_async(self._pool) as conn:
            await record_async(conn, key.prefix, "report.linked", str(report.id))
        self._recorded_s.pop(subject, None)
        self._recorded_s[subject] = now_s
        if len(self._recorded_s) > MAX_AUDITED:
            self._recorded_s.popitem(last=False)


class FileChecks:
    """Check that files exist in the object store with the right size. Concurrent callers share one check per file."""

    def __init__(self, storage: Storage, lane: Lane) -> None:
        self._storage, self._lane = storage, lane
        self._running: dict[str, asyncio.Task[bool]] = {}
        # Files that existed, and when each was checked.
        self._checked: OrderedDict[str, float] = OrderedDict()
        self._second = self._checks = 0
        self._skip_until_s = 0.0

    async def find_lost(self, report: Report) -> Collection[FileOfReport]:
        """Return the files of a succeeded report that are missing or have another size.

        If the store does not answer, no file counts as lost: links to it would not open either.
        """
        if report.state != "succeeded":
            return ()
        results = await asyncio.gather(*(self._existed(file) for file in report.files))
        lost = [file for file, exists in zip(report.files, results, strict=True) if exists is False]
        for file in lost:
            _count_lost(report, file)
        return lost

    async def require_file(self, report: Report, file: FileOfReport) -> None:
        """Raise `FileLost` if a file is missing or has another size, `StorageUnavailable` if the store does not answer."""
        exists = await self._file_exists(file)
        if exists is None:
            raise StorageUnavailable(
                "the object store did not answer in time, so the file could not be checked: try again"
            )
        if not exists:
            _count_lost(report, file)
            raise FileLost(how_to_rebuild(report, file))

    async def _existed(self, file: FileOfReport) -> bool | None:
        """Return what `_file_exists` does. Under many calls, a file that existed a moment ago still does."""
        now_s = asyncio.get_running_loop().time()
        if int(now_s) != self._second:
            self._second, self._checks = int(now_s), 0
        if (
            self._checks >= MOST_CHECKS_PER_S
            and now_s - self._checked.get(file.object, -_SHARED_S) < _SHARED_S
        ):
            return True
        self._checks += 1
        exists = await self._file_exists(file)
        self._checked.pop(file.object, None)
        if exists:
            self._checked[file.object] = now_s
            if len(self._checked) > MAX_CHECKED:
                self._checked.popitem(last=False)
        return exists

    async def _file_exists(self, file: FileOfReport) -> bool | None:
        """Return None if the store does not answer in time, or did not a moment ago."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._skip_until_s:
            return None
        check = self._running.get(file.object)
        if check is None:
            check = self._running[file.object] = asyncio.create_task(self._check_file(file))
            check.add_done_callback(partial(self._end_check, file.object))
        try:
            return await asyncio.wait_for(asyncio.shield(check), _CHECK_TIMEOUT_S)
        except (TimeoutError, StorageUnavailable):
            self._skip_until_s = loop.time() + _RETRY_AFTER_S
            return None

    async def _check_file(self, file: FileOfReport) -> bool:
        return await self._lane.run(partial(self._storage.holds, file.stored))

    def _end_check(self, name: str, check: asyncio.Task[bool]) -> None:
        del self._running[name]
        if not check.cancelled():
            check.exception()  # retrieve it: asyncio logs exceptions that no caller waits for


def how_to_rebuild(report: Report, file: FileOfReport) -> str:
    """Return the error text for a lost file: what is wrong and what to do."""
    return (
        f"{file.name} of report {report.id} was removed from or changed in the object store: to create it again,"
        ' POST /v1/reports with the same parameters, the "as_of" of this report, and "force": true'
    )


def _count_lost(report: Report, file: FileOfReport) -> None:
    OBJECTS_REFUSED.labels("link").inc()
    _log.error("file_lost", report_id=str(report.id), object=file.object)
