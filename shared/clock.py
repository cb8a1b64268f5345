"""Between aware datetimes (the edges) and integer UTC microseconds since 1970 (everything inside)."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_us(instant: datetime) -> int:
    """Microseconds since the epoch. Raises ValueError for a datetime without a zone."""
    if instant.tzinfo is None:
        raise ValueError("a datetime without a time zone is no instant")
    return (instant - _EPOCH) // _MICROSECOND


def from_us(us: int) -> datetime:
    """The instant, in UTC."""
    return _EPOCH + timedelta(microseconds=us)
