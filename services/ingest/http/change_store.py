"""Changes the opening hours, the time zone or the labels of one store, counted like a file that names only this store."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from services.ingest.http.write_live import LOCK_PATIENCE
from services.ingest.parse.local_hours import parse_hours
from services.ingest.parse.reasons import ROW_REASONS
from services.ingest.parse.zones import find_zone
from services.ingest.write.counts import RowCounts, Stretch
from services.ingest.write.ledger import ImportLedger
from services.ingest.write.store_keys import add_stores
from shared.db.connect import connect
from shared.db.queries import queries
from shared.errors import DatabaseUnavailable, InvalidRequest, StoreNotFound, TableLocked
from shared.ids import new_id

_SQL = queries("live")


@dataclass(frozen=True)
class StoreChange:
    """The change of one store: the import that records it, its counts, and what the sender should check."""

    store_id: str
    import_id: UUID
    counts: RowCounts
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class LocalInterval:
    """One opening as text: the day (0 is Monday), and two times of day, `HH:MM` or `HH:MM:SS`."""

    day_of_week: str
    opens: str
    closes: str


def replace_hours(
    database_url: str,
    store_id: str,
    intervals: Sequence[LocalInterval],
    created_by: str,
    *,
    create: bool = False,
) -> StoreChange:
    """Replace the hours; without intervals the store is open 24x7. Raise as `_change_store` does."""
    parsed: list[tuple[object, ...]] = []
    for index, interval in enumerate(intervals):
        fields = parse_hours(interval.day_of_week, interval.opens, interval.closes)
        if isinstance(fields, str):
            raise InvalidRequest(f"interval {index}: {ROW_REASONS[fields]}", field=f"hours.{index}")
        # The body numbers the days from 0.
        parsed.append((fields["day_number"], fields["opens"], fields["closes"]))
    days, opens, closes = ([fields[column] for fields in parsed] for column in range(3))

    def write_hours(conn: psycopg.Connection, store_key: int) -> tuple[RowCounts, bool]:
        values = {"store_key": store_key, "days": days, "opens": opens, "closes": closes}
        ((added, changed),) = conn.execute(_SQL["replace_hours"], values)
        return RowCounts(accepted=added, duplicate=len(parsed) - added), changed

    return _change_store(database_url, store_id, "hours", created_by, write_hours, create=create)


def replace_timezone(
    database_url: str, store_id: str, timezone: str, created_by: str, *, create: bool = False
) -> StoreChange:
    """Set the time zone. Raise as `_change_store` does."""
    zone = find_zone(timezone)
    if isinstance(zone, str):
        raise InvalidRequest(ROW_REASONS[zone], field="timezone")
    name = zone.name

    def write_timezone(conn: psycopg.Connection, store_key: int) -> tuple[RowCounts, bool]:
        ((before,),) = conn.execute(_SQL["replace_timezone"], {"store_key": store_key, "timezone": name})
        counts = RowCounts(int(before is None), int(before == name), int(before not in {None, name}))
        return counts, before != name

    change = _change_store(database_url, store_id, "timezones", created_by, write_timezone, create=create)
    return replace(change, warnings=zone.warnings)


def replace_labels(
    database_url: str, store_id: str, labels: Mapping[str, str], created_by: str, *, create: bool = False
) -> StoreChange:
    """Replace all labels by these valid ones. Raise as `_change_store` does."""

    def write_labels(conn: psycopg.Connection, store_key: int) -> tuple[RowCounts, bool]:
        values = {"store_key": store_key, "labels": Jsonb(dict(labels))}
        ((before,),) = conn.execute(_SQL["replace_labels"], values)
        same = sum(before.get(name) == value for name, value in labels.items())
        known = sum(name in before for name in labels)
        counts = RowCounts(accepted=len(labels) - known, duplicate=same, corrected=known - same)
        return counts, before != dict(labels)

    return _change_store(database_url, store_id, "labels", created_by, write_labels, create=create)


def _change_store(
    database_url: str,
    store_id: str,
    kind: Literal["hours", "timezones", "labels"],
    created_by: str,
    write_change: Callable[[psycopg.Connection, int], tuple[RowCounts, bool]],
    *,
    create: bool,
) -> StoreChange:
    """Make one change. `write_change` returns the counts, and whether anything is different now.

    Raise `DatabaseUnavailable`, and `StoreNotFound` for an unknown store unless it may be created.
    """
    import_id = new_id()
    try:
        with connect(database_url, application_name="uptill-ingest store") as conn:
            conn.execute(_SQL["begin_change"], {"patience": LOCK_PATIENCE})
            if not create and conn.execute(_SQL["store_exists"], {"store_id": store_id}).fetchone() != (
                True,
            ):
                raise StoreNotFound(
                    f"store {store_id!r} does not exist: check the id, or pass create=true (--create) to add the store"
                )
            row = {"id": import_id, "kind": kind, "source": f"store {store_id}", "created_by": created_by}
            conn.execute(_SQL["insert_store_change"], row)
            store_key, _ = add_stores(conn, [store_id])[store_id]
            counts, changed = write_change(conn, store_key)
            ImportLedger(conn, import_id).record_progress(Stretch(0, 0), counts, changed=changed)
            conn.execute(_SQL["finish_store_change"], {"id": import_id})
    except (TableLocked, psycopg.errors.QueryCanceled) as error:
        raise DatabaseUnavailable(
            "another import has locked the tables for too long; send the change again"
        ) from error
    return StoreChange(store_id, import_id, counts)
