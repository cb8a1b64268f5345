"""Files and uploads that are not loaded."""

from shared.errors.base import UptillError


class BadInputFile(UptillError):
    """A file was refused as a whole. `reason` is a code of `services.ingest.parse.reasons`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class ImportCanceled(UptillError):
    """The import was canceled while it was running."""


class ImportEnded(UptillError):
    """The import has ended, or is neither an upload nor a load of files, so it cannot be canceled."""


class UploadLost(UptillError):
    """The files of an upload are missing from the spool, or differ from what was received."""


class StorageFull(UptillError):
    """The disk has no room for the upload."""


class ImportBusy(UptillError):
    """Another process is running the import."""
