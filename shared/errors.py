"""The errors of the domain. `shared/http/error_handlers.py` maps them to HTTP."""


class UptillError(Exception):
    """Base of all errors that Uptill raises on purpose. Their texts may be shown to users."""


class ConfigurationError(UptillError):
    """A setting is missing, contradictory or unsafe."""


class MigrationError(UptillError):
    """The database's schema does not match this release's migrations."""


class InfrastructureError(UptillError):
    """A server that Uptill needs did not answer. The same call may succeed later.

    `setting` is the variable with the server's address. Callers over HTTP see the text only; `explain` adds the rest.
    """

    setting = ""


class DatabaseUnavailable(InfrastructureError):
    """Postgres cannot be reached, is shutting down, or cannot write."""

    setting = "UPTILL_DATABASE_URL"


class DatabaseFull(DatabaseUnavailable):
    """The disk of Postgres is full."""


class TableLocked(DatabaseUnavailable):
    """Another transaction has held a lock on a table for long. Waiting for it does not count as a failed claim."""


class SchemaBehind(InfrastructureError):
    """The database lacks migrations of this release. They may be applied soon."""


class PooledSessions(InfrastructureError):
    """The database's sessions are shared through a pooler, so that settings, locks and LISTEN do not hold."""


class StatementTimedOut(DatabaseUnavailable):
    """Postgres did not finish a statement within the time limit of a call."""


class QueueUnavailable(InfrastructureError):
    """Redis cannot be reached, or refuses writes."""

    setting = "UPTILL_REDIS_URL"


class StorageUnavailable(InfrastructureError):
    """The object store cannot be reached, or answers with an error."""

    setting = "UPTILL_S3_ENDPOINT"


class SftpUnavailable(StorageUnavailable):
    """The SFTP server cannot be reached, or the connection was lost."""

    setting = ""


class ObjectLost(UptillError):
    """An object that a row points to is not in the store as it was written."""


class ObjectGone(ObjectLost):
    """The object is not in the store. Something other than Uptill removed it."""


class ObjectCorrupt(ObjectLost):
    """The object's size, SHA-256 or rows differ from what was stored. Something changed it."""


class DiskFull(InfrastructureError):
    """The disk has no room for temporary files of this process."""


class LimitReached(UptillError):
    """There are as many schedules or endpoints of the key, or reasons, as there can be."""


class TooManyOpen(UptillError):
    """The key has reached its limit of unfinished work. Some of it will end without the caller's help."""

    quota = ""
    what = ""

    def __init__(self, used: int, limit: int) -> None:
        super().__init__(
            f"this key has {used} {self.what}, and its limit is {limit}: wait until one has ended, or cancel one"
        )
        self.limit = limit


class TooManyOpenReports(TooManyOpen):
    """The key has reached its limit of unfinished reports."""

    quota, what = "open-reports", "unfinished reports"


class TooManyPendingWebhooks(TooManyOpen):
    """The key has reached its limit of waiting deliveries to the `webhook_url` of its reports."""

    quota, what = "pending-webhooks", "pending deliveries to a webhook_url"


class DataForgotten(UptillError):
    """Data that an earlier ledger number had was removed by retention, or was not kept yet."""


class ReportNotFound(UptillError):
    """No report has this id, or the caller may not see it."""


class FactsNotFound(UptillError):
    """No job of daily facts has this id."""


class InsightRunNotFound(UptillError):
    """No run of insights has this id."""


class StoreNotFound(UptillError):
    """No store has this id, or the caller may not see it."""


class StoreFailed(UptillError):
    """The store's time zone or hours cannot be computed with. Reports are made without it."""


class NotExplainable(UptillError):
    """The report has not succeeded, or another version of its policy made it, so no store of it can be explained."""


class StoreNotInReport(UptillError):
    """The report has no row for the store."""


class FileNotReady(UptillError):
    """The report has no file yet, and may still get one."""


class FileNotFound(UptillError):
    """The report has no file of this format, and will not get one."""


class InvalidRequest(UptillError):
    """The request is invalid; `field` names the parameter."""

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class BadHeader(InvalidRequest):
    """A request header is invalid."""


class AuthenticationError(UptillError):
    """The request has no valid API key."""


class ForbiddenError(UptillError):
    """The API key lacks the scope that the call needs."""


class BadInputFile(UptillError):
    """A file was refused as a whole. `reason` is a code of `services.ingest.parse.reasons`."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Overloaded(InfrastructureError):
    """The process already holds as much waiting work as it may. The same call may succeed later."""


class ImportNotFound(UptillError):
    """No import has this id."""


class ImportCanceled(UptillError):
    """The import was canceled while it was running."""


class ImportEnded(UptillError):
    """The import has ended, or is neither an upload nor a load of files, so it cannot be canceled."""


class UploadLost(UptillError):
    """The files of an upload are missing from the spool, or differ from what was received."""


class IngestUnavailable(InfrastructureError):
    """The ingest service cannot be reached, or answers with what is not its own."""

    setting = "UPTILL_INGEST_URL"


class SpoolUnavailable(InfrastructureError):
    """The spool folder cannot be read or written."""

    setting = "UPTILL_SPOOL_DIR"


class BodyTooLarge(UptillError):
    """The body is longer than the limit."""


class UnsupportedMediaType(UptillError):
    """The call does not accept this content type or encoding."""


class StorageFull(UptillError):
    """The disk has no room for the upload."""


class ReportEnded(UptillError):
    """The report's state does not allow this any more."""


class ReportNotRevisable(UptillError):
    """The report has not succeeded, so it has no revisions."""


class ReportsNotComparable(UptillError):
    """The reports measure different things, or one of them has no file."""


class IdempotencyKeyReused(UptillError):
    """The Idempotency-Key was already used for another request."""


class ImportBusy(UptillError):
    """Another process is running the import."""


class ReportExpired(UptillError):
    """The report's files were removed after their retention time. The same request makes a new report."""


class FileLost(UptillError):
    """The file of a succeeded report is missing from the object store. A new report makes it again."""


class EndpointNotFound(UptillError):
    """No webhook endpoint has this id."""


class DeliveryNotFound(UptillError):
    """No webhook delivery has this id."""


class DeliveryBusy(UptillError):
    """The webhook delivery is being sent right now."""


class WebhookSecretMissing(UptillError):
    """The API key has no secret for signing deliveries to a `webhook_url`."""


class ScheduleNotFound(UptillError):
    """No report schedule has this id, or the caller may not see it."""


class ServiceLevelNotFound(UptillError):
    """No service level has this name, or the caller may not see it."""


class AlertRuleNotFound(UptillError):
    """No alert rule has this name, or the caller may not see it."""


class IncidentNotFound(UptillError):
    """No incident has this id, or the caller may not see it."""


class IncidentHasEnded(UptillError):
    """The incident was resolved or withdrawn, so it cannot be acknowledged."""


class ChannelNotFound(UptillError):
    """No channel has this name."""


class ClosureNotFound(UptillError):
    """No closure has this id, or the caller may not see it, or it was withdrawn."""


class ClosureExists(UptillError):
    """The store, the labels or all stores already have a closure with this start."""


class CalendarNotFound(UptillError):
    """No calendar has this name."""


class HookNotFound(UptillError):
    """No such hook."""


class SignatureInvalid(UptillError):
    """A call of a hook does not prove who sent it."""


class ReasonNotFound(UptillError):
    """Polls may not give this word as their reason."""


class KeyNotFound(UptillError):
    """No live API key has this prefix."""


class KeyReplaced(UptillError):
    """The API key already has a successor."""


class RateLimited(UptillError):
    """The key has exceeded its rate. The next call is accepted after `retry_after_s` seconds."""

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
