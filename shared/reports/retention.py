"""Expire reports and find objects that no row points to. The rows decide what stays, never the listing."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, groupby
from uuid import UUID

import psycopg

from shared.db.queries import queries
from shared.storage import ListedObject, Storage

PREFIX = "reports/"
# Months of daily facts, delivered files, and weeks of polls. Nothing but their abandoned uploads is removed here.
FACTS_PREFIX = "facts/"
DELIVERIES_PREFIX = "deliveries/"
_POLLS_PREFIX = "polls/"
_OTHERS = (FACTS_PREFIX, DELIVERIES_PREFIX, _POLLS_PREFIX)
_SQL = queries("reports")
_MOST_AT_ONCE = 100
# A part is uploaded before the row that points to it is committed.
_GRACE = timedelta(hours=1)


@dataclass(frozen=True)
class BucketSweep:
    """What one sweep removed, and how many objects belong to reports that this database does not know (`strangers`).

    `lost`: files of succeeded reports that are missing or have another size. None if the sweep ended early.
    """

    objects: int
    uploads: int
    strangers: int
    lost: int | None = 0


def expire_reports(conn: psycopg.Connection, ttl_s: float) -> list[UUID]:
    """Mark reports older than `ttl_s` as expired and return them. The caller removes their objects, or a later sweep does."""
    rows = conn.execute(_SQL["expire_reports"], {"ttl": timedelta(seconds=ttl_s), "limit": _MOST_AT_ONCE})
    return [report_id for (report_id,) in rows]


def remove_files(storage: Storage, report_id: UUID) -> int:
    """Remove every object of an expired or deleted report; return how many."""
    keys = [item.key for item in storage.list(f"{PREFIX}{report_id}/")]
    for key in keys:
        storage.delete(key)
    return len(keys)


def sweep_bucket(
    conn: psycopg.Connection,
    storage: Storage,
    ttl_s: float,
    *,
    grace: timedelta = _GRACE,
    now: datetime | None = None,
    may_continue: Callable[[], bool] = lambda: True,
) -> BucketSweep:
    """Remove objects that no row points to, and abandoned multipart uploads.

    Keeps everything that is younger than `grace`, belongs to a report under way, or belongs to a report that this
    database does not know, because another database may share the bucket. `now` is this process's clock; only the
    grace depends on it. Ends early once `may_continue` returns False.
    """
    before = (now or datetime.now(UTC)) - grace
    objects = uploads = strangers = 0
    unseen = _list_files(conn)
    for report_id, items in _group_by_report(storage.list(PREFIX)):
        if not may_continue():
            return BucketSweep(objects, uploads, strangers, lost=None)
        unseen.difference_update((item.key, item.size_bytes) for item in items)
        wanted = _find_wanted(conn, [report_id], ttl_s)
        if report_id not in wanted:
            strangers += len(items)
            continue
        for item in _drop_wanted(items, wanted[report_id]):
            if item.modified < before:
                storage.delete(item.key)
                objects += 1
    for upload in chain.from_iterable(map(storage.open_uploads, (PREFIX, *_OTHERS))):
        if not may_continue():
            break
        if upload.key.startswith(_OTHERS) and upload.begun < before:
            storage.abort(upload)
            uploads += 1
            continue
        owner = _report_of(upload.key)
        if (
            owner is not None
            and upload.begun < before
            and _find_wanted(conn, [owner], ttl_s).get(owner) is not None
        ):
            storage.abort(upload)
            uploads += 1
    # Some may have expired since.
    lost = len(unseen & _list_files(conn)) if unseen else 0
    return BucketSweep(objects, uploads, strangers, lost)


def unreferenced_objects(
    conn: psycopg.Connection, items: Iterable[ListedObject], ttl_s: float
) -> tuple[list[str], list[str]]:
    """Return the keys of objects that no row points to, and those of parts that ended reports have left.

    `items` is a listing ordered by key.
    """
    unreferenced: list[str] = []
    left_parts: list[str] = []
    for report_id, some in _group_by_report(items):
        wanted = _find_wanted(conn, [report_id], ttl_s)
        for item in _drop_wanted(some, wanted.get(report_id, frozenset())):
            is_left = report_id in wanted and item.key.startswith(f"{PREFIX}{report_id}/parts/")
            (left_parts if is_left else unreferenced).append(item.key)
    return unreferenced, left_parts


def _list_files(conn: psycopg.Connection) -> set[tuple[str, int]]:
    """Return key and size of every file of the succeeded reports."""
    return {(key, size_bytes) for _, key, size_bytes in conn.execute(_SQL["succeeded_objects"])}


def _drop_wanted(items: Iterable[ListedObject], wanted: frozenset[str] | None) -> Iterator[ListedObject]:
    return (item for item in items if wanted is not None and item.key not in wanted)


def _find_wanted(
    conn: psycopg.Connection, ids: list[UUID], ttl_s: float
) -> Mapping[UUID, frozenset[str] | None]:
    """Return for each known report the keys that must stay. None: all of them."""
    rows = conn.execute(_SQL["wanted_objects"], {"ids": ids, "ttl": timedelta(seconds=ttl_s)})
    return {report_id: None if keys is None else frozenset(keys) for report_id, keys in rows}


def _group_by_report(items: Iterable[ListedObject]) -> Iterator[tuple[UUID, list[ListedObject]]]:
    """Group a listing ordered by key. Objects outside the folders of reports are left out."""
    for report_id, group in groupby(items, key=lambda item: _report_of(item.key)):
        if report_id is not None:
            yield report_id, list(group)


def _report_of(key: str) -> UUID | None:
    try:
        return UUID(key.split("/")[1])
    except (ValueError, IndexError):
        return None
