"""Writes batches of messages, and finds the message that the database refuses."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Final

import psycopg
import structlog

from services.ingest.kafka.message import Message, Partition
from services.ingest.kafka.positions import APPLICATION_NAME, Claim
from services.ingest.kafka.session import DayEnded, MessageTerms, WriteSession
from services.ingest.write.sealed_weeks import WeekSealed, want_weeks
from shared.db.connect import connect
from shared.db.driver_errors import translated_errors
from shared.errors import BadInputFile, DatabaseUnavailable
from shared.metrics.registry import KAFKA_BATCHES, KAFKA_MESSAGES, KAFKA_ROWS_REJECTED

# What the server refuses in the data itself: data exceptions and broken constraints.
_OF_DATA: Final = ("22", "23")
# A statement that took too long, a deadlock.
_PASSING: Final = ("57014", "40")
_log = structlog.get_logger()


class MessageWriter:
    """Writes through a connection of its own, which it opens when it needs one."""

    def __init__(self, database_url: str, terms: MessageTerms, lock_timeout_s: float) -> None:
        self._database_url = database_url
        self._terms = terms
        self._lock_timeout_s = lock_timeout_s
        self._connection = ExitStack()
        self._session: WriteSession | None = None

    def open(self) -> None:
        """Connect. Raise `DatabaseUnavailable`."""
        self._get_session()

    def close(self) -> None:
        """Disconnect."""
        self._session = None
        self._connection.close()

    def write(self, messages: Sequence[Message], claims: Mapping[Partition, Claim]) -> None:
        """Commit messages in order with their offsets. If the database refuses them, write each half alone.

        Raise `PartitionTaken`, and `DatabaseUnavailable` also for sealed weeks. Part of the messages may be written then; the
        claims say how far.
        """
        try:
            rejected = self._write_once(lambda session: session.write(messages, claims))
        except (psycopg.Error, BadInputFile, ValueError) as error:
            if not _is_of_data(error):
                raise
            KAFKA_BATCHES.labels("split").inc()
            if len(messages) == 1:
                self._refuse(messages[0], claims, error)
                return
            half = len(messages) // 2
            self.write(messages[:half], claims)
            self.write(messages[half:], claims)
            return
        _count(len(messages), rejected)

    def _refuse(self, message: Message, claims: Mapping[Partition, Claim], error: Exception) -> None:
        """Keep a message that the database refuses as a rejected row, so that those after it are written."""
        _log.warning("message_refused", place=message.place, error=str(error))
        _count(1, self._write_once(lambda session: session.refuse(message, claims)))

    def _write_once(self, write: Callable[[WriteSession], int]) -> int:
        """Write in one transaction. After an error, the next one gets another connection."""
        try:
            with translated_errors():
                try:
                    return write(self._get_session())
                except DayEnded:
                    self.close()
                    return write(self._get_session())
        except BaseException as error:
            self.close()
            self._have_opened(error)
            if isinstance(error, psycopg.Error) and (error.sqlstate or "").startswith(_PASSING):
                raise DatabaseUnavailable("the tables were locked for too long, or by two at once") from error
            raise

    def _have_opened(self, error: BaseException) -> None:
        """Have sealed weeks opened. What the transaction said about it was rolled back."""
        if isinstance(error, WeekSealed):
            with connect(self._database_url, application_name=APPLICATION_NAME) as conn:
                want_weeks(conn, error.mondays)

    def _get_session(self) -> WriteSession:
        if self._session is None:
            conn = self._connection.enter_context(
                connect(
                    self._database_url,
                    application_name=APPLICATION_NAME,
                    lock_timeout_s=self._lock_timeout_s,
                    autocommit=True,
                )
            )
            self._session = WriteSession(conn, self._terms)
        return self._session


def _count(messages: int, rejected: int) -> None:
    KAFKA_BATCHES.labels("written").inc()
    KAFKA_MESSAGES.inc(messages)
    KAFKA_ROWS_REJECTED.inc(rejected)


def _is_of_data(error: Exception) -> bool:
    return not isinstance(error, psycopg.Error) or (error.sqlstate or "").startswith(_OF_DATA)
