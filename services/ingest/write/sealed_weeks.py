"""Late polls of sealed weeks: such a week must be opened before anything can be said about its polls."""

from collections.abc import Sequence
from datetime import datetime

import psycopg

from shared.db.queries import queries
from shared.errors import TableLocked

_SQL = queries("sealed")


class WeekSealed(TableLocked):
    """Weeks of these polls are sealed. A worker opens them once they are wanted."""

    setting = ""  # the database is there: its address is right

    def __init__(self, message: str, mondays: Sequence[datetime] = ()) -> None:
        super().__init__(message)
        self.mondays = mondays


def find_sealed(conn: psycopg.Connection, mondays: Sequence[datetime]) -> list[datetime]:
    """Return which of the weeks are sealed. Under the writer lock, that does not change."""
    return [monday for (monday,) in conn.execute(_SQL["sealed_mondays"], {"mondays": list(mondays)})]


def refuse_sealed(conn: psycopg.Connection, mondays: Sequence[datetime]) -> None:
    """Raise `WeekSealed` if one of the weeks is sealed."""
    if sealed := find_sealed(conn, mondays):
        raise week_sealed(sealed)


def want_weeks(conn: psycopg.Connection, mondays: Sequence[datetime]) -> None:
    """Have weeks opened: the scheduler sees it at its next sweep."""
    conn.execute(_SQL["want_weeks"], {"mondays": list(mondays)})


def week_sealed(mondays: Sequence[datetime]) -> WeekSealed:
    """Return the error for sealed weeks."""
    weeks = ", ".join(f"{monday:%G-W%V}" for monday in mondays)
    return WeekSealed(
        f"the polls of {weeks} are sealed, and are being opened for late polls, which takes a worker some seconds",
        mondays,
    )
