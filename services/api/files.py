"""Whether the files of reports are in the bucket, before a link is given. Callers at one moment share one look."""

import asyncio
from collections.abc import Collection
from functools import partial

import structlog

from shared.errors import FileLost, StorageUnavailable
from shared.lane import Lane
from shared.metrics.registry import OBJECTS_REFUSED
from shared.reports.model import FileFormat, FileOfReport, Report, file_name
from shared.storage import Storage, StoredObject

_log = structlog.get_logger()
_PATIENCE_S = 0.5  # a store that is away or frozen must not hold up what does not need it
_AWAY_S = 1.0  # until it is asked again


class FileLooks:
    """The looks of one process. Each file must be there in its length; the bytes themselves are not read."""

    def __init__(self, storage: Storage, lane: Lane) -> None:
        self._storage, self._lane = storage, lane
        self._looking: dict[str, asyncio.Task[bool]] = {}
        self._away_until_s = 0.0

    async def lost(self, report: Report) -> Collection[FileFormat]:
        """The formats of a succeeded report whose files are not there as they were written.

        A file counts as there while the store does not answer: a link to it does not open either.
        """
        if report.state != "succeeded":
            return ()
        looks = await asyncio.gather(*(self._is_there(file) for file in report.files))
        lost = [file for file, there in zip(report.files, looks, strict=True) if there is False]
        for file in lost:
            OBJECTS_REFUSED.labels("link").inc()
            _log.error("file_lost", report_id=str(report.id), object=file.object)
        return [file.format for file in lost]

    async def refuse_lost(self, report: Report, file_format: FileFormat) -> None:
        """Raise `FileLost` for a file that is not there as it was written, `StorageUnavailable` when that cannot be told."""
        (file,) = (file for file in report.files if file.format == file_format)
        there = await self._is_there(file)
        if there is None:
            raise StorageUnavailable(
                "the object store did not answer in time, so the file could not be checked: try again"
            )
        if not there:
            OBJECTS_REFUSED.labels("link").inc()
            _log.error("file_lost", report_id=str(report.id), object=file.object)
            raise FileLost(how_to_rebuild(report, file_format))

    async def _is_there(self, file: FileOfReport) -> bool | None:
        """None: the store did not answer in time, or did not a moment ago."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._away_until_s:
            return None
        look = self._looking.get(file.object)
        if look is None:
            look = self._looking[file.object] = asyncio.create_task(self._look(file))
            look.add_done_callback(partial(self._forget, file.object))
        try:
            return await asyncio.wait_for(asyncio.shield(look), _PATIENCE_S)
        except (TimeoutError, StorageUnavailable):
            self._away_until_s = loop.time() + _AWAY_S
            return None

    async def _look(self, file: FileOfReport) -> bool:
        expected = StoredObject(file.object, file.size_bytes, file.sha256)
        return await self._lane.run(partial(self._storage.holds, expected))

    def _forget(self, name: str, look: asyncio.Task[bool]) -> None:
        del self._looking[name]
        if not look.cancelled():
            look.exception()  # or asyncio would complain where the callers have left


def how_to_rebuild(report: Report, file_format: FileFormat) -> str:
    """What is wrong with a lost file, and what to do."""
    return (
        f"{file_name(file_format)} of report {report.id} was removed from or changed in the object store: to create it again,"
        ' POST /v1/reports with the same parameters, the "as_of" of this report, and "force": true'
    )
