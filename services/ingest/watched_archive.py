"""Moves watched files of an SFTP server away once they are loaded. One that cannot be moved stays, and is tried again."""

import structlog

from services.ingest.sources.resolve import Stored
from services.ingest.sources.sftp_address import parse_sftp_address
from services.ingest.sources.sftp_source import SftpSource
from shared.errors import BadInputFile, ConfigurationError, SftpUnavailable
from shared.explain import explain


class Archive:
    """A folder of a server, relative to the watched one or absolute; an empty text for none."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._waiting: dict[str, SftpSource] = {}
        self._log = structlog.get_logger("ingest")

    def refuse_watched(self, path: str) -> None:
        """Raise `ConfigurationError` if files would be moved into the watched folder, and so loaded and moved for ever."""
        from services.ingest.sources.sftp_files import archive_path  # noqa: PLC0415 (as below)

        root = parse_sftp_address(path).path
        if self._folder and archive_path(root, self._folder) == root:
            raise ConfigurationError(
                f"UPTILL_SFTP_ARCHIVE names the watched folder itself ({self._folder}): name another one, such as done"
            )

    def takes(self, loaded: Stored) -> bool:
        """Return whether a file is to be moved."""
        return bool(self._folder) and isinstance(loaded, SftpSource)

    def put(self, loaded: Stored) -> None:
        """Move a file that is loaded. Log it if the server refuses."""
        if isinstance(loaded, SftpSource):
            self._waiting[loaded.name] = loaded
            self._move(loaded, is_first=True)

    def try_again(self) -> None:
        """Move what could not be moved before. A file that has gone, or has changed since, is left alone."""
        for loaded in list(self._waiting.values()):
            self._move(loaded, is_first=False)

    def _move(self, loaded: SftpSource, *, is_first: bool) -> None:
        # asyncssh takes a third of a second to import.
        from services.ingest.sources.sftp_files import archive_file  # noqa: PLC0415

        try:
            moved_to = archive_file(loaded, self._folder)
        except (BadInputFile, SftpUnavailable) as error:
            if is_first:
                self._log.warning("not_archived", name=loaded.name, error=explain(error))
        else:
            del self._waiting[loaded.name]
            if moved_to is None:
                self._log.warning("not_archived", name=loaded.name, error="it has changed since, or is gone")
            else:
                self._log.info("archived", name=loaded.name, path=moved_to)
