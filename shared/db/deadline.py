"""A time limit that also works if Postgres is frozen. A frozen server does not enforce its statement timeout.

Shutting down the socket makes the driver see a lost connection at once. Cancelling the task would wait for the server.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from shared.db.primary_watch import shut_down
from shared.errors import DatabaseUnavailable


@contextmanager
def cut_after(conn: psycopg.AsyncConnection, seconds: float | None) -> Iterator[None]:
    """Shut down the connection if the block takes longer than `seconds`, and raise `DatabaseUnavailable`."""
    if seconds is None:
        yield
        return
    loop = asyncio.get_running_loop()
    due_s = loop.time() + seconds
    timer = loop.call_later(seconds, shut_down, conn)
    try:
        yield
    except psycopg.OperationalError as error:
        if loop.time() < due_s:
            raise
        raise DatabaseUnavailable(
            f"the database did not answer within {seconds:g} s: it is overloaded, or its disk is slow; try again"
        ) from error
    finally:
        timer.cancel()
