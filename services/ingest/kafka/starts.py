"""Where a member begins to read a partition."""

from typing import Final

import structlog
from confluent_kafka import Consumer, TopicPartition

from services.ingest.kafka.message import Partition
from shared.metrics.registry import KAFKA_SKIPPED

_ANSWERED_WITHIN_S: Final = 10.0
EARLIEST: Final = "earliest"
_log = structlog.get_logger()


def find_start(consumer: Consumer, partition: Partition, written: int | None, start: str) -> int:
    """Return the offset to read from. `written`: where Postgres says that writing stopped; None for a new partition.

    If the brokers no longer have it, go on with the first message they have: a poll that is read twice changes nothing. Raise
    `KafkaException` if they do not answer.
    """
    bounds = consumer.get_watermark_offsets(TopicPartition(*partition), timeout=_ANSWERED_WITHIN_S)
    low, high = bounds or (0, 0)
    if written is None:
        return low if start == EARLIEST else high
    if low <= written <= high:
        return written
    KAFKA_SKIPPED.inc(max(0, low - written))
    _log.error(
        "messages_skipped" if written < low else "partition_began_again",
        partition=str(partition),
        written_up_to=written,
        first=low,
        end=high,
    )
    return low
