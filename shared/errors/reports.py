"""Reports, their files, and stores in them that cannot be given or computed."""

from shared.errors.base import UptillError


class ObjectLost(UptillError):
    """An object that a row points to is not in the store as it was written."""


class ObjectGone(ObjectLost):
    """The object is not in the store. Something other than Uptill removed it."""


class ObjectCorrupt(ObjectLost):
    """The object's size, SHA-256 or rows differ from what was stored. Something changed it."""


class DataForgotten(UptillError):
    """Data that an earlier ledger number had was removed by retention, or was not kept yet."""


class StoreFailed(UptillError):
    """The store's time zone or hours cannot be computed with. Reports are made without it."""


class NotExplainable(UptillError):
    """The report has not succeeded, or another version of its policy made it, so no store of it can be explained."""


class StoreNotInReport(UptillError):
    """The report has no row for the store."""


class FileNotReady(UptillError):
    """The report has no file yet, and may still get one."""


class ReportEnded(UptillError):
    """The report's state does not allow this any more."""


class ReportNotRevisable(UptillError):
    """The report has not succeeded, so it has no revisions."""


class ReportsNotComparable(UptillError):
    """The reports measure different things, or one of them has no file."""


class ReportExpired(UptillError):
    """The report's files were removed after their retention time. The same request makes a new report."""


class FileLost(UptillError):
    """The file of a succeeded report is missing from the object store. A new report makes it again."""
