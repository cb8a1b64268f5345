"""How much may lie in the spool: its quota, and what its file system must keep free for Postgres to take it in.

Knows no uploads, only their sizes.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from uuid import UUID

from shared.errors import StorageFull

_SHARE = 3  # bytes kept free for each byte that waits: its rows, their keys, and the write-ahead log of both
_KEPT = "nothing of this upload was kept"


@dataclass
class SpoolRoom:
    """Sizes of the uploads in one folder, in bytes. 0 means without a quota. Used from several threads."""

    folder: Path
    reserve_bytes: int
    quota_bytes: int
    _sizes: dict[UUID, int] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    @property
    def spooled_bytes(self) -> int:
        """What lies there now."""
        with self._lock:
            return sum(self._sizes.values())

    def take(self, upload: UUID, size_bytes: int, expected_bytes: int = 0) -> None:
        """Say that an upload has this size so far, of what its sender announced. Raises `StorageFull`."""
        with self._lock:
            self._sizes[upload] = size_bytes
            missing_bytes = max(expected_bytes - size_bytes, 0)
            spooled_bytes = sum(self._sizes.values()) + missing_bytes
        if self.quota_bytes and spooled_bytes > self.quota_bytes:
            raise StorageFull(
                f"the spool would hold {_shown(spooled_bytes)}, and UPTILL_SPOOL_MAX_BYTES allows"
                f" {_shown(self.quota_bytes)}; {_KEPT}; send it again when waiting uploads are loaded"
            )
        free_bytes = self.free_bytes() - missing_bytes
        needed_bytes = self.reserve_bytes + _SHARE * spooled_bytes
        if free_bytes < needed_bytes:
            raise StorageFull(
                f"the file system of the spool would have {_shown(max(free_bytes, 0))} free, and Postgres needs"
                f" {_shown(needed_bytes)} to load what waits (UPTILL_SPOOL_RESERVE_BYTES and {_SHARE} times the spooled"
                f" {_shown(spooled_bytes)}); {_KEPT}; free some space, or send it again when waiting uploads are loaded"
            )

    def free(self, upload: UUID) -> None:
        """Say that an upload is gone."""
        with self._lock:
            self._sizes.pop(upload, None)

    def free_all(self) -> None:
        """Say that the folder was emptied."""
        with self._lock:
            self._sizes.clear()

    def free_bytes(self) -> int:
        """What the file system has left for this process."""
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize


def _shown(size_bytes: int) -> str:
    return f"{size_bytes / 1_000_000:,.1f} MB"
