"""A time limit that also works if Postgres is frozen. A frozen server does not enforce its statement timeout.

Shutting down the socket makes the driver see a lost connection at once. Cancelling the task would wait for the server.
"""

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg


@contextmanager
def cut_after(conn: psycopg.AsyncConnection, seconds: float | None) -> Iterator[None]:
    """Shut down the connection if the block takes longer than `seconds`. The driver then raises `OperationalError`."""
    if seconds is None:
        yield
        return
    timer = asyncio.get_running_loop().call_later(seconds, _shut_down, conn)
    try:
        yield
    finally:
        timer.cancel()


def _shut_down(conn: psycopg.AsyncConnection) -> None:
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(conn.fileno())) as same:
        # It may be closed already.
        same.shutdown(socket.SHUT_RDWR)
