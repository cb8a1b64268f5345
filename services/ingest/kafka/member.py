"""The member of a consumer group: takes messages, follows rebalances, and knows which partitions it owns.

A partition is claimed in Postgres before its first message is fetched, and read from where Postgres says that it was written.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage

from services.ingest.kafka.message import Message, Partition, oldest_age_s
from services.ingest.kafka.positions import Claim, PartitionTaken, Positions
from services.ingest.kafka.starts import find_start
from shared.errors import InfrastructureError
from shared.failpoints import hit
from shared.metrics.registry import KAFKA_LAG, KAFKA_LAG_S, KAFKA_PARTITIONS

_ASK_AGAIN_S: Final = 1.0
_log = structlog.get_logger()


class Rejoin(Exception):
    """The member must leave the group and join it again."""


class GroupMember:
    """Leaves the group at the end of the block. `claims` are the partitions that it may write, and where it stands."""

    def __init__(
        self,
        config: Mapping[str, object],
        topics: Sequence[str],
        positions: Positions,
        start: str,
        wait: Callable[[float], bool],
    ) -> None:
        self.claims: dict[Partition, Claim] = {}
        self._positions = positions
        self._start = start
        self._wait = wait
        self._consumer = Consumer(dict(config), logger=logging.getLogger("kafka"))
        self._topics = topics
        self._joins_s: float | None = None  # when it began to wait for its first assignment, while it waits

    def __enter__(self) -> Self:
        self._joins_s = time.monotonic()
        _log.info("waiting_for_assignment", topics=list(self._topics))
        self._consumer.subscribe(
            list(self._topics), on_assign=self._assign, on_revoke=self._revoke, on_lost=self._lose
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._consumer.close()
        self.claims.clear()
        self.show_lag()

    def take(self, at_most: int, within_s: float) -> list[Message]:
        """Return the next messages, in the order of each partition. Raise `Rejoin`, and `KafkaException` for a fatal error."""
        found = self._consumer.consume(at_most, within_s)
        messages = [_read_message(one) for one in found if one.error() is None]
        for one in found:
            if (error := one.error()) is not None:
                _judge(error)
        if messages:
            hit("kafka.after_take")
        return self.keep_own(messages)

    def keep_own(self, messages: Sequence[Message]) -> list[Message]:
        """Return those messages whose partition is still this member's, and that are not written yet."""
        return [message for message in messages if self._is_due(message)]

    def pause(self) -> None:
        """Fetch nothing until `resume`. The member stays in the group as long as it takes messages."""
        self._consumer.pause(self._consumer.assignment())

    def resume(self) -> None:
        """Fetch again."""
        self._consumer.resume(self._consumer.assignment())

    def note_written(self, messages: Sequence[Message]) -> None:
        """Tell the brokers how far the partitions of these messages are written, for tools that show the lag."""
        for partition in {message.partition for message in messages} & self.claims.keys():
            # A partition that is being given up needs no offset there.
            with suppress(KafkaException):
                self._consumer.store_offsets(
                    offsets=[TopicPartition(*partition, self.claims[partition].next_offset or 0)]
                )
        self.show_lag(messages)

    def show_lag(self, messages: Sequence[Message] = ()) -> None:
        """Set the metrics of lag. `messages`: those that were just written, or wait to be written."""
        KAFKA_LAG.set(sum(self._find_lag(partition, claim) for partition, claim in self.claims.items()))
        KAFKA_LAG_S.set(oldest_age_s(messages, time.time()))

    def _is_due(self, message: Message) -> bool:
        claim = self.claims.get(message.partition)
        return claim is not None and claim.next_offset is not None and message.offset >= claim.next_offset

    def _find_lag(self, partition: Partition, claim: Claim) -> int:
        bounds = self._consumer.get_watermark_offsets(TopicPartition(*partition), cached=True)
        return max(0, bounds[1] - claim.next_offset) if bounds and claim.next_offset is not None else 0

    def _assign(self, consumer: Consumer, given: list[TopicPartition]) -> None:
        partitions = [Partition(one.topic, one.partition) for one in given]
        claims = self._claim(consumer, partitions)
        self.claims |= claims
        consumer.incremental_assign(
            [TopicPartition(*partition, claim.next_offset or 0) for partition, claim in claims.items()]
        )
        KAFKA_PARTITIONS.labels("assigned").inc(len(partitions))
        waited = {} if self._joins_s is None else {"waited_s": round(time.monotonic() - self._joins_s, 1)}
        self._joins_s = None
        _log.info("partitions_assigned", partitions=[str(one) for one in partitions], **waited)
        hit("kafka.after_assign")

    def _claim(self, consumer: Consumer, partitions: Sequence[Partition]) -> dict[Partition, Claim]:
        """Claim partitions; wait for the database and the brokers as long as that takes. Raise `Rejoin` at a stop."""
        while True:
            try:
                claims = self._positions.claim_partitions(partitions)
                for partition, claim in claims.items():
                    start = find_start(consumer, partition, claim.next_offset, self._start)
                    if start != claim.next_offset:
                        self._positions.place(partition, claim, start)
            except (InfrastructureError, KafkaException, PartitionTaken) as error:
                _log.warning("partitions_not_claimed", error=str(error))
            else:
                return claims
            if self._wait(_ASK_AGAIN_S):
                raise Rejoin("the consumer stops")

    def _revoke(self, _: Consumer, given: list[TopicPartition]) -> None:
        self._forget(given, "revoked")

    def _lose(self, _: Consumer, given: list[TopicPartition]) -> None:
        self._forget(given, "lost")

    def _forget(self, given: Sequence[TopicPartition], change: str) -> None:
        for one in given:
            self.claims.pop(Partition(one.topic, one.partition), None)
        KAFKA_PARTITIONS.labels(change).inc(len(given))
        _log.info(f"partitions_{change}", partitions=[f"{one.topic}[{one.partition}]" for one in given])


def _read_message(one: KafkaMessage) -> Message:
    return Message(
        Partition(one.topic() or "", one.partition() or 0),
        one.offset() or 0,
        one.timestamp()[1] if one.timestamp()[0] else -1,
        one.value(),
    )


def _judge(error: KafkaError) -> None:
    """Raise for an error after which this member cannot go on; log all others, which the client gets over."""
    if error.fatal():
        raise KafkaException(error)
    if error.code() == KafkaError._AUTO_OFFSET_RESET:
        raise Rejoin(f"the brokers no longer have the next message: {error.str()}")
    _log.warning("kafka_error", error=error.str(), code=error.name())
