"""Calls that are refused: invalid, not allowed, or too many."""

from shared.errors.base import UptillError


class LimitReached(UptillError):
    """There are as many schedules or endpoints of the key, reasons, or dates or closures of a store, as there can be."""


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


class BodyTooLarge(UptillError):
    """The body is longer than the limit."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"the body is longer than the limit of {limit_bytes:,} bytes: send a smaller one")


class UnsupportedMediaType(UptillError):
    """The call does not accept this content type or encoding."""


class IdempotencyKeyReused(UptillError):
    """The Idempotency-Key was already used for another request."""


class SignatureInvalid(UptillError):
    """A call of a hook does not prove who sent it."""


class RateLimited(UptillError):
    """The key has exceeded its rate. The next call is accepted after `retry_after_s` seconds."""

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
