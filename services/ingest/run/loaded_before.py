"""Recognises bytes that were loaded before, and that would change nothing now."""

from services.ingest.run.load_options import LoadOptions
from services.ingest.run.passing_rejects import may_be_read_now
from services.ingest.sources.file_names import stored_name
from services.ingest.sources.source import Source, hash_source
from services.ingest.write.ledger import ImportLedger, store_reading
from shared.db.queries import queries

_SQL = queries("ingest")


def finish_loaded_before(ledger: ImportLedger, source: Source, options: LoadOptions) -> bool:
    """Finish the import at once if another one has loaded the same bytes in the same way. Return whether it did.

    Rows that were rejected then must be rejected still. The source is read only if an import of its size (or of its name,
    if the size is unknown) has succeeded.
    """
    values = {"source": stored_name(source.name), "size_bytes": source.size_bytes}
    if not source.is_rereadable or ledger.conn.execute(_SQL["may_be_loaded"], values).fetchone() != (True,):
        return False
    sha256 = hash_source(source)
    asked = {"sha256": sha256, "reading": store_reading(ledger.reading)}
    for import_id, kind in ledger.conn.execute(_SQL["loaded_before"], asked).fetchall():
        if not may_be_read_now(ledger.conn, import_id, allow_odd_ids=options.limits.allow_odd_ids):
            ledger.start_loading(kind)
            ledger.finish("succeeded", sha256=sha256, size_bytes=source.size_bytes)
            return True
    return False
