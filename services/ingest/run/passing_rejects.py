"""Tells whether rows that an earlier load rejected would be read now. If none would, the same bytes change nothing."""

import re
from collections.abc import Collection, Iterator
from typing import Final
from uuid import UUID

import psycopg

from services.ingest.parse.header_fields import SEPARATORS
from services.ingest.parse.reasons import RAW_BYTES
from services.ingest.parse.zones import Zone, find_zone
from services.ingest.write.note_table import read_reasons
from shared.db.queries import queries
from shared.reason_words import fold_reason

_SQL = queries("rejects")
_OF_TIME: Final = ("future", "until_order")  # a minute later they may be valid
_OF_LIMITS: Final = ("odd_id", "summary_row")  # read if odd ids are allowed
_OF_NAMES: Final = ("timezone", "unknown_reason")  # read once the name is known
_MOST_LINES: Final = 1000
_BORDERS: Final = re.compile(f"[{re.escape(SEPARATORS)}]")


def may_be_read_now(conn: psycopg.Connection, import_id: UUID, *, allow_odd_ids: bool) -> bool:
    """Return whether a rejected row of an import may be valid now. In doubt, return True."""
    asked = [*_OF_TIME, *_OF_NAMES, *(_OF_LIMITS if allow_odd_ids else ())]
    values = {"id": import_id, "reasons": asked, "limit": _MOST_LINES + 1}
    rejects = conn.execute(_SQL["passing"], values).fetchall()
    if len(rejects) > _MOST_LINES or any(reason not in _OF_NAMES for reason, _ in rejects):
        return True
    words = read_reasons(conn) if any(reason == "unknown_reason" for reason, _ in rejects) else {}
    return any(_names_known(reason, raw, words) for reason, raw in rejects)


def _names_known(reason: str, raw: bytes | None, words: Collection[str]) -> bool:
    """Return whether any field of a row is a zone or a reason that is known now."""
    if raw is None or len(raw) >= RAW_BYTES:  # not listed, or cut
        return True
    if reason == "timezone":
        return any(isinstance(find_zone(field), Zone) for field in _list_fields(raw))
    return any(fold_reason(field) in words for field in _list_fields(raw))


def _list_fields(raw: bytes) -> Iterator[str]:
    """Yield what may be the fields of a row, whatever its separator."""
    for field in _BORDERS.split(raw.decode("utf-8", "replace")):
        yield field.strip('" \t\r')
