"""The spool: a private folder with a sub-folder for each upload that is not loaded yet, named by its import.

What is being received is in a folder `ID.part`, so whatever has no such ending is complete and on the disk.
"""

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import quote, unquote
from uuid import UUID

from shared.errors import ConfigurationError, StorageFull

_PARTIAL = ".part"
_NUMBER_DIGITS = 4
_NAME_BYTES = 200  # of a file name, number and all
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True)
class SpooledFile:
    """One uploaded file and the name its sender gave it."""

    path: Path

    @property
    def name(self) -> str:
        return unquote(self.path.name[_NUMBER_DIGITS + 1 :])


class Spool:
    """One service's spool; `open` keeps it from every other."""

    def __init__(self, folder: Path, lock: int) -> None:
        self._folder = folder
        self._lock = lock

    @classmethod
    def open(cls, folder: str) -> Self:
        """Make the folder, mode 0700, and lock it. Raises `ConfigurationError`."""
        path = Path(folder or Path(tempfile.gettempdir(), "uptill-spool")).resolve()
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if path.stat().st_uid != os.geteuid():
                raise ConfigurationError(
                    f"the spool folder {path} belongs to another user; set UPTILL_SPOOL_DIR"
                )
            path.chmod(0o700)
            lock = os.open(path / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigurationError(
                f"the spool folder {path} cannot be used ({error.strerror}); set UPTILL_SPOOL_DIR"
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise ConfigurationError(
                f"another ingest service uses the spool folder {path}; set UPTILL_SPOOL_DIR to another one"
            ) from None
        for partial in path.glob(f"*{_PARTIAL}"):
            shutil.rmtree(partial)
        return cls(path, lock)

    def close(self) -> None:
        """Let another service have it."""
        os.close(self._lock)

    def uploads(self) -> list[UUID]:
        """The complete uploads, oldest first."""
        return sorted(
            UUID(entry.name) for entry in self._folder.iterdir() if entry.is_dir() and not entry.suffix
        )

    def files(self, import_id: UUID) -> list[SpooledFile]:
        """The files of one upload, in their order."""
        return [SpooledFile(path) for path in sorted((self._folder / str(import_id)).iterdir())]

    def remove(self, import_id: UUID) -> None:
        """Forget one upload."""
        shutil.rmtree(self._folder / str(import_id), ignore_errors=True)

    def check(self) -> None:
        """Raise `StorageFull` or OSError when nothing can be written."""
        with full_disk_named(), tempfile.TemporaryFile(dir=self._folder) as file:
            file.write(b"\0")

    @contextmanager
    def receiving(self, import_id: UUID) -> Iterator[Path]:
        """A folder for the files of one upload; complete when the block ends, gone when it raises."""
        final = self._folder / str(import_id)
        partial = final.with_suffix(_PARTIAL)
        partial.mkdir(mode=0o700)
        try:
            yield partial
            _sync_folder(partial)
            partial.rename(final)
            _sync_folder(self._folder)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise


def file_name(number: int, name: str) -> str:
    """The name in the spool of the upload's file `number`, called `name` by its sender."""
    quoted = quote(name, safe="")[: _NAME_BYTES - _NUMBER_DIGITS - 1]
    return f"{number:0{_NUMBER_DIGITS}}-{quoted}"


@contextmanager
def full_disk_named() -> Iterator[None]:
    """Turn the errors of a full disk into `StorageFull`."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull("the spool has no room for this upload; nothing of it was kept") from error
        raise


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
