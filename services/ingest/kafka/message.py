"""A message of Kafka, and where it comes from. Knows neither Kafka's client nor the database."""

from typing import NamedTuple

from services.ingest.parse.reasons import RAW_BYTES


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

    @property
    def start(self) -> bytes:
        """The start of its value, as far as a rejected row keeps it."""
        return (self.value or b"")[:RAW_BYTES]
