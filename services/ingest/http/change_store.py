"""Changes the opening hours, the zone or the labels of one store, with the accounting of a file that names this store only."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from services.ingest.http.live_polls import store_id_fault
from services.ingest.http.write_live import LOCK_PATIENCE, store_keys_of
from services.ingest.parse.local_hours import parse_hours, parse_timezone
from services.ingest.parse.reasons import ROW_REASONS
from services.ingest.write.ledger import Counts, Stretch, record_change
from shared.db.connect import connect
from shared.db.queries import queries
from shared.errors import DatabaseUnavailable, InvalidRequest, TableLocked
from shared.ids import new_id

_SQL = queries("live")


@dataclass(frozen=True)
class StoreChange:
    """What was changed: the import it is recorded as, and its counts."""

    store_id: str
    import_id: UUID
    counts: Counts


@dataclass(frozen=True)
class LocalInterval:
    """One opening as text: the day (0 is Monday), and two times of day, `HH:MM` or `HH:MM:SS`."""

    day_of_week: str
    opens: str
    closes: str


def replace_hours(
    database_url: str, store_id: str, intervals: Sequence[LocalInterval], created_by: str
) -> StoreChange:
    """Replace the hours; no intervals: open 24x7. Raises `InvalidRequest` and `DatabaseUnavailable`."""
    parsed: list[tuple[object, ...]] = []
    for index, interval in enumerate(intervals):
        fields = parse_hours(interval.day_of_week, interval.opens, interval.closes)
        if isinstance(fields, str):
            raise InvalidRequest(f"interval {index}: {ROW_REASONS[fields]}", field=f"hours.{index}")
        parsed.append(fields)
    days, opens, closes = ([fields[column] for fields in parsed] for column in range(3))

    def change(conn: psycopg.Connection, store_key: int) -> tuple[Counts, bool]:
        values = {"store_key": store_key, "days": days, "opens": opens, "closes": closes}
        ((added, changed),) = conn.execute(_SQL["replace_hours"], values)
        return Counts(accepted=added, duplicate=len(parsed) - added), changed

    return _change(database_url, store_id, "hours", created_by, change)


def replace_timezone(database_url: str, store_id: str, timezone: str, created_by: str) -> StoreChange:
    """Set the zone. Raises `InvalidRequest` and `DatabaseUnavailable`."""
    fields = parse_timezone(timezone)
    if isinstance(fields, str):
        raise InvalidRequest(ROW_REASONS[fields], field="timezone")
    (name,) = fields

    def change(conn: psycopg.Connection, store_key: int) -> tuple[Counts, bool]:
        ((before,),) = conn.execute(_SQL["replace_timezone"], {"store_key": store_key, "timezone": name})
        counts = Counts(int(before is None), int(before == name), int(before not in {None, name}))
        return counts, before != name

    return _change(database_url, store_id, "timezones", created_by, change)


def replace_labels(
    database_url: str, store_id: str, labels: Mapping[str, str], created_by: str
) -> StoreChange:
    """Set the labels, which are valid, in the place of those it had. Raises `InvalidRequest` and `DatabaseUnavailable`."""

    def change(conn: psycopg.Connection, store_key: int) -> tuple[Counts, bool]:
        values = {"store_key": store_key, "labels": Jsonb(dict(labels))}
        ((before,),) = conn.execute(_SQL["replace_labels"], values)
        same = sum(before.get(name) == value for name, value in labels.items())
        known = sum(name in before for name in labels)
        counts = Counts(accepted=len(labels) - known, duplicate=same, corrected=known - same)
        return counts, before != dict(labels)

    return _change(database_url, store_id, "labels", created_by, change)


def _change(
    database_url: str,
    store_id: str,
    kind: Literal["hours", "timezones", "labels"],
    created_by: str,
    change: Callable[[psycopg.Connection, int], tuple[Counts, bool]],
) -> StoreChange:
    """`change` returns the counts, and whether anything is different now."""
    store_id = store_id.strip(" ")
    if reason := store_id_fault(store_id):
        raise InvalidRequest(ROW_REASONS[reason], field="store_id")
    import_id = new_id()
    try:
        with connect(database_url, application_name="uptill-ingest store") as conn:
            conn.execute(_SQL["begin_change"], {"patience": LOCK_PATIENCE})
            row = {"id": import_id, "kind": kind, "source": f"store {store_id}", "created_by": created_by}
            conn.execute(_SQL["insert_store_change"], row)
            counts, changed = change(conn, store_keys_of(conn, [store_id])[store_id])
            record_change(conn, import_id, counts, Stretch(0, 0), changed=changed)
            conn.execute(_SQL["finish_store_change"], {"id": import_id})
    except (TableLocked, psycopg.errors.QueryCanceled) as error:
        raise DatabaseUnavailable(
            "another import holds the tables for long; send the change again"
        ) from error
    return StoreChange(store_id, import_id, counts)
