"""Compare the reports in Postgres with the objects in the bucket, in both directions. Changes nothing."""

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from shared.db.queries import queries
from shared.errors import ObjectLost
from shared.reports.formats import FileFormat, FileKind, file_name
from shared.reports.retention import PREFIX, unreferenced_objects
from shared.storage import ListedObject, Storage

_SQL = queries("reports")
_READ_AT_ONCE = 4


@dataclass(frozen=True)
class KeptObject:
    """An object that a row points to: a file of a succeeded report, or the part of a batch of an unfinished one.

    `key` is empty if a succeeded report has no file, which only a manual change of the database can cause.
    """

    report_id: UUID
    as_of: datetime
    kind: FileKind | None
    format: FileFormat | None
    batch_no: int | None
    key: str
    size_bytes: int
    sha256: str

    @property
    def name(self) -> str:
        """What the object is in its report, for people."""
        if self.format is not None:
            return file_name(self.format, self.kind or "report")
        return f"the part of batch {self.batch_no}" + ("" if self.kind == "report" else f" for {self.kind}")

    @property
    def is_part(self) -> bool:
        return self.batch_no is not None


@dataclass(frozen=True)
class Damage:
    """An object that is missing from the bucket or was changed there, and what is wrong with it."""

    object: KeptObject
    detail: str


@dataclass(frozen=True)
class Discrepancies:
    """Damaged `files` of succeeded reports, damaged `parts` of others, and keys of objects without a report.

    `left_parts` are parts of ended reports, which the scheduler removes later. `read` is the number of objects whose
    bytes were verified.
    """

    files: list[Damage]
    parts: list[Damage]
    unreferenced: list[str]
    left_parts: list[str]
    read: int

    @property
    def is_clean(self) -> bool:
        return not (self.files or self.parts or self.unreferenced or self.left_parts)


def reconcile(
    conn: psycopg.Connection, storage: Storage, ttl_s: float, *, deep: bool = False
) -> Discrepancies:
    """Check that every object exists with the stored length and, if `deep`, with the stored SHA-256.

    `conn` must be outside a transaction, because listing the bucket may take minutes. Raises `StorageUnavailable`.
    """
    listed = {item.key: item for item in storage.list(PREFIX)}
    kept = _list_kept(conn, ttl_s)
    damages = list(_find_missing(kept, listed))
    known = {damage.object for damage in damages}
    whole = [each for each in kept if each not in known] if deep else []
    damages += _find_changed(storage, whole)
    # Reports may have expired, and batches may have been computed again, since the first query.
    still = set(_list_kept(conn, ttl_s)) if damages else set()
    damages = [damage for damage in damages if damage.object in still]
    unreferenced, left_parts = unreferenced_objects(conn, listed.values(), ttl_s)
    return Discrepancies(
        [damage for damage in damages if not damage.object.is_part],
        [damage for damage in damages if damage.object.is_part],
        unreferenced,
        left_parts,
        len(whole),
    )


def _list_kept(conn: psycopg.Connection, ttl_s: float) -> list[KeptObject]:
    with conn.cursor(row_factory=class_row(KeptObject)) as cursor:
        return cursor.execute(_SQL["kept_objects"], {"ttl": timedelta(seconds=ttl_s)}).fetchall()


def _find_missing(kept: Iterable[KeptObject], listed: Mapping[str, ListedObject]) -> Iterator[Damage]:
    for each in kept:
        item = listed.get(each.key)
        if item is None:
            yield Damage(each, f"the object {each.key} is not in the bucket")
        elif item.size_bytes != each.size_bytes:
            yield Damage(
                each, f"the object {each.key} has {item.size_bytes:,} bytes instead of {each.size_bytes:,}"
            )


def _find_changed(storage: Storage, kept: Iterable[KeptObject]) -> Iterator[Damage]:
    with ThreadPoolExecutor(_READ_AT_ONCE, "reconcile") as readers:
        yield from filter(None, readers.map(partial(_verify_object, storage), kept))


def _verify_object(storage: Storage, each: KeptObject) -> Damage | None:
    try:
        storage.verify(each)
    except ObjectLost as error:
        return Damage(each, str(error))
    return None
