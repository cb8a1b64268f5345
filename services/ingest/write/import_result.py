"""Reads the result of an import from its ledger."""

from services.ingest.import_result import ImportResult
from services.ingest.write.ledger import ImportLedger

__all__ = ["ImportResult", "read_import_result"]


def read_import_result(ledger: ImportLedger, source: str, resumed_at_byte: int = 0) -> ImportResult:
    """Read the result."""
    found = ledger.read_result()
    return ImportResult(
        source,
        first_rejects=ledger.read_first_rejects(),
        resumed_at_byte=resumed_at_byte,
        first_load=ledger.read_first_load(found["same_as"]) if found["same_as"] else None,
        **found,
    )
