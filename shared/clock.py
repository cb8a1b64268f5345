"""Convert between aware datetimes (at the edges) and integer UTC microseconds since 1970 (everywhere else)."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_us(instant: datetime) -> int:
    """Return microseconds since the epoch. Raises ValueError for a datetime without a time zone."""
    if instant.tzinfo is None:
        raise ValueError("a datetime without a time zone is not an instant")
    return (instant - _EPOCH) // _MICROSECOND


def from_us(us: int) -> datetime:
    """Return the instant as a UTC datetime."""
    return _EPOCH + timedelta(microseconds=us)
