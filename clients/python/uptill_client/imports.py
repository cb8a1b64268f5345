"""The calls that bring data in, and those that tell what became of it."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import IO

from uptill_client.answers import Counts, ImportStatus
from uptill_client.pages import every
from uptill_client.transport import Transport

_BLOCK_BYTES = 1 << 20
_POLLS_A_CALL = 500
_LOOK_EVERY_S = 0.5


@dataclass(frozen=True)
class Poll:
    """One look at a store, at an instant with its zone."""

    store_id: str
    active: bool
    observed_at: datetime


class ImportCalls:
    """The ingest service: uploads, imports, live polls. Every call raises `ApiError`."""

    @property
    def _ingest(self) -> Transport:
        raise NotImplementedError

    def upload(self, path: Path, *, name: str | None = None) -> ImportStatus:
        """Send a CSV, gzip or zip file; it is on the service's disk when this returns, and loaded after that."""
        return self._ingest.call(
            ImportStatus,
            "POST",
            "/v1/imports",
            params={"name": name or path.name},
            headers={"Content-Type": "application/octet-stream"},
            body=lambda: _blocks(path),
        )

    def get_import(self, import_id: str) -> ImportStatus:
        """Return the import; one of an archive has members."""
        return self._ingest.call(ImportStatus, "GET", f"/v1/imports/{import_id}")

    def follow_import(self, import_id: str) -> Iterator[ImportStatus]:
        """Yield the import's state every half a second until it has ended."""
        while True:
            status = self.get_import(import_id)
            yield status
            if status.is_final:
                return
            time.sleep(_LOOK_EVERY_S)

    def cancel_import(self, import_id: str) -> ImportStatus:
        """Cancel an import that has not ended; what it has committed stays."""
        return self._ingest.call(ImportStatus, "DELETE", f"/v1/imports/{import_id}")

    def imports(self) -> Iterator[ImportStatus]:
        """Yield imports, newest first."""
        return every(self._ingest, ImportStatus, "/v1/imports", "imports", {})

    def save_rejects(self, import_id: str, target: IO[bytes]) -> None:
        """Write the rejected rows of an import as CSV."""
        with self._ingest.stream(f"/v1/imports/{import_id}/rejects") as blocks:
            for block in blocks:
                target.write(block)

    def send_polls(self, polls: Iterable[Poll]) -> Counts:
        """Send polls, 500 a call; those of a call are committed when it returns. Sent twice they count as duplicates.

        An `ApiError` refuses one call as a whole; those before it stay.
        """
        accepted = duplicate = corrected = 0
        source = iter(polls)
        while some := list(islice(source, _POLLS_A_CALL)):
            observations = [
                {
                    "store_id": poll.store_id,
                    "status": "active" if poll.active else "inactive",
                    "observed_at": poll.observed_at.isoformat(),
                }
                for poll in some
            ]
            counts = self._ingest.call(
                Counts, "POST", "/v1/observations", json={"observations": observations}
            )
            accepted += counts.accepted
            duplicate += counts.duplicate
            corrected += counts.corrected
        return Counts(accepted, duplicate, corrected)


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            yield block
