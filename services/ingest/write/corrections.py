"""Corrects the status of polls that are stored. Knows no counts."""

from collections.abc import Sequence
from datetime import datetime

import psycopg

from shared.db.queries import queries

_SQL = queries("ingest")


def turn_polls(conn: psycopg.Connection, store_keys: Sequence[int], instants: Sequence[datetime]) -> None:
    """Give these polls, all of which are stored, the other status. The caller holds the writer lock."""
    if store_keys:
        conn.execute(_SQL["look_polls_up"])
        values = {"store_keys": store_keys, "instants": instants}
        conn.execute(_SQL["turn_polls"], values, prepare=False)
