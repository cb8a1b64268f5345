"""Whose upload is loaded next. Keys take turns, so that many uploads of one key do not hold up another's."""

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from itertools import count
from uuid import UUID

import psycopg

from shared.db.queries import queries

_SQL = queries("imports")


class Turns:
    """The turns of one importer. A key and the keys that it was rotated from share a turn."""

    def __init__(self, connect: Callable[[], AbstractContextManager[psycopg.Connection]]) -> None:
        self._connect = connect
        self._clock = count(1)
        self._served: dict[str, int] = {}  # when each key was last served; 0 for never

    def lets_pass(self, upload: UUID, due: Collection[UUID]) -> bool:
        """Return whether an upload of another key is due."""
        with self._connect() as conn:
            lines: dict[UUID, str] = dict(
                conn.execute(_SQL["lines_of_uploads"], {"ids": [upload, *due]}).fetchall()
            )
        own = lines.get(upload)
        return any(lines.get(other) not in (None, own) for other in due)

    def next(self, due: Collection[UUID]) -> UUID | None:
        """Return the oldest upload of the key that was served longest ago; None if no upload is due."""
        if not due:
            return None
        with self._connect() as conn:
            rows = conn.execute(_SQL["lines_of_uploads"], {"ids": list(due)})
            lines: dict[UUID, str] = dict(rows.fetchall())
        chosen = min(due, key=lambda upload: (self._served.get(lines.get(upload, ""), 0), upload))
        self._served[lines.get(chosen, "")] = next(self._clock)
        return chosen
