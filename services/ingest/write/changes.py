"""Records what a transaction did: counts, the ledger's next number, and first polls of stores."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.ingest.write.counts import NO_ROWS, RowCounts, Stretch
from services.ingest.write.ledger import ImportLedger
from shared.db.arrays import int_array, key_array
from shared.db.queries import queries

_SQL = queries("ingest")
_STORES_AT_ONCE = 4096


@dataclass(frozen=True)
class PollChange:
    """What a write did for one import: counts, the first and last instant it changed, and earlier first polls of stores."""

    import_id: UUID
    counts: RowCounts
    earliest: datetime | None = None
    latest: datetime | None = None
    first_keys: Sequence[int] = ()
    first_us: Sequence[int] = ()


def record_changes(
    ledger: ImportLedger, changes: Sequence[PollChange], first_byte: int = 0, end_byte: int = 0
) -> int:
    """Count the changes, and record them under the next ledger number. Return that number.

    The lock on the number lasts until COMMIT. Raise `ImportCanceled`: then do not commit.
    """
    counts = {change.import_id: NO_ROWS for change in changes}
    for change in changes:
        counts[change.import_id] += change.counts
    own = counts.pop(ledger.import_id, NO_ROWS)
    for import_id, count in counts.items():
        ledger.count_for(import_id, count)
    earliest = min((change.earliest for change in changes if change.earliest), default=None)
    latest = max((change.latest for change in changes if change.latest), default=None)
    seq = ledger.record_progress(
        Stretch(first_byte, end_byte, earliest, latest), own, changed=earliest is not None
    )
    for change in changes:
        for start in range(0, len(change.first_keys), _STORES_AT_ONCE):
            part = slice(start, start + _STORES_AT_ONCE)
            firsts = {
                "store_keys": key_array(change.first_keys[part]),
                "instants_us": int_array(change.first_us[part]),
            }
            ledger.conn.execute(_SQL["record_first_polls"], {"seq": seq, **firsts})
    return seq
