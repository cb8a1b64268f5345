"""Writers at the database itself, one per node, in a process of their own: `python -m tests.ha.probe DIR NAME=URL …`.

Each inserts rows through its own node only, and writes down what that node acknowledged. So the time without writes is
known apart from the services', and a node that was frozen meets a session which wants to write as soon as it wakes.
"""

import sys
import time
from pathlib import Path
from threading import Thread
from typing import Final

import psycopg

from tests.chaos.soak.ending import Ending
from tests.chaos.soak.journal import Journal

TABLE: Final = "public.failover_probe"
_EVERY_S: Final = 0.05
_PAUSE_S: Final = 0.1
_CONNECT_TIMEOUT_S: Final = 2


class _NodeWriter(Thread):
    """Inserts a row at a time. A row that was not acknowledged is not sent again."""

    def __init__(self, name: str, url: str, ending: Ending, journal: Journal) -> None:
        super().__init__(daemon=True)
        self._node, self._url, self._ending, self._journal = name, url, ending, journal
        self._number = 0

    def run(self) -> None:
        while not self._ending.has_come():
            try:
                with psycopg.connect(self._url, autocommit=True, connect_timeout=_CONNECT_TIMEOUT_S) as conn:
                    self._write(conn)
            except psycopg.Error:
                time.sleep(_PAUSE_S)

    def _write(self, conn: psycopg.Connection) -> None:
        while not self._ending.has_come():
            self._number += 1
            conn.execute(f"insert into {TABLE} values (%s, %s)".encode(), [self._node, self._number])
            self._journal.write("row", node=self._node, number=self._number)
            time.sleep(_EVERY_S)


def main(directory: Path, *nodes: str) -> None:
    ending, journal = Ending(directory), Journal(directory / "probe.jsonl")
    named = [node.partition("=") for node in nodes]
    writers = [_NodeWriter(name, url, ending, journal) for name, _, url in named]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
