"""Replace what the run before concluded, in the caller's transaction."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

import psycopg
from psycopg.types.json import Jsonb

from services.worker.insights.findings import FindingRow
from services.worker.insights.methods import Method
from services.worker.insights.risk_rows import replace_risks
from shared.db.queries import queries
from shared.insights.chunks import Places

_SQL = queries("insights")
_ROWS_AT_ONCE: Final = 500


@dataclass(frozen=True)
class Conclusions:
    """What a run found; its risks are spooled. `findings`: by kind, the most certain first; a fleet can have one per store.

    `outage_rates`: by label name and value. `keys`: those of the stores by their place.
    """

    methods: Sequence[Method]
    findings: Mapping[str, Iterator[FindingRow]]
    outage_rates: Sequence[tuple[str, str, float]]
    keys: Places


def write_conclusions(conn: psycopg.Connection, run_id: object, found: Conclusions) -> int:
    """Replace the conclusions, and return the number of findings."""
    conn.execute(_SQL["forget_skill"])
    for method in found.methods:
        row = {
            "method": method.name,
            "run_id": run_id,
            "is_on": method.is_on,
            "reason": method.reason,
            "hours": int(method.sums.hours.sum()),
            "scores": Jsonb(method.scores()),
        }
        conn.execute(_SQL["insert_skill"], row)
    replace_risks(conn, run_id)
    conn.execute(_SQL["forget_findings"])
    written = sum(_write_findings(conn, run_id, rows, found.keys) for rows in found.findings.values())
    conn.execute(_SQL["forget_outage_rates"])
    columns = zip(*found.outage_rates, strict=True)
    given = dict(zip(("label_names", "label_values", "rates"), map(list, columns), strict=True))
    conn.execute(_SQL["insert_outage_rates"], given)
    return written


def _write_findings(
    conn: psycopg.Connection, run_id: object, findings: Iterator[FindingRow], keys: Places
) -> int:
    """Write the findings of one kind, numbered, and return how many."""
    written = 0
    while rows := list(islice(findings, _ROWS_AT_ONCE)):
        columns = {
            "kinds": [row.kind for row in rows],
            "places": list(range(written, written + len(rows))),
            "store_keys": [None if row.store is None else int(keys[row.store]) for row in rows],
            "label_names": [row.label and row.label[0] for row in rows],
            "label_values": [row.label and row.label[1] for row in rows],
            "sentences": [row.sentence for row in rows],
            "evidences": [Jsonb(dict(row.evidence)) for row in rows],
        }
        conn.execute(_SQL["insert_findings"], {**columns, "run_id": run_id})
        written += len(rows)
    return written
