"""Takes messages and writes them, until it is asked to stop. While they cannot be written, none are fetched."""

from typing import Final, Protocol

import structlog

from services.ingest.kafka.config import list_topics, make_config, make_terms
from services.ingest.kafka.member import GroupMember, Rejoin
from services.ingest.kafka.message import Message
from services.ingest.kafka.positions import PartitionTaken, Positions
from services.ingest.kafka.writer import MessageWriter
from shared.errors import InfrastructureError
from shared.metrics.registry import KAFKA_BATCHES
from shared.settings import Settings

# Messages gather for this long. It bounds how late a single poll is written.
_GATHER_S: Final = 0.2
_TRY_AGAIN_S: Final = 1.0
_log = structlog.get_logger()


class StopRequest(Protocol):
    """Tells whether to stop; `wait` returns early then."""

    @property
    def requested(self) -> bool: ...

    def wait(self, seconds: float) -> bool: ...


class KafkaConsumer:
    """One consumer of the group. Raise `ConfigurationError` if the settings cannot be used."""

    def __init__(self, settings: Settings, stop: StopRequest) -> None:
        self._config = make_config(settings)
        self._topics = list_topics(settings)
        self._start = settings.kafka_start
        self._at_most = settings.kafka_batch_messages
        url = settings.database_url.get_secret_value()
        self._positions = Positions(url, settings.kafka_group)
        self._writer = MessageWriter(url, make_terms(settings), settings.lock_timeout_s)
        self._stop = stop

    def run(self) -> None:
        """Consume until asked to stop. Raise what is neither an outage nor the fault of a message."""
        try:
            while not self._stop.requested:
                try:
                    with GroupMember(
                        self._config, self._topics, self._positions, self._start, self._stop.wait
                    ) as member:
                        self._consume(member)
                except Rejoin as reason:
                    _log.warning("joining_again", reason=str(reason))
                    self._stop.wait(_TRY_AGAIN_S)
        finally:
            self._writer.close()

    def _consume(self, member: GroupMember) -> None:
        while not self._stop.requested:
            self._keep_session()
            messages = member.take(self._at_most, _GATHER_S)
            if not messages:
                member.show_lag()
            elif not self._try_write(member, messages):
                self._write_later(member, messages)

    def _keep_session(self) -> None:
        """Connect ahead of the first message, so that a check of health sees a session."""
        try:
            self._writer.open()
        except InfrastructureError as error:
            _log.warning("waiting", error=str(error))

    def _try_write(self, member: GroupMember, messages: list[Message]) -> bool:
        """Write messages. Return whether they are written. Raise `Rejoin` if a partition has another owner."""
        try:
            self._writer.write(messages, member.claims)
        except InfrastructureError as error:
            KAFKA_BATCHES.labels("waited").inc()
            _log.warning("waiting", error=str(error))
            return False
        except PartitionTaken as taken:
            KAFKA_BATCHES.labels("fenced").inc()
            raise Rejoin(f"another consumer has claimed {taken}") from None
        member.note_written(messages)
        return True

    def _write_later(self, member: GroupMember, messages: list[Message]) -> None:
        """Pause, and try again each second. What is not written at a stop is read again."""
        member.pause()
        while messages and not self._stop.wait(_TRY_AGAIN_S):
            # Taking messages keeps the member in the group. A partition that was just assigned is not paused yet.
            messages += member.take(self._at_most, 0)
            member.pause()
            messages = member.keep_own(messages)
            member.show_lag(messages)
            if messages and self._try_write(member, messages):
                break
        member.resume()
