"""An archive is an import of its own. Its members are imports that name it as parent and hold the counts.

This holds both for uploads and for arguments of the command.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from services.ingest.parse.reading import PLAIN, Reading
from services.ingest.sources.file_names import stored_name
from services.ingest.sources.left_out import LeftOut
from services.ingest.sources.source import ResolvedSource, Source, hash_source
from services.ingest.write.claim import wait_to_hold
from services.ingest.write.ledger import ImportLedger
from services.ingest.write.quality_report import read_quality
from services.ingest.write.stored_reading import store_reading
from shared.db.connect import connect
from shared.db.driver_errors import translated_errors
from shared.db.queries import queries
from shared.errors import DatabaseUnavailable
from shared.ids import new_id

_SQL = queries("archives")


class ArchiveImports:
    """The archives of one run. A connection holds their imports until the run ends."""

    def __init__(self, database_url: str, reading: Reading = PLAIN) -> None:
        self._database_url = database_url
        self._reading = reading
        self._connection = ExitStack()
        self._conn: psycopg.Connection | None = None
        self._open: dict[str, UUID] = {}

    def begin_archive(
        self, archive: Source, members: Sequence[ResolvedSource], left_out: Sequence[LeftOut] = ()
    ) -> Sequence[tuple[ResolvedSource, UUID]]:
        """Return the members, each with its import. Raise as `claim_archive` does."""
        if self._conn is None:
            self._conn = self._connection.enter_context(self._connect())
        with translated_errors():
            self._open[archive.name] = claim_archive(self._conn, archive, self._reading)
            return queue_members(self._conn, self._open[archive.name], members, left_out)

    def end_archive(self, name: str) -> None:
        """Close the import of this name, if it is an archive."""
        if name in self._open:
            # The connection that holds the import may have met an outage.
            with self._connect() as conn:
                finish_archive(conn, self._open.pop(name))

    def close(self) -> None:
        """Leave unfinished archives to another run."""
        with self._connection, suppress(DatabaseUnavailable):
            for archive_id in self._open.values():
                with self._connect() as conn:
                    finish_archive(conn, archive_id)

    def _connect(self) -> AbstractContextManager[psycopg.Connection]:
        return connect(self._database_url, application_name="uptill-ingest archive", autocommit=True)


def claim_archive(conn: psycopg.Connection, archive: Source, reading: Reading = PLAIN) -> UUID:
    """Return the import of the archive, held by this session: an interrupted one of the same bytes, or a new one.

    Its members are read as `reading` describes.

    Read the archive once. Raise `BadInputFile` and `StorageUnavailable`.
    """
    values = {
        "source": stored_name(archive.name),
        "sha256": hash_source(archive),
        "size_bytes": archive.size_bytes,
        "reading": store_reading(reading),
    }
    for (import_id,) in conn.execute(_SQL["interrupted_archives"], values).fetchall():
        if wait_to_hold(ImportLedger(conn, import_id)):
            return UUID(str(import_id))
    archive_id = new_id()
    ImportLedger(conn, archive_id).try_hold()
    conn.execute(_SQL["insert_archive"], {"id": archive_id, **values})
    return archive_id


def queue_members(
    conn: psycopg.Connection,
    archive_id: UUID,
    members: Sequence[ResolvedSource],
    left_out: Sequence[LeftOut] = (),
) -> list[tuple[ResolvedSource, UUID]]:
    """Return the members in load order, each with its import: the one it already has, or a new one in state `queued`.

    What is left out is noted in the quality report of the archive.
    """
    notes = {"left_out": [{"name": stored_name(one.name), "reason": one.reason} for one in left_out]}
    with conn.transaction():
        conn.execute(_SQL["begin_archive"], {"id": archive_id, "notes": Jsonb(notes if left_out else {})})
        known: dict[str, list[UUID]] = {}
        for member_id, source in conn.execute(_SQL["members"], {"id": archive_id}):
            known.setdefault(source, []).append(member_id)
        queued = []
        # Ids of one millisecond are in no order, and members are listed by their ids.
        fresh = iter(sorted(new_id() for _ in members))
        for member in sorted(members, key=lambda member: member.load_order):
            name = stored_name(member.name)
            if known.get(name):
                queued.append((member, known[name].pop(0)))
                continue
            member_id = next(fresh)
            values = {"id": member_id, "source": name, "size_bytes": member.size_bytes}
            conn.execute(_SQL["insert_member"], {**values, "parent_id": archive_id})
            queued.append((member, member_id))
    return queued


def list_open_members(conn: psycopg.Connection, archive_id: UUID) -> frozenset[UUID]:
    """Return the imports of the members that have not ended."""
    return frozenset(member for (member,) in conn.execute(_SQL["open_members"], {"id": archive_id}))


def finish_archive(conn: psycopg.Connection, archive_id: UUID) -> None:
    """Close the archive with the state of its worst member. If a member was interrupted, the archive may resume."""
    quality = read_quality(conn, archive_id)
    conn.execute(_SQL["finish_archive"], {"id": archive_id, "quality": Jsonb(quality)})
