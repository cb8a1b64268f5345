"""The spool: a private folder with a sub-folder for each upload that is not loaded yet, named by its import.

Being received: `ID.part`. Complete and on the disk: `ID`, with its list of files in `ID.json`. Given up: `ID.failed`.
Whatever else lies in the folder is left alone.
"""

import fcntl
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self
from uuid import UUID, uuid4

import structlog

from services.ingest.http.spool_errors import spool_errors_named
from services.ingest.http.spool_room import SpoolRoom
from services.ingest.http.spooled_files import LIST, SpooledFile, Version, listed_files, verify
from shared.errors import ConfigurationError, StorageFull, UploadLost

FAILED_KEEP_S = 7 * 86_400.0
_PARTIAL, _FAILED = ".part", ".failed"
_LOCK, _IDENTITY = ".lock", ".id"
_log = structlog.get_logger()


class Spool:
    """One service's spool; `open` keeps it from every other. `spool_id` lies in the folder, and is lost with it."""

    def __init__(self, folder: Path, lock: int, spool_id: UUID, room: SpoolRoom) -> None:
        self._folder = folder
        self._lock = lock
        self.spool_id = spool_id
        self.room = room
        self._strangers: set[str] = set()
        self._verified: dict[UUID, list[Version]] = {}

    @classmethod
    def open(cls, folder: str, *, reserve_bytes: int = 0, quota_bytes: int = 0) -> Self:
        """Make the folder, mode 0700, and lock it. Raises `ConfigurationError`."""
        path = Path(folder or Path(tempfile.gettempdir(), "uptill-spool")).resolve()
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if path.stat().st_uid != os.geteuid():
                raise ConfigurationError(
                    f"the spool folder {path} belongs to another user; set UPTILL_SPOOL_DIR"
                )
            path.chmod(0o700)
            lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
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
        spool = cls(path, lock, _identity(path), SpoolRoom(path, reserve_bytes, quota_bytes))
        for partial in path.glob(f"*{_PARTIAL}"):
            if _upload_of(partial.name.removesuffix(_PARTIAL)) and _is_folder(partial):
                shutil.rmtree(partial, ignore_errors=True)
        for upload in spool.uploads():
            with suppress(StorageFull):  # it is there already
                spool.room.take(upload, _size_bytes(path / str(upload)))
        return spool

    @property
    def place(self) -> str:
        """The host and the folder: who finds another spool there has lost the one before."""
        return f"{socket.gethostname()}:{self._folder}"

    def close(self) -> None:
        """Let another service have it."""
        os.close(self._lock)

    def uploads(self) -> list[UUID]:
        """The complete uploads, oldest first. Raises OSError when the folder cannot be read."""
        found = []
        for entry in self._folder.iterdir():
            upload = _upload_of(entry.name)
            if upload and _is_folder(entry):
                found.append(upload)
            elif not entry.name.startswith(".") and not _upload_of(entry.stem):
                self._tell_of(entry.name)
        return sorted(found)

    def holds(self, import_id: UUID) -> bool:
        """Whether the upload has a folder."""
        return _is_folder(self._folder / str(import_id))

    def files(
        self, import_id: UUID, before_each_block: Callable[[], None] = lambda: None
    ) -> list[SpooledFile]:
        """Return the files of one upload in their order, after comparing them with what was received.

        Raises `UploadLost` for a file that is gone or has changed, what `before_each_block` raises, and OSError.
        """
        if not self.holds(import_id):
            raise UploadLost("the folder of the upload is gone from the spool")
        files = listed_files(self._folder / str(import_id), self._folder / f"{import_id}{LIST}")
        versions = [file.version for file in files]
        # An archive comes back for each of its turns; it is read again only if it was written to.
        if self._verified.get(import_id) != versions:
            for file in files:
                verify(file, before_each_block)
            self._verified[import_id] = versions
        return files

    def remove(self, import_id: UUID) -> None:
        """Forget one upload."""
        shutil.rmtree(self._folder / str(import_id), ignore_errors=True)
        (self._folder / f"{import_id}{LIST}").unlink(missing_ok=True)
        self._let_go(import_id)

    def put_aside(self, import_id: UUID) -> Path:
        """Take an upload out of the queue and keep its files, for `FAILED_KEEP_S`; returns where. Raises OSError."""
        aside = self._folder / f"{import_id}{_FAILED}"
        (self._folder / str(import_id)).rename(aside)
        with suppress(FileNotFoundError):
            (self._folder / f"{import_id}{LIST}").rename(aside / "files.json")
        os.utime(aside)
        self._let_go(import_id)
        return aside

    def forget_failed(self, keep_s: float = FAILED_KEEP_S) -> None:
        """Remove what was put aside so long ago."""
        for aside in self._folder.glob(f"*{_FAILED}"):
            if _upload_of(aside.stem) and _is_folder(aside) and time.time() - aside.stat().st_mtime > keep_s:
                shutil.rmtree(aside, ignore_errors=True)

    def check(self) -> None:
        """Raise `StorageFull` or `SpoolUnavailable` when nothing can be written. Makes a folder that was removed again."""
        with spool_errors_named():
            self._make_again()
        with spool_errors_named(), tempfile.TemporaryFile(dir=self._folder) as file:
            file.write(b"\0")

    @contextmanager
    def receiving(self, import_id: UUID) -> Iterator[Path]:
        """A folder for the files of one upload; complete when the block ends, gone when it raises.

        The block leaves the list of its files there with `list_files`. Raises `StorageFull` and `SpoolUnavailable`.
        """
        final = self._folder / str(import_id)
        partial, listed = final.with_suffix(_PARTIAL), final.with_suffix(LIST)
        try:
            with spool_errors_named():
                self._make_again()
                partial.mkdir(mode=0o700)
            yield partial
            with spool_errors_named():
                (partial / LIST).rename(listed)
                _sync_folder(partial)
                partial.rename(final)
                _sync_folder(self._folder)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            listed.unlink(missing_ok=True)
            self.room.free(import_id)
            raise

    @contextmanager
    def trying(self, upload: UUID) -> Iterator[Path]:
        """Yield a folder for the files of a dry run, which is gone when the block ends. Raises as `receiving` does."""
        partial = self._folder / f"{upload}{_PARTIAL}"
        try:
            with spool_errors_named():
                self._make_again()
                partial.mkdir(mode=0o700)
            yield partial
        finally:
            shutil.rmtree(partial, ignore_errors=True)
            self.room.free(upload)

    def _make_again(self) -> None:
        """Make the folder and its lock again if somebody removed it; its uploads are lost, and the next ones are not."""
        if self._folder.is_dir():
            return
        self._folder.mkdir(mode=0o700, parents=True)
        lock = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(self._lock)
        self._lock = lock
        self.room.free_all()
        (self._folder / _IDENTITY).write_text(f"{self.spool_id}\n", encoding="ascii")
        _log.error("spool_made_again", folder=str(self._folder))

    def _let_go(self, import_id: UUID) -> None:
        self.room.free(import_id)
        self._verified.pop(import_id, None)

    def _tell_of(self, stranger: str) -> None:
        if stranger not in self._strangers:
            self._strangers.add(stranger)
            _log.warning("stranger_in_spool", name=stranger)


def _upload_of(name: str) -> UUID | None:
    """The upload whose folder is called so; None for what the spool never made."""
    try:
        upload = UUID(name)
    except ValueError:
        return None
    return upload if str(upload) == name else None


def _is_folder(path: Path) -> bool:
    """Whether this is a folder itself, and no link to one."""
    return path.is_dir() and not path.is_symlink()


def _size_bytes(folder: Path) -> int:
    try:
        return sum(entry.stat().st_size for entry in os.scandir(folder))
    except OSError:
        return 0


def _identity(folder: Path) -> UUID:
    """What the folder calls itself; a new name where it has none that can be read. Raises `ConfigurationError`."""
    path = folder / _IDENTITY
    with suppress(OSError, ValueError):
        return UUID(path.read_text(encoding="ascii").strip())
    spool_id = uuid4()
    try:
        path.write_text(f"{spool_id}\n", encoding="ascii")
    except OSError as error:
        raise ConfigurationError(
            f"the spool folder {folder} cannot be written ({error.strerror}); set UPTILL_SPOOL_DIR"
        ) from error
    return spool_id


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
