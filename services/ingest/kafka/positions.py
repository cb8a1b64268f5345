"""How far a consumer group has written each partition, as Postgres knows it, and who may write on.

An offset that is read here is where the last committed transaction ended, whatever Kafka remembers of the group.
"""

import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import psycopg

from services.ingest.kafka.message import Partition
from shared.db.connect import connect
from shared.db.queries import queries
from shared.failpoints import hit

_SQL = queries("kafka")
APPLICATION_NAME: Final = "uptill-ingest kafka"


class PartitionTaken(Exception):
    """Another consumer has claimed a partition since, so nothing of the transaction may stay."""


@dataclass
class Claim:
    """A partition that this process has claimed: the number of the claim, and the offset of the next message to write.

    `next_offset` is None until the first owner of the partition has chosen where to begin.
    """

    number: int
    next_offset: int | None


class Positions:
    """The positions of one group."""

    def __init__(self, database_url: str, group: str) -> None:
        self._database_url = database_url
        self._group = group
        self._owner = f"{socket.gethostname()}/{os.getpid()}"

    def claim_partitions(self, partitions: Iterable[Partition]) -> dict[Partition, Claim]:
        """Become the owner of partitions: from now on no earlier owner can write. Raise `DatabaseUnavailable`."""
        with connect(self._database_url, application_name=APPLICATION_NAME) as conn:
            found = {
                partition: Claim(
                    *conn.execute(_SQL["claim_partition"], self._values(partition)).fetchall()[0]
                )
                for partition in sorted(partitions)
            }
        hit("kafka.after_claim")
        return found

    def place(self, partition: Partition, claim: Claim, next_offset: int) -> None:
        """Go on at another offset. Raise `PartitionTaken`, and `DatabaseUnavailable`."""
        values = {**self._values(partition), "claim": claim.number, "next_offset": next_offset}
        with connect(self._database_url, application_name=APPLICATION_NAME) as conn:
            if conn.execute(_SQL["place_partition"], values).rowcount != 1:
                raise PartitionTaken(str(partition))
        claim.next_offset = next_offset

    def _values(self, partition: Partition) -> dict[str, object]:
        return {
            "group": self._group,
            "topic": partition.topic,
            "partition": partition.number,
            "claimed_by": self._owner,
        }


def advance(
    conn: psycopg.Connection, group: str, claims: Mapping[Partition, Claim], ends: Mapping[Partition, int]
) -> None:
    """Move partitions to the offsets in `ends`, in the transaction that writes their messages. Raise `PartitionTaken`."""
    partitions: Sequence[Partition] = sorted(ends)
    values = {
        "group": group,
        "topics": [partition.topic for partition in partitions],
        "partitions": [partition.number for partition in partitions],
        "claims": [claims[partition].number for partition in partitions],
        "before": [claims[partition].next_offset for partition in partitions],
        "after": [ends[partition] for partition in partitions],
    }
    if conn.execute(_SQL["advance"], values).rowcount != len(partitions):
        raise PartitionTaken(", ".join(map(str, partitions)))
