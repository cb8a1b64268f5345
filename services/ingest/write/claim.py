"""Which import a source is loaded under: the one it was queued as, one that was interrupted, or a new one.

The session that runs an import holds its lock, so that a live import is told from a dead one. Knows no rows.
"""

import hashlib
import time
from contextlib import closing
from uuid import UUID

import psycopg

from services.ingest.sources.file_names import stored_name
from services.ingest.sources.find import Source, Stored
from services.ingest.write.ledger import FAULT, ImportLedger
from shared.db.queries import queries
from shared.errors import ImportBusy, ImportNotFound

_SQL = queries("ingest")
_LAST_BREATH_S = 2.0  # until the server has noticed that a client is dead: four of its looks
_LOOK_AGAIN_S = 0.05


def queued_import(conn: psycopg.Connection, import_id: UUID) -> ImportLedger:
    """The import with this id, held. Raises `ImportBusy` while another process runs it, `ImportNotFound`."""
    ledger = ImportLedger(conn, import_id)
    if not hold_patiently(ledger):
        raise ImportBusy(f"the import {import_id} is running in another process")
    if not ledger.reload():
        ledger.release()
        raise ImportNotFound(f"there is no import {import_id}")
    return ledger


def interrupted_import(conn: psycopg.Connection, source: Source) -> ImportLedger | None:
    """The latest unfinished import of this source that nobody runs any more, held."""
    if not source.rereadable:  # its beginning cannot be compared and then read again
        return None
    values = {"source": stored_name(source.name), "size_bytes": source.size_bytes}
    for (import_id,) in conn.execute(_SQL["interrupted_imports"], values).fetchall():
        ledger = ImportLedger(conn, import_id)
        if hold_patiently(ledger):
            if ledger.reload() and ledger.state == "running":
                return ledger
            ledger.release()  # it ended while we waited
    return None


def new_import(conn: psycopg.Connection, source: Source) -> ImportLedger:
    """A new import, held."""
    return ImportLedger.open(conn, None, source.name, source.size_bytes)


def hold_patiently(ledger: ImportLedger) -> bool:
    """Take the import once its dead session, if that is what holds it, is gone."""
    deadline = time.monotonic() + _LAST_BREATH_S
    while not ledger.hold():
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_AGAIN_S)
    return True


def abandon(ledger: ImportLedger) -> None:
    """Close an interrupted import whose source holds other bytes now."""
    message = "the process that ran it ended, and the source does not begin with the same bytes any more"
    ledger.finish("failed", error={"reason": FAULT, "message": message})
    ledger.release()


def finish_loaded_before(ledger: ImportLedger, source: Source) -> bool:
    """Finish an import that would load the very bytes that another one has loaded; false when there is none.

    The source is read only if an import of its size (where that is not known, of its name) has succeeded.
    """
    values = {"source": stored_name(source.name), "size_bytes": source.size_bytes}
    if not source.rereadable or ledger.conn.execute(_SQL["may_be_loaded"], values).fetchone() != (True,):
        return False
    sha256 = digest(source)
    loaded = ledger.conn.execute(_SQL["loaded_before"], {"sha256": sha256}).fetchone()
    if loaded is None:
        return False
    ledger.start(*loaded)
    ledger.finish("succeeded", sha256=sha256, size_bytes=source.size_bytes)
    return True


def digest(source: Source | Stored) -> bytes:
    """The SHA-256 of the whole source, which is read for it. Raises as its `blocks` do."""
    found = hashlib.sha256()
    with closing(source.blocks()) as blocks:
        for block in blocks:
            found.update(block)
    return found.digest()
