"""A message of Kafka, and where it comes from. Knows neither Kafka's client nor the database."""

import math
from collections.abc import Sequence
from typing import NamedTuple


class Partition(NamedTuple):
    """A partition of a topic."""

    topic: str
    number: int

    def __str__(self) -> str:
        return f"{self.topic}[{self.number}]"


class Message(NamedTuple):
    """A message with a value, or None for a tombstone. `at_ms`: its time in milliseconds since 1970, or -1."""

    partition: Partition
    offset: int
    at_ms: int
    value: bytes | None

    @property
    def place(self) -> str:
        """Where it comes from, as rejected rows name it: `polls[3]@1042`."""
        return f"{self.partition}@{self.offset}"


def oldest_age_s(messages: Sequence[Message], now_s: float) -> float:
    """Return the age of the oldest message: 0 without messages, and not a number if none of them has a time."""
    if not messages:
        return 0.0
    times_ms = [message.at_ms for message in messages if message.at_ms >= 0]
    return max(0.0, now_s - min(times_ms) / 1000) if times_ms else math.nan
