"""Decides which import a source is loaded under: the queued one, an interrupted one, or a new one.

The session that runs an import holds its lock. So a live import can be told from one whose process died.
"""

import time
from uuid import UUID

import psycopg

from services.ingest.parse.reading import Reading
from services.ingest.sources.file_names import stored_name
from services.ingest.sources.source import Source
from services.ingest.write.ledger import FAULT, ImportLedger
from services.ingest.write.stored_reading import store_reading
from shared.db.queries import queries
from shared.errors import ImportBusy, ImportNotFound

_SQL = queries("ingest")
_DEAD_SESSION_S = 2.0  # until the server notices that a client is dead: four of its checks
_RETRY_S = 0.05


def claim_queued(conn: psycopg.Connection, import_id: UUID) -> ImportLedger:
    """Return the import with this id, held. Raise `ImportBusy` if another process runs it, and `ImportNotFound`."""
    ledger = ImportLedger(conn, import_id)
    if not wait_to_hold(ledger):
        raise ImportBusy(f"the import {import_id} is running in another process")
    if not ledger.reload():
        ledger.release()
        raise ImportNotFound(f"there is no import {import_id}")
    return ledger


def claim_interrupted(
    conn: psycopg.Connection, source: Source, reading: Reading, delivery_id: UUID | None = None
) -> ImportLedger | None:
    """Return the latest unfinished import of this source, read in this way, that no process runs any more, held.

    For a delivery, abandon an import whose rows have already taken effect: they must take effect with the others again.
    """
    # What can be read only once cannot be compared and then read again.
    if not source.is_rereadable:
        return None
    values = {
        "source": stored_name(source.name),
        "size_bytes": source.size_bytes,
        "reading": store_reading(reading),
    }
    for (import_id,) in conn.execute(_SQL["interrupted_imports"], values).fetchall():
        ledger = ImportLedger(conn, import_id)
        if wait_to_hold(ledger):
            if ledger.reload() and ledger.state == "running":
                if not (delivery_id and ledger.checkpoint and not ledger.has_staged_rows()):
                    # The files that it was delivered with before the kill may be others.
                    ledger.join_delivery(delivery_id)
                    return ledger
                abandon_import(ledger, "its process ended when its rows may have taken effect")
                continue
            # It ended while this process waited.
            ledger.release()
    return None


def create_import(conn: psycopg.Connection, source: Source, reading: Reading) -> ImportLedger:
    """Return a new import, held."""
    return ImportLedger.create(conn, None, source.name, source.size_bytes, reading)


def wait_to_hold(ledger: ImportLedger) -> bool:
    """Take the import. If a dead session holds it, wait until the server ends that session."""
    deadline = time.monotonic() + _DEAD_SESSION_S
    while not ledger.try_hold():
        if time.monotonic() > deadline:
            return False
        time.sleep(_RETRY_S)
    return True


def abandon_import(ledger: ImportLedger, why: str = "its process ended, and the file has changed") -> None:
    """Close an interrupted import whose source is loaded again under another import."""
    message = f"{why}; the file was loaded again from its start, by another import"
    ledger.finish("failed", error={"reason": FAULT, "message": message})
    ledger.release()


def refuse_changed(ledger: ImportLedger) -> None:
    """Close an import whose source changed between two steps of its load."""
    message = "the file changed while it was loaded; load it again when it is complete"
    ledger.finish("failed", error={"reason": "changed_during_read", "message": message})
