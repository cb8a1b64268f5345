"""Reads the polls of sealed weeks that a snapshot of the database sees."""

from dataclasses import dataclass
from datetime import datetime

import psycopg

from shared.clock import to_us
from shared.db.queries import queries
from shared.errors import ConfigurationError
from shared.inputs.stores import Stores
from shared.sealed.read_week import read_week
from shared.sealed.sealed_rows import SealedRows
from shared.sealed.sealed_week import SealedWeek
from shared.storage import Storage

_SQL = queries("sealed")


@dataclass(frozen=True)
class SealedPolls:
    """The sealed weeks of one snapshot. They all end by `until`; None: there are none."""

    storage: Storage | None = None
    until: datetime | None = None

    def read(
        self, conn: psycopg.Connection, stores: Stores, from_time: datetime, to_time: datetime
    ) -> SealedRows | None:
        """Return the polls of stores in sealed weeks, or None if no sealed week lies between the instants.

        `conn` is in the transaction of the snapshot. Raises `StorageUnavailable`, `ObjectGone` and `ObjectCorrupt`.
        """
        if self.until is None or from_time >= self.until:
            return None
        rows = conn.execute(_SQL["weeks"], {"from_time": from_time, "to_time": to_time}).fetchall()
        weeks = [SealedWeek.of_row(*row) for row in rows]
        if not weeks:
            return None
        if self.storage is None:
            raise ConfigurationError(
                "weeks of polls are sealed, and this process has no bucket to read them from"
            )
        range_us = to_us(from_time), to_us(to_time)
        return SealedRows.join(
            [read_week(self.storage, week, stores.ids, stores.keys, range_us) for week in weeks]
        )


NONE_SEALED = SealedPolls()
