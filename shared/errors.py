"""The errors of the domain. Only `shared/http/problems.py` knows what they mean in HTTP."""


class UptillError(Exception):
    """Base of everything that Uptill raises on purpose; its text may be shown to the user."""


class ConfigurationError(UptillError):
    """A setting is missing, contradictory or unsafe."""


class MigrationError(UptillError):
    """The database's schema and this release's migrations contradict each other."""


class InfrastructureError(UptillError):
    """A server that Uptill stands on did not answer; the same call may succeed later."""


class DatabaseUnavailable(InfrastructureError):
    """Postgres cannot be reached, is shutting down, or cannot write."""


class TableLocked(DatabaseUnavailable):
    """Another transaction holds a lock on a table for long; waiting for it costs no attempt."""


class SchemaBehind(InfrastructureError):
    """The database lacks migrations of this release; they may be about to come."""


class PooledSessions(InfrastructureError):
    """The database's sessions are shared through a pooler, so that settings, locks and LISTEN do not hold."""


class StatementTimedOut(DatabaseUnavailable):
    """Postgres did not finish a statement within the time that a call may take."""


class QueueUnavailable(InfrastructureError):
    """Redis cannot be reached or refuses to store."""


class StorageUnavailable(InfrastructureError):
    """The object store cannot be reached or answers with an error of its own."""


class ObjectLost(UptillError):
    """An object that a row points to is not in the store as it was written."""


class ObjectGone(ObjectLost):
    """The object is not in the store: somebody else removed it."""


class ObjectCorrupt(ObjectLost):
    """The object's size, SHA-256 or rows are not those that were stored: somebody or something changed it."""


class DiskFull(InfrastructureError):
    """The disk of the process has no room for temporary files."""


class LimitReached(UptillError):
    """The key has as many subscriptions of a kind as it may have; it can delete one."""


class TooManyOpen(UptillError):
    """The key has as much unfinished work as it may have; some of it will end without the caller's help."""

    quota = ""
    what = ""

    def __init__(self, used: int, limit: int) -> None:
        super().__init__(
            f"this key has {used} {self.what}, and its limit is {limit}: wait until one has ended, or cancel one"
        )
        self.limit = limit


class TooManyOpenReports(TooManyOpen):
    """The key has as many unfinished reports as it may have."""

    quota, what = "open-reports", "unfinished reports"


class TooManyPendingWebhooks(TooManyOpen):
    """The key has as many deliveries to the `webhook_url` of its reports waiting as it may have."""

    quota, what = "pending-webhooks", "pending deliveries to a webhook_url"


class ReportNotFound(UptillError):
    """No report has this id, or the caller may not see it."""


class StoreNotFound(UptillError):
    """No store has this id, or the caller may not see it."""


class FileNotReady(UptillError):
    """The report has no file yet, and may get one."""


class FileNotFound(UptillError):
    """The report has no file of this name, and will not get one."""


class InvalidRequest(UptillError):
    """The caller asked for something that cannot be; `field` names the parameter."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class BadHeader(InvalidRequest):
    """A request header cannot be used."""


class AuthenticationError(UptillError):
    """No valid API key came with the request."""


class ForbiddenError(UptillError):
    """The API key lacks the scope that the call needs."""


class BadInputFile(UptillError):
    """A file refused as a whole. `reason` is a code of `services.ingest.parse.reasons`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Overloaded(InfrastructureError):
    """More work waits than this process may hold; the same call may succeed later."""


class ImportNotFound(UptillError):
    """No import has this id."""


class ImportCanceled(UptillError):
    """The import was canceled while it was loaded."""


class ImportEnded(UptillError):
    """The import has ended, or is no upload and no load of files, so it cannot be canceled."""


class UploadLost(UptillError):
    """The files of an upload are not in the spool any more, or not as they were received."""


class SpoolUnavailable(InfrastructureError):
    """The spool folder cannot be read or written."""


class BodyTooLarge(UptillError):
    """The body is longer than the limit."""


class UnsupportedMediaType(UptillError):
    """The body's type or coding is none that the call takes."""


class StorageFull(UptillError):
    """The disk has no room for what is being uploaded."""


class ReportEnded(UptillError):
    """The report is in a state in which this cannot be done to it any more."""


class IdempotencyKeyReused(UptillError):
    """The Idempotency-Key came with another request before."""


class ImportBusy(UptillError):
    """Another process is running the import."""


class ReportExpired(UptillError):
    """The report's files were removed after their time; the same request makes a new one."""


class FileLost(UptillError):
    """The file of a succeeded report is not in the object store any more; a new report makes it anew."""


class EndpointNotFound(UptillError):
    """No webhook endpoint has this id."""


class DeliveryNotFound(UptillError):
    """No webhook delivery has this id."""


class DeliveryBusy(UptillError):
    """The webhook delivery is being sent at this moment."""


class WebhookSecretMissing(UptillError):
    """The API key has no secret to sign deliveries to a `webhook_url` with."""


class ScheduleNotFound(UptillError):
    """No report schedule has this id, or the caller may not see it."""


class KeyNotFound(UptillError):
    """No live API key has this prefix."""


class KeyReplaced(UptillError):
    """The API key has a successor already."""


class RateLimited(UptillError):
    """The key made more calls than it may; another will be taken after `retry_after_s` seconds."""

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
