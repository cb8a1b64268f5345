"""Declares, changes, withdraws and restores closures.

A caller that is limited to labels declares and changes those of its stores. It sees others that apply to these stores too.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from json import loads
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from services.ingest.http.closure_reads import ClosureRow, closure_not_found, scope_json
from services.ingest.http.record_change import record_change
from services.ingest.http.unknown_labels import warn_of_labels
from services.ingest.parse.adjustments import parse_closure
from services.ingest.write.adjustment_change import AdjustmentChange
from services.ingest.write.counts import RowCounts
from services.ingest.write.history_table import CLOSURES, CLOSURES_BY_ID
from shared.db.queries import queries
from shared.diagnostics.registry import DIAGNOSTICS, LONG_CLOSURE_DAYS
from shared.errors import ClosureExists, ForbiddenError, InvalidRequest, LimitReached, StoreNotFound
from shared.ids import new_id
from shared.keys import ApiKey
from shared.row_reasons import ROW_REASONS
from shared.store_limits import MAX_CLOSURES
from shared.texts import quoted

_SQL = queries("adjust")
EVERY_STORE_ID = "*"


@dataclass(frozen=True)
class WrittenTerms:
    """When a closure holds and what it does, as a caller writes it."""

    starts_at: str
    ends_at: str | None
    treatment: str
    reason: str = ""
    note: str = ""

    def parse(self) -> dict[str, Any]:
        """Return the columns of the closure. Raise `InvalidRequest`."""
        found = parse_closure(self.starts_at, self.ends_at or "", self.treatment, self.reason, self.note)
        if isinstance(found, str):
            raise InvalidRequest(ROW_REASONS[found], field="ends_at" if found == "closure_order" else found)
        return {"starts_at": found["begins"], "ends_at": found["ends"], **loads(found["details"])}


@dataclass(frozen=True)
class Target:
    """The stores that a closure is declared for: one, those with the labels, or every store (`*`)."""

    store_id: str
    labels: Mapping[str, str] | None = None

    @property
    def is_one_store(self) -> bool:
        return self.labels is None and self.store_id != EVERY_STORE_ID


@dataclass(frozen=True)
class Declared:
    """What a declaration gives: the id, None if a dry run would make a new closure; `row` is that closure."""

    id: UUID | None
    row: ClosureRow
    warnings: Sequence[str]


def declare_closure(
    database_url: str, key: ApiKey, target: Target, terms: WrittenTerms, *, dry_run: bool = False
) -> Declared:
    """Declare a closure of some stores. If the same one holds already, return its id. A dry run changes nothing.

    Raise `InvalidRequest`, `StoreNotFound`, `ForbiddenError`, `ClosureExists`, `LimitReached` and `DatabaseUnavailable`.
    """
    columns, closure_id, is_held = terms.parse(), new_id(), False
    warnings, labels = list(_warn_of_length(columns)), target.labels or {}

    def declare(conn: psycopg.Connection, change: AdjustmentChange) -> RowCounts:
        nonlocal closure_id, is_held
        warnings.extend(warn_of_labels(conn, labels))
        place = {"store_key": _find_target(conn, key, target), "labels": Jsonb(dict(labels))}
        if held := _find_one(conn, "closure_at", {**place, "starts_at": columns["starts_at"]}):
            closure_id, is_held = held.pop("id"), True
            if held != {name: columns[name] for name in held}:
                raise _exists(closure_id)
        else:
            _require_room(conn, place)
        return change.merge_rows(CLOSURES, [{"id": closure_id, **place, **columns}])

    source = f"closure of {f'store {target.store_id}' if target.is_one_store else 'several stores'}"
    record_change(database_url, "closures", source, key.prefix, declare, dry_run=dry_run)
    store_id = target.store_id if target.is_one_store else None
    by, now = key.prefix, datetime.now(UTC)
    row = ClosureRow(
        None,
        store_id,
        labels,
        **columns,
        import_id=None,
        declared_by=by,
        declared_at=now,
        changed_by=by,
        changed_at=now,
    )
    return Declared(None if dry_run and not is_held else closure_id, row, warnings)


def change_closure(
    database_url: str,
    key: ApiKey,
    closure_id: UUID,
    changes: Mapping[str, str | None],
    *,
    dry_run: bool = False,
) -> Mapping[str, Any]:
    """Change some terms of a closure, and return all of them. A dry run changes nothing.

    Raise as `declare_closure`, and `ClosureNotFound`.
    """
    columns: dict[str, Any] = {}

    def change_terms(conn: psycopg.Connection, change: AdjustmentChange) -> RowCounts:
        held = _find_changeable(conn, key, closure_id)
        ends_at = held["ends_at"]
        before = {
            "starts_at": held["starts_at"].isoformat(),
            "ends_at": ends_at.isoformat() if ends_at else None,
            **{name: held[name] for name in ("treatment", "reason", "note")},
        }
        columns.update(WrittenTerms(**{**before, **changes}).parse())
        row = {"id": closure_id, "store_key": held["store_key"], "labels": Jsonb(held["labels"]), **columns}
        with _refusing_doubles(closure_id):
            return change.merge_rows(CLOSURES_BY_ID, [row])

    source = f"change of closure {closure_id}"
    record_change(database_url, "closures", source, key.prefix, change_terms, dry_run=dry_run)
    return columns


def withdraw_closure(database_url: str, key: ApiKey, closure_id: UUID, *, dry_run: bool = False) -> None:
    """Withdraw a closure. A dry run changes nothing. Raise `ClosureNotFound`, `ForbiddenError`, `DatabaseUnavailable`."""

    def withdraw(conn: psycopg.Connection, change: AdjustmentChange) -> RowCounts:
        held = _find_changeable(conn, key, closure_id)
        row = {**held, "id": closure_id, "labels": Jsonb(held["labels"])}
        return change.merge_rows(CLOSURES_BY_ID, [], [row])

    source = f"withdrawal of closure {closure_id}"
    record_change(database_url, "closures", source, key.prefix, withdraw, dry_run=dry_run)


def restore_closure(database_url: str, key: ApiKey, closure_id: UUID, *, dry_run: bool = False) -> None:
    """Declare a withdrawn closure again, with its last terms. One that holds stays as it is.

    Raise `ClosureNotFound`, `ClosureExists`, `LimitReached`, `ForbiddenError` and `DatabaseUnavailable`.
    """

    def restore(conn: psycopg.Connection, change: AdjustmentChange) -> RowCounts:
        asked = {"id": closure_id, "scope": scope_json(key.visible)}
        if withdrawn := _find_one(conn, "closure_to_restore", asked):
            _require_right(key, withdrawn)
        terms = withdrawn or _find_changeable(conn, key, closure_id)
        row = {**terms, "id": closure_id, "labels": Jsonb(terms["labels"])}
        if withdrawn:
            _require_room(conn, row)
        with _refusing_doubles(closure_id):
            return change.merge_rows(CLOSURES_BY_ID, [row])

    source = f"restoration of closure {closure_id}"
    record_change(database_url, "closures", source, key.prefix, restore, dry_run=dry_run)


def _require_room(conn: psycopg.Connection, place: Mapping[str, Any]) -> None:
    if conn.execute(_SQL["closures_are_full"], {**place, "most": MAX_CLOSURES}).fetchone():
        raise LimitReached(
            f"there are {MAX_CLOSURES:,} closures of the same stores, the limit: withdraw old ones, or declare one for the whole time"
        )


def _find_target(conn: psycopg.Connection, key: ApiKey, target: Target) -> int:
    """Return the key of the store, or 0 for several stores."""
    if not target.is_one_store:
        _require_admin(key)
        return 0
    asked = {"store_id": target.store_id, "scope": scope_json(key.visible)}
    found = _find_one(conn, "closure_target", asked)
    if found is None:
        raise StoreNotFound(
            f"store {quoted(target.store_id)} does not exist, or is not visible to this key: check the id"
        )
    return int(found["store_key"])


def _warn_of_length(columns: Mapping[str, Any]) -> Iterator[str]:
    long = DIAGNOSTICS["long_closure"]
    starts_at, ends_at = columns["starts_at"], columns["ends_at"]
    if columns["treatment"] != "ignore" and (
        ends_at is None or ends_at - starts_at > timedelta(days=LONG_CLOSURE_DAYS)
    ):
        yield f"{long.text}: {long.fix}"


def _find_changeable(conn: psycopg.Connection, key: ApiKey, closure_id: UUID) -> dict[str, Any]:
    held = _find_one(conn, "closure_to_change", {"id": closure_id, "scope": scope_json(key.visible)})
    if held is None:
        raise closure_not_found(closure_id)
    _require_right(key, held)
    return held


def _require_right(key: ApiKey, held: Mapping[str, Any]) -> None:
    if held["store_key"] == 0:
        _require_admin(key)


def _require_admin(key: ApiKey) -> None:
    if not key.allows("admin"):
        raise ForbiddenError(
            "a closure for labels or for every store needs the scope admin: use such a key, or name one store"
        )


def _find_one(conn: psycopg.Connection, name: str, values: Mapping[str, Any]) -> dict[str, Any] | None:
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_SQL[name], values).fetchone()


@contextmanager
def _refusing_doubles(closure_id: UUID) -> Iterator[None]:
    try:
        yield
    except psycopg.errors.UniqueViolation:
        raise ClosureExists(
            f"closure {closure_id} cannot begin then: another closure with the same stores has this start; change that one"
        ) from None


def _exists(closure_id: UUID) -> ClosureExists:
    return ClosureExists(
        f"closure {closure_id} already begins then for the same stores: change it with PATCH /v1/closures/{closure_id}"
    )
