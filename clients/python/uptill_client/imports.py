"""Calls for imports: upload files, send live polls, follow and cancel imports."""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, TypedDict, TypeVar, Unpack

from uptill_client.bodies import FORM_TYPE, form_blocks, read_blocks
from uptill_client.following import follow_job
from uptill_client.import_status import Counts, ImportStatus
from uptill_client.ingest_calls import IngestCalls
from uptill_client.pages import iterate_pages
from uptill_client.paths import encode_segment
from uptill_client.rejects import PlannedFile, RejectedRow

_POLLS_A_CALL = 500
_LOOK_EVERY_S = 0.5
T = TypeVar("T")


@dataclass(frozen=True)
class Poll:
    """One poll of a store. `observed_at` and `until` must be aware datetimes.

    An event is a change of state at its very instant; only an event can have an end, `until`.
    """

    store_id: str
    active: bool
    observed_at: datetime
    event: bool = False
    reason: str | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class _Plan:
    files: Sequence[PlannedFile]


class ReadingOptions(TypedDict, total=False):
    """How values are to be read.

    `status` gives words for the status (`online=active,offline=inactive`), `date_format` the format of every timestamp
    (`%m/%d/%Y %H:%M`). With `assume_utc`, timestamps without a time zone are UTC. Hours whose rows have no date apply from
    `effective_from` on, a local date such as `2024-12-25`.
    """

    status: str | None
    date_format: str | None
    assume_utc: bool
    effective_from: str | None


class ImportCalls(IngestCalls):
    """Calls of the ingest service. Each call raises `ApiError` on failure."""

    def upload(
        self,
        *paths: Path,
        name: str | None = None,
        on_sent: Callable[[int], None] = lambda _: None,
        **reading: Unpack[ReadingOptions],
    ) -> ImportStatus:
        """Upload CSV, gzip or zip files as one delivery. Several files become one import with members.

        Returns when the service has stored the files; follow the import to see it load. `on_sent` gets the number of
        bytes sent so far, and starts again at 0 if the upload is repeated. Raises OSError for a file that cannot be read.
        """
        return self._send_files(ImportStatus, paths, name, on_sent, reading)

    def plan_upload(
        self,
        *paths: Path,
        name: str | None = None,
        on_sent: Callable[[int], None] = lambda _: None,
        **reading: Unpack[ReadingOptions],
    ) -> Sequence[PlannedFile]:
        """Return what `upload` would change, file by file, and change nothing."""
        return self._send_files(_Plan, paths, name, on_sent, reading, dry_run="true").files

    def _send_files(
        self,
        kind_of_answer: type[T],
        paths: Sequence[Path],
        name: str | None,
        on_sent: Callable[[int], None],
        reading: ReadingOptions,
        **more: str,
    ) -> T:
        if not paths:
            raise ValueError("no file to upload")
        if len(paths) == 1:
            kind, blocks = "application/octet-stream", partial(read_blocks, paths[0])
        else:
            kind, blocks = FORM_TYPE, partial(form_blocks, paths)
        options = {
            "name": name or (paths[0].name if len(paths) == 1 else f"{len(paths)} files"),
            **reading,
            "assume_utc": "true" if reading.get("assume_utc") else None,
            **more,
        }
        return self._ingest.call(
            kind_of_answer,
            "POST",
            "/v1/imports",
            params={name: value for name, value in options.items() if value is not None},
            headers={"Content-Type": kind},
            body=lambda: _count_bytes(blocks(), on_sent),
        )

    def get_import(self, import_id: str) -> ImportStatus:
        """Return an import. The import of an archive has members."""
        return self._ingest.call(ImportStatus, "GET", f"/v1/imports/{encode_segment(import_id)}")

    def follow_import(self, import_id: str) -> Iterator[ImportStatus]:
        """Yield the import every half second. The last value has ended."""
        return follow_job(lambda: self.get_import(import_id), _LOOK_EVERY_S)

    def cancel_import(self, import_id: str) -> ImportStatus:
        """Cancel an import that has not ended, or that could resume after a fault. Committed rows stay."""
        return self._ingest.call(ImportStatus, "DELETE", f"/v1/imports/{encode_segment(import_id)}")

    def imports(self) -> Iterator[ImportStatus]:
        """Yield imports, newest first, without members."""
        return iterate_pages(self._ingest, ImportStatus, "/v1/imports", "imports", {})

    def save_rejects(self, import_id: str, target: IO[bytes]) -> None:
        """Write the rejected rows of an import to `target` as CSV."""
        with self._ingest.stream(f"/v1/imports/{encode_segment(import_id)}/rejects") as blocks:
            for block in blocks:
                target.write(block)

    def rejects(self, import_id: str) -> Iterator[RejectedRow]:
        """Yield the rejected rows of an import, or of all members of an archive, as they arrive."""
        with self._ingest.stream(f"/v1/imports/{encode_segment(import_id)}/rejects") as blocks:
            for row in csv.DictReader(_split_lines(blocks)):
                yield RejectedRow(
                    int(row["line"]), int(row["byte_offset"]), row["reason"], row["raw"], row["source"]
                )

    def send_polls(self, polls: Iterable[Poll]) -> Counts:
        """Send polls in requests of 500 and return what happened to them. Polls sent twice count as duplicates.

        Each request is committed before the next is sent. On an `ApiError`, earlier requests stay committed.
        """
        accepted = duplicate = corrected = 0
        source = iter(polls)
        while some := list(islice(source, _POLLS_A_CALL)):
            observations = {"observations": [_show_poll(poll) for poll in some]}
            counts = self._ingest.call(Counts, "POST", "/v1/observations", json=observations)
            accepted += counts.accepted
            duplicate += counts.duplicate
            corrected += counts.corrected
        return Counts(accepted, duplicate, corrected)


def _show_poll(poll: Poll) -> dict[str, object]:
    shown: dict[str, object] = {
        "store_id": poll.store_id,
        "status": "active" if poll.active else "inactive",
        "observed_at": poll.observed_at.isoformat(),
    }
    if poll.event:
        shown["event"] = True
    if poll.reason is not None:
        shown["reason"] = poll.reason
    if poll.until is not None:
        shown["until"] = poll.until.isoformat()
    return shown


def _count_bytes(blocks: Iterator[bytes], on_sent: Callable[[int], None]) -> Iterator[bytes]:
    sent = 0
    on_sent(sent)
    for block in blocks:
        yield block
        sent += len(block)
        on_sent(sent)


def _split_lines(blocks: Iterable[bytes]) -> Iterator[str]:
    """Yield lines of text. The service escapes line ends within a value."""
    rest = b""
    for block in blocks:
        *lines, rest = (rest + block).split(b"\n")
        yield from (line.decode() for line in lines)
    if rest:
        yield rest.decode()
