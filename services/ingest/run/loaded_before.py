"""Recognises bytes that were loaded before, and that would change nothing now."""

from dataclasses import dataclass

import psycopg

from services.ingest.parse.kinds import Kind
from services.ingest.parse.reading import Reading
from services.ingest.run.load_options import LoadOptions
from services.ingest.run.passing_rejects import may_be_read_now
from services.ingest.sources.file_names import stored_name
from services.ingest.sources.source import Source, hash_source
from services.ingest.write.ledger import ImportLedger
from services.ingest.write.stored_reading import store_reading
from shared.db.queries import queries

_SQL = queries("ingest")


@dataclass(frozen=True)
class LoadedBytes:
    """Bytes that were loaded before: the kind of the table, and their SHA-256."""

    kind: Kind
    sha256: bytes


def find_loaded_before(
    conn: psycopg.Connection, source: Source, reading: Reading, options: LoadOptions
) -> LoadedBytes | None:
    """Return the bytes of the source if another import has loaded them in the same way, and None otherwise.

    Rows that were rejected then must be rejected still. The source is read only if an import of its size (or of its name,
    if the size is unknown) has succeeded. That may take long, so no transaction should be open.
    """
    values = {"source": stored_name(source.name), "size_bytes": source.size_bytes}
    if not source.is_rereadable or conn.execute(_SQL["may_be_loaded"], values).fetchone() != (True,):
        return None
    sha256 = hash_source(source)
    asked = {"sha256": sha256, "reading": store_reading(reading)}
    for import_id, kind in conn.execute(_SQL["loaded_before"], asked).fetchall():
        if not may_be_read_now(conn, import_id, allow_odd_ids=options.limits.allow_odd_ids):
            return LoadedBytes(kind, sha256)
    return None


def finish_loaded_before(ledger: ImportLedger, source: Source, options: LoadOptions) -> bool:
    """Finish the import at once if the source was loaded before. Return whether it was."""
    found = find_loaded_before(ledger.conn, source, ledger.reading, options)
    if found:
        finish_skipped(ledger, source, found)
    return found is not None


def finish_skipped(ledger: ImportLedger, source: Source, found: LoadedBytes) -> None:
    """Finish an import whose bytes were loaded before."""
    ledger.start_loading(found.kind, source.size_bytes)
    ledger.finish("succeeded", sha256=found.sha256, size_bytes=source.size_bytes)
