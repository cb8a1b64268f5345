"""Writes messages through one connection: polls, rejected rows, counts and offsets in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import psycopg

from services.ingest.kafka.lines import Lines, read_values, refuse_value
from services.ingest.kafka.message import Message, Partition
from services.ingest.kafka.positions import Claim, advance
from services.ingest.kafka.value_parts import ValueFormat, ValuePart
from services.ingest.parse.chunk import Chunk
from services.ingest.parse.encodings import FileEncoding
from services.ingest.parse.parsed import ParsedPolls
from services.ingest.parse.polls import PollParser
from services.ingest.parse.reading import Reading
from services.ingest.parse.reasons import Reject
from services.ingest.write.database_clock import DatabaseClock
from services.ingest.write.ledger import ImportLedger
from services.ingest.write.note_table import read_reasons
from services.ingest.write.polls import PollWriter
from shared.db.queries import queries
from shared.failpoints import hit
from shared.ids import new_id

_SQL = queries("kafka")


class DayEnded(Exception):
    """The import of this session is that of a day that is over."""


@dataclass(frozen=True)
class MessageTerms:
    """How the messages of a group are read."""

    group: str
    form: ValueFormat
    reading: Reading
    allow_odd_ids: bool

    @property
    def source(self) -> str:
        """The source of the group's imports."""
        return f"kafka:{self.group}"


class WriteSession:
    """Writes through one connection in autocommit mode. After any error, make a new one."""

    def __init__(self, conn: psycopg.Connection, terms: MessageTerms) -> None:
        self._conn = conn
        self._terms = terms
        self._import_id = _open_import(conn, terms.source)
        self._clock = DatabaseClock(conn)
        self._words = read_reasons(conn)
        self._parser = PollParser(
            terms.form.layout,
            terms.reading,
            FileEncoding("utf-8"),
            allow_odd_ids=terms.allow_odd_ids,
            reasons=self._words,
        )
        self._ledger = ImportLedger(conn, self._import_id)
        self._writer = PollWriter(conn, self._ledger, indexed=True)

    def write(self, messages: Sequence[Message], claims: Mapping[Partition, Claim]) -> int:
        """Commit messages with their offsets, and return how many of their rows were rejected.

        Raise `PartitionTaken`, `WeekSealed` and `DayEnded`: then nothing was written.
        """
        if self._terms.form.layout.optional:
            self._words.update(read_reasons(self._conn))
        lines = read_values([message.value for message in messages], self._terms.form)
        return self._commit(messages, lines, claims)

    def refuse(self, message: Message, claims: Mapping[Partition, Claim]) -> int:
        """Commit a message as a rejected row. Raise as `write` does."""
        return self._commit([message], refuse_value(message.value, "refused"), claims)

    def _commit(self, messages: Sequence[Message], lines: Lines, claims: Mapping[Partition, Claim]) -> int:
        # The place is that of no source: the offsets are kept elsewhere.
        chunk = Chunk(1, 0, 0, lines.data or b"\n", of_messages=True)
        parsed = self._parser.parse_chunk(chunk, self._clock.latest_valid_us())
        ends = find_ends(messages)
        with self._conn.transaction():
            self._ledger.lock_writers()
            if _find_import(self._conn, self._terms.source) != self._import_id:
                raise DayEnded
            rejects = self._number_rejects(messages, lines, parsed)
            hit("kafka.before_polls")
            self._writer.write_chunk(replace(parsed, rejects=rejects))
            hit("kafka.after_polls")
            advance(self._conn, self._terms.group, claims, ends)
            hit("kafka.before_commit")
        hit("kafka.after_commit")
        for partition, end in ends.items():
            claims[partition].next_offset = end
        return len(rejects)

    def _number_rejects(self, messages: Sequence[Message], lines: Lines, parsed: ParsedPolls) -> list[Reject]:
        """Return the rejected parts of messages, numbered on within the import."""
        places = [(*lines.find_part(reject.line), reject.reason) for reject in parsed.rejects]
        list_parts = self._terms.form.list_parts
        parts = {index: list_parts(messages[index].value or b"") for index in {index for index, *_ in places}}
        found = [(index, number, reason, parts[index][number]) for index, number, reason in places]
        found += [(index, *fault) for index, fault in lines.unread]
        if not found:
            return []
        ((last,),) = self._conn.execute(_SQL["last_reject"], {"id": self._import_id})
        found.sort(key=lambda one: one[:2])
        return [
            Reject(line, 0, reason, part.raw, _name_place(messages[index], part))
            for line, (index, _, reason, part) in enumerate(found, last + 1)
        ]


def _name_place(message: Message, part: ValuePart) -> str:
    """Return what a rejected row has as its source, such as `polls[3]@1042 /1/status`."""
    return f"{message.place} {part.name}" if part.name else message.place


def find_ends(messages: Sequence[Message]) -> dict[Partition, int]:
    """Return the offset after the last message of each partition."""
    # Later ones replace earlier ones.
    return {message.partition: message.offset + 1 for message in messages}


def _open_import(conn: psycopg.Connection, source: str) -> UUID:
    """Return today's import of the group. Its first session of a day creates it, and closes those of earlier days."""
    with conn.transaction():
        ImportLedger(conn, new_id()).lock_writers()
        if import_id := _find_import(conn, source):
            return import_id
        import_id = new_id()
        conn.execute(_SQL["close_imports"], {"source": source})
        conn.execute(_SQL["insert_import"], {"id": import_id, "source": source})
        return import_id


def _find_import(conn: psycopg.Connection, source: str) -> UUID | None:
    for (import_id,) in conn.execute(_SQL["open_import"], {"source": source}):
        return UUID(str(import_id))
    return None
