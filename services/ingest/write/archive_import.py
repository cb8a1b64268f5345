"""An archive is an import of its own: its members are imports that name it as parent and hold the counts.

So for an upload and for an argument of the command alike. Knows no rows.
"""

from collections.abc import Sequence
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from services.ingest.sources.file_names import stored_name
from services.ingest.sources.find import Source, Stored
from services.ingest.sources.load_order import load_order
from services.ingest.write.claim import digest, hold_patiently
from services.ingest.write.ledger import ImportLedger
from services.ingest.write.quality_report import quality_report
from shared.db.queries import queries
from shared.ids import new_id

_SQL = queries("archives")


def claim_archive(conn: psycopg.Connection, archive: Stored) -> UUID:
    """Its import, held by this session: the one of the same bytes that was interrupted, or a new one.

    Reads the archive once. Raises `BadInputFile` and `StorageUnavailable`.
    """
    values = {
        "source": stored_name(archive.name),
        "sha256": digest(archive),
        "size_bytes": archive.size_bytes,
    }
    for (import_id,) in conn.execute(_SQL["interrupted_archives"], values).fetchall():
        if hold_patiently(ImportLedger(conn, import_id)):
            return UUID(str(import_id))
    archive_id = new_id()
    ImportLedger(conn, archive_id).hold()
    conn.execute(_SQL["insert_archive"], {"id": archive_id, **values})
    return archive_id


def queue_members(
    conn: psycopg.Connection, archive_id: UUID, sources: Sequence[Source]
) -> list[tuple[Source, UUID]]:
    """The members in the order in which they load, each with its import: one it has already, or a new one, queued."""
    ordered = sorted(
        sources, key=load_order
    )  # opens each of them: before the transaction, which must be short
    with conn.transaction():
        conn.execute(_SQL["begin_archive"], {"id": archive_id})
        known: dict[str, list[UUID]] = {}
        for member_id, source in conn.execute(_SQL["members"], {"id": archive_id}):
            known.setdefault(source, []).append(member_id)
        members = []
        for source in ordered:
            name = stored_name(source.name)
            if known.get(name):
                members.append((source, known[name].pop(0)))
                continue
            member_id = new_id()
            values = {"id": member_id, "source": name, "size_bytes": source.size_bytes}
            conn.execute(_SQL["insert_member"], {**values, "parent_id": archive_id})
            members.append((source, member_id))
    return members


def open_members(conn: psycopg.Connection, archive_id: UUID) -> frozenset[UUID]:
    """Return the imports of the members that have not ended."""
    return frozenset(member for (member,) in conn.execute(_SQL["open_members"], {"id": archive_id}))


def finish_archive(conn: psycopg.Connection, archive_id: UUID) -> None:
    """End it as its worst member did; one of which a member was interrupted may go on later."""
    quality = quality_report(conn, archive_id)
    conn.execute(_SQL["finish_archive"], {"id": archive_id, "quality": Jsonb(quality)})
