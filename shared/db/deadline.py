"""A time limit that also holds where Postgres is frozen: its statement timeout is kept by the server, so not then.

The socket is shut down, and the driver sees a lost connection at once. Cancelling the task would wait for the server.
"""

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg


@contextmanager
def cut_after(conn: psycopg.AsyncConnection, seconds: float | None) -> Iterator[None]:
    """Shut the connection down if the block has not ended after `seconds`; the driver then raises `OperationalError`."""
    if seconds is None:
        yield
        return
    timer = asyncio.get_running_loop().call_later(seconds, _cut, conn)
    try:
        yield
    finally:
        timer.cancel()


def _cut(conn: psycopg.AsyncConnection) -> None:
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(conn.fileno())) as same:
        same.shutdown(socket.SHUT_RDWR)  # unless it is closed already
